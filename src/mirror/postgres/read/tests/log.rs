//! The log and the items, in parts that come and go.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{HandmadeMirror, ONE};
use crate::domain::{Change, ItemId, RepositoryId, Sequence};
use crate::mirror::contracts::{ChangeLog, Items, ItemsSnapshot};
use crate::mirror::{ItemHistory, MirrorErrorKind};
use crate::testing::slow_property;

/// Something that is done to a mirror.
#[derive(Clone, Debug)]
enum LogStep {
    Put(u64, i128, Option<u8>),
    RollOver,
    /// Drops this share of the log, in percent.
    Drop(u64),
}

fn any_step() -> impl Strategy<Value = LogStep> {
    prop_oneof![
        9 => (1_u64..3, 0_i128..5, prop::option::weighted(0.7, any::<u8>()))
            .prop_map(|(repository, item, body)| LogStep::Put(repository, item, body)),
        2 => Just(LogStep::RollOver),
        1 => (0_u64..101).prop_map(LogStep::Drop),
    ]
}

async fn all_changes(
    mirror: &HandmadeMirror,
    repository: Option<RepositoryId>,
    limit: usize,
) -> Vec<Change> {
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = mirror.reading.changes(after, repository, limit).await.unwrap();
        assert!(page.changes.len() <= limit);
        assert_eq!((page.dropped_through.0, page.last.0), (mirror.dropped, mirror.last()));
        assert!(after.is_none_or(|after| page.scanned_through > after || after == page.last));
        found.extend(page.changes);
        after = Some(page.scanned_through);
        if page.scanned_through == page.last {
            return found;
        }
    }
}

async fn all_items(snapshot: &dyn ItemsSnapshot) -> BTreeMap<(u64, ItemId), Vec<u8>> {
    let mut found: BTreeMap<(u64, ItemId), Vec<u8>> = BTreeMap::new();
    for repository in 1..3 {
        let mut after = None;
        loop {
            let page = snapshot.items(RepositoryId(repository), after).await.unwrap();
            for (id, body) in page.items {
                let key = (repository, id);
                assert!(found.last_key_value().is_none_or(|(last, _)| *last < key));
                found.insert(key, body);
            }
            after = page.scanned_through;
            if after.is_none() {
                break;
            }
        }
    }
    found
}

fn fold(log: &[Change]) -> BTreeMap<(u64, ItemId), Vec<u8>> {
    let mut items = BTreeMap::new();
    for change in log {
        let key = (change.repository.0, change.item.clone());
        match &change.after {
            Some(after) => drop(items.insert(key, after.clone())),
            None => drop(items.remove(&key)),
        }
    }
    items
}

async fn compare(mirror: &HandmadeMirror) {
    let (dropped, last) = (mirror.dropped, mirror.last());
    let kept = &mirror.log[usize::try_from(dropped).unwrap()..];
    for repository in [None, Some(ONE)] {
        let is_of = |it: &&Change| repository.is_none_or(|repository| it.repository == repository);
        let expected: Vec<Change> = kept.iter().filter(is_of).cloned().collect();
        for limit in [2, 1000] {
            assert_eq!(all_changes(mirror, repository, limit).await, expected);
        }
    }
    for change in &mirror.log {
        let found = mirror.reading.change(change.sequence).await.unwrap();
        assert_eq!(found, Some(change.clone()).filter(|it| it.sequence.0 > dropped));
    }
    for item in 0..5 {
        let id = ItemId::Integer(item);
        let found = mirror.reading.history(ONE, &id).await.unwrap();
        let is_of = |it: &&Change| it.repository == ONE && it.item == id;
        let sequences: Vec<_> = kept.iter().filter(is_of).map(|it| it.sequence).collect();
        let is_known = mirror.items.contains_key(&(1, id.clone())) || !sequences.is_empty();
        assert_eq!(found.is_some(), is_known);
        assert_eq!(found.map(|it| it.sequences), is_known.then_some(sequences));
    }
    for instant in dropped..=last {
        let snapshot = mirror.reading.snapshot(Some(Sequence(instant))).await.unwrap();
        let expected = fold(&mirror.log[..usize::try_from(instant).unwrap()]);
        assert_eq!(all_items(&*snapshot).await, expected, "as of {instant}");
    }
    let kind = |after| async move {
        let found = mirror.reading.changes(Some(Sequence(after)), None, 1).await;
        let snapshot = mirror.reading.snapshot(Some(Sequence(after))).await;
        let kinds = (found.map(|_| ()).map_err(|it| it.kind()), snapshot.map(|_| ()));
        (kinds.0, kinds.1.map_err(|it| it.kind()))
    };
    for ahead in [last + 1, i64::MAX as u64, u64::MAX] {
        assert_eq!(kind(ahead).await, (Err(MirrorErrorKind::Ahead), Err(MirrorErrorKind::Ahead)));
    }
    if dropped > 0 {
        let told = (Err(MirrorErrorKind::Dropped), Err(MirrorErrorKind::Dropped));
        assert_eq!(kind(dropped - 1).await, told);
    }
}

