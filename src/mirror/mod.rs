//! The mirror: our copy of the items, the log of their changes, the ledger of passes, and where
//! each pass stands.
//!
//! [`Mirror`] is what a pager needs of it. [`Nothing`] keeps nothing (`mirror.url = "none"`).

mod any;
#[cfg(test)]
mod contract;
mod diff;
mod sqlite;

use std::error::Error;
use std::future::Future;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{IdSet, Item, ItemId, Iteration, RepositoryId};
use crate::json::JsonPointer;

pub use any::AnyMirror;
pub use sqlite::{
    ApprovalOutcome, CertifiedPass, ChangeHead, ChangesPage, Examination, HeldSummary, Integrity,
    ItemHistory, ItemsPage, LedgerEntry, LockOwner, LogBounds, MirrorSummary, OpenError,
    PendingDeletions, ReadError, Reader, RepositorySummary, Snapshot, SqliteMirror, SqliteOptions,
    approve, check_folder, examine, lock_owner,
};

/// One page of a pass, as the pager hands it on: in the order of the list, each exactly once.
#[derive(Clone, Debug)]
pub struct PageOfItems {
    /// The repository.
    pub repository: RepositoryId,
    /// The pass.
    pub iteration: Iteration,
    /// When it was read, in milliseconds since 1970 (UTC).
    pub ts_ms: i64,
    /// The items as received, in the server's order. Where an id stands twice, the later one wins.
    pub items: Vec<Item>,
    /// For each item whether this pass sees its id for the first time. Only these can count as
    /// unchanged, so that a pass counts each item once, however its windows overlap.
    pub newly_seen: Vec<bool>,
    /// Members left out of the comparison with what the mirror has.
    pub ignore: Arc<[JsonPointer]>,
    /// What the ledger says of the pass, this page included.
    pub statistics: PassStatistics,
    /// How to go on after this page.
    pub checkpoint: Checkpoint,
}

/// How to take a pass up again; opaque to the mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The state of the pass, in place of the one before.
    pub state: Vec<u8>,
    /// The ids that this page was the first to show: kept beside those of the earlier pages.
    pub seen: Vec<u8>,
}

/// What the pager knows of a pass, for the ledger. Counts since the pass began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassStatistics {
    /// Pages read.
    pub pages: u64,
    /// Page requests sent, failed and refused ones included.
    pub requests: u64,
    /// The total that the first page announced.
    pub first_total: u64,
    /// The total that the last page announced.
    pub last_total: u64,
    /// Distinct ids.
    pub distinct: u64,
    /// Rows whose id had been seen before in this pass.
    pub repeats: u64,
    /// How often a range was read again.
    pub step_backs: u64,
}

/// What a page, or a pass, changed in the mirror.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeCounts {
    /// Items that were not there.
    pub created: u64,
    /// Items that were different.
    pub updated: u64,
    /// Items that are gone.
    pub deleted: u64,
    /// Items that were the same.
    pub unchanged: u64,
}

impl ChangeCounts {
    /// Adds another changed to this one.
    pub fn add(&mut self, other: Self) {
        self.created += other.created;
        self.updated += other.updated;
        self.deleted += other.deleted;
        self.unchanged += other.unchanged;
    }
}

/// Where the mirror stands with a repository when a pager begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumePoint {
    /// The pass to run: the one that was interrupted, or the one after the last.
    pub iteration: Iteration,
    /// What there is of the interrupted pass; `None` where there was none or no page of it.
    pub interrupted: Option<Interrupted>,
}

/// A pass that was interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// When its last page was written, in milliseconds since 1970 (UTC).
    pub saved_ms: i64,
    /// What the ledger says of it.
    pub statistics: PassStatistics,
    /// The state of the last checkpoint.
    pub state: Vec<u8>,
    /// The ids seen, as one part for each page.
    pub seen: Vec<Vec<u8>>,
}

/// What is known of items that certified passes did not see.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suspects {
    /// Items in the mirror, suspects included.
    pub items: u64,
    /// Suspects: not seen by the last certified pass, nor by any other since.
    pub suspects: IdSet,
    /// Deletions that were held back.
    pub held: Option<HeldDeletions>,
}

/// Deletions held back because they were too many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeldDeletions {
    /// Which.
    pub items: IdSet,
    /// How many were announced.
    pub announced: u64,
    /// Those of them that the operator has approved.
    pub approved: IdSet,
    /// Whether the operator has picked those: the others are then held back until they are seen or
    /// approved, too, however few they are.
    pub picked: bool,
}

