//! The connection of the one who writes: how it is set up, and a database made or brought up to date.

use std::fs;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::OpenError;
use super::schema::{self, MIGRATIONS};
use super::wal::{self, PATIENCE, WalLimit};

/// Bytes of a page of the database: with bodies of 2 KB, the first pass takes three quarters of the
/// time that it takes at 8 KiB, and the file five sixths of the room.
const PAGE_SIZE: u32 = 16 << 10;

/// Pages of the WAL after which SQLite checkpoints it by itself: 16 MB, a handful of our pages.
const CHECKPOINT_AFTER: u32 = 1000;

/// Memory for pages, in KiB; SQLite takes it as a negative number.
const CACHE_KIB: i32 = 16 << 10;

/// More than the statements that there are.
const STATEMENTS: usize = 64;

/// Connects to a file that is blank or ours and whose lock we have, and leaves it with all its tables
/// and in WAL mode.
pub(super) fn connect(path: &Path, wal: &WalLimit) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(of_sqlite(path))?;
    connection.busy_timeout(PATIENCE).map_err(of_sqlite(path))?;
    let left_over = fs::metadata(wal::file(path)).is_ok_and(|wal| wal.len() > 0);
    prepare(&mut connection, path, wal).inspect_err(|_| {
        // Closing it would checkpoint the WAL into a database that we do not understand.
        if left_over {
            leave_alone(&connection);
        }
    })?;
    Ok(connection)
}

/// Leaves a database with all its tables and in WAL mode.
fn prepare(connection: &mut Connection, path: &Path, wal: &WalLimit) -> Result<(), OpenError> {
    // Nothing but a blank file heeds it.
    connection.pragma_update(None, "page_size", PAGE_SIZE).map_err(of_sqlite(path))?;
    bring_up_to_date(connection, path)?;
    // Only now, so that the file itself, not a WAL, says from its first moment what it is.
    if switch_to_wal(connection).map_err(of_sqlite(path))? != "wal" {
        return Err(OpenError::NoWal { path: path.to_owned() });
    }
    tune(connection, wal).map_err(of_sqlite(path))
}

/// Asks for WAL mode; returns the mode that it is then.
fn switch_to_wal(connection: &Connection) -> rusqlite::Result<String> {
    let mut ask = connection.prepare("PRAGMA journal_mode = WAL")?;
    let mut rows = ask.query([])?;
    let mode = match rows.next()? {
        Some(row) => row.get(0)?,
        None => String::new(),
    };
    // The mode is told first and written after that: only the end shows whether it was.
    while rows.next()?.is_some() {}
    Ok(mode)
}

/// Judges the database again, as SQLite sees it: after a kill, a WAL may say more than the
/// file. Nobody else writes the tables, because we have the lock.
fn bring_up_to_date(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let blank = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)";
    let blank: bool = connection.query_row(blank, [], |row| row.get(0)).map_err(of_sqlite(path))?;
    if !blank {
        let application_id = number("application_id").map_err(of_sqlite(path))?;
        let version = number("user_version").map_err(of_sqlite(path))?;
        schema::check(path, application_id.cast_unsigned(), version.cast_unsigned())?;
    }
    schema::migrate(connection, &MIGRATIONS).map_err(of_sqlite(path))
}

/// Sets what holds for the connection, not for the file.
fn tune(connection: &Connection, wal: &WalLimit) -> rusqlite::Result<()> {
    let size_limit = i64::try_from(wal.ease()).unwrap_or(i64::MAX);
    connection.pragma_update(None, "journal_size_limit", size_limit)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_AFTER)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Has a database closed without its WAL being checkpointed into it, or deleted.
pub(super) fn leave_alone(connection: &Connection) {
    // It fails for no switch that SQLite knows.
    drop(connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true));
}

fn of_sqlite(path: &Path) -> impl FnOnce(rusqlite::Error) -> OpenError {
    |source| OpenError::Sqlite { path: path.to_owned(), source }
}
