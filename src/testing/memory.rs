//! A mirror in memory that meets the obligations of the contracts, but for surviving the process.
//!
//! Everything that ever happened is kept; what has been dropped is only hidden.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::memory_feeds::StoredFeeds;
use super::memory_leases::{MemoryLeases, Way};
use super::memory_models::StoredModel;
use crate::domain::item::digest;
use crate::domain::{Change, IdSet, Item, ItemId, Iteration, Op, RepositoryId, Sequence};
use crate::mirror::deletions::{AnnouncedDeletions, Announcement};
use crate::mirror::diff::{self, ComparisonRules, StoredVersion};
use crate::mirror::retention::RetentionFloor;
use crate::mirror::{
    ChangeCounts, DroppedChanges, EndOfPass, FeedHolds, IncrementalPage, IncrementalPass,
    Interrupted, Knowledge, LedgerEntry, MirrorError, MirrorErrorKind, PageOfItems, PassStatistics,
    ResumePoint, UnseenItems,
};

/// Changes dropped in one call.
const DROPPED_AT_ONCE: usize = 1000;

/// The mirror.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    content: Arc<Mutex<MemoryContent>>,
    /// Of the daemon that has it open, where several share it.
    pub(super) leases: Option<Arc<MemoryLeases>>,
    /// The last change.
    pub(super) news: watch::Sender<Sequence>,
}

/// Items by repository and id.
pub(crate) type ItemsByKey = BTreeMap<(u64, ItemId), Vec<u8>>;

/// What is in it.
#[derive(Debug, Default)]
pub(super) struct MemoryContent {
    repositories: BTreeMap<RepositoryId, StoredRepository>,
    pub(super) models: BTreeMap<RepositoryId, StoredModel>,
    pub(super) feeds: StoredFeeds,
    log: Vec<LoggedChange>,
    dropped: usize,
    /// The latest time of what has been dropped.
    pub(super) dropped_ms: Option<i64>,
}

/// A change, and the one of the same item before it.
#[derive(Debug)]
pub(super) struct LoggedChange {
    pub(super) change: Change,
    pub(super) previous: Option<Sequence>,
}

/// What is kept of a repository.
#[derive(Debug, Default)]
pub(crate) struct StoredRepository {
    pub(crate) items: BTreeMap<ItemId, Bytes>,
    pub(crate) suspects: UnseenItems,
    pub(crate) interrupted: Option<Interrupted>,
    pub(crate) ends: Vec<EndOfPass>,
    /// `drop_changes` was called so.
    pub(crate) dropped: Vec<(i64, Duration)>,
    /// Whether anything was ever put into it, or a pass came to its end.
    pub(super) is_known: bool,
    /// Since when deletions have been held back.
    pub(super) since: Option<Announcement>,
    /// The latest change of each item, of deleted ones too.
    pub(super) latest: BTreeMap<ItemId, Sequence>,
    pub(crate) passes: BTreeMap<Iteration, LedgerEntry>,
    /// The oldest first.
    pub(crate) incremental: Vec<IncrementalPass>,
    pub(crate) mark: Option<Vec<u8>>,
    pub(super) knowledge: Knowledge,
}

impl StoredRepository {
    /// What a page means for the copy.
    fn compare<'a>(
        &self,
        rules: ComparisonRules<'_>,
        rows: impl Iterator<Item = (&'a Item, bool)>,
    ) -> (ChangeCounts, Vec<(Op, &'a Item)>) {
        let (mut changed, mut found) = (ChangeCounts::default(), Vec::new());
        for (item, newly_seen) in rows {
            let stored = self.items.get(&item.id);
            let known =
                stored.map_or(StoredVersion::Absent, |it| StoredVersion::Present(digest(it)));
            let body = || Ok::<_, MirrorError>(stored.map(|it| it.to_vec()).unwrap_or_default());
            match rules.judge(item, known, body).expect("memory can be read") {
                Some(op) => {
                    *(if op == Op::Update {
                        &mut changed.updated
                    } else {
                        &mut changed.created
                    }) += 1;
                    found.push((op, item));
                }
                None => changed.unchanged += u64::from(newly_seen),
            }
        }
        (changed, found)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self { content: Arc::default(), leases: None, news: watch::Sender::new(Sequence(0)) }
    }
}

impl Memory {
    /// One that several daemons can share, as the first of them has it.
    pub(crate) fn shared(owner: &str) -> Self {
        Self { leases: Some(Arc::new(MemoryLeases::new(owner))), ..Self::default() }
    }

