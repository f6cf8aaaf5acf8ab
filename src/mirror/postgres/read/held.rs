//! Deletions that are held back: which they are, and the operator's word on them.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient, IsolationLevel, Row};

use super::columns::{Parameter, body, column, id, whole};
use super::error::PostgresReadError;
use crate::domain::{IdSet, ItemId, RepositoryId};
use crate::mirror::postgres::error::PostgresError;
use crate::mirror::postgres::key;
use crate::mirror::postgres::numbers::signed;
use crate::mirror::{ApprovalOutcome, HeldDeletions, ItemsPage, PendingDeletions};

/// A page is full with so many bytes of bodies, and one item more.
const PAGE_BYTES: i64 = 4 << 20;

/// How many items one page looks at to find those that are held.
const LOOKED_AT: i64 = 20_000;

/// How many bodies are asked for at a time.
const BODIES: usize = 1000;

/// The deletions of a repository that wait for the operator; `None` where none do.
pub(super) async fn pending_deletions(
    client: &Client,
    repository: RepositoryId,
) -> Result<Option<PendingDeletions>, PostgresReadError> {
    let found = held(client, repository).await?;
    let waiting =
        found.map(|it| PendingDeletions { items: it.held.waiting(), since_ms: it.since_ms });
    Ok(waiting.filter(|waiting| !waiting.items.is_empty()))
}

/// The body of an item as it is now.
pub(super) async fn item(
    client: &Client,
    repository: RepositoryId,
    item: &ItemId,
) -> Result<Option<Vec<u8>>, PostgresReadError> {
    let found = bodies(client, repository, &[key::to_key(item)], PAGE_BYTES).await?;
    Ok(found.into_iter().next().map(|(_, body)| body))
}

/// The items of a repository that are in this set, from behind `after` on: as many as one short
/// transaction finds.
pub(super) async fn items_in(
    client: &mut Client,
    repository: RepositoryId,
    set: &IdSet,
    after: Option<&ItemId>,
) -> Result<ItemsPage, PostgresReadError> {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    // By the index, in the order of it, whatever the statistics say or do not say yet.
    let plain = "SET LOCAL enable_seqscan TO off; SET LOCAL enable_bitmapscan TO off; \
                 SET LOCAL enable_sort TO off";
    transaction.batch_execute(plain).await?;
    let ids = ids(&transaction, repository, after).await?;
    let is_end = (ids.len() as u64) < LOOKED_AT.cast_unsigned();
    let last = ids.last().filter(|_| !is_end).cloned();
    let wanted: Vec<Vec<u8>> = ids.iter().filter(|id| set.contains(id)).map(key::to_key).collect();
    let mut page = ItemsPage { items: Vec::new(), scanned_through: last };
    let mut room = PAGE_BYTES;
    for some in wanted.chunks(BODIES) {
        let found = bodies(&transaction, repository, some, room).await?;
        for (id, body) in found {
            room = room.saturating_sub_unsigned(body.len() as u64);
            page.items.push((id, body));
        }
        if room <= 0 {
            page.scanned_through = page.items.last().map(|(id, _)| id.clone());
            break;
        }
    }
    transaction.commit().await?;
    Ok(page)
}

/// The ids of the items from behind `after` on, as many as a page looks at.
async fn ids(
    client: &(impl GenericClient + Sync),
    repository: RepositoryId,
    after: Option<&ItemId>,
) -> Result<Vec<ItemId>, PostgresReadError> {
    let after = after.map_or_else(Vec::new, key::to_key);
    let rows = client
        .query_typed(
            "SELECT key FROM item WHERE repository = $1 AND key > $2 AND digest IS NOT NULL \
             ORDER BY key LIMIT $3",
            &[(&signed(repository.0), Type::INT8), (&after, Type::BYTEA), (&LOOKED_AT, Type::INT8)],
        )
        .await?;
    rows.into_iter().map(|row| Ok(id(&row, 0)?)).collect()
}

