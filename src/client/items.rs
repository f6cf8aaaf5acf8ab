//! Searching items, and asking for one.

use std::future::pending;
use std::panic::resume_unwind;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use tokio::task::spawn_blocking;

use super::auth::{signed, token_cookies};
use super::error::{ApiEndpoint, Failure, RequestError, RequestErrorKind};
use super::exchange::{ApiRequest, exchange};
use super::item_call::{ItemRequest, ItemsRequest, Presence};
use super::page::{self, PageQuery};
use super::presence;
use super::search_call::{SearchAnswer, SearchRequest};
use super::settings::Settings;
use super::verdict::{Reply, secret};
use crate::domain::envelope::BareId;
use crate::domain::{IdSet, RepositoryId};
use crate::http::Method;
use crate::http::header::{CONTENT_TYPE, HeaderValue};
use crate::session::Tokens;

/// The members of a search that are ours to set.
const OURS: [&str; 3] = ["repositoryId", "page", "pageSize"];

/// Of so many records of a page that cannot be read the bytes are shown; more are told of to nobody.
const SHOWN: usize = 10;

/// `POST webcm/rest/api/items/search` (vendor).
pub(super) async fn search(
    settings: &Settings,
    tokens: &Tokens,
    request: &SearchRequest,
) -> Result<SearchAnswer, Failure> {
    let body = serde_json::to_vec(&SearchBody(request)).map_err(|error| {
        RequestError::new(ApiEndpoint::Search, RequestErrorKind::Other).with_source(error)
    })?;
    let body = Some(Bytes::from(body));
    let exchanged = signed(settings, ApiEndpoint::Search, Method::POST, tokens, body).await?;
    let (reply, asked) = (exchanged.reply.clone(), request.clone());
    let read = move || {
        let SearchRequest { page_size, item_id, fingerprints, .. } = &asked;
        page::search(
            &reply,
            PageQuery { page_size: *page_size, item_id, fingerprints: fingerprints.as_ref() },
        )
    };
    let verdict = aside(&exchanged.reply, read).await;
    let redactor = || settings.redactor(tokens);
    let mut answer = exchanged.conclude(verdict, redactor)?;
    // Beside the data (vendor), or as the cookie in which the first one came.
    if answer.rest_token.is_none() {
        answer.rest_token = token_cookies(&exchanged.headers).rest.as_deref().and_then(secret);
    }
    if !answer.unreadable.is_empty() {
        let redactor = redactor();
        for (place, record) in answer.unreadable.iter_mut().enumerate() {
            if place < SHOWN {
                record.around = redactor.around(&record.bytes, record.fault_at);
            }
            // Or the whole answer would be kept for it.
            record.bytes = Bytes::new();
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
    let Some(segment) = segment(&request.item.to_string()) else { return Ok(Presence::Unknown) };
    let endpoint = ApiEndpoint::Item;
    let mut url = settings.url(endpoint);
    let path = format!("{}/{segment}", url.path());
    url.set_path(&path);
    let headers = settings.signed(endpoint, tokens)?;
    let call = ApiRequest {
        endpoint,
        method: Method::GET,
        url,
        headers,
        body: None,
        cookies: &tokens.cookies,
    };
    match exchange(settings, call).await {
        Ok(exchanged) => {
            let (reply, asked) = (exchanged.reply.clone(), request.clone());
            let read = move || presence::item(&reply, &asked);
            let verdict = aside(&exchanged.reply, read).await;
            exchanged.conclude(verdict, || settings.redactor(tokens))
        }
        // It would be so again, however often it is tried.
        Err(error) if matches!(error.kind, RequestErrorKind::TooLarge { .. }) => {
            Ok(Presence::Unknown)
        }
        Err(error) => Err(error.into()),
    }
}

/// The call for several items (vendor that there is one, open which): what its answer surely shows; nothing
/// where none is configured.
pub(super) async fn items(
    settings: &Settings,
    tokens: &Tokens,
    request: &ItemsRequest,
) -> Result<IdSet, Failure> {
    let Some(path) = &settings.items_call else { return Ok(IdSet::new()) };
    let item_ids = request.items.iter().map(BareId).collect();
    let body = serde_json::to_vec(&ItemsBody { repository_id: request.repository, item_ids });
    let body = body.map_err(|error| {
        RequestError::new(ApiEndpoint::Item, RequestErrorKind::Other).with_source(error)
    })?;
    let endpoint = ApiEndpoint::Item;
    let mut headers = settings.signed(endpoint, tokens)?;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let call = ApiRequest {
        endpoint,
        method: Method::POST,
        url: settings.http.url(&format!("webcm/rest/api/{path}")),
        headers,
        body: Some(Bytes::from(body)),
        cookies: &tokens.cookies,
    };
    let exchanged = exchange(settings, call).await?;
    let (reply, asked) = (exchanged.reply.clone(), request.clone());
    let read = move || presence::items(&reply, &asked);
    let verdict = aside(&exchanged.reply, read).await;
    exchanged.conclude(verdict, || settings.redactor(tokens))
}

/// The body of the call for several items, ids as items have them (ours to choose: the call is open).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemsBody<'a> {
    repository_id: RepositoryId,
    item_ids: Vec<BareId<'a>>,
}

/// Judges an answer; a large one where nobody waits for the thread.
async fn aside<T: Send + 'static>(reply: &Reply, judge: impl FnOnce() -> T + Send + 'static) -> T {
    /// It takes a few milliseconds to read.
    const LARGE: usize = 1024 * 1024;
    if reply.body.len() < LARGE {
        return judge();
    }
    match spawn_blocking(judge).await {
        Ok(verdict) => verdict,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // The runtime ends, and with it the caller that waits for this.
        Err(_) => pending().await,
    }
}

/// What is encoded of an id: all but the unreserved characters of RFC 3986, since the URL library
/// drops tabs and line ends, which would ask for another item.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An id as one segment of a path; `None` where none stands for it.
pub(super) fn segment(id: &str) -> Option<String> {
    (!matches!(id, "" | "." | "..")).then(|| utf8_percent_encode(id, RESERVED).to_string())
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
