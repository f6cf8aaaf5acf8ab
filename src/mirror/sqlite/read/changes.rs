//! The log, page by page, and the way of one item through it.
//!
//! Rows of the log up to `dropped_through` are not part of it, whatever is still there of them.

use rusqlite::{Connection, OptionalExtension, Row};

use super::columns::{bounds_in, optional, signed, whole};
use super::connection::SqliteReader;
use super::error::ReadError;
use crate::domain::{Change, ItemId, Iteration, Op, RepositoryId, Sequence};
use crate::mirror::sqlite::key::{OwnedSqlItemId, SqlItemId};
use crate::mirror::{ChangesPage, ItemHistory, LogError};

/// A page of changes is full with so many bytes of bodies, and one change more.
const PAGE_BYTES: usize = 4 << 20;

/// How many changes one page looks at to find those of one repository.
const LOOKED_AT: i64 = 20_000;

impl SqliteReader {
    /// The changes after this one (`None`: from the first that there is), of one repository or of
    /// all: at most `limit`, fewer where their bodies are large.
    ///
    /// # Errors
    ///
    /// [`LogError::Dropped`] where some of them are no longer there, and [`LogError::Ahead`]
    /// where `after` itself has not come yet.
    pub(crate) fn changes(
        &mut self,
        after: Option<Sequence>,
        repository: Option<RepositoryId>,
        limit: usize,
    ) -> Result<ChangesPage, ReadError> {
        let transaction = self.connection.transaction()?;
        let bounds = bounds_in(&transaction)?;
        let (dropped_through, last) = (bounds.dropped_through, bounds.last);
        let after = after.unwrap_or(dropped_through);
        bounds.expect(after)?;
        let mut page =
            ChangesPage { changes: Vec::new(), scanned_through: after, dropped_through, last };
        let mut statement = transaction.prepare_cached(
            "SELECT sequence, repository, id, op, iteration, ts_ms, previous FROM change \
             WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
        )?;
        let mut rows = statement.query([signed(after.0), LOOKED_AT])?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let row = LogRow::read(row)?;
            page.scanned_through = row.sequence;
            if repository.is_some_and(|repository| repository != row.repository) {
                continue;
            }
            let change = row.with_bodies(&transaction)?;
            bytes +=
                [&change.before, &change.after].into_iter().flatten().map(Vec::len).sum::<usize>();
            page.changes.push(change);
            if page.changes.len() >= limit || bytes >= PAGE_BYTES {
                break;
            }
        }
        Ok(page)
    }

    /// Which changes of an item there are; `None` where the mirror knows no such item. Read them
    /// one by one with [`SqliteReader::change`].
    pub(crate) fn history(
        &mut self,
        repository: RepositoryId,
        item: &ItemId,
    ) -> Result<Option<ItemHistory>, ReadError> {
        let transaction = self.connection.transaction()?;
        let latest = transaction
            .prepare_cached("SELECT sequence FROM item WHERE repository = ?1 AND id = ?2")?
            .query_row((signed(repository.0), SqlItemId(item)), |row| whole(row, 0))
            .optional()?;
        let Some(latest) = latest else { return Ok(None) };
        let bounds = bounds_in(&transaction)?;
        let mut history = ItemHistory { sequences: Vec::new(), dropped_through: None };
        let mut previous =
            transaction.prepare_cached("SELECT previous FROM change WHERE sequence = ?1")?;
        let mut next = Some(Sequence(latest));
        while let Some(sequence) = next {
            if sequence <= bounds.dropped_through {
                history.dropped_through = Some(bounds.dropped_through);
                break;
            }
            history.sequences.push(sequence);
            let before = previous
                .query_row([signed(sequence.0)], |row| optional(row, 0))
                .optional()?
                .ok_or(LogError::Damaged { sequence, what: "it is not there" })?;
            next = before.map(Sequence);
            // Else a damaged log could lead round in circles.
            if next.is_some_and(|next| next >= sequence) {
                return Err(
                    LogError::Damaged { sequence, what: "its previous one comes later" }.into()
                );
            }
        }
        history.sequences.reverse();
        Ok(Some(history))
    }

    /// One change; `None` where it is not in the log, or no longer.
    pub(crate) fn change(&mut self, sequence: Sequence) -> Result<Option<Change>, ReadError> {
        let transaction = self.connection.transaction()?;
        if sequence <= bounds_in(&transaction)?.dropped_through {
            return Ok(None);
        }
        let row = transaction
            .prepare_cached(
                "SELECT sequence, repository, id, op, iteration, ts_ms, previous FROM change \
                 WHERE sequence = ?1",
            )?
            .query_row([signed(sequence.0)], |row| Ok(LogRow::read(row)))
            .optional()?;
        row.map(|row| row?.with_bodies(&transaction)).transpose()
    }
}

/// A row of the log without its body.
struct LogRow {
    sequence: Sequence,
    repository: RepositoryId,
    item: ItemId,
    op: Op,
    iteration: Iteration,
    ts_ms: i64,
    previous: Option<Sequence>,
}

impl LogRow {
    fn read(row: &Row<'_>) -> Result<Self, ReadError> {
        let sequence = Sequence(whole(row, 0)?);
        let OwnedSqlItemId(item) = row.get(2)?;
        let letter = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
        let op = Op::of_letter(letter)
            .ok_or(LogError::Damaged { sequence, what: "its op is not known" })?;
        Ok(Self {
            sequence,
            repository: RepositoryId(whole(row, 1)?),
            item,
            op,
            iteration: Iteration(whole(row, 4)?),
            ts_ms: row.get(5)?,
            previous: optional(row, 6)?.map(Sequence),
        })
    }

    fn with_bodies(self, connection: &Connection) -> Result<Change, ReadError> {
        let Self { sequence, repository, item, op, iteration, ts_ms, previous } = self;
        let body = |of: Sequence| -> Result<Vec<u8>, ReadError> {
            let body = connection
                .prepare_cached("SELECT after FROM change WHERE sequence = ?1")?
                .query_row([signed(of.0)], |row| row.get::<_, Option<Vec<u8>>>(0))
                .optional()?;
            let lost = LogError::Damaged { sequence, what: "an item of it is lost" };
            Ok(body.flatten().ok_or(lost)?)
        };
        let before = match (op, previous) {
            (Op::Update | Op::Delete, Some(previous)) => Some(body(previous)?),
            (Op::Update | Op::Delete, None) => {
                return Err(LogError::Damaged { sequence, what: "it has no previous one" }.into());
            }
            (Op::Read | Op::Create, _) => None,
        };
        let after = if op == Op::Delete { None } else { Some(body(sequence)?) };
        Ok(Change { sequence, repository, item, op, iteration, ts_ms, before, after })
    }
}
