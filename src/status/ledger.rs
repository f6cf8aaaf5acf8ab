//! Passes, as the status document has them. Plain values; names and types are stable, like those of
//! the whole document.

use serde::{Deserialize, Serialize};

use crate::mirror::{IncrementalPass, LedgerEntry};

/// What a pass is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PassKind {
    /// It reads the whole repository, and proves.
    #[default]
    Whole,
    /// It reads what changed lately.
    Incremental,
}

/// One pass in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PassStatus {
    pub iteration: u64,
    pub started_at_ms: i64,
    pub ended_at_ms: Option<i64>,
    pub pages: u64,
    pub requests: u64,
    pub first_total: u64,
    pub last_total: u64,
    pub distinct_ids: u64,
    pub repeats: u64,
    pub step_backs: u64,
    pub created: u64,
    pub updated: u64,
    pub deleted: u64,
    pub unchanged: u64,
    pub suspects: u64,
    pub held: u64,
    pub certified: bool,
    pub reason: Option<String>,
    pub kind: PassKind,
}

impl From<&LedgerEntry> for PassStatus {
    fn from(pass: &LedgerEntry) -> Self {
        let LedgerEntry { statistics, changed, .. } = pass;
        Self {
            iteration: pass.iteration.0,
            started_at_ms: pass.started_ms,
            ended_at_ms: pass.ended_ms,
            pages: statistics.pages,
            requests: statistics.requests,
            first_total: statistics.first_total,
            last_total: statistics.last_total,
            distinct_ids: statistics.distinct,
            repeats: statistics.repeats,
            step_backs: statistics.step_backs,
            created: changed.created,
            updated: changed.updated,
            deleted: changed.deleted,
            unchanged: changed.unchanged,
            suspects: pass.suspects,
            held: pass.held,
            certified: pass.certified,
            reason: pass.reason.clone(),
            kind: PassKind::Whole,
        }
    }
}

impl From<&IncrementalPass> for PassStatus {
    fn from(pass: &IncrementalPass) -> Self {
        let changed = pass.changed;
        Self {
            iteration: pass.iteration.0,
            started_at_ms: pass.started_ms,
            ended_at_ms: Some(pass.ended_ms),
            pages: pass.pages,
            requests: pass.requests,
            distinct_ids: pass.items,
            created: changed.created,
            updated: changed.updated,
            unchanged: changed.unchanged,
            kind: PassKind::Incremental,
            ..Self::default()
        }
    }
}
