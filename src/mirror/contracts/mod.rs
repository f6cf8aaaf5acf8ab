//! What every store of a mirror can do, divided by what is done: write one repository, keep the log
//! no longer than asked, read the log, read the items, administer, keep what feeds have delivered.
//!
//! `mirror::contract` holds every store to it, one suite for all. Nothing here names a file, a table
//! or a connection: what only one store has stays in it.

mod administration;
mod change_log;
mod feeds;
mod future;
mod items;
mod leases;
mod models;
mod views;
mod writer;

use std::fmt::Debug;

pub use administration::Administration;
pub use change_log::{ChangeLog, ChangesPage, ItemHistory};
#[cfg(test)]
pub use feeds::FEED_PROGRESS_BYTES;
pub use feeds::{FeedLease, FeedRequest, FeedState, FeedWriter, Feeds, ParkedChange};
pub use future::MirrorFuture;
pub use items::{
    ComparedPage, Items, ItemsComparison, ItemsPage, ItemsSnapshot, MirroredRepository,
};
pub use leases::{ForeignLease, HeldLease, LeaseRequest, LeaseStanding, Leases, LoginTry, Sharing};
pub use models::{KeptModel, MODEL_CHANGES_KEPT, ModelChange, ModelUpdate, Models, RefusedView};
pub use views::{MirrorView, RowTaker, ViewColumnKind, ViewValue};
pub use writer::{Lease, Mirror, RepositoryWriter};

/// All that a mirror can be asked.
pub trait MirrorReader: ChangeLog + Items + Models + Administration + Feeds + Debug {}

impl<T: ChangeLog + Items + Models + Administration + Feeds + Debug> MirrorReader for T {}
