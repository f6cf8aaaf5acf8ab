//! Where the requests of all repositories wait for their turn.
//!
//! Guarantees: what [`Schedule`] says, at the moment at which it says so. One of those who wait keeps the
//! time for all of them, so that a thousand repositories cost no more than one; and each looks by itself once
//! in [`LOOKS_EVERY`], which is a sign of life as well.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit, oneshot};
use tokio::time::{Instant, sleep};

use super::schedule::{Bound, Granted, Held, LineId, Schedule, Terms, WaitingId, Wish};
use super::urgency::Urgency;
use crate::config::SharedBudget;
use crate::task::context::at;
use crate::task::{Context, Stopped, Until};

/// How often each request that waits looks by itself whether it may go.
const LOOKS_EVERY: Duration = Duration::from_secs(60);

/// The terms of questions that are of no repository.
const QUESTIONS: Terms =
    Terms { least: None, page_interval: Duration::ZERO, most: u32::MAX, is_default: true };

/// The schedule of all requests of the process.
#[derive(Debug)]
pub struct Scheduler {
    /// A plain mutex: held for a few instructions, never across an await.
    state: Mutex<ScheduleState>,
    /// The request that has it keeps the time for all.
    timer: Semaphore,
    /// Tells that one that it is due at another moment.
    changed: Notify,
    /// The line of what is asked beside pages and items.
    questions: LineId,
}

#[derive(Debug)]
struct ScheduleState {
    schedule: Schedule,
    /// Whom to tell that a request is let through.
    told: HashMap<WaitingId, oneshot::Sender<Held>>,
    due: Option<Instant>,
}

impl Scheduler {
    /// A schedule of nothing, by what is set for all repositories together: a budget of requests, where there
    /// is one, and how many bytes of pages may be in hand.
    pub fn new(budget: Option<SharedBudget>, page_memory: u64) -> Self {
        let mut schedule = Schedule::new(bound(budget), page_memory);
        let questions = schedule.add_line(QUESTIONS);
        Self {
            state: Mutex::new(ScheduleState { schedule, told: HashMap::new(), due: None }),
            timer: Semaphore::new(1),
            changed: Notify::new(),
            questions,
        }
    }

    /// Other settings, counted from the latest request.
    pub fn set(&self, budget: Option<SharedBudget>, page_memory: u64) {
        self.change(|schedule| {
            schedule.set_bound(bound(budget));
            schedule.set_most_bytes(page_memory);
        });
    }

    /// Waits until a question may be sent that is of no repository, and takes it for sent.
    ///
    /// # Errors
    ///
    /// [`Stopped`] where the task is to stop before.
    pub async fn ask(self: &Arc<Self>, context: &Context) -> Result<(), Stopped> {
        let urgency = Urgency::question(Instant::now());
        let wish = Wish { line: self.questions, urgency, is_paced: false, bytes: 0 };
        // Nobody counts how many of them are under way.
        self.wait(context, wish).await.map(drop)
    }

    /// Waits until a request may be sent, which is then to be sent at once; it is under way until what comes back
    /// is dropped.
    pub(super) async fn wait(
        self: &Arc<Self>,
        context: &Context,
        wish: Wish,
    ) -> Result<UnderWay, Stopped> {
        context.check()?;
        let mut waiting = self.enter(wish);
        let mut timer: Option<SemaphorePermit<'_>> = None;
        let held = loop {
            let due = self.pump();
            let event = async {
                tokio::select! {
                    biased;
                    held = &mut waiting.told => WaitEvent::LetThrough(held.ok()),
                    permit = self.timer.acquire(), if timer.is_none() => WaitEvent::Timer(permit.ok()),
                    () = at(due), if timer.is_some() => WaitEvent::Look,
                    () = self.changed.notified(), if timer.is_some() => WaitEvent::Look,
                    () = sleep(LOOKS_EVERY) => WaitEvent::Look,
                }
            };
            match context.run(Until::Within(LOOKS_EVERY), event).await? {
                WaitEvent::LetThrough(held) => break held,
                WaitEvent::Timer(permit) => timer = permit,
                WaitEvent::Look => {}
            }
        };
        Ok(waiting.let_through(held))
    }

