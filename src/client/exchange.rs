//! One request and its answer, redirects included.
//!
//! The HTTP library follows no redirect for us: it would carry our own headers, and so the tokens,
//! to another host. Those worth following are in `redirect`; that from http to https (seen) is
//! remembered, so that tokens go over the wire in the clear at most once.
//!
//! Each request carries the cookies that the session has for its URL, and each answer may set some,
//! a redirect's included.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, COOKIE, DATE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Method, Response};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::body::{self, BodyError, BodyLimits};
use super::connect::Connections;
use super::encoding::BodyFault;
use super::error::{ApiEndpoint, Failure, Refusal, RequestError, RequestErrorKind, TimeoutKind};
use super::redact::Redactor;
use super::redirect::{Redirect, foreign_redirect, redirect};
use super::retry::limit;
use super::settings::{Settings, sensitive};
use super::verdict::{ForeignRedirect, Reply, Verdict};
use super::{Denial, charset, classify};
use crate::http::cookies::Cookies;
use crate::progress::problems::Reached;
use crate::task::clock;

/// How many redirects are followed for one request: one each for http to https, a final slash and a
/// session in the path, and one to spare.
const REDIRECTS: usize = 4;

/// The cookies that are tokens.
const TOKEN_COOKIES: [&str; 2] = ["ewtoken", "epimresttoken"];

/// How much is read of an answer whose status already says what it means, and for how long at most.
const BEGINNING: u64 = 16 * 1024;
const BEGINNING_TIME: Duration = Duration::from_secs(2);

/// A time-out beyond this is as good as none.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A request, ready to be sent once or, along a redirect, again.
pub(super) struct ApiRequest<'a> {
    pub(super) endpoint: ApiEndpoint,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    /// Those of the session that it is made for.
    pub(super) cookies: &'a Cookies,
}

/// An answer, what is needed to judge it and what is needed to report it.
pub(super) struct Exchanged {
    pub(super) endpoint: ApiEndpoint,
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
                let target = self.reply.foreign_redirect.as_ref().and_then(|it| it.target.clone());
                let reason = reason.or(target);
                Err(Failure::Refused(Refusal { endpoint, shape, reason: shown(reason) }))
            }
            Verdict::Denied(reason) => {
                Err(Failure::Denied(Denial { endpoint, status: *status, reason: shown(reason) }))
            }
            Verdict::Failed(RequestErrorKind::Redirect { target }) => {
                let target = shown(target);
                let kind = RequestErrorKind::Redirect { target };
                Err(RequestError::new(endpoint, kind).with_status(*status).into())
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
pub(super) async fn exchange(
    settings: &Settings,
    call: ApiRequest<'_>,
) -> Result<Exchanged, RequestError> {
    let now = Instant::now();
    let deadline = now + settings.request_timeout.min(FOREVER);
    let mut url = call.url.clone();
    let mut followed = 0;
    loop {
        let response = send(settings, &call, &url, deadline).await?;
        call.take_cookies(response.headers(), &url);
        let location = response.headers().get(LOCATION).and_then(|it| it.to_str().ok());
        let foreign_redirect = match redirect(&url, response.status().as_u16(), location) {
            Redirect::None => None,
            Redirect::Follow(target) if followed < REDIRECTS => {
                if url.scheme() == "http" && target.scheme() == "https" {
                    settings.remember_https(&target);
                }
                url = target;
                followed += 1;
                continue;
            }
            Redirect::Follow(target) => Some(foreign_redirect(&url, &target)),
            Redirect::Foreign(foreign_redirect) => Some(foreign_redirect),
        };
        return read(settings, call.endpoint, response, deadline, foreign_redirect).await;
    }
}

/// Sends the request once; again, on a new connection, where the one that it went out on had been
/// closed while it was idle. Whoever signs in has a new connection from the start, so that a login
/// is never sent twice.
async fn send(
    settings: &Settings,
    call: &ApiRequest<'_>,
    url: &Url,
    deadline: Instant,
) -> Result<Response, RequestError> {
    let once = async |http: &reqwest::Client| {
        let mut request = http.request(call.method.clone(), url.clone());
        request = request.headers(call.headers_to(url)?);
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        match timeout_at(deadline, request.send()).await {
            Ok(sent) => Ok(sent),
            Err(_) => Err(timeout(call.endpoint, TimeoutKind::Request)),
        }
    };
    let Connections { pooled, fresh } = &settings.http;
    let signs_in = matches!(call.endpoint, ApiEndpoint::Login | ApiEndpoint::Token);
    let sent = match once(if signs_in { fresh } else { pooled }).await? {
        Err(error) if settings.reuse.was_closed(&error) => once(fresh).await?,
        sent => sent,
    };
    let response = sent.map_err(|error| {
        let mut error = library_error(call.endpoint, None, error);
        error.mute = url.scheme() == "http" && !settings.reuse.is_any();
        if error.reached() == Reached::Nobody {
            error.tried = settings.way_to(url).map(Into::into);
        }
        error
    })?;
    settings.reuse.answered(&response);
    Ok(response)
}

impl ApiRequest<'_> {
    /// The headers of this call to this URL, the cookies for it included.
    fn headers_to(&self, url: &Url) -> Result<HeaderMap, RequestError> {
        let mut headers = self.headers.clone();
        if let Some(cookies) = self.cookies.header(url) {
            let own = headers.get(COOKIE).and_then(|own| own.to_str().ok());
            let all = own.map_or_else(|| cookies.clone(), |own| format!("{own}; {cookies}"));
            headers.insert(COOKIE, sensitive(self.endpoint, &all)?);
        }
        Ok(headers)
    }

    /// Keeps the cookies that came with an answer from this URL, but for the tokens, which are kept
    /// and sent apart.
    fn take_cookies(&self, headers: &HeaderMap, url: &Url) {
        for set_cookie in headers.get_all(SET_COOKIE).iter().filter_map(|it| it.to_str().ok()) {
            let name = set_cookie.split(['=', ';']).next().unwrap_or_default().trim();
            if !TOKEN_COOKIES.contains(&name) {
                self.cookies.take(set_cookie, url);
            }
        }
    }
}

