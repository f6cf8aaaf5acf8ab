//! Questions to small databases made by hand.

mod held;
mod log;

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};

use tempfile::TempDir;

use super::approve;
use super::columns::signed;
use super::connection::SqliteReader;
use super::error::ReadError;
use super::snapshot::SqliteSnapshot;
use crate::domain::{IdSet, ItemId, Iteration, Op, RepositoryId, Sequence};
use crate::mirror::sqlite::error::OpenError;
use crate::mirror::sqlite::key::{RANGES, SqlItemId};
use crate::mirror::sqlite::schema::{APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION};
use crate::mirror::{ApprovalOutcome, CertifiedPass, HeldSummary};

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

    /// Holds these deletions back, and approves some of them.
    fn hold(&self, repository: RepositoryId, suspects: i64, held: &[ItemId], approved: &[ItemId]) {
        let set = |ids: &[ItemId]| ids.iter().collect::<IdSet>().to_bytes();
        let count = |ids: &[ItemId]| i64::try_from(ids.len()).unwrap();
        self.writer
            .execute(
                "INSERT INTO suspects VALUES (?1, x'', ?2, ?3, ?4, 11, 600, ?5, ?6, 0)",
                (
                    signed(repository.0),
                    suspects,
                    set(held),
                    count(held),
                    (!approved.is_empty()).then(|| set(approved)),
                    count(approved),
                ),
            )
            .unwrap();
    }

    fn snapshot(&self) -> SqliteSnapshot {
        SqliteSnapshot::take(self.reader(), None).unwrap()
    }

    fn reader(&self) -> SqliteReader {
        SqliteReader::beside_writer(&self.path).unwrap()
    }

    /// Logs a change; `None` deletes.
    fn put(&self, repository: RepositoryId, id: &ItemId, body: Option<&str>) -> u64 {
        let repository = signed(repository.0);
        let previous: Option<(i64, Option<i64>)> = self
            .writer
            .query_row(
                "SELECT sequence, digest FROM item WHERE repository = ?1 AND id = ?2",
                (repository, SqlItemId(id)),
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
                (signed(sequence), repository, SqlItemId(id), op.letter(), 1000, previous, body),
            )
            .unwrap();
        self.writer
            .execute(
                "INSERT OR REPLACE INTO item VALUES (?1, ?2, ?3, ?4)",
                (repository, SqlItemId(id), signed(sequence), body.map(|_| 5)),
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

fn items(snapshot: &SqliteSnapshot, repository: RepositoryId) -> Vec<(ItemId, String)> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = snapshot.items(repository, after.as_ref()).unwrap();
        let text = |(id, body)| (id, String::from_utf8(body).unwrap());
        found.extend(page.items.into_iter().map(text));
        match page.scanned_through {
            Some(last) => after = Some(last),
            None => return found,
        }
    }
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
    let found = items(&made.snapshot(), ONE);
    let expected: Vec<_> =
        ordered.into_iter().enumerate().map(|(place, id)| (id, place.to_string())).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_items_of_a_repository_are_found_through_the_index() {
    let made = Made::new();
    for range in RANGES {
        let plan = format!(
            "EXPLAIN QUERY PLAN SELECT id FROM item WHERE repository = 1 AND digest IS NOT NULL \
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
    let snapshot = made.snapshot();
    made.put(ONE, &integer(2), Some("{}"));
    assert_eq!(items(&snapshot, ONE).len(), 1);
    assert_eq!(items(&made.snapshot(), ONE).len(), 2);
}

#[test]
fn the_version_of_the_data_changes_with_each_write_of_another_and_no_other_time() {
    let made = Made::new();
    let reader = made.reader();
    let before = reader.data_version().unwrap();
    assert_eq!(reader.data_version().unwrap(), before);
    made.put(ONE, &integer(1), Some("{}"));
    let after = reader.data_version().unwrap();
    assert_ne!(after, before);
    assert_eq!(reader.data_version().unwrap(), after);
}

#[test]
fn a_summary_has_the_newest_changes_and_none_that_was_dropped() {
    let made = Made::new();
    for id in 1..=30 {
        made.put(ONE, &integer(id), Some("{}"));
    }
    let newest = || made.reader().summary().unwrap().newest;
    let sequences = || newest().iter().map(|change| change.sequence.0).collect::<Vec<_>>();
    assert_eq!(sequences(), (11..=30).rev().collect::<Vec<_>>());
    assert_eq!((newest()[0].repository, &newest()[0].item), (ONE, &integer(30)));
    made.writer.execute_batch("UPDATE log SET dropped_through = 28").unwrap();
    assert_eq!(sequences(), [30, 29]);
}

#[test]
fn a_summary_has_the_figures_of_each_repository() {
    let made = Made::new();
    made.put(ONE, &integer(1), Some("{}"));
    made.writer
        .execute_batch(
            "UPDATE repository SET items = 1, certified_iteration = 11, certified_ms = 500 \
             WHERE id = 1; \
",
        )
        .unwrap();
    made.hold(ONE, 3, &[integer(8), ItemId::Text("x".into()), integer(7)], &[integer(7)]);
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
    assert!(["database", "wal"].iter().all(|part| summary.bytes_of(part) > Some(0)), "{summary:?}");
    assert_eq!((summary.last, summary.dropped_through), (Sequence(1), Sequence(0)));
    let [one, two] = &summary.repositories[..] else { panic!("{summary:?}") };
    assert_eq!((one.id, one.items, one.suspects), (ONE, 1, 3));
    assert_eq!(one.certified, Some(CertifiedPass { iteration: Iteration(11), ended_ms: 500 }));
    assert_eq!(
        one.held,
        Some(HeldSummary {
            count: 3,
            iteration: Some(Iteration(11)),
            since_ms: Some(600),
            approved: 1,
            // The others are known by their hashes alone, and are no items any more.
            first: vec![integer(8)],
        })
    );
    let iterations: Vec<_> = one.passes.iter().map(|pass| pass.iteration.0).collect();
    assert_eq!(iterations, (8..=12).rev().collect::<Vec<_>>());
    let [under_way, certified, doubtful, ..] = &one.passes[..] else { panic!("{one:?}") };
    assert_eq!((under_way.ended_ms, certified.ended_ms), (None, Some(11)));
    assert!(certified.certified && !doubtful.certified);
    assert_eq!(doubtful.reason.as_deref(), Some("a gap"));
    let (statistics, changed) = (certified.statistics, certified.changed);
    assert_eq!((statistics.pages, statistics.requests, statistics.step_backs), (2, 3, 8));
    assert_eq!((statistics.first_total, statistics.last_total), (4, 5));
    assert_eq!((statistics.distinct, statistics.repeats), (6, 7));
    assert_eq!(
        (changed.created, changed.updated, changed.deleted, changed.unchanged),
        (9, 10, 11, 12)
    );
    assert_eq!((certified.suspects, certified.held), (13, 14));
    assert_eq!((two.id, &two.held, two.passes.len()), (TWO, &None, 0));
}

#[test]
fn what_is_no_mirror_of_this_version_is_refused_and_stays_untouched() {
    let refused = |path: &Path| {
        let before = fs::read(path).ok();
        let error = SqliteReader::open(path).unwrap_err();
        assert!(!error.remedy().is_empty());
        assert_eq!(fs::read(path).ok(), before);
        assert_eq!(approve(path, ONE, None).unwrap_err().to_string(), error.to_string());
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
