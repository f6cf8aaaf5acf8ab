//! What the environment decides: proxies and the system's authorities. The environment belongs to
//! the whole process, so each case runs this test binary again, in an environment of its own.

use std::process::Command;

use super::server::{Server, answer, json};
use super::tls::Authority;
use super::*;

/// The variables that matter here; a child starts without any of them.
const VARIABLES: [&str; 10] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Runs one of the ignored tests below in an environment with these variables.
fn in_environment(test: &str, variables: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    let output = command
        .args(["--exact", &format!("client::tests::environment::{test}"), "--ignored"])
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("1 passed"), "{shown}");
}

#[test]
fn the_usual_variables_name_the_proxy() {
    in_environment("child_without_a_proxy", &[]);
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        in_environment("child_with_a_dead_proxy", &[(variable, "http://127.0.0.1:1")]);
    }
    let exempt = [("HTTP_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", "127.0.0.1")];
    in_environment("child_without_a_proxy", &exempt);
    in_environment("child_with_no_proxy", &[("NO_PROXY", "127.0.0.1")]);
}

#[tokio::test]
#[ignore = "runs as a child of the_usual_variables_name_the_proxy"]
async fn child_without_a_proxy() {
    let server = Server::start(|_| json(PAGE)).await;
    search_at(&Setup::new(&server.url())).await.unwrap();
}

#[tokio::test]
#[ignore = "runs as a child of the_usual_variables_name_the_proxy"]
async fn child_with_a_dead_proxy() {
    let server = Server::start(|_| json(PAGE)).await;
    let error = failed(search_at(&Setup::new(&server.url())).await);
    assert_eq!(error.kind, RequestErrorKind::Connect);
    assert!(server.received().is_empty());
}

/// `NO_PROXY` of the environment holds for a configured proxy unless the configuration has its own.
#[tokio::test]
#[ignore = "runs as a child of the_usual_variables_name_the_proxy"]
async fn child_with_no_proxy() {
    let proxy = Server::start(|_| answer(502, &[], "")).await;
    let server = Server::start(|_| json(PAGE)).await;
    let mut setup = Setup::new(&server.url());
    setup.server.proxy = Some(Secret::new(format!("http://{}", proxy.address)));
    search_at(&setup).await.unwrap();
    setup.server.no_proxy = vec!["example.com".to_owned()];
    assert_eq!(failed(search_at(&setup).await).status, Some(502));
}

#[test]
fn a_machine_without_authorities_serves_all_that_needs_none() {
    let nothing = tempfile::NamedTempFile::new().unwrap();
    let nothing = nothing.path().to_str().unwrap();
    in_environment("child_without_authorities", &[("SSL_CERT_FILE", nothing)]);
}

#[tokio::test]
#[ignore = "runs as a child of a_machine_without_authorities_serves_all_that_needs_none"]
async fn child_without_authorities() {
    let plain = Server::start(|_| json(PAGE)).await;
    search_at(&Setup::new(&plain.url())).await.unwrap();

    let authority = Authority::new();
    let secure = Server::start_tls(authority.server("127.0.0.1"), |_| json(PAGE)).await;
    let mut setup = Setup::new(&secure.url());
    let error = Client::new(&setup.settings()).unwrap_err();
    assert!(matches!(error, SetupError::NoAuthorities), "{error:?}");
    assert!(error.to_string().contains("server.ca_file"), "{error}");
    setup.server.ca_file = Some(authority.ca_file());
    search_at(&setup).await.unwrap();
    setup.server.ca_file = None;
    setup.server.accept_invalid_certificates = true;
    search_at(&setup).await.unwrap();

    // Plain to begin with, then redirected: the error says what is missing.
    let base = secure.origin();
    let redirecting = Server::start(move |received| {
        answer(308, &[("Location", &format!("{base}{}", received.target))], "")
    })
    .await;
    let error = failed(search_at(&Setup::new(&redirecting.url())).await);
    assert_eq!(error.kind, RequestErrorKind::Tls(TlsFault::UntrustedIssuer));
}
