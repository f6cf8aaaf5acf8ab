//! Deletions that are held back: which they are, and the operator's word on them.

use std::path::Path;

use rusqlite::types::Type;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use super::columns::{signed, whole};
use super::connection::{SqliteReader, connect};
use super::error::ReadError;
use super::scan::{ItemScan, LOOKED_AT, THERE};
use crate::domain::{IdSet, ItemId, RepositoryId};
use crate::mirror::sqlite::key::{OwnedSqlItemId, SqlItemId};
use crate::mirror::sqlite::schema::{self, Header};
use crate::mirror::{ApprovalOutcome, HeldDeletions, ItemsPage, PendingDeletions};

/// A page is full with so many bytes of bodies, and one item more.
const PAGE_BYTES: usize = 4 << 20;

/// The body of an item that is there.
const BODY: &str = "SELECT change.after FROM item JOIN change ON change.sequence = item.sequence \
    WHERE item.repository = ?1 AND item.id = ?2 AND item.digest IS NOT NULL";

impl SqliteReader {
    /// The deletions of a repository that wait for the operator; `None` where none do.
    pub(crate) fn pending_deletions(
        &mut self,
        repository: RepositoryId,
    ) -> Result<Option<PendingDeletions>, ReadError> {
        let found = held_in(&self.connection, repository)?;
        let waiting =
            found.map(|(held, since_ms)| PendingDeletions { items: held.waiting(), since_ms });
        Ok(waiting.filter(|waiting| !waiting.items.is_empty()))
    }

    /// The body of an item as it is now.
    pub(crate) fn item(
        &mut self,
        repository: RepositoryId,
        item: &ItemId,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let mut body = self.connection.prepare_cached(BODY)?;
        let found = body.query_row((signed(repository.0), SqlItemId(item)), |row| row.get(0));
        Ok(found.optional()?)
    }

    /// The items of a repository that are in this set, from behind `after` on: as many as one short
    /// transaction finds.
    pub(crate) fn items_in(
        &mut self,
        repository: RepositoryId,
        set: &IdSet,
        after: Option<&ItemId>,
    ) -> Result<ItemsPage, ReadError> {
        let transaction = self.connection.transaction()?;
        let mut body = transaction.prepare_cached(BODY)?;
        let scan = ItemScan {
            repository,
            columns: "",
            beside: "",
            condition: THERE,
            page_bytes: PAGE_BYTES,
        };
        let page = scan.page(&transaction, after, |id, _| {
            if !set.contains(id) {
                return Ok(None);
            }
            let body: Option<Vec<u8>> =
                body.query_row((signed(repository.0), SqlItemId(id)), |row| row.get(0))?;
            Ok(body.map(|body| {
                let bytes = body.len();
                (body, bytes)
            }))
        })?;
        Ok(page.into())
    }
}

/// Approves the deletions of a repository that the guard has held back: all, or those of these items
/// if all of these are held. Writes one row, as soon as the daemon is between two of its
/// transactions. As for [`SqliteReader::open`], this process must have no connection to the file.
///
/// # Errors
///
/// As for [`SqliteReader::open`], and a file that this user may not write.
pub(in crate::mirror::sqlite) fn approve(
    path: &Path,
    repository: RepositoryId,
    named: Option<&[String]>,
) -> Result<ApprovalOutcome, ReadError> {
    if schema::check_header(path)? == Header::Blank {
        return Err(ReadError::Missing { path: path.to_owned() });
    }
    approve_beside_writer(path, repository, named)
}

/// The same for a process that has the file open already.
pub(in crate::mirror::sqlite) fn approve_beside_writer(
    path: &Path,
    repository: RepositoryId,
    named: Option<&[String]>,
) -> Result<ApprovalOutcome, ReadError> {
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Some((mut held, _)) = held_in(&transaction, repository)? else {
        return Ok(ApprovalOutcome::NothingHeld);
    };
    let outcome = held.approve_named(named);
    if matches!(outcome, ApprovalOutcome::Unknown(_)) {
        return Ok(outcome);
    }
    transaction
        .prepare_cached(
            "UPDATE suspects SET approved_items = ?2, approved_count = ?3, picked = ?4 \
             WHERE repository = ?1",
        )?
        .execute(params![
            signed(repository.0),
            Some(&held.approved).filter(|approved| !approved.is_empty()).map(IdSet::to_bytes),
            signed(held.approved.count()),
            held.picked
        ])?;
    transaction.commit()?;
    Ok(outcome)
}

/// The first of the deletions of a repository that wait for the operator: as far as they have numbers
/// for ids, or are among the repository's first items.
pub(super) fn first_waiting(
    connection: &Connection,
    repository: RepositoryId,
    most: usize,
) -> Result<Vec<ItemId>, ReadError> {
    let Some((held, _)) = held_in(connection, repository)? else { return Ok(Vec::new()) };
    let waiting = held.waiting();
    let mut first = waiting.numbers(most);
    if !first.is_empty() {
        return Ok(first);
    }
    let mut items = connection.prepare_cached(
        "SELECT id FROM item WHERE repository = ?1 AND digest IS NOT NULL ORDER BY id LIMIT ?2",
    )?;
    let mut rows = items.query((signed(repository.0), signed(LOOKED_AT as u64)))?;
    while let Some(row) = rows.next()?.filter(|_| first.len() < most) {
        let OwnedSqlItemId(id) = row.get(0)?;
        if waiting.contains(&id) {
            first.push(id);
        }
    }
    Ok(first)
}

/// What is held back, and since when.
fn held_in(
    connection: &Connection,
    repository: RepositoryId,
) -> Result<Option<(HeldDeletions, Option<i64>)>, ReadError> {
    let ids = |column: usize, bytes: Option<Vec<u8>>| match bytes {
        None => Ok(IdSet::new()),
        Some(bytes) => IdSet::from_bytes(&bytes).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error))
        }),
    };
    let held = connection
        .prepare_cached(
            "SELECT held, held_count, held_ms, approved_items, picked FROM suspects \
             WHERE repository = ?1 AND held IS NOT NULL AND held_count > 0",
        )?
        .query_row([signed(repository.0)], |row| {
            let held = HeldDeletions {
                items: ids(0, row.get(0)?)?,
                announced: whole(row, 1)?,
                approved: ids(3, row.get(3)?)?,
                picked: row.get(4)?,
            };
            Ok((held, row.get(2)?))
        })
        .optional()?;
    Ok(held)
}
