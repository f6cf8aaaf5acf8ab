//! The log, page by page, and the histories of items.

use proptest::prelude::*;

use super::*;
use crate::domain::Change;
use crate::mirror::{LogBounds, LogError};

fn sequences(changes: &[Change]) -> Vec<u64> {
    changes.iter().map(|change| change.sequence.0).collect()
}

#[test]
fn a_change_carries_the_item_before_and_after() {
    let made = Made::new();
    let id = integer(5);
    for body in [Some("1"), Some("2"), None, Some("3")] {
        made.put(ONE, &id, body);
    }
    let page = made.reader().changes(None, None, 100).unwrap();
    let told: Vec<_> = page
        .changes
        .iter()
        .map(|change| {
            let [before, after] = [&change.before, &change.after]
                .map(|body| body.as_ref().map(|body| String::from_utf8(body.clone()).unwrap()));
            (change.op.letter(), before, after)
        })
        .collect();
    let (one, two, three) = ("1".to_owned(), "2".to_owned(), "3".to_owned());
    assert_eq!(
        told,
        [
            ("r", None, Some(one.clone())),
            ("u", Some(one), Some(two.clone())),
            ("d", Some(two), None),
            ("c", None, Some(three)),
        ]
    );
    let first = &page.changes[0];
    assert_eq!((first.iteration, first.ts_ms, &first.item), (Iteration(7), 1000, &id));
}

#[test]
fn what_comes_after_the_last_change_is_an_error_and_after_it_nothing() {
    let made = Made::new();
    let mut reader = made.reader();
    let empty = reader.changes(None, None, 10).unwrap();
    assert_eq!(
        (empty.changes.len(), empty.scanned_through, empty.last),
        (0, Sequence(0), Sequence(0))
    );
    made.put(ONE, &integer(1), Some("{}"));
    let page = reader.changes(Some(Sequence(1)), None, 10).unwrap();
    assert_eq!((page.changes.len(), page.scanned_through), (0, Sequence(1)));
    let error = reader.changes(Some(Sequence(2)), None, 10).unwrap_err();
    assert_eq!(error.to_string(), "there is no change 2 yet: the last one is 1");
}

#[test]
fn dropped_changes_are_an_error_and_what_is_left_is_whole() {
    let made = Made::new();
    let (kept, gone) = (integer(1), integer(2));
    made.put(ONE, &kept, Some("1"));
    made.put(ONE, &gone, Some("2"));
    made.put(ONE, &gone, None);
    made.put(ONE, &kept, Some("3"));
    made.drop_through(3);
    let mut reader = made.reader();
    let bounds = reader.bounds().unwrap();
    assert_eq!(bounds, LogBounds { dropped_through: Sequence(3), last: Sequence(4) });
    let error = reader.changes(Some(Sequence(2)), None, 10).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the changes after 2 up to 3 have been dropped: the first that can be asked for is --after 3"
    );
    let page = reader.changes(None, None, 10).unwrap();
    assert_eq!((sequences(&page.changes), page.dropped_through), (vec![4], Sequence(3)));
    assert_eq!(page.changes[0].before.as_deref(), Some(&b"1"[..]));
    assert_eq!(reader.history(ONE, &gone).unwrap(), None);
    let history = reader.history(ONE, &kept).unwrap().unwrap();
    assert_eq!(history.sequences, [Sequence(4)]);
    assert_eq!(history.dropped_through, Some(Sequence(3)));
    assert_eq!(reader.change(Sequence(1)).unwrap(), None);

    made.drop_through(4);
    assert_eq!(reader.bounds().unwrap().last, Sequence(4));
    assert_eq!(items(&made.snapshot(), ONE), [(kept.clone(), "3".to_owned())]);
    assert_eq!(reader.history(ONE, &kept).unwrap().unwrap().sequences, []);
    assert_eq!(made.put(ONE, &kept, Some("4")), 5);
    let page = reader.changes(None, None, 10).unwrap();
    assert_eq!(page.changes[0].before.as_deref(), Some(&b"3"[..]));
}

#[test]
fn a_page_of_changes_is_full_by_bytes_too() {
    let made = Made::new();
    let large = "x".repeat(3 << 20);
    for id in 0..5 {
        made.put(ONE, &integer(id), Some(&large));
    }
    let page = made.reader().changes(None, None, 1000).unwrap();
    assert_eq!((sequences(&page.changes), page.scanned_through), (vec![1, 2], Sequence(2)));
}

#[test]
fn a_history_follows_the_item_through_its_deletions() {
    let made = Made::new();
    let id = text("a");
    for body in [Some("1"), None, Some("2"), Some("3")] {
        made.put(ONE, &id, body);
        made.put(ONE, &integer(9), Some("{}"));
        made.put(TWO, &id, Some("{}"));
    }
    let mut reader = made.reader();
    let history = reader.history(ONE, &id).unwrap().unwrap();
    assert_eq!(history.sequences, [1, 4, 7, 10].map(Sequence));
    assert_eq!(history.dropped_through, None);
    let change = reader.change(Sequence(10)).unwrap().unwrap();
    assert_eq!(change.before.as_deref(), Some(&b"2"[..]));
    assert_eq!(reader.history(ONE, &text("b")).unwrap(), None);
}

#[test]
fn a_damaged_log_is_an_error_and_no_endless_search() {
    let made = Made::new();
    let id = integer(1);
    made.put(ONE, &id, Some("1"));
    made.put(ONE, &id, Some("2"));
    made.writer.execute("UPDATE change SET previous = 2 WHERE sequence = 1", []).unwrap();
    let mut reader = made.reader();
    assert!(matches!(reader.history(ONE, &id), Err(ReadError::Log(LogError::Damaged { .. }))));
    made.writer.execute("DELETE FROM change WHERE sequence = 1", []).unwrap();
    assert!(matches!(
        reader.changes(None, None, 10),
        Err(ReadError::Log(LogError::Damaged { .. }))
    ));
    made.writer.execute("UPDATE change SET op = 'x' WHERE sequence = 2", []).unwrap();
    assert!(matches!(
        reader.changes(None, None, 10),
        Err(ReadError::Log(LogError::Damaged { .. }))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pages_of_any_size_hold_every_change_once_and_in_order(
        writes in prop::collection::vec((1..=2_u64, 0..4_i128, any::<bool>()), 0..30),
        limit in 1..7_usize,
        dropped in 0..10_u64,
    ) {
        let made = Made::new();
        let mut alive = std::collections::HashSet::new();
        for (repository, id, there) in writes {
            let known = if there { alive.insert((repository, id)) } else { alive.remove(&(repository, id)) };
            if there || known {
                made.put(RepositoryId(repository), &integer(id), there.then_some("{}"));
            }
        }
        let mut reader = made.reader();
        let last = reader.bounds().unwrap().last;
        let dropped = dropped.min(last.0);
        made.drop_through(dropped);
        for repository in [None, Some(ONE)] {
            let (mut after, mut found) = (None, Vec::new());
            loop {
                let page = reader.changes(after, repository, limit).unwrap();
                prop_assert!(page.changes.len() <= limit);
                found.extend(page.changes);
                after = Some(page.scanned_through);
                if page.scanned_through == page.last {
                    break;
                }
            }
            let expected: Vec<_> = (dropped + 1..=last.0)
                .filter(|sequence| {
                    let change = reader.change(Sequence(*sequence)).unwrap().unwrap();
                    repository.is_none_or(|repository| repository == change.repository)
                })
                .collect();
            prop_assert_eq!(sequences(&found), expected);
        }
    }
}
