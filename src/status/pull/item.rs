//! One item: as it is now, and what became of it.

use std::collections::VecDeque;
use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{HeaderMap, IF_NONE_MATCH};
use xxhash_rust::xxh3::xxh3_128;

use super::body::{BrokenOff, NextPiece, PIECE, PieceSource};
use super::names;
use crate::domain::{ItemId, RepositoryId, Sequence, envelope};
use crate::mirror::contracts::ItemHistory;
use crate::mirror::{MirrorError, MirrorReader};
use crate::presentation::Presentation;

/// The body of an item as it is now; `None`: there is none of this id.
pub(super) async fn find(
    mirror: &dyn MirrorReader,
    repository: RepositoryId,
    item: &str,
) -> Result<Option<Vec<u8>>, MirrorError> {
    for id in ItemId::meanings(item) {
        if let Some(body) = mirror.item(repository, &id).await? {
            return Ok(Some(body));
        }
    }
    Ok(None)
}

/// Which changes of an item are in the log; `None`: it has never been there.
pub(super) async fn history(
    mirror: &dyn MirrorReader,
    repository: RepositoryId,
    item: &str,
) -> Result<Option<ItemHistory>, MirrorError> {
    for id in ItemId::meanings(item) {
        if let Some(found) = mirror.history(repository, &id).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// What tells one version of an item from another.
pub(super) fn tag(body: &[u8]) -> String {
    format!("\"{:032x}\"", xxh3_128(body))
}

/// Whether the version of this tag is one that who asks has already.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|known| known.to_str().ok());
    known
        .flat_map(|known| known.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// An answer that is there as a whole: one item, or the passes of a repository.
pub(super) struct WholeItem(Bytes);

impl WholeItem {
    pub(super) fn new(body: Vec<u8>) -> Self {
        Self(body.into())
    }
}

impl PieceSource for WholeItem {
    fn next(mut self: Box<Self>) -> NextPiece {
        let piece = std::mem::take(&mut self.0);
        let next = (!piece.is_empty()).then_some((piece, self as Box<dyn PieceSource>));
        Box::pin(ready(Ok(next)))
    }
}

/// The changes of an item, read one after the other.
pub(super) struct HistoryLines {
    pub(super) mirror: Arc<dyn MirrorReader>,
    pub(super) server: String,
    pub(super) sequences: VecDeque<Sequence>,
    pub(super) presentation: Presentation,
}

impl PieceSource for HistoryLines {
    fn next(mut self: Box<Self>) -> NextPiece {
        Box::pin(async move {
            let mut piece = Vec::new();
            while piece.len() < PIECE
                && let Some(sequence) = self.sequences.pop_front()
            {
                let change = self.mirror.change(sequence).await;
                // One that has been dropped meanwhile was the oldest there is.
                if let Some(mut change) = change.map_err(|error| BrokenOff(error.to_string()))? {
                    names::show_in(&mut change, &self.presentation);
                    envelope::write_line(&change, &self.server, &mut piece);
                }
            }
            Ok((!piece.is_empty()).then(|| (Bytes::from(piece), self as Box<dyn PieceSource>)))
        })
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn a_version_that_is_known_is_told_by_any_of_several_tags() {
        let own = tag(b"{}");
        let known = |sent: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_str(sent).unwrap());
            is_known(&headers, &own)
        };
        assert!(known(&own) && known("*") && known(&format!("W/{own}")));
        assert!(known(&format!("\"a\", {own}")));
        assert!(!known(&tag(b"[]")) && !known("") && !known(own.trim_matches('"')));
    }
}
