//! What each feed of this daemon has delivered and how it stands, for those who look on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::{FeedName, Sequence};
use crate::metrics::Counter;

/// What a feed does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeedActivity {
    /// It has not looked yet, or waits for changes to come.
    #[default]
    Waiting,
    /// It delivers.
    Delivering,
    /// The last delivery failed; it is tried again.
    Retrying,
    /// It stands still until it is resumed.
    Paused,
    /// Another daemon delivers it.
    StandingBy,
}

/// How a feed stands.
#[derive(Clone, Debug, Default)]
pub struct FeedFacts {
    /// What it does.
    pub activity: FeedActivity,
    /// Its cursor.
    pub delivered_through: Sequence,
    /// Changes that it has ever delivered.
    pub delivered: u64,
    /// Changes that are parked.
    pub parked: u64,
    /// Changes that the log dropped before they were delivered.
    pub missed: u64,
    /// When a delivery last succeeded, in milliseconds since 1970 (UTC).
    pub last_success_ms: Option<i64>,
    /// When the first change was found that is not delivered, in milliseconds since 1970 (UTC); `None`:
    /// there is none.
    pub behind_since_ms: Option<i64>,
    /// What came of the deliveries of this process.
    pub counts: Arc<DeliveryCounts>,
}

/// What came of deliveries.
#[derive(Debug, Default)]
pub struct DeliveryCounts {
    /// Changes that were delivered.
    pub changes: Counter,
    /// Deliveries that succeeded.
    pub delivered: Counter,
    /// That failed and were or are tried again.
    pub failed: Counter,
    /// That the receiver refused for what was in them.
    pub unfit: Counter,
    /// After which the feed was paused.
    pub gone: Counter,
}

/// All feeds that this daemon has a task for.
#[derive(Debug, Default)]
pub struct SeenFeeds {
    /// A plain lock: it is held for a look, never across an await.
    feeds: Mutex<BTreeMap<FeedName, FeedFacts>>,
}

impl SeenFeeds {
    /// Notes how one stands.
    pub fn note(&self, feed: FeedName, change: impl FnOnce(&mut FeedFacts)) {
        change(self.feeds().entry(feed).or_default());
    }

    /// Forgets one that is configured no longer.
    pub fn forget(&self, feed: FeedName) {
        self.feeds().remove(&feed);
    }

    /// How all stand, by name.
    pub fn all(&self) -> Vec<(FeedName, FeedFacts)> {
        self.feeds().iter().map(|(name, facts)| (*name, facts.clone())).collect()
    }

    fn feeds(&self) -> MutexGuard<'_, BTreeMap<FeedName, FeedFacts>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
