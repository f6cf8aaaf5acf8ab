//! One request and its answer, redirects included.
//!
//! The HTTP library follows no redirect for us: it would carry our own headers, and so the tokens,
//! to another host. The one redirect worth following is that of the same request to the same host,
//! above all from http to https (seen); that one is remembered, so that tokens go over the wire in
//! the clear at most once. The way back from https to http is never taken.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, LOCATION};
use reqwest::{Method, Response};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::body::{self, BodyError, Limits};
use super::error::{Endpoint, Failure, Refusal, RequestError, RequestErrorKind, TimeoutKind};
use super::redact::Redactor;
use super::retry::limit;
use super::settings::Settings;
use super::verdict::{Elsewhere, Reply, Verdict};
use super::{Denial, classify};
use crate::clock;
use crate::problems::Reached;

/// How many redirects are followed for one request: one for http to https, one to spare.
const REDIRECTS: usize = 2;

/// How much is read of an answer whose status already says what it means, and for how long at most.
const BEGINNING: u64 = 16 * 1024;
const BEGINNING_TIME: Duration = Duration::from_secs(2);

/// A time-out beyond this is as good as none.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A request, ready to be sent once or, along a redirect, again.
pub(super) struct Call {
    pub(super) endpoint: Endpoint,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
}

/// An answer, what is needed to judge it and what is needed to report it.
pub(super) struct Exchanged {
    pub(super) endpoint: Endpoint,
    pub(super) reply: Reply,
    pub(super) headers: HeaderMap,
    retry_after: Option<Duration>,
}

impl Exchanged {
    /// Turns a verdict on this answer into a result, with all texts fit to be shown.
    pub(super) fn settle<T>(
        &self,
        verdict: Verdict<T>,
        redactor: impl Fn() -> Redactor,
    ) -> Result<T, Failure> {
        let Reply { status, body, .. } = &self.reply;
        let shown = |reason: Option<String>| reason.and_then(|reason| redactor().text(&reason));
        let endpoint = self.endpoint;
        match verdict {
            Verdict::Answer(answer) => Ok(answer),
            Verdict::Refused(shape, reason) => {
                Err(Failure::Refused(Refusal { endpoint, shape, reason: shown(reason) }))
            }
            Verdict::Denied(reason) => {
                Err(Failure::Denied(Denial { endpoint, status: *status, reason: shown(reason) }))
            }
            Verdict::Failed(kind) => {
                let mut error = RequestError::new(endpoint, kind).with_status(*status);
                error.beginning = redactor().beginning(body);
                error.retry_after = self.retry_after;
                Err(error.into())
            }
        }
    }
}

/// Sends the request, follows what may be followed, and reads the answer.
pub(super) async fn exchange(settings: &Settings, call: Call) -> Result<Exchanged, RequestError> {
    let now = Instant::now();
    let deadline = now + settings.request_timeout.min(FOREVER);
    let mut url = call.url.clone();
    let mut followed = 0;
    loop {
        let request = settings.http.request(call.method.clone(), url.clone());
        let mut request = request.headers(call.headers.clone());
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        let response = match timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let mut error = library_error(call.endpoint, None, error);
                if error.reached() == Reached::Nobody {
                    error.tried = settings.way_to(&url).map(Into::into);
                }
                return Err(error);
            }
            Err(_) => return Err(timeout(call.endpoint, TimeoutKind::Request)),
        };
        match redirect(&url, &response) {
            Redirect::None => return read(settings, call.endpoint, response, deadline, None).await,
            Redirect::Follow(target) if followed < REDIRECTS => {
                if url.scheme() == "http" && target.scheme() == "https" {
                    settings.remember_https(&target);
                }
                url = target;
                followed += 1;
            }
            Redirect::Follow(target) => {
                let elsewhere = Some(Elsewhere { target: shown(&target) });
                return read(settings, call.endpoint, response, deadline, elsewhere).await;
            }
            Redirect::Elsewhere(elsewhere) => {
                return read(settings, call.endpoint, response, deadline, Some(elsewhere)).await;
            }
        }
    }
}

/// Where an answer sends us.
#[derive(Debug, PartialEq)]
enum Redirect {
    None,
    Follow(Url),
    Elsewhere(Elsewhere),
}

fn redirect(from: &Url, response: &Response) -> Redirect {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Redirect::None;
    }
    let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    match location.and_then(|location| from.join(location).ok()) {
        Some(target) if may_follow(from, &target) => Redirect::Follow(target),
        Some(target) => Redirect::Elsewhere(Elsewhere { target: shown(&target) }),
        None => Redirect::Elsewhere(Elsewhere { target: None }),
    }
}

/// Whether a redirect leads to the same call of the same server, and not out of https.
pub(super) fn may_follow(from: &Url, to: &Url) -> bool {
    let same_call = from.host() == to.host()
        && from.path() == to.path()
        && from.query() == to.query()
        && to.username().is_empty()
        && to.password().is_none();
    let same_door =
        from.scheme() == to.scheme() && from.port_or_known_default() == to.port_or_known_default();
    let secured = from.scheme() == "http" && to.scheme() == "https";
    same_call && (same_door || secured)
}

/// As much of a redirect's target as may be shown: its path and query may carry anything.
fn shown(target: &Url) -> Option<String> {
    target.host_str().map(|host| format!("{}://{host}", target.scheme()))
}

async fn read(
    settings: &Settings,
    endpoint: Endpoint,
    response: Response,
    deadline: Instant,
    elsewhere: Option<Elsewhere>,
) -> Result<Exchanged, RequestError> {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let media_type = text(CONTENT_TYPE).and_then(|value| value.split(';').next());
    let content_type = media_type.unwrap_or_default().trim().to_ascii_lowercase();
    let limit = limit(status, |name| headers.get(name)?.to_str().ok(), clock::now());
    let retry_after = limit.retry_after;
    if let Some(time) = text(DATE).and_then(|it| httpdate::parse_http_date(it).ok()) {
        settings.note_time(time, clock::now());
    }
    let limits = Limits { deadline, idle: settings.idle_timeout, size: settings.max_response_size };
    let body = if response.status().is_success() {
        body::read(response, limits).await.map_err(|error| {
            let mut error = body_error(endpoint, status, error, limits.size);
            error.retry_after = retry_after;
            error
        })?
    } else {
        let soon = Instant::now() + BEGINNING_TIME;
        let limits =
            Limits { deadline: deadline.min(soon), size: limits.size.min(BEGINNING), ..limits };
        body::beginning(response, limits).await
    };
    let reply = Reply { status, limited: limit.limits, content_type, elsewhere, body };
    Ok(Exchanged { endpoint, reply, headers, retry_after })
}

fn body_error(endpoint: Endpoint, status: u16, error: BodyError, limit: u64) -> RequestError {
    match error {
        BodyError::Deadline => timeout(endpoint, TimeoutKind::Request).with_status(status),
        BodyError::Idle => timeout(endpoint, TimeoutKind::Idle).with_status(status),
        BodyError::TooLarge => {
            RequestError::new(endpoint, RequestErrorKind::TooLarge { limit }).with_status(status)
        }
        BodyError::Broken(error) => library_error(endpoint, Some(status), error),
    }
}

fn timeout(endpoint: Endpoint, which: TimeoutKind) -> RequestError {
    RequestError::new(endpoint, RequestErrorKind::Timeout(which))
}

fn library_error(endpoint: Endpoint, status: Option<u16>, error: reqwest::Error) -> RequestError {
    let mut typed = RequestError::new(endpoint, classify::kind(&error));
    typed.status = status;
    typed.with_source(error.without_url())
}
