//! What one request needs to know, as of the last reload.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};
use url::Url;

use super::connect::Connections;
use super::error::{ApiEndpoint, ClientError, RequestError, RequestErrorKind};
use super::redact::Redactor;
use super::reuse::Reuse;
use super::route::Router;
use super::verdict::TokenCookies;
use super::{ClientSettings, connect};
use crate::config::{LoginConfig, LoginMethod, Secret, Transport};
use crate::http::cookies::Cookies;
use crate::session::Tokens;

/// The settings of a client, replaced as a whole.
pub(super) struct Settings {
    pub(super) http: Connections,
    /// Which connections had been used before.
    pub(super) reuse: Reuse,
    pub(super) login: LoginConfig,
    pub(super) request_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) max_response_size: u64,
    /// The configured base URL, with a path that ends in a slash.
    configured: Url,
    /// The same by https, once the server has redirected us there. A lock of its own, since this is
    /// learned from an answer and never unlearned.
    secured: OnceLock<Url>,
    transport: Transport,
    proxy_passwords: Vec<String>,
    router: Router,
    /// How many seconds the server's clock was ahead of ours in its last answer; `i64::MIN`: it has
    /// not said the time.
    clock_ahead_s: AtomicI64,
}

impl Settings {
    pub(super) fn new(from: &ClientSettings<'_>) -> Result<Self, ClientError> {
        let mut configured = from.server.url.clone();
        if !configured.path().ends_with('/') {
            // Joining would otherwise replace the last part of the path.
            configured.set_path(&format!("{}/", from.server.url.path()));
        }
        Ok(Self {
            http: connect::connections(from.server)?,
            reuse: Reuse::default(),
            login: from.login.clone(),
            request_timeout: from.server.request_timeout,
            idle_timeout: from.server.idle_timeout,
            max_response_size: from.server.max_response_size,
            configured,
            secured: OnceLock::new(),
            transport: from.transport,
            proxy_passwords: connect::proxy_passwords(from.server),
            router: Router::new(from.server, from.environment),
            clock_ahead_s: AtomicI64::new(i64::MIN),
        })
    }

    /// Keeps what the settings before this had learned, if it is about the same server.
    pub(super) fn inherit(self, before: &Self) -> Self {
        let secured = before.secured.get().filter(|_| before.configured == self.configured);
        Self { secured: secured.cloned().map_or_else(OnceLock::new, OnceLock::from), ..self }
    }

    /// Where a call goes; for an item, below which.
    pub(super) fn url(&self, endpoint: ApiEndpoint) -> Url {
        let path = match endpoint {
            ApiEndpoint::Login => "enable-api/login",
            ApiEndpoint::Reauth => "enable-api/reauth",
            ApiEndpoint::Logout => "enable-api/logout",
            ApiEndpoint::Search => "webcm/rest/api/items/search",
            ApiEndpoint::Item => "webcm/rest/api/items",
            ApiEndpoint::Repositories => "webcm/rest/api/repositories",
            ApiEndpoint::Token => "webcm/rest/oauth/token",
        };
        let mut url = self.secured.get().unwrap_or(&self.configured).clone();
        let joined = format!("{}{path}", url.path());
        url.set_path(&joined);
        url
    }

    /// The base URL by https, if the server has redirected us there.
    pub(super) fn secured(&self) -> Option<&Url> {
        self.secured.get()
    }

    /// Which host and port a request for this URL connects to, in words.
    pub(super) fn way_to(&self, url: &Url) -> Option<String> {
        self.router.route(url).map(|route| route.to_string())
    }

    /// How many seconds the server's clock is ahead of ours, as its last answer says.
    pub(super) fn clock_ahead_s(&self) -> Option<i64> {
        Some(self.clock_ahead_s.load(Ordering::Relaxed)).filter(|ahead| *ahead != i64::MIN)
    }

