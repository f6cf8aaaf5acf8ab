//! What a mirror holds, in figures: for `status`.

use super::{ChangeCounts, IncrementalEnd, IncrementalPage, PassStatistics};
use crate::domain::{ItemId, Iteration, Op, RepositoryId, Sequence};

/// A mirror in figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorSummary {
    /// The room that it takes, by what takes it.
    pub storage: Vec<StorageUse>,
    /// The last change; 0: there was none yet.
    pub last: Sequence,
    /// Changes up to this one have been dropped; 0: none.
    pub dropped_through: Sequence,
    /// The newest changes, the newest first.
    pub newest: Vec<ChangeHead>,
    /// What there is of each repository, by id.
    pub repositories: Vec<RepositorySummary>,
}

/// A change without the item's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeHead {
    /// Its place in the log.
    pub sequence: Sequence,
    /// When it was found, in milliseconds since 1970 (UTC).
    pub ts_ms: i64,
    /// What happened.
    pub op: Op,
    /// The repository.
    pub repository: RepositoryId,
    /// The item.
    pub item: ItemId,
}

/// A repository in figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositorySummary {
    /// The repository.
    pub id: RepositoryId,
    /// Items that are there.
    pub items: u64,
    /// The last certified pass, if any was.
    pub certified: Option<CertifiedPass>,
    /// Items that the last certified pass did not see.
    pub suspects: u64,
    /// Deletions that are held back.
    pub held: Option<HeldSummary>,
    /// The newest entries of the ledger, the newest first.
    pub passes: Vec<LedgerEntry>,
    /// The newest incremental passes, the newest first.
    pub incremental: Vec<IncrementalPass>,
}

/// A certified pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertifiedPass {
    /// Which.
    pub iteration: Iteration,
    /// When it ended, in milliseconds since 1970 (UTC).
    pub ended_ms: i64,
}

/// Deletions that are held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldSummary {
    /// How many were announced.
    pub count: u64,
    /// By which pass.
    pub iteration: Option<Iteration>,
    /// When, in milliseconds since 1970 (UTC).
    pub since_ms: Option<i64>,
    /// How many of them the operator has approved.
    pub approved: u64,
    /// Those of the others that come first, some of them.
    pub first: Vec<ItemId>,
}

/// An entry of the ledger for an incremental pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncrementalPass {
    /// The whole pass that was under way, or the last one.
    pub iteration: Iteration,
    /// When it began, in milliseconds since 1970 (UTC).
    pub started_ms: i64,
    /// When it ended, likewise.
    pub ended_ms: i64,
    /// Pages read.
    pub pages: u64,
    /// Page requests sent, failed and refused ones included.
    pub requests: u64,
    /// Distinct ids.
    pub items: u64,
    /// What it changed; never a deletion.
    pub changed: ChangeCounts,
}

impl IncrementalPass {
    /// The entry of the pass that ends with a page which changed this.
    pub(crate) fn ended(page: &IncrementalPage, end: &IncrementalEnd, last: ChangeCounts) -> Self {
        let IncrementalEnd { started_ms, pages, requests, items, mut changed_before } = *end;
        changed_before.add(last);
        Self {
            iteration: page.iteration,
            started_ms,
            ended_ms: page.ts_ms,
            pages,
            requests,
            items,
            changed: changed_before,
        }
    }
}

/// An entry of the ledger for a whole pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The pass.
    pub iteration: Iteration,
    /// When it began, in milliseconds since 1970 (UTC).
    pub started_ms: i64,
    /// When it ended, likewise; `None` while it is under way.
    pub ended_ms: Option<i64>,
    /// What the pager counted.
    pub statistics: PassStatistics,
    /// What it changed.
    pub changed: ChangeCounts,
    /// Suspects at its end.
    pub suspects: u64,
    /// Deletions held back at its end.
    pub held: u64,
    /// Whether it proved that it missed nothing.
    pub certified: bool,
    /// Why it is not certified.
    pub reason: Option<String>,
}

/// Room that a part of a mirror takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageUse {
    /// The part: `database`, or another of its store's.
    pub label: &'static str,
    /// Its size.
    pub bytes: u64,
}

impl MirrorSummary {
    /// The room that a part takes; `None` where the store has no such part.
    pub fn bytes_of(&self, label: &str) -> Option<u64> {
        self.storage.iter().find(|part| part.label == label).map(|part| part.bytes)
    }
}
