//! The connection of one who reads: how it is opened, and what it can be asked at once.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::columns::{bounds_in, signed};
use super::error::ReadError;
use crate::domain::RepositoryId;
use crate::mirror::LogBounds;
use crate::mirror::sqlite::error::OpenError;
use crate::mirror::sqlite::schema::{self, Header, SCHEMA_VERSION};

/// How long a statement waits for a lock. Readers wait for nobody but one who opens or closes the
/// database at that moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The page cache of a reader, in KiB: few pages are read twice.
const CACHE_KIB: i64 = 2048;

/// Asks a mirror. Each question is a transaction of its own.
#[derive(Debug)]
pub(crate) struct SqliteReader {
    pub(super) connection: Connection,
}

impl SqliteReader {
    /// Opens the database of a mirror.
    ///
    /// For a process that has no other connection to that file, because it looks at the file itself
    /// first, so that SQLite never touches one that is not ours: see [`SqliteReader::beside_writer`].
    ///
    /// # Errors
    ///
    /// A file that is not there, is not ours, or is of another schema version.
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        match schema::check_header(path)? {
            Header::Blank => Err(ReadError::Missing { path: path.to_owned() }),
            Header::Ours(_) => Self::beside_writer(path),
        }
    }

    /// Opens a database that this process has open already.
    ///
    /// # Errors
    ///
    /// As for [`SqliteReader::open`].
    pub(crate) fn beside_writer(path: &Path) -> Result<Self, ReadError> {
        Ok(Self { connection: connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)? })
    }

    /// For the examination of the file as a whole.
    pub(in crate::mirror::sqlite) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Where the log begins and ends.
    pub(crate) fn bounds(&mut self) -> Result<LogBounds, ReadError> {
        bounds_in(&*self.connection.transaction()?)
    }

    /// Whether the mirror has ever paged this repository.
    pub(crate) fn knows(&self, repository: RepositoryId) -> Result<bool, ReadError> {
        let mut statement =
            self.connection.prepare_cached("SELECT 1 FROM repository WHERE id = ?1")?;
        Ok(statement.query_row([signed(repository.0)], |_| Ok(())).optional()?.is_some())
    }

    /// Another number as soon as anybody else has written. Cheap: it looks at no table.
    pub(crate) fn data_version(&self) -> Result<i64, ReadError> {
        let mut statement = self.connection.prepare_cached("PRAGMA data_version")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }
}

/// Connects to a database of ours of this version.
pub(super) fn connect(path: &Path, access: OpenFlags) -> Result<Connection, ReadError> {
    // Not by opening it: closing it again would drop this process's locks.
    match fs::metadata(path) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
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
    if let Some(from) = schema::unfinished(&connection).map_err(unopened)? {
        return Err(OpenError::Unfinished { path: path.to_owned(), from }.into());
    }
    Ok(connection)
}