    /// Changes the schedule, and lets through what may go by what holds now.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Schedule) -> T) -> T {
        let changed = change(&mut self.state().schedule);
        self.pump();
        changed
    }

    /// Reads the schedule, or changes what lets nobody through.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut Schedule) -> T) -> T {
        look(&mut self.state().schedule)
    }

    fn enter(self: &Arc<Self>, wish: Wish) -> Queued {
        let mut state = self.state();
        let (tell, told) = oneshot::channel();
        let id = state.schedule.enter(Instant::now(), wish);
        state.told.insert(id, tell);
        Queued { scheduler: Arc::clone(self), line: wish.line, id: Some(id), told }
    }

    /// Lets through what may go; returns when the next may, where that is a matter of time alone.
    fn pump(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut state = self.state();
        while let Some(Granted { id, held }) = state.schedule.grant(now) {
            // What waits no longer has left before.
            if let Some(told) = state.told.remove(&id)
                && let Err(held) = told.send(held)
            {
                state.schedule.give_back(held);
            }
        }
        let due = state.schedule.due(now);
        if std::mem::replace(&mut state.due, due) != due {
            self.changed.notify_one();
        }
        due
    }

    fn state(&self) -> MutexGuard<'_, ScheduleState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What happens to a request that waits.
enum WaitEvent<'a> {
    LetThrough(Option<Held>),
    /// It keeps the time from now on.
    Timer(Option<SemaphorePermit<'a>>),
    Look,
}

/// A request that waits. Dropped, it waits no longer.
struct Queued {
    scheduler: Arc<Scheduler>,
    line: LineId,
    id: Option<WaitingId>,
    told: oneshot::Receiver<Held>,
}

impl Queued {
    fn let_through(mut self, held: Option<Held>) -> UnderWay {
        self.id = None;
        let scheduler = Arc::clone(&self.scheduler);
        let bytes = held.map(|held| PageBytes { scheduler: Arc::clone(&scheduler), held });
        UnderWay { scheduler, line: self.line, bytes }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let mut state = self.scheduler.state();
        let is_granted = state.told.remove(&id).is_none();
        if !state.schedule.leave(id) && is_granted {
            // It was let through at the moment at which it was given up.
            state.schedule.ended(self.line);
            if let Ok(held) = self.told.try_recv() {
                state.schedule.give_back(held);
            }
        }
        drop(state);
        self.scheduler.pump();
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    scheduler: Arc<Scheduler>,
    line: LineId,
    bytes: Option<PageBytes>,
}

impl UnderWay {
    /// What is kept for its answer, which outlives the request.
    pub(super) fn take_bytes(&mut self) -> Option<PageBytes> {
        self.bytes.take()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.scheduler.change(|schedule| schedule.ended(self.line));
    }
}

/// The bytes that a page takes for as long as it is in hand. Dropped, they are free for others.
#[derive(Debug)]
pub struct PageBytes {
    scheduler: Arc<Scheduler>,
    held: Held,
}

impl PageBytes {
    /// The page takes so many.
    pub(super) fn resize(&mut self, bytes: u64) {
        let held = &mut self.held;
        self.scheduler.change(|schedule| schedule.resize(held, bytes));
    }
}

impl Drop for PageBytes {
    fn drop(&mut self) {
        let held = self.held;
        self.scheduler.change(|schedule| schedule.give_back(held));
    }
}

fn bound(budget: Option<SharedBudget>) -> Bound {
    budget.map_or_else(Bound::default, |budget| Bound {
        least: Some(budget.rate.interval()),
        is_for_all: budget.is_for_all,
    })
}
