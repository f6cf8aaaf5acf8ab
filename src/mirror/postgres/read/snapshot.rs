//! The items as of one instant: now, or as they were once an earlier change had been made.
//!
//! An item that has not changed since is as it is; any other was what its first change since then
//! carries as `before`.

use std::ops::ControlFlow;
use std::pin::pin;

use futures_util::TryStreamExt as _;
use tokio::sync::Mutex;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::columns::{Parameter, body, column, id, whole};
use super::error::PostgresReadError;
use super::instant::{InstantReader, LOG, PAGE_BYTES};
use crate::domain::{ItemId, RepositoryId, Sequence};
use crate::mirror::contracts::{
    ItemsSnapshot, MirrorFuture, MirrorView, MirroredRepository, RowTaker, ViewColumnKind,
    ViewValue,
};
use crate::mirror::postgres::numbers::signed;
use crate::mirror::postgres::{PostgresPool, key, models};
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

/// Some rows of a view are full with so many bytes, or so many rows.
const ROWS_BYTES: usize = 1 << 20;
const ROWS: usize = 2_000;

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

    /// The repositories that have ever been paged, by id.
    async fn read_repositories(&self) -> Result<Vec<MirroredRepository>, PostgresReadError> {
        let mut reader = self.reader.lock().await;
        let (client, wire) = reader.connection.parts();
        // A refusal would end the transaction. A role that may not read models knows none.
        let sql =
            "SELECT id, items, has_table_privilege('model', 'SELECT') FROM repository ORDER BY id";
        let mut repositories = Vec::new();
        for row in wire.run(client.query_typed(sql, &[])).await? {
            let id = RepositoryId(whole(&row, 0)?);
            let may_read = column(&row, 2)?;
            let model = if may_read { wire.run(models::model(client, id)).await? } else { None };
            repositories.push(MirroredRepository { id, items: whole(&row, 1)?, model });
        }
        Ok(repositories)
    }

    /// Hands over the rows of a view. The database sends no more than is taken.
    async fn read_rows(
        &self,
        view: MirrorView,
        take: RowTaker<'_>,
    ) -> Result<(), PostgresReadError> {
        let columns: Vec<String> = view.columns().iter().map(column_as_told).collect();
        let sql = format!("SELECT {} FROM {}", columns.join(", "), view.name());
        let mut reader = self.reader.lock().await;
        let (client, wire) = reader.connection.parts();
        // One statement for all rows, which lasts as long as they are being written.
        wire.run(client.batch_execute("SET LOCAL statement_timeout TO 0")).await?;
        let none: [Parameter<'_>; 0] = [];
        let rows = wire.run(client.query_typed_raw(&sql, none)).await?;
        let mut rows = pin!(rows);
        let (mut page, mut bytes) = (Vec::new(), 0);
        while let Some(row) = wire.run(rows.try_next()).await? {
            let values = values(view, &row)?;
            let texts = values.iter().map(|value| match value {
                ViewValue::Text(text) => text.len(),
                ViewValue::Null | ViewValue::Number(_) => 0,
            });
            bytes += texts.sum::<usize>();
            page.push(values);
            if bytes >= ROWS_BYTES || page.len() >= ROWS {
                bytes = 0;
                if take(std::mem::take(&mut page)).is_break() {
                    return Ok(());
                }
            }
        }
        match take(page) {
            // There are no more, whatever is said to them.
            ControlFlow::Continue(()) | ControlFlow::Break(()) => Ok(()),
        }
    }
}

/// A column of a view as it is read.
fn column_as_told((name, kind): &(&str, ViewColumnKind)) -> String {
    match kind {
        ViewColumnKind::Number | ViewColumnKind::Text => format!("\"{name}\""),
        ViewColumnKind::Time => {
            format!("to_char(\"{name}\" AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
        }
        ViewColumnKind::Truth => format!("\"{name}\"::int::bigint"),
    }
}

fn values(view: MirrorView, row: &Row) -> Result<Vec<ViewValue>, PostgresReadError> {
    let values = view.columns().iter().enumerate().map(|(place, (_, kind))| {
        Ok(match kind {
            ViewColumnKind::Number | ViewColumnKind::Truth => {
                column::<Option<i64>>(row, place)?.map_or(ViewValue::Null, ViewValue::Number)
            }
            ViewColumnKind::Text | ViewColumnKind::Time => column::<Option<&str>>(row, place)?
                .map_or(ViewValue::Null, |text| ViewValue::Text(text.as_bytes().to_vec())),
        })
    });
    values.collect()
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
    fn repositories(&self) -> MirrorFuture<'_, Vec<MirroredRepository>> {
        Box::pin(async { self.read_repositories().await.map_err(MirrorError::from) })
    }

    fn rows<'a>(&'a self, view: MirrorView, take: RowTaker<'a>) -> MirrorFuture<'a, ()> {
        Box::pin(async move { self.read_rows(view, take).await.map_err(MirrorError::from) })
    }
}
