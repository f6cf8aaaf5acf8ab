//! `mirror.url = "none"`: pages are read and told of, and nothing is kept, so nothing is known to be
//! new or changed and all counts are zero.

use std::sync::Arc;
use std::time::Duration;

use super::contracts::{
    KeptModel, Lease, Mirror, MirrorFuture, ModelUpdate, RefusedView, RepositoryWriter,
};
use super::{
    ChangeCounts, DroppedChanges, EndOfPass, FeedHolds, IncrementalPage, MirrorError, PageOfItems,
    ResumePoint, UnseenItems,
};
use crate::domain::{IdSet, ItemId, Iteration, RepositoryId};

/// The mirror that keeps nothing, and the writer of each of its repositories.
#[derive(Clone, Copy, Debug)]
pub struct NoMirror;

impl Mirror for NoMirror {
    fn writer(&self, _: RepositoryId, _: &Lease) -> Arc<dyn RepositoryWriter> {
        Arc::new(Self)
    }

    fn drop_changes(&self, _: i64, _: Duration, _: &FeedHolds) -> MirrorFuture<'_, DroppedChanges> {
        answer(DroppedChanges::default())
    }

    fn used_bytes(&self) -> MirrorFuture<'_, u64> {
        answer(0)
    }

    fn saved_model(&self, _: RepositoryId) -> MirrorFuture<'_, Option<KeptModel>> {
        answer(None)
    }

    fn save_model(
        &self,
        _: RepositoryId,
        _: &Lease,
        _: Arc<ModelUpdate>,
    ) -> MirrorFuture<'_, Vec<RefusedView>> {
        answer(Vec::new())
    }
}

impl RepositoryWriter for NoMirror {
    fn load(&self) -> MirrorFuture<'_, ResumePoint> {
        answer(ResumePoint { iteration: Iteration::FIRST, interrupted: None, mark: None })
    }

    fn begin_pass(&self, _: Iteration, _: i64) -> MirrorFuture<'_, ()> {
        answer(())
    }

    fn write_page(&self, _: Arc<PageOfItems>) -> MirrorFuture<'_, ChangeCounts> {
        answer(ChangeCounts::default())
    }

    fn write_incremental(&self, _: Arc<IncrementalPage>) -> MirrorFuture<'_, ChangeCounts> {
        answer(ChangeCounts::default())
    }

    fn suspects(&self) -> MirrorFuture<'_, UnseenItems> {
        answer(UnseenItems::default())
    }

    fn unseen(&self, _: Arc<IdSet>, _: Option<ItemId>, _: usize) -> MirrorFuture<'_, Vec<ItemId>> {
        answer(Vec::new())
    }

    fn delete(&self, _: Iteration, _: i64, _: Vec<ItemId>) -> MirrorFuture<'_, u64> {
        answer(0)
    }

    fn end_pass(&self, _: EndOfPass) -> MirrorFuture<'_, ChangeCounts> {
        answer(ChangeCounts::default())
    }

    fn any_approved(&self) -> MirrorFuture<'_, bool> {
        answer(false)
    }
}

fn answer<'a, T: Send + 'a>(answer: T) -> MirrorFuture<'a, T> {
    Box::pin(std::future::ready(Ok::<T, MirrorError>(answer)))
}
