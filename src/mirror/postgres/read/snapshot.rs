//! The items as of one instant: now, or as they were once an earlier change had been made.
//!
//! An item that has not changed since is as it is; any other was what its first change since then
//! carries as `before`.

use tokio::sync::Mutex;
use tokio_postgres::types::Type;

use super::columns::{Parameter, body, id};
use super::error::PostgresReadError;
use super::instant::{InstantReader, LOG, PAGE_BYTES};
use crate::domain::{ItemId, RepositoryId, Sequence};
use crate::mirror::contracts::{ItemsSnapshot, MirrorFuture};
use crate::mirror::postgres::numbers::signed;
use crate::mirror::postgres::{PostgresPool, key};
use crate::mirror::{ItemsPage, MirrorError};

/// The items that are there, as many as fit in a page. The lengths of bodies are known without reading
/// them.
const NOW: &str = "\
    SELECT key, body FROM ( \
        SELECT *, sum(bytes) OVER (ORDER BY key ROWS UNBOUNDED PRECEDING) AS through FROM ( \
            SELECT key, body, octet_length(body)::bigint AS bytes FROM item \
            WHERE repository = $1 AND key > $2 AND digest IS NOT NULL ORDER BY key LIMIT $3 \
        ) AS chosen \
    ) AS summed WHERE through - bytes < $4 ORDER BY key";

/// The items that are or were there, as they were once change $5 had been made, in part $6 or before.
const THEN: &str = "\
    SELECT key, body FROM ( \
        SELECT *, sum(bytes) OVER (ORDER BY key ROWS UNBOUNDED PRECEDING) AS through FROM ( \
            SELECT *, coalesce(octet_length(body), 0)::bigint AS bytes FROM ( \
                SELECT now.key, \
                    CASE WHEN now.sequence <= $5 THEN now.body ELSE since.before END AS body \
                FROM ( \
                    SELECT key, id, sequence, body FROM item \
                    WHERE repository = $1 AND key > $2 ORDER BY key LIMIT $3 \
                ) AS now \
                LEFT JOIN LATERAL ( \
                    SELECT before FROM change \
                    WHERE now.sequence > $5 AND part >= $6 AND repository = $1 \
                        AND change.id = now.id AND change.key = now.key \
                        AND change.sequence > $5 \
                    ORDER BY change.sequence LIMIT 1 \
                ) AS since ON true \
            ) AS chosen \
        ) AS measured \
    ) AS summed WHERE through - bytes < $4 ORDER BY key";

/// One state of a mirror.
#[derive(Debug)]
pub(super) struct PostgresSnapshot {
    sequence: Sequence,
    /// The part of the log that has the first change since, where there is one.
    since: Option<i32>,
    /// The lock is held while a page is read: a connection answers one question at a time.
    reader: Mutex<InstantReader>,
}

impl PostgresSnapshot {
    /// Takes the state of now, or the one that this change left.
    pub(super) async fn take(
        pool: &PostgresPool,
        as_of: Option<Sequence>,
    ) -> Result<Self, PostgresReadError> {
        let lock = if as_of.is_some() { LOG } else { "" };
        let (mut reader, bounds) = InstantReader::begin(pool, lock).await?;
        let sequence = as_of.unwrap_or(bounds.last);
        bounds.expect(sequence)?;
        let mut since = None;
        if sequence < bounds.last {
            since = Some(reader.part_after(sequence).await?);
        }
        Ok(Self { sequence, since, reader: Mutex::new(reader) })
    }

    /// The items of a repository in the order of their ids, each as received, from behind `after` on.
    async fn read(
        &self,
        repository: RepositoryId,
        after: Option<&ItemId>,
    ) -> Result<ItemsPage, PostgresReadError> {
        let mut reader = self.reader.lock().await;
        let looked_at = reader.limit();
        let (client, wire) = reader.connection.parts();
        let (repository, after) = (signed(repository.0), after.map_or_else(Vec::new, key::to_key));
        let sequence = signed(self.sequence.0);
        let rows = match &self.since {
            None => {
                let parameters: [Parameter<'_>; 4] = [
                    (&repository, Type::INT8),
                    (&after, Type::BYTEA),
                    (&looked_at, Type::INT8),
                    (&PAGE_BYTES, Type::INT8),
                ];
                wire.run(client.query_typed(NOW, &parameters)).await?
            }
            Some(part) => {
                let parameters: [Parameter<'_>; 6] = [
                    (&repository, Type::INT8),
                    (&after, Type::BYTEA),
                    (&looked_at, Type::INT8),
                    (&PAGE_BYTES, Type::INT8),
                    (&sequence, Type::INT8),
                    (part, Type::INT4),
                ];
                wire.run(client.query_typed(THEN, &parameters)).await?
            }
        };
        let (mut items, mut bytes, mut found, mut last) = (Vec::new(), 0, 0, None);
        for row in rows {
            found += 1;
            let key = id(&row, 0)?;
            if let Some(body) = body(&row, 1)? {
                bytes += body.len() as u64;
                items.push((key.clone(), body));
            }
            last = Some(key);
        }
        let is_end = reader.is_end(found, bytes);
        Ok(ItemsPage { items, scanned_through: last.filter(|_| !is_end) })
    }
}

impl ItemsSnapshot for PostgresSnapshot {
    fn sequence(&self) -> Sequence {
        self.sequence
    }

    fn items(
        &self,
        repository: RepositoryId,
        after: Option<ItemId>,
    ) -> MirrorFuture<'_, ItemsPage> {
        Box::pin(
            async move { self.read(repository, after.as_ref()).await.map_err(MirrorError::from) },
        )
    }
}
