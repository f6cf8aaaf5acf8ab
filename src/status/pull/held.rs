//! The deletions of a repository that the guard holds back until the operator has his say.

use std::sync::Arc;

use bytes::Bytes;

use super::body::{BrokenOff, NextPiece, PieceSource};
use crate::domain::{IdSet, ItemId, RepositoryId};
use crate::mirror::{MirrorError, MirrorReader, PendingDeletions};
use crate::presentation::{Presentation, held};
use crate::text::moment;

/// Those that were held back when it began, read some at a time, each as it is by then.
pub(super) struct HeldDeletionLines {
    mirror: Arc<dyn MirrorReader>,
    repository: RepositoryId,
    presentation: Presentation,
    since: Option<String>,
    /// `None`: all have been told.
    rest: Option<RestOfHeld>,
}

/// Those of this set behind one of them.
struct RestOfHeld {
    items: Arc<IdSet>,
    after: Option<ItemId>,
}

impl HeldDeletionLines {
    /// Looks which there are.
    pub(super) async fn begin(
        mirror: Arc<dyn MirrorReader>,
        repository: RepositoryId,
        presentation: Presentation,
    ) -> Result<Self, MirrorError> {
        let (since, rest) = match mirror.pending_deletions(repository).await? {
            Some(PendingDeletions { items, since_ms }) => {
                (since_ms.map(moment), Some(RestOfHeld { items: Arc::new(items), after: None }))
            }
            None => (None, None),
        };
        Ok(Self { mirror, repository, presentation, since, rest })
    }
}

impl PieceSource for HeldDeletionLines {
    fn next(mut self: Box<Self>) -> NextPiece {
        Box::pin(async move {
            while let Some(RestOfHeld { items, after }) = self.rest.take() {
                let page = self.mirror.items_in(self.repository, Arc::clone(&items), after).await;
                let page = page.map_err(|error| BrokenOff(error.to_string()))?;
                let mut piece = Vec::new();
                for (id, body) in &page.items {
                    let body = self.presentation.item(body);
                    held::write_line(self.repository, id, self.since.as_deref(), &body, &mut piece);
                }
                self.rest =
                    page.scanned_through.map(|last| RestOfHeld { items, after: Some(last) });
                if !piece.is_empty() {
                    return Ok(Some((Bytes::from(piece), self as Box<dyn PieceSource>)));
                }
            }
            Ok(None)
        })
    }
}
