//! Searching items.

use bytes::Bytes;
use reqwest::Method;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::auth::signed;
use super::error::{Endpoint, Failure, RequestError, RequestErrorKind};
use super::settings::Settings;
use super::verdict::{self, Asked};
use super::{ItemRequest, Presence, SearchAnswer, SearchRequest};
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
    let asked = Asked { page_size: request.page_size, item_id: &request.item_id };
    let verdict = verdict::search(&exchanged.reply, asked);
    exchanged.settle(verdict, || settings.redactor(Some(tokens)))
}

/// `GET webcm/rest/api/items/{itemId}` (vendor, in words).
#[expect(clippy::unused_async, reason = "asks nothing yet")]
pub(super) async fn item(
    _settings: &Settings,
    _tokens: &Tokens,
    _request: &ItemRequest,
) -> Result<Presence, Failure> {
    Ok(Presence::Unclear)
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
