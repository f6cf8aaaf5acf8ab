//! What the copy has under the ids of a page.
//!
//! The ids of a page mostly stand close together in the order of ids, however the server sorts. Then
//! one walk along the range that they span costs a fraction of looking for each of them.

use rusqlite::{OptionalExtension, Transaction};

use super::key::SqlItemId;
use super::write_error::WriteError;
use crate::domain::{ItemId, RepositoryId};

/// The walk passes over so many strangers for each id that it looks for; then the ids are too far
/// apart, and it is given up.
const STRANGERS: usize = 1;

/// A row of the copy: an item, or what is left of one that was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoredRow {
    /// The sequence of its latest change.
    pub(super) sequence: i64,
    /// Its digest, its bits taken as signed; `None`: it was deleted.
    pub(super) digest: Option<i64>,
}

/// What there is under each of these distinct ids, in their order.
pub(super) fn stored(
    transaction: &Transaction<'_>,
    repository: RepositoryId,
    ids: &[&ItemId],
) -> Result<Vec<Option<StoredRow>>, WriteError> {
    if let Some(stored) = along(transaction, repository, ids)? {
        return Ok(stored);
    }
    let mut find = transaction
        .prepare_cached("SELECT sequence, digest FROM item WHERE repository = ?1 AND id = ?2")?;
    let mut one = |id: &&ItemId| {
        find.query_row((repository.0.cast_signed(), SqlItemId(id)), |row| {
            Ok(StoredRow { sequence: row.get(0)?, digest: row.get(1)? })
        })
        .optional()
    };
    Ok(ids.iter().map(&mut one).collect::<Result<_, _>>()?)
}

/// The same by one walk; `None` where the ids are too far apart, or not all of one kind.
fn along(
    transaction: &Transaction<'_>,
    repository: RepositoryId,
    ids: &[&ItemId],
) -> Result<Option<Vec<Option<StoredRow>>>, WriteError> {
    let number = |(place, id): (usize, &&ItemId)| match id {
        ItemId::Integer(number) => i64::try_from(*number).ok().map(|number| (number, place)),
        ItemId::Text(_) => None,
    };
    let Some(mut wanted) = ids.iter().enumerate().map(number).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    wanted.sort_unstable();
    let (Some((first, _)), Some((last, _))) = (wanted.first(), wanted.last()) else {
        return Ok(None);
    };
    let mut range = transaction.prepare_cached(
        "SELECT id, sequence, digest FROM item
         WHERE repository = ?1 AND id BETWEEN ?2 AND ?3 ORDER BY id",
    )?;
    let mut rows = range.query((repository.0.cast_signed(), first, last))?;
    let mut stored = vec![None; ids.len()];
    let mut wanted = wanted.iter().peekable();
    let mut strangers = 0;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        while wanted.next_if(|(number, _)| *number < id).is_some() {}
        if let Some((_, place)) = wanted.next_if(|(number, _)| *number == id) {
            stored[*place] = Some(StoredRow { sequence: row.get(1)?, digest: row.get(2)? });
        } else {
            strangers += 1;
            if strangers > ids.len() * STRANGERS {
                return Ok(None);
            }
        }
    }
    Ok(Some(stored))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::Connection;

    use super::*;
    use crate::mirror::sqlite::schema::MIGRATIONS;

    const REPOSITORY: RepositoryId = RepositoryId(7);

    /// A copy that has these ids, each with itself for a sequence, every third one deleted.
    fn copy(ids: impl IntoIterator<Item = ItemId>) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&MIGRATIONS.concat()).unwrap();
        for (sequence, id) in (1_i64..).zip(ids) {
            let digest = (sequence % 3 != 0).then_some(-sequence);
            connection
                .execute(
                    "INSERT INTO item VALUES (7, ?1, ?2, ?3)",
                    (SqlItemId(&id), sequence, digest),
                )
                .unwrap();
        }
        connection
    }

    fn integers(numbers: impl IntoIterator<Item = i128>) -> Vec<ItemId> {
        numbers.into_iter().map(ItemId::Integer).collect()
    }

    fn walked(connection: &mut Connection, ids: &[ItemId]) -> bool {
        let ids: Vec<&ItemId> = ids.iter().collect();
        along(&connection.transaction().unwrap(), REPOSITORY, &ids).unwrap().is_some()
    }

    #[test]
    fn ids_that_stand_together_are_found_by_a_walk_and_scattered_ones_each_by_itself() {
        let mut copy = copy(integers(0..1000));
        assert!(walked(&mut copy, &integers((100..200).rev())));
        assert!(walked(&mut copy, &integers((100..200).step_by(2))));
        assert!(!walked(&mut copy, &integers((100..200).step_by(4))));
        assert!(!walked(&mut copy, &integers([1, i128::MAX])));
        assert!(!walked(&mut copy, &[ItemId::Integer(1), ItemId::Text("2".into())]));
    }

    proptest! {
        #[test]
        fn each_id_is_found_as_it_is(
            there in proptest::collection::btree_set(-50_i128..50, 0..60),
            wanted in proptest::collection::hash_set(-60_i128..60, 0..60),
            wide: bool, text: bool,
        ) {
            let there = integers(there);
            let mut wanted = integers(wanted);
            wanted.extend(wide.then_some(ItemId::Integer(i128::MIN)));
            wanted.extend(text.then(|| ItemId::Text("1".into())));
            let mut copy = copy(there.iter().cloned());
            let transaction = copy.transaction().unwrap();
            let found = stored(&transaction, REPOSITORY, &wanted.iter().collect::<Vec<_>>());
            let expected: Vec<Option<StoredRow>> = wanted
                .iter()
                .map(|id| {
                    let place = there.iter().position(|it| it == id)?;
                    let sequence = i64::try_from(place).unwrap() + 1;
                    Some(StoredRow { sequence, digest: (sequence % 3 != 0).then_some(-sequence) })
                })
                .collect();
            prop_assert_eq!(found.unwrap(), expected);
        }
    }
}
