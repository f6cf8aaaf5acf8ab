//! The mirror: our copy of the items, the log of their changes, the ledger of passes, and where
//! each pass stands.
//!
//! [`contracts`] says what any store of a mirror can do, one trait for each thing that is done with
//! it; [`Store`] opens the one that is configured. Writing is [`Mirror`] and [`RepositoryWriter`],
//! reading [`MirrorReader`]. [`none::NoMirror`] keeps nothing (`mirror.url = "none"`).
//!
//! What holds for every store is decided in pure files: [`diff`] (what a page means), [`retention`]
//! (what may be dropped), [`deletions`] (what an approval means), `log_time` (which change a time
//! means), `comparison` (whether an item became another).

mod comparison;
#[cfg(test)]
mod contract;
pub mod contracts;
pub mod deletions;
pub(crate) mod diff;
mod digest;
mod disk;
mod error;
mod examination;
mod knowledge;
pub(crate) mod lease_policy;
mod log_bounds;
mod log_error;
mod log_time;
mod member_changes;
mod none;
mod page;
mod postgres;
mod published;
pub mod retention;
pub mod snapshot_file;
pub(crate) mod sql_text;
pub(crate) mod sqlite;
mod store;
mod summary;
pub(crate) mod transfer;

pub use comparison::ComparedItem;
#[cfg(test)]
pub use contracts::Administration;
#[cfg(test)]
pub use contracts::ChangeLog;
#[cfg(test)]
pub use contracts::ForeignLease;
#[cfg(test)]
pub use contracts::Items;
#[cfg(test)]
pub use contracts::MirrorFuture;
#[cfg(test)]
pub use contracts::Models;
pub use contracts::{
    ChangesPage, ComparedPage, FeedLease, FeedRequest, FeedState, FeedWriter, HeldLease,
    ItemHistory, ItemsComparison, ItemsPage, ItemsSnapshot, KeptModel, Lease, LeaseRequest,
    LeaseStanding, Leases, LoginTry, Mirror, MirrorReader, MirrorView, MirroredRepository,
    ModelChange, ModelUpdate, ParkedChange, RefusedView, RepositoryWriter, Sharing,
};
#[cfg(test)]
pub use contracts::{FEED_PROGRESS_BYTES, Feeds};
#[cfg(test)]
pub use contracts::{RowTaker, ViewColumnKind, ViewValue};
pub use deletions::{ApprovalOutcome, HeldDeletions, PendingDeletions, UnseenItems};
pub use digest::ItemsDigest;
pub use disk::DiskSpace;
pub use error::{MirrorError, MirrorErrorKind};
pub use examination::{ExaminationFinding, LockOwner, Severity};
pub use knowledge::{Knowledge, KnowledgeUpdate, KnownAnswer};
pub use log_bounds::LogBounds;
pub(crate) use log_error::LogError;
pub use log_time::LogTime;
pub use member_changes::{MemberChanges, is_nearly_all};
#[cfg(test)]
pub use none::NoMirror;
pub use page::{
    ChangeCounts, Checkpoint, EndOfPass, IncrementalEnd, IncrementalPage, Interrupted, PageOfItems,
    PassStatistics, ResumePoint,
};
pub use retention::{DroppedChanges, FeedHolds, UndeliveredChanges};
pub use store::{OpenMirror, Store};
pub use summary::{
    CertifiedPass, ChangeHead, HeldSummary, IncrementalPass, LedgerEntry, MirrorSummary,
    RepositorySummary, StorageUse,
};
