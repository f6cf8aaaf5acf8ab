//! The contracts of the mirror in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::memory::{Memory, within};
use super::memory_writer::MemoryWriter;
use crate::domain::{Change, IdSet, ItemId, RepositoryId, Sequence};
use crate::mirror::{
    Administration, ApprovalOutcome, CertifiedPass, ChangeHead, ChangeLog, ChangesPage,
    ComparedItem, ComparedPage, DroppedChanges, FeedHolds, FeedWriter, HeldSummary,
    IncrementalPass, ItemHistory, Items, ItemsComparison, ItemsPage, ItemsSnapshot, KeptModel,
    Lease, Leases, LedgerEntry, LogBounds, LogTime, Mirror, MirrorError, MirrorErrorKind,
    MirrorFuture, MirrorSummary, MirrorView, MirroredRepository, ModelUpdate, Models,
    PendingDeletions, RefusedView, RepositorySummary, RepositoryWriter, RowTaker,
};

/// Items of one page; few, so that tests need several.
const PAGE: usize = 3;

/// How many changes and passes a summary has.
const NEWEST: (usize, usize) = (20, 10);

impl Mirror for Memory {
    fn writer(&self, repository: RepositoryId, lease: &Lease) -> Arc<dyn RepositoryWriter> {
        Arc::new(MemoryWriter::new(self.clone(), repository, lease.clone()))
    }

    fn leases(&self) -> Option<Arc<dyn Leases>> {
        let leases: Arc<dyn Leases> = Arc::clone(self.leases.as_ref()?) as _;
        Some(leases)
    }

    fn feed_writer(&self) -> Option<Arc<dyn FeedWriter>> {
        Some(self.writer_of_feeds())
    }

    fn drop_changes(
        &self,
        now_ms: i64,
        keep: Duration,
        holds: &FeedHolds,
    ) -> MirrorFuture<'_, DroppedChanges> {
        answer(Ok(Memory::drop_changes(self, now_ms, keep, holds)))
    }

    fn used_bytes(&self) -> MirrorFuture<'_, u64> {
        answer(Ok(self.kept_changes() * 1024))
    }

    fn saved_model(&self, repository: RepositoryId) -> MirrorFuture<'_, Option<KeptModel>> {
        self.model(repository)
    }

    fn save_model(
        &self,
        repository: RepositoryId,
        lease: &Lease,
        update: Arc<ModelUpdate>,
    ) -> MirrorFuture<'_, Vec<RefusedView>> {
        self.keep_model(repository, lease, update)
    }
}

impl ChangeLog for Memory {
    fn bounds(&self) -> MirrorFuture<'_, LogBounds> {
        let content = self.content();
        let (dropped_through, last) = (content.dropped_through(), content.last());
        answer(Ok(LogBounds { dropped_through, last }))
    }

    fn changes(
        &self,
        after: Option<Sequence>,
        repository: Option<RepositoryId>,
        limit: usize,
    ) -> MirrorFuture<'_, ChangesPage> {
        let content = self.content();
        let (dropped_through, last) = (content.dropped_through(), content.last());
        let after = after.unwrap_or(dropped_through);
        if let Err(error) = within(after, dropped_through, last) {
            return answer(Err(error));
        }
        let mut page =
            ChangesPage { changes: Vec::new(), scanned_through: after, dropped_through, last };
        for logged in content.retained().iter().filter(|it| it.change.sequence > after) {
            page.scanned_through = logged.change.sequence;
            if repository.is_none_or(|repository| repository == logged.change.repository) {
                page.changes.push(logged.change.clone());
            }
            if page.changes.len() >= limit {
                break;
            }
        }
        answer(Ok(page))
    }

    fn history(
        &self,
        repository: RepositoryId,
        item: &ItemId,
    ) -> MirrorFuture<'_, Option<ItemHistory>> {
        let content = self.content();
        let kept = content.repositories().get(&repository);
        let Some(latest) = kept.and_then(|kept| kept.latest.get(item)) else {
            return answer(Ok(None));
        };
        let mut history = ItemHistory { sequences: Vec::new(), dropped_through: None };
        let mut next = Some(*latest);
        while let Some(sequence) = next {
            let logged = content.retained().iter().find(|it| it.change.sequence == sequence);
            let Some(logged) = logged else {
                history.dropped_through = Some(content.dropped_through());
                break;
            };
            history.sequences.insert(0, sequence);
            next = logged.previous;
        }
        answer(Ok(Some(history)))
    }

    fn change(&self, sequence: Sequence) -> MirrorFuture<'_, Option<Change>> {
        let content = self.content();
        let logged = content.retained().iter().find(|it| it.change.sequence == sequence);
        answer(Ok(logged.map(|logged| logged.change.clone())))
    }

    fn at_time(&self, ts_ms: i64, now_ms: i64) -> MirrorFuture<'_, LogTime> {
        let content = self.content();
        let bounds = LogBounds { dropped_through: content.dropped_through(), last: content.last() };
        let latest_ms = LogTime::latest_ms(now_ms, content.last_ms());
        let is_later = |change: &Change| change.ts_ms > ts_ms && change.ts_ms <= latest_ms;
        let later = content.retained().iter().find(|logged| is_later(&logged.change));
        let later = later.map(|logged| logged.change.sequence);
        answer(Ok(LogTime::new(ts_ms, bounds, content.dropped_ms, content.last_ms(), later)))
    }

    fn wait_for_news(&self, after: Sequence) -> MirrorFuture<'_, Sequence> {
        let mut news = self.news.subscribe();
        Box::pin(async move {
            let last = news.wait_for(|last| *last > after).await.map(|last| *last);
            last.map_err(|error| MirrorError::new(MirrorErrorKind::Closed, "", error))
        })
    }
}

