//! How many page requests of one repository a comfortable server takes at once, and how soon one
//! after the other.
//!
//! Pure: what happens, and when, are arguments. It starts with one request at a time and takes its
//! mean latency for the baseline. While the requests that it allows are made use of and their mean
//! latency stays near the baseline, it doubles them; once a step raises the latency beyond the
//! tolerance, it takes the step back to what the server can work on at once: by Little's law, the
//! requests under way times baseline over latency. There it stays, tries one more from time to time,
//! more and more seldom, and yields by half at once where the latency rises without a step of its
//! own, or a request fails: at most once per round trip, because only requests sent since then can
//! say that it was not enough. Where one at a time is still too many, it pauses between them.
//!
//! The baseline is the least mean latency of a moving window, so that a server that has changed for
//! good is learnt anew. Before it is forgotten it is looked for again with fewer requests under
//! way, or a baseline that has risen because of our own requests would be taken for the server's.
//!
//! Guarantees: at least one request at a time and at most as many as configured; the pause is at
//! most [`LONGEST_PAUSE`]; memory is bounded. It does not know other clients of the server but by
//! the latency, and remembers nothing over a restart.

mod baseline;
mod usual;

use std::time::Duration;

use tokio::time::Instant;

use self::baseline::{BASELINE_HOLDS, Baseline, Baselines, Round, SURE, seconds};
use self::usual::{SizeComparison, UsualSize};

/// How far the mean latency may lie above its baseline: more than what pages of slightly different
/// size differ by, less than what a fourth request does where three are worked on at once.
const TOLERANCE: f64 = 0.2;

/// How many standard errors beyond the tolerance are no chance at any answer before the end of a
/// round, where there are many chances to be wrong.
const SURE_AT_ONCE: f64 = 3.0;

/// The least answers that are judged before a round is over; and no fewer than half of those under
/// way, because those that were sent together come back together.
const LEAST_JUDGED: u32 = 4;

/// The least answers of a round while the limit moves, and while it stays.
const ROUND: u32 = 8;
const LONG_ROUND: u32 = 16;

/// The least time of a round: a quick server has many answers judged together.
const ROUND_TAKES: Duration = Duration::from_millis(250);

/// A latency so near the baseline confirms it, and lets more be tried.
const NEAR: f64 = 0.1;

/// A round that is beyond the tolerance, but may be so by chance, is made so many times as long.
const LONGER: u32 = 4;

/// How long a limit that fits is kept before more is tried: at least, also in round trips, and at
/// most after tries that failed one after the other, so that a server that has become quicker is
/// noticed within that time.
const HOLDS_AT_LEAST: Duration = Duration::from_secs(1);
const HOLDS_ROUND_TRIPS: u32 = 16;
const HOLDS_AT_MOST: Duration = Duration::from_secs(30);

/// A part of the limit that is tried in addition, at least one.
const TRIED: u32 = 8;

/// A draw-back leaves one in so many.
const DRAWN_BACK: u32 = 4;

/// The longest pause, in round trips.
const LONGEST_PAUSE_ROUND_TRIPS: f64 = 10.0;

/// The longest time between two requests that the controller asks for.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The first pause after a failure where no latency is known yet.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// A request, as it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    at: Instant,
    /// The limit that held then, by its number.
    epoch: u64,
}

/// What is being found out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// How much more the server takes: it was comfortable with `base`, and the last step was `step`.
    Climbing { base: u32, step: u32 },
    /// Whether the server still takes as much.
    Holding,
    /// Whether the server takes as much again as `goal`, after a cut.
    Recovering { goal: u32 },
    /// What the latency is with fewer requests than `back_to`.
    DrawnBack { back_to: u32 },
}

/// The controller of one repository.
#[derive(Debug)]
pub struct AdaptiveConcurrency {
    most: u32,
    limit: u32,
    pause: Duration,
    mode: Mode,
    in_flight: u32,
    /// When the limit was last made full use of.
    full: Option<Instant>,
    /// Grows with each change of the limit or the pause.
    epoch: u64,
    /// The epoch that began with the latest cut.
    cut: u64,
    round: Round,
    /// The baselines of the moving window.
    baselines: Baselines,
    /// How long to hold the limit the next time.
    hold: Duration,
    /// When one more request may be tried.
    hold_until: Option<Instant>,
    /// When the baseline was looked for with fewer requests under way.
    looked: Option<Instant>,
    /// When an answer or a failure came last.
    last: Option<Instant>,
    /// The usual number of items of a page.
    usual: UsualSize,
}

