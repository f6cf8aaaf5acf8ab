//! What a mirror should be: a model of the words in the contracts, simple and slow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::MirrorContent;
use super::incremental::ModelIncremental;
use super::steps::{Body, MirrorStep, all_ids};
use crate::domain::{Change, IdSet, Item, ItemId, Iteration, Op, RepositoryId, Sequence};
use crate::mirror::{
    ApprovalOutcome, ChangeCounts, Checkpoint, EndOfPass, FeedHolds, HeldDeletions, Interrupted,
    Lease, Mirror, MirrorReader, PageOfItems, PassStatistics, RepositoryWriter, UnseenItems,
};

/// How long a follower may wait to be told; it takes a moment.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

/// What a mirror should be.
#[derive(Default)]
pub(super) struct Model {
    /// The lease under which each repository is written.
    pub(super) leases: BTreeMap<u64, Lease>,
    pub(super) now: i64,
    /// The value and the bytes of each item that is there.
    pub(super) items: BTreeMap<(u64, ItemId), (u8, Vec<u8>)>,
    pub(super) log: Vec<Change>,
    pub(super) dropped: usize,
    /// Deletions that were dropped while nothing had come after them: forgotten altogether.
    pub(super) buried: BTreeSet<u64>,
    /// The copy as it was when the last change was dropped.
    pub(super) base: BTreeMap<(u64, ItemId), Vec<u8>>,
    pub(super) passes: BTreeMap<u64, Passes>,
}

/// What the ledger says of a pass.
#[derive(Clone)]
pub(super) struct ModelPass {
    pub(super) repository: u64,
    pub(super) iteration: u64,
    pub(super) started: i64,
    pub(super) ended: Option<i64>,
    pub(super) statistics: PassStatistics,
    pub(super) changed: ChangeCounts,
    pub(super) certified: bool,
    pub(super) reason: Option<String>,
}

/// The passes of one repository.
#[derive(Default)]
pub(super) struct Passes {
    last: Option<u64>,
    under_way: bool,
    started: i64,
    ended: Vec<ModelPass>,
    pub(super) any_done: bool,
    /// The last certified pass, and when it ended.
    pub(super) certified: Option<(u64, i64)>,
    /// The pass that announced what is held, and when.
    pub(super) since: Option<(u64, i64)>,
    changed: ChangeCounts,
    statistics: PassStatistics,
    saved: Option<(i64, Vec<u8>)>,
    seen: Vec<Vec<u8>>,
    pub(super) suspects: IdSet,
    pub(super) held: Option<HeldDeletions>,
    pub(super) incremental: ModelIncremental,
}

impl Passes {
    /// The pass that the changes of an incremental one stand under: the one under way, or the last.
    pub(super) fn incremental_iteration(&self) -> u64 {
        self.last.unwrap_or(1)
    }

    fn iteration(&self) -> u64 {
        match self.last {
            Some(last) if self.under_way => last,
            last => last.unwrap_or(0) + 1,
        }
    }

    /// The pass that whatever is done next belongs to.
    fn enter(&mut self, now: i64) -> u64 {
        let iteration = self.iteration();
        if !self.under_way {
            (self.last, self.under_way, self.started) = (Some(iteration), true, now);
            (self.changed, self.statistics) = Default::default();
        }
        iteration
    }

    /// The last pass as it stands.
    fn latest(&self, repository: u64) -> ModelPass {
        ModelPass {
            repository,
            iteration: self.last.unwrap_or(0),
            started: self.started,
            ended: None,
            statistics: self.statistics,
            changed: self.changed,
            certified: false,
            reason: None,
        }
    }
}

impl Model {
    /// The ledger of all repositories.
    pub(super) fn ledger(&self) -> Vec<ModelPass> {
        let of = |(repository, passes): (&u64, &Passes)| {
            let under_way = passes.under_way.then(|| passes.latest(*repository));
            passes.ended.clone().into_iter().chain(under_way)
        };
        self.passes.iter().flat_map(of).collect()
    }

