//! The mirror as a pager uses it: every call is made until it succeeds.
//!
//! Guarantees: a call that fails is made again with growing delays and told of like any outage,
//! first aloud and then ever more rarely; a wish to stop ends the waits, and then the answer is
//! `None`; each wait says how long it may take. A mirror that no other try can help is told of to
//! the supervisor, who ends everything.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::domain::{IdSet, ItemId, Iteration, RepositoryId};
use crate::mirror::{
    ChangeCounts, EndOfPass, Mirror, MirrorError, PageOfItems, ResumePoint, Suspects,
};
use crate::progress::Progress;
use crate::progress::problems::{ProblemReport, Scope, Source};
use crate::task::clock::Chance;
use crate::task::heartbeat::{Lane, Until};
use crate::task::retry::Backoff;
use crate::task::{Outage, Stop};
use crate::telemetry::event::{self, Chain, RequestFailed};

/// How long one call may take. The disk may be slow, other programs may use it, and the pages of
/// other repositories come first; beyond this a start from the beginning is worth a try.
const CALL_WITHIN: Duration = Duration::from_secs(5 * 60);

/// The mirror of one repository.
#[derive(Debug)]
pub(super) struct RetryingMirror<M> {
    pub(super) mirror: Arc<M>,
    pub(super) repository: RepositoryId,
    pub(super) progress: Arc<Progress>,
    pub(super) chance: Arc<Chance>,
    pub(super) stop: Stop,
    /// The lane that makes the calls.
    pub(super) lane: Arc<Lane>,
}

impl<M: Mirror> RetryingMirror<M> {
    /// The same for another lane, which begins now.
    pub(super) fn beside(&self) -> Self {
        Self {
            mirror: Arc::clone(&self.mirror),
            repository: self.repository,
            progress: Arc::clone(&self.progress),
            chance: Arc::clone(&self.chance),
            stop: self.stop.clone(),
            lane: Arc::new(self.lane.another()),
        }
    }

    pub(super) async fn load(&self) -> Option<ResumePoint> {
        self.until_done(|| self.mirror.load(self.repository)).await
    }

    pub(super) async fn begin_pass(&self, iteration: Iteration, ts_ms: i64) -> Option<()> {
        self.until_done(|| self.mirror.begin_pass(self.repository, iteration, ts_ms)).await
    }

    pub(super) async fn write_page(&self, page: Arc<PageOfItems>) -> Option<ChangeCounts> {
        self.until_done(|| self.mirror.write_page(Arc::clone(&page))).await
    }

    pub(super) async fn suspects(&self) -> Option<Suspects> {
        self.until_done(|| self.mirror.suspects(self.repository)).await
    }

    pub(super) async fn unseen(
        &self,
        seen: &Arc<IdSet>,
        after: Option<&ItemId>,
        limit: usize,
    ) -> Option<Vec<ItemId>> {
        let call = || self.mirror.unseen(self.repository, Arc::clone(seen), after.cloned(), limit);
        self.until_done(call).await
    }

    pub(super) async fn delete(
        &self,
        iteration: Iteration,
        ts_ms: i64,
        items: Vec<ItemId>,
    ) -> Option<u64> {
        if items.is_empty() {
            return Some(0);
        }
        let call = || self.mirror.delete(self.repository, iteration, ts_ms, items.clone());
        self.until_done(call).await
    }

    pub(super) async fn end_pass(&self, end: &EndOfPass) -> Option<ChangeCounts> {
        self.until_done(|| self.mirror.end_pass(end.clone())).await
    }

    pub(super) async fn approved(&self) -> Option<bool> {
        self.until_done(|| self.mirror.approved(self.repository)).await
    }

    pub(super) async fn drop_changes(&self, now_ms: i64, keep: Duration) -> Option<bool> {
        self.until_done(|| self.mirror.drop_changes(now_ms, keep)).await
    }

    async fn until_done<T, F>(&self, call: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, MirrorError>>,
    {
        let (mut attempt, mut outage) = (0, Outage::default());
        loop {
            match self.lane.wait(Until::Within(CALL_WITHIN), call()).await {
                Ok(done) => {
                    self.progress.problems.over(self.source());
                    if let Some(ended) = outage.succeeded(Instant::now()) {
                        let repository = Some(self.repository);
                        event::reconnected(repository, "mirror", ended.duration, ended.failures);
                    }
                    return Some(done);
                }
                Err(error) if error.is_final() => {
                    self.progress.lose_mirror(|| format!("{error}; {}", error.remedy()));
                    let mut stop = self.stop.clone();
                    self.lane.wait(Until::Within(CALL_WITHIN), stop.requested()).await;
                    return None;
                }
                Err(error) => {
                    attempt += 1;
                    let delay = self.delay_after(&error, attempt, &mut outage);
                    let mut stop = self.stop.clone();
                    tokio::select! {
                        () = stop.requested() => return None,
                        () = sleep(delay) => {}
                        never = self.lane.waits(Until::Within(delay)) => match never {},
                    }
                }
            }
        }
    }

    /// The place of a problem with these calls.
    fn source(&self) -> Source {
        Source { scope: Scope::Mirror, repository: Some(self.repository), what: "mirror" }
    }

    /// Tells of a failure; returns how long to wait.
    fn delay_after(&self, error: &MirrorError, attempt: u32, outage: &mut Outage) -> Duration {
        let retry_in = Backoff::REQUESTS.delay(attempt, self.chance.fraction(), None);
        let failure = RequestFailed {
            repository: Some(self.repository),
            endpoint: "mirror",
            attempt,
            retry_in,
            error,
            answer: None,
            remedy: Some(error.remedy()),
        };
        let report = ProblemReport {
            error: Chain(error).to_string(),
            remedy: error.remedy().to_owned(),
            retry_in: Some(retry_in),
            halts: true,
        };
        self.progress.problems.failed(self.source(), report);
        if outage.failed(Instant::now()) {
            event::request_failed_for_good(&failure);
        } else {
            event::request_failed_again(&failure);
        }
        retry_in
    }
}
