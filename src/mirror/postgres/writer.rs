//! The contract of writing one repository: each call is one transaction behind the fence.

use std::sync::Arc;

use deadpool_postgres::ClientWrapper;
use tokio::sync::Mutex;

use super::any_page::AnyPage;
use super::append::{self, ChangeColumns, NewChange};
use super::compare::{self, PageComparison, PageDifferences};
use super::connections::PostgresPool;
use super::error::PostgresError;
use super::fence::{CallDigest, CallId, Fence, Standing};
use super::known_pages::KnownPages;
use super::ledger::CountParameters;
use super::log_parts::LogParts;
use super::page_append::PageAppend;
use super::{knowledge, passes, suspects};
use crate::domain::{IdSet, ItemId, Iteration, Op, RepositoryId};
use crate::json::jsonb;
use crate::mirror::contracts::{Lease, MirrorFuture, RepositoryWriter};
use crate::mirror::{
    ChangeCounts, EndOfPass, IncrementalPage, Knowledge, KnowledgeUpdate, PageOfItems, ResumePoint,
    UnseenItems,
};

/// How often a transaction is asked for in one call. What comes in between, an operator's word or an
/// answer of long ago, comes seldom.
const TRIES: usize = 5;

/// Writes one repository.
#[derive(Debug)]
pub(super) struct PostgresWriter {
    pool: PostgresPool,
    parts: Arc<LogParts>,
    repository: RepositoryId,
    lease: Lease,
    /// What a page changes is sent in pieces of so many bytes, and one change more.
    piece_bytes: usize,
    /// Whether a body is one that `jsonb` holds exactly.
    is_exact: fn(&str) -> bool,
    /// Held for the length of a call, because the calls come one at a time. A call that is dropped leaves
    /// behind what it asked for.
    state: Mutex<WriterState>,
}

/// What a writer knows of the database.
#[derive(Debug)]
struct WriterState {
    fence: Fence,
    /// Taken out by each call that may change items, and put back where it is certain what became of
    /// that: after any other end nothing is known.
    known: KnownPages,
}

impl PostgresWriter {
    pub(super) fn new(
        pool: PostgresPool,
        parts: Arc<LogParts>,
        repository: RepositoryId,
        lease: Lease,
        piece_bytes: usize,
    ) -> Self {
        let fence = Fence::new(repository, lease.clone());
        let state = Mutex::new(WriterState { fence, known: KnownPages::default() });
        Self { pool, parts, repository, lease, piece_bytes, is_exact: jsonb::is_exact, state }
    }

    /// The same, which takes this function's word for what `jsonb` holds.
    #[cfg(test)]
    pub(super) fn trusting(self, is_exact: fn(&str) -> bool) -> Self {
        Self { is_exact, ..self }
    }

    async fn load_once(&self) -> Result<ResumePoint, PostgresError> {
        let mut state = self.state.lock().await;
        state.known = KnownPages::default();
        let connection = self.pool.get().await?;
        let resume_point = passes::load(&connection, self.repository, &mut state.fence).await?;
        // After the fence: what is written from here on by others is found out by it.
        state.known = knowledge::load_pages(&connection, self.repository).await?;
        Ok(resume_point)
    }

    async fn begin(&self, iteration: Iteration, ts_ms: i64) -> Result<(), PostgresError> {
        let call =
            CallDigest::new("begin").number(iteration.0).number(ts_ms.cast_unsigned()).call();
        let WriterState { fence, .. } = &mut *self.state.lock().await;
        let connection = self.pool.get().await?;
        self.parts.roll_over(&connection).await?;
        let mut standing = fence.standing(&connection, call).await?;
        for _ in 0..TRIES {
            if let Standing::Made(_) = standing {
                return Ok(());
            }
            let parameters = fence.attempt(call, ChangeCounts::default());
            if passes::begin(&connection, &parameters, iteration, ts_ms).await? {
                fence.made();
                return Ok(());
            }
            standing = fence.look(&connection, call).await?;
        }
        Err(PostgresError::Unsettled { repository: self.repository })
    }

