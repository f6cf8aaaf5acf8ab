//! Numbers as SQLite has them, and the bounds of the log.

use rusqlite::{Connection, Row};

use super::error::ReadError;
use crate::domain::Sequence;
use crate::mirror::LogBounds;

/// Where the log begins and ends.
pub(super) fn bounds_in(connection: &Connection) -> Result<LogBounds, ReadError> {
    let mut statement = connection.prepare_cached(
        "SELECT dropped_through, (SELECT max(sequence) FROM change) FROM log WHERE only = 1",
    )?;
    let bounds = statement.query_row([], |row| {
        let dropped_through = Sequence(whole(row, 0)?);
        let kept = optional(row, 1)?.map(Sequence);
        let last = kept.map_or(dropped_through, |kept| kept.max(dropped_through));
        Ok(LogBounds { dropped_through, last })
    })?;
    Ok(bounds)
}

/// A number on its way into a statement. Those of ours have 63 bits; what has more matches nothing
/// that is there.
pub(super) fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// A number that is never negative.
pub(super) fn whole(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// The same where there may be none.
pub(super) fn optional(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    row.get::<_, Option<i64>>(column)?.map(|_| whole(row, column)).transpose()
}
