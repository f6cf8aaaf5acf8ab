//! One POST to somebody else's server: a client of its own, with nothing in it of any session.
//!
//! Guarantees: no redirect is followed, no cookie kept; a connection goes to no address that the policy
//! refuses, whatever the name resolves to by then; of an answer only the beginning is read, and for no
//! longer than the request may take. Where a proxy resolves the name, the policy holds for addresses that stand in
//! the URL alone.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use super::address_policy::AddressPolicy;
use super::body::{self, BodyLimits};
use super::classify;
use super::connect;
use super::error::{HttpError, HttpErrorKind, TimeoutKind};
use super::guarded_resolver::GuardedResolver;
use super::rate_limit::limit;
use super::route::route;
use super::setup_error::SetupError;
use crate::config::{Environment, ServerConfig};
use crate::task::clock;

/// How much is read of an answer, and for how long at most: what it says is shown to people.
const BEGINNING: u64 = 4 * 1024;
const BEGINNING_TIME: Duration = Duration::from_secs(2);

/// A client for one URL.
pub(crate) struct PostClient {
    http: reqwest::Client,
    url: Url,
    timeout: Duration,
    policy: AddressPolicy,
}

/// What came back.
pub(crate) struct PostAnswer {
    pub(crate) status: u16,
    /// The least time that the server asks us to wait.
    pub(crate) retry_after: Option<Duration>,
    /// Where a redirect leads: its host.
    pub(crate) redirect_to: Option<String>,
    /// The first 4 KiB at most of the body, as they came.
    pub(crate) beginning: Bytes,
}

impl PostClient {
    /// A client of the server that these settings describe; of a login's settings nothing is used.
    ///
    /// # Errors
    ///
    /// A certificate file or proxy that cannot be used.
    pub(crate) fn new(
        server: &ServerConfig,
        environment: &Environment,
        policy: AddressPolicy,
    ) -> Result<Self, SetupError> {
        let server = ServerConfig {
            client_identity_file: None,
            accept_invalid_certificates: false,
            ..server.clone()
        };
        let proxy = route(&server, environment)
            .and_then(|route| route.proxy.map(|proxy| (route.host, proxy.scheme)));
        // By these alone of all proxies names are resolved here, and so is the proxy's own.
        let is_resolved_here =
            proxy.as_ref().is_none_or(|(_, scheme)| matches!(scheme.as_str(), "socks4" | "socks5"));
        let proxy = proxy.map(|(host, _)| host);
        let resolver = is_resolved_here.then(|| GuardedResolver::new(policy.clone(), proxy));
        let http = connect::single(&server, resolver)?;
        Ok(Self { http, url: server.url.clone(), timeout: server.request_timeout, policy })
    }

    /// Sends this once.
    ///
    /// # Errors
    ///
    /// No answer came, or none that can be read; or the address is refused.
    pub(crate) async fn post(
        &self,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<PostAnswer, HttpError> {
        let deadline = Instant::now() + self.timeout;
        let request = self.http.post(self.url.clone()).headers(headers).body(body);
        let response = self.send(request, deadline).await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let location = text("location").and_then(|it| self.url.join(it).ok());
        let redirect_to = location.and_then(|it| it.host_str().map(str::to_owned));
        let soon = Instant::now() + BEGINNING_TIME;
        let limits =
            BodyLimits { deadline: deadline.min(soon), idle: BEGINNING_TIME, size: BEGINNING };
        Ok(PostAnswer {
            status,
            retry_after: limit(status, text, clock::now()).retry_after,
            redirect_to: redirect_to.filter(|_| (300..400).contains(&status)),
            beginning: body::beginning(response, limits).await,
        })
    }

    /// Asks for the URL without its content (HEAD), which delivers nothing; the status of the answer.
    ///
    /// # Errors
    ///
    /// As [`PostClient::post`].
    pub(crate) async fn probe(&self) -> Result<u16, HttpError> {
        let request = self.http.head(self.url.clone());
        let response = self.send(request, Instant::now() + self.timeout).await?;
        Ok(response.status().as_u16())
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        deadline: Instant,
    ) -> Result<reqwest::Response, HttpError> {
        self.check_address()?;
        match timeout_at(deadline, request.send()).await {
            Ok(sent) => sent.map_err(|error| {
                HttpError::new(classify::kind(&error)).with_source(error.without_url())
            }),
            Err(_) => Err(HttpError::new(HttpErrorKind::Timeout(TimeoutKind::Request))),
        }
    }

    /// An address that stands in the URL itself is resolved by nobody.
    fn check_address(&self) -> Result<(), HttpError> {
        let address = match self.url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        let refused = |error| HttpError::new(HttpErrorKind::Connect).with_source(error);
        self.policy.check(address).map_err(refused)
    }
}

impl std::fmt::Debug for PostClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A webhook's path is often its secret.
        f.debug_struct("PostClient").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}
