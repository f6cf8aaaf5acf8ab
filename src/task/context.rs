//! What a task carries: whether it is to stop, and what it says of its waits.
//!
//! A task waits with the methods of its [`Context`] and with nothing else, so that each wait ends
//! when the task is told to stop, and is seen from outside with the time that it may take (see
//! [`super::heartbeat`]). The owner of the task keeps its [`Cancellation`]; to drop that is to
//! stop the task, because nobody is left to stop it later. Cancellations nest: one that is made
//! below another one ends with it, and ends nothing but what is below itself.
//!
//! A wish to stop never cuts short what must be finished, such as a page that is being written:
//! that is awaited with [`Context::wait`].

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch::error::RecvError;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::heartbeat::{Heartbeat, Lane, Until};

/// The error of a wait that ended because the task is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task was told to stop")]
pub struct Stopped;

/// A channel that has lost its sender belongs to an owner that is gone, and with it the one that
/// would stop the task.
impl From<RecvError> for Stopped {
    fn from(_: RecvError) -> Self {
        Self
    }
}

/// Stops tasks, or a part of one: explicitly, or by being dropped.
#[derive(Debug)]
pub struct Cancellation(DropGuard);

impl Cancellation {
    /// One that nothing is above.
    pub fn new() -> Self {
        Self::of(CancellationToken::new())
    }

    /// One that ends with this one, or before it.
    #[must_use]
    pub fn child(&self) -> Self {
        Self::of(self.0.token().child_token())
    }

    /// The context of a task that begins now, with its first lane.
    pub fn task(&self) -> Context {
        Context { cancelled: self.0.token().clone(), lane: Lane::new() }
    }

    /// Stops every task that has a context of this cancellation or of one below it. Once is enough, and
    /// twice is no fault.
    pub fn cancel(&self) {
        self.0.token().cancel();
    }

    fn of(token: CancellationToken) -> Self {
        Self(token.drop_guard())
    }
}

impl Default for Cancellation {
    fn default() -> Self {
        Self::new()
    }
}

/// What one lane of a task carries. The lane is over when this is dropped.
#[derive(Debug)]
pub struct Context {
    cancelled: CancellationToken,
    lane: Lane,
}

impl Context {
    /// Another lane of the same task, which begins now and stops with this one.
    #[must_use]
    pub fn lane(&self) -> Self {
        Self { cancelled: self.cancelled.clone(), lane: self.lane.another() }
    }

    /// Another lane of the same task, which begins now and stops with `cancellation`, which
    /// [`Context::child`] has made.
    #[must_use]
    pub fn lane_in(&self, cancellation: &Cancellation) -> Self {
        Self { cancelled: cancellation.0.token().clone(), lane: self.lane.another() }
    }

    /// A cancellation for a part of this task: it ends with the task, or before it.
    pub fn child(&self) -> Cancellation {
        Cancellation::of(self.cancelled.child_token())
    }

    /// Looks at the whole task from outside.
    pub fn heartbeat(&self) -> Heartbeat {
        self.lane.heartbeat()
    }

