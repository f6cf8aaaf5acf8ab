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
use crate::mirror::{
    ChangeCounts, EndOfPass, Mirror, MirrorError, PageOfItems, ResumePoint, SqliteMirror,
    SqliteOptions, Suspects,
};
use crate::task::clock;

/// The mirror.
#[derive(Debug)]
pub(crate) struct SqliteInTime {
    mirror: SqliteMirror,
    /// A moment of the paused clock, and the time of day that it is taken for.
    anchor: (Instant, i64),
    /// Knows what is there.
    witness: Arc<Server>,
    false_deletions: AtomicU64,
}

impl SqliteInTime {
    /// Opens the database in this file; `anchor` is a moment of the paused clock with the time of
    /// day, in milliseconds since 1970 (UTC), that it is taken for.
    pub(crate) fn open(path: &Path, anchor: (Instant, i64), witness: Arc<Server>) -> Self {
        let mirror = SqliteMirror::open(path, SqliteOptions::default()).unwrap();
        Self { mirror, anchor, witness, false_deletions: AtomicU64::new(0) }
    }

    /// How many items were deleted that the server still had.
    pub(crate) fn false_deletions(&self) -> u64 {
        self.false_deletions.load(Ordering::Relaxed)
    }

    fn now_ms(&self) -> i64 {
        let (began, ms) = self.anchor;
        ms + millis(began.elapsed())
    }

    /// By how much the time of day that the tasks go by must be moved.
    fn ahead_ms(&self) -> i64 {
        self.now_ms() - clock::now_ms()
    }

    /// Waits for a call without the clock going on meanwhile.
    async fn at_once<T>(&self, call: impl Future<Output = T>) -> T {
        let (done, until_done) = mpsc::channel::<()>();
        // The runtime does not move its clock while anything blocks.
        let holding = spawn_blocking(move || until_done.recv());
        let result = call.await;
        drop(done);
        drop(holding);
        result
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap()
}

impl Mirror for SqliteInTime {
    async fn load(&self, repository: RepositoryId) -> Result<ResumePoint, MirrorError> {
        let mut resume_point = self.at_once(self.mirror.load(repository)).await?;
        if let Some(interrupted) = &mut resume_point.interrupted {
            interrupted.saved_ms -= self.ahead_ms();
        }
        Ok(resume_point)
    }

    async fn begin_pass(
        &self,
        repository: RepositoryId,
        iteration: Iteration,
        _: i64,
    ) -> Result<(), MirrorError> {
        self.at_once(self.mirror.begin_pass(repository, iteration, self.now_ms())).await
    }

    async fn write_page(&self, page: Arc<PageOfItems>) -> Result<ChangeCounts, MirrorError> {
        let page = PageOfItems { ts_ms: self.now_ms(), ..PageOfItems::clone(&page) };
        self.at_once(self.mirror.write_page(Arc::new(page))).await
    }

    async fn suspects(&self, repository: RepositoryId) -> Result<Suspects, MirrorError> {
        self.at_once(self.mirror.suspects(repository)).await
    }

    async fn unseen(
        &self,
        repository: RepositoryId,
        seen: Arc<IdSet>,
        after: Option<ItemId>,
        limit: usize,
    ) -> Result<Vec<ItemId>, MirrorError> {
        self.at_once(self.mirror.unseen(repository, seen, after, limit)).await
    }

    async fn delete(
        &self,
        repository: RepositoryId,
        iteration: Iteration,
        _: i64,
        items: Vec<ItemId>,
    ) -> Result<u64, MirrorError> {
        let there = items.iter().filter(|id| self.witness.lists(repository, id)).count() as u64;
        self.false_deletions.fetch_add(there, Ordering::Relaxed);
        self.at_once(self.mirror.delete(repository, iteration, self.now_ms(), items)).await
    }

    async fn end_pass(&self, end: EndOfPass) -> Result<ChangeCounts, MirrorError> {
        let end = EndOfPass { ts_ms: self.now_ms(), ..end };
        self.at_once(self.mirror.end_pass(end)).await
    }

    async fn approved(&self, repository: RepositoryId) -> Result<bool, MirrorError> {
        self.at_once(self.mirror.approved(repository)).await
    }

    async fn drop_changes(&self, _: i64, keep: Duration) -> Result<bool, MirrorError> {
        self.at_once(self.mirror.drop_changes(self.now_ms(), keep)).await
    }
}
