//! The reading of all items at one instant, killed at any moment.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::batch::{Batch, FeedLine, batch_id};
use super::super::cut::{BatchLimits, ParkedItems, cut};
use super::super::place::{BatchContent, FeedCursor, FeedPlace, FeedReading, StoredBatch};
use super::find_unfit;
use crate::domain::{ItemId, Op, RepositoryId, Sequence};

const AT: Sequence = Sequence(77);

fn line(repository: RepositoryId, item: &ItemId) -> FeedLine {
    let envelope = vec![b' '; 3].into();
    FeedLine { sequence: AT, repository, item: item.clone(), op: Op::Read, ts_ms: 7, envelope }
}

proptest! {
    #[test]
    fn each_item_is_read_once_and_what_comes_after_that_instant_is_next(
        items in proptest::collection::btree_set((1..5_u64, 0..40_i128), 0..60),
        unfit in proptest::collection::btree_set((1..5_u64, 0..40_i128), 0..4),
        kills in proptest::collection::vec(proptest::bool::ANY, 0..30),
        count in 1..9_usize,
    ) {
        let mut repositories: BTreeMap<RepositoryId, Vec<ItemId>> = BTreeMap::new();
        for (repository, item) in &items {
            let items = repositories.entry(RepositoryId(*repository)).or_default();
            items.push(ItemId::Integer(*item));
        }
        let is_unfit = |line: &FeedLine| {
            let ItemId::Integer(item) = line.item else { return false };
            unfit.contains(&(line.repository.0, item))
        };
        let mut kills = kills.into_iter();
        let reading = Some(FeedReading::new(AT, 5));
        let place = FeedPlace { reading, ..FeedPlace::default() };
        let mut cursor = FeedCursor { place, ..FeedCursor::default() };
        let mut kept = serde_json::to_string(&cursor.place).unwrap();
        let (mut received, mut parked, mut ids) = (Vec::new(), Vec::new(), BTreeSet::new());
        let mut rounds = 0;
        while let Some(reading) = cursor.place.reading.clone() {
            rounds += 1;
            prop_assert!(rounds < 10_000, "it does not get on: {cursor:?}");
            let next = reading.next(repositories.keys().copied());
            let Some((repository, after)) = next else {
                cursor.end_reading();
                break;
            };
            let of_repository = &repositories[&repository];
            if cursor.place.batch.is_none() {
                let mut left: std::collections::VecDeque<_> = of_repository.iter().filter(|it| after.is_none_or(|after| *it > after))
                    .map(|it| line(repository, it)).collect();
                let all = left.len();
                let limits = cursor.limits(BatchLimits { count, bytes: usize::MAX });
                let lines = cut(&mut left, AT, &ParkedItems::default(), limits).lines;
                let Some(last) = lines.last() else {
                    cursor.place.reading = Some(FeedReading { repository: repository.0, ..reading });
                    cursor.end_repository();
                    continue;
                };
                let content = BatchContent::Items {
                    repository: repository.0,
                    after: after.cloned(),
                    through: last.item.clone(),
                    ends_repository: lines.len() == all,
                };
                cursor.store(StoredBatch { id: batch_id(("pim", "shop", "a"), &lines, true), content });
                kept = serde_json::to_string(&cursor.place).unwrap();
            }
            let stored = cursor.place.batch.clone().unwrap();
            let BatchContent::Items { after, through, .. } = &stored.content else { panic!() };
            let lines: Vec<_> = of_repository.iter()
                .filter(|it| after.as_ref().is_none_or(|after| *it > after) && *it <= through)
                .map(|it| line(repository, it)).collect();
            prop_assert_eq!(&batch_id(("pim", "shop", "a"), &lines, true), &stored.id);
            let batch = Batch { id: stored.id, lines };
            let is_refused = batch.lines.iter().any(is_unfit);
            if !is_refused && ids.insert(batch.id.clone()) {
                received.extend(batch.lines.clone());
            }
            let before = cursor.clone();
            if !is_refused {
                cursor.delivered(batch.lines.len(), None);
            } else if let Some(line) = find_unfit(&mut cursor, &batch.lines, Some(Sequence(3)))
                && kills.clone().next() != Some(true)
            {
                parked.push(line);
            }
            if kills.next() == Some(true) {
                cursor = FeedCursor { place: serde_json::from_str(&kept).unwrap(), ..before };
            }
            kept = serde_json::to_string(&cursor.place).unwrap();
        }
        prop_assert_eq!(cursor.through, AT);
        let all: Vec<_> = repositories.iter()
            .flat_map(|(repository, items)| items.iter().map(|it| line(*repository, it)))
            .collect();
        let (bad, good): (Vec<_>, Vec<_>) = all.into_iter().partition(is_unfit);
        prop_assert_eq!(received, good);
        let bad: Vec<_> = bad.into_iter().map(|it| FeedLine { sequence: Sequence(3), ..it }).collect();
        prop_assert_eq!(parked, bad);
    }
}