    /// Whether the task is to stop.
    pub fn is_stopped(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Ends a loop that does not wait once the task is to stop.
    ///
    /// # Errors
    ///
    /// [`Stopped`] once the task is to stop.
    pub fn check(&self) -> Result<(), Stopped> {
        if self.is_stopped() { Err(Stopped) } else { Ok(()) }
    }

    /// Waits until the task is to stop. It says nothing of how long that may take: inside of a
    /// `select!` the whole of which is waited for with [`Context::wait`]. Can be dropped and called
    /// anew.
    pub async fn stopped(&self) {
        self.cancelled.cancelled().await;
    }

    /// Waits for `future`, which may take until `limit`, or until the task is to stop. A task that
    /// is to stop already does not begin the wait. `limit` ends no wait: it says how long nobody
    /// need worry.
    ///
    /// # Errors
    ///
    /// [`Stopped`] where the task is to stop first; `future` has been dropped then.
    pub async fn run<F: Future>(&self, limit: Until, future: F) -> Result<F::Output, Stopped> {
        let until_stopped = async {
            tokio::select! {
                biased;
                () = self.cancelled.cancelled() => Err(Stopped),
                output = future => Ok(output),
            }
        };
        self.lane.wait(limit, until_stopped).await
    }

    /// Waits for `future`, which may take until `limit`, also while the task is to stop.
    pub async fn wait<F: Future>(&self, limit: Until, future: F) -> F::Output {
        self.lane.wait(limit, future).await
    }

    /// Waits for so long.
    ///
    /// # Errors
    ///
    /// [`Stopped`] where the task is to stop first: at once.
    pub async fn sleep(&self, duration: Duration) -> Result<(), Stopped> {
        self.run(Until::Within(duration), tokio::time::sleep(duration)).await
    }

    /// Waits for this moment.
    ///
    /// # Errors
    ///
    /// [`Stopped`] where the task is to stop first: at once.
    #[cfg(test)]
    pub async fn sleep_until(&self, moment: Instant) -> Result<(), Stopped> {
        let limit = Until::Within(moment.saturating_duration_since(Instant::now()));
        self.run(limit, tokio::time::sleep_until(moment)).await
    }
}

/// Waits for this moment; for ever where there is none. A branch of a `select!`, which says how
/// long the whole of it may take.
pub async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::super::heartbeat::LaneState;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn states(context: &Context) -> Vec<LaneState> {
        context.heartbeat().lanes().lanes
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_to_stop_ends_a_sleep_at_once_and_every_later_one() {
        let cancellation = Cancellation::new();
        let context = cancellation.task();
        let begun = Instant::now();
        assert_eq!(context.sleep(SECOND).await, Ok(()));
        assert_eq!((context.check(), begun.elapsed()), (Ok(()), SECOND));
        let stop = async {
            tokio::time::sleep(SECOND).await;
            cancellation.cancel();
        };
        let (slept, ()) = tokio::join!(context.sleep(600 * SECOND), stop);
        assert_eq!((slept, begun.elapsed()), (Err(Stopped), 2 * SECOND));
        assert_eq!(context.sleep_until(begun + 600 * SECOND).await, Err(Stopped));
        context.stopped().await;
        assert!(context.is_stopped() && context.check() == Err(Stopped));
        assert_eq!(begun.elapsed(), 2 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_nobody_is_left_to_stop_is_stopped() {
        let cancellation = Cancellation::new();
        let context = cancellation.task();
        drop(cancellation);
        assert_eq!(context.run(Until::Session, pending::<()>()).await, Err(Stopped));
        assert!(context.is_stopped(), "a loop that asks after it has waited would never end");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_is_to_stop_begins_nothing_that_may_be_cut_short() {
        let cancellation = Cancellation::new();
        let context = cancellation.task();
        cancellation.cancel();
        let ready = std::future::ready(1);
        assert_eq!(context.run(Until::AT_ONCE, ready).await, Err(Stopped));
        assert_eq!(context.wait(Until::AT_ONCE, std::future::ready(2)).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn cancellations_nest_downwards_only() {
        let all = Cancellation::new();
        let (one, other) = (all.child(), all.child());
        let (first, second) = (one.task(), other.task());
        let part = first.child();
        let request = first.lane_in(&part);
        assert_eq!(states(&first).len(), 2, "two lanes of one task");
        drop(part);
        assert!(request.is_stopped() && !first.is_stopped());
        let part = first.child();
        let request = first.lane_in(&part);
        one.cancel();
        assert!(request.is_stopped() && first.is_stopped() && !second.is_stopped());
        all.cancel();
        assert!(second.is_stopped() && second.lane().is_stopped());
        assert!(all.child().task().is_stopped(), "one that begins too late ran on");
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_is_seen_with_its_limit_for_as_long_as_it_lasts() {
        let cancellation = Cancellation::new();
        let context = cancellation.task();
        let working = |at| vec![LaneState { at, until: Until::AT_ONCE }];
        let waiting = |at, until| vec![LaneState { at, until }];
        let begun = Instant::now();
        let look = async {
            tokio::time::sleep(SECOND).await;
            states(&context)
        };
        let (slept, seen) = tokio::join!(context.sleep(3 * SECOND), look);
        assert_eq!((slept, seen), (Ok(()), waiting(begun, Until::Within(3 * SECOND))));
        let now = Instant::now();
        assert_eq!(states(&context), working(now));
        let stop = async {
            tokio::time::sleep(SECOND).await;
            let seen = states(&context);
            cancellation.cancel();
            seen
        };
        let (ended, seen) = tokio::join!(context.run(Until::Session, pending::<()>()), stop);
        assert_eq!((ended, seen), (Err(Stopped), waiting(now, Until::Session)));
        assert_eq!(states(&context), working(now + SECOND));
    }
}
