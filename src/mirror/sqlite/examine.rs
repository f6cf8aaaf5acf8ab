//! Whether a database is sound, and who has it: for a process of its own, beside the daemon or
//! without one.
//!
//! Nothing of the database is changed, and no more time is taken than is given.

use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use super::open;
use super::read::{ReadError, SqliteReader};
use super::schema::SCHEMA_VERSION;
use crate::mirror::LockOwner;

/// How many faults of a database are told: one would do, and a broken one has millions.
const FAULTS: u32 = 5;

/// Steps of SQLite's machine between two looks at the clock: well below a millisecond.
const STEPS: i32 = 10_000;

/// What there is to say of a database of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Examination {
    /// The version of its tables: the one that this program keeps.
    pub(super) schema_version: u32,
    /// The size of the database file, in bytes.
    pub(super) database_bytes: u64,
    /// The size of its WAL, in bytes.
    pub(super) wal_bytes: u64,
    /// Whether it is sound.
    pub(super) integrity: Integrity,
}

/// What SQLite's quick check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Integrity {
    /// Nothing wrong.
    Sound,
    /// The first of its faults, in SQLite's words.
    Damaged(Vec<String>),
    /// It took too long, and was broken off without having found a fault.
    Unknown,
}

/// Examines a database, for `within` at most. As for [`SqliteReader::open`], this process must have no
/// connection to the file.
///
/// # Errors
///
/// As for [`SqliteReader::open`], and what SQLite says where it cannot check at all.
pub(super) fn examine(path: &Path, within: Duration) -> Result<Examination, ReadError> {
    let mut reader = SqliteReader::open(path)?;
    let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    Ok(Examination {
        schema_version: SCHEMA_VERSION,
        database_bytes: size(path),
        wal_bytes: size(Path::new(&wal)),
        integrity: quick_check(reader.connection(), within)?,
    })
}

/// Who has the database now; `None`: nobody.
///
/// Asks for the lock as one of many who only look, and lets go of it at once: only a daemon that
/// starts in that very instant would find it taken.
///
/// # Errors
///
/// A lock file that cannot be opened or asked; one that is not there is nobody's.
pub(in crate::mirror) fn lock_owner(path: &Path) -> std::io::Result<Option<LockOwner>> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut file = match File::open(open::lock_file(&path)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Who says nothing has it all the same.
            let process = file.read_to_string(&mut text).ok();
            Ok(Some(LockOwner {
                process: process.and_then(|_| text.trim().parse().ok()),
                since: file.metadata().and_then(|metadata| metadata.modified()).ok(),
            }))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn quick_check(connection: &mut Connection, within: Duration) -> Result<Integrity, ReadError> {
    let begun = Instant::now();
    connection.progress_handler(STEPS, Some(move || begun.elapsed() >= within))?;
    match faults(connection) {
        Ok(faults) if faults.is_empty() => Ok(Integrity::Sound),
        Ok(faults) => Ok(Integrity::Damaged(faults)),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Ok(Integrity::Unknown),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Ok(Integrity::Damaged(vec![error.to_string()]))
            }
            _ => Err(error.into()),
        },
    }
}

fn faults(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA quick_check({FAULTS})"))?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    lines.filter(|line| !line.as_ref().is_ok_and(|line| line == "ok")).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;
    use crate::mirror::sqlite::{SqliteMirror, SqliteOptions};

    #[test]
    fn a_database_is_sound_and_says_who_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mirror.db");
        assert_eq!(lock_owner(&path).unwrap(), None);
        let mirror = SqliteMirror::open(&path, SqliteOptions::default()).unwrap();
        let held = lock_owner(&path).unwrap().unwrap();
        assert_eq!(held.process, Some(std::process::id()));
        assert!(held.since.is_some());
        drop(mirror);
        assert_eq!(lock_owner(&path).unwrap(), None);
        let found = examine(&path, Duration::from_secs(60)).unwrap();
        assert_eq!(found.integrity, Integrity::Sound);
        assert!(found.database_bytes > 0);
        assert!(matches!(
            examine(&directory.path().join("other.db"), Duration::ZERO),
            Err(ReadError::Missing { .. })
        ));
    }

    #[test]
    fn a_damaged_database_says_so_and_time_that_runs_out_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mirror.db");
        drop(SqliteMirror::open(&path, SqliteOptions::default()).unwrap());
        let connection = Connection::open(&path).unwrap();
        let many_rows = "CREATE TABLE filler AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 \
                    FROM n WHERE i < 200000) SELECT i, randomblob(100) AS x FROM n";
        connection.execute_batch(many_rows).unwrap();
        connection.close().unwrap();
        assert_eq!(examine(&path, Duration::ZERO).unwrap().integrity, Integrity::Unknown);

        let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.seek(SeekFrom::Start(10 << 20)).unwrap();
        file.write_all(&vec![0xa5; 64 << 10]).unwrap();
        let found = examine(&path, Duration::from_secs(60)).unwrap();
        assert!(matches!(&found.integrity, Integrity::Damaged(faults) if !faults.is_empty()));
    }
}
