//! Secured connections: private authorities, client certificates, and their errors.

use std::convert::Infallible;
use std::path::PathBuf;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::server::{Server, json};
use super::*;

/// A certificate authority of its own, with a directory for its files.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, directory }
    }

    pub(super) fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn issue(&self, params: &CertificateParams) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A certificate and its key in one file, as a client needs them.
    fn identity_file(&self) -> PathBuf {
        let (certificate, key) = self.issue(&CertificateParams::new(Vec::new()).unwrap());
        self.write("identity.pem", &format!("{}{}", certificate.pem(), key.serialize_pem()))
    }

    /// What a server for this name needs.
    pub(super) fn server(&self, name: &str) -> TlsAcceptor {
        self.acceptor(&CertificateParams::new(vec![name.to_owned()]).unwrap(), None, &["http/1.1"])
    }

    fn acceptor(
        &self,
        params: &CertificateParams,
        clients: Option<&Authority>,
        protocols: &[&str],
    ) -> TlsAcceptor {
        let (certificate, key) = self.issue(params);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(authority.issuer.der().clone()).unwrap();
                builder.with_client_cert_verifier(
                    rustls::server::WebPkiClientVerifier::builder_with_provider(
                        Arc::new(roots),
                        provider,
                    )
                    .build()
                    .unwrap(),
                )
            }
        };
        let certificate: CertificateDer<'static> = certificate.der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

#[tokio::test]
async fn a_private_authority_is_trusted_through_ca_file() {
    let authority = Authority::new();
    let server = Server::start_tls(authority.server("127.0.0.1"), |_| json(PAGE)).await;
    let mut setup = Setup::new(&server.url());
    // A bundle: the authority that counts is the second one.
    let bundle = format!("# ours\n{}\n{}", Authority::new().issuer.pem(), authority.issuer.pem());
    setup.server.ca_file = Some(authority.write("bundle.pem", &bundle));
    assert_eq!(search_at(&setup).await.unwrap().total, 7);
}

#[tokio::test]
async fn an_untrusted_certificate_says_to_set_ca_file() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Server::start_tls(authority.server("127.0.0.1"), |_| json(PAGE)).await;
    let mut setup = Setup::new(&server.url());
    for ca_file in [None, Some(other.ca_file())] {
        setup.server.ca_file = ca_file;
        let error = failed(search_at(&setup).await);
        assert_eq!(error.kind, RequestErrorKind::Tls(TlsFault::UntrustedIssuer));
        assert!(error.remedy().unwrap().contains("server.ca_file"));
    }
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_certificate_for_another_name_or_another_time_is_named_so() {
    let authority = Authority::new();
    let mut setup = Setup::new("https://127.0.0.1/");
    setup.server.ca_file = Some(authority.ca_file());
    let wrong_name = Server::start_tls(authority.server("other.example"), |_| json(PAGE)).await;
    setup.server.url = Url::parse(&wrong_name.url()).unwrap();
    let error = failed(search_at(&setup).await);
    assert_eq!(error.kind, RequestErrorKind::Tls(TlsFault::WrongName));

    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    let acceptor = authority.acceptor(&params, None, &["http/1.1"]);
    let expired = Server::start_tls(acceptor, |_| json(PAGE)).await;
    setup.server.url = Url::parse(&expired.url()).unwrap();
    let error = failed(search_at(&setup).await);
    assert_eq!(error.kind, RequestErrorKind::Tls(TlsFault::Expired));
}

#[tokio::test]
async fn accept_invalid_certificates_takes_any_certificate_for_any_name() {
    let server = Server::start_tls(Authority::new().server("other.example"), |_| json(PAGE)).await;
    let mut setup = Setup::new(&server.url());
    setup.server.accept_invalid_certificates = true;
    assert_eq!(search_at(&setup).await.unwrap().total, 7);
}

/// A certificate as a site makes it for its own server, and what a server needs that shows it.
struct Own {
    certificate: rcgen::Certificate,
    acceptor: TlsAcceptor,
}

