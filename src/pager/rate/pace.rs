//! When the next page may be asked for, and when the next pass begins.
//!
//! Guarantees: two requests of one repository are never closer than the page interval, also over the
//! end of a pass, a change of the interval and a request sent again; a server that was slow is not
//! then hurried.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Paces the page requests of one repository.
#[derive(Debug)]
pub(crate) struct Pace {
    period: Duration,
    /// `None` where nothing is to be waited for.
    interval: Option<Interval>,
    /// When the latest request was let through.
    last: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(period: Duration) -> Self {
        let mut pace = Self { period, interval: None, last: None };
        pace.start();
        pace
    }

    /// Another pace, counted from the latest request.
    pub(crate) fn set(&mut self, period: Duration) {
        if self.period != period {
            self.period = period;
            self.start();
        }
    }

    /// A request was sent then: later than it was let through, where it had to wait for a session
    /// or was sent again.
    pub(crate) fn sent(&mut self, at: Instant) {
        if self.last.is_some_and(|last| last < at) {
            self.last = Some(at);
            self.start();
        }
    }

    /// The longest that [`Pace::tick`] takes.
    pub(crate) fn period(&self) -> Duration {
        self.period
    }

    fn start(&mut self) {
        self.interval = (!self.period.is_zero()).then(|| {
            let now = Instant::now();
            let first = self.last.map_or(now, |last| now.max(last + self.period));
            let mut interval = interval_at(first, self.period);
            // A late tick delays the following ones: a server that was slow is not then hurried.
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
    }

    pub(crate) async fn tick(&mut self) {
        if let Some(interval) = &mut self.interval {
            interval.tick().await;
        }
        self.last = Some(Instant::now());
    }
}

/// The pause between two passes, on the same kind of timer as the pages.
pub(crate) async fn passed(begun: Instant, pass_interval: Duration) {
    if !pass_interval.is_zero() {
        let mut timer = interval_at(begun + pass_interval, pass_interval);
        timer.tick().await;
    }
}
