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
use crate::domain::{ItemId, Op, RepositoryId, Sequence};
use crate::mirror::sqlite::key::{self, OwnedSqlItemId, RANGES, RESTS, SqlItemId};
use crate::mirror::{ItemsPage, LogError};

/// A page of items is full with so many bytes of bodies, and one item more.
const PAGE_BYTES: usize = 1 << 20;

/// How many items one page looks at to find those that were there.
const LOOKED_AT: usize = 20_000;

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
        let mut page = ItemsPage { items: Vec::new(), scanned_through: None };
        let (mut bytes, mut looked_at) = (0, 0);
        let first = after.map_or(0, key::range_of);
        // What is deleted now may have been there then. What is there now has its body in its latest
        // change, which one statement finds sooner than one for each item.
        let (body, there) = if self.is_past {
            ("NULL", "")
        } else {
            ("(SELECT after FROM change WHERE sequence = item.sequence)", "AND digest IS NOT NULL")
        };
        for (place, range) in RANGES.iter().enumerate().skip(first) {
            let rest = after.filter(|_| place == first);
            let range = if rest.is_some() { RESTS[place] } else { range };
            let mut items = self.connection.prepare_cached(&format!(
                "SELECT id, sequence, {body} FROM item \
                 WHERE repository = ?1 {there} AND {range} ORDER BY id"
            ))?;
            let mut rows = match rest {
                Some(after) => items.query((signed(repository.0), SqlItemId(after)))?,
                None => items.query([signed(repository.0)])?,
            };
            while let Some(row) = rows.next()? {
                let OwnedSqlItemId(id) = row.get(0)?;
                looked_at += 1;
                let body = match row.get::<_, Option<Vec<u8>>>(2)? {
                    Some(body) => Some(body),
                    None => self.body(row.get(1)?)?,
                };
                if let Some(body) = body {
                    bytes += body.len();
                    page.items.push((id.clone(), body));
                }
                if bytes >= PAGE_BYTES || looked_at >= LOOKED_AT {
                    page.scanned_through = Some(id);
                    return Ok(page);
                }
            }
        }
        Ok(page)
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
