//! A feed over any log, with any receiver, killed at any moment.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::super::batch::{Batch, FeedLine, batch_id};
use super::super::cut::{BatchLimits, CutBatch, ParkedItems, cut};
use super::super::place::{BatchContent, FeedCursor, FeedPlace, StoredBatch};
use super::find_unfit;
use crate::domain::{ItemId, Op, RepositoryId, Sequence};

const ROUNDS: usize = 20_000;

fn line(sequence: u64, item: u8, size: usize) -> FeedLine {
    FeedLine {
        ts_ms: 7,
        sequence: Sequence(sequence),
        repository: RepositoryId(1),
        item: ItemId::Integer(item.into()),
        op: Op::Update,
        envelope: vec![b' '; size].into(),
    }
}

/// What outlives a kill, as the store has it.
#[derive(Clone, Debug, Default)]
struct Kept {
    through: Sequence,
    place: String,
    parked: BTreeMap<u64, (ItemId, Option<u64>)>,
    released: BTreeSet<u64>,
}

impl Kept {
    fn load(&self) -> FeedCursor {
        let place: FeedPlace = if self.place.is_empty() {
            FeedPlace::default()
        } else {
            serde_json::from_str(&self.place).unwrap()
        };
        let mut parked = ParkedItems::default();
        for (sequence, (item, _)) in &self.parked {
            parked.park(RepositoryId(1), item.clone(), Sequence(*sequence));
            if self.released.contains(sequence) {
                parked.release(RepositoryId(1), item);
            }
        }
        FeedCursor { through: self.through, place, parked }
    }

    fn save(&mut self, cursor: &FeedCursor, held: &[(FeedLine, Sequence)]) {
        self.through = cursor.through;
        self.place = serde_json::to_string(&cursor.place).unwrap();
        for (line, behind) in held {
            self.parked.insert(line.sequence.0, (line.item.clone(), Some(behind.0)));
            if cursor.parked.is_released(line.repository, &line.item) {
                self.released.insert(line.sequence.0);
            }
        }
    }
}

/// What the world does next.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered,
    KilledBeforeSent,
    KilledBeforeAnswered,
    KilledBeforeSaved,
    RefusedForNow,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        4 => Just(Fate::Answered),
        1 => Just(Fate::KilledBeforeSent),
        1 => Just(Fate::KilledBeforeAnswered),
        1 => Just(Fate::KilledBeforeSaved),
        1 => Just(Fate::RefusedForNow),
    ];
    proptest::collection::vec(fate, 0..40)
}

/// What has reached the receiver.
#[derive(Debug, Default)]
struct Received {
    /// Each batch under its id.
    batches: BTreeMap<String, Vec<u64>>,
    /// Each change where it came first.
    order: Vec<u64>,
    times: BTreeMap<u64, usize>,
}

/// The lines of a log that belong to the feed, after `through`, some at a time.
fn next(log: &[FeedLine], through: Sequence) -> (VecDeque<FeedLine>, Sequence) {
    const PAGE: usize = 7;
    let left: Vec<_> = log.iter().filter(|line| line.sequence > through).collect();
    let page: VecDeque<FeedLine> = left.iter().take(PAGE).map(|it| (*it).clone()).collect();
    // Beyond the last of its changes others have been looked at that are none of its.
    let last = page.back().map_or(through, |line| line.sequence);
    (page, if left.len() > PAGE { last } else { Sequence(last.0.max(through.0) + 1) })
}