impl AdaptiveConcurrency {
    /// One request at a time, and never more than `most`.
    pub fn new(most: u32) -> Self {
        Self {
            most: most.max(1),
            limit: 1,
            pause: Duration::ZERO,
            mode: Mode::Climbing { base: 1, step: 0 },
            in_flight: 0,
            full: None,
            epoch: 0,
            cut: 0,
            round: Round::default(),
            baselines: Baselines::default(),
            hold: HOLDS_AT_LEAST,
            hold_until: None,
            looked: None,
            last: None,
            usual: UsualSize::default(),
        }
    }

    /// Another bound.
    pub fn set_most(&mut self, most: u32) {
        self.most = most.max(1);
        if self.limit > self.most {
            self.set(self.most, Mode::Holding);
        }
    }

    /// Forgets what it has learnt; the requests under way stay.
    pub fn begin_anew(&mut self, most: u32) {
        // None of those under way counts any more.
        let epoch = self.epoch + 1;
        *self = Self { in_flight: self.in_flight, epoch, cut: epoch, ..Self::new(most) };
    }

    /// How many requests may be under way at once; at least 1.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// The least time from one request to the next.
    pub fn interval(&self) -> Duration {
        self.pause
    }

    /// A request is sent. One of [`answered`](Self::answered), [`failed`](Self::failed) and
    /// [`ended`](Self::ended) must follow.
    pub fn sent(&mut self, now: Instant) -> Sent {
        let idle =
            self.last.is_some_and(|last| now.saturating_duration_since(last) > BASELINE_HOLDS);
        // What held before the pause between two passes may hold no longer.
        if idle && self.in_flight == 0 {
            self.last = Some(now);
            self.draw_back(now);
        }
        self.in_flight = self.in_flight.saturating_add(1);
        if self.in_flight >= self.limit {
            self.full = Some(now);
        }
        Sent { at: now, epoch: self.epoch }
    }

