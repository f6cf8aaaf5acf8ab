//! What a search is answered: a page of a list, or of what a test has its conditions find there.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::State;
use crate::client::{Failure, Fingerprints, SearchAnswer, SearchRequest};
use crate::config::Secret;
use crate::domain::{Item, ItemId};
use crate::testing::{Asked, Outcome};

/// What a search finds in the list of its repository: the list that is paged through, or a failure.
pub(crate) type Finder =
    Box<dyn FnMut(&SearchRequest, &[Item]) -> Result<Vec<Item>, Failure> + Send>;

/// What happens just before a request is judged.
pub(crate) type Before = Box<dyn FnMut(&Asked, &mut State) + Send>;

impl State {
    /// The page that a search asks for.
    pub(super) fn page(
        &mut self,
        request: &SearchRequest,
        outcome: &Outcome,
        rest_token: Option<Secret>,
    ) -> Result<SearchAnswer, Failure> {
        let list = self.lists.get(&request.repository).map_or(&[][..], Vec::as_slice);
        let list = match &mut self.found {
            Some(found) => Cow::Owned(found(request, list)?),
            None => Cow::Borrowed(list),
        };
        let size = match outcome {
            Outcome::Cap => (request.page_size / 2).max(1),
            _ => request.page_size,
        };
        let page = match outcome {
            Outcome::Repeat => request.page.saturating_sub(1).max(1),
            _ => request.page,
        };
        let size = size as usize;
        let start = usize::try_from(page - 1).unwrap().saturating_mul(size);
        let items: Vec<Item> = list.iter().skip(start).take(size).cloned().collect();
        Ok(SearchAnswer {
            fingerprints: Some(Arc::new(Fingerprints::of_rows(items.len()))),
            items,
            unreadable: Vec::new(),
            total: list.len() as u64,
            rest_token,
        })
    }
}

/// The item with this id at this revision, of which 0 is the first.
pub(crate) fn revised(id: u64, revision: u64) -> Item {
    let text = if revision == 0 { String::new() } else { format!(" as of {revision}") };
    let bytes = Bytes::from(format!("{{\"itemId\":{id},\"F_1\":\"item {id}{text}\"}}"));
    Item::new(ItemId::Integer(i128::from(id)), bytes)
}