proptest! {
    #[test]
    fn nothing_is_lost_or_out_of_order_and_a_batch_is_the_same_at_every_try(
        steps in proptest::collection::vec((0..3_u64, 0..6_u8, 0..30_usize), 0..60),
        unfit in proptest::collection::btree_set(0..90_u64, 0..6),
        fates in fates(),
        count in 1..9_usize,
        bytes in 1..100_usize,
    ) {
        let mut at = 0;
        let log: Vec<FeedLine> = steps.into_iter().map(|(gap, item, size)| {
            at += 1 + gap;
            line(at, item, size)
        }).collect();
        let is_killing = !fates.iter().all(|it| matches!(it, Fate::Answered | Fate::RefusedForNow));
        let mut fates = fates.into_iter();
        let (mut kept, mut received) = (Kept::default(), Received::default());
        let mut cursor = kept.load();
        let end = Sequence(at);
        let mut rounds = 0;
        while cursor.through < end || cursor.place.batch.is_some() {
            rounds += 1;
            prop_assert!(rounds < ROUNDS, "it does not get on: {cursor:?}");
            let limits = cursor.limits(BatchLimits { count, bytes });
            if cursor.place.batch.is_none() {
                let (mut lines, scanned) = next(&log, cursor.through);
                let CutBatch { lines, held, through } =
                    cut(&mut lines, scanned, &cursor.parked, limits);
                cursor.hold(&held);
                if lines.is_empty() {
                    cursor.pass(through);
                    kept.save(&cursor, &held);
                    continue;
                }
                prop_assert!(lines.len() <= limits.count);
                let size: usize = lines.iter().map(|it| it.envelope.len()).sum();
                prop_assert!(size <= bytes || lines.len() == 1);
                let id = batch_id(("pim", "shop", "a"), &lines, false);
                let content = BatchContent::of_changes(&lines, through);
                cursor.store(StoredBatch { id, content });
                kept.save(&cursor, &held);
            }
            let stored = cursor.place.batch.clone().unwrap();
            let content = &stored.content;
            let lines: Vec<_> =
                log.iter().filter(|it| content.holds(it.sequence)).cloned().collect();
            prop_assert_eq!(
                content.bounds(),
                lines.first().map(|it| it.sequence).zip(lines.last().map(|it| it.sequence)));
            let batch = Batch { id: stored.id, lines };
            let fate = fates.next().unwrap_or(Fate::Answered);
            if matches!(fate, Fate::KilledBeforeSent) {
                cursor = kept.load();
                continue;
            }
            if matches!(fate, Fate::RefusedForNow) {
                continue;
            }
            let sequences: Vec<u64> = batch.lines.iter().map(|it| it.sequence.0).collect();
            let is_unfit = sequences.iter().any(|it| unfit.contains(it));
            if !is_unfit {
                let known = received.batches.entry(batch.id.clone());
                prop_assert_eq!(known.or_insert_with(|| sequences.clone()), &sequences);
                for sequence in &sequences {
                    let times = received.times.entry(*sequence).or_default();
                    *times += 1;
                    if *times == 1 {
                        received.order.push(*sequence);
                    }
                }
            }
            if matches!(fate, Fate::KilledBeforeAnswered) {
                cursor = kept.load();
                continue;
            }
            let mut parked = None;
            if is_unfit {
                parked = find_unfit(&mut cursor, &batch.lines, None);
            } else {
                cursor.delivered(batch.lines.len(), Some("there".to_owned()));
            }
            if matches!(fate, Fate::KilledBeforeSaved) {
                cursor = kept.load();
                continue;
            }
            kept.save(&cursor, &[]);
            if let Some(line) = parked {
                kept.parked.insert(line.sequence.0, (line.item, None));
            }
        }

        // In the order of the log, and all but what is parked.
        let parked: BTreeSet<u64> = kept.parked.keys().copied().collect();
        let expected: Vec<u64> = log.iter().map(|it| it.sequence.0)
            .filter(|it| !parked.contains(it)).collect();
        prop_assert_eq!(&received.order, &expected);
        // Twice only where a kill came between.
        prop_assert!(is_killing || received.times.values().all(|times| *times == 1));
        // What is parked is what the receiver does not take, and of these items all that came later.
        let mut first: BTreeMap<ItemId, u64> = BTreeMap::new();
        for line in &log {
            let sequence = line.sequence.0;
            let behind = first.get(&line.item).copied();
            let expected = match behind {
                Some(behind) => Some(Some(behind)),
                None if unfit.contains(&sequence) => {
                    first.insert(line.item.clone(), sequence);
                    Some(None)
                }
                None => None,
            };
            prop_assert_eq!(kept.parked.get(&sequence).map(|(_, behind)| *behind), expected);
        }
    }

    #[test]
    fn what_is_kept_of_a_batch_fits_whatever_its_sequences_are(
        gaps in proptest::collection::vec(1..3_u64, 1..5000),
    ) {
        let mut at = u64::MAX / 2;
        let mut lines: VecDeque<_> =
            gaps.iter().map(|gap| { at += gap; line(at, 1, 1) }).collect();
        let limits = BatchLimits { count: usize::MAX, bytes: usize::MAX };
        let CutBatch { lines, through, .. } =
            cut(&mut lines, Sequence(at), &ParkedItems::default(), limits);
        let content = BatchContent::of_changes(&lines, through);
        let batch = Some(StoredBatch { id: batch_id(("pim", "shop", "a"), &lines, false), content });
        let place = FeedPlace { batch, ..FeedPlace::default() };
        let told = serde_json::to_string(&place).unwrap();
        prop_assert!(told.len() < 60 * 1024, "{} bytes", told.len());
        prop_assert_eq!(serde_json::from_str::<FeedPlace>(&told).unwrap(), place);
    }
}

