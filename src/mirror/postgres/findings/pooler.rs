//! Whether something between us and the server hands each transaction to another session of it.
//!
//! Two connections find out: while one has a transaction open, the other asks which process serves it
//! and what it has set. Through a pooler in transaction mode, it is another process than before.

use std::time::Duration;

use deadpool_postgres::Object;
use tokio::time::timeout;
use tokio_postgres::SimpleQueryMessage;

use crate::mirror::ExaminationFinding;
use crate::mirror::postgres::connections::PostgresPool;
use crate::mirror::postgres::error::PostgresError;

pub(super) const POOLER: &str = "pooler";

/// A pooler that has no second session to give keeps us waiting.
const WITHIN: Duration = Duration::from_secs(2);

/// Tells poolers in transaction mode, and statement mode, from a session of one's own.
pub(super) async fn pooler(
    pool: &PostgresPool,
    connection: &Object,
) -> Result<ExaminationFinding, PostgresError> {
    let before = served_by(connection).await?;
    let other = pool.get().await?;
    let begun = timeout(WITHIN, other.batch_execute("BEGIN")).await;
    let after = match begun {
        Ok(begun) => {
            begun?;
            timeout(WITHIN, served_by(connection)).await
        }
        Err(elapsed) => Err(elapsed),
    };
    // One that waits would keep the pool's next user waiting, too.
    let Ok(after) = after else {
        drop(Object::take(other));
        return Ok(suspected("one connection is kept waiting by another one's transaction"));
    };
    let others = served_by(&other).await?;
    other.batch_execute("ROLLBACK").await?;
    Ok(if before == after? && before != others {
        ExaminationFinding::sound(POOLER, "none, or one in session mode")
    } else {
        suspected("one connection is served by several processes in turn")
    })
}

/// The process of the server that answers now. Nothing is prepared: a pooler may lose it.
async fn served_by(connection: &Object) -> Result<Option<String>, PostgresError> {
    let answer = connection.simple_query("SELECT pg_backend_pid()").await?;
    Ok(answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}

fn suspected(found: &str) -> ExaminationFinding {
    let remedy = "a pooler in transaction mode lies in between: name the server itself in mirror.url, \
                  or a pool in session mode";
    ExaminationFinding::failure(POOLER, found, remedy)
}
