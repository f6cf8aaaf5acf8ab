//! The past of a mirror: what it was at each instant, under a clock that jumps, as it was recorded then.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::ImplementationUnderTest;
use crate::domain::{IdSet, Item, ItemId, Iteration, RepositoryId, Sequence};
use crate::mirror::{
    Checkpoint, ComparedItem, EndOfPass, FeedHolds, ItemsDigest, LogTime, Mirror, MirrorErrorKind,
    MirrorReader, PageOfItems, PassStatistics,
};

/// The repositories of the small world.
const REPOSITORIES: [u64; 2] = [1, 2];

/// About so many instants are compared, and so many pairs of them thrice.
const INSTANTS: usize = 8;
const PAIRS: usize = 3;

/// When the clock is set in motion.
const BEGUN_MS: i64 = 1_000_000;

/// What goes on.
#[derive(Clone, Debug)]
pub(in crate::mirror) enum Churn {
    /// A page shows these items with these values.
    Page { repository: u64, items: BTreeMap<u8, (u8, bool)> },
    /// These are deleted.
    Delete { repository: u64, items: Vec<u8> },
    /// The pass comes to its end, and the next begins.
    End { repository: u64 },
    /// The clock goes on so far, or back.
    Clock(i64),
    /// Changes are kept so long.
    Drop { keep_ms: u16 },
}

/// Anything that goes on, in a small world.
pub(in crate::mirror) fn any_churn() -> impl Strategy<Value = Vec<Churn>> {
    let items = || prop::collection::btree_map(0_u8..6, (0_u8..3, any::<bool>()), 1..5);
    let one = prop_oneof![
        8 => (1_u64..3, items()).prop_map(|(repository, items)| Churn::Page { repository, items }),
        3 => (1_u64..3, prop::collection::vec(0_u8..6, 1..4))
            .prop_map(|(repository, items)| Churn::Delete { repository, items }),
        1 => (1_u64..3).prop_map(|repository| Churn::End { repository }),
        6 => (0_i64..50).prop_map(Churn::Clock),
        2 => (-120_i64..0).prop_map(Churn::Clock),
        1 => (-3_000_i64..3_000).prop_map(Churn::Clock),
        1 => (0_u16..300).prop_map(|keep_ms| Churn::Drop { keep_ms }),
    ];
    prop::collection::vec(one, 1..40)
}

type BodiesById = BTreeMap<(u64, ItemId), Vec<u8>>;

/// What is recorded.
struct Record {
    now_ms: i64,
    /// The pass of each repository.
    iterations: BTreeMap<u64, u64>,
    items: BodiesById,
    /// When each change was found, the first one first, and what it left.
    past: Vec<(i64, BodiesById)>,
    dropped: usize,
}

/// What goes on, and then each instant of it.
pub(in crate::mirror) fn each_instant_is_what_was_recorded<K: ImplementationUnderTest>(
    kind: &K,
    churn: Vec<Churn>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mirror = kind.open();
    let reader = kind.reader(&mirror);
    let iterations = REPOSITORIES.map(|repository| (repository, 1)).into();
    let mut record = Record {
        now_ms: BEGUN_MS,
        iterations,
        items: BodiesById::new(),
        past: Vec::new(),
        dropped: 0,
    };
    for step in churn {
        if matches!(step, Churn::Drop { .. }) {
            runtime.block_on(record.compare(&*reader));
        }
        if matches!(step, Churn::Drop { .. } | Churn::End { .. }) {
            kind.age();
        }
        runtime.block_on(record.step(kind, &mirror, &*reader, step));
    }
    runtime.block_on(record.compare(&*reader));
}

