//! The one policy of trying again. Pure: time and chance are arguments.
//!
//! What failed is tried again soon, then ever later up to a cap; where many clients may fail at one
//! moment, with full jitter, so that they do not come back in step; and where a server says when it
//! may be asked again, no sooner. Of a long run of failures ever fewer are told (see
//! [`super::outage`]). A denied password is another matter: see the refresher's `denials`.

use std::time::Duration;

use tokio::time::Instant;

use super::outage::{EndedOutage, Outage};

/// The ceiling of the first delay of a failed request: long enough for a hiccup to pass, short
/// enough that a page is hardly late.
pub const REQUEST_BASE: Duration = Duration::from_millis(250);

/// The ceiling that the delays of a failed request grow to: an outage that ends is noticed within
/// this time.
pub const REQUEST_CAP: Duration = Duration::from_secs(30);

/// The most that a server's `Retry-After` is obeyed: a server that asks for a day is asked sooner.
pub const RETRY_AFTER_CAP: Duration = Duration::from_secs(5 * 60);

/// What of a delay is left to chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// Nothing.
    None,
    /// All of it: the delay is evenly spread from zero to its ceiling.
    Full,
}

/// Exponential backoff: a delay whose ceiling doubles with each failure up to a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The ceiling of the first delay.
    pub base: Duration,
    /// The highest ceiling.
    pub cap: Duration,
    /// How far below its ceiling a delay may be.
    pub jitter: Jitter,
}

impl Backoff {
    /// The policy for failed requests.
    pub const REQUESTS: Self = Self { base: REQUEST_BASE, cap: REQUEST_CAP, jitter: Jitter::Full };

    /// A policy without jitter, for what fails alone.
    pub const fn steady(base: Duration, cap: Duration) -> Self {
        Self { base, cap, jitter: Jitter::None }
    }

    /// The longest delay after failure number `failures` in a row, counted from 1.
    pub fn ceiling(&self, failures: u32) -> Duration {
        // Beyond 2^31 every sensible base is past every sensible cap; the product saturates.
        let doublings = failures.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }

    /// The delay after failure number `failures` in a row, counted from 1.
    ///
    /// `fraction`, from 0 to 1, is the jitter; `retry_after` is the least delay, itself capped at
    /// [`RETRY_AFTER_CAP`].
    pub fn delay(&self, failures: u32, fraction: f64, retry_after: Option<Duration>) -> Duration {
        let ceiling = self.ceiling(failures);
        let delay = match self.jitter {
            Jitter::None => ceiling,
            // A fraction that is not a number (no caller has one) means no jitter rather than a
            // panic.
            Jitter::Full if fraction.is_nan() => ceiling,
            Jitter::Full => ceiling.mul_f64(fraction.clamp(0.0, 1.0)),
        };
        delay.max(retry_after.unwrap_or_default().min(RETRY_AFTER_CAP))
    }
}

/// A loop that tries one thing until it succeeds: how often it has failed, how long to wait, and
/// which failures are told.
#[derive(Debug)]
pub struct Retries {
    backoff: Backoff,
    failures: u32,
    outage: Outage,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Which failure in a row it was, counted from 1.
    pub attempt: u32,
    /// How long to wait before the next try.
    pub delay: Duration,
    /// Whether the failure is to be told aloud.
    pub is_told: bool,
}

impl Retries {
    /// Before the first try.
    pub fn new(backoff: Backoff) -> Self {
        Self { backoff, failures: 0, outage: Outage::default() }
    }

    /// Notes a failure at `now`. `fraction` and `retry_after` are those of [`Backoff::delay`].
    pub fn failed(&mut self, now: Instant, fraction: f64, retry_after: Option<Duration>) -> Retry {
        self.failures = self.failures.saturating_add(1);
        Retry {
            attempt: self.failures,
            delay: self.backoff.delay(self.failures, fraction, retry_after),
            is_told: self.outage.failed(now),
        }
    }

    /// Notes a failure that is told and waited for elsewhere: the server is there, so that an
    /// outage is over without a word.
    pub fn answered(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.outage.forget();
    }

    /// What is tried from now on is another thing, which has not failed yet. An outage goes on.
    pub fn start_over(&mut self) {
        self.failures = 0;
    }

