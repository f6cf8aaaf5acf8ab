//! Who is suspected to be gone: what is known of it, and who was not seen.

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;

use super::error::PostgresError;
use super::key::{from_key, to_key};
use super::numbers::{signed, unsigned};
use crate::domain::{IdSet, ItemId, RepositoryId};
use crate::mirror::{HeldDeletions, UnseenItems};

/// Items of the copy that are looked at in one round trip.
const LOOKED_AT: i64 = 20_000;

/// What stands in the row of a repository's suspects.
#[derive(Debug)]
pub(super) struct StoredSuspects {
    suspects: Vec<u8>,
    held: Option<Vec<u8>>,
    held_count: i64,
    approved: Option<Vec<u8>>,
    picked: bool,
}

impl StoredSuspects {
    /// The columns `suspects`, `held`, `held_count`, `approved_items` and `picked`, from this one on.
    pub(super) fn of(row: &Row, first: usize) -> Result<Self, PostgresError> {
        Ok(Self {
            suspects: row.try_get(first)?,
            held: row.try_get(first + 1)?,
            held_count: row.try_get(first + 2)?,
            approved: row.try_get(first + 3)?,
            picked: row.try_get(first + 4)?,
        })
    }
}

/// What is held back, if anything is.
pub(super) fn held_in(stored: &StoredSuspects) -> Result<Option<HeldDeletions>, PostgresError> {
    let Some(held) = &stored.held else { return Ok(None) };
    Ok(Some(HeldDeletions {
        items: ids(held)?,
        announced: unsigned(stored.held_count),
        approved: stored.approved.as_deref().map_or_else(|| Ok(IdSet::new()), ids)?,
        picked: stored.picked,
    }))
}

fn ids(bytes: &[u8]) -> Result<IdSet, PostgresError> {
    IdSet::from_bytes(bytes).map_err(|_| PostgresError::Nonsense("a set of ids that is none"))
}

/// What is known of items that were not seen.
pub(super) async fn suspects(
    connection: &ClientWrapper,
    repository: RepositoryId,
) -> Result<UnseenItems, PostgresError> {
    let look = connection
        .prepare_cached(
            "SELECT (SELECT items FROM repository WHERE id = $1), suspects.repository IS NOT NULL,
                suspects.suspects, held, held_count, approved_items, picked
            FROM (VALUES (1)) AS one LEFT JOIN suspects ON suspects.repository = $1",
        )
        .await?;
    let row = connection.query_one(&look, &[&signed(repository.0)]).await?;
    let items = unsigned(row.try_get::<_, Option<i64>>(0)?.unwrap_or(0));
    if !row.try_get::<_, bool>(1)? {
        return Ok(UnseenItems { items, ..UnseenItems::default() });
    }
    let stored = StoredSuspects::of(&row, 2)?;
    Ok(UnseenItems { items, suspects: ids(&stored.suspects)?, held: held_in(&stored)? })
}

/// The items that are there and not in `seen`, in the order of their ids: at most `limit` of those
/// behind `after`.
pub(super) async fn unseen(
    connection: &ClientWrapper,
    repository: RepositoryId,
    seen: &IdSet,
    after: Option<&ItemId>,
    limit: usize,
) -> Result<Vec<ItemId>, PostgresError> {
    let next = connection
        .prepare_cached(
            "SELECT key FROM item WHERE repository = $1 AND key > $2 AND digest IS NOT NULL
            ORDER BY key LIMIT $3",
        )
        .await?;
    // No key is empty.
    let (mut after, mut unseen) = (after.map(to_key).unwrap_or_default(), Vec::new());
    while unseen.len() < limit {
        let rows = connection.query(&next, &[&signed(repository.0), &after, &LOOKED_AT]).await?;
        for row in &rows {
            let id = from_key(row.try_get(0)?)?;
            if unseen.len() < limit && !seen.contains(&id) {
                unseen.push(id);
            }
        }
        let Some(last) = rows.last().filter(|_| signed(rows.len() as u64) == LOOKED_AT) else {
            break;
        };
        after = last.try_get(0)?;
    }
    Ok(unseen)
}

/// Whether the operator has approved any of what is held back.
pub(super) async fn any_approved(
    connection: &ClientWrapper,
    repository: RepositoryId,
) -> Result<bool, PostgresError> {
    let look = connection
        .prepare_cached(
            "SELECT approved_count > 0 FROM suspects WHERE repository = $1 AND held IS NOT NULL",
        )
        .await?;
    let row = connection.query_opt(&look, &[&signed(repository.0)]).await?;
    row.map_or(Ok(false), |row| Ok(row.try_get(0)?))
}

/// Which of these items are there.
pub(super) async fn present(
    connection: &ClientWrapper,
    repository: RepositoryId,
    ids: &[ItemId],
) -> Result<Vec<ItemId>, PostgresError> {
    let look = connection
        .prepare_cached(
            "SELECT item.key FROM unnest($2::bytea[]) AS asked (key)
            CROSS JOIN LATERAL (
                SELECT key FROM item WHERE item.repository = $1 AND item.key = asked.key
                AND item.digest IS NOT NULL OFFSET 0
            ) AS item",
        )
        .await?;
    let keys: Vec<Vec<u8>> = ids.iter().map(to_key).collect();
    let rows = connection.query(&look, &[&signed(repository.0), &keys]).await?;
    let mut present = Vec::with_capacity(rows.len());
    for row in rows {
        present.push(from_key(row.try_get(0)?)?);
    }
    present.sort_unstable();
    present.dedup();
    Ok(present)
}
