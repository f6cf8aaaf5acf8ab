//! The items as of one instant: now, or as they were once an earlier change had been made.
//!
//! The copy has the latest change of each item, and each change the one of the same item before it.
//! So an item as it was is found from its latest change backwards. What was dropped from the log
//! keeps the bodies that an item or a later change needs, and only those: hence no instant before
//! the last dropped change can be told.

use rusqlite::{Connection, OptionalExtension};

use super::columns::{bounds_in, optional, signed};
use super::connection::SqliteReader;
use super::error::ReadError;
use super::scan::ItemScan;
use crate::domain::{ItemId, Op, RepositoryId, Sequence};
use crate::mirror::{ItemsPage, LogError};

/// A page of items is full with so many bytes of bodies, and one item more.
const PAGE_BYTES: usize = 1 << 20;

/// One state of a mirror. While it lasts the daemon's WAL can only grow.
#[derive(Debug)]
pub(crate) struct SqliteSnapshot {
    /// In a transaction that ends with it.
    connection: Connection,
    sequence: Sequence,
    /// Whether items have changed since.
    is_past: bool,
}

impl SqliteSnapshot {
    /// Takes the state of now, or the one that this change left.
    ///
    /// # Errors
    ///
    /// [`LogError::Dropped`] where later changes than that have been dropped, and
    /// [`LogError::Ahead`] where it has not come yet.
    pub(crate) fn take(reader: SqliteReader, as_of: Option<Sequence>) -> Result<Self, ReadError> {
        let connection = reader.connection;
        connection.execute_batch("BEGIN")?;
        // The transaction takes its state when it first reads.
        let bounds = bounds_in(&connection)?;
        let sequence = as_of.unwrap_or(bounds.last);
        if sequence > bounds.last {
            return Err(LogError::Ahead { after: sequence, last: bounds.last }.into());
        }
        if sequence < bounds.dropped_through {
            let dropped_through = bounds.dropped_through;
            return Err(LogError::Dropped { after: sequence, dropped_through }.into());
        }
        Ok(Self { connection, sequence, is_past: sequence < bounds.last })
    }

    /// The last change that is in it; 0: there was none yet.
    pub(crate) fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// The items of a repository in the order of their ids, each as received, from behind `after` on.
    pub(crate) fn items(
        &self,
        repository: RepositoryId,
        after: Option<&ItemId>,
    ) -> Result<ItemsPage, ReadError> {
        // What is deleted now may have been there then. What is there now has its body in its latest
        // change, which one statement finds sooner than one for each item.
        let columns = if self.is_past {
            ", sequence, NULL"
        } else {
            ", sequence, (SELECT after FROM change WHERE sequence = item.sequence)"
        };
        let with_deleted = self.is_past;
        let scan = ItemScan { repository, columns, with_deleted, page_bytes: PAGE_BYTES };
        scan.page(&self.connection, after, |_, row| match row.get(2)? {
            Some(body) => Ok(Some(body)),
            None => self.body(row.get(1)?),
        })
    }

    /// The body of the item whose latest change this is, as it was; `None`: it was not there.
    fn body(&self, latest: i64) -> Result<Option<Vec<u8>>, ReadError> {
        let mut change = self
            .connection
            .prepare_cached("SELECT op, previous, after FROM change WHERE sequence = ?1")?;
        let mut sequence = latest;
        loop {
            let damaged = |what| {
                let sequence = Sequence(sequence.cast_unsigned());
                ReadError::from(LogError::Damaged { sequence, what })
            };
            let is_then = sequence <= signed(self.sequence.0);
            let found = change
                .query_row([sequence], |row| {
                    let body = if is_then { row.get::<_, Option<Vec<u8>>>(2)? } else { None };
                    let op = row.get_ref(0)?.as_str().ok().and_then(Op::of_letter);
                    Ok((op, optional(row, 1)?, body))
                })
                .optional()?
                .ok_or_else(|| damaged("it is not there"))?;
            match found {
                (Some(Op::Delete), _, _) if is_then => return Ok(None),
                (_, _, Some(body)) if is_then => return Ok(Some(body)),
                _ if is_then => return Err(damaged("an item of it is lost")),
                // What it brought had never been there, or had been deleted by then; that deletion may
                // have been dropped.
                (Some(Op::Read | Op::Create), None, _) => return Ok(None),
                (Some(Op::Read | Op::Create), Some(deletion), _) if deletion <= self.sequence.0 => {
                    return Ok(None);
                }
                (Some(_), Some(previous), _) if signed(previous) < sequence => {
                    sequence = signed(previous);
                }
                _ => return Err(damaged("it has no previous one")),
            }
        }
    }
}
