//! The contract of writing one repository: each call is one transaction behind the fence.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use deadpool_postgres::ClientWrapper;
use tokio::sync::Mutex;

use super::append::{self, AsJson, ChangeColumns, NewChange};
use super::compare::{self, PageComparison};
use super::connections::PostgresPool;
use super::error::PostgresError;
use super::fence::{CallDigest, CallId, Fence, Standing};
use super::ledger::CountParameters;
use super::log_parts::LogParts;
use super::{passes, suspects};
use crate::domain::{IdSet, Item, ItemId, Iteration, Op, RepositoryId};
use crate::mirror::contracts::{Lease, MirrorFuture, RepositoryWriter};
use crate::mirror::diff::{self, ComparisonRules, StoredVersion};
use crate::mirror::{ChangeCounts, EndOfPass, PageOfItems, ResumePoint, UnseenItems};

/// How often a transaction is asked for in one call. What comes in between, an operator's word or an
/// answer of long ago, comes seldom.
const TRIES: usize = 5;

/// Writes one repository.
#[derive(Debug)]
pub(super) struct PostgresWriter {
    pool: PostgresPool,
    parts: Arc<LogParts>,
    repository: RepositoryId,
    /// Held for the length of a call, because the calls come one at a time. A call that is dropped leaves
    /// behind what it asked for.
    fence: Mutex<Fence>,
}

impl PostgresWriter {
    pub(super) fn new(
        pool: PostgresPool,
        parts: Arc<LogParts>,
        repository: RepositoryId,
        lease: Lease,
    ) -> Self {
        Self { pool, parts, repository, fence: Mutex::new(Fence::new(repository, lease)) }
    }

    async fn load_once(&self) -> Result<ResumePoint, PostgresError> {
        let mut fence = self.fence.lock().await;
        let connection = self.pool.get().await?;
        passes::load(&connection, self.repository, &mut fence).await
    }

    async fn begin(&self, iteration: Iteration, ts_ms: i64) -> Result<(), PostgresError> {
        let call =
            CallDigest::new("begin").number(iteration.0).number(ts_ms.cast_unsigned()).call();
        let mut fence = self.fence.lock().await;
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

    async fn page(&self, page: &PageOfItems) -> Result<ChangeCounts, PostgresError> {
        let call = call_of_page(page);
        let mut fence = self.fence.lock().await;
        let connection = self.pool.get().await?;
        self.parts.roll_over(&connection).await?;
        let mut standing = fence.standing(&connection, call).await?;
        let rows: Vec<(&Item, bool)> = diff::rows(page).collect();
        let newly_seen = rows.iter().filter(|(_, newly_seen)| *newly_seen).count() as u64;
        let same = ChangeCounts { unchanged: newly_seen, ..ChangeCounts::default() };
        for _ in 0..TRIES {
            if let Standing::Made(changed) = standing {
                return Ok(changed);
            }
            let parameters = fence.attempt(call, same);
            let counts = CountParameters::new(page.iteration.0, page.ts_ms, same);
            let comparison =
                compare::compare(&connection, &parameters, page, &rows, &counts).await?;
            if comparison.is_written {
                fence.made();
                return Ok(same);
            }
            if !comparison.differing.is_empty() {
                fence.nothing_written();
                let (entries, changed) = judge(page, &rows, comparison);
                if self.append(&connection, &mut fence, call, page, (&entries, changed)).await? {
                    fence.made();
                    return Ok(changed);
                }
            }
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
        page: &PageOfItems,
        (entries, changed): (&[NewChange<'_>], ChangeCounts),
    ) -> Result<bool, PostgresError> {
        let counts = CountParameters::new(page.iteration.0, page.ts_ms, changed);
        let columns = ChangeColumns::of(self.repository, entries, AsJson::WhereExact)?;
        let parameters = fence.attempt(call, changed);
        match append::page(connection, &parameters, page, &counts, &columns).await {
            // It takes none of our bodies as text for wrong, so it must be one as JSON.
            Err(error) if error.is_of_data() => {
                let columns = ChangeColumns::of(self.repository, entries, AsJson::Never)?;
                append::page(connection, &parameters, page, &counts, &columns).await
            }
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
        let mut fence = self.fence.lock().await;
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
            let columns = ChangeColumns::of(self.repository, &entries, AsJson::Never)?;
            let counts = CountParameters::new(iteration.0, ts_ms, changed);
            let parameters = fence.attempt(call, changed);
            if append::deletions(&connection, &parameters, &counts, &columns).await? {
                fence.made();
                return Ok(changed.deleted);
            }
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
        let mut fence = self.fence.lock().await;
        let connection = self.pool.get().await?;
        let mut standing = fence.standing(&connection, call).await?;
        for _ in 0..TRIES {
            if let Standing::Made(changed) = standing {
                return Ok(changed);
            }
            let before = passes::before_end(&connection, self.repository, end.iteration).await?;
            let parameters = fence.attempt(call, before.changed);
            if passes::end(&connection, &parameters, end, &before).await? {
                fence.made();
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
        Box::pin(async move { Ok(self.page(&page).await?) })
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
}

/// What a page is known by.
fn call_of_page(page: &PageOfItems) -> CallId {
    let mut digest = CallDigest::new("page")
        .number(page.iteration.0)
        .number(page.ts_ms.cast_unsigned())
        .number(page.statistics.pages)
        .number(page.statistics.requests)
        .bytes(&page.checkpoint.state)
        .bytes(&page.checkpoint.seen);
    for item in &page.items {
        digest = digest.number(item.digest);
    }
    digest.call()
}

/// What the rows that differ mean.
fn judge<'a>(
    page: &PageOfItems,
    rows: &[(&'a Item, bool)],
    comparison: PageComparison,
) -> (Vec<NewChange<'a>>, ChangeCounts) {
    let PageComparison { first_pass_done, differing, .. } = comparison;
    let rules = ComparisonRules { first_pass_done, ignore: &page.ignore };
    let mut stored: HashMap<usize, Option<String>> =
        differing.into_iter().map(|row| (row.place, row.body)).collect();
    let (mut entries, mut changed) = (Vec::new(), ChangeCounts::default());
    for (place, (item, newly_seen)) in rows.iter().enumerate() {
        let (known, body) = match stored.remove(&place) {
            None => (StoredVersion::Present(item.digest), None),
            Some(None) => (StoredVersion::Absent, None),
            Some(body) => (StoredVersion::Present(!item.digest), body),
        };
        let body = || Ok::<_, Infallible>(body.unwrap_or_default().into_bytes());
        let Ok(op) = rules.judge(item, known, body);
        match op {
            None => changed.unchanged += u64::from(*newly_seen),
            Some(op) => {
                *(if op == Op::Update { &mut changed.updated } else { &mut changed.created }) += 1;
                entries.push(NewChange { id: &item.id, op, item: Some(item) });
            }
        }
    }
    (entries, changed)
}
