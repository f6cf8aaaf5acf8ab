//! Who is suspected to be gone: what is known of it, and who was not seen.

use rusqlite::{Connection, OptionalExtension};

use super::key::{self, Key, OwnedKey, RANGES, RESTS};
use super::store::Store;
use crate::domain::{IdSet, ItemId, RepositoryId};
use crate::mirror::{Held, MirrorError, Suspicion};

/// What is known of items that were not seen.
pub(super) fn suspicion(
    store: &mut Store,
    repository: RepositoryId,
) -> Result<Suspicion, MirrorError> {
    store.read(|transaction| suspicion_in(transaction, repository))
}

/// The same, in a transaction that is under way.
pub(super) fn suspicion_in(
    transaction: &Connection,
    repository: RepositoryId,
) -> Result<Suspicion, MirrorError> {
    let repository = repository.0.cast_signed();
    let items: Option<i64> = transaction
        .prepare_cached("SELECT items FROM repository WHERE id = ?1")?
        .query_row([repository], |row| row.get(0))
        .optional()?;
    let items = items.map_or(0, i64::cast_unsigned);
    let mut suspicion = transaction.prepare_cached(
        "SELECT suspects, held, held_count, released_items, picked FROM suspicion
             WHERE repository = ?1",
    )?;
    let mut rows = suspicion.query([repository])?;
    let Some(row) = rows.next()? else {
        return Ok(Suspicion { items, ..Suspicion::default() });
    };
    let suspects = ids(&row.get::<_, Vec<u8>>(0)?)?;
    let held = match row.get::<_, Option<Vec<u8>>>(1)? {
        Some(held) => Some(Held {
            items: ids(&held)?,
            announced: row.get::<_, i64>(2)?.cast_unsigned(),
            released: row
                .get::<_, Option<Vec<u8>>>(3)?
                .map_or_else(|| Ok(IdSet::new()), |it| ids(&it))?,
            picked: row.get(4)?,
        }),
        None => None,
    };
    Ok(Suspicion { items, suspects, held })
}

pub(super) fn ids(bytes: &[u8]) -> Result<IdSet, MirrorError> {
    IdSet::from_bytes(bytes).map_err(|error| MirrorError::Store(Box::new(error)))
}

/// The items that are there and not in `seen`, in the order of their ids: at most `limit` of those
/// behind `after`.
pub(super) fn unseen(
    store: &mut Store,
    repository: RepositoryId,
    seen: &IdSet,
    after: Option<&ItemId>,
    limit: usize,
) -> Result<Vec<ItemId>, MirrorError> {
    let repository = repository.0.cast_signed();
    let first = after.map_or(0, key::range_of);
    let mut unseen = Vec::new();
    store.read(|transaction| {
        for (place, range) in RANGES.iter().enumerate().skip(first) {
            let rest = after.filter(|_| place == first);
            let range = if rest.is_some() { RESTS[place] } else { range };
            let mut items = transaction.prepare_cached(&format!(
                "SELECT id FROM item
                 WHERE repository = ?1 AND hash IS NOT NULL AND {range} ORDER BY id"
            ))?;
            let mut rows = match rest {
                Some(after) => items.query((repository, Key(after)))?,
                None => items.query([repository])?,
            };
            while unseen.len() < limit {
                let Some(row) = rows.next()? else { break };
                let OwnedKey(id) = row.get(0)?;
                if !seen.contains(&id) {
                    unseen.push(id);
                }
            }
        }
        Ok(())
    })?;
    Ok(unseen)
}

/// Whether the operator has released any of what is held back.
pub(super) fn released(store: &mut Store, repository: RepositoryId) -> Result<bool, MirrorError> {
    store.read(|transaction| {
        let released = transaction
            .prepare_cached(
                "SELECT released_count > 0 FROM suspicion
                 WHERE repository = ?1 AND held IS NOT NULL",
            )?
            .query_row([repository.0.cast_signed()], |row| row.get(0))
            .optional()?;
        Ok(released.unwrap_or(false))
    })
}
