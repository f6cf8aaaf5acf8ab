//! The items at two instants, side by side: those that changed in between.
//!
//! The first change of an item since an instant carries as `before` what it was then.

use tokio::sync::Mutex;
use tokio_postgres::types::Type;

use super::columns::{Parameter, body, id, optional};
use super::error::PostgresReadError;
use super::instant::{InstantReader, LOG, PAGE_BYTES};
use crate::domain::{ItemId, RepositoryId, Sequence};
use crate::mirror::contracts::{ComparedPage, ItemsComparison, MirrorFuture};
use crate::mirror::postgres::numbers::signed;
use crate::mirror::postgres::{PostgresPool, key};
use crate::mirror::{ComparedItem, LogError, MirrorError};

/// The items that have changed since change $5, in part $6 of the log or after, as many as fit in a page:
/// what they were then, and once change $7 had been made, in part $8 or before. An item without a change
/// in between has neither.
const COMPARED: &str = "\
    SELECT key, sequence, before, after FROM ( \
        SELECT *, sum(bytes) OVER (ORDER BY key ROWS UNBOUNDED PRECEDING) AS through FROM ( \
            SELECT *, coalesce(octet_length(before), 0)::bigint \
                + coalesce(octet_length(after), 0)::bigint AS bytes FROM ( \
                SELECT now.key, since.sequence, \
                    CASE WHEN since.sequence <= $7 THEN since.before END AS before, \
                    CASE WHEN since.sequence > $7 THEN NULL \
                        WHEN now.sequence <= $7 THEN now.body ELSE later.before END AS after \
                FROM ( \
                    SELECT key, id, sequence, body FROM item \
                    WHERE repository = $1 AND key > $2 AND sequence > $5 ORDER BY key LIMIT $3 \
                ) AS now \
                LEFT JOIN LATERAL ( \
                    SELECT sequence, before FROM change \
                    WHERE part >= $6 AND repository = $1 \
                        AND change.id = now.id AND change.key = now.key \
                        AND change.sequence > $5 \
                    ORDER BY change.sequence LIMIT 1 \
                ) AS since ON true \
                LEFT JOIN LATERAL ( \
                    SELECT before FROM change \
                    WHERE now.sequence > $7 AND part >= $8 AND repository = $1 \
                        AND change.id = now.id AND change.key = now.key \
                        AND change.sequence > $7 \
                    ORDER BY change.sequence LIMIT 1 \
                ) AS later ON true \
            ) AS chosen \
        ) AS measured \
    ) AS summed WHERE through - bytes < $4 ORDER BY key";

/// Two states of a mirror.
#[derive(Debug)]
pub(super) struct PostgresComparison {
    from: Sequence,
    to: Sequence,
    /// The parts of the log that have the first change after each.
    parts: (i32, i32),
    /// The lock is held while a page is read: a connection answers one question at a time.
    reader: Mutex<InstantReader>,
}

impl PostgresComparison {
    /// Takes the states that these changes left; without the second, the one of now.
    pub(super) async fn take(
        pool: &PostgresPool,
        from: Sequence,
        to: Option<Sequence>,
    ) -> Result<Self, PostgresReadError> {
        let (mut reader, bounds) = InstantReader::begin(pool, LOG).await?;
        let to = to.unwrap_or(bounds.last);
        bounds.expect(from)?;
        bounds.expect(to)?;
        if from > to {
            return Err(LogError::Ahead { after: from, last: to }.into());
        }
        let parts = (reader.part_after(from).await?, reader.part_after(to).await?);
        Ok(Self { from, to, parts, reader: Mutex::new(reader) })
    }

    /// The items of a repository whose bytes are not the same in both, in the order of their ids, from
    /// behind `after` on.
    async fn read(
        &self,
        repository: RepositoryId,
        after: Option<&ItemId>,
    ) -> Result<ComparedPage, PostgresReadError> {
        let mut reader = self.reader.lock().await;
        let looked_at = reader.limit();
        let (client, wire) = reader.connection.parts();
        let (repository, after) = (signed(repository.0), after.map_or_else(Vec::new, key::to_key));
        let (from, to) = (signed(self.from.0), signed(self.to.0));
        let parameters: [Parameter<'_>; 8] = [
            (&repository, Type::INT8),
            (&after, Type::BYTEA),
            (&looked_at, Type::INT8),
            (&PAGE_BYTES, Type::INT8),
            (&from, Type::INT8),
            (&self.parts.0, Type::INT4),
            (&to, Type::INT8),
            (&self.parts.1, Type::INT4),
        ];
        let rows = wire.run(client.query_typed(COMPARED, &parameters)).await?;
        let (mut items, mut bytes, mut found, mut last) = (Vec::new(), 0, 0, None);
        for row in rows {
            found += 1;
            let id = id(&row, 0)?;
            if optional(&row, 1)?.is_none() {
                let what = "a later one of an item is not there";
                return Err(LogError::Damaged { sequence: self.from, what }.into());
            }
            let (before, after) = (body(&row, 2)?, body(&row, 3)?);
            bytes += [&before, &after].into_iter().flatten().map(Vec::len).sum::<usize>() as u64;
            if before != after {
                items.push(ComparedItem { id: id.clone(), before, after });
            }
            last = Some(id);
        }
        let is_end = reader.is_end(found, bytes);
        Ok(ComparedPage { items, scanned_through: last.filter(|_| !is_end) })
    }
}

impl ItemsComparison for PostgresComparison {
    fn sequences(&self) -> (Sequence, Sequence) {
        (self.from, self.to)
    }

    fn items(
        &self,
        repository: RepositoryId,
        after: Option<ItemId>,
    ) -> MirrorFuture<'_, ComparedPage> {
        Box::pin(
            async move { self.read(repository, after.as_ref()).await.map_err(MirrorError::from) },
        )
    }
}
