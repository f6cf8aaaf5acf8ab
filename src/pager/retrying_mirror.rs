//! The mirror as a pager uses it: every call is made until it succeeds.
//!
//! Guarantees: a call that fails is made again by the one policy of trying again, and told of like
//! any outage, first aloud and then ever more rarely; a wish to stop ends the waits between two
//! calls, but no call; each wait says how long it may take. A mirror that no other try can help is
//! told of to the supervisor, which ends everything; one that takes nothing under this lease any more,
//! too: it ends this pager.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::task::LostLease;
use crate::domain::{IdSet, ItemId, Iteration, RepositoryId};
use crate::mirror::{
    ChangeCounts, DroppedChanges, EndOfPass, FeedHolds, IncrementalPage, Knowledge,
    KnowledgeUpdate, Lease, Mirror, MirrorError, PageOfItems, RepositoryWriter, ResumePoint,
    UnseenItems,
};
use crate::model::RepositoryModel;
use crate::progress::Progress;
use crate::progress::problems::{ProblemReport, Scope, Source};
use crate::task::clock::Chance;
use crate::task::retry::Retry;
use crate::task::{Backoff, Context, Retries, Stopped, Until};
use crate::telemetry::event::{self, Chain, RequestFailed};

/// How long one call may take. The disk may be slow, other programs may use the database, and the
/// pages of other repositories come first; beyond this a start from the beginning is worth a try.
const CALL_WITHIN: Duration = Duration::from_secs(5 * 60);

/// The mirror of one repository.
#[derive(Debug)]
pub(super) struct RetryingMirror<M> {
    pub(super) mirror: Arc<M>,
    pub(super) writer: Arc<dyn RepositoryWriter>,
    pub(super) lease: Lease,
    pub(super) lost_leases: Option<mpsc::UnboundedSender<LostLease>>,
    pub(super) repository: RepositoryId,
    pub(super) progress: Arc<Progress>,
    pub(super) chance: Arc<Chance>,
}

impl<M: Mirror> RetryingMirror<M> {
    pub(super) async fn load(&self, context: &Context) -> Result<ResumePoint, Stopped> {
        self.until_done(context, || self.writer.load()).await
    }

    /// What is known of the repository's attributes.
    pub(super) async fn model(&self, context: &Context) -> Result<RepositoryModel, Stopped> {
        let kept = self.until_done(context, || self.mirror.saved_model(self.repository)).await?;
        Ok(kept.map(|kept| kept.model).unwrap_or_default())
    }

    pub(super) async fn begin_pass(
        &self,
        context: &Context,
        iteration: Iteration,
        ts_ms: i64,
    ) -> Result<(), Stopped> {
        self.until_done(context, || self.writer.begin_pass(iteration, ts_ms)).await
    }

    pub(super) async fn write_page(
        &self,
        context: &Context,
        page: Arc<PageOfItems>,
    ) -> Result<ChangeCounts, Stopped> {
        self.until_done(context, || self.writer.write_page(Arc::clone(&page))).await
    }

    #[expect(dead_code, reason = "the incremental passes to come call it")]
    pub(super) async fn write_incremental(
        &self,
        context: &Context,
        page: Arc<IncrementalPage>,
    ) -> Result<ChangeCounts, Stopped> {
        self.until_done(context, || self.writer.write_incremental(Arc::clone(&page))).await
    }

    pub(super) async fn suspects(&self, context: &Context) -> Result<UnseenItems, Stopped> {
        self.until_done(context, || self.writer.suspects()).await
    }

    pub(super) async fn unseen(
        &self,
        context: &Context,
        seen: &Arc<IdSet>,
        after: Option<&ItemId>,
        limit: usize,
    ) -> Result<Vec<ItemId>, Stopped> {
        let call = || self.writer.unseen(Arc::clone(seen), after.cloned(), limit);
        self.until_done(context, call).await
    }

    pub(super) async fn delete(
        &self,
        context: &Context,
        iteration: Iteration,
        ts_ms: i64,
        items: Vec<ItemId>,
    ) -> Result<u64, Stopped> {
        if items.is_empty() {
            return Ok(0);
        }
        let call = || self.writer.delete(iteration, ts_ms, items.clone());
        self.until_done(context, call).await
    }