    pub(super) async fn step(
        &mut self,
        mirror: &impl Mirror,
        reader: &dyn MirrorReader,
        step: MirrorStep,
    ) {
        let now = self.now;
        let leases = self.leases.clone();
        let writer = |repository| mirror.writer(RepositoryId(repository), &leases[&repository]);
        match step {
            MirrorStep::Begin { repository } => {
                let passes = self.passes.entry(repository).or_default();
                let iteration = passes.enter(now);
                (passes.changed, passes.statistics, passes.started) =
                    (ChangeCounts::default(), PassStatistics::default(), now);
                (passes.saved, passes.seen) = Default::default();
                writer(repository).begin_pass(Iteration(iteration), now).await.unwrap();
            }
            MirrorStep::Page { .. } | MirrorStep::Incremental { .. } => {
                // A follower is told of what it changes.
                let last = Sequence(self.log.len() as u64);
                let news = reader.wait_for_news(last);
                match step {
                    MirrorStep::Page { repository, rows, seen } => {
                        self.page(&*writer(repository), repository, rows, seen).await;
                    }
                    MirrorStep::Incremental { repository, rows, mark, ends } => {
                        let writer = &*writer(repository);
                        self.incremental(writer, repository, rows, (mark, ends)).await;
                    }
                    _ => {}
                }
                if self.log.len() as u64 > last.0 {
                    let told = timeout(TOLD_WITHIN, news).await.expect("nobody is told").unwrap();
                    assert_eq!(told.0, self.log.len() as u64);
                }
            }
            MirrorStep::Delete { repository, items } => {
                let iteration = self.passes.entry(repository).or_default().enter(now);
                let mut deleted = 0;
                for id in items.iter().collect::<BTreeSet<_>>() {
                    if self.items.contains_key(&(repository, id.clone())) {
                        self.change(repository, iteration, id, Op::Delete, None);
                        deleted += 1;
                    }
                }
                self.passes.entry(repository).or_default().changed.deleted += deleted;
                let told =
                    writer(repository).delete(Iteration(iteration), now, items).await.unwrap();
                assert_eq!(told, deleted);
            }
            MirrorStep::End { repository, reason, suspects, held } => {
                let passes = self.passes.entry(repository).or_default();
                let iteration = Iteration(passes.enter(now));
                passes.suspects = suspects.iter().collect();
                let before = passes.held.take();
                if reason.is_none() {
                    passes.certified = Some((iteration.0, now));
                }
                passes.held = (held && !passes.suspects.is_empty()).then(|| {
                    let items = passes.suspects.clone();
                    HeldDeletions { announced: items.count(), items, ..HeldDeletions::default() }
                });
                let (ended, certified) = (Some(now), reason.is_none());
                let of_pass = passes.latest(repository);
                passes.ended.push(ModelPass {
                    ended,
                    certified,
                    reason: reason.clone(),
                    ..of_pass
                });
                (passes.under_way, passes.any_done) = (false, true);
                (passes.saved, passes.seen) = Default::default();
                let end = EndOfPass {
                    iteration,
                    ts_ms: now,
                    statistics: passes.statistics,
                    reason,
                    suspects: passes.suspects.clone(),
                    held: passes.held.clone(),
                };
                let mut since = passes.held.is_some().then_some((iteration.0, now));
                // Approved meanwhile: not to be taken back.
                if let (Some(held), Some(before)) = (&mut passes.held, before) {
                    for id in all_ids().filter(|id| held.items.contains(id)) {
                        if before.approved.contains(&id) {
                            held.approved.insert(&id);
                        }
                    }
                    held.picked = before.picked;
                    if !all_ids().any(|id| held.items.contains(&id) && !before.items.contains(&id))
                    {
                        since = passes.since;
                    }
                }
                passes.since = since;
                assert_eq!(writer(repository).end_pass(end).await.unwrap(), passes.changed);
            }
            MirrorStep::Approve { repository, named } => {
                let names = named.as_ref().map(|ids| ids.iter().map(ToString::to_string).collect());
                let told = reader.approve(RepositoryId(repository), names).await.unwrap();
                let held = self.passes.get_mut(&repository).and_then(|it| it.held.as_mut());
                assert_eq!(
                    told,
                    held.map_or(ApprovalOutcome::NothingHeld, |it| approved(it, named))
                );
            }
            MirrorStep::Unseen { repository, seen, after, limit } => {
                let seen: IdSet = seen.iter().collect();
                let there = self.items.keys().filter(|(of, _)| *of == repository);
                let unseen: Vec<ItemId> = there
                    .map(|(_, id)| id)
                    .filter(|id| !seen.contains(id) && after.as_ref().is_none_or(|it| *id > it))
                    .take(limit)
                    .cloned()
                    .collect();
                let told = writer(repository).unseen(Arc::new(seen), after, limit).await.unwrap();
                assert_eq!(told, unseen);
            }
            MirrorStep::Drop { share } => {
                let before = (now * share / 100).min(now);
                let old = self.log.iter().position(|change| change.ts_ms >= before);
                let old = old.unwrap_or(self.log.len()).max(self.dropped);
                self.base = fold(self.base.clone(), &self.log[self.dropped..old]);
                for change in &self.log[self.dropped..old] {
                    let is_last = !self
                        .log
                        .iter()
                        .any(|it| it.sequence > change.sequence && key(it) == key(change));
                    if change.op == Op::Delete && is_last {
                        self.buried.insert(change.sequence.0);
                    }
                }
                self.dropped = old;
                let keep = Duration::from_millis((now - before).cast_unsigned());
                assert!(!mirror.drop_changes(now, keep, &FeedHolds::default()).await.unwrap().more);
            }
            MirrorStep::Reopen => {}
        }
    }

