//! Setting up connections: TLS, authorities, client certificate, proxies, time-outs.
//!
//! Files are read here, once, and checked as far as can be without a server, so that a wrong file
//! is a [`SetupError`] that names its key and not a puzzle at the first request.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, NoProxy, Proxy};
use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};
use url::Url;

use super::encoding::ACCEPTED;
use super::guarded_resolver::GuardedResolver;
use super::pem;
use super::setup_error::SetupError;
use super::trust::{Trust, TrustAnybody};
use crate::config::{MOST_IN_FLIGHT, ServerConfig};

/// How we introduce ourselves.
const USER_AGENT: &str = concat!("ewmirror/", env!("CARGO_PKG_VERSION"));

/// How long an unused connection is kept: longer than the usual pause between two pages and two
/// `reauth`, so that these need no new handshake.
const POOL_IDLE: Duration = Duration::from_secs(90);

/// How many unused connections are kept, each with a buffer of some 200 KB for what it read last: as many as one
/// repository can have requests under way.
const MOST_IDLE: usize = MOST_IN_FLIGHT as usize;

/// How soon the system notices that the other side of a silent connection is gone.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How often an HTTP/2 connection with requests under way is asked whether it still lives, and how
/// long it may think about that. Without it a connection into the void would swallow one request
/// after the other until the system gives it up.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// The two ways in which requests go.
pub(crate) struct Connections {
    /// Over a connection that is there already, if one is idle.
    pub(crate) pooled: reqwest::Client,
    /// Each over a new connection of its own.
    pub(crate) fresh: reqwest::Client,
}

/// Builds both.
pub(crate) fn connections(server: &ServerConfig) -> Result<Connections, SetupError> {
    let tls = tls(server)?;
    let build = |builder: ClientBuilder| {
        let built = builder.tls_backend_preconfigured(tls.clone()).build();
        built.map_err(|error| SetupError::Setup { source: Box::new(error.without_url()) })
    };
    let pooled = build(builder(server)?.pool_idle_timeout(POOL_IDLE))?;
    let fresh = build(builder(server)?.pool_max_idle_per_host(0))?;
    Ok(Connections { pooled, fresh })
}

/// Builds one for a server that nobody signs in to; it resolves names by this resolver, where there is one.
pub(super) fn single(
    server: &ServerConfig,
    resolver: Option<GuardedResolver>,
) -> Result<reqwest::Client, SetupError> {
    let mut builder = builder(server)?.pool_idle_timeout(POOL_IDLE);
    if let Some(resolver) = resolver {
        builder = builder.dns_resolver(resolver);
    }
    let built = builder.tls_backend_preconfigured(tls(server)?).build();
    built.map_err(|error| SetupError::Setup { source: Box::new(error.without_url()) })
}

/// The proxy's password, which must never be shown: as it is and as it stands in the URL.
pub(crate) fn proxy_passwords(server: &ServerConfig) -> Vec<String> {
    let url = server.proxy.as_ref().and_then(|proxy| Url::parse(proxy.expose()).ok());
    let Some(written) = url.as_ref().and_then(Url::password) else {
        return Vec::new();
    };
    // The same escapes as in a form, but for the plus sign.
    let form = written.replace('+', "%2B");
    let plain = url::form_urlencoded::parse(form.as_bytes()).map(|(name, _)| name.into_owned());
    plain.chain([written.to_owned()]).collect()
}

fn builder(server: &ServerConfig) -> Result<ClientBuilder, SetupError> {
    let accepted = (ACCEPT_ENCODING, HeaderValue::from_static(ACCEPTED));
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(HeaderMap::from_iter([accepted]))
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(server.connect_timeout)
        .pool_max_idle_per_host(MOST_IDLE)
        .tcp_nodelay(true)
        .tcp_keepalive(KEEPALIVE)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT);
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

/// Whom to trust, what to show, and which versions of HTTP to offer.
fn tls(server: &ServerConfig) -> Result<ClientConfig, SetupError> {
    let provider = Arc::new(default_provider());
    let unforeseen = |error: rustls::Error| SetupError::Setup { source: Box::new(error) };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unforeseen)?;
    let known = match &server.ca_file {
        Some(path) => pem::authorities("server.ca_file", path)?,
        None => Vec::new(),
    };
    let builder = if server.accept_invalid_certificates {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustAnybody(provider)))
    } else {
        let mut roots = RootCertStore::empty();
        // Those that this machine has and that cannot be read are nobody's to trust.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(known.iter().cloned());
        if roots.is_empty() && server.url.scheme() == "https" {
            return Err(SetupError::NoAuthorities);
        }
        if roots.is_empty() {
            // A bare machine, and a server that needs none. Should it redirect to https, the error
            // there names `server.ca_file`.
            builder.with_root_certificates(roots)
        } else {
            let trust = Trust::new(roots, known, provider).map_err(unforeseen)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(trust))
        }
    };
    let mut config = match &server.client_identity_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let pem::Identity { chain, key } = pem::identity(path)?;
            builder.with_client_auth_cert(chain, key).map_err(|_| pem::no_pair(path))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn proxy(server: &ServerConfig) -> Result<Option<Proxy>, SetupError> {
    let Some(proxy) = &server.proxy else {
        return Ok(None);
    };
    // Checked here, since the library takes what it does not understand for no proxy at all.
    let url = Url::parse(proxy.expose()).map_err(|_| SetupError::Proxy)?;
    let known = matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h");
    if !known || url.host_str().is_none_or(str::is_empty) {
        return Err(SetupError::Proxy);
    }
    let no_proxy = if server.no_proxy.is_empty() {
        NoProxy::from_env()
    } else {
        NoProxy::from_string(&server.no_proxy.join(","))
    };
    let proxy = Proxy::all(url).map_err(|_| SetupError::Proxy)?;
    Ok(Some(proxy.no_proxy(no_proxy)))
}
