//! The contract of the whole store, as far as it is written.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::connections::PostgresPool;
use super::error::PostgresError;
use super::read::PostgresReading;
use super::retention;
use super::writer::PostgresWriter;
use crate::domain::RepositoryId;
use crate::mirror::contracts::{Lease, Mirror, MirrorFuture, RepositoryWriter};

/// How often writers ask whether it is time for the next part of the log.
const ROLL_OVER_EVERY: Duration = Duration::from_secs(60);

/// The mirror in a PostgreSQL database, to be written.
#[derive(Debug)]
pub(crate) struct PostgresMirror {
    pool: PostgresPool,
    parts: Arc<LogParts>,
}

/// What is known of the parts of the log.
#[derive(Debug, Default)]
pub(super) struct LogParts(Mutex<PartsAsked>);

#[derive(Debug, Default)]
struct PartsAsked {
    /// When it was last asked for the next part.
    at: Option<Instant>,
    /// How long changes are kept, as far as anybody has said.
    keep: Option<Duration>,
}

impl LogParts {
    /// Begins the next part where it is time to, if nobody has asked for a while.
    pub(super) async fn roll_over(
        &self,
        connection: &deadpool_postgres::ClientWrapper,
    ) -> Result<(), PostgresError> {
        let keep = {
            let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if asked.at.is_some_and(|at| at.elapsed() < ROLL_OVER_EVERY) {
                return Ok(());
            }
            asked.at = Some(Instant::now());
            asked.keep
        };
        retention::roll_over(connection, keep).await?;
        Ok(())
    }

    fn keep(&self, keep: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keep = Some(keep);
    }
}

impl PostgresMirror {
    /// The mirror of a database whose schema is up to date.
    pub(crate) fn new(pool: PostgresPool) -> Self {
        Self { pool, parts: Arc::default() }
    }

    /// What reads the same database, by the same connections.
    pub(crate) fn reader(&self) -> PostgresReading {
        PostgresReading::new(self.pool.clone())
    }
}

impl Mirror for PostgresMirror {
    fn writer(&self, repository: RepositoryId, lease: &Lease) -> Arc<dyn RepositoryWriter> {
        let (pool, parts) = (self.pool.clone(), Arc::clone(&self.parts));
        Arc::new(PostgresWriter::new(pool, parts, repository, lease.clone()))
    }

    fn drop_changes(&self, now_ms: i64, keep: Duration) -> MirrorFuture<'_, bool> {
        self.parts.keep(keep);
        Box::pin(async move {
            let dropped = async {
                let connection = self.pool.get().await?;
                retention::drop_changes(&connection, now_ms, keep).await
            };
            Ok(dropped.await?)
        })
    }
}