    async fn page(&self, page: AnyPage<'_>) -> Result<ChangeCounts, PostgresError> {
        let call = page.call();
        let WriterState { fence, known } = &mut *self.state.lock().await;
        let mut pages = std::mem::take(known);
        let connection = self.pool.get().await?;
        self.parts.roll_over(&connection).await?;
        let mut standing = fence.standing(&connection, call).await?;
        let (rows, iteration) = (page.rows(), page.iteration());
        let this = page.digest(&rows);
        let mut is_known = this.is_some_and(|this| pages.has(this, &rows, iteration));
        let newly_seen = rows.iter().filter(|(_, newly_seen)| *newly_seen).count() as u64;
        let same = ChangeCounts { unchanged: newly_seen, ..ChangeCounts::default() };
        for _ in 0..TRIES {
            if let Standing::Made(changed) = standing {
                return Ok(changed);
            }
            let parameters = fence.attempt(call, same);
            let counts = CountParameters::new(iteration.0, page.ts_ms(), same);
            let comparison = if !is_known {
                compare::compare(&connection, &parameters, page, &rows, &counts).await?
            } else if compare::note(&connection, &parameters, page, &counts).await? {
                PageComparison::Written
            } else {
                PageComparison::Fenced
            };
            let made = match comparison {
                PageComparison::Written => Some(same),
                PageComparison::Fenced => None,
                PageComparison::Differing(found) => {
                    fence.nothing_written();
                    let changed = found.counts;
                    let is_made = self.append(&connection, fence, call, page, &found).await?;
                    // An item that was not there is on no page that is known.
                    let updated = found.changes.iter().filter(|change| change.op == Op::Update);
                    pages.forget(updated.map(|change| change.id));
                    is_made.then_some(changed)
                }
            };
            if let Some(changed) = made {
                fence.made();
                if let Some(this) = this {
                    pages.add(this, &rows, iteration);
                }
                *known = pages;
                return Ok(changed);
            }
            (pages, is_known) = (KnownPages::default(), false);
            standing = fence.look(&connection, call).await?;
        }
        Err(PostgresError::Unsettled { repository: self.repository })
    }

    /// Makes the transaction of a page that has something new; false: the fence is closed.
    async fn append(
        &self,
        connection: &ClientWrapper,
        fence: &mut Fence,
        call: CallId,
        page: AnyPage<'_>,
        found: &PageDifferences<'_>,
    ) -> Result<bool, PostgresError> {
        let PageDifferences { changes, counts } = found;
        let parameters = fence.attempt(call, *counts);
        let counts = CountParameters::new(page.iteration().0, page.ts_ms(), *counts);
        let append = PageAppend {
            repository: self.repository,
            page,
            changes,
            fence: &parameters,
            counts: &counts,
            piece_bytes: self.piece_bytes,
        };
        let is_exact = |_: &ItemId, body: &str| (self.is_exact)(body);
        match append.run(connection, &is_exact).await {
            // It takes none of our bodies as text for wrong, so it must be some as JSON.
            Err(error) if error.is_of_data() => {}
            done => return done,
        }
        let refused = append.refused(connection, &is_exact).await?;
        let is_taken = |id: &ItemId, body: &str| is_exact(id, body) && !refused.contains(id);
        match append.run(connection, &is_taken).await {
            // For whatever reason: a page is written, if without `json`.
            Err(error) if error.is_of_data() => append.run(connection, &|_, _| false).await,
            done => done,
        }
    }

    async fn delete_once(
        &self,
        iteration: Iteration,
        ts_ms: i64,
        items: &[ItemId],
    ) -> Result<u64, PostgresError> {
        let mut digest =
            CallDigest::new("delete").number(iteration.0).number(ts_ms.cast_unsigned());
        for id in items {
            digest = digest.bytes(&super::key::to_key(id));
        }
        let call = digest.call();
        let WriterState { fence, known } = &mut *self.state.lock().await;
        let mut pages = std::mem::take(known);
        let connection = self.pool.get().await?;
        let mut standing = fence.standing(&connection, call).await?;
        for _ in 0..TRIES {
            if let Standing::Made(changed) = standing {
                return Ok(changed.deleted);
            }
            let present = suspects::present(&connection, self.repository, items).await?;
            let changed = ChangeCounts { deleted: present.len() as u64, ..ChangeCounts::default() };
            let entries: Vec<NewChange<'_>> =
                present.iter().map(|id| NewChange { id, op: Op::Delete, item: None }).collect();
            let columns = ChangeColumns::of(self.repository, &entries, &|_, _| false)?;
            let counts = CountParameters::new(iteration.0, ts_ms, changed);
            let parameters = fence.attempt(call, changed);
            if append::deletions(&connection, &parameters, &counts, &columns).await? {
                fence.made();
                pages.forget(present.iter());
                *known = pages;
                return Ok(changed.deleted);
            }
            pages = KnownPages::default();
            standing = fence.look(&connection, call).await?;
        }
        Err(PostgresError::Unsettled { repository: self.repository })
    }

