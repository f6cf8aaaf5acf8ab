//! The contract of the whole store, as far as it is written.

use std::sync::Arc;
use std::time::Duration;

use super::connections::PostgresPool;
use super::error::PostgresError;
use super::log_parts::LogParts;
use super::writer::PostgresWriter;
use super::{models, published, retention};
use crate::domain::RepositoryId;
use crate::mirror::contracts::{
    KeptModel, Lease, Mirror, MirrorFuture, ModelUpdate, RefusedView, RepositoryWriter,
};
use crate::mirror::retention::{DroppedChanges, FeedHolds, RetentionFloor};

/// What a page changes is sent in pieces of so many bytes: those of a usual page are one piece, and
/// neither side needs much memory for one.
const PIECE_BYTES: usize = 8 << 20;

/// The mirror in a PostgreSQL database, to be written.
#[derive(Debug)]
pub(crate) struct PostgresMirror {
    pool: PostgresPool,
    parts: Arc<LogParts>,
    piece_bytes: usize,
}

impl PostgresMirror {
    /// The mirror of a database whose schema is up to date.
    pub(crate) fn new(pool: PostgresPool) -> Self {
        Self { pool, parts: Arc::default(), piece_bytes: PIECE_BYTES }
    }

    /// The same, where what a page changes is sent in pieces of another size.
    #[cfg(test)]
    pub(super) fn in_pieces_of(self, piece_bytes: usize) -> Self {
        Self { piece_bytes, ..self }
    }

    /// What reads the same database, by the same connections.
    #[cfg(test)]
    pub(crate) fn reader(&self) -> super::PostgresReading {
        super::PostgresReading::new(self.pool.clone())
    }
}

impl Mirror for PostgresMirror {
    fn writer(&self, repository: RepositoryId, lease: &Lease) -> Arc<dyn RepositoryWriter> {
        let (pool, parts) = (self.pool.clone(), Arc::clone(&self.parts));
        Arc::new(PostgresWriter::new(pool, parts, repository, lease.clone(), self.piece_bytes))
    }

    fn drop_changes(
        &self,
        now_ms: i64,
        keep: Duration,
        holds: &FeedHolds,
    ) -> MirrorFuture<'_, DroppedChanges> {
        self.parts.keep(keep);
        let holds = holds.clone();
        Box::pin(async move {
            let dropped = async {
                let connection = self.pool.get().await?;
                let floor = RetentionFloor::new(now_ms, keep, &holds);
                retention::drop_changes(&connection, floor, &holds).await
            };
            Ok(dropped.await?)
        })
    }

    fn used_bytes(&self) -> MirrorFuture<'_, u64> {
        Box::pin(async move {
            let used = async {
                let connection = self.pool.get().await?;
                retention::used_bytes(&connection, &self.pool.address().schema).await
            };
            Ok(used.await?)
        })
    }

    fn saved_model(&self, repository: RepositoryId) -> MirrorFuture<'_, Option<KeptModel>> {
        Box::pin(async move {
            let saved = async {
                let connection = self.pool.get().await?;
                Ok::<_, PostgresError>(models::model(&connection, repository).await?)
            };
            Ok(saved.await?)
        })
    }

    fn save_model(
        &self,
        repository: RepositoryId,
        lease: &Lease,
        update: Arc<ModelUpdate>,
    ) -> MirrorFuture<'_, Vec<RefusedView>> {
        let lease = lease.clone();
        Box::pin(async move {
            models::save(&self.pool, &lease, repository, &update).await?;
            Ok(published::publish(&self.pool, Some((repository, &lease))).await)
        })
    }
}
