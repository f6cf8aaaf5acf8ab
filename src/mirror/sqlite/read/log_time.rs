//! Which change a time means.

use super::columns::{bounds_in, optional, signed};
use super::connection::SqliteReader;
use super::error::ReadError;
use crate::domain::Sequence;
use crate::mirror::LogTime;

/// The first change in the log of some time. The index has them by time, so that this costs what was
/// changed since.
const FIRST_OF: &str = "SELECT min(sequence) FROM change INDEXED BY change_time \
    WHERE ts_ms > ?1 AND ts_ms <= ?2 AND sequence > ?3";

impl SqliteReader {
    /// Which change a time means, in milliseconds since 1970 (UTC); `now_ms` is the time of who asks.
    pub(crate) fn at_time(&mut self, ts_ms: i64, now_ms: i64) -> Result<LogTime, ReadError> {
        let transaction = self.connection.transaction()?;
        let bounds = bounds_in(&transaction)?;
        let (dropped_ms, last_ms) = transaction
            .prepare_cached(
                "SELECT dropped_ms, (SELECT ts_ms FROM change WHERE sequence = ?1) FROM log",
            )?
            .query_row([signed(bounds.last.0)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let latest_ms = LogTime::latest_ms(now_ms, last_ms);
        let first_later = transaction
            .prepare_cached(FIRST_OF)?
            .query_row((ts_ms, latest_ms, signed(bounds.dropped_through.0)), |row| {
                optional(row, 0)
            })?;
        Ok(LogTime::new(ts_ms, bounds, dropped_ms, last_ms, first_later.map(Sequence)))
    }
}