impl Own {
    /// Signed by itself, after these changes.
    fn new(names: &[&str], protocol: &str, change: impl Fn(&mut CertificateParams)) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "127.0.0.1");
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self::served(certificate, &key, protocol)
    }

    fn served(certificate: rcgen::Certificate, key: &KeyPair, protocol: &str) -> Self {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Self { certificate, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    /// What comes of a search there with this in `ca_file`.
    async fn searched(&self, ca_file: impl AsRef<[u8]>) -> Result<SearchAnswer, Failure> {
        let server = Server::start_tls(self.acceptor.clone(), |_| json(PAGE)).await;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        std::fs::write(&path, ca_file).unwrap();
        let mut setup = Setup::new(&server.url());
        setup.server.ca_file = Some(path);
        search_at(&setup).await
    }
}

/// As `openssl req -x509` makes it: an authority of its own.
fn authority(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

#[tokio::test]
async fn the_servers_own_certificate_in_ca_file_is_trusted_whatever_it_calls_itself() {
    let own = Own::new(&["127.0.0.1"], "http/1.1", authority);
    assert_eq!(own.searched(own.certificate.pem()).await.unwrap().total, 7);
    let own = Own::new(&["127.0.0.1"], "http/1.1", |_| {});
    assert_eq!(own.searched(own.certificate.pem()).await.unwrap().total, 7);
    let client_only = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    };
    let own = Own::new(&["127.0.0.1"], "http/1.1", client_only);
    assert_eq!(own.searched(own.certificate.pem()).await.unwrap().total, 7);

    // Issued by an authority that nobody here knows.
    let stranger = Authority::new();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = stranger.issue(&params);
    let own = Own::served(certificate, &key, "http/1.1");
    assert_eq!(own.searched(own.certificate.pem()).await.unwrap().total, 7);
}

#[tokio::test]
async fn another_certificate_of_the_same_name_is_not_the_servers_own() {
    let own = Own::new(&["127.0.0.1"], "http/1.1", authority);
    let other = Own::new(&["127.0.0.1"], "http/1.1", authority);
    let error = failed(own.searched(other.certificate.pem()).await);
    assert_eq!(error.kind, RequestErrorKind::Tls(TlsFault::UntrustedIssuer), "{error:?}");
    let remedy = error.remedy().unwrap();
    assert!(remedy.contains("server.ca_file") && remedy.contains("itself"), "{remedy}");
}

#[tokio::test]
async fn name_and_dates_of_the_servers_own_certificate_are_checked() {
    let expired = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    };
    let early = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2100, 1, 1);
        params.not_after = rcgen::date_time_ymd(2101, 1, 1);
    };
    let stranger = Authority::new();
    let changes: [&dyn Fn(&mut CertificateParams); 2] = [&expired, &early];
    for change in changes {
        let both = |params: &mut CertificateParams| {
            change(params);
            authority(params);
        };
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        change(&mut params);
        let (certificate, key) = stranger.issue(&params);
        let issued = Own::served(certificate, &key, "http/1.1");
        for own in [Own::new(&["127.0.0.1"], "http/1.1", both), issued] {
            let error = failed(own.searched(own.certificate.pem()).await);
            assert_eq!(error.kind, RequestErrorKind::Tls(TlsFault::Expired), "{error:?}");
        }
    }
    let own = Own::new(&["other.example"], "http/1.1", authority);
    let error = failed(own.searched(own.certificate.pem()).await);
    assert_eq!(error.kind, RequestErrorKind::Tls(TlsFault::WrongName), "{error:?}");
}

#[tokio::test]
async fn a_certificate_without_a_subject_alternative_name_is_named_so() {
    for change in [|_: &mut CertificateParams| {}, authority] {
        let own = Own::new(&[], "http/1.1", change);
        let error = failed(own.searched(own.certificate.pem()).await);
        assert_eq!(error.kind, RequestErrorKind::Tls(TlsFault::NoName), "{error:?}");
        assert!(error.to_string().contains("subjectAltName"), "{error}");
        assert!(error.remedy().unwrap().contains("-addext subjectAltName="));
    }
}

#[tokio::test]
async fn pem_is_read_with_a_byte_order_mark_with_the_line_ends_of_windows_and_in_utf_16() {
    let own = Own::new(&["127.0.0.1"], "http/1.1", authority);
    let pem = own.certificate.pem();
    let windows = pem.replace('\n', "\r\n");
    let wide = |order: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("\u{feff}{windows}").encode_utf16().flat_map(order).collect()
    };
    let spellings = [
        windows.clone().into_bytes(),
        format!("\u{feff}{pem}").into_bytes(),
        format!("\u{feff}Bag Attributes\r\n    friendlyName: pim\r\n{windows}").into_bytes(),
        wide(u16::to_le_bytes),
        wide(u16::to_be_bytes),
    ];
    for encodings in spellings {
        assert_eq!(own.searched(&encodings).await.unwrap().total, 7);
    }
}