    /// The same as another daemon has it.
    pub(crate) fn beside(&self, owner: &str) -> Self {
        let leases = self.leases.as_ref().expect("it can be shared");
        Self { leases: Some(Arc::new(leases.beside(owner))), ..self.clone() }
    }

    /// The way of this daemon to it.
    pub(crate) fn set_way(&self, way: Way) {
        self.leases.as_ref().expect("it can be shared").way.send_replace(way);
    }

    /// Who has which lease.
    pub(crate) fn owners(&self) -> BTreeMap<u64, String> {
        self.leases.as_ref().expect("it can be shared").owners()
    }

    /// Looks at what is kept of a repository, or changes it.
    pub(crate) fn with<T>(
        &self,
        repository: RepositoryId,
        look: impl FnOnce(&mut StoredRepository) -> T,
    ) -> T {
        look(self.content().repositories.entry(repository).or_default())
    }

    /// The items by repository and id, and the deleted ones that are remembered.
    pub(crate) fn items_and_tombstones(&self) -> (ItemsByKey, BTreeSet<(u64, ItemId)>) {
        let content = self.content();
        let (mut items, mut tombstones) = (ItemsByKey::new(), BTreeSet::new());
        for (RepositoryId(repository), kept) in &content.repositories {
            let of = |id: &ItemId| (*repository, id.clone());
            items.extend(kept.items.iter().map(|(id, body)| (of(id), body.to_vec())));
            let gone = kept.latest.keys().filter(|id| !kept.items.contains_key(id));
            tombstones.extend(gone.map(of));
        }
        (items, tombstones)
    }

    /// The changes that are in the log.
    pub(crate) fn retained(&self) -> Vec<Change> {
        self.content().retained().iter().map(|logged| logged.change.clone()).collect()
    }

    pub(super) fn content(&self) -> MutexGuard<'_, MemoryContent> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn load(&self, repository: RepositoryId) -> ResumePoint {
        self.with(repository, |kept| {
            let (iteration, interrupted) = match kept.passes.last_key_value() {
                None => (Iteration::FIRST, None),
                Some((iteration, pass)) if pass.ended_ms.is_some() => (iteration.next(), None),
                Some((iteration, _)) => (*iteration, kept.interrupted.clone()),
            };
            ResumePoint { iteration, interrupted, mark: kept.mark.clone() }
        })
    }

    pub(super) fn begin_pass(&self, repository: RepositoryId, iteration: Iteration, ts_ms: i64) {
        self.with(repository, |kept| {
            for pass in kept.passes.values_mut().filter(|pass| pass.ended_ms.is_none()) {
                (pass.ended_ms, pass.reason) = (Some(ts_ms), Some("given up".to_owned()));
            }
            kept.interrupted = None;
            kept.passes.insert(iteration, under_way(iteration, ts_ms));
        });
    }

    pub(super) fn write_page(&self, repository: RepositoryId, page: &PageOfItems) -> ChangeCounts {
        let mut content = self.content();
        let kept = content.repositories.entry(repository).or_default();
        let first_pass_done = !kept.ends.is_empty();
        let rules = ComparisonRules::of(page, first_pass_done);
        let (changed, found) = kept.compare(rules, diff::rows(page));
        let pass = kept.passes.entry(page.iteration);
        let pass = pass.or_insert_with(|| under_way(page.iteration, page.ts_ms));
        pass.changed.add(changed);
        pass.statistics = page.statistics;
        let mut seen = kept.interrupted.take().map(|it| it.seen).unwrap_or_default();
        if !page.checkpoint.seen.is_empty() {
            seen.push(page.checkpoint.seen.clone());
        }
        kept.interrupted = Some(Interrupted {
            saved_ms: page.ts_ms,
            statistics: page.statistics,
            state: page.checkpoint.state.clone(),
            seen,
        });
        let when = (page.iteration, page.ts_ms);
        for (op, item) in found {
            content.append(repository, when, op, &item.id, Some(item));
        }
        self.tell(&content);
        changed
    }

