//! What an answer means: an answer, a refusal, a denial or a failure. Pure; table-tested.
//!
//! How a server refuses is open, so each shape that is thinkable is a refusal: 401, 403,
//! `"success": false`, a `status` other than 0 without `data`, a sign-in page, a foreign
//! redirect. What is neither that nor exactly the answer that was asked for is a failure: an answer
//! of the wrong shape is never taken for an empty page.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::api::SessionStatus;
use super::error::{RefusalShape, RequestErrorKind};
use super::lenient::LenientValue;
use super::wire::{self, ApiEnvelope};
use crate::config::Secret;
use crate::http::ForeignRedirect;

/// What came back, as far as it matters for the meaning.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    /// The HTTP status.
    pub(super) status: u16,
    /// Whether its headers say that the server limits requests.
    pub(super) limited: bool,
    /// The media type, in lower case, without parameters; empty if there was none.
    pub(super) content_type: String,
    /// Set where the answer is a redirect that we do not follow.
    pub(super) foreign_redirect: Option<ForeignRedirect>,
    /// The body; of an answer that is no success only the beginning.
    pub(super) body: Bytes,
}

/// The meaning of an answer. Reasons are the server's own words, not yet fit to be shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict<T> {
    /// What was asked for.
    Answer(T),
    /// The credentials were not accepted.
    Refused(RefusalShape, Option<String>),
    /// Name or password were not accepted.
    Denied(Option<String>),
    /// Neither.
    Failed(RequestErrorKind),
}

/// The tokens that a login's cookies carried.
#[derive(Clone, Debug, Default)]
pub(super) struct TokenCookies {
    /// `ewtoken` (seen).
    pub(super) session: Option<String>,
    /// `epimresttoken` (seen).
    pub(super) rest: Option<String>,
}

/// `enable-api/reauth` (vendor).
pub(super) fn reauth(reply: &Reply) -> Verdict<SessionStatus> {
    match acknowledged(reply) {
        Verdict::Answer(()) => Verdict::Answer(SessionStatus::Valid),
        Verdict::Refused(..) => Verdict::Answer(SessionStatus::Ended),
        Verdict::Denied(reason) => Verdict::Denied(reason),
        Verdict::Failed(kind) => Verdict::Failed(kind),
    }
}

/// A call that answers `{"success": true}` and no more: `logout` (seen).
pub(super) fn acknowledged(reply: &Reply) -> Verdict<()> {
    let envelope = match accepted(reply) {
        Ok(envelope) => envelope,
        Err(verdict) => return verdict,
    };
    if envelope.success.is_some() {
        Verdict::Answer(())
    } else {
        wrong_shape("it has no member success")
    }
}

/// Whether `status` says that the call succeeded, or nothing.
pub(super) fn successful<T>(envelope: &ApiEnvelope<'_>) -> Result<(), Verdict<T>> {
    let whole = |raw| wire::whole_number(raw).and_then(|status| i64::try_from(status).ok());
    let status = match envelope.status {
        None => 0,
        Some(raw) if raw.get() == "null" => 0,
        Some(raw) => whole(raw).ok_or_else(|| wrong_shape("its status is not a whole number"))?,
    };
    match envelope.data {
        _ if status == 0 => Ok(()),
        LenientValue::Absent | LenientValue::Null => {
            Err(Verdict::Refused(RefusalShape::StatusMember(status), reason(envelope)))
        }
        _ => Err(wrong_shape(format!("its status is {status}"))),
    }
}

/// The envelope of an answer to a signed request, unless the answer is a refusal or a failure.
pub(super) fn accepted<T>(reply: &Reply) -> Result<ApiEnvelope<'_>, Verdict<T>> {
    accepted_as(reply, wire::envelope)
}

/// The same, read in another way.
pub(super) fn accepted_as<'a, T>(
    reply: &'a Reply,
    read: impl FnOnce(&'a [u8]) -> Result<ApiEnvelope<'a>, String>,
) -> Result<ApiEnvelope<'a>, Verdict<T>> {
    admitted(reply)?;
    let envelope = parsed(reply, read)?;
    if success(&envelope)? {
        Ok(envelope)
    } else {
        Err(Verdict::Refused(RefusalShape::NotSuccessful, reason(&envelope)))
    }
}

/// Whether a signed request was let in, whatever the JSON of its answer says.
pub(super) fn admitted<T>(reply: &Reply) -> Result<(), Verdict<T>> {
    if let Some(foreign_redirect) = &reply.foreign_redirect {
        let shape = if foreign_redirect.sign_in {
            RefusalShape::Redirected
        } else {
            RefusalShape::ForeignRedirect
        };
        return Err(Verdict::Refused(shape, None));
    }
    let shape = match reply.status {
        200..=299 => None,
        401 => Some(RefusalShape::Unauthorized),
        // It refuses the request for now, not the session.
        403 if reply.limited => return Err(Verdict::Failed(RequestErrorKind::Status)),
        403 => Some(RefusalShape::Forbidden),
        _ => return Err(Verdict::Failed(RequestErrorKind::Status)),
    };
    if let Some(shape) = shape {
        return Err(Verdict::Refused(shape, reason_in(&reply.body)));
    }
    if asks_to_sign_in(reply) {
        return Err(Verdict::Refused(RefusalShape::SignInPage, None));
    }
    Ok(())
}

/// Whether an answer is a sign-in page, whatever its status.
pub(super) fn asks_to_sign_in(reply: &Reply) -> bool {
    is_html(reply) && is_sign_in_page(&reply.body)
}

