//! What one call needs to know, as of the last reload.

use std::fmt;

use url::Url;

use super::error::{ApiEndpoint, RequestError};
use super::redact::Redactor;
use super::verdict::TokenCookies;
use crate::config::{Environment, LoginConfig, LoginMethod, Secret, ServerConfig, Transport};
use crate::http::cookies::Cookies;
use crate::http::header::{ACCEPT, AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};
use crate::http::{self, HttpClient, SetupError, proxy_passwords};
use crate::session::Tokens;

/// What a [`Client`](super::Client) is built from.
#[derive(Clone, Copy, Debug)]
pub struct ClientSettings<'a> {
    /// `[server]`.
    pub server: &'a ServerConfig,
    /// `[login]`.
    pub login: &'a LoginConfig,
    /// `session.transport`.
    pub transport: Transport,
    /// What may name a proxy.
    pub environment: &'a Environment,
}

/// The settings of a client, replaced as a whole.
pub(super) struct Settings {
    pub(super) http: HttpClient,
    pub(super) login: LoginConfig,
    /// `server.items_call`.
    pub(super) items_call: Option<String>,
    transport: Transport,
    proxy_passwords: Vec<String>,
}

impl Settings {
    pub(super) fn new(from: &ClientSettings<'_>) -> Result<Self, SetupError> {
        Ok(Self {
            http: HttpClient::new(from.server, from.environment)?,
            login: from.login.clone(),
            items_call: from.server.items_call.clone(),
            transport: from.transport,
            proxy_passwords: proxy_passwords(from.server),
        })
    }

    /// Keeps what the settings before this had learned, if it is about the same server.
    pub(super) fn inherit(self, before: &Self) -> Self {
        Self { http: self.http.inherit(&before.http), ..self }
    }

    /// Where a call goes; for an item, below which.
    pub(super) fn url(&self, endpoint: ApiEndpoint) -> Url {
        self.http.url(match endpoint {
            ApiEndpoint::Login => "enable-api/login",
            ApiEndpoint::Reauth => "enable-api/reauth",
            ApiEndpoint::Logout => "enable-api/logout",
            ApiEndpoint::Search => "webcm/rest/api/items/search",
            ApiEndpoint::Item => "webcm/rest/api/items",
            ApiEndpoint::Repositories => "webcm/rest/api/repositories",
            ApiEndpoint::Metadata => "webcm/rest/api",
            ApiEndpoint::Token => "webcm/rest/oauth/token",
            ApiEndpoint::Probe => "",
        })
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
        f.debug_struct("Settings").field("http", &self.http).finish_non_exhaustive()
    }
}

/// The headers of every request.
pub(super) fn plain() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers
}

/// A header value that is shown nowhere, or the error of a call that cannot be made without it.
pub(super) fn sensitive(endpoint: ApiEndpoint, text: &str) -> Result<HeaderValue, RequestError> {
    http::sensitive(text).map_err(|error| RequestError::from_http(endpoint, error))
}
