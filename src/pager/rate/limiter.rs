//! What lets the requests of one repository through, first and repeated ones alike.
//!
//! Guarantees: with `in_flight` or `page_interval` on `"auto"` no more of them are at the server
//! than [`AdaptiveConcurrency`] allows, whatever waits to be sent again; no bound on requests a second is
//! exceeded; requests go in the order in which they came; and only one of a repository stands
//! in the line that all repositories share, so that each has its turn there. The page interval itself
//! is kept by the part that plans the requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::adaptive::{AdaptiveConcurrency, Sent};
use super::rate_limit::RateLimit;
use super::urgency::Urgency;
use crate::config::{AutoOr, MOST_IN_FLIGHT, PagingConfig};
use crate::task::{Context, Stopped, Until};

/// The limiter of one repository.
#[derive(Debug)]
pub struct Limiter {
    /// A plain mutex: held for a few instructions, never across an await.
    state: Mutex<LimiterState>,
    /// The request that has it is let through next.
    turn: Semaphore,
    /// Tells that a request has ended.
    ended: Notify,
    /// `max_requests_per_second` of this repository.
    own: RateLimit,
    /// `max_requests_per_second` of all repositories together.
    shared: Arc<RateLimit>,
}

#[derive(Debug)]
struct LimiterState {
    adaptive: AdaptiveConcurrency,
    in_flight: AutoOr<u32>,
    page_interval: AutoOr<Duration>,
}

impl LimiterState {
    fn is_auto(&self) -> bool {
        self.in_flight == AutoOr::Auto || self.page_interval == AutoOr::Auto
    }

    fn limit(&self) -> u32 {
        match self.in_flight {
            AutoOr::Value(most) if !self.is_auto() => most,
            AutoOr::Value(_) | AutoOr::Auto => self.adaptive.limit(),
        }
    }
}

impl Limiter {
    /// A limiter that nothing has passed; `shared` is the bound of all repositories together.
    pub fn new(paging: &PagingConfig, shared: Arc<RateLimit>) -> Self {
        let adaptive = AdaptiveConcurrency::new(most(paging));
        let (in_flight, page_interval) = (in_flight(paging), paging.page_interval);
        Self {
            state: Mutex::new(LimiterState { adaptive, in_flight, page_interval }),
            turn: Semaphore::new(1),
            ended: Notify::new(),
            own: RateLimit::new(paging.max_requests_per_second),
            shared,
        }
    }

    /// Applies other settings. What was learnt stays, unless nothing was to be learnt before.
    pub fn set(&self, paging: &PagingConfig) {
        self.own.set(paging.max_requests_per_second);
        let mut state = self.state();
        let was_auto = state.is_auto();
        (state.in_flight, state.page_interval) = (in_flight(paging), paging.page_interval);
        if was_auto {
            state.adaptive.set_most(most(paging));
        } else {
            state.adaptive.begin_anew(most(paging));
        }
        // The request that waits looks at what holds now.
        self.ended.notify_one();
    }

    /// How many requests may be under way at once; at least 1.
    pub fn limit(&self) -> u32 {
        self.state().limit()
    }

    /// The least time between two page requests.
    pub fn interval(&self) -> Duration {
        let state = self.state();
        match state.page_interval {
            AutoOr::Value(interval) => interval,
            AutoOr::Auto => state.adaptive.interval(),
        }
    }

    /// Waits until a request may be sent, which is then to be sent at once.
    ///
    /// # Errors
    ///
    /// [`Stopped`] where the task is to stop before.
    pub async fn acquire(
        &self,
        context: &Context,
        _urgency: Urgency,
    ) -> Result<Permit<'_>, Stopped> {
        // Those before it are lanes of the same pager.
        let _turn = context.run(Until::OtherLanes, self.turn.acquire()).await?;
        while !self.has_room() {
            context.run(Until::OtherLanes, self.ended.notified()).await?;
        }
        self.own.due(context).await?;
        self.shared.acquire(context).await?;
        self.own.sent();
        let sent = self.state().adaptive.sent(Instant::now());
        Ok(Permit { limiter: self, sent: Some(sent) })
    }

    fn has_room(&self) -> bool {
        let state = self.state();
        !state.is_auto() || state.adaptive.in_flight() < state.limit()
    }

    fn state(&self) -> MutexGuard<'_, LimiterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that was let through. Dropped, it says nothing of how the server does.
#[derive(Debug)]
pub struct Permit<'a> {
    limiter: &'a Limiter,
    sent: Option<Sent>,
}

impl Permit<'_> {
    /// It was answered with so many items.
    pub fn answered(mut self, items: usize) {
        if let Some(sent) = self.sent.take() {
            self.limiter.state().adaptive.answered(Instant::now(), sent, items);
            self.limiter.ended.notify_one();
        }
    }

    /// It failed, for want of an answer or with an error of the server.
    pub fn failed(mut self) {
        if let Some(sent) = self.sent.take() {
            self.limiter.state().adaptive.failed(Instant::now(), sent);
            self.limiter.ended.notify_one();
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.sent.take().is_some() {
            self.limiter.state().adaptive.ended();
            self.limiter.ended.notify_one();
        }
    }
}

fn in_flight(paging: &PagingConfig) -> AutoOr<u32> {
    match paging.in_flight {
        AutoOr::Value(number) => AutoOr::Value(number.get()),
        AutoOr::Auto => AutoOr::Auto,
    }
}

/// The most that may be under way at once: what is configured is the most where only the interval
/// is left to the pager.
fn most(paging: &PagingConfig) -> u32 {
    match in_flight(paging) {
        AutoOr::Value(number) => number,
        AutoOr::Auto => MOST_IN_FLIGHT,
    }
}
