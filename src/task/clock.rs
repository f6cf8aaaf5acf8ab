//! The wall clock and chance, in one place so that tests can replace both.
//!
//! Durations are measured with `tokio::time::Instant` by their users, which a paused test
//! runtime controls; only the time of day and randomness come from here.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// The time of day in milliseconds since 1970 (UTC).
pub fn now_ms() -> i64 {
    let since = now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A source of chance that tasks share.
///
/// A plain mutex: it is held for a few instructions and never across an await.
#[derive(Debug)]
pub struct Chance(Mutex<fastrand::Rng>);

impl Chance {
    /// Chance seeded by the operating system.
    pub fn new() -> Self {
        Self(Mutex::new(fastrand::Rng::new()))
    }

    /// Chance that repeats itself, for tests.
    #[cfg(test)]
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    /// A number from 0 (included) to 1 (excluded), evenly spread.
    pub fn fraction(&self) -> f64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }
}

impl Default for Chance {
    fn default() -> Self {
        Self::new()
    }
}
