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
use reqwest::header::{CONTENT_TYPE, COOKIE, DATE, HeaderMap, HeaderValue, LOCATION, SET_COOKIE};
use reqwest::{Method, Response};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::body::{self, BodyError, BodyLimits};
use super::client::HttpClient;
use super::connect::Connections;
use super::cookies::Cookies;
use super::encoding::BodyFault;
use super::error::{HttpError, HttpErrorKind, TimeoutKind};
use super::rate_limit::limit;
use super::redirect::{ForeignRedirect, Redirect, foreign_redirect, redirect};
use super::{charset, classify};
use crate::task::clock;

/// How many redirects are followed for one request: one each for http to https, a final slash and a
/// session in the path, and one to spare.
const REDIRECTS: usize = 4;

/// How much is read of an answer whose status already says what it means, and for how long at most.
const BEGINNING: u64 = 16 * 1024;
const BEGINNING_TIME: Duration = Duration::from_secs(2);

/// A time-out beyond this is as good as none.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A request, ready to be sent once or, along a redirect, again.
pub(crate) struct HttpRequest<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
    /// Those of the session that it is made for.
    pub(crate) cookies: &'a Cookies,
    /// The names of cookies that the caller keeps and sends himself.
    pub(crate) own_cookies: &'static [&'static str],
    /// Whether it goes over a new connection from the start, so that it is never sent twice.
    pub(crate) only_once: bool,
}

/// An answer, read as far as it may be.
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The media type, in lower case, without parameters; empty if there was none.
    pub(crate) content_type: String,
    /// Set where the answer is a redirect that we do not follow.
    pub(crate) foreign_redirect: Option<ForeignRedirect>,
    /// Whether its headers say that the server limits requests, and that the limit is reached.
    pub(crate) limited: bool,
    /// The least time that the server asks us to wait.
    pub(crate) retry_after: Option<Duration>,
    /// The body as UTF-8; of an answer that is no success only the beginning, as it came.
    pub(crate) body: Bytes,
}

/// Sends the request, follows what may be followed, and reads the answer.
pub(crate) async fn exchange(
    client: &HttpClient,
    request: HttpRequest<'_>,
) -> Result<HttpResponse, HttpError> {
    let now = Instant::now();
    let deadline = now + client.request_timeout.min(FOREVER);
    let mut url = request.url.clone();
    let mut followed = 0;
    loop {
        let response = send(client, &request, &url, deadline).await?;
        request.take_cookies(response.headers(), &url);
        let location = response.headers().get(LOCATION).and_then(|it| it.to_str().ok());
        let foreign_redirect = match redirect(&url, response.status().as_u16(), location) {
            Redirect::None => None,
            Redirect::Follow(target) if followed < REDIRECTS => {
                if url.scheme() == "http" && target.scheme() == "https" {
                    client.remember_https(&target);
                }
                url = target;
                followed += 1;
                continue;
            }
            Redirect::Follow(target) => Some(foreign_redirect(&url, &target)),
            Redirect::Foreign(foreign_redirect) => Some(foreign_redirect),
        };
        return read(client, response, deadline, foreign_redirect).await;
    }
}

/// Sends the request once; again, on a new connection, where the one that it went out on had been
/// closed while it was idle.
async fn send(
    client: &HttpClient,
    request: &HttpRequest<'_>,
    url: &Url,
    deadline: Instant,
) -> Result<Response, HttpError> {
    let once = async |http: &reqwest::Client| {
        let mut outgoing = http.request(request.method.clone(), url.clone());
        outgoing = outgoing.headers(request.headers_to(url)?);
        if let Some(body) = &request.body {
            outgoing = outgoing.body(body.clone());
        }
        match timeout_at(deadline, outgoing.send()).await {
            Ok(sent) => Ok(sent),
            Err(_) => Err(timeout(TimeoutKind::Request)),
        }
    };
    let Connections { pooled, fresh } = &client.connections;
    let sent = match once(if request.only_once { fresh } else { pooled }).await? {
        Err(error) if client.reuse.was_closed(&error) => once(fresh).await?,
        sent => sent,
    };
    let response = sent.map_err(|error| {
        let mut error = library_error(None, error);
        error.mute = url.scheme() == "http" && !client.reuse.is_any();
        if error.kind.is_unconnected() {
            error.tried = client.way_to(url);
        }
        error
    })?;
    client.reuse.answered(&response);
    Ok(response)
}

