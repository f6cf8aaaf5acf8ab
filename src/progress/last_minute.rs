//! How often something was in the last minute.
//!
//! Bounded: a count for each second of that minute, whatever comes. The time is an argument.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The seconds that are counted.
const SECONDS: usize = 60;

/// How often something was in each second of the last minute.
#[derive(Debug)]
pub struct LastMinute {
    /// Held for a few instructions, never across an await.
    ring: Mutex<Ring>,
}

#[derive(Debug)]
struct Ring {
    counts: [u64; SECONDS],
    /// The second that was counted last, from the start of the process.
    newest: u64,
}

impl LastMinute {
    /// It was once more; `now` is the time since the start of the process.
    pub fn count(&self, now: Duration) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.advance(now.as_secs());
        let place = place(ring.newest);
        ring.counts[place] += 1;
    }

    /// How often it was in the minute before `now`.
    pub fn total(&self, now: Duration) -> u64 {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.advance(now.as_secs());
        ring.counts.iter().sum()
    }
}

impl Default for LastMinute {
    fn default() -> Self {
        Self { ring: Mutex::new(Ring { counts: [0; SECONDS], newest: 0 }) }
    }
}

impl Ring {
    /// Forgets what was longer ago than a minute.
    fn advance(&mut self, second: u64) {
        let passed = second.saturating_sub(self.newest).min(SECONDS as u64);
        for back in 0..passed {
            self.counts[place(second - back)] = 0;
        }
        self.newest = self.newest.max(second);
    }
}

fn place(second: u64) -> usize {
    usize::try_from(second % SECONDS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_was_longer_ago_than_a_minute_no_longer_counts() {
        let recent = LastMinute::default();
        for second in [0, 0, 1, 30, 59] {
            recent.count(at(second));
        }
        assert_eq!(recent.total(at(59)), 5);
        assert_eq!(recent.total(at(60)), 3, "those of the first second are out");
        recent.count(at(70));
        assert_eq!(recent.total(at(89)), 3);
        assert_eq!(recent.total(at(90)), 2);
        assert_eq!(recent.total(at(100_000)), 0);
    }

    #[test]
    fn tasks_that_disagree_by_a_moment_lose_nothing() {
        let recent = LastMinute::default();
        recent.count(at(10));
        recent.count(at(9));
        assert_eq!(recent.total(at(10)), 2);
    }
}
