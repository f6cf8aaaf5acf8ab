//! The real mirror, in a database, on the paused clock of a runtime.
//!
//! Two things keep them apart, and both are bridged here. While the mirror's own thread works, the
//! runtime is idle and would take the clock on to its next timer: a call counts as work of the
//! runtime's for as long as it takes. And the tasks tell the mirror the time of day, which stands
//! still while the paused clock runs through months: it is told that of the paused clock instead.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::Server;
use crate::domain::{IdSet, ItemId, Iteration, RepositoryId};
use crate::mirror::sqlite::{SqliteMirror, SqliteOptions};
use crate::mirror::{
    ChangeCounts, DroppedChanges, EndOfPass, FeedHolds, FeedWriter, IncrementalPage, KeptModel,
    Knowledge, KnowledgeUpdate, Lease, Mirror, MirrorFuture, ModelUpdate, PageOfItems, RefusedView,
    RepositoryWriter, ResumePoint, UnseenItems,
};
use crate::task::clock;

/// The mirror.
#[derive(Debug)]
pub(crate) struct SqliteInTime {
    mirror: SqliteMirror,
    time: PausedTime,
    /// Knows what is there.
    server: Arc<Server>,
    false_deletions: Arc<AtomicU64>,
}

/// A moment of the paused clock, and the time of day that it is taken for.
#[derive(Clone, Copy, Debug)]
struct PausedTime(Instant, i64);

impl SqliteInTime {
    /// Opens the database in this file; `anchor` is a moment of the paused clock with the time of
    /// day, in milliseconds since 1970 (UTC), that it is taken for.
    pub(crate) fn open(path: &Path, anchor: (Instant, i64), server: Arc<Server>) -> Self {
        let mirror = SqliteMirror::open(path, SqliteOptions::default()).unwrap();
        let time = PausedTime(anchor.0, anchor.1);
        Self { mirror, time, server, false_deletions: Arc::default() }
    }

    /// How many items were deleted that the server still had.
    pub(crate) fn false_deletions(&self) -> u64 {
        self.false_deletions.load(Ordering::Relaxed)
    }
}

impl PausedTime {
    fn now_ms(self) -> i64 {
        let Self(began, ms) = self;
        ms + millis(began.elapsed())
    }

    /// By how much the time of day that the tasks go by must be moved.
    fn ahead_ms(self) -> i64 {
        self.now_ms() - clock::now_ms()
    }
}

/// Waits for a call without the clock going on meanwhile.
async fn at_once<T>(call: impl Future<Output = T>) -> T {
    let (done, until_done) = mpsc::channel::<()>();
    // The runtime does not move its clock while anything blocks.
    let holding = spawn_blocking(move || until_done.recv());
    let result = call.await;
    drop(done);
    drop(holding);
    result
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap()
}

impl Mirror for SqliteInTime {
    fn writer(&self, repository: RepositoryId, lease: &Lease) -> Arc<dyn RepositoryWriter> {
        Arc::new(WriterInTime {
            writer: self.mirror.writer(repository, lease),
            repository,
            time: self.time,
            server: Arc::clone(&self.server),
            false_deletions: Arc::clone(&self.false_deletions),
        })
    }

    fn feed_writer(&self) -> Option<Arc<dyn FeedWriter>> {
        self.mirror.feed_writer()
    }

    fn drop_changes(
        &self,
        _: i64,
        keep: Duration,
        holds: &FeedHolds,
    ) -> MirrorFuture<'_, DroppedChanges> {
        Box::pin(at_once(self.mirror.drop_changes(self.time.now_ms(), keep, holds)))
    }

    fn used_bytes(&self) -> MirrorFuture<'_, u64> {
        Box::pin(at_once(self.mirror.used_bytes()))
    }

    fn saved_model(&self, repository: RepositoryId) -> MirrorFuture<'_, Option<KeptModel>> {
        Box::pin(at_once(self.mirror.saved_model(repository)))
    }

    fn save_model(
        &self,
        repository: RepositoryId,
        lease: &Lease,
        update: Arc<ModelUpdate>,
    ) -> MirrorFuture<'_, Vec<RefusedView>> {
        Box::pin(at_once(self.mirror.save_model(repository, lease, update)))
    }
}

/// Its writer of one repository.
#[derive(Debug)]
struct WriterInTime {
    writer: Arc<dyn RepositoryWriter>,
    repository: RepositoryId,
    time: PausedTime,
    server: Arc<Server>,
    false_deletions: Arc<AtomicU64>,
}

impl RepositoryWriter for WriterInTime {
    fn load(&self) -> MirrorFuture<'_, ResumePoint> {
        Box::pin(async move {
            let mut resume_point = at_once(self.writer.load()).await?;
            if let Some(interrupted) = &mut resume_point.interrupted {
                interrupted.saved_ms -= self.time.ahead_ms();
            }
            Ok(resume_point)
        })
    }

    fn begin_pass(&self, iteration: Iteration, _: i64) -> MirrorFuture<'_, ()> {
        Box::pin(at_once(self.writer.begin_pass(iteration, self.time.now_ms())))
    }

    fn write_page(&self, page: Arc<PageOfItems>) -> MirrorFuture<'_, ChangeCounts> {
        let page = PageOfItems { ts_ms: self.time.now_ms(), ..PageOfItems::clone(&page) };
        Box::pin(at_once(self.writer.write_page(Arc::new(page))))
    }

    fn write_incremental(&self, page: Arc<IncrementalPage>) -> MirrorFuture<'_, ChangeCounts> {
        let page = IncrementalPage { ts_ms: self.time.now_ms(), ..IncrementalPage::clone(&page) };
        Box::pin(at_once(self.writer.write_incremental(Arc::new(page))))
    }

    fn suspects(&self) -> MirrorFuture<'_, UnseenItems> {
        Box::pin(at_once(self.writer.suspects()))
    }

    fn unseen(
        &self,
        seen: Arc<IdSet>,
        after: Option<ItemId>,
        limit: usize,
    ) -> MirrorFuture<'_, Vec<ItemId>> {
        Box::pin(at_once(self.writer.unseen(seen, after, limit)))
    }

    fn delete(&self, iteration: Iteration, _: i64, items: Vec<ItemId>) -> MirrorFuture<'_, u64> {
        let listed = items.iter().filter(|id| self.server.lists(self.repository, id));
        self.false_deletions.fetch_add(listed.count() as u64, Ordering::Relaxed);
        Box::pin(at_once(self.writer.delete(iteration, self.time.now_ms(), items)))
    }

    fn end_pass(&self, end: EndOfPass) -> MirrorFuture<'_, ChangeCounts> {
        let end = EndOfPass { ts_ms: self.time.now_ms(), ..end };
        Box::pin(at_once(self.writer.end_pass(end)))
    }

    fn any_approved(&self) -> MirrorFuture<'_, bool> {
        Box::pin(at_once(self.writer.any_approved()))
    }

    fn knowledge(&self) -> MirrorFuture<'_, Knowledge> {
        Box::pin(at_once(self.writer.knowledge()))
    }

    fn keep_knowledge(&self, update: Arc<KnowledgeUpdate>) -> MirrorFuture<'_, ()> {
        Box::pin(at_once(self.writer.keep_knowledge(update)))
    }
}