impl Items for Memory {
    fn knows(&self, repository: RepositoryId) -> MirrorFuture<'_, bool> {
        let content = self.content();
        let known = content.repositories().get(&repository);
        answer(Ok(known.is_some_and(|kept| kept.is_known)))
    }

    fn snapshot(&self, as_of: Option<Sequence>) -> MirrorFuture<'_, Box<dyn ItemsSnapshot>> {
        let content = self.content();
        let sequence = as_of.unwrap_or(content.last());
        if let Err(error) = within(sequence, content.dropped_through(), content.last()) {
            return answer(Err(error));
        }
        let items = content.as_of(sequence);
        let looked_at = if sequence < content.last() {
            let all = content.repositories().iter();
            all.flat_map(|(id, kept)| kept.latest.keys().map(|item| (*id, item.clone()))).collect()
        } else {
            items.keys().cloned().collect()
        };
        let known = content.repositories().iter().filter(|(_, kept)| kept.is_known);
        let repositories = known.map(|(id, kept)| MirroredRepository {
            id: *id,
            items: kept.items.len() as u64,
            model: content.model(*id),
        });
        let repositories = repositories.collect();
        let snapshot = MemorySnapshot { sequence, items, looked_at, repositories };
        answer(Ok(Box::new(snapshot) as Box<dyn ItemsSnapshot>))
    }

    fn comparison(
        &self,
        from: Sequence,
        to: Option<Sequence>,
    ) -> MirrorFuture<'_, Box<dyn ItemsComparison>> {
        let content = self.content();
        let (dropped, last) = (content.dropped_through(), content.last());
        let to = to.unwrap_or(last);
        if let Err(error) = within(to, dropped, last).and(within(from, dropped, to)) {
            return answer(Err(error));
        }
        let [before, after] = [from, to].map(|sequence| content.as_of(sequence));
        answer(Ok(Box::new(MemoryComparison { sequences: (from, to), before, after }) as _))
    }

    fn item(&self, repository: RepositoryId, item: &ItemId) -> MirrorFuture<'_, Option<Vec<u8>>> {
        answer(Ok(self.with(repository, |kept| kept.items.get(item).map(|body| body.to_vec()))))
    }

    fn items_in(
        &self,
        repository: RepositoryId,
        set: Arc<IdSet>,
        after: Option<ItemId>,
    ) -> MirrorFuture<'_, ItemsPage> {
        answer(Ok(self.with(repository, |kept| {
            let items = kept.items.iter().filter(|(id, _)| set.contains(id));
            page(items.map(|(id, body)| (id, body.to_vec())), after.as_ref())
        })))
    }
}

/// The items as they were.
#[derive(Debug)]
struct MemorySnapshot {
    sequence: Sequence,
    items: BTreeMap<(RepositoryId, ItemId), Vec<u8>>,
    /// These, and of an earlier instant those that were not there then.
    looked_at: BTreeSet<(RepositoryId, ItemId)>,
    repositories: Vec<MirroredRepository>,
}

impl ItemsSnapshot for MemorySnapshot {
    fn sequence(&self) -> Sequence {
        self.sequence
    }

    fn items(
        &self,
        repository: RepositoryId,
        after: Option<ItemId>,
    ) -> MirrorFuture<'_, ItemsPage> {
        let all = self.looked_at.iter().filter(|(of, _)| *of == repository);
        let later = all.filter(|(_, id)| after.as_ref().is_none_or(|after| id > after));
        let page: Vec<_> = later.take(PAGE).collect();
        let last = page.last().filter(|_| page.len() == PAGE).map(|(_, id)| id.clone());
        let there =
            page.into_iter().filter_map(|key| Some((key.1.clone(), self.items.get(key)?.clone())));
        answer(Ok(ItemsPage { items: there.collect(), scanned_through: last }))
    }

    fn repositories(&self) -> MirrorFuture<'_, Vec<MirroredRepository>> {
        answer(Ok(self.repositories.clone()))
    }

    /// There are no views in memory.
    fn rows<'a>(&'a self, _: MirrorView, _: RowTaker<'a>) -> MirrorFuture<'a, ()> {
        answer(Ok(()))
    }
}

