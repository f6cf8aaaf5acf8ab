//! What a pager and a mirror tell each other of one pass: its pages, its place, its end. Pure.

use std::sync::Arc;

use super::deletions::HeldDeletions;
use super::member_changes::MemberChanges;
use crate::domain::{IdSet, Item, Iteration};
use crate::json::JsonPointer;

/// One page of a pass, as the pager hands it on: in the order of the list, each exactly once.
#[derive(Clone, Debug)]
pub struct PageOfItems {
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
    /// Where it is counted what differs in the items that are updated.
    pub member_changes: Arc<MemberChanges>,
    /// What the ledger says of the pass, this page included.
    pub statistics: PassStatistics,
    /// How to go on after this page.
    pub checkpoint: Checkpoint,
}

/// One page of an incremental pass, as the pager hands it on. It writes creations and updates; it
/// never deletes, and touches no checkpoint, no id that was seen, no suspect and no whole pass's entry
/// in the ledger.
#[derive(Clone, Debug)]
pub struct IncrementalPage {
    /// The whole pass under way, or the last one: under this the changes stand in the log.
    pub iteration: Iteration,
    /// When it was read, in milliseconds since 1970 (UTC).
    pub ts_ms: i64,
    /// The items as received, in the server's order. Where an id stands twice, the later one wins.
    pub items: Vec<Item>,
    /// Members left out of the comparison with what the mirror has.
    pub ignore: Arc<[JsonPointer]>,
    /// Where it is counted what differs in the items that are updated.
    pub member_changes: Arc<MemberChanges>,
    /// How far incremental passes have come with this page; opaque to the mirror, a few KiB at most.
    /// `None`: as far as before.
    pub mark: Option<Vec<u8>>,
    /// With the last page: what the ledger says of the incremental pass.
    pub end: Option<IncrementalEnd>,
}

/// The end of an incremental pass, which is also the end of its last page
/// ([`IncrementalPage::ts_ms`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IncrementalEnd {
    /// When it began, in milliseconds since 1970 (UTC).
    pub started_ms: i64,
    /// Pages read, the last one included.
    pub pages: u64,
    /// Page requests sent, failed and refused ones included.
    pub requests: u64,
    /// Distinct ids on its pages.
    pub items: u64,
    /// What the pages before the last one changed, as their writes were answered.
    pub changed_before: ChangeCounts,
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
    /// How far incremental passes have come: the last [`IncrementalPage::mark`], if there was any.
    pub mark: Option<Vec<u8>>,
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

/// The end of a pass.
#[derive(Clone, Debug)]
pub struct EndOfPass {
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
