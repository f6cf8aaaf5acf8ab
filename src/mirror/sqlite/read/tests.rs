//! Questions to small databases made by hand.

use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::key::Key;
use super::super::schema::{APPLICATION_ID, MIGRATIONS};
use super::*;
use crate::change::{Change, Op};
use crate::ids::Iteration;

const ONE: RepositoryId = RepositoryId(1);
const TWO: RepositoryId = RepositoryId(2);

/// A database and the connection that writes it.
struct Made {
    writer: Connection,
    path: PathBuf,
    _directory: TempDir,
}

impl Made {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mirror.db");
        let writer = Connection::open(&path).unwrap();
        writer.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        writer.pragma_update(None, "journal_mode", "wal").unwrap();
        writer.pragma_update(None, "synchronous", "off").unwrap();
        for migration in MIGRATIONS {
            writer.execute_batch(migration).unwrap();
        }
        writer.pragma_update(None, "user_version", SCHEMA_VERSION).unwrap();
        writer.execute_batch("INSERT INTO repository (id) VALUES (1), (2)").unwrap();
        Self { writer, path, _directory: directory }
    }

    fn reader(&self) -> Reader {
        Reader::beside_writer(&self.path).unwrap()
    }

    /// Logs a change; `None` deletes.
    fn put(&self, repository: RepositoryId, id: &ItemId, body: Option<&str>) -> u64 {
        let repository = signed(repository.0);
        let previous: Option<(i64, Option<i64>)> = self
            .writer
            .query_row(
                "SELECT sequence, hash FROM item WHERE repository = ?1 AND id = ?2",
                (repository, Key(id)),
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .unwrap();
        let op = match (body, previous) {
            (None, _) => Op::Delete,
            (Some(_), Some((_, Some(_)))) => Op::Update,
            (Some(_), Some((_, None))) => Op::Create,
            (Some(_), None) => Op::Read,
        };
        let last = self.reader().bounds().unwrap().last.0;
        let sequence = last + 1;
        let previous = previous.map(|(previous, _)| previous);
        let body = body.map(str::as_bytes);
        self.writer
            .execute(
                "INSERT INTO change VALUES (?1, ?2, ?3, ?4, 7, ?5, ?6, ?7)",
                (signed(sequence), repository, Key(id), op.letter(), 1000, previous, body),
            )
            .unwrap();
        self.writer
            .execute(
                "INSERT OR REPLACE INTO item VALUES (?1, ?2, ?3, ?4)",
                (repository, Key(id), signed(sequence), body.map(|_| 5)),
            )
            .unwrap();
        sequence
    }

    /// Drops changes up to this one, as the daemon does.
    fn drop_through(&self, through: u64) {
        for sequence in 1..=signed(through) {
            self.writer
                .execute(
                    "DELETE FROM change WHERE sequence = \
                     (SELECT previous FROM change WHERE sequence = ?1)",
                    [sequence],
                )
                .unwrap();
            let deletion = self
                .writer
                .execute("DELETE FROM change WHERE sequence = ?1 AND op = 'd'", [sequence])
                .unwrap();
            if deletion > 0 {
                self.writer.execute("DELETE FROM item WHERE sequence = ?1", [sequence]).unwrap();
            }
        }
        self.writer.execute("UPDATE log SET dropped_through = ?1", [signed(through)]).unwrap();
    }
}

fn integer(number: i128) -> ItemId {
    ItemId::Integer(number)
}

fn text(text: &str) -> ItemId {
    ItemId::Text(text.into())
}

fn items(reader: &mut Reader, repository: RepositoryId) -> Vec<(ItemId, String)> {
    let mut found = Vec::new();
    let snapshot = reader.snapshot().unwrap();
    let ended = snapshot.items(repository, |id, body| {
        found.push((id.clone(), String::from_utf8(body.to_vec()).unwrap()));
        ControlFlow::<()>::Continue(())
    });
    assert_eq!(ended.unwrap(), ControlFlow::Continue(()));
    found
}

fn sequences(changes: &[Change]) -> Vec<u64> {
    changes.iter().map(|change| change.sequence.0).collect()
}

