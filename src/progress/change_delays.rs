//! How late the changes of one repository were found: all of them for a scraper, and those of the last hour for people.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::recent_delays::RecentDelays;
use crate::metrics::Histogram;

/// From what an incremental pass finds at once to what only the next whole pass does.
const DELAY_BOUNDS: &[Duration] = &[
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(2 * 60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(4 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];

/// What is told of the last hour.
const HOUR: u64 = 60;

/// How late the changes of one repository were found.
#[derive(Debug)]
pub struct ChangeDelays {
    /// Since the start.
    pub all: Histogram,
    /// Held for a few instructions, never across an await.
    recent: Mutex<RecentDelays>,
}

/// How late changes were found in the last hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourOfDelays {
    /// How many changes were found whose time of change is known.
    pub changes: u64,
    /// What half of them did not exceed.
    pub p50: Duration,
    /// What 99 of a hundred did not exceed.
    pub p99: Duration,
}

impl ChangeDelays {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { all: Histogram::new(DELAY_BOUNDS), recent: Mutex::default() }
    }

    /// A change was found so long after it was made; `now` is the time since the start of the process.
    pub fn note(&self, now: Duration, delay: Duration) {
        self.all.observe(delay);
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).note(now, delay);
    }

    /// What is to be told of the last hour; `None` where nothing was found.
    pub fn last_hour(&self, now: Duration) -> Option<HourOfDelays> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let p50 = recent.quantile(now, HOUR, 500)?;
        let p99 = recent.quantile(now, HOUR, 990)?;
        Some(HourOfDelays { changes: recent.count(now, HOUR), p50, p99 })
    }

    /// What 99 of a hundred changes did not exceed that were found in the last `minutes` minutes; `None` where there was
    /// none.
    pub fn p99(&self, now: Duration, minutes: u64) -> Option<Duration> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.quantile(now, minutes, 990)
    }
}

impl Default for ChangeDelays {
    fn default() -> Self {
        Self::new()
    }
}
