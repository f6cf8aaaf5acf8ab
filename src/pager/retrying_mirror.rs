//! The mirror as a pager uses it: every call is made until it succeeds.
//!
//! Guarantees: a call that fails is made again by the one policy of trying again, and told of like
//! any outage, first aloud and then ever more rarely; a wish to stop ends the waits between two
//! calls, but no call; each wait says how long it may take. A mirror that no other try can help is
//! told of to the supervisor, which ends everything; one that takes nothing under this lease any more,
//! too: it ends this pager. The calls of a writer come one at a time, whole and incremental passes
//! taking turns; and what one of them writes is looked at in its turn, at each try, for what the other
//! has written since ([`super::readings`]).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

use super::readings::{Reading, Readings};
use super::task::LostLease;
use crate::domain::{IdSet, Item, ItemId, Iteration, RepositoryId};
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

/// How long one call may take, and the one before it that has the turn. The disk may be slow, other
/// programs may use the database, and the pages of other repositories come first; beyond this a start
/// from the beginning is worth a try.
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
    /// Who has read what, and when.
    pub(super) readings: Arc<Readings>,
    /// Who has it calls the writer. Held across the call, which is what it is for.
    pub(super) turn: Mutex<()>,
}

/// What a page was read by.
#[derive(Debug)]
pub(super) struct ReadBy {
    pub(super) reading: Reading,
    /// When the answer was asked for.
    pub(super) begun: Instant,
}

impl<M: Mirror> RetryingMirror<M> {
    pub(super) async fn load(&self, context: &Context) -> Result<ResumePoint, Stopped> {
        self.in_turn(context, || self.writer.load()).await
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
        self.in_turn(context, || self.writer.begin_pass(iteration, ts_ms)).await
    }

    /// Takes a page, but for the items that were read again meanwhile.
    pub(super) async fn write_page(
        &self,
        context: &Context,
        page: Arc<PageOfItems>,
        read: &ReadBy,
    ) -> Result<ChangeCounts, Stopped> {
        self.in_turn(context, || {
            // What an earlier try has noted is not to count twice.
            drop(page.member_changes.take_found());
            let overtaken = read.overtaken(&page.items);
            let page = if overtaken.contains(&true) {
                Arc::new(without(&page, &overtaken))
            } else {
                Arc::clone(&page)
            };
            self.writer.write_page(page)
        })
        .await
    }

    /// Takes a page of an incremental pass, but for the items that were read again meanwhile; the mirror
    /// has its items from then on. `iteration` is asked in its turn.
    pub(super) async fn write_incremental(
        &self,
        context: &Context,
        page: IncrementalPage,
        read: Option<&ReadBy>,
        iteration: impl Fn() -> Iteration,
    ) -> Result<ChangeCounts, Stopped> {
        self.in_turn(context, || {
            drop(page.member_changes.take_found());
            let mut page = IncrementalPage { iteration: iteration(), ..page.clone() };
            if let Some(read) = read {
                let mut overtaken = read.overtaken(&page.items).into_iter();
                page.items.retain(|_| !overtaken.next().unwrap_or_default());
            }
            self.readings.sighted(page.items.iter().map(|item| &item.id));
            self.writer.write_incremental(Arc::new(page))
        })
        .await
    }

    pub(super) async fn suspects(&self, context: &Context) -> Result<UnseenItems, Stopped> {
        self.in_turn(context, || self.writer.suspects()).await
    }

    pub(super) async fn unseen(
        &self,
        context: &Context,
        seen: &Arc<IdSet>,
        after: Option<&ItemId>,
        limit: usize,
    ) -> Result<Vec<ItemId>, Stopped> {
        let call = || self.writer.unseen(Arc::clone(seen), after.cloned(), limit);
        self.in_turn(context, call).await
    }

    /// Deletes these, but for those that an incremental pass has seen since the whole pass began.
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
        let call = || {
            let mut items = items.clone();
            self.readings.retain_unsighted(&mut items);
            self.readings.deleted(&items);
            async move {
                if items.is_empty() {
                    Ok(0)
                } else {
                    self.writer.delete(iteration, ts_ms, items).await
                }
            }
        };
        self.in_turn(context, call).await
    }

    pub(super) async fn end_pass(
        &self,
        context: &Context,
        end: &EndOfPass,
    ) -> Result<ChangeCounts, Stopped> {
        self.in_turn(context, || self.writer.end_pass(end.clone())).await
    }

    pub(super) async fn any_approved(&self, context: &Context) -> Result<bool, Stopped> {
        self.in_turn(context, || self.writer.any_approved()).await
    }

    pub(super) async fn knowledge(&self, context: &Context) -> Result<Knowledge, Stopped> {
        self.in_turn(context, || self.writer.knowledge()).await
    }

    pub(super) async fn keep_knowledge(
        &self,
        context: &Context,
        update: KnowledgeUpdate,
    ) -> Result<(), Stopped> {
        let update = Arc::new(update);
        self.in_turn(context, || self.writer.keep_knowledge(Arc::clone(&update))).await
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

    /// A call of the writer, once nobody else calls it.
    async fn in_turn<T, F>(&self, context: &Context, call: impl Fn() -> F) -> Result<T, Stopped>
    where
        F: Future<Output = Result<T, MirrorError>>,
    {
        self.tried(context, Some(&self.turn), call).await
    }

    /// A call that is not the writer's.
    async fn until_done<T, F>(&self, context: &Context, call: impl Fn() -> F) -> Result<T, Stopped>
    where
        F: Future<Output = Result<T, MirrorError>>,
    {
        self.tried(context, None, call).await
    }

    /// Makes a call until it succeeds, each time once there is the turn for it.
    async fn tried<T, F>(
        &self,
        context: &Context,
        turn: Option<&Mutex<()>>,
        call: impl Fn() -> F,
    ) -> Result<T, Stopped>
    where
        F: Future<Output = Result<T, MirrorError>>,
    {
        let mut retries = Retries::new(Backoff::REQUESTS);
        loop {
            let taken = match turn {
                Some(turn) => Some(context.wait(Until::Within(CALL_WITHIN), turn.lock()).await),
                None => None,
            };
            let done = context.wait(Until::Within(CALL_WITHIN), call()).await;
            drop(taken);
            match done {
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

impl ReadBy {
    /// For each of these items whether it was read again meanwhile; the others are taken for written.
    fn overtaken(&self, items: &[Item]) -> Vec<bool> {
        self.reading.take(self.begun, items.iter().map(|item| &item.id))
    }
}

/// A page without the items that are overtaken.
fn without(page: &PageOfItems, overtaken: &[bool]) -> PageOfItems {
    let mut page = page.clone();
    let rows = page.items.into_iter().zip(page.newly_seen).zip(overtaken);
    let left = rows.filter(|(_, overtaken)| !**overtaken).map(|(row, _)| row);
    (page.items, page.newly_seen) = left.unzip();
    page
}