#[test]
fn ids_tell_mirrors_feeds_and_contents_apart() {
    let lines = [line(1, 1, 1), line(2, 2, 1)];
    let mut ids = BTreeSet::new();
    for (named, lines, is_reading) in [
        (("a", "b", "1"), &lines[..], false),
        (("a", "b", "1"), &lines[..1], false),
        (("a", "b", "1"), &lines[1..], false),
        (("a", "b", "1"), &lines[..], true),
        (("ab", "", "1"), &lines[..], false),
        (("a", "c", "1"), &lines[..], false),
        (("a", "b", "2"), &lines[..], false),
        (("a", "b1", ""), &lines[..], false),
    ] {
        assert!(ids.insert(batch_id(named, lines, is_reading)));
        assert!(!ids.insert(batch_id(named, lines, is_reading)), "the same at every try");
    }
    // A number and the same digits as a text are two items.
    let text = FeedLine { item: ItemId::Text("1".into()), ..line(1, 1, 1) };
    let named = ("a", "b", "1");
    assert_ne!(batch_id(named, &[text], true), batch_id(named, &lines[..1], true));
}

#[test]
fn one_change_among_a_thousand_that_the_receiver_does_not_take_is_found_in_few_tries() {
    let log: Vec<_> = (1..=1000).map(|sequence| line(sequence, 1, 1)).collect();
    let mut cursor = FeedCursor::default();
    let mut tries = 0;
    loop {
        let limits = cursor.limits(BatchLimits { count: 1000, bytes: usize::MAX });
        let left = log.iter().filter(|it| it.sequence > cursor.through);
        let mut left: VecDeque<_> = left.cloned().collect();
        let CutBatch { lines, through, .. } =
            cut(&mut left, Sequence(1000), &cursor.parked, limits);
        let content = BatchContent::of_changes(&lines, through);
        cursor.store(StoredBatch { id: String::new(), content });
        tries += 1;
        if lines.iter().all(|it| it.sequence != Sequence(777)) {
            cursor.delivered(lines.len(), None);
            continue;
        }
        if let Some(parked) = find_unfit(&mut cursor, &lines, None) {
            assert_eq!(parked.sequence, Sequence(777));
            break;
        }
    }
    assert!(tries <= 21, "{tries} tries");
}

