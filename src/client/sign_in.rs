//! What an answer to a login means: tokens, a denial, or a failure. Pure; table-tested.
//!
//! Accounts get locked by wrong passwords, and how a server says that one is wrong is open. So what
//! is no success is a denial, unless it says clearly that nobody looked at the password: that the
//! server is busy or that its gateway does not reach it, and that is a failure like any other. What
//! leaves that open (an error of the server's own, a call that it does not have, an answer of no
//! shape that is known) is a failure whose words [`RequestError::possible_denial`] tells, so that the
//! refresher takes it for a denial once it has been said again and again.

use super::error::{RequestError, RequestErrorKind};
use super::verdict::{
    Reply, TokenCookies, Verdict, asks_to_sign_in, is_empty, is_html, page_title, parsed, reason,
    reason_in, secret, speaks_of_signing_in, success, wrong_shape,
};
use super::wire::{self, ApiEnvelope};
use crate::http::ForeignRedirect;
use crate::session::Tokens;

/// How many characters of an answer that is no JSON are told as the server's words.
const WORDS: usize = 200;

/// Statuses that say that the request itself was not looked at: proxy authentication, time-outs,
/// patience, and gateways that do not reach the server.
const NOT_JUDGED: [u16; 7] = [407, 408, 425, 429, 502, 503, 504];

/// Statuses of a call that is not there (yet): while an application is deployed, for instance.
const NOT_THERE: [u16; 3] = [404, 405, 410];

/// `enable-api/login`: the token is in the body (vendor) or in the cookies alone (seen).
pub(super) fn login(reply: &Reply, cookies: TokenCookies) -> Verdict<Tokens> {
    if let Some(verdict) = not_a_success(reply) {
        return verdict;
    }
    if let (true, Some(session)) = (is_empty(reply), &cookies.session) {
        return tokens(session, cookies.rest);
    }
    let envelope = match parsed(reply, wire::envelope) {
        Ok(envelope) => envelope,
        Err(verdict) => return verdict,
    };
    // Flat (seen in other products' answers of this kind) or one level down (vendor).
    let in_body = envelope.token.and_then(|it| wire::text(it).or_else(|| nested(it)));
    let in_body = in_body.filter(|token| !token.is_empty());
    signed_in(&envelope, in_body.or(cookies.session), cookies.rest)
}

/// `webcm/rest/oauth/token` (seen).
pub(super) fn token(reply: &Reply, cookies: TokenCookies) -> Verdict<Tokens> {
    if let Some(verdict) = not_a_success(reply) {
        return verdict;
    }
    let envelope = match parsed(reply, wire::envelope) {
        Ok(envelope) => envelope,
        Err(verdict) => return verdict,
    };
    let session = envelope.access_token.and_then(wire::text);
    signed_in(&envelope, session, cookies.rest)
}

impl RequestError {
    /// The words by which a failed login may have been a denial: the same again and again mean that
    /// it was. `None` where nobody looked at the password.
    pub fn possible_denial(&self) -> Option<String> {
        let judged = match self.kind {
            RequestErrorKind::Status => self.status.is_some_and(|status| {
                // A 403 that fails is a limit on requests.
                let judged = !NOT_JUDGED.contains(&status) && status != 403;
                // A server's error without words is trouble, and nothing else.
                judged && (status < 500 || self.beginning.is_some())
            }),
            RequestErrorKind::WrongShape { .. } | RequestErrorKind::Redirect { .. } => true,
            _ => false,
        };
        judged.then(|| format!("{self} {}", self.beginning.as_deref().unwrap_or_default()))
    }
}

/// What an answer means that is no success whatever its JSON says.
fn not_a_success<T>(reply: &Reply) -> Option<Verdict<T>> {
    if let Some(ForeignRedirect { target, .. }) = &reply.foreign_redirect {
        return Some(match target {
            // A page for people, and not this very call somewhere else.
            Some(target)
                if speaks_of_signing_in(&target.to_ascii_lowercase())
                    && !target.contains("/enable-api/login") =>
            {
                Verdict::Denied(Some(format!("redirected to {target}")))
            }
            target => Verdict::Failed(RequestErrorKind::Redirect { target: target.clone() }),
        });
    }
    match reply.status {
        200..=299 if asks_to_sign_in(reply) => Some(Verdict::Denied(words(reply))),
        200..=299 => None,
        403 if reply.limited => Some(Verdict::Failed(RequestErrorKind::Status)),
        status if NOT_JUDGED.contains(&status) || NOT_THERE.contains(&status) => {
            Some(Verdict::Failed(RequestErrorKind::Status))
        }
        400..=499 => Some(Verdict::Denied(words(reply))),
        _ => Some(Verdict::Failed(RequestErrorKind::Status)),
    }
}

/// What an answer means whose tokens have been looked for.
fn signed_in(
    envelope: &ApiEnvelope<'_>,
    session: Option<String>,
    rest: Option<String>,
) -> Verdict<Tokens> {
    match success::<Tokens>(envelope) {
        Ok(true) => {}
        Ok(false) => return Verdict::Denied(reason(envelope)),
        Err(verdict) => return verdict,
    }
    if let Some(session) = session.filter(|token| !token.is_empty()) {
        return tokens(&session, rest);
    }
    let status = envelope.status.is_some_and(|it| !matches!(it.get(), "0" | "null"));
    let no_token = envelope.token.is_some_and(|it| matches!(it.get(), "null" | "false" | "\"\""));
    if says(envelope.error) || says(envelope.error_description) || status || no_token {
        let words = reason(envelope).unwrap_or_else(|| "it answers without a token".to_owned());
        return Verdict::Denied(Some(words));
    }
    wrong_shape("it has no token that a login should have")
}

/// Whether a member says anything.
fn says(member: Option<&serde_json::value::RawValue>) -> bool {
    member.is_some_and(|it| !matches!(it.get(), "null" | "false" | "0" | "\"\"" | "{}" | "[]"))
}

/// The token inside an object.
fn nested(token: &serde_json::value::RawValue) -> Option<String> {
    wire::inner_token(token).and_then(wire::text)
}

/// The server's own words, whatever they come in.
fn words(reply: &Reply) -> Option<String> {
    if let Some(reason) = reason_in(&reply.body) {
        return Some(reason);
    }
    let text = String::from_utf8_lossy(&reply.body);
    let said = if is_html(reply) {
        let page = if asks_to_sign_in(reply) { "a sign-in page" } else { "a page" };
        let title = page_title(reply).map(|title| title.to_ascii_lowercase());
        title.map_or_else(|| page.to_owned(), |title| format!("{page}: {title}"))
    } else {
        text.trim().chars().take(WORDS).collect()
    };
    (!said.is_empty()).then_some(said)
}

/// The tokens of a login, if both can be sent.
fn tokens(session: &str, rest: Option<String>) -> Verdict<Tokens> {
    let Some(session) = secret(session) else {
        return wrong_shape(
            "its session token cannot be sent in a header (8192 printable characters at most)",
        );
    };
    match rest.map(|rest| secret(&rest)) {
        None => Verdict::Answer(Tokens::new(session, None)),
        Some(Some(rest)) => Verdict::Answer(Tokens::new(session, Some(rest))),
        Some(None) => wrong_shape(
            "its epimresttoken cannot be sent in a header (8192 printable characters at most)",
        ),
    }
}
