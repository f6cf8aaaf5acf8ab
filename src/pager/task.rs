//! What the pager of one repository works with.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::request::fetcher::Fetcher;
use crate::config::RepositoryConfig;
use crate::domain::RepositoryId;
use crate::mirror::{FeedHolds, Lease};
use crate::progress::{Activity, RepositoryProgress};
use crate::task::Context;

/// How long the pager runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassLimit {
    /// Pass after pass, until told to stop.
    Endless,
    /// One.
    One,
}

/// A lease under which nothing can be written any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostLease {
    /// Of which repository.
    pub repository: RepositoryId,
    /// Its generation.
    pub generation: u64,
}

/// How long changes are kept, in the mirrors of all repositories.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChangeRetention {
    /// `changes.keep`.
    pub keep: Option<Duration>,
    /// For how long feeds hold what they have not delivered.
    pub holds: FeedHolds,
    /// `changes.hold_size`, in bytes.
    pub hold_size: Option<u64>,
}

/// What the pager of one repository works with.
#[derive(Debug)]
pub struct Pager<A, M> {
    /// What fetches the pages.
    pub fetcher: Arc<Fetcher<A>>,
    /// Where the pages go.
    pub mirror: Arc<M>,
    /// What the repository is written under.
    pub lease: Lease,
    /// Where the pager tells that the mirror takes nothing under it any more; `None`: that cannot be.
    pub lost_leases: Option<mpsc::UnboundedSender<LostLease>>,
    /// The repository's section of the configuration, as it changes.
    pub settings: watch::Receiver<Arc<RepositoryConfig>>,
    /// `[changes]`, as they change.
    pub retention: watch::Receiver<ChangeRetention>,
    /// Changes when the next pass is to begin without a pause.
    pub wakes: watch::Receiver<u64>,
    /// A hash of server and user. The hash changes when either is another one: a pass is of one list.
    pub source: watch::Receiver<u64>,
    /// Where the pager tells how far it is; the count of passes goes on from there.
    pub progress: watch::Sender<RepositoryProgress>,
    /// How long the pager runs.
    pub passes: PassLimit,
    /// The wish to stop, and the first lane.
    pub context: Context,
}

impl<A, M> Pager<A, M> {
    /// Tells what the pager does from now on.
    pub(super) fn now(&self, activity: Activity) {
        self.progress.send_modify(|progress| progress.activity = activity);
    }

    /// What the counter of requests stands at.
    pub(super) fn requests(&self) -> u64 {
        self.fetcher.counts.requests.get()
    }
}