pub(super) fn is_empty(reply: &Reply) -> bool {
    reply.body.iter().all(u8::is_ascii_whitespace)
}

pub(super) fn parsed<'a, T>(
    reply: &'a Reply,
    read: impl FnOnce(&'a [u8]) -> Result<ApiEnvelope<'a>, String>,
) -> Result<ApiEnvelope<'a>, Verdict<T>> {
    if is_empty(reply) {
        return Err(wrong_shape("it is empty"));
    }
    if is_html(reply) {
        return Err(wrong_shape("it is an HTML page"));
    }
    read(&reply.body).map_err(wrong_shape)
}

/// Whether `success` is true or not there.
pub(super) fn success<T>(envelope: &ApiEnvelope<'_>) -> Result<bool, Verdict<T>> {
    match envelope.success.map(RawValue::get) {
        None | Some("true" | "null") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(wrong_shape("its success is neither true nor false")),
    }
}

/// The longest token, in bytes: no usual server takes a request whose head is longer.
const LONGEST_TOKEN: usize = 8 * 1024;

/// A token that can stand in a header and in a cookie.
pub(super) fn secret(text: &str) -> Option<Secret> {
    let sendable = |byte: u8| byte.is_ascii_graphic() && byte != b';';
    let fits = !text.is_empty() && text.len() <= LONGEST_TOKEN;
    (fits && text.bytes().all(sendable)).then(|| Secret::new(text))
}

/// The server's own words in a JSON body.
pub(super) fn reason_in(body: &[u8]) -> Option<String> {
    wire::envelope(body).ok().and_then(|envelope| reason(&envelope))
}

pub(super) fn reason(envelope: &ApiEnvelope<'_>) -> Option<String> {
    [envelope.error_description, envelope.error, envelope.message]
        .into_iter()
        .flatten()
        .filter_map(wire::text)
        .find(|text| !text.trim().is_empty())
}

/// Whether an answer is an HTML page, by its beginning or, where that is not JSON, by its type.
pub(super) fn is_html(reply: &Reply) -> bool {
    let start = reply.body.trim_ascii_start();
    let begins =
        |with: &[u8]| start.get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with));
    begins(b"<!doctype html")
        || begins(b"<html")
        || (matches!(reply.content_type.as_str(), "text/html" | "application/xhtml+xml")
            && !begins(b"{"))
}

/// Whether an HTML page asks to sign in: it has a password field, or its title or its form says so.
fn is_sign_in_page(body: &[u8]) -> bool {
    // A sign-in page is small; of a large page the beginning tells.
    const LOOKED_AT: usize = 64 * 1024;
    let page = String::from_utf8_lossy(body.get(..LOOKED_AT).unwrap_or(body)).to_ascii_lowercase();
    tags(&page, "input").any(|tag| attribute(tag, "type").is_some_and(|kind| kind == "password"))
        || title(&page).is_some_and(speaks_of_signing_in)
        || tags(&page, "form").any(|tag| attribute(tag, "action").is_some_and(speaks_of_signing_in))
}

/// Looks at whole words: "Product catalog in use" is not "log in".
pub(super) fn speaks_of_signing_in(text: &str) -> bool {
    let words: Vec<&str> = text.split(|it: char| !it.is_alphanumeric()).collect();
    let joined = ["signin", "login", "logon"];
    words.iter().any(|word| joined.iter().any(|it| word.starts_with(it) || word.ends_with(it)))
        || words.windows(2).any(|pair| matches!(pair, ["sign" | "log", "in"] | ["log", "on"]))
}

/// The insides of all tags of this name.
fn tags<'p>(page: &'p str, name: &'p str) -> impl Iterator<Item = &'p str> {
    page.split('<').skip(1).filter_map(move |tag| {
        let inside = tag.strip_prefix(name)?;
        let inside = inside.split('>').next().unwrap_or(inside);
        inside.starts_with(|character: char| character.is_whitespace()).then_some(inside)
    })
}

/// What an HTML page calls itself; `None` for anything else, and where it does not say.
pub(super) fn page_title(reply: &Reply) -> Option<String> {
    if !is_html(reply) {
        return None;
    }
    let page = String::from_utf8_lossy(&reply.body);
    // Of the same length as the page, so that a place in one is that place in the other.
    let lower = page.to_ascii_lowercase();
    let inside = title(&lower)?;
    let begin = inside.as_ptr().addr() - lower.as_ptr().addr();
    let title = page.get(begin..begin + inside.len())?.trim();
    (!title.is_empty()).then(|| title.to_owned())
}

fn title(page: &str) -> Option<&str> {
    let (_, from) = page.split_once("<title")?;
    let (_, inside) = from.split_once('>')?;
    inside.split('<').next()
}

/// The value of an attribute inside a tag, in any quotes or none.
fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let mut rest = tag;
    loop {
        let (before, after) = rest.split_once(name)?;
        let value = after.trim_start().strip_prefix('=').map(str::trim_start);
        if let Some(value) = value
            && before.ends_with(|character: char| character.is_whitespace())
        {
            return match value.chars().next()? {
                quote @ ('"' | '\'') => value.split(quote).nth(1),
                _ => value.split(char::is_whitespace).next(),
            };
        }
        rest = after;
    }
}

pub(super) fn wrong_shape<T>(what: impl Into<String>) -> Verdict<T> {
    Verdict::Failed(RequestErrorKind::WrongShape { what: what.into() })
}
