//! All items of a repository, as of one instant.

use std::sync::Arc;

use bytes::Bytes;

use super::body::{BrokenOff, NextPiece, PieceSource};
use crate::domain::{ItemId, RepositoryId, Sequence, item};
use crate::mirror::contracts::ItemsPage;
use crate::mirror::{MirrorError, MirrorReader};
use crate::presentation::Presentation;

/// The items from a place on. Nothing is held between two pages: the later ones are read as of the change that
/// was the last when the first was.
pub(super) struct ItemLines {
    mirror: Arc<dyn MirrorReader>,
    repository: RepositoryId,
    presentation: Presentation,
    sequence: Sequence,
    place: RestOfItems,
}

/// What comes next.
enum RestOfItems {
    /// Items that have been read.
    Read(ItemsPage),
    /// Those behind this one.
    Behind(ItemId),
    End,
}

impl ItemLines {
    /// Reads the first of them.
    pub(super) async fn begin(
        mirror: Arc<dyn MirrorReader>,
        repository: RepositoryId,
        presentation: Presentation,
    ) -> Result<Self, MirrorError> {
        let snapshot = mirror.snapshot(None).await?;
        let (sequence, page) = (snapshot.sequence(), snapshot.items(repository, None).await?);
        drop(snapshot);
        Ok(Self { mirror, repository, presentation, sequence, place: RestOfItems::Read(page) })
    }

    /// The last change that is in what it tells.
    pub(super) fn sequence(&self) -> Sequence {
        self.sequence
    }
}

impl PieceSource for ItemLines {
    fn next(mut self: Box<Self>) -> NextPiece {
        Box::pin(async move {
            loop {
                let page = match std::mem::replace(&mut self.place, RestOfItems::End) {
                    RestOfItems::End => return Ok(None),
                    RestOfItems::Read(page) => page,
                    RestOfItems::Behind(after) => {
                        let snapshot = self.mirror.snapshot(Some(self.sequence)).await;
                        let snapshot = snapshot.map_err(|error| BrokenOff(error.to_string()))?;
                        let read = snapshot.items(self.repository, Some(after)).await;
                        read.map_err(|error| BrokenOff(error.to_string()))?
                    }
                };
                let ItemsPage { items, scanned_through } = page;
                self.place = scanned_through.map_or(RestOfItems::End, RestOfItems::Behind);
                let mut piece = Vec::new();
                for (_, body) in &items {
                    piece.extend_from_slice(&item::one_line(&self.presentation.item(body)));
                    piece.push(b'\n');
                }
                if !piece.is_empty() {
                    return Ok(Some((Bytes::from(piece), self as Box<dyn PieceSource>)));
                }
            }
        })
    }
}
