//! Whether something between us and the server hands each transaction to another session of it.
//!
//! Two connections find out: while one has a transaction open, the other asks which process serves it
//! and what it has set. Through a pooler in transaction mode, it is another process than before.

use std::time::Duration;

use deadpool_postgres::Object;
use tokio::time::timeout;

use crate::mirror::ExaminationFinding;
use crate::mirror::postgres::connections::PostgresPool;
use crate::mirror::postgres::error::PostgresError;

pub(super) const POOLER: &str = "pooler";

/// A pooler that has no second session to give keeps us waiting.
const WITHIN: Duration = Duration::from_secs(2);

const SERVED_BY: &str = "SELECT pg_backend_pid()";

/// Tells poolers in transaction mode, and statement mode, from a session of one's own.
pub(super) async fn pooler(
    pool: &PostgresPool,
    connection: &Object,
) -> Result<ExaminationFinding, PostgresError> {
    let before: i32 = connection.query_one(SERVED_BY, &[]).await?.try_get(0)?;
    let mut other = pool.get().await?;
    let Ok(transaction) = timeout(WITHIN, other.transaction()).await else {
        return Ok(suspected("a second connection is kept waiting"));
    };
    let transaction = transaction?;
    let others: i32 = transaction.query_one(SERVED_BY, &[]).await?.try_get(0)?;
    let after = timeout(WITHIN, connection.query_one(SERVED_BY, &[])).await;
    transaction.rollback().await?;
    let Ok(after) = after else {
        return Ok(suspected("a connection waits for another one's transaction"));
    };
    let after: i32 = after?.try_get(0)?;
    Ok(if before == after && others != after {
        ExaminationFinding::sound(POOLER, "none, or one in session mode")
    } else {
        suspected("one connection is served by several processes in turn")
    })
}

fn suspected(found: &str) -> ExaminationFinding {
    let remedy = "a pooler in transaction mode lies in between: name the server itself in mirror.url, \
                  or a pool in session mode";
    ExaminationFinding::failure(POOLER, found, remedy)
}
