//! Opens the database for the one who writes it: locks it, judges it, makes it or brings it up to
//! date.
//!
//! What is refused is left byte for byte as it was, and nothing is made beside it but the lock.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;

use rusqlite::{Connection, OpenFlags};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::error::OpenError;
use super::schema::{self, Header, MIGRATIONS};
use super::store::{self, WriteConnection};
use super::wal::{self, PATIENCE, WalLimit};
use crate::mirror::disk::DiskSpace;

/// Bytes of a page of the database: with bodies of 2 KB, the first pass takes three quarters of the
/// time that it takes at 8 KiB, and the file five sixths of the room.
const PAGE_SIZE: u32 = 16 << 10;

/// Pages of the WAL after which SQLite checkpoints it by itself: 16 MB, a handful of our pages.
const CHECKPOINT_AFTER: u32 = 1000;

/// Memory for pages, in KiB; SQLite takes it as a negative number.
const CACHE_KIB: i32 = 16 << 10;

/// More than the statements that there are.
const STATEMENTS: usize = 64;

/// How a database is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SqliteOptions {
    /// The size of the WAL, in bytes, from which on nothing is written until whoever reads
    /// from the database lets it be checkpointed.
    pub(crate) wal_limit: u64,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { wal_limit: 512 << 20 }
    }
}

/// Sees that a database has a folder, or may be given one: what opening it asks for first.
///
/// # Errors
///
/// [`OpenError::NoFolder`].
pub(in crate::mirror) fn check_folder(path: &Path) -> Result<(), OpenError> {
    folder_of(path).map(drop)
}

/// What is left of the disk of a database.
pub(super) fn disk_space(path: &Path) -> Option<DiskSpace> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let of = path.display().to_string();
    DiskSpace::of_folder(folder.unwrap_or(Path::new(".")), of).ok()
}

/// Opens the database, and makes it if there is none.
pub(super) fn open(path: &Path, options: SqliteOptions) -> Result<WriteConnection, OpenError> {
    let path = resolved(path)?;
    let lock = lock(&path)?;
    if schema::check_header(&path)? == Header::Blank {
        let wal = wal::file(&path);
        // SQLite would take it for left over, and delete it.
        if fs::metadata(&wal).is_ok_and(|wal| wal.len() > 0) {
            return Err(OpenError::Orphan { path, wal });
        }
        let mut file = OpenOptions::new();
        file.append(true).create(true).mode(0o600).open(&path).map_err(of_file(&path))?;
    }
    let wal = WalLimit::new(&path, options.wal_limit);
    let connection = connect(&path, &wal)?;
    Ok(WriteConnection::new(connection, path, wal, lock))
}

/// What the folder of a database is called that systemd makes for a daemon: `ewmirror` and, for the
/// units of the template, `ewmirror-NAME`.
const STATE: (&str, &str) = ("/var/lib", "ewmirror");

/// The folder of a database, if it is there or is one that may be made. Any other that is missing may
/// be on a disk that is not mounted.
pub(super) fn folder_of(path: &Path) -> Result<&Path, OpenError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_state = folder.parent() == Some(Path::new(STATE.0)) && name.starts_with(STATE.1);
    // What cannot be looked into is said when it is opened.
    let missing = fs::metadata(folder).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    if missing && !is_state {
        return Err(OpenError::NoFolder { folder: folder.to_owned() });
    }
    Ok(folder)
}

/// The path without links, so that one database has one lock and one WAL. Makes the folder where
/// systemd would.
fn resolved(path: &Path) -> Result<PathBuf, OpenError> {
    let name = path.file_name().ok_or_else(|| of_file(path)(io::ErrorKind::InvalidInput.into()))?;
    let folder = folder_of(path)?;
    if !folder.is_dir() {
        DirBuilder::new().mode(0o700).create(folder).map_err(|source| {
            let folder = folder.to_owned();
            match source.kind() {
                io::ErrorKind::NotFound => OpenError::NoFolder { folder },
                _ => OpenError::Folder { folder, source },
            }
        })?;
    }
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::canonicalize(folder).map(|folder| folder.join(name))
        }
        found => found,
    }
    .map_err(of_file(path))
}

/// Takes the lock of the database: a file beside it, because SQLite's own locks on the database
/// would be gone as soon as we closed any other handle of it.
fn lock(path: &Path) -> Result<File, OpenError> {
    let name = lock_file(path);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    // Whoever can put something there must not have us write elsewhere, nor wait for him.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    let mut file = options.open(&name).map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::LOOP.raw_os_error() => {
            OpenError::StrangeLock { path: name.clone() }
        }
        _ => of_file(&name)(error),
    })?;
    if !is_a_lock(&mut file).map_err(of_file(&name))? {
        return Err(OpenError::StrangeLock { path: name });
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let process =
                file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(OpenError::InUse { path: path.to_owned(), process });
        }
        Err(TryLockError::Error(error)) => return Err(of_file(&name)(error)),
    }
    let said = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", process::id()));
    said.map_err(of_file(&name))?;
    Ok(file)
}

/// Whether a file is one that was made as a lock: with this one name, and a process's number in it
/// or nothing.
fn is_a_lock(file: &mut File) -> io::Result<bool> {
    /// More than the digits of any process.
    const LONGEST: u64 = 32;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.nlink() != 1 || metadata.len() > LONGEST {
        return Ok(false);
    }
    let mut bytes = Vec::new();
    Read::by_ref(file).take(LONGEST).read_to_end(&mut bytes)?;
    file.rewind()?;
    Ok(bytes.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_whitespace()))
}

/// The file beside the database whose lock is the database's.
pub(super) fn lock_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

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
            store::leave_alone(&connection);
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

fn of_file(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    |source| OpenError::File { path: path.to_owned(), source }
}

fn of_sqlite(path: &Path) -> impl FnOnce(rusqlite::Error) -> OpenError {
    |source| OpenError::Sqlite { path: path.to_owned(), source }
}