#[tokio::test]
async fn http_2_knows_the_servers_own_certificate_too() {
    let own = Own::new(&["127.0.0.1"], "h2", authority);
    let (url, _tasks) = http_2_server_with(own.acceptor.clone(), 1).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    std::fs::write(&path, own.certificate.pem()).unwrap();
    let mut setup = Setup::new(&url);
    setup.server.ca_file = Some(path);
    assert_eq!(search_at(&setup).await.unwrap().total, 7);
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_one_is_set() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let acceptor = authority.acceptor(&params, Some(&clients), &["http/1.1"]);
    let server = Server::start_tls(acceptor, |_| json(PAGE)).await;
    let mut setup = Setup::new(&server.url());
    setup.server.ca_file = Some(authority.ca_file());
    setup.server.client_identity_file = Some(clients.identity_file());
    assert_eq!(search_at(&setup).await.unwrap().total, 7);

    // With TLS 1.3 the server's no comes after the client's greeting is over, so it may overtake
    // or be overtaken by the request; either way it must be understood.
    for identity in [None, Some(Authority::new().identity_file())] {
        setup.server.client_identity_file = identity;
        for _ in 0..20 {
            let error = failed(search_at(&setup).await);
            assert_eq!(error.kind, RequestErrorKind::Tls(TlsFault::ClientCertificate), "{error:?}");
            assert!(error.remedy().unwrap().contains("server.client_identity_file"));
        }
    }
}

#[tokio::test]
async fn a_server_without_tls_is_named_so() {
    let greeting = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = greeting.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = greeting.accept().await {
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
            drop(stream.shutdown().await);
        }
    });
    let error = failed(search_at(&Setup::new(&format!("https://{address}/"))).await);
    assert_eq!(error.kind, RequestErrorKind::Tls(TlsFault::NotTls), "{error:?}");
}

#[tokio::test]
async fn a_port_that_speaks_tls_is_named_so_to_a_client_that_asks_by_http() {
    let server = Server::start_tls(Authority::new().server("127.0.0.1"), |_| json(PAGE)).await;
    let url = server.url().replace("https://", "http://");
    let error = failed(search_at(&Setup::new(&url)).await);
    let remedy = error.remedy().unwrap();
    assert!(remedy.contains("https://"), "{error:?}: {remedy}");
}

/// An HTTP/2 server that answers a page to whatever it is asked, for this many connections.
pub(super) async fn http_2_server(connections: usize) -> (String, Authority, JoinSet<()>) {
    let authority = Authority::new();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let acceptor = authority.acceptor(&params, None, &["h2", "http/1.1"]);
    let (url, tasks) = http_2_server_with(acceptor, connections).await;
    (url, authority, tasks)
}

async fn http_2_server_with(acceptor: TlsAcceptor, connections: usize) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        // One after the other: a client that wants two at once does not get the second.
        for _ in 0..connections {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = acceptor.accept(stream).await.unwrap();
            let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
                assert_eq!(request.version(), hyper::Version::HTTP_2);
                Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from(PAGE))))
            });
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            drop(connection.await);
        }
    });
    (url, tasks)
}

#[tokio::test]
async fn http_2_is_spoken_where_the_server_does() {
    let (url, authority, _tasks) = http_2_server(1).await;
    let mut setup = Setup::new(&url);
    setup.server.ca_file = Some(authority.ca_file());
    let client = setup.client();
    let (credentials, request) = (credentials(), request());
    // Both on the one connection that the server takes.
    let first = client.search(&credentials, &request).await.unwrap();
    let (one, other) =
        tokio::join!(client.search(&credentials, &request), client.search(&credentials, &request));
    assert_eq!([first.total, one.unwrap().total, other.unwrap().total], [7, 7, 7]);
}

#[test]
fn files_that_cannot_be_used_are_named_with_their_key() {
    let authority = Authority::new();
    let (_, stranger) = authority.issue(&CertificateParams::new(Vec::new()).unwrap());
    let mismatched = format!("{}{}", authority.issuer.pem(), stranger.serialize_pem());
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let base = Setup::new("https://127.0.0.1/");
    let cases: [(&str, Option<&str>, &str); 9] = [
        ("server.ca_file", None, "cannot read"),
        ("server.ca_file", Some(""), "no certificate"),
        ("server.ca_file", Some("MIIB..."), "no certificate"),
        ("server.ca_file", Some(garbage), "damaged"),
        (
            "server.ca_file",
            Some("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"),
            "damaged",
        ),
        ("server.client_identity_file", None, "cannot read"),
        ("server.client_identity_file", Some(""), "must hold"),
        ("server.client_identity_file", Some(garbage), "must hold"),
        ("server.client_identity_file", Some(&mismatched), "does not belong"),
    ];
    for (key, content, expected) in cases {
        let path = authority.directory.path().join("file.pem");
        drop(std::fs::remove_file(&path));
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let (server, login) = (base.server.clone(), base.login.clone());
        let mut setup = Setup { server, login, ..Setup::new("https://localhost:1") };
        match key {
            "server.ca_file" => setup.server.ca_file = Some(path.clone()),
            _ => setup.server.client_identity_file = Some(path.clone()),
        }
        let error = Client::new(&setup.settings()).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(key) && text.contains(expected), "{text}");
        assert!(text.contains(&path.display().to_string()), "{text}");
        assert_no_secret(&error);
    }
}