    /// It ended and says nothing of the server: the session had ended, or nobody waits for it.
    pub fn ended(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// It was answered with a page of so many items.
    pub fn answered(&mut self, now: Instant, sent: Sent, items: usize) {
        self.ended();
        self.last = Some(now);
        match self.usual.compare(items) {
            SizeComparison::Alike if sent.epoch == self.epoch => {}
            SizeComparison::Alike | SizeComparison::Unusual => return,
            SizeComparison::NewUsual => {
                // The latencies of the other size say nothing of this one.
                self.baselines = Baselines::default();
                let limit = (self.limit / 4).max(1);
                return self.set(limit, Mode::Climbing { base: limit, step: 0 });
            }
        }
        let latency = now.saturating_duration_since(sent.at).as_secs_f64();
        self.round.add(latency, self.full.is_some_and(|full| full >= sent.at));
        let began = *self.round.began.get_or_insert(now);
        let enough = match self.mode {
            _ if !self.pause.is_zero() => LEAST_JUDGED,
            Mode::Holding => LONG_ROUND.max(self.limit.saturating_mul(4)),
            _ => ROUND.max(self.limit.saturating_mul(2)),
        };
        let took = now.saturating_duration_since(began);
        let judged = LEAST_JUDGED.max(self.limit / 2);
        if self.round.answers >= enough && took >= ROUND_TAKES {
            let longest = self.round.answers >= enough.saturating_mul(LONGER);
            if longest || self.is_slow(SURE) || !self.is_slow(0.0) {
                self.end_round(now);
            }
        } else if self.round.answers >= judged && self.is_slow(SURE_AT_ONCE) {
            // It is remembered, too, or a quick server that has become slower would be held against
            // a baseline that no round ever outlives.
            self.end_round(now);
        }
    }

    /// It failed: no answer in time, too many requests, an error of the server.
    pub fn failed(&mut self, now: Instant, sent: Sent) {
        self.ended();
        self.last = Some(now);
        if sent.epoch < self.cut {
            return;
        }
        if self.limit > 1 {
            self.hold = HOLDS_AT_LEAST;
            let goal = self.limit - (self.limit / 4).max(1);
            self.cut_to(self.limit / 2, Mode::Recovering { goal });
        } else {
            let known =
                self.baselines.least().map_or(FIRST_PAUSE, |baseline| seconds(baseline.mean));
            self.pause_for((self.pause * 2).max(known));
        }
    }

    fn end_round(&mut self, now: Instant) {
        let slow = self.is_slow(0.0);
        let round = std::mem::take(&mut self.round);
        self.baselines.remember(now, round);
        let Some(baseline) = self.baselines.least() else { return };
        if slow {
            self.yield_to(now, round, baseline);
        } else {
            self.go_on(now, round, baseline);
        }
    }

    /// A round was within the tolerance.
    fn go_on(&mut self, now: Instant, round: Round, baseline: Baseline) {
        if !self.pause.is_zero() {
            let pause = self.pause / 2;
            self.set(self.limit, self.mode);
            self.pause = if pause < seconds(round.mean / 4.0) { Duration::ZERO } else { pause };
            return;
        }
        let near = round.mean <= baseline.surely() * (1.0 + NEAR);
        // What nobody makes use of says nothing of more.
        let more = near && round.was_full() && self.limit < self.most;
        match self.mode {
            Mode::DrawnBack { back_to } => self.set(back_to.min(self.most), Mode::Holding),
            Mode::Holding if !near && self.is_to_look(now, baseline) => self.draw_back(now),
            Mode::Holding if !near && fit(self.limit, round, baseline) < self.limit => {
                self.ease(now, round, baseline);
            }
            Mode::Holding if more && self.hold_until.is_none_or(|until| until <= now) => {
                self.climb((self.limit / TRIED).max(1));
            }
            Mode::Climbing { base, step } if more => {
                // One step may be luck. A second one means that there is more to be had.
                if step > (base / TRIED).max(1) {
                    self.hold = HOLDS_AT_LEAST;
                }
                self.climb(step.saturating_mul(2).max(1));
            }
            Mode::Recovering { goal } if more && self.limit < goal => {
                let goal = goal.min(self.most);
                self.set(goal - (goal - self.limit) / 2, Mode::Recovering { goal });
            }
            Mode::Climbing { .. } | Mode::Recovering { .. } if round.was_full() => {
                self.set(self.limit, Mode::Holding);
                self.hold_until = Some(now + HOLDS_AT_LEAST);
            }
            Mode::Holding | Mode::Climbing { .. } | Mode::Recovering { .. } => {}
        }
    }

    /// The latency is beyond the tolerance.
    fn yield_to(&mut self, now: Instant, round: Round, baseline: Baseline) {
        let fit = fit(self.limit, round, baseline);
        match self.mode {
            _ if self.limit == 1 => {
                let ratio = (round.mean / baseline.surely()).min(LONGEST_PAUSE_ROUND_TRIPS);
                self.pause_for(seconds(ratio * round.mean));
            }
            // A step of its own explains so much.
            Mode::Climbing { base, .. } if base < self.limit && fit >= self.limit / 2 => {
                self.ease(now, round, baseline);
            }
            _ => {
                self.hold = HOLDS_AT_LEAST;
                self.cut_to(self.limit / 2, Mode::Recovering { goal: fit });
            }
        }
    }

    /// Takes back what is too much, and stays there for longer than the last time.
    fn ease(&mut self, now: Instant, round: Round, baseline: Baseline) {
        let fit = fit(self.limit, round, baseline);
        self.cut_to(fit.min(self.limit - 1), Mode::Holding);
        let hold = self.hold.max(seconds(baseline.mean) * HOLDS_ROUND_TRIPS).min(HOLDS_AT_MOST);
        self.hold = hold * 2;
        self.hold_until = Some(now + hold);
    }

    fn cut_to(&mut self, limit: u32, mode: Mode) {
        self.set(limit.max(1), mode);
        self.cut = self.epoch;
    }

    /// One at a time, and not one after the other.
    fn pause_for(&mut self, pause: Duration) {
        self.cut_to(1, Mode::Recovering { goal: 1 });
        self.pause = pause.min(LONGEST_PAUSE);
    }

    fn climb(&mut self, step: u32) {
        let limit = self.limit.saturating_add(step).min(self.most);
        self.set(limit, Mode::Climbing { base: self.limit, step });
    }

    fn draw_back(&mut self, now: Instant) {
        let back_to = match self.mode {
            Mode::DrawnBack { back_to } => back_to,
            _ => self.limit,
        };
        self.looked = Some(now);
        self.set((self.limit / DRAWN_BACK).max(1), Mode::DrawnBack { back_to });
    }

    /// Whether the baseline is to be looked for again before it is forgotten.
    fn is_to_look(&self, now: Instant, baseline: Baseline) -> bool {
        let known = self.looked.map_or(baseline.at, |looked| looked.max(baseline.at));
        self.limit > 1 && now.saturating_duration_since(known) > baseline.holds() / 2
    }

    fn set(&mut self, limit: u32, mode: Mode) {
        (self.limit, self.mode) = (limit, mode);
        self.full = None;
        self.epoch += 1;
        self.round = Round::default();
    }

    /// Whether the round so far is slower than the tolerance allows, and not by chance.
    fn is_slow(&self, sure: f64) -> bool {
        let Some(baseline) = self.baselines.least() else { return false };
        self.round.mean > baseline.surely() * (1.0 + TOLERANCE) + sure * self.round.error()
    }
}

/// How many of `limit` requests the server works on at once; the others wait for one another.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of the limit, from 0 to 1, is a whole number no greater than it"
)]
fn fit(limit: u32, round: Round, baseline: Baseline) -> u32 {
    let ratio = (baseline.surely() / round.mean).min(1.0);
    ((f64::from(limit) * ratio).round() as u32).clamp(1, limit)
}

#[cfg(test)]
mod tests;
