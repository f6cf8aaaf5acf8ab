//! The contracts of writing, kept by one thread that owns the one connection that writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::error::OpenError;
use super::feeds::{self, FeedUpdate};
use super::open::{self, SqliteOptions};
use super::reading::SqliteReading;
use super::store::WriteConnection;
use super::worker::Worker;
use super::write_error::WriteError;
use super::{incremental, knowledge, ledger, models, suspects, write};
use crate::domain::{IdSet, ItemId, Iteration, RepositoryId, Sequence};
use crate::mirror::contracts::{
    FeedLease, FeedState, FeedWriter, KeptModel, Lease, Mirror, MirrorFuture, ModelUpdate,
    ParkedChange, RefusedView, RepositoryWriter,
};
use crate::mirror::disk::DiskSpace;
use crate::mirror::{
    ChangeCounts, DroppedChanges, EndOfPass, FeedHolds, IncrementalPage, Knowledge,
    KnowledgeUpdate, MirrorError, PageOfItems, ResumePoint, UnseenItems,
};

/// The mirror in a SQLite database. Dropping it and its writers finishes the call in hand, empties the
/// WAL if nobody reads, and closes the database; that may take as long as one write.
#[derive(Debug)]
pub(crate) struct SqliteMirror {
    worker: Arc<WriteWorker>,
    /// Who delivers feeds: this opening of the database.
    owner: Arc<str>,
    path: PathBuf,
}

/// The thread that writes, and the last change that it made.
#[derive(Debug)]
struct WriteWorker {
    worker: Worker<WriteConnection>,
    last: watch::Sender<Sequence>,
}

impl SqliteMirror {
    /// Opens the database in this file and makes it if there is none, its folder too if only that
    /// is missing. Waits for the disk.
    ///
    /// # Errors
    ///
    /// A database that another process has open to write, that is another program's or a later
    /// version's, or that cannot be made or read. It is not changed then.
    pub(crate) fn open(path: &Path, options: SqliteOptions) -> Result<Self, OpenError> {
        let store = open::open(path, options)?;
        let worker = Worker::start("mirror", store)
            .map_err(|source| OpenError::Thread { path: path.to_owned(), source })?;
        // What was written before is in the log, where a follower looks first. It is not read here:
        // a call that fails must be one that somebody hears of.
        let last = watch::Sender::new(Sequence(0));
        let owner = format!("{:016x}", fastrand::u64(..)).into();
        Ok(Self { worker: Arc::new(WriteWorker { worker, last }), owner, path: path.to_owned() })
    }

    /// What reads the same database within this process, and is told of changes by this one.
    ///
    /// # Errors
    ///
    /// No thread can be started.
    pub(crate) fn reader(&self) -> Result<SqliteReading, MirrorError> {
        SqliteReading::beside_writer(&self.path, self.worker.last.subscribe())
    }

    /// Has the thread do something, and waits for it.
    #[cfg(test)]
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut WriteConnection) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T, MirrorError> {
        self.worker.run(job).await
    }
}

impl WriteWorker {
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut WriteConnection) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T, MirrorError> {
        Ok(self.worker.run(job).await??)
    }
}

/// Tells followers of the last change, as part of the call that made it: its caller may be gone.
fn tell(followers: &watch::Sender<Sequence>, last: Option<Sequence>) {
    let Some(last) = last else { return };
    followers.send_if_modified(|told| {
        let is_news = last > *told;
        *told = last.max(*told);
        is_news
    });
}

impl Mirror for SqliteMirror {
    /// The lease of a database is its lock file's, and held as long as it is open.
    fn writer(&self, repository: RepositoryId, _: &Lease) -> Arc<dyn RepositoryWriter> {
        Arc::new(SqliteWriter { worker: Arc::clone(&self.worker), repository })
    }

    fn feed_writer(&self) -> Option<Arc<dyn FeedWriter>> {
        let (worker, owner) = (Arc::clone(&self.worker), Arc::clone(&self.owner));
        Some(Arc::new(SqliteFeedWriter { worker, owner }))
    }

    fn drop_changes(
        &self,
        now_ms: i64,
        keep: Duration,
        holds: &FeedHolds,
    ) -> MirrorFuture<'_, DroppedChanges> {
        let holds = holds.clone();
        Box::pin(self.worker.run(move |store| write::drop_changes(store, now_ms, keep, &holds)))
    }

    fn used_bytes(&self) -> MirrorFuture<'_, u64> {
        Box::pin(self.worker.run(write::used_bytes))
    }

    fn saved_model(&self, repository: RepositoryId) -> MirrorFuture<'_, Option<KeptModel>> {
        Box::pin(self.worker.run(move |store| models::saved(store, repository)))
    }

    fn save_model(
        &self,
        repository: RepositoryId,
        _: &Lease,
        update: Arc<ModelUpdate>,
    ) -> MirrorFuture<'_, Vec<RefusedView>> {
        Box::pin(self.worker.run(move |store| models::save(store, repository, &update)))
    }

    fn disk_space(&self) -> Option<DiskSpace> {
        open::disk_space(&self.path)
    }
}

