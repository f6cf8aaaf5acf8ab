//! A call that looks at how a server answers, whatever it says.
//!
//! No task needs it: `ewmirror learn` alone asks so. It changes nothing at the server: it sends GET, or
//! POST to calls that only read.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;

use super::auth::token_cookies;
use super::error::{ApiEndpoint, Failure, RequestError, RequestErrorKind};
use super::exchange::{ApiRequest, exchange};
use super::items::segment;
use super::settings::Settings;
use super::verdict::{Verdict, accepted, page_title, secret};
use super::wire;
use crate::config::Secret;
use crate::http::Method;
use crate::http::header::{CONTENT_TYPE, HeaderValue};
use crate::session::Tokens;

/// What is asked, below the base URL.
#[derive(Clone, Debug)]
pub struct ProbeRequest {
    /// The path's segments, each encoded for itself.
    pub segments: Vec<String>,
    /// The query, if there is one: a name and its value.
    pub query: Option<(&'static str, String)>,
    /// What is sent; with a body it is a POST, without one a GET.
    pub body: Option<Value>,
}

impl ProbeRequest {
    /// A GET of a path.
    pub fn get(path: &str) -> Self {
        let segments = path.split('/').map(str::to_owned).collect();
        Self { segments, query: None, body: None }
    }

    /// A POST of this body to a path.
    pub fn post(path: &str, body: Value) -> Self {
        Self { body: Some(body), ..Self::get(path) }
    }
}

/// How a server answered.
#[derive(Clone, Debug)]
pub struct ProbeAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Where the answer is a redirect that is not followed: whether it leads to a page that asks people to
    /// sign in.
    pub redirected: Option<bool>,
    /// Whether it is a page for people.
    pub is_page: bool,
    /// Whether it means that the session is not good (any more).
    pub refused: bool,
    /// The body, as UTF-8; of an answer that is no success only the beginning.
    pub body: Bytes,
    /// How long it took.
    pub elapsed: Duration,
    /// A new REST token, which the server hands out now and then (vendor).
    pub rest_token: Option<Secret>,
}

/// Asks, with these tokens.
pub(super) async fn probe(
    settings: &Settings,
    tokens: &Tokens,
    request: &ProbeRequest,
) -> Result<ProbeAnswer, Failure> {
    let endpoint = ApiEndpoint::Probe;
    let unfit = || RequestError::new(endpoint, RequestErrorKind::Other);
    let path: Option<Vec<String>> = request.segments.iter().map(|it| segment(it)).collect();
    let mut url = settings.http.url(&path.ok_or_else(unfit)?.join("/"));
    if let Some((name, value)) = &request.query {
        url.query_pairs_mut().append_pair(name, value);
    }
    let mut headers = settings.signed(endpoint, tokens)?;
    if request.body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let method = if request.body.is_some() { Method::POST } else { Method::GET };
    let body = request.body.as_ref().map(|body| Bytes::from(body.to_string()));
    let cookies = &tokens.cookies;
    let begun = Instant::now();
    let exchanged =
        exchange(settings, ApiRequest { endpoint, method, url, headers, body, cookies }).await?;
    let elapsed = begun.elapsed();
    let reply = &exchanged.reply;
    let in_body = || {
        let envelope = wire::envelope(&reply.body).ok()?;
        secret(&wire::text(envelope.rest_token?)?)
    };
    let in_cookies = || token_cookies(&exchanged.headers).rest.as_deref().and_then(secret);
    Ok(ProbeAnswer {
        status: reply.status,
        redirected: reply.foreign_redirect.as_ref().map(|redirect| redirect.sign_in),
        is_page: page_title(reply).is_some() || reply.content_type == "text/html",
        refused: matches!(accepted::<()>(reply), Err(Verdict::Refused(..))),
        rest_token: in_body().or_else(in_cookies),
        body: reply.body.clone(),
        elapsed,
    })
}