/// The items as they were and as they became.
#[derive(Debug)]
struct MemoryComparison {
    sequences: (Sequence, Sequence),
    before: BTreeMap<(RepositoryId, ItemId), Vec<u8>>,
    after: BTreeMap<(RepositoryId, ItemId), Vec<u8>>,
}

impl ItemsComparison for MemoryComparison {
    fn sequences(&self) -> (Sequence, Sequence) {
        self.sequences
    }

    fn items(
        &self,
        repository: RepositoryId,
        after: Option<ItemId>,
    ) -> MirrorFuture<'_, ComparedPage> {
        let all: BTreeSet<_> = self.before.keys().chain(self.after.keys()).collect();
        let items = all
            .into_iter()
            .filter(|(of, id)| *of == repository && after.as_ref().is_none_or(|it| id > it))
            .map(|key| ComparedItem {
                id: key.1.clone(),
                before: self.before.get(key).cloned(),
                after: self.after.get(key).cloned(),
            });
        let items: Vec<_> = items.filter(|it| it.before != it.after).take(PAGE).collect();
        let last = items.last().filter(|_| items.len() == PAGE).map(|it| it.id.clone());
        answer(Ok(ComparedPage { items, scanned_through: last }))
    }
}

impl Administration for Memory {
    fn summary(&self) -> MirrorFuture<'_, MirrorSummary> {
        let content = self.content();
        let newest = content.retained().iter().rev().take(NEWEST.0).map(|logged| {
            let Change { sequence, ts_ms, op, repository, item, .. } = logged.change.clone();
            ChangeHead { sequence, ts_ms, op, repository, item }
        });
        let known = content.repositories().iter();
        let known = known.filter(|(_, kept)| kept.is_known);
        let repositories = known.map(|(id, kept)| {
            let held = kept.suspects.held.as_ref().filter(|held| held.announced > 0);
            let certified = kept.ends.iter().rev().find(|end| end.reason.is_none());
            RepositorySummary {
                id: *id,
                items: kept.items.len() as u64,
                certified: certified
                    .map(|end| CertifiedPass { iteration: end.iteration, ended_ms: end.ts_ms }),
                suspects: kept.suspects.suspects.count(),
                held: held.map(|held| HeldSummary {
                    count: held.announced,
                    iteration: kept.since.map(|since| since.iteration),
                    since_ms: kept.since.map(|since| since.ts_ms),
                    approved: held.approved.count(),
                    first: Vec::new(),
                }),
                passes: kept.passes.values().rev().take(NEWEST.1).cloned().collect(),
                incremental: kept.incremental.iter().rev().take(NEWEST.1).copied().collect(),
            }
        });
        answer(Ok(MirrorSummary {
            storage: Vec::new(),
            last: content.last(),
            dropped_through: content.dropped_through(),
            newest: newest.collect(),
            repositories: repositories.collect(),
        }))
    }

    fn ledger(&self, repository: RepositoryId) -> MirrorFuture<'_, Vec<LedgerEntry>> {
        answer(Ok(self.with(repository, |kept| kept.passes.values().rev().cloned().collect())))
    }

    fn incremental_ledger(
        &self,
        repository: RepositoryId,
    ) -> MirrorFuture<'_, Vec<IncrementalPass>> {
        answer(Ok(self.with(repository, |kept| kept.incremental.iter().rev().copied().collect())))
    }

    fn pending_deletions(
        &self,
        repository: RepositoryId,
    ) -> MirrorFuture<'_, Option<PendingDeletions>> {
        answer(Ok(self.with(repository, |kept| {
            let items = kept.suspects.held.as_ref()?.waiting();
            let since_ms = kept.since.map(|since| since.ts_ms);
            Some(PendingDeletions { items, since_ms }).filter(|it| !it.items.is_empty())
        })))
    }

    fn approve(
        &self,
        repository: RepositoryId,
        named: Option<Vec<String>>,
    ) -> MirrorFuture<'_, ApprovalOutcome> {
        answer(Ok(self.with(repository, |kept| match kept.suspects.held.as_mut() {
            Some(held) => held.approve_named(named.as_deref()),
            None => ApprovalOutcome::NothingHeld,
        })))
    }
}

/// Some of these items, from behind `after` on.
fn page<'a>(
    items: impl Iterator<Item = (&'a ItemId, Vec<u8>)>,
    after: Option<&ItemId>,
) -> ItemsPage {
    let later = items.filter(|(id, _)| after.is_none_or(|after| *id > after));
    let items: Vec<_> = later.take(PAGE).map(|(id, body)| (id.clone(), body)).collect();
    let last = items.last().filter(|_| items.len() == PAGE).map(|(id, _)| id.clone());
    ItemsPage { items, scanned_through: last }
}

fn answer<'a, T: Send + 'a>(answer: Result<T, MirrorError>) -> MirrorFuture<'a, T> {
    Box::pin(std::future::ready(answer))
}