/// Writes what feeds have delivered.
#[derive(Debug)]
struct SqliteFeedWriter {
    worker: Arc<WriteWorker>,
    owner: Arc<str>,
}

impl FeedWriter for SqliteFeedWriter {
    fn take_feed(&self, feed: &str) -> MirrorFuture<'_, Option<FeedLease>> {
        let (owner, feed) = (Arc::clone(&self.owner), feed.to_owned());
        Box::pin(self.worker.run(move |store| feeds::take(store, &owner, feed).map(Some)))
    }

    fn release_feed(&self, lease: &FeedLease) -> MirrorFuture<'_, ()> {
        let (owner, lease) = (Arc::clone(&self.owner), lease.clone());
        Box::pin(self.worker.run(move |store| feeds::release(store, &owner, &lease)))
    }

    fn save_feed(
        &self,
        lease: &FeedLease,
        state: &FeedState,
        parked: Vec<ParkedChange>,
        unparked: Vec<Sequence>,
    ) -> MirrorFuture<'_, Option<u64>> {
        let (lease, state) = (lease.clone(), state.clone());
        let update = FeedUpdate { lease, state, parked, unparked };
        let owner = Arc::clone(&self.owner);
        Box::pin(self.worker.run(move |store| feeds::save(store, &owner, &update)))
    }
}

/// The writer of one repository.
#[derive(Debug)]
struct SqliteWriter {
    worker: Arc<WriteWorker>,
    repository: RepositoryId,
}

impl RepositoryWriter for SqliteWriter {
    fn load(&self) -> MirrorFuture<'_, ResumePoint> {
        let repository = self.repository;
        Box::pin(self.worker.run(move |store| ledger::load(store, repository)))
    }

    fn begin_pass(&self, iteration: Iteration, ts_ms: i64) -> MirrorFuture<'_, ()> {
        let repository = self.repository;
        Box::pin(self.worker.run(move |store| ledger::begin(store, repository, iteration, ts_ms)))
    }

    fn write_page(&self, page: Arc<PageOfItems>) -> MirrorFuture<'_, ChangeCounts> {
        let (repository, followers) = (self.repository, self.worker.last.clone());
        Box::pin(self.worker.run(move |store| {
            let (changed, last) = write::page(store, repository, &page)?;
            tell(&followers, last);
            Ok(changed)
        }))
    }

    fn write_incremental(&self, page: Arc<IncrementalPage>) -> MirrorFuture<'_, ChangeCounts> {
        let (repository, followers) = (self.repository, self.worker.last.clone());
        Box::pin(self.worker.run(move |store| {
            let (changed, last) = incremental::page(store, repository, &page)?;
            tell(&followers, last);
            Ok(changed)
        }))
    }

    fn suspects(&self) -> MirrorFuture<'_, UnseenItems> {
        let repository = self.repository;
        Box::pin(self.worker.run(move |store| suspects::suspects(store, repository)))
    }

    fn unseen(
        &self,
        seen: Arc<IdSet>,
        after: Option<ItemId>,
        limit: usize,
    ) -> MirrorFuture<'_, Vec<ItemId>> {
        let repository = self.repository;
        Box::pin(
            self.worker.run(move |store| {
                suspects::unseen(store, repository, &seen, after.as_ref(), limit)
            }),
        )
    }

    fn delete(
        &self,
        iteration: Iteration,
        ts_ms: i64,
        items: Vec<ItemId>,
    ) -> MirrorFuture<'_, u64> {
        let (repository, followers) = (self.repository, self.worker.last.clone());
        Box::pin(self.worker.run(move |store| {
            let (count, last) = write::delete(store, repository, iteration, ts_ms, &items)?;
            tell(&followers, last);
            Ok(count)
        }))
    }

    fn end_pass(&self, end: EndOfPass) -> MirrorFuture<'_, ChangeCounts> {
        let repository = self.repository;
        Box::pin(self.worker.run(move |store| ledger::end(store, repository, &end)))
    }

    fn any_approved(&self) -> MirrorFuture<'_, bool> {
        let repository = self.repository;
        Box::pin(self.worker.run(move |store| suspects::any_approved(store, repository)))
    }

    fn knowledge(&self) -> MirrorFuture<'_, Knowledge> {
        let repository = self.repository;
        Box::pin(self.worker.run(move |store| knowledge::load(store, repository)))
    }

    fn keep_knowledge(&self, update: Arc<KnowledgeUpdate>) -> MirrorFuture<'_, ()> {
        let repository = self.repository;
        Box::pin(self.worker.run(move |store| knowledge::keep(store, repository, &update)))
    }
}
