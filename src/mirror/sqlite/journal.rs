//! The bounds of the database's journal.
//!
//! SQLite appends what is written to a journal (`-wal`), works it off into the database now and
//! then, and begins it anew once nobody reads from it. A reader that keeps its transaction open
//! prevents that, so the journal would grow as long as the reader stays. Hence a size from which on
//! we ask for it to be worked off, and a limit from which on nothing is written. It exceeds the
//! limit by one transaction at most. No reader is ever waited for.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use crate::mirror::MirrorError;

/// How long a statement waits for the other writer there may be, `approve-deletes`, which writes
/// one row.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The limit is this many times the size from which on the journal is asked to be worked off.
const STEPS: u64 = 8;

/// The journal of one database.
#[derive(Debug)]
pub(super) struct Journal {
    file: PathBuf,
    /// Bytes.
    limit: u64,
    /// The size from which on it is asked for again; it grows with each time that was in vain, so
    /// that a reader that stays costs a few tries, not one for each write.
    ask_at: u64,
}

impl Journal {
    /// The journal of the database in this file, with links resolved, as SQLite does.
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
    /// It has reached its limit and cannot be worked off now, because somebody reads or because
    /// the disk says no.
    pub(super) fn admit(&self, connection: &Connection) -> Result<(), MirrorError> {
        let bytes = self.bytes();
        if bytes < self.limit || work_off(connection)? {
            return Ok(());
        }
        Err(MirrorError::JournalFull { bytes })
    }

    /// After a write: has it worked off where it has grown.
    pub(super) fn settle(&mut self, connection: &Connection) {
        let bytes = self.bytes();
        if bytes < self.ask_at {
            if bytes < self.ease() {
                self.ask_at = self.ease();
            }
            return;
        }
        // What is wrong with the disk shows at the next write.
        let rest = if work_off(connection).unwrap_or(false) { 0 } else { bytes };
        self.ask_at = rest + self.ease();
    }

    fn bytes(&self) -> u64 {
        fs::metadata(&self.file).map_or(0, |journal| journal.len())
    }
}

/// The journal beside a database, with links resolved.
pub(super) fn file(database: &Path) -> PathBuf {
    let mut file = database.as_os_str().to_owned();
    file.push("-wal");
    file.into()
}

/// Has the journal worked off and emptied if nobody reads from it; whether it is empty now.
///
/// # Errors
///
/// The disk said no.
pub(super) fn work_off(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(Duration::ZERO)?;
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    connection.busy_timeout(PATIENCE)?;
    busy.map(|busy: bool| !busy)
}
