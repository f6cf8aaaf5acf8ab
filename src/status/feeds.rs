//! What the status document says of feeds. Pure, but for the time of day.

use serde::{Deserialize, Serialize};

use crate::progress::{FeedActivity, Progress};
use crate::task::clock;

/// A feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FeedStatus {
    /// What it is called.
    pub name: String,
    /// What it does.
    pub state: FeedStateStatus,
    /// Every change up to here is delivered, parked or missed.
    pub delivered_through: u64,
    /// How many changes of the log come after that, its own and others; null where that is not known.
    pub lag_changes: Option<u64>,
    /// How long ago the first of these was found; null where there is none.
    pub lag_ms: Option<u64>,
    /// Changes that it has ever delivered.
    pub delivered: u64,
    /// Changes that are parked.
    pub parked: u64,
    /// Changes that the log dropped before they were delivered.
    pub missed: u64,
    /// When a delivery last succeeded; null: none has yet.
    pub last_success_at_ms: Option<i64>,
}

/// What a feed does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeedStateStatus {
    /// It waits for changes to come.
    Waiting,
    /// It delivers.
    Delivering,
    /// The last delivery failed; it is tried again.
    Retrying,
    /// It stands still until it is resumed.
    Paused,
    /// Another daemon delivers it.
    Standby,
    /// A word of another version.
    #[default]
    #[serde(other)]
    Unknown,
}

impl FeedStatus {
    /// Those of this daemon.
    pub(super) fn all(progress: &Progress) -> Vec<Self> {
        let now_ms = clock::now_ms();
        let status = |(name, facts): (crate::domain::FeedName, crate::progress::FeedFacts)| Self {
            name: name.to_string(),
            state: match facts.activity {
                FeedActivity::Waiting => FeedStateStatus::Waiting,
                FeedActivity::Delivering => FeedStateStatus::Delivering,
                FeedActivity::Retrying => FeedStateStatus::Retrying,
                FeedActivity::Paused => FeedStateStatus::Paused,
                FeedActivity::StandingBy => FeedStateStatus::Standby,
            },
            delivered_through: facts.delivered_through.0,
            lag_changes: None,
            lag_ms: facts
                .behind_since_ms
                .map(|since_ms| u64::try_from(now_ms.saturating_sub(since_ms)).unwrap_or_default()),
            delivered: facts.delivered,
            parked: facts.parked,
            missed: facts.missed,
            last_success_at_ms: facts.last_success_ms,
        };
        progress.feeds.all().into_iter().map(status).collect()
    }

    /// The same beside the last change that there is.
    #[must_use]
    pub(super) fn beside(mut self, last: Option<u64>) -> Self {
        self.lag_changes = last.map(|last| last.saturating_sub(self.delivered_through));
        self
    }
}
