//! Doors to what is private here, for the fuzz targets in `fuzz/`; compiled for nobody else
//! (`--cfg fuzzing`).
//!
//! They hand over what came and hand back what it was taken for, and decide nothing themselves.

use bytes::Bytes;
use serde_json::value::RawValue;
use url::Url;

use super::api::SessionStatus;
use super::item_call::{ItemRequest, Presence};
use super::page::{self, PageQuery};
use super::redact::Redactor;
use super::repository_call::RepositoryList;
use super::repository_list;
use super::search_call::SearchAnswer;
use super::sign_in;
use super::verdict::{self, Reply, Verdict};
use super::{auth, presence};
use crate::domain::Item;
use crate::http::header::{HeaderMap, HeaderValue, SET_COOKIE};
use crate::http::{ForeignRedirect, Redirect, redirect};
use crate::json::JsonPointer;
use crate::session::Tokens;

/// An answer as it came.
#[derive(Clone, Copy, Debug)]
pub struct FuzzedReply<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The media type, in lower case, without parameters.
    pub content_type: &'a str,
    /// Whether it is a redirect that is not followed.
    pub foreign_redirect: bool,
    /// The values of its `Set-Cookie` headers.
    pub cookies: &'a [&'a [u8]],
    /// The body.
    pub body: &'a [u8],
}

/// What it was taken for.
#[derive(Clone, Debug, PartialEq)]
pub enum FuzzedVerdict<T> {
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
pub fn search(
    came: FuzzedReply<'_>,
    page_size: u32,
    item_id: &JsonPointer,
) -> FuzzedVerdict<SearchAnswer> {
    taken(page::search(&reply(came), PageQuery { page_size, item_id, fingerprints: None }))
}

/// A page, read with the fingerprints of another one that was read before; `None` where there is none.
pub fn search_along(
    before: FuzzedReply<'_>,
    came: FuzzedReply<'_>,
    page_size: u32,
    item_id: &JsonPointer,
) -> Option<FuzzedVerdict<SearchAnswer>> {
    let FuzzedVerdict::Answer(SearchAnswer { fingerprints: Some(fingerprints), .. }) =
        search(before, page_size, item_id)
    else {
        return None;
    };
    let asked = PageQuery { page_size, item_id, fingerprints: Some(&fingerprints) };
    Some(taken(page::search(&reply(came), asked)))
}

/// Whether one item is there.
pub fn item(came: FuzzedReply<'_>, asked: &ItemRequest) -> FuzzedVerdict<Presence> {
    taken(presence::item(&reply(came), asked))
}

/// What repositories there are.
pub fn repositories(came: FuzzedReply<'_>) -> FuzzedVerdict<RepositoryList> {
    taken(repository_list::repositories(&reply(came)))
}

/// `enable-api/login`.
pub fn login(came: FuzzedReply<'_>) -> FuzzedVerdict<Tokens> {
    taken(sign_in::login(&reply(came), auth::token_cookies(&headers(came))))
}

/// `webcm/rest/oauth/token`.
pub fn token(came: FuzzedReply<'_>) -> FuzzedVerdict<Tokens> {
    taken(sign_in::token(&reply(came), auth::token_cookies(&headers(came))))
}

/// `enable-api/reauth`.
pub fn reauth(came: FuzzedReply<'_>) -> FuzzedVerdict<SessionStatus> {
    taken(verdict::reauth(&reply(came)))
}

/// `enable-api/logout`.
pub fn logout(came: FuzzedReply<'_>) -> FuzzedVerdict<()> {
    taken(verdict::acknowledged(&reply(came)))
}

/// One item of a page; `None` where the text is no JSON, the error in words.
pub fn page_item(text: &[u8], item_id: &JsonPointer) -> Option<Result<Item, String>> {
    let body = Bytes::copy_from_slice(text);
    let raw: &RawValue = serde_json::from_slice(&body).ok()?;
    let found = super::wire::item(&body, raw, item_id);
    Some(found.map(|found| found.item).map_err(|fault| fault.to_string()))
}

/// What is shown of a body to a reader who must not see these secrets.
pub fn redacted(secrets: &[&str], body: &[u8]) -> Option<String> {
    Redactor::new(secrets.iter().copied()).beginning(body)
}

/// Where an answer with this status and this `Location` leads, if it is followed.
pub fn followed(from: &Url, status: u16, location: &str) -> Option<Url> {
    match redirect(from, status, Some(location)) {
        Redirect::Follow(target) => Some(target),
        Redirect::None | Redirect::Foreign(_) => None,
    }
}

fn reply(came: FuzzedReply<'_>) -> Reply {
    Reply {
        status: came.status,
        limited: false,
        content_type: came.content_type.to_owned(),
        foreign_redirect: came
            .foreign_redirect
            .then_some(ForeignRedirect { target: None, sign_in: came.foreign_redirect }),
        body: Bytes::copy_from_slice(came.body),
    }
}

fn headers(came: FuzzedReply<'_>) -> HeaderMap {
    let values = came.cookies.iter().filter_map(|value| HeaderValue::from_bytes(value).ok());
    values.map(|value| (SET_COOKIE, value)).collect()
}

fn taken<T>(verdict: Verdict<T>) -> FuzzedVerdict<T> {
    match verdict {
        Verdict::Answer(answer) => FuzzedVerdict::Answer(answer),
        Verdict::Refused(..) => FuzzedVerdict::Refused,
        Verdict::Denied(_) => FuzzedVerdict::Denied,
        Verdict::Failed(kind) => FuzzedVerdict::Failed(format!("{kind:?}")),
    }
}