    pub(super) fn write_incremental(
        &self,
        repository: RepositoryId,
        page: &IncrementalPage,
    ) -> ChangeCounts {
        let mut content = self.content();
        let kept = content.repositories.entry(repository).or_default();
        let rules = ComparisonRules::of_incremental(page, !kept.ends.is_empty());
        let (changed, found) = kept.compare(rules, diff::incremental_rows(page));
        kept.mark = page.mark.clone().or(kept.mark.take());
        let end = page.end.as_ref();
        kept.incremental.extend(end.map(|end| IncrementalPass::ended(page, end, changed)));
        for (op, item) in found {
            content.append(repository, (page.iteration, page.ts_ms), op, &item.id, Some(item));
        }
        self.tell(&content);
        changed
    }

    pub(super) fn suspects(&self, repository: RepositoryId) -> UnseenItems {
        self.with(repository, |kept| UnseenItems {
            items: kept.items.len() as u64,
            ..kept.suspects.clone()
        })
    }

    pub(super) fn unseen(
        &self,
        repository: RepositoryId,
        seen: &IdSet,
        after: Option<&ItemId>,
        limit: usize,
    ) -> Vec<ItemId> {
        self.with(repository, |kept| {
            let ids = kept.items.keys().filter(|id| after.is_none_or(|it| *id > it));
            ids.filter(|id| !seen.contains(id)).take(limit).cloned().collect()
        })
    }

    pub(super) fn delete(
        &self,
        repository: RepositoryId,
        (iteration, ts_ms): (Iteration, i64),
        mut items: Vec<ItemId>,
    ) -> u64 {
        items.sort_unstable();
        items.dedup();
        let mut content = self.content();
        let kept = content.repositories.entry(repository).or_default();
        items.retain(|id| kept.items.contains_key(id));
        let pass = kept.passes.entry(iteration).or_insert_with(|| under_way(iteration, ts_ms));
        pass.changed.deleted += items.len() as u64;
        for id in &items {
            content.append(repository, (iteration, ts_ms), Op::Delete, id, None);
        }
        self.tell(&content);
        items.len() as u64
    }

    pub(super) fn end_pass(&self, repository: RepositoryId, end: EndOfPass) -> ChangeCounts {
        self.with(repository, |kept| {
            let pass = kept.passes.entry(end.iteration);
            let pass = pass.or_insert_with(|| under_way(end.iteration, end.ts_ms));
            pass.ended_ms = Some(end.ts_ms);
            pass.statistics = end.statistics;
            pass.suspects = end.suspects.count();
            pass.held = end.held.as_ref().map_or(0, |held| held.items.count());
            (pass.certified, pass.reason) = (end.reason.is_none(), end.reason.clone());
            let changed = pass.changed;
            kept.interrupted = None;
            kept.suspects.suspects = end.suspects.clone();
            let now = Announcement { iteration: end.iteration, ts_ms: end.ts_ms };
            let since = kept.since.unwrap_or(now);
            let before = kept.suspects.held.take();
            let before = before.map(|held| AnnouncedDeletions { held, since });
            let announced = AnnouncedDeletions::at_end(end.held.clone(), before, now);
            kept.since = announced.as_ref().map(|announced| announced.since);
            kept.suspects.held = announced.map(|announced| announced.held);
            kept.is_known = true;
            kept.ends.push(end);
            changed
        })
    }

    /// How many changes the log has.
    pub(super) fn kept_changes(&self) -> u64 {
        let content = self.content();
        (content.log.len() - content.dropped) as u64
    }