    async fn page(
        &mut self,
        writer: &dyn RepositoryWriter,
        repository: u64,
        rows: Vec<(ItemId, Body, bool)>,
        seen: Vec<u8>,
    ) {
        let passes = self.passes.entry(repository).or_default();
        let iteration = passes.enter(self.now);
        let statistics = &mut passes.statistics;
        statistics.pages += 1;
        statistics.requests += 2;
        statistics.distinct += rows.len() as u64;
        let statistics = *statistics;
        let state = vec![u8::try_from(self.now).unwrap()];
        passes.saved = Some((self.now, state.clone()));
        passes.seen.extend((!seen.is_empty()).then(|| seen.clone()));

        let changed = self.take_rows(repository, iteration, &rows);
        self.passes.entry(repository).or_default().changed.add(changed);
        let page = PageOfItems {
            iteration: Iteration(iteration),
            ts_ms: self.now,
            newly_seen: rows.iter().map(|row| row.2).collect(),
            items: rows.into_iter().map(|(id, body, _)| Item::new(id, body.bytes())).collect(),
            ignore: Arc::new(["/ignored".parse().unwrap()]),
            member_changes: Arc::default(),
            statistics,
            checkpoint: Checkpoint { state, seen },
        };
        assert_eq!(writer.write_page(Arc::new(page)).await.unwrap(), changed);
    }

    /// Takes the rows of a page, each with whether it counts where it is as it was; what they change.
    pub(super) fn take_rows(
        &mut self,
        repository: u64,
        iteration: u64,
        rows: &[(ItemId, Body, bool)],
    ) -> ChangeCounts {
        let any_done = self.passes.get(&repository).is_some_and(|passes| passes.any_done);
        let first_op = if any_done { Op::Create } else { Op::Read };
        let mut changed = ChangeCounts::default();
        for (place, (id, body, _)) in rows.iter().enumerate() {
            let twins = || rows.iter().enumerate().filter(|(_, row)| row.0 == *id);
            if twins().any(|(other, _)| other > place) {
                continue;
            }
            let known = self.items.get(&(repository, id.clone())).map(|(value, _)| *value);
            let op = match known {
                Some(value) if value == body.value => {
                    changed.unchanged += u64::from(twins().any(|(_, row)| row.2));
                    continue;
                }
                Some(_) => Op::Update,
                None => first_op,
            };
            *(if known.is_some() { &mut changed.updated } else { &mut changed.created }) += 1;
            self.change(repository, iteration, id, op, Some(*body));
        }
        changed
    }

    fn change(&mut self, repository: u64, iteration: u64, id: &ItemId, op: Op, body: Option<Body>) {
        let key = (repository, id.clone());
        let before = match body {
            Some(body) => self.items.insert(key, (body.value, body.bytes().to_vec())),
            None => self.items.remove(&key),
        };
        self.log.push(Change {
            sequence: Sequence(self.log.len() as u64 + 1),
            repository: RepositoryId(repository),
            item: id.clone(),
            op,
            iteration: Iteration(iteration),
            ts_ms: self.now,
            before: before.map(|(_, bytes)| bytes),
            after: body.map(|body| body.bytes().to_vec()),
        });
    }

