//! Setting up connections: TLS, authorities, client certificate, proxies, time-outs.
//!
//! Files are read here, once, and checked as far as can be without a server, so that a wrong file
//! is a [`ClientError`] that names its key and not a puzzle at the first request.

use std::path::Path;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, Identity, NoProxy, Proxy};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Url;

use super::error::ClientError;
use crate::config::ServerConfig;

/// How we introduce ourselves.
const USER_AGENT: &str = concat!("ewmirror/", env!("CARGO_PKG_VERSION"));

/// How long an unused connection is kept: longer than the usual pause between two pages and two
/// `reauth`, so that these need no new handshake.
const POOL_IDLE: Duration = Duration::from_secs(90);

/// How soon the system notices that the other side of a silent connection is gone.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How often an HTTP/2 connection with requests under way is asked whether it still lives, and how
/// long it may think about that. Without it a connection into the void would swallow one request
/// after the other until the system gives it up.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Builds the HTTP client.
pub(super) fn http_client(server: &ServerConfig) -> Result<reqwest::Client, ClientError> {
    install_crypto_provider();
    let mut builder = builder(server)?;
    if let Some(path) = &server.ca_file {
        builder = builder.tls_certs_merge(authorities(path)?);
    }
    if let Some(path) = &server.client_identity_file {
        builder = builder.identity(identity(path)?);
    }
    match builder.build() {
        Ok(client) => Ok(client),
        // A bare machine: an https server could not be verified, a plain one needs no authority.
        Err(error) if lacks_authorities(&error) && server.url.scheme() == "https" => {
            Err(ClientError::NoAuthorities)
        }
        Err(error) if lacks_authorities(&error) => without_authorities(server),
        Err(error) => Err(ClientError::Setup { source: error.without_url() }),
    }
}

/// The proxy's password, which must never be shown: as it is and as it stands in the URL.
pub(super) fn proxy_passwords(server: &ServerConfig) -> Vec<String> {
    let url = server.proxy.as_ref().and_then(|proxy| Url::parse(proxy.expose()).ok());
    let Some(written) = url.as_ref().and_then(Url::password) else {
        return Vec::new();
    };
    // The same escapes as in a form, but for the plus sign.
    let form = written.replace('+', "%2B");
    let plain = url::form_urlencoded::parse(form.as_bytes()).map(|(name, _)| name.into_owned());
    plain.chain([written.to_owned()]).collect()
}

fn builder(server: &ServerConfig) -> Result<ClientBuilder, ClientError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(server.connect_timeout)
        .tcp_nodelay(true)
        .tcp_keepalive(KEEPALIVE)
        .pool_idle_timeout(POOL_IDLE)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .tls_danger_accept_invalid_certs(server.accept_invalid_certificates);
    if let Some(proxy) = proxy(server)? {
        builder = builder.proxy(proxy);
    }
    if server.no_proxy.iter().any(|host| host.trim() == "*") {
        // The library takes the star for all names, but not for addresses. No proxy of the
        // environment is meant then, either.
        builder = builder.no_proxy();
    }
    Ok(builder)
}

/// The same client with nobody to trust: for plain HTTP on a machine without authorities. Should
/// the server redirect to https, the error there names `server.ca_file`.
fn without_authorities(server: &ServerConfig) -> Result<reqwest::Client, ClientError> {
    let mut builder = builder(server)?.tls_certs_only([]);
    if let Some(path) = &server.client_identity_file {
        builder = builder.identity(identity(path)?);
    }
    builder.build().map_err(|error| ClientError::Setup { source: error.without_url() })
}

/// The cryptography behind TLS is chosen by the process, once. Somebody was first: just as well.
fn install_crypto_provider() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// The library's text is all there is to tell this apart; a test holds it to that.
fn lacks_authorities(error: &reqwest::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(rustls::Error::General(text)) = error.downcast_ref() {
            return text.contains("No CA certificates");
        }
        source = error.source();
    }
    false
}

fn proxy(server: &ServerConfig) -> Result<Option<Proxy>, ClientError> {
    let Some(proxy) = &server.proxy else {
        return Ok(None);
    };
    // Checked here, since the library takes what it does not understand for no proxy at all.
    let url = Url::parse(proxy.expose()).map_err(|_| ClientError::Proxy)?;
    let known = matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h");
    if !known || url.host_str().is_none_or(str::is_empty) {
        return Err(ClientError::Proxy);
    }
    let no_proxy = if server.no_proxy.is_empty() {
        NoProxy::from_env()
    } else {
        NoProxy::from_string(&server.no_proxy.join(","))
    };
    let proxy = Proxy::all(url).map_err(|_| ClientError::Proxy)?;
    Ok(Some(proxy.no_proxy(no_proxy)))
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, ClientError> {
    const KEY: &str = "server.ca_file";
    let unusable = |what| ClientError::Unusable { key: KEY, path: path.to_owned(), what };
    let pem = read(KEY, path)?;
    let mut checked = RootCertStore::empty();
    let mut authorities = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| unusable("is damaged PEM: export it anew"))?;
        checked
            .add(certificate.clone())
            .map_err(|_| unusable("holds a damaged certificate: export it anew"))?;
        let authority = Certificate::from_der(&certificate)
            .map_err(|_| unusable("holds a damaged certificate: export it anew"))?;
        authorities.push(authority);
    }
    if authorities.is_empty() {
        return Err(unusable(
            "holds no certificate: it must be PEM, beginning with -----BEGIN CERTIFICATE-----",
        ));
    }
    Ok(authorities)
}

fn identity(path: &Path) -> Result<Identity, ClientError> {
    const KEY: &str = "server.client_identity_file";
    let unusable = |what| ClientError::Unusable { key: KEY, path: path.to_owned(), what };
    let pem = read(KEY, path)?;
    let identity = Identity::from_pem(&pem).map_err(|_| {
        unusable(
            "must hold the client's certificate chain and its private key, unencrypted, as PEM",
        )
    })?;
    // Whether key and certificate belong together shows only in use.
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .identity(identity.clone())
        .build()
        .map_err(|_| unusable("holds a key that does not belong to its first certificate"))?;
    Ok(identity)
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, ClientError> {
    std::fs::read(path).map_err(|source| ClientError::Unreadable {
        key,
        path: path.to_owned(),
        source,
    })
}
