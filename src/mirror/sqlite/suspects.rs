//! Who is suspected to be gone: what is known of it, and who was not seen.

use rusqlite::{Connection, OptionalExtension};

use super::key::{self, OwnedSqlItemId, RANGES, RESTS, SqlItemId};
use super::store::WriteConnection;
use super::write_error::WriteError;
use crate::domain::{IdSet, ItemId, RepositoryId};
use crate::mirror::{HeldDeletions, UnseenItems};

/// What is known of items that were not seen.
pub(super) fn suspects(
    store: &mut WriteConnection,
    repository: RepositoryId,
) -> Result<UnseenItems, WriteError> {
    store.read(|transaction| suspects_in(transaction, repository))
}

/// The same, in a transaction that is under way.
pub(super) fn suspects_in(
    transaction: &Connection,
    repository: RepositoryId,
) -> Result<UnseenItems, WriteError> {
    let repository = repository.0.cast_signed();
    let items: Option<i64> = transaction
        .prepare_cached("SELECT items FROM repository WHERE id = ?1")?
        .query_row([repository], |row| row.get(0))
        .optional()?;
    let items = items.map_or(0, i64::cast_unsigned);
    let mut suspects = transaction.prepare_cached(
        "SELECT suspects, held, held_count, approved_items, picked FROM suspects
             WHERE repository = ?1",
    )?;
    let mut rows = suspects.query([repository])?;
    let Some(row) = rows.next()? else {
        return Ok(UnseenItems { items, ..UnseenItems::default() });
    };
    let suspects = ids(&row.get::<_, Vec<u8>>(0)?)?;
    let held = match row.get::<_, Option<Vec<u8>>>(1)? {
        Some(held) => Some(HeldDeletions {
            items: ids(&held)?,
            announced: row.get::<_, i64>(2)?.cast_unsigned(),
            approved: row
                .get::<_, Option<Vec<u8>>>(3)?
                .map_or_else(|| Ok(IdSet::new()), |it| ids(&it))?,
            picked: row.get(4)?,
        }),
        None => None,
    };
    Ok(UnseenItems { items, suspects, held })
}

pub(super) fn ids(bytes: &[u8]) -> Result<IdSet, WriteError> {
    IdSet::from_bytes(bytes).map_err(|error| WriteError::Store(Box::new(error)))
}

/// The items that are there and not in `seen`, in the order of their ids: at most `limit` of those
/// behind `after`.
pub(super) fn unseen(
    store: &mut WriteConnection,
    repository: RepositoryId,
    seen: &IdSet,
    after: Option<&ItemId>,
    limit: usize,
) -> Result<Vec<ItemId>, WriteError> {
    let repository = repository.0.cast_signed();
    let first = after.map_or(0, key::range_of);
    let mut unseen = Vec::new();
    store.read(|transaction| {
        for (place, range) in RANGES.iter().enumerate().skip(first) {
            let rest = after.filter(|_| place == first);
            let range = if rest.is_some() { RESTS[place] } else { range };
            let mut items = transaction.prepare_cached(&format!(
                "SELECT id FROM item
                 WHERE repository = ?1 AND digest IS NOT NULL AND {range} ORDER BY id"
            ))?;
            let mut rows = match rest {
                Some(after) => items.query((repository, SqlItemId(after)))?,
                None => items.query([repository])?,
            };
            while unseen.len() < limit {
                let Some(row) = rows.next()? else { break };
                let OwnedSqlItemId(id) = row.get(0)?;
                if !seen.contains(&id) {
                    unseen.push(id);
                }
            }
        }
        Ok(())
    })?;
    Ok(unseen)
}

/// Whether the operator has approved any of what is held back.
pub(super) fn any_approved(
    store: &mut WriteConnection,
    repository: RepositoryId,
) -> Result<bool, WriteError> {
    store.read(|transaction| {
        let approved = transaction
            .prepare_cached(
                "SELECT approved_count > 0 FROM suspects
                 WHERE repository = ?1 AND held IS NOT NULL",
            )?
            .query_row([repository.0.cast_signed()], |row| row.get(0))
            .optional()?;
        Ok(approved.unwrap_or(false))
    })
}
