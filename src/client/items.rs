//! Searching items, and asking for one.

use std::fmt::Write as _;

use bytes::Bytes;
use reqwest::Method;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::auth::signed;
use super::error::{Endpoint, Failure, RequestError, RequestErrorKind};
use super::exchange::{Call, exchange};
use super::page::{self, Asked};
use super::settings::Settings;
use super::{ItemRequest, Presence, SearchAnswer, SearchRequest, presence};
use crate::session::Tokens;

/// The members of a search that are ours to set.
const OURS: [&str; 3] = ["repositoryId", "page", "pageSize"];

/// `POST webcm/rest/api/items/search` (vendor).
pub(super) async fn search(
    settings: &Settings,
    tokens: &Tokens,
    request: &SearchRequest,
) -> Result<SearchAnswer, Failure> {
    let body = serde_json::to_vec(&SearchBody(request)).map_err(|error| {
        RequestError::new(Endpoint::Search, RequestErrorKind::Other).with_source(error)
    })?;
    let body = Some(Bytes::from(body));
    let exchanged = signed(settings, Endpoint::Search, Method::POST, tokens, body).await?;
    let asked = Asked {
        page_size: request.page_size,
        item_id: &request.item_id,
        outline: request.outline.as_ref(),
    };
    let verdict = page::search(&exchanged.reply, asked);
    let redactor = || settings.redactor(tokens);
    let mut answer = exchanged.settle(verdict, redactor)?;
    if !answer.unreadable.is_empty() {
        let redactor = redactor();
        for record in &mut answer.unreadable {
            record.around = record.around.take().and_then(|around| redactor.text(&around));
        }
    }
    Ok(answer)
}

/// `GET webcm/rest/api/items/{itemId}` (vendor, in words).
pub(super) async fn item(
    settings: &Settings,
    tokens: &Tokens,
    request: &ItemRequest,
) -> Result<Presence, Failure> {
    let Some(segment) = segment(&request.item.to_string()) else { return Ok(Presence::Unclear) };
    let endpoint = Endpoint::Item;
    let mut url = settings.url(endpoint);
    let path = format!("{}/{segment}", url.path());
    url.set_path(&path);
    let headers = settings.signed(endpoint, tokens)?;
    let call =
        Call { endpoint, method: Method::GET, url, headers, body: None, cookies: &tokens.cookies };
    match exchange(settings, call).await {
        Ok(exchanged) => {
            let verdict = presence::item(&exchanged.reply, request);
            exchanged.settle(verdict, || settings.redactor(tokens))
        }
        // It would be so again, however often it is tried.
        Err(error) if matches!(error.kind, RequestErrorKind::TooLarge { .. }) => {
            Ok(Presence::Unclear)
        }
        Err(error) => Err(error.into()),
    }
}

/// An id as one segment of a path; `None` where none stands for it. Everything but the unreserved
/// characters of RFC 3986 is encoded here, because the URL library drops tabs and line ends, which
/// would ask for another item.
fn segment(id: &str) -> Option<String> {
    if matches!(id, "" | "." | "..") {
        return None;
    }
    let mut segment = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            segment.push(char::from(byte));
        } else {
            write!(segment, "%{byte:02X}").expect("a string takes any text");
        }
    }
    Some(segment)
}

/// The body: ours first, then the configured conditions in their order.
struct SearchBody<'a>(&'a SearchRequest);

impl Serialize for SearchBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(OURS[0], &self.0.repository)?;
        map.serialize_entry(OURS[1], &self.0.page)?;
        map.serialize_entry(OURS[2], &self.0.page_size)?;
        for (name, value) in self.0.conditions.iter() {
            if !OURS.contains(&name.as_str()) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}
