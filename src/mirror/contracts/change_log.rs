//! The log of changes, to be read and followed.

use super::future::MirrorFuture;
use crate::domain::{Change, ItemId, RepositoryId, Sequence};
use crate::mirror::log_time::LogTime;

/// Changes in the order of their sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangesPage {
    /// The changes.
    pub changes: Vec<Change>,
    /// Go on after this one.
    pub scanned_through: Sequence,
    /// Changes up to this one have been dropped.
    pub dropped_through: Sequence,
    /// The last change when this page was read.
    pub last: Sequence,
}

/// The changes of one item that are still in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemHistory {
    /// Their sequences, the oldest first.
    pub sequences: Vec<Sequence>,
    /// Up to which sequence changes have been dropped, where some of them were this item's.
    pub dropped_through: Option<Sequence>,
}

/// Reads the log.
///
/// Obligations:
///
/// - who has read up to a sequence has read all below it: none comes later;
/// - each call sees one state, and lets go of it before it returns: a slow reader holds nobody up;
/// - memory is bounded: a page holds so many bytes of bodies, and one change more.
pub trait ChangeLog: Send + Sync {
    /// Where the log begins and ends.
    #[cfg(test)]
    fn bounds(&self) -> MirrorFuture<'_, crate::mirror::LogBounds>;

    /// The changes after this one (`None`: from the first that there is), of one repository or of
    /// all: at most `limit`, fewer where their bodies are large.
    ///
    /// Fails as `Dropped` where some of them are no longer there, and as `Ahead` where `after` itself
    /// has not come yet.
    fn changes(
        &self,
        after: Option<Sequence>,
        repository: Option<RepositoryId>,
        limit: usize,
    ) -> MirrorFuture<'_, ChangesPage>;

    /// Which changes of an item there are; `None` where the mirror knows no such item. Read them one
    /// by one with [`ChangeLog::change`].
    fn history(
        &self,
        repository: RepositoryId,
        item: &ItemId,
    ) -> MirrorFuture<'_, Option<ItemHistory>>;

    /// One change; `None` where it is not in the log, or no longer.
    fn change(&self, sequence: Sequence) -> MirrorFuture<'_, Option<Change>>;

    /// Which change a time means, in milliseconds since 1970 (UTC); `now_ms` is the time of who asks.
    fn at_time(&self, ts_ms: i64, now_ms: i64) -> MirrorFuture<'_, LogTime>;

    /// Waits for a change after this one; returns the last that there is then. The store is told, or
    /// looks by itself as often as it must: a change is told well within a second.
    fn wait_for_news(&self, after: Sequence) -> MirrorFuture<'_, Sequence>;
}
