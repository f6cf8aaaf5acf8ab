//! Denied logins, and logins that are being tried, of all daemons that share the mirror.
//!
//! A try is counted before it is made: daemons that ask at the same moment would each see room for one
//! more. No lock is needed for that. A daemon puts its try down first and counts afterwards, so that
//! of those that may try, the last to count has seen all others. Where two see that they are one too
//! many, both may withdraw, and try again later.

use std::time::{Duration, SystemTime};

use tokio_postgres::Client;

use crate::mirror::contracts::LoginTry;
use crate::mirror::postgres::error::PostgresError;

/// Puts down a try, and forgets what no longer counts.
const TRY: &str = "
WITH old AS (DELETE FROM denial WHERE denied_at < clock_timestamp() - interval '1 day')
INSERT INTO denial (login, denied_at, is_try) VALUES ($1, clock_timestamp(), true)
RETURNING denied_at";

/// How many are denied or being tried.
const COUNT: &str = "
SELECT count(*) FROM denial
WHERE login = $1 AND denied_at >= clock_timestamp() - $2::float8 * interval '1 second'";

/// A try is over.
const WITHDRAW: &str = "DELETE FROM denial WHERE login = $1 AND is_try AND denied_at = $2";

/// Counts a denial, as of now; a try that it came of is over.
const DENIED: &str = "
WITH tried AS (DELETE FROM denial WHERE login = $1 AND is_try AND denied_at = $2)
INSERT INTO denial (login, denied_at, is_try) VALUES ($1, clock_timestamp(), false)";

/// How long ago denials were.
const AGES: &str = "
SELECT extract(epoch FROM clock_timestamp() - denied_at)::float8 FROM denial
WHERE login = $1 AND NOT is_try
    AND denied_at >= clock_timestamp() - $2::float8 * interval '1 second'
ORDER BY denied_at DESC";

const FORGET: &str = "DELETE FROM denial WHERE login = $1";

/// Counts a login that is about to be tried, unless there are `most` already.
pub(super) async fn claim(
    client: &Client,
    login: &str,
    within: Duration,
    most: usize,
) -> Result<Option<LoginTry>, PostgresError> {
    let moment: SystemTime = client.query_one(TRY, &[&login]).await?.try_get(0)?;
    let seconds = within.as_secs_f64();
    let count: i64 = client.query_one(COUNT, &[&login, &seconds]).await?.try_get(0)?;
    if usize::try_from(count).is_ok_and(|count| count <= most) {
        return Ok(Some(LoginTry(moment)));
    }
    withdraw(client, login, LoginTry(moment)).await?;
    Ok(None)
}

/// A try was no denial.
pub(super) async fn withdraw(
    client: &Client,
    login: &str,
    tried: LoginTry,
) -> Result<(), PostgresError> {
    client.execute(WITHDRAW, &[&login, &tried.0]).await?;
    Ok(())
}

/// Counts a denial.
pub(super) async fn count(
    client: &Client,
    login: &str,
    tried: Option<LoginTry>,
) -> Result<(), PostgresError> {
    let tried = tried.map(|tried| tried.0);
    client.execute(DENIED, &[&login, &tried]).await?;
    Ok(())
}

/// How many seconds ago denials were, the newest first.
pub(super) async fn ages(
    client: &Client,
    login: &str,
    within: Duration,
) -> Result<Vec<f64>, PostgresError> {
    let rows = client.query(AGES, &[&login, &within.as_secs_f64()]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Forgets denials and tries.
pub(super) async fn forget(client: &Client, login: &str) -> Result<(), PostgresError> {
    client.execute(FORGET, &[&login]).await?;
    Ok(())
}
