//! Opens the database for the one who writes it: locks it, judges it, makes it or brings it up to
//! date.
//!
//! What is refused is left byte for byte as it was, and nothing is made beside it but the lock.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::connect::connect;
use super::error::OpenError;
use super::schema::{self, Header};
use super::store::WriteConnection;
use super::wal::{self, WalLimit};
use crate::mirror::disk::DiskSpace;

/// How a database is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SqliteOptions {
    /// The size of the WAL, in bytes, from which on nothing is written until the
    /// readers of the database let it be checkpointed.
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
    let mut store = open_unfinished(path, options)?;
    match store.unfinished() {
        Ok(None) => Ok(store),
        Ok(Some(from)) => Err(OpenError::Unfinished { path: path.to_owned(), from }),
        Err(source) => Err(OpenError::Sqlite { path: path.to_owned(), source }),
    }
}

/// The same, also where it is the target of a transfer that was not finished.
pub(super) fn open_unfinished(
    path: &Path,
    options: SqliteOptions,
) -> Result<WriteConnection, OpenError> {
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
    // An account that can put something there must not have us write elsewhere, nor wait for it.
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

fn of_file(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    |source| OpenError::File { path: path.to_owned(), source }
}
