//! One of the vendor's calls and its answer, with what is needed to judge and to report it.

use std::time::Duration;

use bytes::Bytes;
use url::Url;

use super::error::{ApiEndpoint, Denial, Failure, Refusal, RequestError, RequestErrorKind};
use super::redact::{MASK, Redactor};
use super::settings::Settings;
use super::verdict::{Reply, Verdict, page_title, reason_in};
use crate::http::cookies::Cookies;
use crate::http::header::HeaderMap;
use crate::http::{self, HttpRequest, HttpResponse, Method};

/// The cookies that are tokens: they are kept and sent apart from the others.
const TOKEN_COOKIES: &[&str] = &["ewtoken", "epimresttoken"];

/// A call, ready to be made.
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
    pub(super) fn conclude<T>(
        &self,
        verdict: Verdict<T>,
        redactor: impl Fn() -> Redactor,
    ) -> Result<T, Failure> {
        let Reply { status, .. } = &self.reply;
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
                error.beginning = self.beginning(&redactor());
                error.retry_after = self.retry_after;
                Err(error.into())
            }
        }
    }

    /// What may be shown of the body: the title of a page for people, or else how it begins; where
    /// nothing of that may be shown, the reason that it gives.
    fn beginning(&self, redactor: &Redactor) -> Option<String> {
        let Reply { body, .. } = &self.reply;
        if let Some(title) = page_title(&self.reply) {
            return redactor.text(&format!("a page: {title}"));
        }
        let reason = || redactor.text(&reason_in(body)?);
        let beginning = redactor.beginning(body);
        if beginning.as_deref() == Some(MASK) { reason().or(beginning) } else { beginning }
    }
}

/// Makes the call and reads its answer.
pub(super) async fn exchange(
    settings: &Settings,
    call: ApiRequest<'_>,
) -> Result<Exchanged, RequestError> {
    let ApiRequest { endpoint, method, url, headers, body, cookies } = call;
    // A login is never sent twice, because a wrong password that is sent twice counts twice.
    let only_once = matches!(endpoint, ApiEndpoint::Login | ApiEndpoint::Token);
    let own_cookies = TOKEN_COOKIES;
    let request = HttpRequest { method, url, headers, body, cookies, own_cookies, only_once };
    let response = http::exchange(&settings.http, request)
        .await
        .map_err(|error| RequestError::from_http(endpoint, error))?;
    let HttpResponse {
        status,
        headers,
        content_type,
        foreign_redirect,
        limited,
        retry_after,
        body,
    } = response;
    let reply = Reply { status, limited, content_type, foreign_redirect, body };
    Ok(Exchanged { endpoint, reply, headers, retry_after })
}