impl Record {
    async fn step<K: ImplementationUnderTest>(
        &mut self,
        kind: &K,
        mirror: &K::Mirror,
        reader: &dyn MirrorReader,
        step: Churn,
    ) {
        let writer = |repository| {
            let repository = RepositoryId(repository);
            mirror.writer(repository, &kind.lease(repository))
        };
        let now_ms = self.now_ms;
        match step {
            Churn::Page { repository, items } => {
                let iteration = Iteration(self.iterations[&repository]);
                let page = page(iteration, now_ms, &items);
                writer(repository).write_page(Arc::new(page)).await.unwrap();
                for (id, (value, turned)) in items {
                    let (key, body) = ((repository, id_of(id)), body(value, turned));
                    let known = self.items.get(&key);
                    if known.is_none_or(|known| *known != body && *known != turn(value, turned)) {
                        self.items.insert(key, body);
                        self.past.push((now_ms, self.items.clone()));
                    }
                }
            }
            Churn::Delete { repository, items } => {
                let iteration = Iteration(self.iterations[&repository]);
                let mut ids: Vec<ItemId> = items.into_iter().map(id_of).collect();
                writer(repository).delete(iteration, now_ms, ids.clone()).await.unwrap();
                ids.sort_unstable();
                for id in ids {
                    if self.items.remove(&(repository, id)).is_some() {
                        self.past.push((now_ms, self.items.clone()));
                    }
                }
            }
            Churn::End { repository } => {
                let iteration = self.iterations.get_mut(&repository).unwrap();
                let end = EndOfPass {
                    iteration: Iteration(*iteration),
                    ts_ms: now_ms,
                    statistics: PassStatistics::default(),
                    reason: None,
                    suspects: IdSet::new(),
                    held: None,
                };
                writer(repository).end_pass(end).await.unwrap();
                *iteration += 1;
                writer(repository).begin_pass(Iteration(*iteration), now_ms).await.unwrap();
            }
            Churn::Clock(by) => self.now_ms += by,
            Churn::Drop { keep_ms } => {
                let keep = Duration::from_millis(u64::from(keep_ms));
                assert!(
                    !mirror.drop_changes(now_ms, keep, &FeedHolds::default()).await.unwrap().more
                );
                let through = reader.bounds().await.unwrap().dropped_through.0;
                let through = usize::try_from(through).unwrap();
                // One from a clock that was ahead is as old as what is dropped.
                for (ts_ms, _) in &mut self.past[self.dropped..through] {
                    *ts_ms = (*ts_ms).min(now_ms - i64::from(keep_ms));
                }
                self.dropped = through;
            }
        }
    }

    /// What there was once this change had been made.
    fn items(&self, sequence: usize) -> BodiesById {
        sequence.checked_sub(1).map(|place| self.past[place].1.clone()).unwrap_or_default()
    }

    async fn compare(&self, reader: &dyn MirrorReader) {
        let last = self.past.len();
        assert_eq!(reader.bounds().await.unwrap().last.0, last as u64);
        self.compare_times(reader).await;
        for sequence in some(self.dropped..=last, INSTANTS) {
            self.compare_items(reader, sequence).await;
        }
        for from in some(self.dropped..=last, PAIRS) {
            for to in [from, usize::midpoint(from, last), last] {
                self.compare_both(reader, from, to).await;
            }
        }
        let both = reader.comparison(Sequence(self.dropped as u64), None).await.unwrap();
        assert_eq!(both.sequences(), (Sequence(self.dropped as u64), Sequence(last as u64)));
        let kind = |from: usize, to: usize| async move {
            let (from, to) = (Sequence(from as u64), Sequence(to as u64));
            reader.comparison(from, Some(to)).await.map(|_| ()).map_err(|error| error.kind())
        };
        assert_eq!(kind(last, last + 1).await, Err(MirrorErrorKind::Ahead));
        if self.dropped < last {
            assert_eq!(kind(last, self.dropped).await, Err(MirrorErrorKind::Ahead));
        }
        if self.dropped > 0 {
            assert_eq!(kind(self.dropped - 1, last).await, Err(MirrorErrorKind::Dropped));
        }
    }

