//! Reading a mirror's database beside the daemon that writes it.
//!
//! A [`Reader`] has a connection of its own that cannot write. It never blocks the daemon: SQLite's
//! WAL lets one write while others read. What it could do is to keep the WAL from being
//! checkpointed, by reading from one old state for long; so each question is one short transaction.
//! The one exception is a [`Snapshot`], and who takes one must not wait for anybody while it lasts.
//!
//! Nothing here changes the file, brings it up to date, or waits for it to be there.

mod changes;
mod error;
mod held;
mod summary;
#[cfg(test)]
mod tests;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction};

pub use changes::{ChangesPage, ItemHistory};
pub use error::ReadError;
#[cfg(test)]
pub(super) use held::approve_in;
pub use held::{ApprovalOutcome, ItemsPage, PendingDeletions, approve};
pub use summary::{
    CertifiedPass, ChangeHead, HeldSummary, LedgerEntry, MirrorSummary, RepositorySummary,
};

use super::error::OpenError;
use super::key::{OwnedSqlItemId, RANGES};
use super::schema::{self, Header, SCHEMA_VERSION};
use crate::domain::{ItemId, RepositoryId, Sequence};

/// How long a statement waits for a lock. Readers wait for nobody but one who opens or closes the
/// database at that moment.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The page cache of a reader, in KiB: few pages are read twice.
const CACHE_KIB: i64 = 2048;

/// Asks a mirror.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    /// Of the database, when [`Reader::has_news`] was last asked.
    data_version: Option<i64>,
}

/// Where the log begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBounds {
    /// Changes up to this one have been dropped; 0: none.
    pub dropped_through: Sequence,
    /// The last change; 0: there was none yet.
    pub last: Sequence,
}

impl Reader {
    /// Opens the database of a mirror.
    ///
    /// For a process that has no other connection to that file, because it looks at the file itself
    /// first, so that SQLite never touches one that is not ours: see [`Reader::beside_writer`].
    ///
    /// # Errors
    ///
    /// A file that is not there, is not ours, or is of another schema version.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        match schema::check_header(path)? {
            Header::Blank => Err(ReadError::Missing { path: path.to_owned() }),
            Header::Ours(_) => Self::beside_writer(path),
        }
    }

    /// Opens a database that this process has open already.
    ///
    /// # Errors
    ///
    /// As for [`Reader::open`].
    pub fn beside_writer(path: &Path) -> Result<Self, ReadError> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(Self { connection, data_version: None })
    }

    /// For whoever looks at the file as a whole.
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// One state of the mirror, for as long as it is held.
    pub fn snapshot(&mut self) -> Result<Snapshot<'_>, ReadError> {
        let transaction = self.connection.transaction()?;
        // The transaction takes its state when it first reads.
        let last = bounds_in(&transaction)?.last;
        Ok(Snapshot { transaction, last })
    }

    /// Where the log begins and ends.
    pub fn bounds(&mut self) -> Result<LogBounds, ReadError> {
        bounds_in(&self.connection.transaction()?)
    }

    /// Whether the mirror has ever paged this repository.
    pub fn knows(&self, repository: RepositoryId) -> Result<bool, ReadError> {
        let mut statement =
            self.connection.prepare_cached("SELECT 1 FROM repository WHERE id = ?1")?;
        Ok(statement.query_row([signed(repository.0)], |_| Ok(())).optional()?.is_some())
    }

    /// Whether anybody has written since this was last asked; at first, yes. Cheap: it looks at no
    /// table.
    pub fn has_news(&mut self) -> Result<bool, ReadError> {
        let version = self
            .connection
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get::<_, i64>(0))?;
        Ok(self.data_version.replace(version) != Some(version))
    }
}

/// One state of a mirror. While it lasts the daemon's WAL can only grow.
#[derive(Debug)]
pub struct Snapshot<'a> {
    transaction: Transaction<'a>,
    last: Sequence,
}

impl Snapshot<'_> {
    /// The last change that is in it; 0: there was none yet.
    pub fn sequence(&self) -> Sequence {
        self.last
    }

    /// Hands over the items of a repository in the order of their ids, each as received, until
    /// `each` breaks off. One item at a time is in memory.
    pub fn items<B>(
        &self,
        repository: RepositoryId,
        mut each: impl FnMut(&ItemId, &[u8]) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, ReadError> {
        for range in RANGES {
            let mut statement = self.transaction.prepare_cached(&format!(
                "SELECT id, (SELECT after FROM change WHERE sequence = item.sequence) FROM item \
                 WHERE repository = ?1 AND digest IS NOT NULL AND {range} ORDER BY id"
            ))?;
            let mut rows = statement.query([signed(repository.0)])?;
            while let Some(row) = rows.next()? {
                let OwnedSqlItemId(id) = row.get(0)?;
                let body = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
                if let ControlFlow::Break(value) = each(&id, body) {
                    return Ok(ControlFlow::Break(value));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, ReadError> {
    // Not by opening it: closing it again would drop this process's locks.
    match fs::metadata(path) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(ReadError::Missing { path: path.to_owned() });
        }
        Err(source) => return Err(OpenError::File { path: path.to_owned(), source }.into()),
    }
    let unopened = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(unopened)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(unopened)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB).map_err(unopened)?;
    let number = |name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0)).map_err(unopened)
    };
    let (application_id, found) = (number("application_id")?, number("user_version")?);
    schema::check(path, application_id, found)?;
    if found < SCHEMA_VERSION {
        let known = SCHEMA_VERSION;
        return Err(ReadError::Older { path: path.to_owned(), found, known });
    }
    Ok(connection)
}

fn bounds_in(transaction: &Transaction<'_>) -> Result<LogBounds, ReadError> {
    let mut statement = transaction.prepare_cached(
        "SELECT dropped_through, (SELECT max(sequence) FROM change) FROM log WHERE only = 1",
    )?;
    let bounds = statement.query_row([], |row| {
        let dropped_through = Sequence(whole(row, 0)?);
        let kept = optional(row, 1)?.map(Sequence);
        let last = kept.map_or(dropped_through, |kept| kept.max(dropped_through));
        Ok(LogBounds { dropped_through, last })
    })?;
    Ok(bounds)
}

/// A number on its way into a statement. Those of ours have 63 bits; what has more matches nothing
/// that is there.
fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// A number that is never negative.
fn whole(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

fn optional(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    row.get::<_, Option<i64>>(column)?.map(|_| whole(row, column)).transpose()
}