#[test]
fn items_come_in_the_order_of_their_ids_whatever_their_types() {
    let made = Made::new();
    let ordered = [
        integer(i128::MIN),
        integer(i128::from(i64::MIN) - 1),
        integer(i128::from(i64::MIN)),
        integer(-5),
        integer(0),
        integer(40),
        integer(100),
        integer(i128::from(i64::MAX)),
        integer(i128::from(u64::MAX)),
        integer(i128::MAX),
        text(""),
        text("100"),
        text("a"),
        text("ä"),
    ];
    for (place, id) in ordered.iter().enumerate().rev() {
        made.put(ONE, id, Some(&place.to_string()));
    }
    made.put(ONE, &integer(7), Some("{}"));
    made.put(ONE, &integer(7), None);
    made.put(TWO, &integer(8), Some("{}"));
    let found = items(&mut made.reader(), ONE);
    let expected: Vec<_> =
        ordered.into_iter().enumerate().map(|(place, id)| (id, place.to_string())).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_items_of_a_repository_are_found_through_the_index() {
    let made = Made::new();
    for range in RANGES {
        let plan = format!(
            "EXPLAIN QUERY PLAN SELECT id FROM item WHERE repository = 1 AND hash IS NOT NULL \
             AND {range} ORDER BY id"
        );
        let plan: String = made.writer.query_row(&plan, [], |row| row.get(3)).unwrap();
        assert!(plan.starts_with("SEARCH item USING PRIMARY KEY (repository=? AND id"), "{plan}");
    }
}

#[test]
fn a_snapshot_stays_as_it_is_while_others_write() {
    let made = Made::new();
    made.put(ONE, &integer(1), Some("{}"));
    let mut reader = made.reader();
    let snapshot = reader.snapshot().unwrap();
    made.put(ONE, &integer(2), Some("{}"));
    let mut count = 0;
    let ended = snapshot.items(ONE, |_, _| {
        count += 1;
        ControlFlow::<()>::Continue(())
    });
    assert_eq!((count, ended.unwrap()), (1, ControlFlow::Continue(())));
    let broken = snapshot.items(ONE, |_, _| ControlFlow::Break("enough"));
    assert_eq!(broken.unwrap(), ControlFlow::Break("enough"));
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
    assert_eq!(bounds, Bounds { dropped_through: Sequence(3), last: Sequence(4) });
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
    assert_eq!(items(&mut reader, ONE), [(kept.clone(), "3".to_owned())]);
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
    assert!(matches!(reader.history(ONE, &id), Err(ReadError::Damaged { .. })));
    made.writer.execute("DELETE FROM change WHERE sequence = 1", []).unwrap();
    assert!(matches!(reader.changes(None, None, 10), Err(ReadError::Damaged { .. })));
    made.writer.execute("UPDATE change SET op = 'x' WHERE sequence = 2", []).unwrap();
    assert!(matches!(reader.changes(None, None, 10), Err(ReadError::Damaged { .. })));
}

#[test]
fn news_are_told_once() {
    let made = Made::new();
    let mut reader = made.reader();
    assert!(reader.has_news().unwrap());
    assert!(!reader.has_news().unwrap());
    made.put(ONE, &integer(1), Some("{}"));
    assert!(reader.has_news().unwrap());
    assert!(!reader.has_news().unwrap());
}

#[test]
fn a_summary_has_the_figures_of_each_repository() {
    let made = Made::new();
    made.put(ONE, &integer(1), Some("{}"));
    made.writer
        .execute_batch(
            "UPDATE repository SET items = 1, certified_iteration = 11, certified_ms = 500 \
             WHERE id = 1; \
             INSERT INTO suspicion VALUES (1, x'', 3, x'', 40, 11, 600, 1);",
        )
        .unwrap();
    for iteration in 1..=12 {
        made.writer
            .execute(
                "INSERT INTO pass VALUES (1, ?1, 1, nullif(?1, 12), 2, 3, 4, 5, 6, 7, 8, 9, 10, \
                 11, 12, 13, 14, ?1 = 11, iif(?1 = 10, 'a gap', NULL))",
                [iteration],
            )
            .unwrap();
    }
    let summary = made.reader().summary().unwrap();
    assert!(summary.database_bytes > 0 && summary.journal_bytes > 0, "{summary:?}");
    assert_eq!((summary.last, summary.dropped_through), (Sequence(1), Sequence(0)));
    let [one, two] = &summary.repositories[..] else { panic!("{summary:?}") };
    assert_eq!((one.id, one.items, one.suspects), (ONE, 1, 3));
    assert_eq!(one.certified, Some(CertifiedPass { iteration: Iteration(11), ended_ms: 500 }));
    assert_eq!(
        one.held,
        Some(HeldSummary {
            count: 40,
            iteration: Some(Iteration(11)),
            since_ms: Some(600),
            released: true
        })
    );
    let iterations: Vec<_> = one.passes.iter().map(|pass| pass.iteration.0).collect();
    assert_eq!(iterations, (3..=12).rev().collect::<Vec<_>>());
    let [under_way, certified, doubtful, ..] = &one.passes[..] else { panic!("{one:?}") };
    assert_eq!((under_way.ended_ms, certified.ended_ms), (None, Some(11)));
    assert!(certified.certified && !doubtful.certified);
    assert_eq!(doubtful.doubt.as_deref(), Some("a gap"));
    let (figures, tally) = (certified.figures, certified.tally);
    assert_eq!((figures.pages, figures.requests, figures.step_backs), (2, 3, 8));
    assert_eq!((figures.first_total, figures.last_total), (4, 5));
    assert_eq!((figures.distinct, figures.repeats), (6, 7));
    assert_eq!((tally.created, tally.updated, tally.deleted, tally.unchanged), (9, 10, 11, 12));
    assert_eq!((certified.suspects, certified.held), (13, 14));
    assert_eq!((two.id, two.held, two.passes.len()), (TWO, None, 0));
}

#[test]
fn a_release_says_how_many_it_released() {
    let made = Made::new();
    let Made { writer, path, _directory } = made;
    writer
        .execute_batch(
            "INSERT INTO suspicion VALUES (1, x'', 3, x'', 40, 11, 600, 0); \
             INSERT INTO suspicion VALUES (2, x'', 3, NULL, 0, NULL, NULL, 0);",
        )
        .unwrap();
    drop(writer);
    assert_eq!(release(&path, ONE).unwrap(), Some(40));
    assert_eq!(release(&path, TWO).unwrap(), None);
    assert_eq!(release(&path, RepositoryId(3)).unwrap(), None);
    let mut reader = Reader::open(&path).unwrap();
    assert!(reader.summary().unwrap().repositories[0].held.unwrap().released);
}

#[test]
fn what_is_no_mirror_of_this_version_is_refused_and_stays_untouched() {
    let refused = |path: &Path| {
        let before = fs::read(path).ok();
        let error = Reader::open(path).unwrap_err();
        assert!(!error.remedy().is_empty());
        assert_eq!(fs::read(path).ok(), before);
        assert_eq!(release(path, ONE).unwrap_err().to_string(), error.to_string());
        error
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mirror.db");
    assert!(matches!(refused(&path), ReadError::Missing { .. }));
    fs::write(&path, "").unwrap();
    assert!(matches!(refused(&path), ReadError::Missing { .. }));
    fs::write(&path, "some notes").unwrap();
    assert!(matches!(refused(&path), ReadError::Open(OpenError::NotSqlite { .. })));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);

    for (application_id, version) in [(1, SCHEMA_VERSION), (APPLICATION_ID, SCHEMA_VERSION + 1)] {
        let Made { writer, path, _directory } = Made::new();
        writer.pragma_update(None, "application_id", application_id).unwrap();
        writer.pragma_update(None, "user_version", version).unwrap();
        drop(writer);
        let stranger = application_id != APPLICATION_ID;
        match refused(&path) {
            ReadError::Open(OpenError::Stranger { .. }) if stranger => {}
            ReadError::Open(OpenError::Newer { .. }) if !stranger => {}
            other => panic!("{other:?}"),
        }
    }
    let Made { writer, path, _directory } = Made::new();
    writer.pragma_update(None, "user_version", 0).unwrap();
    drop(writer);
    assert!(matches!(refused(&path), ReadError::Older { .. }));
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
