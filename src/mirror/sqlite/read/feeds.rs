//! What feeds have delivered, and the operator's word on them.

use std::path::Path;

use rusqlite::{
    Connection, OpenFlags, OptionalExtension as _, Row, Transaction, TransactionBehavior,
};

use super::columns::{optional, signed, whole};
use super::connection::{SqliteReader, connect};
use super::error::ReadError;
use crate::domain::{RepositoryId, Sequence};
use crate::mirror::contracts::{FeedRequest, FeedState, ParkedChange};
use crate::mirror::sqlite::key::OwnedSqlItemId;
use crate::mirror::sqlite::schema::{self, Header};

impl SqliteReader {
    /// All feeds, by name.
    pub(crate) fn feeds(&mut self) -> Result<Vec<(String, FeedState)>, ReadError> {
        Ok(feeds_in(&self.connection)?)
    }

    /// The revision of a feed; 0: there is none.
    pub(crate) fn feed_revision(&mut self, feed: &str) -> Result<u64, ReadError> {
        let mut revision =
            self.connection.prepare_cached("SELECT revision FROM feed WHERE name = ?1")?;
        let revision = revision.query_row([feed], |row| whole(row, 0)).optional()?;
        Ok(revision.unwrap_or_default())
    }

    /// What is parked of a feed after this change.
    pub(crate) fn parked(
        &mut self,
        feed: &str,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<ParkedChange>, ReadError> {
        Ok(parked_in(&self.connection, feed, after, limit)?)
    }
}

/// All feeds, by name.
pub(in crate::mirror::sqlite) fn feeds_in(
    connection: &Connection,
) -> rusqlite::Result<Vec<(String, FeedState)>> {
    let mut feeds = connection.prepare_cached(
        "SELECT name, delivered_through, progress, paused, delivered, last_success_ms, revision \
         FROM feed ORDER BY name",
    )?;
    let feeds = feeds.query_map([], |row| {
        // No number of one feed may keep the others from being read. One below 0 was too large once.
        let through: i64 = row.get(1)?;
        let state = FeedState {
            delivered_through: u64::try_from(through).map_or(Sequence::MOST, Sequence),
            progress: row.get(2)?,
            paused: row.get(3)?,
            delivered: whole(row, 4)?,
            last_success_ms: row.get(5)?,
            revision: whole(row, 6)?,
        };
        Ok((row.get(0)?, state))
    })?;
    feeds.collect()
}

/// What is parked of a feed after this change.
pub(in crate::mirror::sqlite) fn parked_in(
    connection: &Connection,
    feed: &str,
    after: Sequence,
    limit: usize,
) -> rusqlite::Result<Vec<ParkedChange>> {
    let mut parked = connection.prepare_cached(
        "SELECT sequence, repository, id, reason, parked_ms, behind, released FROM feed_parked \
         WHERE feed = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    parked.query_map((feed, signed(after.0), limit), parked_change)?.collect()
}

fn parked_change(row: &Row<'_>) -> rusqlite::Result<ParkedChange> {
    let repository: i64 = row.get(1)?;
    let OwnedSqlItemId(item) = row.get(2)?;
    Ok(ParkedChange {
        sequence: Sequence(whole(row, 0)?),
        repository: RepositoryId(repository.cast_unsigned()),
        item,
        reason: row.get(3)?,
        parked_at_ms: row.get(4)?,
        behind: optional(row, 5)?.map(Sequence),
        released: row.get(6)?,
    })
}

/// Does what an operator asks of a feed; false: there is no such one. Writes a few rows, as soon as
/// the daemon is between two of its transactions. As for [`SqliteReader::open`], this process must have
/// no connection to the file.
///
/// # Errors
///
/// As for [`SqliteReader::open`], and a file that this user may not write.
pub(in crate::mirror::sqlite) fn change_feed(
    path: &Path,
    feed: &str,
    request: &FeedRequest,
) -> Result<bool, ReadError> {
    expect_ours(path)?;
    change_feed_beside_writer(path, feed, request)
}

/// The same for a process that has the file open already.
pub(in crate::mirror::sqlite) fn change_feed_beside_writer(
    path: &Path,
    feed: &str,
    request: &FeedRequest,
) -> Result<bool, ReadError> {
    write(path, |transaction| {
        Ok(make_request(transaction, feed, request)?
            && transaction
                .execute("UPDATE feed SET revision = revision + 1 WHERE name = ?1", [feed])?
                == 1)
    })
}

/// Forgets a feed. As for [`change_feed`].
///
/// # Errors
///
/// As for [`change_feed`].
pub(in crate::mirror::sqlite) fn remove_feed(path: &Path, feed: &str) -> Result<(), ReadError> {
    expect_ours(path)?;
    remove_feed_beside_writer(path, feed)
}

/// The same for a process that has the file open already.
pub(in crate::mirror::sqlite) fn remove_feed_beside_writer(
    path: &Path,
    feed: &str,
) -> Result<(), ReadError> {
    write(path, |transaction| {
        transaction.execute("DELETE FROM feed WHERE name = ?1", [feed])?;
        transaction.execute("DELETE FROM feed_parked WHERE feed = ?1", [feed])?;
        transaction.execute("UPDATE feed_lease SET owner = '' WHERE feed = ?1", [feed])?;
        Ok(())
    })
}

/// Changes what a request is about; whether there was anything.
fn make_request(
    transaction: &Transaction<'_>,
    feed: &str,
    request: &FeedRequest,
) -> rusqlite::Result<bool> {
    let changed = match request {
        FeedRequest::Pause { reason } => {
            transaction.execute("UPDATE feed SET paused = ?2 WHERE name = ?1", (feed, reason))?
        }
        FeedRequest::Resume => {
            transaction.execute("UPDATE feed SET paused = NULL WHERE name = ?1", [feed])?
        }
        FeedRequest::Replay { after } => {
            let row = (feed, signed((*after).min(Sequence::MOST).0));
            transaction
                .execute("DELETE FROM feed_parked WHERE feed = ?1 AND sequence > ?2", row)?;
            transaction.execute(
                "UPDATE feed SET delivered_through = ?2, progress = '' WHERE name = ?1",
                row,
            )?
        }
        FeedRequest::Unpark { sequence: None } => {
            transaction.execute("UPDATE feed_parked SET released = 1 WHERE feed = ?1", [feed])?;
            // A feed of which nothing is parked is known as well.
            return Ok(true);
        }
        FeedRequest::Unpark { sequence: Some(sequence) } => transaction.execute(
            "UPDATE feed_parked SET released = 1 \
             WHERE feed = ?1 AND (repository, id) = ( \
                SELECT repository, id FROM feed_parked WHERE feed = ?1 AND sequence = ?2)",
            (feed, signed(sequence.0)),
        )?,
    };
    Ok(changed > 0)
}

fn expect_ours(path: &Path) -> Result<(), ReadError> {
    match schema::check_header(path)? {
        Header::Blank => Err(ReadError::Missing { path: path.to_owned() }),
        Header::Ours(_) => Ok(()),
    }
}

/// Writes beside the daemon, all or nothing.
fn write<T>(
    path: &Path,
    write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> Result<T, ReadError> {
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let written = write(&transaction)?;
    transaction.commit()?;
    Ok(written)
}