impl HttpRequest<'_> {
    /// The headers of this request to this URL, the cookies for it included.
    fn headers_to(&self, url: &Url) -> Result<HeaderMap, HttpError> {
        let mut headers = self.headers.clone();
        if let Some(cookies) = self.cookies.header(url) {
            let own = headers.get(COOKIE).and_then(|own| own.to_str().ok());
            let all = own.map_or_else(|| cookies.clone(), |own| format!("{own}; {cookies}"));
            headers.insert(COOKIE, sensitive(&all)?);
        }
        Ok(headers)
    }

    /// Keeps the cookies that came with an answer from this URL, but for those that the caller keeps
    /// himself.
    fn take_cookies(&self, headers: &HeaderMap, url: &Url) {
        for set_cookie in headers.get_all(SET_COOKIE).iter().filter_map(|it| it.to_str().ok()) {
            let name = set_cookie.split(['=', ';']).next().unwrap_or_default().trim();
            if !self.own_cookies.contains(&name) {
                self.cookies.take(set_cookie, url);
            }
        }
    }
}

/// A header value that the HTTP library neither shows nor lets HTTP/2 remember.
pub(crate) fn sensitive(text: &str) -> Result<HeaderValue, HttpError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        let what = "a token cannot be sent in a header".to_owned();
        HttpError::new(HttpErrorKind::Malformed { what })
    })?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read(
    client: &HttpClient,
    response: Response,
    deadline: Instant,
    foreign_redirect: Option<ForeignRedirect>,
) -> Result<HttpResponse, HttpError> {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let media_type = text(CONTENT_TYPE).and_then(|value| value.split(';').next());
    let content_type = media_type.unwrap_or_default().trim().to_ascii_lowercase();
    let limit = limit(status, |name| headers.get(name)?.to_str().ok(), clock::now());
    let retry_after = limit.retry_after;
    if let Some(time) = text(DATE).and_then(|it| httpdate::parse_http_date(it).ok()) {
        client.note_time(time, clock::now());
    }
    let limits = BodyLimits { deadline, idle: client.idle_timeout, size: client.max_response_size };
    let body = if response.status().is_success() {
        let body = body::read(response, limits).await.map_err(|error| {
            let mut error = body_error(status, error, limits.size);
            error.retry_after = retry_after;
            error
        })?;
        charset::utf8(body, text(CONTENT_TYPE))
            .map_err(|what| HttpError::new(HttpErrorKind::Malformed { what }).with_status(status))?
    } else {
        let soon = Instant::now() + BEGINNING_TIME;
        let limits =
            BodyLimits { deadline: deadline.min(soon), size: limits.size.min(BEGINNING), ..limits };
        body::beginning(response, limits).await
    };
    let limited = limit.limits;
    Ok(HttpResponse { status, headers, content_type, foreign_redirect, limited, retry_after, body })
}

fn body_error(status: u16, error: BodyError, limit: u64) -> HttpError {
    match error {
        BodyError::Deadline => timeout(TimeoutKind::Request).with_status(status),
        BodyError::Idle => timeout(TimeoutKind::Idle).with_status(status),
        BodyError::TooLarge => {
            HttpError::new(HttpErrorKind::TooLarge { limit }).with_status(status)
        }
        BodyError::Broken(BodyFault::Connection(error)) => library_error(Some(status), error),
        BodyError::Broken(BodyFault::Encoding(error)) => {
            let kind = classify::decoding(&error);
            HttpError::new(kind).with_status(status).with_source(error)
        }
        BodyError::Broken(BodyFault::Unasked(encoding)) => {
            HttpError::new(classify::unasked(encoding)).with_status(status)
        }
    }
}

fn timeout(which: TimeoutKind) -> HttpError {
    HttpError::new(HttpErrorKind::Timeout(which))
}

fn library_error(status: Option<u16>, error: reqwest::Error) -> HttpError {
    let mut typed = HttpError::new(classify::kind(&error));
    typed.status = status;
    typed.with_source(error.without_url())
}
