//! The latencies of a round of requests, and the least of them in a moving window: the baseline.
//!
//! Pure. A mean of a few answers is known with an error, and is not taken for better than that.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// A difference of this many standard errors is taken for no chance.
pub(super) const SURE: f64 = 2.0;

/// The latency of an untroubled server varies at least so much, as a part of its mean: a few
/// answers that happen to be alike prove less than they seem to.
const LEAST_SPREAD: f64 = 0.1;

/// How long a baseline holds, at least, and as a multiple of itself where that is longer: with
/// answers that take seconds, a round takes a minute.
pub(super) const BASELINE_HOLDS: Duration = Duration::from_secs(60);
const BASELINE_HOLDS_ROUND_TRIPS: u32 = 128;

/// Rounds that are remembered at most: beyond so many, a baseline is not forgotten one by one.
const REMEMBERED: usize = 64;

/// Latencies of requests that were sent under one limit, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    /// When its first answer came.
    pub(super) began: Option<Instant>,
    pub(super) answers: u32,
    /// Of requests in whose time as many were under way as were allowed.
    full: u32,
    pub(super) mean: f64,
    /// The sum of squares of the distances from the mean.
    squares: f64,
}

impl Round {
    pub(super) fn add(&mut self, latency: f64, full: bool) {
        self.answers += 1;
        self.full += u32::from(full);
        let distance = latency - self.mean;
        self.mean += distance / f64::from(self.answers);
        self.squares += distance * (latency - self.mean);
    }

    /// The standard error of the mean.
    pub(super) fn error(&self) -> f64 {
        let answers = f64::from(self.answers.max(1));
        let variance = self.squares / f64::from(self.answers.saturating_sub(1).max(1));
        ((variance + (LEAST_SPREAD * self.mean).powi(2)) / answers).sqrt()
    }

    /// Whether the limit was made use of.
    pub(super) fn was_full(&self) -> bool {
        self.full * 2 >= self.answers
    }
}

/// The latency of a round, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Baseline {
    pub(super) at: Instant,
    pub(super) mean: f64,
    error: f64,
}

impl Baseline {
    /// What it hardly exceeds. The least of many means would be one that chance has made small.
    pub(super) fn surely(&self) -> f64 {
        self.mean + SURE * self.error
    }

    pub(super) fn holds(&self) -> Duration {
        BASELINE_HOLDS.max(seconds(self.mean) * BASELINE_HOLDS_ROUND_TRIPS)
    }
}

/// Rounds within the moving window that may be its least yet, the least of them first.
#[derive(Debug, Default)]
pub(super) struct Baselines(VecDeque<Baseline>);

impl Baselines {
    /// The least latency of the window, as far as it is known.
    pub(super) fn least(&self) -> Option<Baseline> {
        self.0.front().copied()
    }

    /// Takes a round into the window.
    pub(super) fn remember(&mut self, now: Instant, round: Round) {
        let new = Baseline { at: now, mean: round.mean, error: round.error() };
        let is_over = |it: &Baseline| now.saturating_duration_since(it.at) > it.holds();
        while self.0.front().is_some_and(is_over) {
            self.0.pop_front();
        }
        // What is above a later one will never be the least.
        while self.0.back().is_some_and(|it| it.surely() >= new.surely()) {
            self.0.pop_back();
        }
        if self.0.len() >= REMEMBERED {
            self.0.pop_back();
        }
        self.0.push_back(new);
    }
}

/// A time from a number of seconds, which no latency makes too many.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(BASELINE_HOLDS)
}