    pub(super) async fn end_pass(
        &self,
        context: &Context,
        end: &EndOfPass,
    ) -> Result<ChangeCounts, Stopped> {
        self.until_done(context, || self.writer.end_pass(end.clone())).await
    }

    pub(super) async fn any_approved(&self, context: &Context) -> Result<bool, Stopped> {
        self.until_done(context, || self.writer.any_approved()).await
    }

    pub(super) async fn knowledge(&self, context: &Context) -> Result<Knowledge, Stopped> {
        self.until_done(context, || self.writer.knowledge()).await
    }

    pub(super) async fn keep_knowledge(
        &self,
        context: &Context,
        update: KnowledgeUpdate,
    ) -> Result<(), Stopped> {
        let update = Arc::new(update);
        self.until_done(context, || self.writer.keep_knowledge(Arc::clone(&update))).await
    }

    pub(super) async fn used_bytes(&self, context: &Context) -> Result<u64, Stopped> {
        self.until_done(context, || self.mirror.used_bytes()).await
    }

    pub(super) async fn drop_changes(
        &self,
        context: &Context,
        now_ms: i64,
        keep: Duration,
        holds: &FeedHolds,
    ) -> Result<DroppedChanges, Stopped> {
        self.until_done(context, || self.mirror.drop_changes(now_ms, keep, holds)).await
    }

    async fn until_done<T, F>(&self, context: &Context, call: impl Fn() -> F) -> Result<T, Stopped>
    where
        F: Future<Output = Result<T, MirrorError>>,
    {
        let mut retries = Retries::new(Backoff::REQUESTS);
        loop {
            match context.wait(Until::Within(CALL_WITHIN), call()).await {
                Ok(done) => {
                    self.progress.problems.over(self.source());
                    if let Some(ended) = retries.succeeded(Instant::now()) {
                        let repository = Some(self.repository);
                        event::reconnected(repository, "mirror", ended.duration, ended.failures);
                    }
                    return Ok(done);
                }
                Err(error) if error.ends_writer() => {
                    // The supervisor ends this pager, and another one loads what there is.
                    if !error.is_fenced() {
                        let retry = retries.failed(Instant::now(), self.chance.fraction(), None);
                        self.report(&error, retry);
                    }
                    let generation = self.lease.generation;
                    let lost = LostLease { repository: self.repository, generation };
                    // Where nobody hears it, the daemon ends anyway.
                    let _heard = self.lost_leases.as_ref().map(|it| it.send(lost));
                    context.wait(Until::Within(CALL_WITHIN), context.stopped()).await;
                    return Err(Stopped);
                }
                Err(error) if error.is_final() => {
                    self.progress.lose_mirror(|| format!("{error}; {}", error.remedy()));
                    context.wait(Until::Within(CALL_WITHIN), context.stopped()).await;
                    return Err(Stopped);
                }
                Err(error) => {
                    let retry = retries.failed(Instant::now(), self.chance.fraction(), None);
                    self.report(&error, retry);
                    context.sleep(retry.delay).await?;
                }
            }
        }
    }

    /// The place of a problem with these calls.
    fn source(&self) -> Source {
        Source { scope: Scope::Mirror, repository: Some(self.repository), what: "mirror" }
    }

    fn report(&self, error: &MirrorError, retry: Retry) {
        let failure = RequestFailed {
            repository: Some(self.repository),
            endpoint: "mirror",
            attempt: retry.attempt,
            retry_in: retry.delay,
            error,
            answer: None,
            remedy: Some(error.remedy()),
        };
        let report = ProblemReport {
            error: Chain(error).to_string(),
            remedy: error.remedy().to_owned(),
            retry_in: Some(retry.delay),
            halts: true,
        };
        self.progress.problems.failed(self.source(), report);
        if retry.is_told {
            event::request_failed_for_good(&failure);
        } else {
            event::request_failed_again(&failure);
        }
    }
}
