//! The end of old changes, and the parts that the log is kept in.

use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;

use super::error::PostgresError;
use crate::mirror::retention::RetentionCutoff;

/// Changes dropped in one transaction.
const DROPPED_AT_ONCE: i64 = 5000;

/// A part of the log lasts for this share of the time that changes are kept.
const PARTS_KEPT: u32 = 10;

/// How short and how long a part may last.
const PART_LASTS: [Duration; 2] =
    [Duration::from_secs(60 * 60), Duration::from_secs(30 * 24 * 60 * 60)];

/// So many changes make a part full, however young it is.
const FULL_PART: i64 = 10_000_000;

/// The changes that come next to be dropped, without their bodies; and, of one from a clock that was
/// ahead, when the first pass began after it that does not lie ahead itself.
const OLDEST: &str = "
    SELECT change.sequence, change.ts_ms,
        CASE WHEN change.ts_ms > $1 THEN (
            SELECT started_ms FROM pass
            WHERE pass.repository = change.repository AND pass.iteration > change.iteration
            AND pass.started_ms <= $1 ORDER BY pass.iteration LIMIT 1) END
    FROM change WHERE change.sequence > $2 ORDER BY change.sequence LIMIT $3";

/// Drops them, and forgets the items whose deletion is among them and was the last of their changes.
/// Another session may have dropped them already.
const DROP: &str = "
    WITH dropped AS (
        UPDATE log SET dropped_through = $2::bigint, dropped_ms = greatest(dropped_ms, $3)
        WHERE log.sole AND log.dropped_through = $1::bigint RETURNING 1),
    buried AS (
        DELETE FROM item USING (
            SELECT change.repository, change.key, change.sequence FROM dropped, change
            WHERE change.sequence > $1 AND change.sequence <= $2 AND change.op = 'd' OFFSET 0
        ) AS old
        WHERE item.repository = old.repository AND item.key = old.key
            AND item.sequence = old.sequence)
    SELECT EXISTS (SELECT FROM dropped)";

/// Drops changes found longer than `keep` ago, up to the first that is younger; whether there may be
/// more. Parts of which nothing is left go, too, where nobody reads the log just then.
pub(super) async fn drop_changes(
    connection: &ClientWrapper,
    now_ms: i64,
    keep: Duration,
) -> Result<bool, PostgresError> {
    let bounds = connection.prepare_cached("SELECT dropped_through FROM log").await?;
    let through: i64 = connection.query_one(&bounds, &[]).await?.try_get(0)?;
    let oldest = connection.prepare_cached(OLDEST).await?;
    let rows = connection.query(&oldest, &[&now_ms, &through, &DROPPED_AT_ONCE]).await?;
    let old = expired(&rows, RetentionCutoff::new(now_ms, keep))?;
    let mut count = 0;
    if let Some((last, _)) = old.last() {
        let found_ms = old.iter().map(|(_, found_ms)| *found_ms).max();
        let drop = connection.prepare_cached(DROP).await?;
        connection.query_one(&drop, &[&through, last, &found_ms]).await?;
        count = old.len();
    }
    if i64::try_from(count) == Ok(DROPPED_AT_ONCE) {
        return Ok(true);
    }
    let drop_parts = connection.prepare_cached("SELECT drop_parts()").await?;
    connection.query_one(&drop_parts, &[]).await?;
    Ok(false)
}

/// The sequences of those that are too old, up to the first that is not, and when they were found at the
/// latest.
fn expired(rows: &[Row], cutoff: RetentionCutoff) -> Result<Vec<(i64, i64)>, PostgresError> {
    let mut old = Vec::new();
    for row in rows {
        let found_ms = row.try_get(1)?;
        if cutoff.keeps(found_ms, || row.try_get(2))? {
            break;
        }
        old.push((row.try_get(0)?, cutoff.dropped_ms(found_ms)));
    }
    Ok(old)
}

/// Begins the next part of the log where it is time to; `keep`: how long changes are kept, where that is
/// known.
pub(super) async fn roll_over(
    connection: &ClientWrapper,
    keep: Option<Duration>,
) -> Result<bool, PostgresError> {
    let seconds = lasts(keep).as_secs_f64();
    let roll_over =
        connection.prepare_cached("SELECT roll_over(make_interval(secs => $1), $2)").await?;
    Ok(connection.query_one(&roll_over, &[&seconds, &FULL_PART]).await?.try_get(0)?)
}

/// How long a part lasts.
fn lasts(keep: Option<Duration>) -> Duration {
    let [shortest, longest] = PART_LASTS;
    keep.map_or(longest, |keep| (keep / PARTS_KEPT).clamp(shortest, longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_lasts_for_a_tenth_of_what_is_kept_within_bounds() {
        let hours = |keep| lasts(keep).as_secs() / 3600;
        assert_eq!(hours(Some(Duration::from_secs(20 * 3600))), 2);
        assert_eq!(hours(Some(Duration::from_secs(1))), 1);
        assert_eq!(hours(Some(Duration::MAX)), 720);
        assert_eq!(hours(None), 720);
    }
}
