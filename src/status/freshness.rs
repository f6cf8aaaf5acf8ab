//! How late changes are found, in the status document: plain values, whose names and types are stable.

use serde::{Deserialize, Serialize};

use crate::progress::{FreshnessProgress, HourOfDelays, whole_millis};

/// How late the changes of the last hour were found: from the change at the server to the mirror.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangeDelayStatus {
    /// How many were found.
    pub changes: u64,
    /// What half of them did not exceed.
    pub p50_ms: u64,
    /// What 99 of a hundred did not exceed.
    pub p99_ms: u64,
}

/// How it stands with the goal of finding changes soon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FreshnessStatus {
    /// The goal.
    pub goal_ms: u64,
    /// Why it is missed: `conditions`, `clock`, `latency` or `budget`; null: it is met.
    pub missed: Option<String>,
}

impl From<FreshnessProgress> for FreshnessStatus {
    fn from(it: FreshnessProgress) -> Self {
        let missed = it.missed.map(|cause| cause.word().to_owned());
        Self { goal_ms: whole_millis(it.goal), missed }
    }
}

impl From<HourOfDelays> for ChangeDelayStatus {
    fn from(delays: HourOfDelays) -> Self {
        let HourOfDelays { changes, p50, p99 } = delays;
        Self { changes, p50_ms: whole_millis(p50), p99_ms: whole_millis(p99) }
    }
}
