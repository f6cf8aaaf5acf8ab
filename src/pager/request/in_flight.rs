//! The requests of one repository that are in flight, each in a lane of its own.
//!
//! Guarantees: two requests are never closer than the page interval; what an answer teaches (when its
//! request was sent, and its fingerprints) is kept whether or not the pass still wants the answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};

use super::fetch::fetch;
use super::fetcher::Fetcher;
use super::fingerprints::FingerprintCache;
use super::outcome::FetchOutcome;
use crate::client::{Api, Fingerprints, SearchRequest};
use crate::domain::Iteration;
use crate::json::JsonPointer;
use crate::mirror::{KnowledgeUpdate, KnownAnswer};
use crate::pager::joined::joined;
use crate::pager::proof::pass::{Ticket, WindowRequest};
use crate::pager::proof::window::Window;
use crate::pager::rate::Urgency;
use crate::pager::rate::pace::Pace;
use crate::task::{Cancellation, Context, Stopped};

/// The outcome of a request.
pub(crate) struct Answer {
    /// The pass that the request belongs to.
    pub(crate) iteration: Iteration,
    /// Which request of that pass it was.
    pub(crate) ticket: Ticket,
    pub(crate) outcome: FetchOutcome,
}

/// The task of a request: which pass it belongs to, which request of it, and what came of it.
type Flight = (Iteration, WindowRequest, Result<FetchOutcome, Stopped>);

/// What happens to requests.
pub(crate) enum RequestEvent {
    /// One has ended.
    Ended(Result<Flight, JoinError>),
    /// The page interval is over.
    MaySend,
}

/// The requests in flight, those included that a change of plan has made void: their answers may
/// still carry a REST token.
pub(crate) struct InFlight<A> {
    fetcher: Arc<Fetcher<A>>,
    tasks: JoinSet<Flight>,
    /// Ends the waits of the requests.
    cancellation: Cancellation,
    pace: Pace,
    fingerprints: FingerprintCache,
}

impl<A: Api> InFlight<A> {
    /// No request yet; all of them end with this context.
    pub(crate) fn new(fetcher: &Arc<Fetcher<A>>, context: &Context) -> Self {
        Self {
            fetcher: Arc::clone(fetcher),
            tasks: JoinSet::new(),
            cancellation: context.child(),
            pace: Pace::new(fetcher.limiter.interval()),
            fingerprints: FingerprintCache::default(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.tasks.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The least time between two requests.
    pub(crate) fn period(&self) -> Duration {
        self.pace.period()
    }

    /// Another least time between two requests.
    pub(crate) fn set_period(&mut self, period: Duration) {
        self.pace.set(period);
    }

    /// What the answer to this window was like the last time.
    pub(crate) fn known(&self, window: Window) -> Option<Arc<Fingerprints>> {
        self.fingerprints.of(window)
    }

    /// Sends a request.
    pub(crate) fn send(
        &mut self,
        context: &Context,
        iteration: Iteration,
        planned: WindowRequest,
        request: SearchRequest,
        urgency: Urgency,
    ) {
        let fetcher = Arc::clone(&self.fetcher);
        let context = context.lane_in(&self.cancellation);
        self.tasks.spawn(async move {
            (iteration, planned, fetch(&fetcher, &request, urgency, &context).await)
        });
    }

    /// The next event; for ever none where nothing is in flight and nothing may be sent. Can be
    /// dropped and called anew.
    pub(crate) async fn event(&mut self, may_send: bool) -> RequestEvent {
        tokio::select! {
            biased;
            Some(ended) = self.tasks.join_next() => RequestEvent::Ended(ended),
            () = self.pace.tick(), if may_send => RequestEvent::MaySend,
            else => std::future::pending().await,
        }
    }

    /// Takes note of a request that has ended; `None` where it was cancelled.
    pub(crate) fn landed(&mut self, ended: Result<Flight, JoinError>) -> Option<Answer> {
        let (iteration, WindowRequest { ticket, window }, outcome) = joined(ended)?;
        let mut outcome = outcome.ok()?;
        self.pace.sent(outcome.begun());
        if let FetchOutcome::Answered(fetched) = &mut outcome
            && let Some(fingerprints) = fetched.answer.fingerprints.take()
        {
            self.fingerprints.keep(window, fingerprints, iteration);
        }
        Some(Answer { iteration, ticket, outcome })
    }

    /// Ends every wait of the requests in flight. One that fails again and again, because of the
    /// settings that it was made with, would otherwise hold the place of those that replace it.
    pub(crate) fn cancel(&mut self, context: &Context) {
        self.cancellation = context.child();
    }

    /// Takes up what an earlier process has learnt of answers.
    pub(crate) fn restore(
        &mut self,
        answers: Vec<KnownAnswer>,
        pointer: &JsonPointer,
        iteration: Iteration,
    ) {
        self.fingerprints.restore(answers, pointer, iteration);
    }

    /// Makes room for the fingerprints of the next pass; what the mirror is to be told, in parts.
    pub(crate) fn end_pass(&mut self, iteration: Iteration) -> Vec<KnowledgeUpdate> {
        self.fingerprints.end_pass(iteration)
    }
}
