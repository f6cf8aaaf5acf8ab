//! What lets the requests of one repository through, first and repeated ones alike.
//!
//! Guarantees: with `in_flight` or `page_interval` on `"auto"` no more of them are at the server
//! than [`Courtesy`] allows, whatever waits to be sent again; no bound on requests a second is
//! exceeded; who comes first goes first; and only one of a repository stands in the line that all
//! repositories share, so that each has its turn there. The page interval itself is kept by whoever
//! plans the requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::courtesy::{Courtesy, Sent};
use super::lid::Lid;
use crate::config::{Chosen, MOST_IN_FLIGHT, PagingConfig};
use crate::task::heartbeat::{Lane, Until};

/// The gate of one repository.
#[derive(Debug)]
pub struct Gate {
    /// A plain mutex: held for a few instructions, never across an await.
    state: Mutex<State>,
    /// Whoever has it is let through next.
    turn: Semaphore,
    /// Tells that a request has ended.
    ended: Notify,
    /// `max_requests_per_second` of this repository.
    own: Lid,
    /// That of all repositories together.
    shared: Arc<Lid>,
}

#[derive(Debug)]
struct State {
    courtesy: Courtesy,
    in_flight: Chosen<u32>,
    page_interval: Chosen<Duration>,
}

impl State {
    fn is_auto(&self) -> bool {
        self.in_flight == Chosen::Auto || self.page_interval == Chosen::Auto
    }

    fn limit(&self) -> u32 {
        match self.in_flight {
            Chosen::Fixed(most) if !self.is_auto() => most,
            Chosen::Fixed(_) | Chosen::Auto => self.courtesy.limit(),
        }
    }
}

impl Gate {
    /// A gate that nothing has passed; `shared` is the bound of all repositories together.
    pub fn new(paging: &PagingConfig, shared: Arc<Lid>) -> Self {
        let courtesy = Courtesy::new(most(paging));
        let (in_flight, page_interval) = (in_flight(paging), paging.page_interval);
        Self {
            state: Mutex::new(State { courtesy, in_flight, page_interval }),
            turn: Semaphore::new(1),
            ended: Notify::new(),
            own: Lid::new(paging.max_requests_per_second),
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
            state.courtesy.set_most(most(paging));
        } else {
            state.courtesy.begin_anew(most(paging));
        }
        // Whoever waits looks at what holds now.
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
            Chosen::Fixed(interval) => interval,
            Chosen::Auto => state.courtesy.interval(),
        }
    }

    /// Waits until a request may be sent, which is then to be sent at once.
    pub async fn enter(&self, lane: &Lane) -> Passed<'_> {
        // Those before it are lanes of the same pager.
        let _turn = lane.wait(Until::OtherLanes, self.turn.acquire()).await;
        while !self.has_room() {
            lane.wait(Until::OtherLanes, self.ended.notified()).await;
        }
        self.own.due(lane).await;
        self.shared.pass(lane).await;
        self.own.passed();
        Passed { gate: self, sent: Some(self.state().courtesy.sent(Instant::now())) }
    }

    fn has_room(&self) -> bool {
        let state = self.state();
        !state.is_auto() || state.courtesy.under_way() < state.limit()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that was let through. Dropped, it says nothing of how the server does.
#[derive(Debug)]
pub struct Passed<'a> {
    gate: &'a Gate,
    sent: Option<Sent>,
}

impl Passed<'_> {
    /// It was answered with so many items.
    pub fn answered(mut self, items: usize) {
        if let Some(sent) = self.sent.take() {
            self.gate.state().courtesy.answered(Instant::now(), sent, items);
            self.gate.ended.notify_one();
        }
    }

    /// It failed, for want of an answer or with an error of the server.
    pub fn failed(mut self) {
        if let Some(sent) = self.sent.take() {
            self.gate.state().courtesy.failed(Instant::now(), sent);
            self.gate.ended.notify_one();
        }
    }
}

impl Drop for Passed<'_> {
    fn drop(&mut self) {
        if self.sent.take().is_some() {
            self.gate.state().courtesy.ended();
            self.gate.ended.notify_one();
        }
    }
}

fn in_flight(paging: &PagingConfig) -> Chosen<u32> {
    match paging.in_flight {
        Chosen::Fixed(number) => Chosen::Fixed(number.get()),
        Chosen::Auto => Chosen::Auto,
    }
}

/// The most that may be under way at once: what is configured is the most where only the interval
/// is left to the pager.
fn most(paging: &PagingConfig) -> u32 {
    match in_flight(paging) {
        Chosen::Fixed(number) => number,
        Chosen::Auto => MOST_IN_FLIGHT,
    }
}