    pub(super) async fn compare(&self, mirror: &impl Mirror, repository: u64) {
        let writer = mirror.writer(RepositoryId(repository), &self.leases[&repository]);
        let nothing = Passes::default();
        let passes = self.passes.get(&repository).unwrap_or(&nothing);
        let saved = passes.saved.clone().filter(|_| passes.under_way);
        let resume_point = writer.load().await.unwrap();
        assert_eq!(resume_point.iteration, Iteration(passes.iteration()));
        let interrupted = saved.map(|(saved_ms, state)| {
            let (statistics, seen) = (passes.statistics, passes.seen.clone());
            Interrupted { saved_ms, statistics, state, seen }
        });
        assert_eq!(resume_point.interrupted, interrupted);
        assert_eq!(resume_point.mark, passes.incremental.mark);
        let there = self.items.keys().filter(|(of, _)| *of == repository);
        let suspects = UnseenItems {
            items: there.count() as u64,
            suspects: passes.suspects.clone(),
            held: passes.held.clone(),
        };
        assert_eq!(writer.suspects().await.unwrap(), suspects);
        let approved = passes.held.as_ref().is_some_and(|held| !held.approved.is_empty());
        assert_eq!(writer.any_approved().await.unwrap(), approved);
    }

    /// What is in the mirror then.
    pub(super) fn content(&self) -> MirrorContent {
        let (old, retained) = self.log.split_at(self.dropped);
        // A body is needed by the item that has it and by the next change of the item.
        let hidden = old.iter().filter(|change| {
            let later = self.log.iter().skip(usize::try_from(change.sequence.0).unwrap());
            let next = later.into_iter().find(|later| key(later) == key(change));
            change.op != Op::Delete && next.is_none_or(|next| next.sequence.0 > self.dropped as u64)
        });
        let remembered = retained.iter().map(key).filter(|key| !self.items.contains_key(key));
        MirrorContent {
            items: self
                .items
                .iter()
                .map(|(key, (_, bytes))| (key.clone(), bytes.clone()))
                .collect(),
            tombstones: remembered.collect(),
            changes: retained.to_vec(),
            hidden: Some(hidden.map(|change| change.sequence.0).collect()),
        }
    }

    pub(super) fn fold(&self, changes: &[Change]) -> BTreeMap<(u64, ItemId), Vec<u8>> {
        fold(self.base.clone(), changes)
    }
}

/// The item that a change is of.
pub(super) fn key(change: &Change) -> (u64, ItemId) {
    (change.repository.0, change.item.clone())
}

/// Puts down in the model what the operator says; what he should be told.
fn approved(held: &mut HeldDeletions, named: Option<Vec<ItemId>>) -> ApprovalOutcome {
    let Some(named) = named else {
        (held.approved, held.picked) = (held.items.clone(), false);
        return ApprovalOutcome::Done { approved: held.items.count(), waiting: 0 };
    };
    // A name means the number, where that is held, or else the text.
    let meant = |id: &ItemId| {
        let number = id.to_string().parse().ok().map(ItemId::Integer);
        let both = number.into_iter().chain([ItemId::Text(id.to_string().into())]);
        both.into_iter().find(|id| held.items.contains(id))
    };
    let unknown: Vec<String> =
        named.iter().filter(|id| meant(id).is_none()).map(ToString::to_string).collect();
    if !unknown.is_empty() {
        return ApprovalOutcome::Unknown(unknown);
    }
    let meant: BTreeSet<ItemId> = named.iter().filter_map(meant).collect();
    for id in &meant {
        held.approved.insert(id);
    }
    held.picked = true;
    let waiting = held.items.count() - held.approved.count();
    ApprovalOutcome::Done { approved: meant.len() as u64, waiting }
}

fn fold(
    mut copy: BTreeMap<(u64, ItemId), Vec<u8>>,
    changes: &[Change],
) -> BTreeMap<(u64, ItemId), Vec<u8>> {
    for change in changes {
        let key = (change.repository.0, change.item.clone());
        let before = match &change.after {
            Some(after) => copy.insert(key, after.clone()),
            None => copy.remove(&key),
        };
        assert_eq!(before, change.before, "before of {}", change.sequence);
    }
    copy
}