    /// Takes the time that an answer carries.
    pub(super) fn note_time(&self, server: SystemTime, ours: SystemTime) {
        let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        let ahead = match server.duration_since(ours) {
            Ok(ahead) => seconds(ahead),
            Err(behind) => -seconds(behind.duration()),
        };
        self.clock_ahead_s.store(ahead, Ordering::Relaxed);
    }

    /// From now on every request goes to this target's scheme and port.
    pub(super) fn remember_https(&self, target: &Url) {
        let mut secured = self.configured.clone();
        if secured.set_scheme(target.scheme()).is_ok() && secured.set_port(target.port()).is_ok() {
            // Two requests may learn it at once; what they learn is the same.
            self.secured.get_or_init(|| secured);
        }
    }

    /// The headers that carry the tokens.
    pub(super) fn signed(
        &self,
        endpoint: ApiEndpoint,
        tokens: &Tokens,
    ) -> Result<HeaderMap, RequestError> {
        let session = tokens.session.expose();
        let rest = tokens.rest.as_ref().map(Secret::expose);
        let mut headers = plain();
        match (self.login.method, self.transport) {
            (LoginMethod::Oauth, _) => {
                headers.insert(AUTHORIZATION, sensitive(endpoint, &format!("Bearer {session}"))?);
                if let Some(rest) = rest {
                    headers.insert("epimresttoken", sensitive(endpoint, rest)?);
                }
            }
            (LoginMethod::EnableApi, Transport::Headers) => {
                headers.insert("ewtoken", sensitive(endpoint, session)?);
                if let Some(rest) = rest {
                    headers.insert("epimresttoken", sensitive(endpoint, rest)?);
                }
            }
            (LoginMethod::EnableApi, Transport::Cookies) => {
                let rest = rest.map(|rest| format!("; epimresttoken={rest}")).unwrap_or_default();
                headers.insert(COOKIE, sensitive(endpoint, &format!("ewtoken={session}{rest}"))?);
            }
        }
        Ok(headers)
    }

    /// A redactor that knows all secrets of a request.
    pub(super) fn redactor(&self, tokens: &Tokens) -> Redactor {
        let session = std::iter::once(tokens.session.expose());
        let rest = tokens.rest.as_ref().map(Secret::expose);
        self.redactor_with(session.chain(rest), &tokens.cookies)
    }

    /// A redactor that knows all secrets of a login, and those that came with its answer.
    pub(super) fn login_redactor(&self, came: &TokenCookies, cookies: &Cookies) -> Redactor {
        let came = [came.session.as_deref(), came.rest.as_deref()];
        self.redactor_with(came.into_iter().flatten(), cookies)
    }

    fn redactor_with<'a>(
        &'a self,
        tokens: impl Iterator<Item = &'a str>,
        cookies: &Cookies,
    ) -> Redactor {
        // A shorter one is the number of a node, and stands in any text.
        const SHORTEST: usize = 4;
        let cookies: Vec<String> =
            cookies.values().into_iter().filter(|value| value.len() >= SHORTEST).collect();
        let configured = [self.login.password.expose(), self.login.client_secret.expose()];
        let proxy = self.proxy_passwords.iter().map(String::as_str);
        let cookies = cookies.iter().map(String::as_str);
        let tokens: Vec<&str> = tokens.collect();
        Redactor::new(configured.into_iter().chain(proxy).chain(tokens).chain(cookies))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The library's client would show its proxy.
        f.debug_struct("Settings")
            .field("configured", &self.configured.as_str())
            .field("secured", &self.secured.get().map(Url::as_str))
            .finish_non_exhaustive()
    }
}

/// The headers of every request.
pub(super) fn plain() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers
}

/// A header value that the HTTP library neither shows nor lets HTTP/2 remember.
pub(super) fn sensitive(endpoint: ApiEndpoint, text: &str) -> Result<HeaderValue, RequestError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        let what = "a token cannot be sent in a header".to_owned();
        RequestError::new(endpoint, RequestErrorKind::WrongShape { what })
    })?;
    value.set_sensitive(true);
    Ok(value)
}
