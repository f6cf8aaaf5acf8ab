//! Which change a time means.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::columns::{column, optional, whole};
use super::error::PostgresReadError;
use crate::domain::Sequence;
use crate::mirror::{LogBounds, LogTime};

/// Where the log begins and ends, and the first change in it that was found after $1. The index of each
/// part has them by time, so that this costs what was changed since; by the order of sequences, which the
/// sum keeps the planner from, it would cost what was changed before.
const AT_TIME: &str = "\
    SELECT log.dropped_through, log.last, log.dropped_ms, latest.ts_ms, ( \
        SELECT min(change.sequence + 0) FROM change \
        WHERE change.ts_ms > $1 AND change.ts_ms <= greatest($2, latest.ts_ms) \
            AND change.sequence > log.dropped_through \
    ) FROM log LEFT JOIN LATERAL ( \
        SELECT change.ts_ms FROM change WHERE change.sequence = log.last \
    ) AS latest ON true";

/// Which change a time means, in milliseconds since 1970 (UTC); `now_ms` is the time of who asks.
pub(super) async fn at_time(
    client: &Client,
    ts_ms: i64,
    now_ms: i64,
) -> Result<LogTime, PostgresReadError> {
    let row =
        client.query_typed_one(AT_TIME, &[(&ts_ms, Type::INT8), (&now_ms, Type::INT8)]).await?;
    let bounds =
        LogBounds { dropped_through: Sequence(whole(&row, 0)?), last: Sequence(whole(&row, 1)?) };
    let later = optional(&row, 4)?.map(Sequence);
    Ok(LogTime::new(ts_ms, bounds, column(&row, 2)?, column(&row, 3)?, later))
}