    /// Notes a success at `now`; returns the outage that it ended, if any.
    pub fn succeeded(&mut self, now: Instant) -> Option<EndedOutage> {
        self.failures = 0;
        self.outage.succeeded(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        let backoff = Backoff::REQUESTS;
        let ceilings: Vec<_> =
            (1..=9).map(|attempt| backoff.delay(attempt, 1.0, None).as_millis()).collect();
        assert_eq!(ceilings, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(backoff.delay(u32::MAX, 1.0, None), REQUEST_CAP);
        assert_eq!(backoff.delay(0, 1.0, None), REQUEST_BASE);
    }

    #[test]
    fn jitter_is_full_and_odd_fractions_do_not_panic() {
        let backoff = Backoff::REQUESTS;
        assert_eq!(backoff.delay(3, 0.0, None), Duration::ZERO);
        assert_eq!(backoff.delay(3, 0.5, None), Duration::from_millis(500));
        assert_eq!(backoff.delay(3, f64::NAN, None), SECOND);
        assert_eq!(backoff.delay(3, -7.0, None), Duration::ZERO);
        assert_eq!(backoff.delay(3, f64::INFINITY, None), SECOND);
    }

    #[test]
    fn without_jitter_chance_has_no_say() {
        let backoff = Backoff::steady(SECOND, 60 * SECOND);
        for fraction in [0.0, 0.5, 1.0] {
            assert_eq!(backoff.delay(3, fraction, None), 4 * SECOND);
        }
        assert_eq!(backoff.delay(3, 0.0, Some(7 * SECOND)), 7 * SECOND);
    }

    #[test]
    fn what_the_server_asks_for_is_the_least_and_is_capped() {
        let backoff = Backoff::REQUESTS;
        let asked = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(backoff.delay(1, 0.0, asked(7)), Duration::from_secs(7));
        assert_eq!(backoff.delay(8, 1.0, asked(7)), Duration::from_secs(30));
        assert_eq!(backoff.delay(1, 0.0, asked(86_400)), RETRY_AFTER_CAP);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_wait_ever_longer_are_told_ever_rarer_and_end_with_a_success() {
        let mut retries = Retries::new(Backoff::steady(SECOND, 8 * SECOND));
        let start = Instant::now();
        let failures: Vec<_> = (1..=8).map(|_| retries.failed(start, 1.0, None)).collect();
        let delays: Vec<_> = failures.iter().map(|it| it.delay.as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 8, 8, 8, 8]);
        let told: Vec<_> = failures.iter().filter(|it| it.is_told).map(|it| it.attempt).collect();
        assert_eq!(told, [1, 2, 4, 8]);
        let ended = EndedOutage { duration: 90 * SECOND, failures: 8 };
        assert_eq!(retries.succeeded(start + 90 * SECOND), Some(ended));
        assert_eq!(retries.succeeded(start + 91 * SECOND), None);
        let first = Retry { attempt: 1, delay: SECOND, is_told: true };
        assert_eq!(retries.failed(start, 1.0, None), first);
    }

    #[tokio::test(start_paused = true)]
    async fn another_thing_begins_anew_and_an_answer_of_any_kind_is_no_outage() {
        let mut retries = Retries::new(Backoff::steady(SECOND, 8 * SECOND));
        let now = Instant::now();
        for _ in 0..3 {
            retries.failed(now, 1.0, None);
        }
        retries.start_over();
        let fourth = Retry { attempt: 1, delay: SECOND, is_told: true };
        assert_eq!(retries.failed(now, 1.0, None), fourth, "the fourth of one outage");
        retries.answered();
        assert_eq!(retries.succeeded(now), None);
    }

    proptest! {
        #[test]
        fn no_delay_leaves_its_bounds(attempt: u32, fraction: f64, asked: Option<u64>) {
            let asked = asked.map(Duration::from_secs);
            let delay = Backoff::REQUESTS.delay(attempt, fraction, asked);
            prop_assert!(delay <= RETRY_AFTER_CAP);
            prop_assert!(delay >= asked.unwrap_or_default().min(RETRY_AFTER_CAP));
        }
    }
}
