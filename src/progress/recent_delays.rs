//! How late changes were found in the last hour: quantiles from a histogram that is bounded.
//!
//! Pure: the time is an argument. Delays are counted in buckets whose width grows with them (eight to each doubling,
//! from 64 ms on), by the minute in which they were found. What is told is the middle of a bucket: at most a
//! sixteenth off, or 4 ms for delays below 64 ms.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// So many minutes are kept.
const MINUTES: u64 = 60;

/// The buckets of one doubling, as a power of two.
const STEPS_LOG2: u32 = 3;

/// Below this power of two, in milliseconds, all buckets are equally wide.
const LINEAR_LOG2: u32 = 6;

/// The longest delay that is told apart from longer ones, in milliseconds: 24 days.
const LONGEST_MS: u64 = (1 << 31) - 1;

/// How late changes were found, by minute.
#[derive(Clone, Debug, Default)]
pub struct RecentDelays {
    /// The minutes in which there were any, the oldest first; each counts by bucket.
    minutes: VecDeque<(u64, BTreeMap<u16, u64>)>,
}

impl RecentDelays {
    /// A change was found; `now` is the time since the start of the process.
    pub fn note(&mut self, now: Duration, delay: Duration) {
        let minute = self.forget(now);
        if self.minutes.back().is_none_or(|(last, _)| *last < minute) {
            self.minutes.push_back((minute, BTreeMap::new()));
        }
        if let Some((_, counts)) = self.minutes.back_mut() {
            *counts.entry(bucket(delay)).or_default() += 1;
        }
    }

    /// The delay that this part of the changes, in thousandths, did not exceed, of those found in the last `minutes`
    /// minutes, the one under way included; `None` where there was none.
    pub fn quantile(&mut self, now: Duration, minutes: u64, thousandths: u64) -> Option<Duration> {
        let minute = self.forget(now);
        let mut all = BTreeMap::<u16, u64>::new();
        for (_, counts) in self.minutes.iter().filter(|(at, _)| minute - at < minutes) {
            for (bucket, count) in counts {
                *all.entry(*bucket).or_default() += count;
            }
        }
        let total: u64 = all.values().sum();
        // The nearest rank: of one change, that one.
        let rank = total.saturating_mul(thousandths).div_ceil(1000).max(1);
        let mut seen = 0;
        let reached = all.iter().find(|(_, count)| {
            seen += **count;
            seen >= rank
        });
        reached.map(|(bucket, _)| middle(*bucket))
    }

    /// How many were found in the last `minutes` minutes, the one under way included.
    pub fn count(&mut self, now: Duration, minutes: u64) -> u64 {
        let minute = self.forget(now);
        let recent = self.minutes.iter().filter(|(at, _)| minute - at < minutes);
        recent.flat_map(|(_, counts)| counts.values()).sum()
    }

    /// Forgets what was found longer ago; the minute that it is, or the last one that was noted.
    fn forget(&mut self, now: Duration) -> u64 {
        let last = self.minutes.back().map_or(0, |(minute, _)| *minute);
        let minute = (now.as_secs() / 60).max(last);
        while self.minutes.front().is_some_and(|(oldest, _)| minute - oldest >= MINUTES) {
            self.minutes.pop_front();
        }
        minute
    }
}

fn bucket(delay: Duration) -> u16 {
    let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX).min(LONGEST_MS);
    let doublings = (u64::BITS - (millis >> LINEAR_LOG2).leading_zeros()).saturating_sub(1);
    let shift = LINEAR_LOG2 - STEPS_LOG2 + doublings;
    let within = millis >> shift;
    // Below the first doubling `within` is the number of the bucket; above it, 8 to 15.
    let place = (u64::from(doublings) << STEPS_LOG2) + within;
    u16::try_from(place).unwrap_or(u16::MAX)
}

/// The middle of a bucket.
fn middle(bucket: u16) -> Duration {
    let bucket = u64::from(bucket);
    let steps = 1 << STEPS_LOG2;
    let (doublings, within) = if bucket < 2 * steps {
        (0, bucket)
    } else {
        ((bucket >> STEPS_LOG2) - 1, (bucket & (steps - 1)) | steps)
    };
    let shift = u64::from(LINEAR_LOG2 - STEPS_LOG2) + doublings;
    let (begin, width) = (within << shift, 1 << shift);
    Duration::from_millis(begin + width / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(3600);

    /// The error that is promised, in milliseconds.
    fn allowed(exact_ms: u64) -> u64 {
        (exact_ms / 16).max(4)
    }

    #[test]
    fn buckets_grow_and_hold_what_is_in_them() {
        let mut last = 0;
        for millis in (0..5000).chain((0..2000).map(|it| it * 100_003)) {
            let delay = Duration::from_millis(millis);
            let place = bucket(delay);
            if millis > 0 {
                assert!(place >= bucket(Duration::from_millis(millis - 1)), "{millis}");
            }
            let told = u64::try_from(middle(place).as_millis()).unwrap();
            assert!(told.abs_diff(millis) <= allowed(millis), "{millis}: {told}");
            last = last.max(place);
        }
        assert!(bucket(Duration::MAX) >= last && bucket(Duration::MAX) < 250);
    }

    #[test]
    fn nothing_is_told_where_nothing_was_found_and_one_is_all_quantiles() {
        let mut delays = RecentDelays::default();
        assert_eq!(delays.quantile(NOW, 60, 500), None);
        delays.note(NOW, Duration::from_secs(10));
        for thousandths in [0, 1, 500, 990, 1000] {
            let told = delays.quantile(NOW, 60, thousandths).unwrap();
            assert!(told.as_millis().abs_diff(10_000) <= 625, "{told:?}");
        }
    }

    #[test]
    fn an_hour_later_it_is_forgotten_and_the_room_is_given_back() {
        let mut delays = RecentDelays::default();
        for second in 0..36_000 {
            delays.note(Duration::from_secs(second), Duration::from_millis(second));
        }
        assert_eq!(delays.minutes.len(), 60);
        let at = Duration::from_secs(36_000);
        let least = delays.quantile(at, 60, 0).unwrap();
        assert!(least > Duration::from_secs(30), "{least:?}");
        assert!(delays.quantile(at, 1, 500).is_none(), "a minute has begun");
        assert!(delays.quantile(at, 2, 500).unwrap() > Duration::from_secs(33));
        assert_eq!(delays.quantile(at + 2 * NOW, 60, 500), None);
        assert_eq!(delays.minutes.len(), 0);
    }

    proptest! {
        #[test]
        fn a_quantile_is_the_exact_one_within_its_error(
            mut found in prop::collection::vec((0_u64..3600, 0_u32..31, any::<u64>()), 1..200),
            thousandths in 1_u64..=1000,
        ) {
            found.sort_unstable();
            let mut delays = RecentDelays::default();
            let mut exact = Vec::new();
            for (second, doublings, noise) in found {
                let millis = noise % (1 << doublings);
                delays.note(Duration::from_secs(second), Duration::from_millis(millis));
                exact.push(millis);
            }
            exact.sort_unstable();
            let rank = usize::try_from((exact.len() as u64 * thousandths).div_ceil(1000)).unwrap();
            let exact = exact[rank.max(1) - 1];
            let told = delays.quantile(Duration::from_secs(3599), 60, thousandths).unwrap();
            let told = u64::try_from(told.as_millis()).unwrap();
            prop_assert!(told.abs_diff(exact) <= allowed(exact), "{told} for {exact}");
        }
    }
}
