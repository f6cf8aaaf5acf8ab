//! The contract of all mirrors, run against SQLite.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::Place;
use crate::domain::{Change, ItemId, Iteration, Op, RepositoryId, Sequence};
use crate::mirror::MirrorReader;
use crate::mirror::contract::{self, ImplementationUnderTest, MirrorContent, ViewRow, Views};
use crate::mirror::sqlite::SqliteMirror;
use crate::mirror::sqlite::key::OwnedSqlItemId;
use crate::testing::slow_property;

impl ImplementationUnderTest for Place {
    type Mirror = SqliteMirror;

    fn open(&self) -> SqliteMirror {
        self.open()
    }

    fn reader(&self, mirror: &SqliteMirror) -> Arc<dyn MirrorReader> {
        Arc::new(mirror.reader().unwrap())
    }

    fn content(&self) -> MirrorContent {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.file(), flags).unwrap();
        look(&connection).unwrap()
    }

    fn views(&self) -> Option<Views> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.file(), flags).unwrap();
        let [items, changes, history, passes] =
            contract::VIEWS.map(|(view, columns)| rows(&connection, view, columns).unwrap());
        Some(Views { items, changes, history, passes })
    }
}

/// The rows of a view that has these columns.
fn rows(connection: &Connection, view: &str, columns: &[&str]) -> rusqlite::Result<Vec<ViewRow>> {
    let mut statement = connection.prepare(&format!("SELECT * FROM {view}"))?;
    assert_eq!(statement.column_names().collect::<Vec<_>>(), columns, "{view}");
    let text = |value: ValueRef<'_>| match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Text(text) => Some(str::from_utf8(text).unwrap().to_owned()),
        ValueRef::Real(_) | ValueRef::Blob(_) => panic!("{value:?} in {view}"),
    };
    let rows = statement
        .query_map([], |row| (0..columns.len()).map(|at| Ok(text(row.get_ref(at)?))).collect())?;
    rows.collect()
}

type Row = (u64, ItemId, String, u64, i64, Option<u64>, Option<Vec<u8>>);

fn look(connection: &Connection) -> rusqlite::Result<MirrorContent> {
    let dropped_through =
        connection.query_row("SELECT dropped_through FROM log", [], |row| unsigned(row, 0))?;
    let (mut look, mut hidden) = (MirrorContent::default(), BTreeSet::new());
    let mut rows = BTreeMap::new();
    let mut changes = connection.prepare("SELECT * FROM change")?;
    let mut found = changes.query([])?;
    while let Some(row) = found.next()? {
        let previous = row.get::<_, Option<i64>>(6)?.map(i64::cast_unsigned);
        let change: Row = (
            unsigned(row, 1)?,
            row.get::<_, OwnedSqlItemId>(2)?.0,
            row.get(3)?,
            unsigned(row, 4)?,
            row.get(5)?,
            previous,
            row.get(7)?,
        );
        rows.insert(unsigned(row, 0)?, change);
    }
    for (&sequence, (repository, item, op, iteration, ts_ms, previous, after)) in &rows {
        if sequence <= dropped_through {
            hidden.insert(sequence);
            continue;
        }
        let op = Op::of_letter(op).unwrap();
        let before = previous.filter(|_| matches!(op, Op::Update | Op::Delete));
        look.changes.push(Change {
            sequence: Sequence(sequence),
            repository: RepositoryId(*repository),
            item: item.clone(),
            op,
            iteration: Iteration(*iteration),
            ts_ms: *ts_ms,
            before: before.map(|previous| rows[&previous].6.clone().unwrap()),
            after: after.clone(),
        });
    }
    let mut items = connection.prepare("SELECT repository, id, sequence, digest FROM item")?;
    let mut found = items.query([])?;
    while let Some(row) = found.next()? {
        let key = (unsigned(row, 0)?, row.get::<_, OwnedSqlItemId>(1)?.0);
        let change = &rows[&unsigned(row, 2)?];
        assert_eq!((change.0, &change.1), (key.0, &key.1));
        match row.get::<_, Option<i64>>(3)? {
            Some(digest) => {
                let body = change.6.clone().unwrap();
                assert_eq!(digest.cast_unsigned(), crate::domain::item::digest(&body));
                look.items.insert(key, body);
            }
            None => assert!(look.tombstones.insert(key)),
        }
    }
    look.hidden = Some(hidden);
    Ok(look)
}

fn unsigned(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get(column).map(i64::cast_unsigned)
}

#[test]
fn what_is_known_of_repositories_is_kept() {
    contract::what_is_known_is_kept(&Place::new());
}

#[test]
fn feeds_hold_what_they_have_not_delivered() {
    contract::feeds_hold_what_they_have_not_delivered(&Place::new());
}

#[test]
fn no_number_of_a_feed_harms_another() {
    let place = Place::new();
    contract::no_number_of_a_feed_harms_another(&place);
    // As an earlier version may have left it.
    let connection = Connection::open(place.file()).unwrap();
    connection.execute("UPDATE feed SET delivered_through = -1 WHERE name = 'b'", []).unwrap();
    let reader = place.open();
    let reader = ImplementationUnderTest::reader(&place, &reader);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let feeds = runtime.block_on(reader.feeds()).unwrap();
    let through: Vec<_> = feeds.iter().map(|(_, state)| state.delivered_through).collect();
    assert_eq!(through, [Sequence(5), Sequence::MOST, Sequence::MOST]);
}

#[test]
fn a_feed_notes_no_more_than_it_may() {
    contract::a_feed_notes_no_more_than_it_may(&Place::new());
}

proptest! {
    #![proptest_config(slow_property(64))]

    #[test]
    fn each_instant_is_what_was_recorded(churn in contract::any_churn()) {
        contract::each_instant_is_what_was_recorded(&Place::new(), churn);
    }

    #[test]
    fn feeds_are_kept(steps in contract::any_feed_steps()) {
        contract::feeds_are_kept(&Place::new(), steps);
    }

    #[test]
    fn what_is_learnt_is_kept(updates in contract::any_updates()) {
        contract::what_is_learnt_is_kept(&Place::new(), updates);
    }

    #[test]
    fn a_mirror_is_the_fold_of_its_log_and_forgets_nothing(steps in contract::any_steps()) {
        contract::a_mirror_is_the_fold_of_its_log_and_forgets_nothing(&Place::new(), steps);
    }
}