proptest! {
    #![proptest_config(slow_property(12))]

    #[test]
    fn the_log_reads_the_same_in_however_many_parts(
        steps in prop::collection::vec(any_step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Some(mut mirror) = HandmadeMirror::new().await else { return };
            for step in steps {
                match step {
                    LogStep::Put(repository, item, body) => {
                        let body = body.map(|body| format!("{{\"value\": {body}}}"));
                        mirror.put(repository, item, body.as_deref()).await;
                    }
                    LogStep::RollOver => mirror.roll_over().await,
                    LogStep::Drop(share) => {
                        let through = mirror.last() * share / 100;
                        if through >= mirror.dropped {
                            mirror.drop_through(through).await;
                        }
                    }
                }
            }
            compare(&mirror).await;
        });
    }
}

#[tokio::test]
async fn a_history_whose_beginning_was_dropped_says_so() {
    let Some(mut mirror) = HandmadeMirror::new().await else { return };
    for value in ["1", "2", "3"] {
        mirror.put(1, 7, Some(value)).await;
        mirror.roll_over().await;
    }
    mirror.put(1, 8, Some("1")).await;
    mirror.drop_through(2).await;
    let history = |item| {
        let id = ItemId::Integer(item);
        let reading = &mirror.reading;
        async move { reading.history(ONE, &id).await.unwrap() }
    };
    let (sequences, dropped_through) = (vec![Sequence(3)], Some(Sequence(2)));
    assert_eq!(history(7).await, Some(ItemHistory { sequences, dropped_through }));
    let (sequences, dropped_through) = (vec![Sequence(4)], None);
    assert_eq!(history(8).await, Some(ItemHistory { sequences, dropped_through }));
    assert_eq!(history(9).await, None);
}

#[tokio::test]
async fn a_page_is_full_with_a_few_megabytes_and_goes_on_behind_them() {
    let Some(mut mirror) = HandmadeMirror::new().await else { return };
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    for item in 0..12 {
        mirror.put(1, item, Some(&large)).await;
    }
    let page = mirror.reading.changes(None, None, 1000).await.unwrap();
    assert_eq!((page.changes.len(), page.scanned_through), (4, Sequence(4)));
    assert_eq!(all_changes(&mirror, Some(ONE), 1000).await, mirror.log);
    let snapshot = mirror.reading.snapshot(None).await.unwrap();
    assert_eq!(snapshot.items(ONE, None).await.unwrap().items.len(), 1);
    assert_eq!(all_items(&*snapshot).await, fold(&mirror.log));
}

#[tokio::test]
async fn a_gap_in_the_log_is_damage_and_never_skipped() {
    let Some(mut mirror) = HandmadeMirror::new().await else { return };
    for value in ["1", "2", "3"] {
        mirror.put(1, 7, Some(value)).await;
    }
    mirror.sql("DELETE FROM change WHERE sequence = 2").await;
    let found = mirror.reading.changes(None, None, 10).await.unwrap_err();
    assert_eq!(found.kind(), MirrorErrorKind::Damaged);
    assert_eq!(found.to_string(), "change 2 is damaged: it is not there");
    let found = mirror.reading.history(ONE, &ItemId::Integer(7)).await.unwrap_err();
    assert_eq!(found.to_string(), "change 2 is damaged: it is not there");
    mirror.sql("DELETE FROM change WHERE sequence = 3").await;
    let found = mirror.reading.changes(Some(Sequence(1)), None, 10).await.unwrap_err();
    assert_eq!(found.to_string(), "change 2 is damaged: it is not there");
}
