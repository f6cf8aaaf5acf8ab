//! The bounds of the database's WAL.
//!
//! SQLite appends what is written to a WAL (`-wal`), checkpoints it into the database now and
//! then, and begins it anew once nobody reads from it. A reader that keeps its transaction open
//! prevents that, so the WAL would grow as long as the reader stays. Hence a size from which on
//! we ask for it to be checkpointed, and a limit from which on nothing is written. It exceeds the
//! limit by one transaction at most. No reader is ever waited for.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::write_error::WriteError;

/// How long a statement waits for the other writer there may be, `approve-deletes`, which writes
/// one row.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The limit is this many times the size from which on the WAL is asked to be checkpointed.
const STEPS: u64 = 8;

/// The WAL of one database.
#[derive(Debug)]
pub(super) struct WalLimit {
    file: PathBuf,
    /// Bytes.
    limit: u64,
    /// The size from which on it is asked for again; it grows with each time that was in vain, so
    /// that a reader that stays costs a few tries, not one for each write.
    ask_at: u64,
}

impl WalLimit {
    /// The WAL of the database in this file, with links resolved, as SQLite does.
    pub(super) fn new(database: &Path, limit: u64) -> Self {
        Self { file: file(database), limit, ask_at: limit / STEPS }
    }

    /// The size to which SQLite itself cuts it back where it can.
    pub(super) fn ease(&self) -> u64 {
        self.limit / STEPS
    }

    /// Before a write: whether there is room.
    ///
    /// # Errors
    ///
    /// It has reached its limit and cannot be checkpointed now, because somebody reads or because
    /// the disk says no.
    pub(super) fn admit(&self, connection: &Connection) -> Result<(), WriteError> {
        let bytes = self.bytes();
        if bytes < self.limit || checkpoint(connection)? {
            return Ok(());
        }
        Err(WriteError::WalFull { bytes })
    }

    /// After a write: has it checkpointed where it has grown.
    pub(super) fn after_write(&mut self, connection: &Connection) {
        let bytes = self.bytes();
        if bytes < self.ask_at {
            if bytes < self.ease() {
                self.ask_at = self.ease();
            }
            return;
        }
        // What is wrong with the disk shows at the next write.
        let rest = if checkpoint(connection).unwrap_or(false) { 0 } else { bytes };
        self.ask_at = rest + self.ease();
    }

    fn bytes(&self) -> u64 {
        fs::metadata(&self.file).map_or(0, |wal| wal.len())
    }
}

/// The WAL beside a database, with links resolved.
pub(super) fn file(database: &Path) -> PathBuf {
    let mut file = database.as_os_str().to_owned();
    file.push("-wal");
    file.into()
}

/// Has the WAL checkpointed and emptied if nobody reads from it; whether it is empty now.
///
/// # Errors
///
/// The disk said no.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(Duration::ZERO)?;
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    connection.busy_timeout(PATIENCE)?;
    busy.map(|busy: bool| !busy)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EASE: u64 = 50_000;

    /// A database whose WAL only [`WalLimit`] has checkpointed, in a folder of its own.
    fn database() -> (tempfile::TempDir, PathBuf, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mirror.db");
        let writer = Connection::open(&file).unwrap();
        writer
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE text (it);",
            )
            .unwrap();
        (folder, file, writer)
    }

    /// Writes until the WAL has this size.
    fn grow(writer: &Connection, wal: &WalLimit, bytes: u64) {
        while wal.bytes() < bytes {
            writer.execute("INSERT INTO text VALUES (zeroblob(3000))", []).unwrap();
        }
    }

    fn reader(file: &Path) -> Connection {
        let reader = Connection::open(file).unwrap();
        reader.execute_batch("BEGIN; SELECT * FROM text;").unwrap();
        reader
    }

    #[test]
    fn it_is_worked_off_at_an_eighth_of_the_limit_and_tried_again_an_eighth_after_a_vain_try() {
        let (_folder, file, writer) = database();
        let mut wal = WalLimit::new(&file, EASE * STEPS);
        assert_eq!((wal.ease(), wal.ask_at), (EASE, EASE));
        grow(&writer, &wal, EASE / 2);
        wal.after_write(&writer);
        assert!(wal.bytes() >= EASE / 2, "checkpointed too early");
        grow(&writer, &wal, EASE);
        wal.after_write(&writer);
        assert_eq!((wal.bytes(), wal.ask_at), (0, EASE));

        let reader = reader(&file);
        grow(&writer, &wal, EASE);
        let bytes = wal.bytes();
        wal.after_write(&writer);
        assert_eq!((wal.bytes(), wal.ask_at), (bytes, bytes + EASE));
        drop(reader);
        wal.after_write(&writer);
        assert_eq!((wal.bytes(), wal.ask_at), (bytes, bytes + EASE), "asked too early");
        grow(&writer, &wal, bytes + EASE);
        wal.after_write(&writer);
        assert_eq!((wal.bytes(), wal.ask_at), (0, EASE));
    }

    #[test]
    fn vain_tries_are_forgotten_once_it_is_small_again() {
        let (_folder, file, writer) = database();
        let mut wal = WalLimit::new(&file, EASE * STEPS);
        wal.ask_at = 3 * EASE;
        grow(&writer, &wal, EASE);
        wal.after_write(&writer);
        assert_eq!(wal.ask_at, 3 * EASE);
        assert!(checkpoint(&writer).unwrap());
        wal.after_write(&writer);
        assert_eq!(wal.ask_at, EASE);
    }

    #[test]
    fn at_its_limit_nothing_is_admitted_while_a_reader_stays() {
        let (_folder, file, writer) = database();
        let _reader = reader(&file);
        grow(&writer, &WalLimit::new(&file, 0), EASE);
        let bytes = WalLimit::new(&file, 0).bytes();
        assert!(WalLimit::new(&file, bytes + 1).admit(&writer).is_ok());
        let full = WalLimit::new(&file, bytes).admit(&writer);
        assert!(matches!(full, Err(WriteError::WalFull { bytes: full }) if full == bytes));
    }
}