    /// Which change each time means, just before each change and just then.
    async fn compare_times(&self, reader: &dyn MirrorReader) {
        let last_ms = self.past.last().map_or(self.now_ms, |(ts_ms, _)| *ts_ms);
        let latest_ms = last_ms.max(self.now_ms);
        let (dropped, kept) = self.past.split_at(self.dropped);
        let earliest_ms = dropped.iter().map(|(ts_ms, _)| *ts_ms).max();
        let of_changes = self.past.iter().flat_map(|(ts_ms, _)| [*ts_ms, ts_ms - 1]);
        for ts_ms in of_changes.chain([self.now_ms, 0]) {
            let later = kept.iter().position(|it| it.0 > ts_ms && it.0 <= latest_ms);
            let expected = later.map_or(self.past.len(), |place| self.dropped + place);
            let is_told = earliest_ms.is_none_or(|earliest_ms| ts_ms >= earliest_ms);
            let LogTime { sequence, earliest_ms: told_ms, .. } =
                reader.at_time(ts_ms, self.now_ms).await.unwrap();
            let expected = is_told.then_some(Sequence(expected as u64));
            assert_eq!((sequence, told_ms), (expected, earliest_ms), "at {ts_ms}");
        }
    }

    async fn compare_items(&self, reader: &dyn MirrorReader, sequence: usize) {
        let expected = self.items(sequence);
        let snapshot = reader.snapshot(Some(Sequence(sequence as u64))).await.unwrap();
        let mut found = BodiesById::new();
        for repository in REPOSITORIES {
            let (mut after, mut digest) = (None, ItemsDigest::default());
            loop {
                let page = snapshot.items(RepositoryId(repository), after).await.unwrap();
                for (id, body) in page.items {
                    digest.add(&id, &body);
                    found.insert((repository, id), body);
                }
                after = page.scanned_through;
                if after.is_none() {
                    break;
                }
            }
            let told = ItemsDigest::of(&*snapshot, RepositoryId(repository)).await.unwrap();
            assert_eq!(told, digest);
        }
        assert_eq!(found, expected, "as of {sequence}");
    }

    async fn compare_both(&self, reader: &dyn MirrorReader, from: usize, to: usize) {
        let (before, after) = (self.items(from), self.items(to));
        let sequences = (Sequence(from as u64), Sequence(to as u64));
        let both = reader.comparison(sequences.0, Some(sequences.1)).await.unwrap();
        assert_eq!(both.sequences(), sequences);
        for repository in REPOSITORIES {
            let ids = (0..6).map(id_of).collect::<BTreeSet<_>>();
            let compared = ids.into_iter().map(|id| {
                let key = (repository, id);
                let [before, after] = [&before, &after].map(|items| items.get(&key).cloned());
                ComparedItem { id: key.1, before, after }
            });
            let expected: Vec<_> = compared.filter(|it| it.before != it.after).collect();
            let (mut found, mut behind) = (Vec::new(), None);
            loop {
                let page = both.items(RepositoryId(repository), behind).await.unwrap();
                found.extend(page.items);
                behind = page.scanned_through;
                if behind.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected, "from {from} to {to}");
        }
    }
}

/// About so many of these, the first and the last among them.
fn some(all: RangeInclusive<usize>, count: usize) -> Vec<usize> {
    let (first, last) = (*all.start(), *all.end());
    let mut some: Vec<usize> = all.step_by((last - first) / count + 1).chain([last]).collect();
    some.dedup();
    some
}

/// Ids of both kinds.
fn id_of(number: u8) -> ItemId {
    if number.is_multiple_of(2) {
        ItemId::Integer(i128::from(number) - 2)
    } else {
        ItemId::Text(number.to_string().into())
    }
}

/// A body of this value in one of its two spellings.
fn body(value: u8, turned: bool) -> Vec<u8> {
    let text = if turned {
        format!("{{\"b\":1,\"a\":{value}.0}}")
    } else {
        format!("{{\"a\": {value}, \"b\": 1}}")
    };
    text.into_bytes()
}

/// The same value in the other spelling.
fn turn(value: u8, turned: bool) -> Vec<u8> {
    body(value, !turned)
}

fn page(iteration: Iteration, ts_ms: i64, items: &BTreeMap<u8, (u8, bool)>) -> PageOfItems {
    let item = |(id, (value, turned)): (&u8, &(u8, bool))| {
        Item::new(id_of(*id), body(*value, *turned).into())
    };
    PageOfItems {
        iteration,
        ts_ms,
        newly_seen: items.iter().map(|_| true).collect(),
        items: items.iter().map(item).collect(),
        ignore: Arc::new([]),
        member_changes: Arc::default(),
        statistics: PassStatistics::default(),
        checkpoint: Checkpoint { state: vec![1], seen: Vec::new() },
    }
}
