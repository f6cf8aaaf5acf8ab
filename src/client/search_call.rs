//! What is asked and answered by a search.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::fingerprint::Fingerprints;
use crate::config::Secret;
use crate::domain::{Item, ItemId, RepositoryId};
use crate::json::JsonPointer;

/// One page asked for.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    /// Which repository.
    pub repository: RepositoryId,
    /// The page's number, counted from 1 (vendor).
    pub page: u64,
    /// The most items wanted.
    pub page_size: u32,
    /// Members added to the request as they are; they never replace the three above.
    pub conditions: Arc<Map<String, Value>>,
    /// Where an item carries its id.
    pub item_id: JsonPointer,
    /// That of the latest answer to the same request, if it is known: it saves reading again what
    /// has not changed.
    pub fingerprints: Option<Arc<Fingerprints>>,
}

/// One page as the server sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchAnswer {
    /// The items in the server's order (open which that is), but for those that cannot be read.
    pub items: Vec<Item>,
    /// The records that cannot be read, in the order of their places. Each stands among the items,
    /// so that a caller that counts positions must count it.
    pub unreadable: Vec<UnreadableItem>,
    /// How many items the whole search has, `searchTotal` (vendor).
    pub total: u64,
    /// A new REST token, which the server hands out now and then (vendor).
    pub rest_token: Option<Secret>,
    /// Where the items lay in it, for the next request of the same kind.
    pub fingerprints: Option<Arc<Fingerprints>>,
}

/// A record of a page that cannot be read. It holds its place in the list; its item, whichever it
/// is, is neither new nor changed nor gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableItem {
    /// Its place in the page, counted from 0.
    pub place: usize,
    /// Its id, where that can be told all the same.
    pub id: Option<ItemId>,
    /// What is wrong with it, in words that hold no value of it.
    pub what: String,
    /// Its bytes around the fault: redacted, escaped, cut.
    pub around: Option<String>,
    /// Its bytes as received, not yet fit to be shown.
    pub(crate) bytes: Bytes,
    /// Where in them the fault is.
    pub(crate) fault_at: usize,
    /// What its bytes are known by ([`crate::domain::item::digest`]).
    pub digest: u64,
}

impl SearchAnswer {
    /// For each place of the page the item that stands there; `None` for a record that cannot be
    /// read.
    pub fn places(&self) -> impl Iterator<Item = Option<&Item>> {
        let (mut items, mut unreadable) = (self.items.iter(), self.unreadable.iter().peekable());
        (0..self.items.len() + self.unreadable.len()).map(move |place| {
            match unreadable.next_if(|record| record.place == place) {
                Some(_) => None,
                None => items.next(),
            }
        })
    }
}
