//! What lets the requests of one repository through, first and repeated ones alike.
//!
//! Guarantees: no more of them are at the server than `in_flight` says, or with that or `page_interval` on
//! `"auto"` than [`AdaptiveConcurrency`] allows, whatever waits to be sent again; pages of whole and of
//! incremental passes together keep the page interval; no bound on requests a second is exceeded; and they go, among
//! those of all repositories, in the order that [`super::schedule`] tells of.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::adaptive::{AdaptiveConcurrency, Sent};
use super::schedule::{LineId, Terms, Wish};
use super::scheduler::{PageBytes, Scheduler, UnderWay};
use super::urgency::{RequestClass, Urgency};
use crate::client::SearchAnswer;
use crate::config::{AUTO_IN_FLIGHT, AutoOr, PagingConfig, Rate};
use crate::domain::Item;
use crate::task::{Context, Stopped};

/// What an item of a page is expected to take before any page is known, in bytes: large enough for most, so that
/// the first pages of many repositories do not come all at once.
const GUESS_PER_ITEM: u64 = 4 * 1024;

/// With each page this part of what is expected is forgotten.
const FORGOTTEN: u64 = 8;

/// What an item takes in memory beside its bytes: itself, and what the pass and the mirror are handed of it.
const BESIDE_BYTES: u64 = 2 * size_of::<Item>() as u64;

/// A page for which bytes are to be kept.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedPage {
    /// How many items are asked for.
    pub items: u32,
    /// Whether it is asked for the first time, and thus keeps the page interval.
    pub is_first_try: bool,
}

/// The limiter of one repository.
#[derive(Debug)]
pub struct Limiter {
    /// A plain mutex: held for a few instructions, never across an await, nor when the schedule is looked at.
    state: Mutex<LimiterState>,
    scheduler: Arc<Scheduler>,
    line: LineId,
    /// The bytes of the largest page of late; 0: none is known.
    largest: AtomicU64,
    /// How much later than its deadline the latest incremental request was let through, in milliseconds.
    late_ms: AtomicU64,
}

#[derive(Debug)]
struct LimiterState {
    adaptive: AdaptiveConcurrency,
    in_flight: AutoOr<u32>,
    page_interval: AutoOr<Duration>,
    own: Option<Rate>,
    is_default: bool,
}

impl LimiterState {
    fn new(paging: &PagingConfig) -> Self {
        Self {
            adaptive: AdaptiveConcurrency::new(most(paging)),
            in_flight: in_flight(paging),
            page_interval: paging.interval(),
            own: paging.max_requests_per_second,
            is_default: paging.page_interval.is_none(),
        }
    }

    fn is_auto(&self) -> bool {
        self.in_flight == AutoOr::Auto || self.page_interval == AutoOr::Auto
    }

    fn limit(&self) -> u32 {
        match self.in_flight {
            AutoOr::Value(most) if !self.is_auto() => most,
            AutoOr::Value(_) | AutoOr::Auto => self.adaptive.limit(),
        }
    }

    fn interval(&self) -> Duration {
        match self.page_interval {
            AutoOr::Value(interval) => interval,
            AutoOr::Auto => self.adaptive.interval(),
        }
    }

    fn terms(&self) -> Terms {
        Terms {
            least: self.own.map(Rate::interval),
            page_interval: self.interval(),
            most: self.limit(),
            is_default: self.is_default,
        }
    }
}

impl Limiter {
    /// A limiter that nothing has passed, in the schedule of all.
    pub fn new(paging: &PagingConfig, scheduler: Arc<Scheduler>) -> Self {
        let state = LimiterState::new(paging);
        let line = scheduler.look(|schedule| schedule.add_line(state.terms()));
        Self {
            state: Mutex::new(state),
            scheduler,
            line,
            largest: AtomicU64::new(0),
            late_ms: AtomicU64::new(0),
        }
    }

    /// Applies other settings. What was learnt stays, unless nothing was to be learnt before.
    pub fn set(&self, paging: &PagingConfig) {
        self.change(|state| {
            let was_auto = state.is_auto();
            let new = LimiterState::new(paging);
            let old = std::mem::replace(state, new);
            state.adaptive = old.adaptive;
            if was_auto {
                state.adaptive.set_most(most(paging));
            } else {
                state.adaptive.begin_anew(most(paging));
            }
        });
    }

    /// How many requests may be under way at once; at least 1.
    pub fn limit(&self) -> u32 {
        self.state().limit()
    }

    /// The least time between two page requests.
    pub fn interval(&self) -> Duration {
        self.state().interval()
    }

