//! The wall clock and chance, in one place so that tests can replace both.
//!
//! Durations are measured with `tokio::time::Instant` by their users, which a paused test
//! runtime controls; only the time of day and randomness come from here.

#[cfg(test)]
use std::cell::Cell;
use std::sync::{Mutex, PoisonError};
#[cfg(test)]
use std::time::Duration;
use std::time::SystemTime;

#[cfg(test)]
use tokio::time::Instant;

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
pub fn now() -> SystemTime {
    #[cfg(test)]
    if let Some(now) = RuntimeTime::now() {
        return now;
    }
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

/// For as long as this lives, the time of day on its thread goes with the clock of the runtime there: without it
/// the time of day stands nearly still while a paused clock goes through hours.
#[cfg(test)]
#[derive(Debug)]
pub struct RuntimeTime(());

#[cfg(test)]
thread_local! {
    /// A moment of the runtime's clock, and the time of day that it is taken for.
    static ANCHOR: Cell<Option<(Instant, SystemTime)>> = const { Cell::new(None) };
}

#[cfg(test)]
impl RuntimeTime {
    /// Takes this moment for the time of day that is so many milliseconds after the beginning of 1970.
    pub fn from_ms(ms: u64) -> Self {
        let day = SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        ANCHOR.set(Some((Instant::now(), day)));
        Self(())
    }

    fn now() -> Option<SystemTime> {
        ANCHOR.get().map(|(moment, day)| day + moment.elapsed())
    }
}

#[cfg(test)]
impl Drop for RuntimeTime {
    fn drop(&mut self) {
        ANCHOR.set(None);
    }
}
