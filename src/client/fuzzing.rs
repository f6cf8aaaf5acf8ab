//! Doors to what is private here, for the fuzz targets in `fuzz/`; compiled for nobody else
//! (`--cfg fuzzing`).
//!
//! They hand over what came and hand back what it was taken for, and decide nothing themselves.

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};
use serde_json::value::RawValue;
use url::Url;

use super::page::{self, Asked};
use super::redact::Redactor;
use super::redirect::{Redirect, redirect};
use super::sign_in;
use super::verdict::{self, Elsewhere, Reply, Verdict};
use super::{ItemRequest, Offer, Presence, SearchAnswer, Standing, auth, offer, presence};
use crate::domain::Item;
use crate::json::JsonPointer;
use crate::session::Tokens;

/// An answer as it came.
#[derive(Clone, Copy, Debug)]
pub struct Came<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The media type, in lower case, without parameters.
    pub content_type: &'a str,
    /// Whether it is a redirect that is not followed.
    pub elsewhere: bool,
    /// The values of its `Set-Cookie` headers.
    pub cookies: &'a [&'a [u8]],
    /// The body.
    pub body: &'a [u8],
}

/// What it was taken for.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken<T> {
    /// What was asked for.
    Answer(T),
    /// A refusal of the credentials.
    Refused,
    /// A refusal of name or password.
    Denied,
    /// Neither; in words that hold nothing of the answer but names.
    Failed(String),
}

/// A page.
pub fn search(came: Came<'_>, page_size: u32, item_id: &JsonPointer) -> Taken<SearchAnswer> {
    taken(page::search(&reply(came), Asked { page_size, item_id, outline: None }))
}

/// A page, read along the outline of another one that was read before; `None` where there is none.
pub fn search_along(
    before: Came<'_>,
    came: Came<'_>,
    page_size: u32,
    item_id: &JsonPointer,
) -> Option<Taken<SearchAnswer>> {
    let Taken::Answer(SearchAnswer { outline: Some(outline), .. }) =
        search(before, page_size, item_id)
    else {
        return None;
    };
    let asked = Asked { page_size, item_id, outline: Some(&outline) };
    Some(taken(page::search(&reply(came), asked)))
}

/// Whether one item is there.
pub fn item(came: Came<'_>, asked: &ItemRequest) -> Taken<Presence> {
    taken(presence::item(&reply(came), asked))
}

/// What repositories there are.
pub fn repositories(came: Came<'_>) -> Taken<Offer> {
    taken(offer::repositories(&reply(came)))
}

/// `enable-api/login`.
pub fn login(came: Came<'_>) -> Taken<Tokens> {
    taken(sign_in::login(&reply(came), auth::token_cookies(&headers(came))))
}

/// `webcm/rest/oauth/token`.
pub fn token(came: Came<'_>) -> Taken<Tokens> {
    taken(sign_in::token(&reply(came), auth::token_cookies(&headers(came))))
}

/// `enable-api/reauth`.
pub fn reauth(came: Came<'_>) -> Taken<Standing> {
    taken(verdict::reauth(&reply(came)))
}

/// `enable-api/logout`.
pub fn logout(came: Came<'_>) -> Taken<()> {
    taken(verdict::acknowledged(&reply(came)))
}

/// One item of a page; `None` where the text is no JSON, the error in words.
pub fn page_item(text: &[u8], item_id: &JsonPointer) -> Option<Result<Item, String>> {
    let body = Bytes::copy_from_slice(text);
    let raw: &RawValue = serde_json::from_slice(&body).ok()?;
    let found = super::wire::item(&body, raw, item_id);
    Some(found.map(|found| found.item).map_err(|fault| fault.to_string()))
}

/// What is shown of a body to whoever must not see these secrets.
pub fn redacted(secrets: &[&str], body: &[u8]) -> Option<String> {
    Redactor::new(secrets.iter().copied()).beginning(body)
}

/// Where an answer with this status and this `Location` leads, if it is followed.
pub fn followed(from: &Url, status: u16, location: &str) -> Option<Url> {
    match redirect(from, status, Some(location)) {
        Redirect::Follow(target) => Some(target),
        Redirect::None | Redirect::Elsewhere(_) => None,
    }
}

fn reply(came: Came<'_>) -> Reply {
    Reply {
        status: came.status,
        limited: false,
        content_type: came.content_type.to_owned(),
        elsewhere: came.elsewhere.then_some(Elsewhere { target: None, sign_in: came.elsewhere }),
        body: Bytes::copy_from_slice(came.body),
    }
}

fn headers(came: Came<'_>) -> HeaderMap {
    let values = came.cookies.iter().filter_map(|value| HeaderValue::from_bytes(value).ok());
    values.map(|value| (SET_COOKIE, value)).collect()
}

fn taken<T>(verdict: Verdict<T>) -> Taken<T> {
    match verdict {
        Verdict::Answer(answer) => Taken::Answer(answer),
        Verdict::Refused(..) => Taken::Refused,
        Verdict::Denied(_) => Taken::Denied,
        Verdict::Failed(kind) => Taken::Failed(format!("{kind:?}")),
    }
}
