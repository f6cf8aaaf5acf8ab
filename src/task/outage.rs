//! How loudly a failure is told: the first one, then ever rarer, then once that it is over.
//!
//! Pure: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// A run of failures of one kind of request, from the first until the next success.
#[derive(Debug, Default)]
pub struct Outage {
    since: Option<Instant>,
    failures: u64,
}

/// What an outage was, once it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedOutage {
    /// From its first failure to the success that ended it.
    pub duration: Duration,
    /// How many requests failed.
    pub failures: u64,
}

impl Outage {
    /// Notes a failure; true where it is to be told: the 1st, 2nd, 4th, 8th and so on, which with
    /// delays that stay at their cap means half as often each time.
    pub fn failed(&mut self, now: Instant) -> bool {
        self.since.get_or_insert(now);
        self.failures += 1;
        self.failures.is_power_of_two()
    }

    /// Ends it without a word: it turned out to be no outage.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Notes a success; tells what it ended, if anything.
    pub fn succeeded(&mut self, now: Instant) -> Option<EndedOutage> {
        let since = self.since.take()?;
        let failures = std::mem::take(&mut self.failures);
        Some(EndedOutage { duration: now.saturating_duration_since(since), failures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_thousand_failures_are_told_ten_times_and_their_end_once() {
        let mut outage = Outage::default();
        let start = Instant::now();
        assert_eq!(outage.succeeded(start), None);
        let told = (0..1000).filter(|_| outage.failed(start)).count();
        assert_eq!(told, 10);
        let later = start + Duration::from_secs(90);
        let ended = EndedOutage { duration: Duration::from_secs(90), failures: 1000 };
        assert_eq!(outage.succeeded(later), Some(ended));
        assert_eq!(outage.succeeded(later), None);
    }
}
