//! The items as of one instant: now, or as they were once an earlier change had been made.
//!
//! An item that has not changed since is as it is; any other was what its first change since then
//! carries as `before`.

use tokio::sync::Mutex;
use tokio_postgres::types::Type;

use super::bounds;
use super::columns::{Parameter, body, column, id};
use super::error::PostgresReadError;
use crate::domain::{ItemId, RepositoryId, Sequence};
use crate::mirror::contracts::{ItemsSnapshot, MirrorFuture};
use crate::mirror::postgres::dedicated::DedicatedConnection;
use crate::mirror::postgres::numbers::signed;
use crate::mirror::postgres::{PostgresPool, key};
use crate::mirror::{ItemsPage, LogBounds, MirrorError};

/// A page of items is full with so many bytes of bodies, and one item more.
pub(super) const PAGE_BYTES: i64 = 1 << 20;

/// The fewest and the most items that one page looks at.
pub(super) const FEWEST: i64 = 64;
pub(super) const MOST: i64 = 20_000;

/// Settings of the transaction: none ends it, however long it is held (not every version has all such
/// limits), and items are read by their index, in the order of it, whatever the statistics say or do not
/// say yet.
const SETTINGS: &str = "\
    SELECT set_config(name, CASE setting WHEN 'on' THEN 'off' ELSE '0' END, true) \
    FROM pg_settings WHERE name IN ( \
        'idle_in_transaction_session_timeout', 'transaction_timeout', \
        'enable_seqscan', 'enable_bitmapscan', 'enable_sort', 'jit') AND setting <> 'off'";

/// Keeps the parts of the log from being dropped.
pub(super) const LOG: &str = "; LOCK TABLE change IN ACCESS SHARE MODE";

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
    reader: Mutex<SnapshotReader>,
}

/// The transaction, which ends with its connection.
#[derive(Debug)]
struct SnapshotReader {
    connection: DedicatedConnection,
    /// How many items the next page looks at: about as many as fit in it.
    limit: i64,
}

impl PostgresSnapshot {
    /// Takes the state of now, or the one that this change left.
    pub(super) async fn take(
        pool: &PostgresPool,
        as_of: Option<Sequence>,
    ) -> Result<Self, PostgresReadError> {
        let lock = if as_of.is_some() { LOG } else { "" };
        let (mut connection, bounds) = begin(pool, lock).await?;
        let sequence = as_of.unwrap_or(bounds.last);
        bounds.expect(sequence)?;
        let mut since = None;
        if sequence < bounds.last {
            since = Some(part_after(&mut connection, sequence).await?);
        }
        let reader = Mutex::new(SnapshotReader { connection, limit: FEWEST });
        Ok(Self { sequence, since, reader })
    }

    /// The items of a repository in the order of their ids, each as received, from behind `after` on.
    async fn read(
        &self,
        repository: RepositoryId,
        after: Option<&ItemId>,
    ) -> Result<ItemsPage, PostgresReadError> {
        let mut reader = self.reader.lock().await;
        let SnapshotReader { connection, limit } = &mut *reader;
        let (client, wire) = connection.parts();
        let (repository, after) = (signed(repository.0), after.map_or_else(Vec::new, key::to_key));
        let sequence = signed(self.sequence.0);
        let looked_at = *limit;
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
        let is_cut = bytes >= PAGE_BYTES.cast_unsigned();
        let is_end = !is_cut && found < looked_at;
        let fits = if is_cut { found + found / 2 } else { looked_at * 2 };
        *limit = fits.clamp(FEWEST, MOST);
        Ok(ItemsPage { items, scanned_through: last.filter(|_| !is_end) })
    }
}

/// Begins a transaction that has one state for as long as its connection is held. It takes it when it
/// first reads; with this `lock` nothing that it will need of the log is dropped from then on.
pub(super) async fn begin(
    pool: &PostgresPool,
    lock: &str,
) -> Result<(DedicatedConnection, LogBounds), PostgresReadError> {
    let mut connection = pool.dedicated().await?;
    let (client, wire) = connection.parts();
    let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY{lock}");
    wire.run(client.batch_execute(&begin)).await?;
    wire.run(client.query_typed(SETTINGS, &[])).await?;
    let bounds = wire.run(bounds::row(client)).await?;
    Ok((connection, bounds::of(&bounds)?))
}

/// The part of the log that has the first change after this one.
pub(super) async fn part_after(
    connection: &mut DedicatedConnection,
    sequence: Sequence,
) -> Result<i32, PostgresReadError> {
    let (client, wire) = connection.parts();
    let after = signed(sequence.0);
    let parameters: [Parameter<'_>; 1] = [(&after, Type::INT8)];
    let part = client.query_typed_one(
        "SELECT coalesce(max(part), 0) FROM log_part WHERE after_sequence <= $1",
        &parameters,
    );
    Ok(column(&wire.run(part).await?, 0)?)
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