/// The bodies of the first of these items that have so much room, and one more.
async fn bodies(
    client: &(impl GenericClient + Sync),
    repository: RepositoryId,
    keys: &[Vec<u8>],
    room: i64,
) -> Result<Vec<(ItemId, Vec<u8>)>, PostgresReadError> {
    let rows = client
        .query_typed(
            "SELECT key, body FROM ( \
                SELECT *, sum(bytes) OVER (ORDER BY key ROWS UNBOUNDED PRECEDING) AS through \
                FROM ( \
                    SELECT key, body, octet_length(body)::bigint AS bytes FROM item \
                    WHERE repository = $1 AND key = ANY($2) AND digest IS NOT NULL \
                ) AS chosen \
             ) AS summed WHERE through - bytes < $3 ORDER BY key",
            &[(&signed(repository.0), Type::INT8), (&keys, Type::BYTEA_ARRAY), (&room, Type::INT8)],
        )
        .await?;
    let found = rows.into_iter().map(|row| Ok(body(&row, 1)?.map(|body| (id(&row, 0), body))));
    let found = found.filter_map(Result::transpose);
    found
        .map(|found: Result<_, PostgresReadError>| found.and_then(|(id, body)| Ok((id?, body))))
        .collect()
}

/// Approves the deletions of a repository that the guard has held back: all, or those of these items
/// if all of these are held.
///
/// The row is read without a lock and changed only if it still is what was read: so nobody waits for
/// this process, whatever becomes of it.
pub(super) async fn approve(
    client: &Client,
    repository: RepositoryId,
    named: Option<&[String]>,
) -> Result<ApprovalOutcome, PostgresReadError> {
    loop {
        let Some(mut found) = held(client, repository).await? else {
            return Ok(ApprovalOutcome::NothingHeld);
        };
        let outcome = found.held.approve_named(named);
        if matches!(outcome, ApprovalOutcome::Unknown(_)) {
            return Ok(outcome);
        }
        let approved = &found.held.approved;
        let bytes = Some(approved).filter(|approved| !approved.is_empty()).map(IdSet::to_bytes);
        let parameters: [Parameter<'_>; 5] = [
            (&signed(repository.0), Type::INT8),
            (&bytes, Type::BYTEA),
            (&signed(approved.count()), Type::INT8),
            (&found.held.picked, Type::BOOL),
            (&found.version, Type::TEXT),
        ];
        let changed = client
            .query_typed_opt(
                "UPDATE suspects SET approved_items = $2, approved_count = $3, picked = $4 \
                 WHERE repository = $1 AND xmin::text = $5 RETURNING true",
                &parameters,
            )
            .await
            .map_err(PostgresReadError::of_writing)?;
        if changed.is_some() {
            return Ok(outcome);
        }
    }
}

/// The first of the deletions of a repository that wait for the operator: as far as they have numbers
/// for ids, or are among the repository's first items.
pub(super) async fn first_waiting(
    client: &(impl GenericClient + Sync),
    repository: RepositoryId,
    most: usize,
) -> Result<Vec<ItemId>, PostgresReadError> {
    let Some(found) = held(client, repository).await? else { return Ok(Vec::new()) };
    let waiting = found.held.waiting();
    let first = waiting.numbers(most);
    if !first.is_empty() {
        return Ok(first);
    }
    let ids = ids(client, repository, None).await?;
    Ok(ids.into_iter().filter(|id| waiting.contains(id)).take(most).collect())
}

/// What is held back.
struct HeldRow {
    held: HeldDeletions,
    since_ms: Option<i64>,
    /// Another one as soon as anybody has changed the row.
    version: String,
}

async fn held(
    client: &(impl GenericClient + Sync),
    repository: RepositoryId,
) -> Result<Option<HeldRow>, PostgresReadError> {
    let found = client
        .query_typed_opt(
            "SELECT held, held_count, held_ms, approved_items, picked, xmin::text FROM suspects \
             WHERE repository = $1 AND held IS NOT NULL AND held_count > 0",
            &[(&signed(repository.0), Type::INT8)],
        )
        .await?;
    found.map(|row| held_of(&row)).transpose()
}

fn held_of(row: &Row) -> Result<HeldRow, PostgresReadError> {
    let ids = |place| match column::<Option<&[u8]>>(row, place)? {
        None => Ok(IdSet::new()),
        Some(bytes) => IdSet::from_bytes(bytes)
            .map_err(|_| PostgresError::Nonsense("deletions that are held back cannot be read")),
    };
    let held = HeldDeletions {
        items: ids(0)?,
        announced: whole(row, 1)?,
        approved: ids(3)?,
        picked: column(row, 4)?,
    };
    Ok(HeldRow { held, since_ms: column(row, 2)?, version: column(row, 5)? })
}