    /// Whether no other repository is read.
    pub fn is_alone(&self) -> bool {
        // The questions that are of no repository have a line, too.
        self.scheduler.look(|schedule| schedule.lines()) <= 2
    }

    /// How much later than its deadline the latest incremental request was let through: more than nothing, where
    /// the budgets do not suffice for what is asked for.
    pub fn late_by(&self) -> Duration {
        Duration::from_millis(self.late_ms.load(Ordering::Relaxed))
    }

    /// Says which page of the whole pass under way is to be written next: it goes beyond the bytes that are left, if
    /// need be, since all pages behind it wait for it.
    pub fn set_awaited(&self, ticket: Option<u64>) {
        self.scheduler.change(|schedule| schedule.set_awaited(self.line, ticket));
    }

    /// Waits until a request may be sent, which is then to be sent at once; for a page also until there is room for it.
    ///
    /// # Errors
    ///
    /// [`Stopped`] where the task is to stop before.
    pub async fn acquire(
        &self,
        context: &Context,
        urgency: Urgency,
        page: Option<ExpectedPage>,
    ) -> Result<Permit<'_>, Stopped> {
        let wish = Wish {
            line: self.line,
            urgency,
            is_paced: page.is_some_and(|page| page.is_first_try),
            bytes: page.map_or(0, |page| self.expected(page.items)),
        };
        let under_way = self.scheduler.wait(context, wish).await?;
        if urgency.class == RequestClass::Incremental {
            let late = Instant::now().saturating_duration_since(urgency.deadline);
            self.late_ms.store(late.as_millis().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        let sent = self.change(|state| state.adaptive.sent(Instant::now()));
        Ok(Permit { limiter: self, sent: Some(sent), under_way: Some(under_way) })
    }

    fn expected(&self, items: u32) -> u64 {
        match self.largest.load(Ordering::Relaxed) {
            0 => u64::from(items) * GUESS_PER_ITEM,
            largest => largest,
        }
    }

    /// Changes the state, and with it the terms in the schedule.
    fn change<T>(&self, change: impl FnOnce(&mut LimiterState) -> T) -> T {
        let (before, changed, after) = {
            let mut state = self.state();
            let before = state.terms();
            let changed = change(&mut state);
            (before, changed, state.terms())
        };
        if before != after {
            self.scheduler.change(|schedule| schedule.set_terms(self.line, after));
        }
        changed
    }

    fn state(&self) -> MutexGuard<'_, LimiterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.scheduler.change(|schedule| schedule.remove_line(self.line));
    }
}

/// A request that was let through. Dropped, it says nothing of how the server does.
#[derive(Debug)]
pub struct Permit<'a> {
    limiter: &'a Limiter,
    sent: Option<Sent>,
    under_way: Option<UnderWay>,
}

impl Permit<'_> {
    /// It was answered with this page; returns the bytes that are kept for it, to be dropped with it.
    pub fn answered(mut self, answer: &SearchAnswer) -> Option<PageBytes> {
        if let Some(sent) = self.sent.take() {
            let (now, items) = (Instant::now(), answer.items.len());
            self.limiter.change(|state| state.adaptive.answered(now, sent, items));
        }
        let mut bytes = self.under_way.take()?.take_bytes()?;
        let size = in_memory(answer);
        // Nearly all pages of a list are much alike; one that was large is not remembered for ever.
        let largest = self.limiter.largest.load(Ordering::Relaxed);
        let largest = size.max(largest - largest / FORGOTTEN).max(1);
        self.limiter.largest.store(largest, Ordering::Relaxed);
        bytes.resize(size);
        Some(bytes)
    }

    /// It failed, for want of an answer or with an error of the server.
    pub fn failed(mut self) {
        if let Some(sent) = self.sent.take() {
            self.limiter.change(|state| state.adaptive.failed(Instant::now(), sent));
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.sent.take().is_some() {
            self.limiter.change(|state| state.adaptive.ended());
        }
    }
}

/// What a page takes for as long as any of its items is kept: the answer, which they are views of.
fn in_memory(answer: &SearchAnswer) -> u64 {
    let bytes: usize = answer.items.iter().map(|item| item.bytes.len()).sum();
    let unreadable: usize = answer.unreadable.iter().map(|record| record.bytes.len()).sum();
    let beside = answer.items.len() as u64 * BESIDE_BYTES;
    (bytes + unreadable) as u64 + beside
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
        AutoOr::Auto => AUTO_IN_FLIGHT,
    }
}
