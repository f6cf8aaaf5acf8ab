//! What a database holds, as records.

use tokio_postgres::Row;

use crate::domain::{Change, ItemId, Iteration, Op, RepositoryId, Sequence};
use crate::mirror::postgres::error::PostgresError;
use crate::mirror::postgres::{PostgresPool, key};
use crate::mirror::transfer::{ChangeRecord, ItemRecord, ItemRecords, MirrorExtent};

/// Records read at once are so many bytes of bodies, and one record more.
const PAGE_BYTES: i64 = 4 << 20;

/// The most records read at once.
const PAGE_RECORDS: i64 = 5000;

/// Items are counted as the planner knows them: to count them all would take as long as to read them.
const EXTENT: &str = "
    SELECT last, dropped_through,
        (SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'item'::regclass), dropped_ms
    FROM log";

const REPOSITORIES: &str = "SELECT id FROM repository";

/// Changes as many as fit. The lengths of bodies are known without reading them.
const CHANGES: &str = "
    SELECT sequence, repository, key, op, iteration, ts_ms, previous, previous_ms, before, after
    FROM (
        SELECT *, sum(bytes) OVER (ORDER BY sequence ROWS UNBOUNDED PRECEDING) AS through
        FROM (
            SELECT *, coalesce(octet_length(before), 0)::bigint
                + coalesce(octet_length(after), 0)::bigint AS bytes
            FROM change
            WHERE sequence > greatest($1::bigint, (SELECT dropped_through FROM log))
            ORDER BY sequence LIMIT $2
        ) AS chosen
    ) AS summed WHERE through - bytes < $3::bigint ORDER BY sequence";

/// Items as many as fit.
const ITEMS: &str = "
    SELECT key, sequence, changed_ms, body FROM (
        SELECT *, sum(bytes) OVER (ORDER BY key ROWS UNBOUNDED PRECEDING) AS through
        FROM (
            SELECT key, sequence, changed_ms, CASE WHEN digest IS NOT NULL THEN body END AS body,
                coalesce(octet_length(body), 0)::bigint AS bytes
            FROM item WHERE repository = $1 AND key > $2 ORDER BY key LIMIT $3
        ) AS chosen
    ) AS summed WHERE through - bytes < $4::bigint ORDER BY key";

pub(super) async fn extent(pool: &PostgresPool) -> Result<MirrorExtent, PostgresError> {
    let client = pool.get().await?;
    let row = client.query_one(EXTENT, &[]).await?;
    let rows = client.query(REPOSITORIES, &[]).await?;
    let mut repositories = rows
        .iter()
        .map(|row| Ok(RepositoryId(number(row, 0)?)))
        .collect::<Result<Vec<_>, PostgresError>>()?;
    repositories.sort_unstable();
    let (last, dropped_through) = (Sequence(number(&row, 0)?), Sequence(number(&row, 1)?));
    let (items, dropped_ms) = (number(&row, 2)?, row.try_get(3)?);
    Ok(MirrorExtent { last, dropped_through, dropped_ms, items, repositories })
}

pub(super) async fn changes(
    pool: &PostgresPool,
    after: Sequence,
) -> Result<Vec<ChangeRecord>, PostgresError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(CHANGES).await?;
    let after = after.0.cast_signed();
    let rows = client.query(&statement, &[&after, &PAGE_RECORDS, &PAGE_BYTES]).await?;
    rows.iter().map(change).collect()
}

fn change(row: &Row) -> Result<ChangeRecord, PostgresError> {
    let op = Op::of_letter(row.try_get(3)?)
        .ok_or(PostgresError::Nonsense("a change whose op is not known"))?;
    let change = Change {
        sequence: Sequence(number(row, 0)?),
        repository: RepositoryId(number(row, 1)?),
        item: key::from_key(row.try_get(2)?)?,
        op,
        iteration: Iteration(number(row, 4)?),
        ts_ms: row.try_get(5)?,
        before: body(row, 8)?,
        after: body(row, 9)?,
    };
    let has_before = matches!(op, Op::Update | Op::Delete);
    if change.before.is_some() != has_before || change.after.is_none() != (op == Op::Delete) {
        return Err(PostgresError::Nonsense("a change that lacks what it changed"));
    }
    let previous = row.try_get::<_, Option<i64>>(6)?.map(|it| Sequence(it.cast_unsigned()));
    Ok(ChangeRecord { change, previous, previous_ms: row.try_get(7)? })
}

pub(super) async fn items(
    pool: &PostgresPool,
    repository: RepositoryId,
    after: Option<ItemId>,
) -> Result<ItemRecords, PostgresError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(ITEMS).await?;
    let repository = repository.0.cast_signed();
    let after = after.map_or(Vec::new(), |after| key::to_key(&after));
    let rows = client.query(&statement, &[&repository, &after, &PAGE_RECORDS, &PAGE_BYTES]).await?;
    let record = |row: &Row| {
        Ok(ItemRecord {
            id: key::from_key(row.try_get(0)?)?,
            sequence: Sequence(number(row, 1)?),
            changed_ms: row.try_get(2)?,
            body: body(row, 3)?,
        })
    };
    let records = rows.iter().map(record).collect::<Result<Vec<_>, PostgresError>>()?;
    Ok(ItemRecords { more: !records.is_empty(), records })
}

fn number(row: &Row, column: usize) -> Result<u64, PostgresError> {
    Ok(row.try_get::<_, i64>(column)?.cast_unsigned())
}

fn body(row: &Row, column: usize) -> Result<Option<Vec<u8>>, PostgresError> {
    Ok(row.try_get::<_, Option<&str>>(column)?.map(|body| body.as_bytes().to_vec()))
}
