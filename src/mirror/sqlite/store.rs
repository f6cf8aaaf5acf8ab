//! The one connection that writes, and its transactions.
//!
//! Before each of them it looks whether the file is still the one that was opened: SQLite would go
//! on writing to a file that nobody can find any more. A database that is found to be damaged is left
//! alone from then on: nothing is written, and its WAL is not checkpointed. One that was moved gets
//! what is in its WAL, wherever it is now; what stands in its place is not touched, nor is the
//! WAL left beside that: SQLite knows a WAL by its name alone, and would play it into whatever
//! it finds there.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::connect::{self, leave_alone};
use super::error::OpenError;
use super::schema;
use super::wal::{self, WalLimit};
use super::write_error::{FileLoss, WriteError};

/// What must be on the disk when a transaction has been committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// The transaction: somebody may hear of a sequence next, and a power cut must not let it be
    /// given out again.
    Synced,
    /// Nothing yet: a power cut may undo it together with what came after. A kill does not.
    Lazy,
}

/// The connection of the one who writes.
#[derive(Debug)]
pub(super) struct WriteConnection {
    // Fields are dropped in this order: the lock goes last.
    connection: Connection,
    /// Whether the connection is to be made anew. SQLite that cannot open one of its files to
    /// write, for want of a file descriptor, say, opens it to read and stays with that.
    read_only: bool,
    wal: WalLimit,
    /// What the connection is set to.
    durability: Option<Durability>,
    path: PathBuf,
    /// The file system and the number of the file that is open.
    file: Option<(u64, u64)>,
    /// Those of its WAL, once there is one.
    wal_file: Option<(u64, u64)>,
    /// What was said when the database was found to be damaged.
    damage: Option<String>,
    _lock: File,
}

impl WriteConnection {
    /// A database that has just been opened.
    pub(super) fn new(connection: Connection, path: PathBuf, wal: WalLimit, lock: File) -> Self {
        let (file, wal_file) = (identity(&path), identity(&wal::file(&path)));
        Self {
            connection,
            read_only: false,
            wal,
            durability: None,
            path,
            file,
            wal_file,
            damage: None,
            _lock: lock,
        }
    }

    /// The source of the transfer that was not finished, if it is the target of one.
    pub(super) fn unfinished(&mut self) -> rusqlite::Result<Option<String>> {
        schema::unfinished(&self.connection)
    }

    /// Reads from one state of the database.
    pub(super) fn read<T>(
        &mut self,
        read: impl FnOnce(&Transaction<'_>) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        self.examined(|store| {
            store.recover()?;
            read(&store.connection.transaction()?)
        })
    }

    /// Writes all or nothing.
    pub(super) fn write<T>(
        &mut self,
        durability: Durability,
        write: impl FnOnce(&Transaction<'_>) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        self.examined(|store| {
            store.recover()?;
            store.wal.admit(&store.connection)?;
            if store.durability != Some(durability) {
                let mode = match durability {
                    Durability::Synced => "FULL",
                    Durability::Lazy => "NORMAL",
                };
                store.connection.pragma_update(None, "synchronous", mode)?;
                store.durability = Some(durability);
            }
            let transaction =
                store.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let written = write(&transaction)?;
            transaction.commit()?;
            store.wal_file = store.wal_file.or_else(|| identity(&wal::file(&store.path)));
            store.wal.after_write(&store.connection);
            Ok(written)
        })
    }

    /// Does something with a database that is still where it was and as far as is known sound, and
    /// names it where that fails.
    fn examined<T>(
        &mut self,
        call: impl FnOnce(&mut Self) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let path = || self.path.clone();
        if let Some(words) = self.damage.clone() {
            return Err(WriteError::Damaged { path: path(), words });
        }
        if let Some(loss) = loss(&self.path, self.file) {
            return Err(WriteError::Moved { path: path(), loss });
        }
        call(self).map_err(|error| self.judged(error))
    }

    /// What an error means for the database.
    fn judged(&mut self, error: WriteError) -> WriteError {
        let WriteError::Store(source) = &error else { return error };
        let Some(source) = source.downcast_ref::<rusqlite::Error>() else { return error };
        let path = self.path.clone();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => WriteError::DiskFull { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                WriteError::Locked { path }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                let words = source.to_string();
                self.damage = Some(words.clone());
                WriteError::Damaged { path, words }
            }
            Some(ErrorCode::ReadOnly) => {
                self.read_only = true;
                error
            }
            _ => error,
        }
    }

    /// Makes a connection anew that cannot write any more, and ends a transaction that could not even
    /// be rolled back when it failed.
    fn recover(&mut self) -> Result<(), WriteError> {
        if self.read_only {
            // Closed first, because SQLite shares what it has open among the connections of a
            // process. What stands in its place meanwhile is never asked.
            drop(std::mem::replace(&mut self.connection, Connection::open_in_memory()?));
            (self.durability, self.wal_file) = (None, None);
            self.connection =
                connect::connect(&self.path, &self.wal).map_err(|error| match error {
                    // For what it means to be seen.
                    OpenError::Sqlite { source, .. } => source.into(),
                    other => WriteError::Store(Box::new(other)),
                })?;
            self.read_only = false;
        }
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        Ok(())
    }
}

impl Drop for WriteConnection {
    fn drop(&mut self) {
        if self.damage.is_some() {
            return leave_alone(&self.connection);
        }
        if loss(&self.path, self.file).is_none() {
            // What is wrong with the disk shows at the next start.
            return drop(wal::checkpoint(&self.connection));
        }
        leave_alone(&self.connection);
        let wal = wal::file(&self.path);
        // It may have been moved along, and another one may have come.
        if self.wal_file.is_some()
            && identity(&wal) == self.wal_file
            && !wal::checkpoint(&self.connection).unwrap_or(false)
        {
            drop(fs::rename(&wal, aside(&wal)));
        }
    }
}

/// Where a WAL goes that cannot be checkpointed and must not stay.
fn aside(wal: &Path) -> PathBuf {
    let mut name = wal.as_os_str().to_owned();
    name.push(".left");
    name.into()
}

/// What became of the file that was opened; `None`: it is still there, or nobody can tell just now.
fn loss(path: &Path, opened: Option<(u64, u64)>) -> Option<FileLoss> {
    match fs::metadata(path) {
        Ok(there) if opened.is_some_and(|opened| (there.dev(), there.ino()) != opened) => {
            Some(FileLoss::Replaced)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Some(FileLoss::Deleted),
        Ok(_) | Err(_) => None,
    }
}

/// The file system and the number of a file; `None` where there is none.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}
