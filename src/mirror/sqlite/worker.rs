//! A thread that alone has a connection, and the short queue of calls to it.
//!
//! Calls come one after the other, so no async thread ever waits for the disk. A call whose caller is
//! gone before its turn is not made. What goes wrong in a call, a panic too, is reported to its
//! caller, and the thread goes on.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::thread::{Builder, JoinHandle};

use tokio::sync::{mpsc, oneshot};

/// Calls that may wait for their turn; more wait outside. Each pager has one at a time.
const QUEUE: usize = 16;

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkerError {
    /// The thread has ended.
    #[error("the mirror is closed")]
    Closed,
    /// The call panicked.
    #[error("the call panicked: {0}")]
    Panicked(String),
}

/// The thread. It ends, and its state is dropped, once nobody can call it any more.
pub(super) struct Worker<S> {
    /// `None` only while it is dropped.
    jobs: Option<mpsc::Sender<Job<S>>>,
    /// The thread, where its end is waited for.
    thread: Option<JoinHandle<()>>,
}

impl<S: Send + 'static> Worker<S> {
    /// Starts a thread of this name. The drop of the worker waits until its state is dropped.
    ///
    /// # Errors
    ///
    /// No thread can be started.
    pub(super) fn start(name: &str, state: S) -> io::Result<Self> {
        let (jobs, mut queue) = mpsc::channel::<Job<S>>(QUEUE);
        let mut state = state;
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            while let Some(job) = queue.blocking_recv() {
                job(&mut state);
            }
        })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// The same, where nobody waits for its end: what it reads may hang for ever.
    ///
    /// # Errors
    ///
    /// No thread can be started.
    pub(super) fn start_detached(name: &str, state: S) -> io::Result<Self> {
        let mut worker = Self::start(name, state)?;
        worker.thread = None;
        Ok(worker)
    }

    /// Has the thread do something, and waits for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Result<T, WorkerError> {
        let (reply, answer) = oneshot::channel();
        let job = move |state: &mut S| {
            if reply.is_closed() {
                return;
            }
            // A transaction that unwinds is rolled back, and nothing else outlives a job.
            let result = panic::catch_unwind(AssertUnwindSafe(|| job(state)))
                .map_err(|panic| WorkerError::Panicked(words(&*panic)));
            // The caller may have gone meanwhile.
            reply.send(result).ok();
        };
        let jobs = self.jobs.as_ref().ok_or(WorkerError::Closed)?;
        jobs.send(Box::new(job)).await.map_err(|_| WorkerError::Closed)?;
        answer.await.map_err(|_| WorkerError::Closed)?
    }
}

impl<S> Drop for Worker<S> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // Its jobs catch their panics, so there is nothing to learn from it.
            thread.join().ok();
        }
    }
}

impl<S> fmt::Debug for Worker<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Worker").finish_non_exhaustive()
    }
}

/// What a panic said; a composed message may hold anything, parts of items too, and the log has the
/// place.
fn words(panic: &(dyn Any + Send)) -> String {
    panic.downcast_ref::<&str>().copied().unwrap_or_default().to_owned()
}
