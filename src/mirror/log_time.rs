//! Which change a time means, under a clock that may have been put back. Pure.
//!
//! What there was at a time is what the changes before the first one left that was found later. A change
//! from later than now, and than the last change, is from a clock that was ahead and was put back since:
//! it is passed over, as when old changes are dropped ([`retention`](super::retention)). Otherwise a clock
//! that was ahead for a minute would hide what happened in all the time until it is right.

use super::log_bounds::LogBounds;
use crate::domain::Sequence;

/// What the log says of a time. Times are milliseconds since 1970 (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogTime {
    /// The last change that had been made by then; 0: there was none yet. `None`: it can no longer be
    /// told, because changes that came later have been dropped.
    pub sequence: Option<Sequence>,
    /// Where the log begins and ends.
    pub bounds: LogBounds,
    /// From when on it can be told where changes have been dropped; `None` where none have, or where
    /// that is not known.
    pub earliest_ms: Option<i64>,
    /// When the last change was found, as far as that is known.
    pub last_ms: Option<i64>,
}

impl LogTime {
    /// The latest time that counts: changes from later are from a clock that was ahead.
    pub(crate) fn latest_ms(now_ms: i64, last_ms: Option<i64>) -> i64 {
        last_ms.map_or(now_ms, |last_ms| last_ms.max(now_ms))
    }

    /// What a log says of `ts_ms` of which `first_later` is the first change in it that was found after
    /// `ts_ms` and not after [`LogTime::latest_ms`]. `dropped_ms` is the latest time of those that it has
    /// dropped.
    pub(crate) fn new(
        ts_ms: i64,
        bounds: LogBounds,
        dropped_ms: Option<i64>,
        last_ms: Option<i64>,
        first_later: Option<Sequence>,
    ) -> Self {
        let earliest_ms = dropped_ms.filter(|_| bounds.dropped_through > Sequence(0));
        let is_told = bounds.dropped_through == Sequence(0)
            || earliest_ms.is_some_and(|earliest_ms| ts_ms >= earliest_ms);
        let sequence = first_later.map_or(bounds.last, |later| Sequence(later.0.saturating_sub(1)));
        Self { sequence: is_told.then_some(sequence), bounds, earliest_ms, last_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(ts_ms: i64, dropped: u64, dropped_ms: Option<i64>, later: Option<u64>) -> Option<u64> {
        let bounds = LogBounds { dropped_through: Sequence(dropped), last: Sequence(9) };
        let time = LogTime::new(ts_ms, bounds, dropped_ms, Some(90), later.map(Sequence));
        time.sequence.map(|sequence| sequence.0)
    }

    #[test]
    fn a_time_means_the_change_before_the_first_that_is_later() {
        assert_eq!(told(50, 0, None, Some(6)), Some(5));
        assert_eq!(told(50, 0, None, Some(1)), Some(0), "before all changes");
        assert_eq!(told(99, 0, None, None), Some(9), "after all changes");
    }

    #[test]
    fn nothing_is_told_of_a_time_before_the_last_change_that_was_dropped() {
        assert_eq!(told(49, 5, Some(50), Some(6)), None);
        assert_eq!(told(50, 5, Some(50), Some(6)), Some(5));
        assert_eq!(told(50, 5, None, Some(7)), None, "nobody knows since when");
        assert_eq!(told(99, 9, Some(50), None), Some(9), "all are dropped, and it stands still");
    }

    #[test]
    fn a_clock_that_is_ahead_of_who_asks_counts_as_long_as_it_goes_on() {
        assert_eq!(LogTime::latest_ms(80, Some(90)), 90);
        assert_eq!(LogTime::latest_ms(99, Some(90)), 99);
        assert_eq!(LogTime::latest_ms(99, None), 99);
    }
}