impl HeldDeletions {
    /// Those that wait for the operator.
    pub fn waiting(&self) -> IdSet {
        let mut waiting = self.items.clone();
        waiting.subtract(&self.approved);
        waiting
    }

    /// Approves all of them, or those of these that are held back; the others wait on.
    pub fn approve(&mut self, picked: Option<&IdSet>) {
        self.picked = picked.is_some();
        match picked {
            None => self.approved = self.items.clone(),
            Some(picked) => {
                let mut approved = picked.clone();
                approved.intersect(&self.items);
                self.approved.unite(approved);
            }
        }
    }

    /// Takes over what the operator has said of those that were held back before, and are again.
    pub fn carry_over(&mut self, before: &Self) {
        self.approved.unite(before.approved.clone());
        self.approved.intersect(&self.items);
        self.picked |= before.picked;
    }
}

/// The end of a pass.
#[derive(Clone, Debug)]
pub struct EndOfPass {
    /// The repository.
    pub repository: RepositoryId,
    /// The pass.
    pub iteration: Iteration,
    /// When it ended, in milliseconds since 1970 (UTC).
    pub ts_ms: i64,
    /// What the ledger says of it.
    pub statistics: PassStatistics,
    /// Why it is not certified; `None`: it is.
    pub reason: Option<String>,
    /// The suspects from now on.
    pub suspects: IdSet,
    /// What is held back from now on.
    pub held: Option<HeldDeletions>,
}

/// A mirror that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The store said no.
    #[error("the mirror cannot be read or written")]
    Store(#[source] Box<dyn Error + Send + Sync>),
    /// There is no room.
    #[error("the disk of the database {} is full", path.display())]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// Another program keeps it locked.
    #[error("another program has locked the database {}", path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// What is in it makes no sense.
    #[error("the database {} is damaged ({words})", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was said of it.
        words: String,
    },
    /// Its file is not the one that was opened.
    #[error("the database {} has been {} while it was in use", path.display(), loss.words())]
    Moved {
        /// Where it was.
        path: PathBuf,
        /// What became of it.
        loss: FileLoss,
    },
    /// Somebody reads from one old state of the database and so keeps its WAL from being
    /// checkpointed.
    #[error("the mirror's WAL has reached {bytes} bytes, because somebody keeps reading from it")]
    WalFull {
        /// The WAL's size.
        bytes: u64,
    },
    /// Whoever writes has ended.
    #[error("the mirror is closed")]
    Closed,
}

/// What became of a database's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileLoss {
    /// There is none.
    Deleted,
    /// There is another one.
    Replaced,
}

impl FileLoss {
    fn words(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Replaced => "replaced by another file",
        }
    }
}

/// What to do with a database that is damaged.
const REPLACE: &str = "stop the daemon, move the file away together with its -wal and -shm, for \
                       whoever may want to look at it, and put a sound copy there, or nothing: the \
                       next start then makes a new one from the server";

impl MirrorError {
    /// Whether no other try can help: the mirror is not what it was, and nothing may be written.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Moved { .. })
    }

    /// What the operator can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::DiskFull { .. } => "make room on it; then it goes on by itself",
            Self::Locked { .. } => "end that program; then it goes on by itself",
            Self::Damaged { .. } => REPLACE,
            Self::Moved { .. } => {
                "stop the daemon before its database is moved; the next start takes what is there \
                 then, or makes a new one from the server"
            }
            Self::Store(_) => {
                "see that the disk has room and that the database and its folder can be written"
            }
            Self::WalFull { .. } => "end the program that keeps a transaction open in the database",
            Self::Closed => "restart the daemon",
        }
    }
}

