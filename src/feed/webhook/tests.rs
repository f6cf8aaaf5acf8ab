//! Webhooks against a receiver that answers as it is told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::receiver::own_keys;
use super::*;
use crate::config::{Environment, Secret, ServerConfig, SigningKeys, load_text};
use crate::domain::{ItemId, Op, RepositoryId, Sequence};
use crate::feed::batch::{Batch, FeedLine};
use crate::feed::receiver::{DeliveryRefusal, Receiver as _};
use crate::http::SetupError;

const KEY: [u8; 32] = [3; 32];

/// A receiver of feed `shop` at this URL.
fn receiver(url: &str, more: &str, allowed: &[&str]) -> WebhookReceiver {
    let toml = format!(
        "[server]\nurl = '{url}'\n{more}\n[login]\nusername = 'u'\n[[repository]]\nid = 1\n"
    );
    let environment = Environment::from_pairs([("EWMIRROR_LOGIN__PASSWORD", "p")]);
    let server = load_text(&toml, "test", &environment).expect("it is right").config.server;
    // As a feed has it: nothing is appended to it.
    let server = ServerConfig { url: url.parse().expect("a URL"), ..server };
    let key = Secret::new(format!("whsec_{}", STANDARD.encode(KEY)));
    let settings = WebhookSettings {
        feed: "shop",
        server: &server,
        environment: &Environment::from_pairs::<&str, &str>([]),
        allow_addresses: allowed.iter().map(|net| net.parse().expect("a network")).collect(),
        keys: SigningKeys::read(&key).expect("a key"),
    };
    WebhookReceiver::new(settings).expect("it can be made")
}

fn batch() -> Batch {
    let line = |sequence: u64| FeedLine {
        ts_ms: 1_764_000_000_000 + sequence.cast_signed(),
        sequence: Sequence(sequence),
        repository: RepositoryId(1),
        item: ItemId::Integer(5),
        op: Op::Update,
        envelope: format!("{{\"op\":\"u\",\"n\":{sequence}}}").into(),
    };
    Batch { id: "ewm_17".to_owned(), lines: vec![line(7), line(8)] }
}

/// What one request to a server of this answer says, and what its batch comes to.
async fn exchange(answer: String) -> (String, Result<Option<String>, DeliveryRefusal>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/hooks/T0PSECRET", listener.local_addr().expect("an address"));
    let serve = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = Vec::new();
        while !request.ends_with(b"]}}") {
            let mut piece = [0; 4096];
            let read = stream.read(&mut piece).await.expect("a request");
            request.extend_from_slice(&piece[..read]);
        }
        stream.write_all(answer.as_bytes()).await.expect("it is heard");
        String::from_utf8(request).expect("text")
    };
    let mut receiver = receiver(&url, "", &[]);
    let batch = batch();
    tokio::join!(serve, receiver.deliver(&batch))
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_batch_is_sent_as_the_specification_says() {
    let (request, delivered) = exchange(answer("204 No Content", "", "")).await;
    assert_eq!(delivered, Ok(None));
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hooks/T0PSECRET HTTP/1.1\r\n"), "{head}");
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("{name}: {head}"))
    };
    assert_eq!((header("webhook-id"), header("content-type")), ("ewm_17", "application/json"));
    assert!(!head.to_lowercase().contains("cookie"), "{head}");
    let parsed: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(parsed["type"], "ewmirror.changes");
    assert_eq!(parsed["data"]["feed"], "shop");
    assert_eq!(parsed["data"]["changes"][1]["n"], 8);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &KEY);
    let signature = STANDARD.decode(header("webhook-signature").strip_prefix("v1,").unwrap());
    let signed = format!("ewm_17.{}.{body}", header("webhook-timestamp"));
    ring::hmac::verify(&key, signed.as_bytes(), &signature.unwrap()).unwrap();
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_an_answer_shows_nothing_of_the_url() {
    let moved = answer("307 Temporary Redirect", "location: http://other.example/x\r\n", "");
    let (_, told) = exchange(moved).await;
    let reason = "answered with a redirect to other.example (status 307); none is followed";
    assert_eq!(told, Err(DeliveryRefusal::Later { reason: reason.to_owned(), after: None }));
    let (_, told) =
        exchange(answer("422 No", "retry-after: 9\r\n", "POST /hooks/T0PSECRET:\r\n no item"))
            .await;
    let reason = "answered with status 422: POST ***: no item".to_owned();
    assert_eq!(told, Err(DeliveryRefusal::Unfit { reason }));
    let (_, told) = exchange(answer("503 No", "retry-after: 9\r\n", "")).await;
    let after = Some(std::time::Duration::from_secs(9));
    let reason = "answered with status 503".to_owned();
    assert_eq!(told, Err(DeliveryRefusal::Later { reason, after }));
}

#[tokio::test]
async fn a_name_or_an_address_that_leads_inside_is_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for (url, allowed) in [
        ("https://169.254.169.254/hooks/T0PSECRET".to_owned(), &["10.0.0.0/8"][..]),
        ("https://[::ffff:10.0.0.1]/hooks/T0PSECRET".to_owned(), &[]),
    ] {
        let batch = batch();
        let told = receiver(&url, "", allowed).deliver(&batch).await;
        let Err(DeliveryRefusal::Later { reason, .. }) = told else { panic!("{url}: {told:?}") };
        assert!(reason.contains("allow_addresses") && !reason.contains("T0PSECRET"), "{reason}");
    }
    // Without TLS nothing leaves this machine.
    let told = receiver("http://10.0.0.1/hooks", "", &["10.0.0.0/8"]).deliver(&batch()).await;
    let Err(DeliveryRefusal::Later { reason, .. }) = told else { panic!("{told:?}") };
    assert!(reason.contains("without TLS stays here"), "{reason}");
    // Behind a proxy the address in the URL is looked at all the same.
    for proxy in ["http", "socks5", "socks5h"] {
        let proxy = format!("proxy = '{proxy}://127.0.0.1:{port}'");
        let told = receiver("https://169.254.169.254/hooks", &proxy, &[]).deliver(&batch()).await;
        let Err(DeliveryRefusal::Later { reason, .. }) = told else { panic!("{told:?}") };
        assert!(reason.contains("allow_addresses"), "{reason}");
    }
    assert!(!format!("{:?}", receiver("http://a.example/T0PSECRET", "", &[])).contains("PSECRET"));
}

#[test]
fn a_fault_of_a_setup_names_the_keys_of_the_feed_and_the_file_as_it_is() {
    let (key, path) = ("server.ca_file", std::path::PathBuf::from("/x/server.pem"));
    let error = SetupError::Unusable { key, path, what: "holds no certificate" };
    assert_eq!(own_keys(&error), "feed.ca_file: /x/server.pem holds no certificate");
    let told = own_keys(&SetupError::NoAuthorities);
    assert!(told.starts_with("feed.url: ") && told.ends_with("set feed.ca_file"), "{told}");
}
