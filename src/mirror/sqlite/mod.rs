//! The mirror in a SQLite database.
//!
//! One thread owns the one connection that writes; calls reach it one after the other through a
//! short queue, so no async thread ever waits for the disk. A call whose caller is gone before its
//! turn is not made. What goes wrong in a call, a panic too, is undone and reported to its caller,
//! and the thread goes on.
//!
//! Numbers of 64 bits without sign (repositories, iterations, counts, digests) are stored as the
//! signed numbers of the same bits.

mod error;
mod examine;
mod key;
mod ledger;
mod lookup;
mod open;
mod read;
mod schema;
mod store;
mod suspects;
mod wal;
mod write;

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

pub use error::OpenError;
pub use examine::{Examination, Integrity, LockOwner, examine, lock_owner};
pub use read::{
    ApprovalOutcome, CertifiedPass, ChangeHead, ChangesPage, HeldSummary, ItemHistory, ItemsPage,
    LedgerEntry, LogBounds, MirrorSummary, PendingDeletions, ReadError, Reader, RepositorySummary,
    Snapshot, approve,
};

use self::store::WriteConnection;
use super::{ChangeCounts, EndOfPass, Mirror, MirrorError, PageOfItems, ResumePoint, Suspects};
use crate::domain::{IdSet, ItemId, Iteration, RepositoryId};

/// Calls that may wait for their turn; more wait outside. Each pager has one at a time.
const QUEUE: usize = 16;

/// Sees that a database has a folder, or may be given one: what opening it asks for first.
///
/// # Errors
///
/// [`OpenError::NoFolder`].
pub fn check_folder(path: &Path) -> Result<(), OpenError> {
    open::folder_of(path).map(drop)
}

/// How a database is kept.
#[derive(Clone, Copy, Debug)]
pub struct SqliteOptions {
    /// The size of the WAL, in bytes, from which on nothing is written until whoever reads
    /// from the database lets it be checkpointed.
    pub wal_limit: u64,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { wal_limit: 512 << 20 }
    }
}

type Job = Box<dyn FnOnce(&mut WriteConnection) + Send>;

/// The mirror in a SQLite database. Dropping it finishes the call in hand, empties the WAL if
/// nobody reads, and closes the database; that may take as long as one write.
#[derive(Debug)]
pub struct SqliteMirror {
    /// `None` only while it is dropped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
}

impl SqliteMirror {
    /// Opens the database in this file and makes it if there is none, its folder too if only that
    /// is missing. Waits for the disk.
    ///
    /// # Errors
    ///
    /// A database that another process has open to write, that is another program's or a later
    /// version's, or that cannot be made or read. It is not changed then.
    pub fn open(path: &Path, options: SqliteOptions) -> Result<Self, OpenError> {
        let store = open::open(path, options)?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = Builder::new()
            .name("mirror".to_owned())
            .spawn(move || work(store, queue))
            .map_err(|source| OpenError::Thread { path: path.to_owned(), source })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), path: path.to_owned() })
    }

    /// Has the thread do something, and waits for it.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut WriteConnection) -> Result<T, MirrorError> + Send + 'static,
    ) -> Result<T, MirrorError> {
        let (reply, answer) = oneshot::channel();
        let job = move |store: &mut WriteConnection| {
            if reply.is_closed() {
                return;
            }
            // A transaction that unwinds is rolled back, and nothing else outlives a job.
            let result = panic::catch_unwind(AssertUnwindSafe(|| job(store)))
                .unwrap_or_else(|panic| Err(panicked(&*panic)));
            // Whoever asked may have gone meanwhile.
            reply.send(result).ok();
        };
        let jobs = self.jobs.as_ref().ok_or(MirrorError::Closed)?;
        jobs.send(Box::new(job)).await.map_err(|_| MirrorError::Closed)?;
        answer.await.map_err(|_| MirrorError::Closed)?
    }
}

impl Drop for SqliteMirror {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // Its jobs catch their panics, so there is nothing to learn from it.
            thread.join().ok();
        }
    }
}

/// What the thread does.
fn work(mut store: WriteConnection, mut queue: mpsc::Receiver<Job>) {
    while let Some(job) = queue.blocking_recv() {
        job(&mut store);
    }
}

fn panicked(panic: &(dyn Any + Send)) -> MirrorError {
    // A composed message may hold anything, parts of items too; the log has the place.
    let text = panic.downcast_ref::<&str>().copied().unwrap_or_default();
    MirrorError::Store(format!("the call panicked: {text}").into())
}

impl Mirror for SqliteMirror {
    fn file(&self) -> Option<&Path> {
        Some(&self.path)
    }

    async fn load(&self, repository: RepositoryId) -> Result<ResumePoint, MirrorError> {
        self.run(move |store| ledger::load(store, repository)).await
    }

    async fn begin_pass(
        &self,
        repository: RepositoryId,
        iteration: Iteration,
        ts_ms: i64,
    ) -> Result<(), MirrorError> {
        self.run(move |store| ledger::begin(store, repository, iteration, ts_ms)).await
    }

    async fn write_page(&self, page: Arc<PageOfItems>) -> Result<ChangeCounts, MirrorError> {
        self.run(move |store| write::page(store, &page)).await
    }

    async fn suspects(&self, repository: RepositoryId) -> Result<Suspects, MirrorError> {
        self.run(move |store| suspects::suspects(store, repository)).await
    }

    async fn unseen(
        &self,
        repository: RepositoryId,
        seen: Arc<IdSet>,
        after: Option<ItemId>,
        limit: usize,
    ) -> Result<Vec<ItemId>, MirrorError> {
        self.run(move |store| suspects::unseen(store, repository, &seen, after.as_ref(), limit))
            .await
    }

    async fn delete(
        &self,
        repository: RepositoryId,
        iteration: Iteration,
        ts_ms: i64,
        items: Vec<ItemId>,
    ) -> Result<u64, MirrorError> {
        self.run(move |store| write::delete(store, repository, iteration, ts_ms, &items)).await
    }

    async fn end_pass(&self, end: EndOfPass) -> Result<ChangeCounts, MirrorError> {
        self.run(move |store| ledger::end(store, &end)).await
    }

    async fn approved(&self, repository: RepositoryId) -> Result<bool, MirrorError> {
        self.run(move |store| suspects::approved(store, repository)).await
    }

    async fn drop_changes(&self, now_ms: i64, keep: Duration) -> Result<bool, MirrorError> {
        self.run(move |store| write::drop_changes(store, now_ms, keep)).await
    }
}

#[cfg(test)]
mod tests;