/// A keeper of items.
///
/// Obligations:
///
/// - a page is one transaction: its items, its changes, its checkpoint and the ledger are taken
///   whole or not at all. Once a call has returned, a kill at any instant loses nothing of it;
/// - so the fold of all changes is the copy, at every instant, and sequences neither repeat nor
///   skip;
/// - a call may be repeated after an error;
/// - the calls for one repository come one at a time; those for several may come at once.
pub trait Mirror: Send + Sync + 'static {
    /// Where a repository stands. Called once before anything else is asked about it, and again
    /// after a pager has failed.
    fn load(
        &self,
        repository: RepositoryId,
    ) -> impl Future<Output = Result<ResumePoint, MirrorError>> + Send;

    /// Begins a pass, or begins it over: any checkpoint of the repository is forgotten, and an
    /// earlier pass that never ended is closed in the ledger as given up.
    fn begin_pass(
        &self,
        repository: RepositoryId,
        iteration: Iteration,
        ts_ms: i64,
    ) -> impl Future<Output = Result<(), MirrorError>> + Send;

    /// Takes one page.
    fn write_page(
        &self,
        page: Arc<PageOfItems>,
    ) -> impl Future<Output = Result<ChangeCounts, MirrorError>> + Send;

    /// What is known of items that were not seen.
    fn suspects(
        &self,
        repository: RepositoryId,
    ) -> impl Future<Output = Result<Suspects, MirrorError>> + Send;

    /// The items of the copy that are not in `seen`, in the order of their ids: at most `limit` of
    /// those after `after`.
    fn unseen(
        &self,
        repository: RepositoryId,
        seen: Arc<IdSet>,
        after: Option<ItemId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<ItemId>, MirrorError>> + Send;

    /// Deletes these items of the pass under way; returns how many were there.
    fn delete(
        &self,
        repository: RepositoryId,
        iteration: Iteration,
        ts_ms: i64,
        items: Vec<ItemId>,
    ) -> impl Future<Output = Result<u64, MirrorError>> + Send;

    /// Ends a pass: writes the ledger and forgets the checkpoint. Returns what the pass changed in
    /// all. What is held again stays approved where it was: the operator may have approved it while
    /// the pass ended ([`HeldDeletions::carry_over`]).
    fn end_pass(
        &self,
        end: EndOfPass,
    ) -> impl Future<Output = Result<ChangeCounts, MirrorError>> + Send;

    /// Whether the operator has approved any of the deletions that are held back.
    fn approved(
        &self,
        repository: RepositoryId,
    ) -> impl Future<Output = Result<bool, MirrorError>> + Send;

    /// Drops changes found longer than `keep` before `now_ms` (milliseconds since 1970, UTC), up to
    /// the first that is younger: some of them at a time; returns whether there may be more.
    ///
    /// A change from later than now is one from a clock that was ahead. It was found before the next
    /// pass of its repository began, and counts as that old; so such a clock keeps nothing for longer
    /// than was asked for, once it is right again.
    fn drop_changes(
        &self,
        now_ms: i64,
        keep: Duration,
    ) -> impl Future<Output = Result<bool, MirrorError>> + Send;

    /// The file that it grows in; `None` where there is none on this machine.
    fn file(&self) -> Option<&Path> {
        None
    }
}

/// `mirror.url = "none"`: pages are read and told of, and nothing is kept, so nothing is known to
/// be new or changed and all tallies are zero.
#[derive(Clone, Copy, Debug)]
pub struct NoMirror;

impl Mirror for NoMirror {
    async fn load(&self, _: RepositoryId) -> Result<ResumePoint, MirrorError> {
        Ok(ResumePoint { iteration: Iteration::FIRST, interrupted: None })
    }

    async fn begin_pass(&self, _: RepositoryId, _: Iteration, _: i64) -> Result<(), MirrorError> {
        Ok(())
    }

    async fn write_page(&self, _: Arc<PageOfItems>) -> Result<ChangeCounts, MirrorError> {
        Ok(ChangeCounts::default())
    }

    async fn suspects(&self, _: RepositoryId) -> Result<Suspects, MirrorError> {
        Ok(Suspects::default())
    }

    async fn unseen(
        &self,
        _: RepositoryId,
        _: Arc<IdSet>,
        _: Option<ItemId>,
        _: usize,
    ) -> Result<Vec<ItemId>, MirrorError> {
        Ok(Vec::new())
    }

    async fn delete(
        &self,
        _: RepositoryId,
        _: Iteration,
        _: i64,
        _: Vec<ItemId>,
    ) -> Result<u64, MirrorError> {
        Ok(0)
    }

    async fn end_pass(&self, _: EndOfPass) -> Result<ChangeCounts, MirrorError> {
        Ok(ChangeCounts::default())
    }

    async fn approved(&self, _: RepositoryId) -> Result<bool, MirrorError> {
        Ok(false)
    }

    async fn drop_changes(&self, _: i64, _: Duration) -> Result<bool, MirrorError> {
        Ok(false)
    }
}
