//! What must be true of a database whatever became of the daemon that wrote it, asked of SQLite
//! itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// What a database holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    /// The last sequence.
    pub(super) last: u64,
    /// The passes that have ended.
    pub(super) ended: u64,
    /// The items of repository 1.
    pub(super) items: BTreeSet<String>,
}

/// Judges the database of this name, which is opened, recovered and closed with that. Nothing is
/// what a database holds that is not there yet.
///
/// # Panics
///
/// Where it is damaged, or where its log has a gap or does not fold to its items.
pub(super) fn judge(database: &Path, what: &str) -> Judged {
    if fs::metadata(database).map_or(0, |it| it.len()) == 0 {
        return Judged::default();
    }
    judged(database).unwrap_or_else(|error| panic!("{what}: {error}"))
}

fn judged(database: &Path) -> rusqlite::Result<Judged> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)?;
    // What is judged lasts no longer than the judgement.
    connection.pragma_update(None, "synchronous", "off")?;
    let integrity: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    assert_eq!(integrity, "ok");
    let number = |query: &str| {
        connection.query_row(query, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
    };
    if number("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(Judged::default());
    }
    let last = number("SELECT ifnull(max(sequence), 0) FROM change")?;
    assert_eq!(number("SELECT count(*) FROM change")?, last, "sequences have a gap");
    // The copy is what the last change of each item says, and each change knows the one before.
    let wrong = number(
        "WITH fold AS (
             SELECT repository, id, max(sequence) AS sequence, op FROM change GROUP BY 1, 2)
         SELECT count(*) FROM fold FULL JOIN item USING (repository, id)
         WHERE fold.sequence IS NOT item.sequence OR (op = 'd') IS NOT (digest IS NULL)",
    )?;
    assert_eq!(wrong, 0, "items are not what their last changes say");
    let wrong = number(
        "SELECT count(*) FROM (SELECT previous, lag(sequence) OVER
             (PARTITION BY repository, id ORDER BY sequence) AS before FROM change)
         WHERE previous IS NOT before",
    )?;
    assert_eq!(wrong, 0, "changes do not know those before them");
    let wrong = number(
        "SELECT count(*) FROM repository WHERE items IS NOT
             (SELECT count(digest) FROM item WHERE item.repository = repository.id)",
    )?;
    assert_eq!(wrong, 0, "items are miscounted");
    let ended = number("SELECT count(*) FROM pass WHERE ended_ms IS NOT NULL")?;
    let mut items = connection.prepare(
        "SELECT CAST(after AS TEXT) FROM item JOIN change USING (sequence)
         WHERE item.repository = 1 AND digest IS NOT NULL",
    )?;
    let items = items.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(Judged { last, ended, items })
}