async fn read(
    settings: &Settings,
    endpoint: ApiEndpoint,
    response: Response,
    deadline: Instant,
    foreign_redirect: Option<ForeignRedirect>,
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
    let limits =
        BodyLimits { deadline, idle: settings.idle_timeout, size: settings.max_response_size };
    let body = if response.status().is_success() {
        let body = body::read(response, limits).await.map_err(|error| {
            let mut error = body_error(endpoint, status, error, limits.size);
            error.retry_after = retry_after;
            error
        })?;
        charset::utf8(body, text(CONTENT_TYPE)).map_err(|what| {
            let kind = RequestErrorKind::WrongShape { what };
            RequestError::new(endpoint, kind).with_status(status)
        })?
    } else {
        let soon = Instant::now() + BEGINNING_TIME;
        let limits =
            BodyLimits { deadline: deadline.min(soon), size: limits.size.min(BEGINNING), ..limits };
        body::beginning(response, limits).await
    };
    let reply = Reply { status, limited: limit.limits, content_type, foreign_redirect, body };
    Ok(Exchanged { endpoint, reply, headers, retry_after })
}

fn body_error(endpoint: ApiEndpoint, status: u16, error: BodyError, limit: u64) -> RequestError {
    match error {
        BodyError::Deadline => timeout(endpoint, TimeoutKind::Request).with_status(status),
        BodyError::Idle => timeout(endpoint, TimeoutKind::Idle).with_status(status),
        BodyError::TooLarge => {
            RequestError::new(endpoint, RequestErrorKind::TooLarge { limit }).with_status(status)
        }
        BodyError::Broken(BodyFault::Connection(error)) => {
            library_error(endpoint, Some(status), error)
        }
        BodyError::Broken(BodyFault::Encoding(error)) => {
            let kind = classify::decoding(&error);
            RequestError::new(endpoint, kind).with_status(status).with_source(error)
        }
    }
}

fn timeout(endpoint: ApiEndpoint, which: TimeoutKind) -> RequestError {
    RequestError::new(endpoint, RequestErrorKind::Timeout(which))
}

fn library_error(
    endpoint: ApiEndpoint,
    status: Option<u16>,
    error: reqwest::Error,
) -> RequestError {
    let mut typed = RequestError::new(endpoint, classify::kind(&error));
    typed.status = status;
    typed.with_source(error.without_url())
}
