//! When items come, go and change while clients page: three rates, applied by elapsed time.
//!
//! Pure and lazy: nothing runs in the background. A call that looks at a repository first asks for
//! everything that has fallen due since, in the order in which it fell due, so that the same seed
//! and the same elapsed time give the same repository however often somebody looked.

use std::time::Duration;

/// How often items of one repository come, go and change, each in events a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    /// Insertions a second.
    pub(super) insert: f64,
    /// Deletions a second.
    pub(super) delete: f64,
    /// Changes of an item a second.
    pub(super) update: f64,
}

/// One thing that happens to a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChurnEvent {
    /// A new item.
    Insert,
    /// An item goes.
    Delete,
    /// An item gets a new revision.
    Update,
}

/// At most so many events are made up for at one look. A repository that nobody looked at for
/// hours would otherwise stall the first request; what is beyond is forgotten, not postponed.
const MOST_AT_ONCE: u32 = 100_000;

/// The timetable of one repository.
#[derive(Debug)]
pub(super) struct Churn {
    rates: Rates,
    /// When the next insertion, deletion and update are due, in seconds since the start; infinite
    /// where the rate is zero.
    due: [f64; 3],
}

impl Churn {
    /// A timetable that starts at `now` (time since the start of the simulator).
    pub(super) fn new(rates: Rates, now: Duration) -> Self {
        let mut churn = Self { rates, due: [f64::INFINITY; 3] };
        churn.set(rates, now);
        churn
    }

    /// The rates in force.
    pub(super) fn rates(&self) -> Rates {
        self.rates
    }

    /// Replaces the rates; the first event of each kind comes one period after `now`.
    pub(super) fn set(&mut self, rates: Rates, now: Duration) {
        self.rates = rates;
        // A rate of zero gives a period without end.
        self.due = self.periods().map(|period| now.as_secs_f64() + period);
    }

    /// Everything that has fallen due up to `now`, oldest first, each with when it was due.
    pub(super) fn take_due(&mut self, now: Duration) -> Vec<(ChurnEvent, Duration)> {
        let now_seconds = now.as_secs_f64();
        let periods = self.periods();
        let mut events = Vec::new();
        for _ in 0..MOST_AT_ONCE {
            let (mut next, mut when) = (0, self.due[0]);
            for kind in 1..self.due.len() {
                if self.due[kind] < when {
                    (next, when) = (kind, self.due[kind]);
                }
            }
            if when > now_seconds {
                return events;
            }
            self.due[next] += periods[next];
            let event = [ChurnEvent::Insert, ChurnEvent::Delete, ChurnEvent::Update][next];
            events.push((event, Duration::from_secs_f64(when.max(0.0))));
        }
        self.set(self.rates, now);
        events
    }

    fn periods(&self) -> [f64; 3] {
        [self.rates.insert, self.rates.delete, self.rates.update].map(f64::recip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: Rates = Rates { insert: 3.0, delete: 2.0, update: 5.0 };

    #[test]
    fn looking_often_or_once_gives_the_same_events() {
        let mut once = Churn::new(RATES, Duration::ZERO);
        let mut often = Churn::new(RATES, Duration::ZERO);
        let mut seen = Vec::new();
        for step in 1..=1000 {
            seen.extend(often.take_due(Duration::from_millis(step * 10)));
        }
        assert_eq!(once.take_due(Duration::from_secs(10)), seen);
    }

    #[test]
    fn the_rates_are_kept() {
        let events = Churn::new(RATES, Duration::ZERO).take_due(Duration::from_millis(10_050));
        let count = |kind| events.iter().filter(|(event, _)| *event == kind).count();
        assert_eq!(count(ChurnEvent::Insert), 30);
        assert_eq!(count(ChurnEvent::Delete), 20);
        assert_eq!(count(ChurnEvent::Update), 50);
    }

    #[test]
    fn a_rate_of_zero_never_falls_due() {
        let mut churn = Churn::new(Rates::default(), Duration::ZERO);
        assert_eq!(churn.take_due(Duration::from_secs(1_000_000)), []);
    }

    #[test]
    fn what_is_beyond_the_limit_is_forgotten() {
        let rates = Rates { insert: 1000.0, ..Rates::default() };
        let mut churn = Churn::new(rates, Duration::ZERO);
        assert_eq!(churn.take_due(Duration::from_hours(10)).len(), 100_000);
        assert_eq!(churn.take_due(Duration::from_hours(10)), []);
    }
}
