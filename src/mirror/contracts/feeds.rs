//! What feeds have delivered: their cursors, the changes that are parked, and the right to deliver.

use std::fmt::Debug;

use super::future::MirrorFuture;
use crate::domain::{ItemId, RepositoryId, Sequence};

/// How many bytes [`FeedState::progress`] has at most: the schemas of both stores refuse more.
#[cfg(test)]
pub const FEED_PROGRESS_BYTES: usize = 64 << 10;

/// What a feed has delivered, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedState {
    /// Every change up to here is delivered or parked, or was dropped once it had been held for as long
    /// as the feed holds changes. One beyond [`Sequence::MOST`] is kept as that.
    pub delivered_through: Sequence,
    /// What the feed's task has written down for itself, as JSON of at most 64 KiB: the
    /// batch under way, how far the reading of all items at one instant is, where a file ends. Empty:
    /// nothing, or nothing any more since the feed was set to another sequence; or the caller may not
    /// read it.
    ///
    /// What it says of changes up to `delivered_through` is over: they were dropped meanwhile.
    pub progress: String,
    /// Why it stands still; `None`: it does not.
    pub paused: Option<String>,
    /// Changes delivered since the feed began.
    pub delivered: u64,
    /// When a delivery last succeeded, in milliseconds since 1970 (UTC).
    pub last_success_ms: Option<i64>,
    /// Counts every write of this row, by whomever; 0: it was never written.
    pub revision: u64,
}

/// A change that its receiver refused, or that waits behind one of the same item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedChange {
    /// The change.
    pub sequence: Sequence,
    /// The repository of its item.
    pub repository: RepositoryId,
    /// Its item.
    pub item: ItemId,
    /// Why it was refused.
    pub reason: String,
    /// When it was parked, in milliseconds since 1970 (UTC).
    pub parked_at_ms: i64,
    /// The parked change of the same item that it waits behind, which was refused itself; `None`: this
    /// one was.
    pub behind: Option<Sequence>,
    /// Whether the operator has asked for it to be delivered again. The feed's task delivers what is
    /// released in the order of sequences, and says in [`FeedWriter::save_feed`] what became of it:
    /// delivered (`unparked`) or refused again (`parked`, where this is false again).
    pub released: bool,
}

/// The right to deliver a feed: nobody else has it at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedLease {
    /// The feed.
    pub feed: String,
    /// Counts up each time that the right is taken, and not when it is renewed.
    pub term: u64,
}

/// What an operator asks of a feed, whichever daemon delivers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedRequest {
    /// Stand still.
    Pause {
        /// Why.
        reason: String,
    },
    /// Go on.
    Resume,
    /// Deliver what comes after this change, again or for the first time. The feed's own notes are
    /// forgotten, and so is what is parked of the changes that are delivered again. Whether the log still
    /// has them is not looked at: who delivers finds out.
    Replay {
        /// The last change that counts as delivered.
        after: Sequence,
    },
    /// Deliver what is parked: the change that is named, with all that are parked of the same item, or
    /// all. They stay parked, and are released, until they are delivered.
    Unpark {
        /// Which; `None`: all.
        sequence: Option<Sequence>,
    },
}

/// Tells how feeds stand, and takes the operator's word.
///
/// Obligations: each call is one transaction, but for a removal, which may take the right to deliver away in
/// one of its own before; and each that writes a feed counts its revision up, so that who delivers notices and
/// reads it again.
pub trait Feeds: Send + Sync {
    /// All feeds that were ever saved and not removed, by name.
    fn feeds(&self) -> MirrorFuture<'_, Vec<(String, FeedState)>>;

    /// [`FeedState::revision`] of this feed alone; 0: it was never saved, or has been removed. Who delivers asks
    /// for it every second, so it costs no more than that number.
    fn feed_revision(&self, feed: &str) -> MirrorFuture<'_, u64>;

    /// What is parked of a feed after this change, in the order of sequences, at most `limit`.
    fn parked(
        &self,
        feed: &str,
        after: Sequence,
        limit: usize,
    ) -> MirrorFuture<'_, Vec<ParkedChange>>;

    /// Does what an operator asks for. Durable when it returns. False: there is no such feed, or no such
    /// parked change of it, and nothing was done.
    fn change_feed(&self, feed: &str, request: FeedRequest) -> MirrorFuture<'_, bool>;

    /// Forgets a feed with all that is parked of it, and takes the right to deliver it from the
    /// daemon that has it.
    fn remove_feed(&self, feed: &str) -> MirrorFuture<'_, ()>;
}

/// Writes what feeds have delivered.
///
/// Obligations:
///
/// - the right to deliver a feed has one owner at a time, and its term counts up each time that it is
///   taken. Where several daemons share the store, a right holds for as long as its daemon renews its
///   leases ([`Leases::renew`](super::Leases::renew)), by the clock of the store;
/// - once another has taken it, or the feed has been removed, nothing is saved under an older term.
pub trait FeedWriter: Debug + Send + Sync {
    /// Takes the right to deliver, or renews it; `None`: another daemon has it, or this one is not known
    /// to be there yet. The feed's task asks again every few seconds: so a daemon that was away for long
    /// finds out.
    fn take_feed(&self, feed: &str) -> MirrorFuture<'_, Option<FeedLease>>;

    /// Lets go of the right at once, so that another may take it.
    fn release_feed(&self, lease: &FeedLease) -> MirrorFuture<'_, ()>;

    /// Writes the state, unparks and parks, all or nothing, where the lease and the revision that
    /// `state` was read with still hold. A change that is parked already is parked anew. Returns the new
    /// revision, or `None` where the right is another's, or another has written the feed since: the
    /// state is to be read again. Durable when it returns.
    ///
    /// A feed that there is not yet is made by revision 0. After an error nobody knows whether it was
    /// written: the state is to be read again.
    fn save_feed(
        &self,
        lease: &FeedLease,
        state: &FeedState,
        parked: Vec<ParkedChange>,
        unparked: Vec<Sequence>,
    ) -> MirrorFuture<'_, Option<u64>>;
}