    async fn end(&self, end: &EndOfPass) -> Result<ChangeCounts, PostgresError> {
        let call = CallDigest::new("end")
            .number(end.iteration.0)
            .number(end.ts_ms.cast_unsigned())
            .bytes(end.reason.as_deref().unwrap_or_default().as_bytes())
            .bytes(&end.suspects.to_bytes())
            .call();
        let WriterState { fence, known } = &mut *self.state.lock().await;
        let connection = self.pool.get().await?;
        let mut standing = fence.standing(&connection, call).await?;
        for _ in 0..TRIES {
            if let Standing::Made(changed) = standing {
                return Ok(changed);
            }
            // Before its transaction, after which a call is over. Nothing depends on it, and what fails here
            // fails there.
            if let (Some(certain), Some(bytes)) = (fence.certain(), known.to_keep(end.iteration)) {
                drop(knowledge::keep_pages(&connection, &certain, &bytes).await);
            }
            let before = passes::before_end(&connection, self.repository, end.iteration).await?;
            let parameters = fence.attempt(call, before.changed);
            if passes::end(&connection, &parameters, end, &before).await? {
                fence.made();
                known.end_pass(end.iteration);
                return Ok(before.changed);
            }
            standing = fence.look(&connection, call).await?;
        }
        Err(PostgresError::Unsettled { repository: self.repository })
    }
}

impl RepositoryWriter for PostgresWriter {
    fn load(&self) -> MirrorFuture<'_, ResumePoint> {
        Box::pin(async move { Ok(self.load_once().await?) })
    }

    fn begin_pass(&self, iteration: Iteration, ts_ms: i64) -> MirrorFuture<'_, ()> {
        Box::pin(async move { Ok(self.begin(iteration, ts_ms).await?) })
    }

    fn write_page(&self, page: Arc<PageOfItems>) -> MirrorFuture<'_, ChangeCounts> {
        Box::pin(async move { Ok(self.page(AnyPage::Whole(&page)).await?) })
    }

    fn write_incremental(&self, page: Arc<IncrementalPage>) -> MirrorFuture<'_, ChangeCounts> {
        Box::pin(async move { Ok(self.page(AnyPage::Incremental(&page)).await?) })
    }

    fn suspects(&self) -> MirrorFuture<'_, UnseenItems> {
        Box::pin(async move {
            let connection = self.pool.get().await?;
            Ok(suspects::suspects(&connection, self.repository).await?)
        })
    }

    fn unseen(
        &self,
        seen: Arc<IdSet>,
        after: Option<ItemId>,
        limit: usize,
    ) -> MirrorFuture<'_, Vec<ItemId>> {
        Box::pin(async move {
            let connection = self.pool.get().await?;
            let unseen =
                suspects::unseen(&connection, self.repository, &seen, after.as_ref(), limit);
            Ok(unseen.await?)
        })
    }

    fn delete(
        &self,
        iteration: Iteration,
        ts_ms: i64,
        items: Vec<ItemId>,
    ) -> MirrorFuture<'_, u64> {
        Box::pin(async move { Ok(self.delete_once(iteration, ts_ms, &items).await?) })
    }

    fn end_pass(&self, end: EndOfPass) -> MirrorFuture<'_, ChangeCounts> {
        Box::pin(async move { Ok(self.end(&end).await?) })
    }

    fn any_approved(&self) -> MirrorFuture<'_, bool> {
        Box::pin(async move {
            let connection = self.pool.get().await?;
            Ok(suspects::any_approved(&connection, self.repository).await?)
        })
    }

    fn knowledge(&self) -> MirrorFuture<'_, Knowledge> {
        Box::pin(async move {
            let connection = self.pool.get().await?;
            Ok(knowledge::load(&connection, self.repository).await?)
        })
    }

    fn keep_knowledge(&self, update: Arc<KnowledgeUpdate>) -> MirrorFuture<'_, ()> {
        Box::pin(async move {
            let connection = self.pool.get().await?;
            Ok(knowledge::keep(&connection, self.repository, &self.lease, &update).await?)
        })
    }
}
