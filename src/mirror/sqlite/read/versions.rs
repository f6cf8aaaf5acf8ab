//! The version of an item that held at an instant.
//!
//! The copy has the latest change of each item, and each change the one of the same item before it.
//! So an item as it was is found from its latest change backwards. What was dropped from the log
//! keeps the bodies that an item or a later change needs, and only those: hence no instant before
//! the last dropped change can be told.

use rusqlite::{Connection, OptionalExtension};

use super::columns::{optional, signed};
use super::error::ReadError;
use crate::domain::{Op, Sequence};
use crate::mirror::LogError;

/// A version of an item.
#[derive(Debug)]
pub(super) struct ItemVersion {
    /// The change that brought it.
    pub(super) sequence: i64,
    /// As received.
    pub(super) body: Vec<u8>,
}

/// The version, once the change `at` had been made, of the item whose latest change this is; `None`: it
/// was not there.
pub(super) fn at(
    connection: &Connection,
    latest: i64,
    at: Sequence,
) -> Result<Option<ItemVersion>, ReadError> {
    let mut change =
        connection.prepare_cached("SELECT op, previous, after FROM change WHERE sequence = ?1")?;
    let mut sequence = latest;
    loop {
        let damaged = |what| {
            let sequence = Sequence(sequence.cast_unsigned());
            ReadError::from(LogError::Damaged { sequence, what })
        };
        let is_then = sequence <= signed(at.0);
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
            (_, _, Some(body)) if is_then => return Ok(Some(ItemVersion { sequence, body })),
            _ if is_then => return Err(damaged("an item of it is lost")),
            // What it brought had never been there, or had been deleted by then; that deletion may
            // have been dropped.
            (Some(Op::Read | Op::Create), None, _) => return Ok(None),
            (Some(Op::Read | Op::Create), Some(deletion), _) if deletion <= at.0 => {
                return Ok(None);
            }
            (Some(_), Some(previous), _) if signed(previous) < sequence => {
                sequence = signed(previous);
            }
            _ => return Err(damaged("it has no previous one")),
        }
    }
}
