//! A bound on requests a second.
//!
//! Guarantees: two requests are never closer than the bound says, also where it changes meanwhile:
//! in any second there are at most as many as it allows, and one. The request that waits longest goes first. What
//! is not made use of is not saved up.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until};

use crate::config::Rate;
use crate::task::{Context, Stopped, Until};

/// The bound, shared by all whom it is for.
#[derive(Debug)]
pub struct RateLimit {
    /// The least time between two requests.
    least: watch::Sender<Option<Duration>>,
    /// The request that has it waits for the next moment; the others stand in line.
    turn: Semaphore,
    /// How many stand in line or wait.
    waiting: AtomicU32,
    /// When the latest request was let through. A plain mutex: held for a few instructions.
    last: Mutex<Option<Instant>>,
}

impl RateLimit {
    /// A bound, or none.
    pub fn new(rate: Option<Rate>) -> Self {
        Self {
            least: watch::Sender::new(rate.map(Rate::interval)),
            turn: Semaphore::new(1),
            waiting: AtomicU32::new(0),
            last: Mutex::new(None),
        }
    }

    /// Another bound, counted from the latest request.
    pub fn set(&self, rate: Option<Rate>) {
        let least = rate.map(Rate::interval);
        self.least.send_if_modified(|old| std::mem::replace(old, least) != least);
    }

    /// Waits until a request may be sent, and takes it for sent.
    ///
    /// # Errors
    ///
    /// [`Stopped`] where the task is to stop before.
    pub async fn acquire(&self, context: &Context) -> Result<(), Stopped> {
        let _in_line = InLine::enter(&self.waiting);
        let mut least = self.least.subscribe();
        let _turn = loop {
            let all = self.waiting.load(Ordering::Relaxed);
            let limit = Until::Within(least.borrow_and_update().unwrap_or_default() * all);
            let turn = async {
                tokio::select! {
                    biased;
                    turn = self.turn.acquire() => Some(turn),
                    // To say anew how long it may take.
                    Ok(()) = least.changed() => None,
                }
            };
            if let Some(turn) = context.run(limit, turn).await? {
                break turn;
            }
        };
        self.due(context).await?;
        self.sent();
        Ok(())
    }

    /// Waits until a request may be sent; one at a time may wait so.
    ///
    /// # Errors
    ///
    /// [`Stopped`] where the task is to stop before.
    pub(super) async fn due(&self, context: &Context) -> Result<(), Stopped> {
        let mut least = self.least.subscribe();
        loop {
            let Some(between) = *least.borrow_and_update() else { return Ok(()) };
            let Some(due) = self.last().map(|last| last + between) else { return Ok(()) };
            if due <= Instant::now() {
                return Ok(());
            }
            let changed = async {
                tokio::select! {
                    () = sleep_until(due) => {}
                    Ok(()) = least.changed() => {}
                }
            };
            context.run(Until::Within(between), changed).await?;
        }
    }

    /// A request is sent.
    pub(super) fn sent(&self) {
        *self.last() = Some(Instant::now());
    }

    fn last(&self) -> MutexGuard<'_, Option<Instant>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request that waits, for as long as this lives.
struct InLine<'a>(&'a AtomicU32);

impl<'a> InLine<'a> {
    fn enter(waiting: &'a AtomicU32) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
