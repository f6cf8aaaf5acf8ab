//! The end of old changes, and the parts that the log is kept in.

use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;

use super::error::PostgresError;
use super::numbers::unsigned;
use crate::domain::Sequence;
use crate::mirror::retention::{DroppedChanges, FeedHolds, RetentionFloor};

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

/// What feeds have delivered, and what of the next changes is parked of each.
const FEEDS: &str = "
    SELECT name, delivered_through, ARRAY (
        SELECT sequence FROM feed_parked
        WHERE feed = feed.name AND sequence > $2 ORDER BY sequence LIMIT $3)
    FROM feed WHERE name = ANY ($1::text[]) ORDER BY name";

/// Drops them, and forgets the items whose deletion is among them and was the last of their changes, and
/// what was parked of them. The feeds `$6` have not delivered all of them and go on after them. Another
/// session may have dropped them already, or a feed `$4` may have been set back behind `$5`, where it
/// was: then nothing is dropped. Who writes a feed locks its row first, and then what is parked of it; so
/// all rows of feeds are locked before anything that is parked is touched.
const DROP: &str = "
    WITH dropped AS (
        UPDATE log SET dropped_through = $2::bigint, dropped_ms = greatest(dropped_ms, $3)
        WHERE log.sole AND log.dropped_through = $1::bigint AND NOT EXISTS (
            SELECT FROM feed JOIN unnest($4::text[], $5::bigint[]) AS known (name, through)
                ON known.name = feed.name
            WHERE feed.delivered_through < least(known.through, $2::bigint))
        RETURNING 1),
    feeds AS (
        SELECT feed.name FROM dropped, feed ORDER BY feed.name FOR NO KEY UPDATE OF feed),
    locked AS (SELECT count(*) FROM feeds),
    unparked AS (DELETE FROM feed_parked USING dropped, locked WHERE sequence <= $2),
    gone_on AS (
        UPDATE feed SET delivered_through = greatest(delivered_through, $2),
            revision = revision + 1
        FROM dropped, locked WHERE name = ANY ($6::text[]) AND progress <> ''),
    buried AS (
        DELETE FROM item USING (
            SELECT change.repository, change.key, change.sequence FROM dropped, change
            WHERE change.sequence > $1 AND change.sequence <= $2 AND change.op = 'd' OFFSET 0
        ) AS old
        WHERE item.repository = old.repository AND item.key = old.key
            AND item.sequence = old.sequence)
    SELECT EXISTS (SELECT FROM dropped)";

/// The room that our tables take, with their indexes.
pub(super) const SIZE: &str = "
    SELECT coalesce(sum(pg_total_relation_size(pg_class.oid)), 0)::bigint FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = $1 AND relkind = 'r'";

/// The same in bytes.
pub(super) async fn used_bytes(
    connection: &ClientWrapper,
    schema: &str,
) -> Result<u64, PostgresError> {
    let size = connection.prepare_cached(SIZE).await?;
    Ok(unsigned(connection.query_one(&size, &[&schema]).await?.try_get(0)?))
}

/// Drops changes that are older than they are kept, up to the first that is not or that a feed holds. Parts
/// of which nothing is left go, too, where nobody reads the log just then.
pub(super) async fn drop_changes(
    connection: &ClientWrapper,
    mut floor: RetentionFloor<'_>,
    holds: &FeedHolds,
) -> Result<DroppedChanges, PostgresError> {
    let bounds = connection.prepare_cached("SELECT dropped_through FROM log").await?;
    let through: i64 = connection.query_one(&bounds, &[]).await?.try_get(0)?;
    let (names, known) = heed(connection, &mut floor, holds, through).await?;
    let oldest = connection.prepare_cached(OLDEST).await?;
    let now_ms = floor.cutoff().now_ms();
    let rows = connection.query(&oldest, &[&now_ms, &through, &DROPPED_AT_ONCE]).await?;
    let old = expired(&rows, &mut floor)?;
    let mut undelivered = floor.undelivered();
    let mut count = 0;
    if let Some((last, _)) = old.last() {
        let found_ms = old.iter().map(|(_, found_ms)| *found_ms).max();
        let drop = connection.prepare_cached(DROP).await?;
        let behind: Vec<&str> = undelivered.iter().map(|it| &*it.feed).collect();
        let row = connection
            .query_one(&drop, &[&through, last, &found_ms, &names, &known, &behind])
            .await?;
        if !row.try_get(0)? {
            // The session that dropped them tells of it; what was set back is heeded the next time.
            undelivered.clear();
        }
        count = old.len();
    }
    // Also where there is more: who asks for room asks how much there is by now.
    let drop_parts = connection.prepare_cached("SELECT drop_parts()").await?;
    connection.query_one(&drop_parts, &[]).await?;
    Ok(DroppedChanges { more: i64::try_from(count) == Ok(DROPPED_AT_ONCE), undelivered })
}

/// Has what feeds have not delivered held; which feeds there are, and what each has delivered.
async fn heed(
    connection: &ClientWrapper,
    floor: &mut RetentionFloor<'_>,
    holds: &FeedHolds,
    dropped_through: i64,
) -> Result<(Vec<String>, Vec<i64>), PostgresError> {
    let configured: Vec<&str> = holds.names().collect();
    let (mut names, mut known) = (Vec::new(), Vec::new());
    if configured.is_empty() {
        return Ok((names, known));
    }
    let feeds = connection.prepare_cached(FEEDS).await?;
    let rows = connection.query(&feeds, &[&configured, &dropped_through, &DROPPED_AT_ONCE]).await?;
    for row in rows {
        let (name, through): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
        let parked: Vec<i64> = row.try_get(2)?;
        let parked = parked.into_iter().map(|it| Sequence(unsigned(it)));
        floor.heed(&name, Sequence(unsigned(through)), parked);
        names.push(name);
        known.push(through);
    }
    Ok((names, known))
}

/// The sequences of those that are too old, up to the first that is not, and when they were found at the
/// latest.
fn expired(rows: &[Row], floor: &mut RetentionFloor<'_>) -> Result<Vec<(i64, i64)>, PostgresError> {
    let cutoff = floor.cutoff();
    let mut old = Vec::new();
    for row in rows {
        let (sequence, found_ms) = (row.try_get(0)?, row.try_get(1)?);
        if floor.keeps(Sequence(unsigned(sequence)), found_ms, || row.try_get(2))? {
            break;
        }
        old.push((sequence, cutoff.dropped_ms(found_ms)));
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