proptest! {
    #[test]
    fn what_is_released_comes_in_the_order_of_its_item_and_what_came_meanwhile_behind_it(
        items in proptest::collection::vec(0..4_u8, 1..40),
        unfit in proptest::collection::btree_set(1..40_u64, 0..8),
        releases in proptest::collection::vec((0..30_usize, 0..4_u64), 1..5),
        kills in proptest::collection::vec(proptest::bool::ANY, 0..60),
        count in 1..9_usize,
    ) {
        let log: Vec<FeedLine> =
            items.into_iter().zip(1..).map(|(item, at)| line(at, item, 1)).collect();
        let end = Sequence(log.len() as u64);
        let (mut unfit, mut kept, mut order) = (unfit, Kept::default(), Vec::new());
        let mut cursor = kept.load();
        let mut kills = kills.into_iter();
        let mut rounds = 0;
        loop {
            rounds += 1;
            prop_assert!(rounds < ROUNDS, "it does not get on: {cursor:?}");
            for (_, cured) in releases.iter().filter(|(at, _)| *at == rounds) {
                // The operator sees to some of what is wrong, and has all delivered again.
                unfit.retain(|it| it % 4 != *cured);
                kept.released = kept.parked.keys().copied().collect();
                cursor = kept.load();
            }
            let limits = cursor.limits(BatchLimits { count, bytes: usize::MAX });
            if cursor.place.batch.is_none() {
                let sequences = cursor.released(limits.count);
                let content = if sequences.is_empty() {
                    let (mut lines, scanned) = next(&log, cursor.through);
                    let cut = cut(&mut lines, scanned, &cursor.parked, limits);
                    cursor.hold(&cut.held);
                    if cut.lines.is_empty() {
                        cursor.pass(cut.through.min(end));
                        kept.save(&cursor, &cut.held);
                        if cursor.through >= end && cursor.released(1).is_empty() && rounds > 30 {
                            break;
                        }
                        continue;
                    }
                    kept.save(&cursor, &cut.held);
                    BatchContent::of_changes(&cut.lines, cut.through)
                } else {
                    BatchContent::Released { sequences }
                };
                cursor.store(StoredBatch { id: String::new(), content });
                kept.save(&cursor, &[]);
            }
            let content = cursor.place.batch.clone().unwrap().content;
            let is_in = |line: &&FeedLine| match &content {
                BatchContent::Released { sequences } => sequences.contains(&line.sequence),
                other => other.holds(line.sequence),
            };
            let lines: Vec<_> = log.iter().filter(is_in).cloned().collect();
            let is_refused = lines.iter().any(|it| unfit.contains(&it.sequence.0));
            if kills.next() == Some(true) {
                cursor = kept.load();
                continue;
            }
            if is_refused {
                let outcome = find_unfit(&mut cursor, &lines, None);
                kept.save(&cursor, &[]);
                if let Some(line) = outcome {
                    let before = kept.parked.get(&line.sequence.0).map(|it| it.1);
                    kept.parked.insert(line.sequence.0, (line.item.clone(), before.flatten()));
                    let item = &line.item;
                    let parked = &kept.parked;
                    kept.released.retain(|it| parked[it].0 != *item);
                }
            } else {
                order.extend(lines.iter().map(|it| it.sequence.0));
                for sequence in cursor.delivered(lines.len(), None) {
                    kept.parked.remove(&sequence.0);
                    kept.released.remove(&sequence.0);
                }
                kept.save(&cursor, &[]);
            }
        }
        for item in 0..4_i128 {
            let is_own = |it: &u64| log[usize::try_from(*it).unwrap() - 1].item == ItemId::Integer(item);
            let mut told: Vec<u64> = order.iter().copied().filter(is_own).collect();
            prop_assert!(told.is_sorted_by(|a, b| a < b), "{told:?}");
            let parked: Vec<u64> = kept.parked.keys().copied().filter(is_own).collect();
            prop_assert!(parked.first().is_none_or(|it| unfit.contains(it)), "{parked:?}");
            told.extend(parked);
            let all: Vec<u64> = (1..=end.0).filter(is_own).collect();
            prop_assert_eq!(told, all);
        }
    }
}
