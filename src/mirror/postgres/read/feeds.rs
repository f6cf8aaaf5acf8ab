//! What feeds have delivered, and the operator's word on them.
//!
//! A feed is read without a lock and changed only if it still is what was read: so nobody waits for
//! this process, whatever becomes of it.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::columns::{Parameter, column};
use super::error::PostgresReadError;
use crate::domain::Sequence;
use crate::mirror::contracts::{FeedRequest, FeedState, ParkedChange};
use crate::mirror::postgres::feeds::{FEEDS, PARKED, feed_of, parked_of, storable};
use crate::mirror::postgres::numbers::{signed, unsigned};

/// All feeds, for a role that may not read what tasks have noted.
const FEEDS_WITHOUT_PROGRESS: &str = "
    SELECT name, delivered_through, paused, delivered, last_success_ms, revision, ''
    FROM feed ORDER BY name";

/// The revision of a feed.
const REVISION: &str = "SELECT revision FROM feed WHERE name = $1";

/// What is done with a feed of this revision, and whether it was; the rest of a statement says what is
/// parked after that.
const PAUSE: &str = "
    UPDATE feed SET paused = $3, revision = revision + 1 WHERE name = $1 AND revision = $2
    RETURNING true";

const REPLAY: &str = "
    WITH changed AS (
        UPDATE feed SET delivered_through = $3, progress = '', revision = revision + 1
        WHERE name = $1 AND revision = $2 RETURNING true AS done),
    gone AS (DELETE FROM feed_parked USING changed WHERE feed = $1 AND sequence > $3)
    SELECT done FROM changed";

/// With a number it names one change, and all of the same item are released.
const UNPARK: &str = "
    WITH named AS (
        SELECT sequence FROM feed_parked WHERE feed = $1 AND ($3::bigint IS NULL OR
            (repository, key) = (
                SELECT repository, key FROM feed_parked WHERE feed = $1 AND sequence = $3::bigint))),
    changed AS (
        UPDATE feed SET revision = revision + 1
        WHERE name = $1 AND revision = $2 AND ($3::bigint IS NULL OR EXISTS (SELECT FROM named))
        RETURNING true AS done),
    freed AS (
        UPDATE feed_parked SET released = true FROM changed
        WHERE feed = $1 AND sequence IN (SELECT sequence FROM named))
    SELECT done FROM changed";

/// All feeds, by name.
pub(super) async fn feeds(client: &Client) -> Result<Vec<(String, FeedState)>, PostgresReadError> {
    let rows = match client.query_typed(FEEDS, &[]).await {
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            client.query_typed(FEEDS_WITHOUT_PROGRESS, &[]).await
        }
        rows => rows,
    };
    let rows = rows.map_err(PostgresReadError::of_reading)?;
    rows.iter().map(|row| Ok(feed_of(row)?)).collect()
}

/// The revision of a feed; 0: there is none.
pub(super) async fn revision(client: &Client, feed: &str) -> Result<u64, PostgresReadError> {
    let row = client.query_typed_opt(REVISION, &[(&feed, Type::TEXT)]).await;
    match row.map_err(PostgresReadError::of_reading)? {
        Some(row) => Ok(unsigned(column(&row, 0)?)),
        None => Ok(0),
    }
}

/// What is parked of a feed after this change.
pub(super) async fn parked(
    client: &Client,
    feed: &str,
    after: Sequence,
    limit: usize,
) -> Result<Vec<ParkedChange>, PostgresReadError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let parameters: [Parameter<'_>; 3] =
        [(&feed, Type::TEXT), (&signed(after.0), Type::INT8), (&limit, Type::INT8)];
    let rows = client.query_typed(PARKED, &parameters).await;
    let rows = rows.map_err(PostgresReadError::of_reading)?;
    rows.iter().map(|row| Ok(parked_of(row)?)).collect()
}

/// Does what an operator asks of a feed; false: there is no such one, or no such parked change.
pub(super) async fn change_feed(
    client: &Client,
    feed: &str,
    request: &FeedRequest,
) -> Result<bool, PostgresReadError> {
    loop {
        let row = client.query_typed_opt(REVISION, &[(&feed, Type::TEXT)]).await;
        let row = row.map_err(PostgresReadError::of_reading)?;
        let Some(row) = row else { return Ok(false) };
        let revision: i64 = column(&row, 0)?;
        let (paused, sequence): (Option<String>, Option<i64>) = match request {
            FeedRequest::Pause { reason } => (Some(storable(reason)), None),
            FeedRequest::Resume => (None, None),
            FeedRequest::Replay { after } => (None, Some(signed((*after).min(Sequence::MOST).0))),
            FeedRequest::Unpark { sequence } => (None, sequence.map(|it| signed(it.0))),
        };
        let (statement, value): (_, Parameter<'_>) = match request {
            FeedRequest::Pause { .. } | FeedRequest::Resume => (PAUSE, (&paused, Type::TEXT)),
            FeedRequest::Replay { .. } => (REPLAY, (&sequence, Type::INT8)),
            FeedRequest::Unpark { .. } => (UNPARK, (&sequence, Type::INT8)),
        };
        let parameters = [(&feed as _, Type::TEXT), (&revision as _, Type::INT8), value];
        let changed = client.query_typed_opt(statement, &parameters).await;
        if changed.map_err(PostgresReadError::of_writing)?.is_some() {
            return Ok(true);
        }
        if let FeedRequest::Unpark { sequence: Some(sequence) } = request {
            let after = Sequence(sequence.0.saturating_sub(1));
            let next = parked(client, feed, after, 1).await?;
            if next.first().map(|it| it.sequence) != Some(*sequence) {
                return Ok(false);
            }
        }
    }
}

/// Forgets a feed. Nobody saves anything of it from the first statement on, unless it is taken anew.
pub(super) async fn remove_feed(client: &Client, feed: &str) -> Result<(), PostgresReadError> {
    for statement in [
        "UPDATE feed_lease SET owner = '' WHERE feed = $1",
        // The row of the feed is locked first, as everywhere.
        "WITH gone AS (DELETE FROM feed WHERE name = $1 RETURNING 1),
            done AS (SELECT count(*) FROM gone)
        DELETE FROM feed_parked USING done WHERE feed = $1",
    ] {
        let done = client.query_typed(statement, &[(&feed, Type::TEXT)]).await;
        done.map_err(PostgresReadError::of_writing)?;
    }
    Ok(())
}
