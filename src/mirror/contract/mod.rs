//! What every mirror must do, as one suite: a model of the words in [`Mirror`], to be run beside any
//! implementation.

mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub(super) use self::steps::any_steps;
use self::steps::{Body, Step, all_ids};
use super::*;
use crate::domain::{Change, Op, Sequence};

/// A kind of mirror.
pub(super) trait ImplementationUnderTest {
    /// The mirror.
    type Mirror: Mirror;

    /// Opens it, or opens it again.
    fn open(&self) -> Self::Mirror;

    /// Looks into it without its help.
    fn look(&self) -> MirrorContent;

    /// Says the operator's word on what is held back, beside the one who writes.
    fn approve(&self, repository: RepositoryId, named: Option<&[ItemId]>) -> ApprovalOutcome;
}

/// What is in a mirror.
#[derive(Debug, Default, PartialEq)]
pub(super) struct MirrorContent {
    /// The copy.
    pub(super) items: BTreeMap<(u64, ItemId), Vec<u8>>,
    /// Deleted items that are remembered.
    pub(super) tombstones: BTreeSet<(u64, ItemId)>,
    /// The log.
    pub(super) changes: Vec<Change>,
    /// Changes that are no longer part of the log, and kept for their bodies.
    pub(super) hidden: BTreeSet<u64>,
}

/// Does the steps, and compares what is then in the mirror with the model, after each.
pub(super) fn a_mirror_is_the_fold_of_its_log_and_forgets_nothing<K: ImplementationUnderTest>(
    kind: &K,
    steps: Vec<Step>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut model = Model::default();
    let mut mirror = Some(kind.open());
    for step in steps {
        model.now += 1;
        if matches!(step, Step::Reopen) {
            drop(mirror.take());
            mirror = Some(kind.open());
        }
        let mirror = mirror.as_ref().unwrap();
        runtime.block_on(async {
            model.step(kind, mirror, step).await;
            for repository in 1..3 {
                model.compare(mirror, repository).await;
            }
        });
        let look = kind.look();
        assert_eq!(look, model.look());
        assert_eq!(model.fold(&look.changes), look.items);
    }
}

/// What a mirror should be.
#[derive(Default)]
struct Model {
    now: i64,
    /// The value and the bytes of each item that is there.
    items: BTreeMap<(u64, ItemId), (u8, Vec<u8>)>,
    log: Vec<Change>,
    dropped: usize,
    /// The copy as it was when the last change was dropped.
    base: BTreeMap<(u64, ItemId), Vec<u8>>,
    passes: BTreeMap<u64, Passes>,
}

/// The passes of one repository.
#[derive(Default)]
struct Passes {
    last: Option<u64>,
    under_way: bool,
    any_done: bool,
    changed: ChangeCounts,
    statistics: PassStatistics,
    saved: Option<(i64, Vec<u8>)>,
    seen: Vec<Vec<u8>>,
    suspects: IdSet,
    held: Option<HeldDeletions>,
}

impl Passes {
    fn iteration(&self) -> u64 {
        match self.last {
            Some(last) if self.under_way => last,
            last => last.unwrap_or(0) + 1,
        }
    }

    /// The pass that whatever is done next belongs to.
    fn enter(&mut self) -> u64 {
        let iteration = self.iteration();
        if !self.under_way {
            (self.last, self.under_way) = (Some(iteration), true);
            (self.changed, self.statistics) = Default::default();
        }
        iteration
    }
}