    pub(super) fn drop_changes(
        &self,
        now_ms: i64,
        keep: Duration,
        holds: &FeedHolds,
    ) -> DroppedChanges {
        let mut content = self.content();
        let MemoryContent { repositories, log, dropped, dropped_ms, feeds, .. } = &mut *content;
        for kept in repositories.values_mut() {
            kept.dropped.push((now_ms, keep));
        }
        let (mut floor, first) = (RetentionFloor::new(now_ms, keep, holds), *dropped);
        feeds.heed(&mut floor);
        let cutoff = floor.cutoff();
        while let Some(LoggedChange { change, .. }) = log.get(*dropped) {
            let kept = repositories.entry(change.repository).or_default();
            let next_pass_ms = || {
                let later = kept.passes.values().filter(|pass| pass.iteration > change.iteration);
                let mut started = later.map(|pass| pass.started_ms).filter(|it| *it <= now_ms);
                Ok::<_, MirrorError>(started.next())
            };
            let is_enough = *dropped - first == DROPPED_AT_ONCE;
            let keeps = |floor: &mut RetentionFloor<'_>| {
                floor.keeps(change.sequence, change.ts_ms, next_pass_ms)
            };
            if is_enough || keeps(&mut floor).expect("memory can be read") {
                break;
            }
            *dropped += 1;
            *dropped_ms = (*dropped_ms).max(Some(cutoff.dropped_ms(change.ts_ms)));
            if change.op == Op::Delete && kept.latest.get(&change.item) == Some(&change.sequence) {
                kept.latest.remove(&change.item);
            }
        }
        let undelivered = floor.undelivered();
        feeds.drop_through(Sequence(*dropped as u64), &undelivered);
        DroppedChanges { more: *dropped - first == DROPPED_AT_ONCE, undelivered }
    }

    /// Tells followers.
    fn tell(&self, content: &MemoryContent) {
        self.news.send_replace(content.last());
    }
}

impl MemoryContent {
    pub(super) fn last(&self) -> Sequence {
        Sequence(self.log.len() as u64)
    }

    pub(super) fn dropped_through(&self) -> Sequence {
        Sequence(self.dropped as u64)
    }

    /// When the last change was found.
    pub(super) fn last_ms(&self) -> Option<i64> {
        self.log.last().map(|logged| logged.change.ts_ms)
    }

    /// The changes that are in the log.
    pub(super) fn retained(&self) -> &[LoggedChange] {
        self.log.get(self.dropped..).unwrap_or_default()
    }

    pub(super) fn repositories(&self) -> &BTreeMap<RepositoryId, StoredRepository> {
        &self.repositories
    }

    /// The items of all repositories once this change had been made.
    pub(super) fn as_of(&self, sequence: Sequence) -> BTreeMap<(RepositoryId, ItemId), Vec<u8>> {
        let mut items = BTreeMap::new();
        for LoggedChange { change, .. } in
            self.log.iter().take_while(|it| it.change.sequence <= sequence)
        {
            let key = (change.repository, change.item.clone());
            match &change.after {
                Some(after) => drop(items.insert(key, after.clone())),
                None => drop(items.remove(&key)),
            }
        }
        items
    }

    fn append(
        &mut self,
        repository: RepositoryId,
        (iteration, ts_ms): (Iteration, i64),
        op: Op,
        id: &ItemId,
        item: Option<&Item>,
    ) {
        let sequence = Sequence(self.log.len() as u64 + 1);
        let kept = self.repositories.entry(repository).or_default();
        let before = match item {
            Some(item) => kept.items.insert(id.clone(), item.bytes.clone()),
            None => kept.items.remove(id),
        };
        kept.is_known = true;
        let previous = kept.latest.insert(id.clone(), sequence);
        let change = Change {
            sequence,
            repository,
            item: id.clone(),
            op,
            iteration,
            ts_ms,
            before: before.map(|it| it.to_vec()),
            after: item.map(|item| item.bytes.to_vec()),
        };
        self.log.push(LoggedChange { change, previous });
    }
}

fn under_way(iteration: Iteration, started_ms: i64) -> LedgerEntry {
    LedgerEntry {
        iteration,
        started_ms,
        ended_ms: None,
        statistics: PassStatistics::default(),
        changed: ChangeCounts::default(),
        suspects: 0,
        held: 0,
        certified: false,
        reason: None,
    }
}

/// Sees that a sequence is one of the log.
pub(super) fn within(
    sequence: Sequence,
    dropped: Sequence,
    last: Sequence,
) -> Result<(), MirrorError> {
    let error = |kind| Err(MirrorError::new(kind, "", format!("not in the log: {sequence}")));
    match sequence {
        _ if sequence < dropped => error(MirrorErrorKind::Dropped),
        _ if sequence > last => error(MirrorErrorKind::Ahead),
        _ => Ok(()),
    }
}
