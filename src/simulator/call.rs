//! A request as the simulator sees it, and where its tokens may stand.

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, COOKIE, HeaderMap};
use tokio::time::Instant;
use url::form_urlencoded;

/// A request, read to its end.
#[derive(Debug)]
pub(super) struct SimulatedCall {
    pub(super) method: Method,
    /// The path without the base path.
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// When it was judged, for the life of sessions.
    pub(super) now: Instant,
    /// Whether it is the first one on its connection.
    pub(super) first: bool,
    /// Which node it reached.
    pub(super) node: u32,
    /// Whether its session lives at another node, so that it is unknown here.
    pub(super) astray: bool,
}

impl SimulatedCall {
    /// The query's parameter of this name.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        parameter(self.query.as_deref().unwrap_or_default().as_bytes(), name)
    }

    /// A header's value, if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A cookie's value.
    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        self.headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The session token: a header (vendor), a bearer token or a cookie (both seen).
    pub(super) fn session_token(&self) -> Option<&str> {
        self.sent_session_token().filter(|_| !self.astray)
    }

    /// The same, wherever the session lives.
    pub(super) fn sent_session_token(&self) -> Option<&str> {
        let bearer = || self.header(AUTHORIZATION.as_str())?.strip_prefix("Bearer ");
        self.header("ewtoken").or_else(bearer).or_else(|| self.cookie("ewtoken"))
    }

    /// The REST token: a header (vendor) or a cookie (seen).
    pub(super) fn rest_token(&self) -> Option<&str> {
        self.header("epimresttoken").or_else(|| self.cookie("epimresttoken"))
    }
}

/// The value of this name in a form or query.
pub(super) fn parameter(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