impl Model {
    async fn step<K: ImplementationUnderTest>(&mut self, kind: &K, mirror: &K::Mirror, step: Step) {
        let now = self.now;
        match step {
            Step::Begin { repository } => {
                let passes = self.passes.entry(repository).or_default();
                let iteration = passes.enter();
                (passes.changed, passes.statistics) = Default::default();
                (passes.saved, passes.seen) = Default::default();
                let (repository, iteration) = (RepositoryId(repository), Iteration(iteration));
                mirror.begin_pass(repository, iteration, now).await.unwrap();
            }
            Step::Page { repository, rows, seen } => {
                self.page(mirror, repository, rows, seen).await;
            }
            Step::Delete { repository, items } => {
                let iteration = self.passes.entry(repository).or_default().enter();
                let mut deleted = 0;
                for id in items.iter().collect::<BTreeSet<_>>() {
                    if self.items.contains_key(&(repository, id.clone())) {
                        self.change(repository, id, Op::Delete, None);
                        deleted += 1;
                    }
                }
                self.passes.entry(repository).or_default().changed.deleted += deleted;
                let (repository, iteration) = (RepositoryId(repository), Iteration(iteration));
                let told = mirror.delete(repository, iteration, now, items).await.unwrap();
                assert_eq!(told, deleted);
            }
            Step::End { repository, reason, suspects, held } => {
                let passes = self.passes.entry(repository).or_default();
                let iteration = Iteration(passes.enter());
                passes.suspects = suspects.iter().collect();
                let before = passes.held.take();
                passes.held = (held && !passes.suspects.is_empty()).then(|| {
                    let items = passes.suspects.clone();
                    HeldDeletions { announced: items.count(), items, ..HeldDeletions::default() }
                });
                (passes.under_way, passes.any_done) = (false, true);
                (passes.saved, passes.seen) = Default::default();
                let end = EndOfPass {
                    repository: RepositoryId(repository),
                    iteration,
                    ts_ms: now,
                    statistics: passes.statistics,
                    reason,
                    suspects: passes.suspects.clone(),
                    held: passes.held.clone(),
                };
                // Approved meanwhile: not to be taken back.
                if let (Some(held), Some(before)) = (&mut passes.held, before) {
                    for id in all_ids().filter(|id| held.items.contains(id)) {
                        if before.approved.contains(&id) {
                            held.approved.insert(&id);
                        }
                    }
                    held.picked = before.picked;
                }
                assert_eq!(mirror.end_pass(end).await.unwrap(), passes.changed);
            }
            Step::ApprovalOutcome { repository, named } => {
                let told = kind.approve(RepositoryId(repository), named.as_deref());
                let held = self.passes.get_mut(&repository).and_then(|it| it.held.as_mut());
                assert_eq!(
                    told,
                    held.map_or(ApprovalOutcome::NothingHeld, |it| approved(it, named))
                );
            }
            Step::Unseen { repository, seen, after, limit } => {
                let seen: IdSet = seen.iter().collect();
                let there = self.items.keys().filter(|(of, _)| *of == repository);
                let unseen: Vec<ItemId> = there
                    .map(|(_, id)| id)
                    .filter(|id| !seen.contains(id) && after.as_ref().is_none_or(|it| *id > it))
                    .take(limit)
                    .cloned()
                    .collect();
                let repository = RepositoryId(repository);
                let told = mirror.unseen(repository, Arc::new(seen), after, limit).await.unwrap();
                assert_eq!(told, unseen);
            }
            Step::Drop { share } => {
                let before = (now * share / 100).min(now);
                let old = self.log.iter().position(|change| change.ts_ms >= before);
                let old = old.unwrap_or(self.log.len()).max(self.dropped);
                self.base = fold(self.base.clone(), &self.log[self.dropped..old]);
                self.dropped = old;
                let keep = Duration::from_millis((now - before).cast_unsigned());
                assert!(!mirror.drop_changes(now, keep).await.unwrap());
            }
            Step::Reopen => {}
        }
    }

    async fn page<M: Mirror>(
        &mut self,
        mirror: &M,
        repository: u64,
        rows: Vec<(ItemId, Body, bool)>,
        seen: Vec<u8>,
    ) {
        let passes = self.passes.entry(repository).or_default();
        let (iteration, first_op) =
            (passes.enter(), if passes.any_done { Op::Create } else { Op::Read });
        let statistics = &mut passes.statistics;
        statistics.pages += 1;
        statistics.requests += 2;
        statistics.distinct += rows.len() as u64;
        let statistics = *statistics;
        let state = vec![u8::try_from(self.now).unwrap()];
        passes.saved = Some((self.now, state.clone()));
        passes.seen.extend((!seen.is_empty()).then(|| seen.clone()));

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
            self.change(repository, id, op, Some(*body));
        }
        self.passes.entry(repository).or_default().changed.add(changed);
        let page = PageOfItems {
            repository: RepositoryId(repository),
            iteration: Iteration(iteration),
            ts_ms: self.now,
            newly_seen: rows.iter().map(|row| row.2).collect(),
            items: rows.into_iter().map(|(id, body, _)| Item::new(id, body.bytes())).collect(),
            ignore: Arc::new(["/ignored".parse().unwrap()]),
            statistics,
            checkpoint: Checkpoint { state, seen },
        };
        assert_eq!(mirror.write_page(Arc::new(page)).await.unwrap(), changed);
    }

    fn change(&mut self, repository: u64, id: &ItemId, op: Op, body: Option<Body>) {
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
            iteration: Iteration(self.passes[&repository].iteration()),
            ts_ms: self.now,
            before: before.map(|(_, bytes)| bytes),
            after: body.map(|body| body.bytes().to_vec()),
        });
    }

    async fn compare<M: Mirror>(&self, mirror: &M, repository: u64) {
        let nothing = Passes::default();
        let passes = self.passes.get(&repository).unwrap_or(&nothing);
        let saved = passes.saved.clone().filter(|_| passes.under_way);
        let resume_point = mirror.load(RepositoryId(repository)).await.unwrap();
        assert_eq!(resume_point.iteration, Iteration(passes.iteration()));
        let interrupted = saved.map(|(saved_ms, state)| {
            let (statistics, seen) = (passes.statistics, passes.seen.clone());
            Interrupted { saved_ms, statistics, state, seen }
        });
        assert_eq!(resume_point.interrupted, interrupted);
        let there = self.items.keys().filter(|(of, _)| *of == repository);
        let suspects = Suspects {
            items: there.count() as u64,
            suspects: passes.suspects.clone(),
            held: passes.held.clone(),
        };
        assert_eq!(mirror.suspects(RepositoryId(repository)).await.unwrap(), suspects);
        let approved = passes.held.as_ref().is_some_and(|held| !held.approved.is_empty());
        assert_eq!(mirror.approved(RepositoryId(repository)).await.unwrap(), approved);
    }

    fn look(&self) -> MirrorContent {
        let key = |change: &Change| (change.repository.0, change.item.clone());
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
            hidden: hidden.map(|change| change.sequence.0).collect(),
        }
    }

    fn fold(&self, changes: &[Change]) -> BTreeMap<(u64, ItemId), Vec<u8>> {
        fold(self.base.clone(), changes)
    }
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
