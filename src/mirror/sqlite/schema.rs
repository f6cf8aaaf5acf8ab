//! What a database of ours looks like: its application id, the version of its tables, and how to
//! bring an older one up to date.
//!
//! [`check_header`] tells ours from others without SQLite, which would touch the file or leave
//! files beside it. Migrations go forward only, and a released one never changes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::error::OpenError;

/// `application_id` of our databases: "ewmi" in ASCII.
pub(crate) const APPLICATION_ID: u32 = u32::from_be_bytes(*b"ewmi");

/// The migrations in their order; the first one makes all tables of version 1.
pub(super) const MIGRATIONS: [&str; 10] = [
    include_str!("../migrations/sqlite/0001_mirror.sql"),
    include_str!("../migrations/sqlite/0002_release.sql"),
    include_str!("../migrations/sqlite/0003_words.sql"),
    include_str!("../migrations/sqlite/0004_views.sql"),
    include_str!("../migrations/sqlite/0005_time.sql"),
    include_str!("../migrations/sqlite/0006_model.sql"),
    include_str!("../migrations/sqlite/0007_published.sql"),
    include_str!("../migrations/sqlite/0008_feeds.sql"),
    include_str!("../migrations/sqlite/0009_incremental.sql"),
    include_str!("../migrations/sqlite/0010_knowledge.sql"),
];

/// `user_version` of a database that all migrations have been through.
pub(crate) const SCHEMA_VERSION: u32 = 10;

const _: () = assert!(SCHEMA_VERSION as usize == MIGRATIONS.len(), "one version a migration");

/// The bytes at the beginning of a SQLite file that say what it is.
const HEADER_BYTES: u64 = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
const USER_VERSION_AT: usize = 60;
const APPLICATION_ID_AT: usize = 68;

/// What a file's first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// There is no file, or nothing is in it, or nothing will be once SQLite has taken back what it
    /// had begun to write there.
    Blank,
    /// It is ours and of this version, which we know.
    Ours(u32),
}

/// Looks at a file that is to be opened.
///
/// Only to be called while this process has no connection to it: closing a file drops all locks
/// that the process has on it, those of SQLite too.
///
/// # Errors
///
/// A file that cannot be read, that is no database or another's, or that is newer than we are.
pub(super) fn check_header(path: &Path) -> Result<Header, OpenError> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(HEADER_BYTES).read_to_end(&mut bytes).map(drop),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    if bytes.is_empty() || was_not_finished(path, &bytes) {
        return Ok(Header::Blank);
    }
    let number = |at: usize| {
        let bytes = bytes.get(at..)?.first_chunk()?;
        Some(u32::from_be_bytes(*bytes))
    };
    let (Some(version), Some(application_id)) =
        (number(USER_VERSION_AT), number(APPLICATION_ID_AT))
    else {
        return Err(OpenError::NotSqlite { path: path.to_owned() });
    };
    if !bytes.starts_with(MAGIC) {
        return Err(OpenError::NotSqlite { path: path.to_owned() });
    }
    check(path, application_id, version)?;
    Ok(Header::Ours(version))
}

/// Whether the power was cut while the database was made: its beginning never reached the disk, and
/// what undoes the rest did.
fn was_not_finished(path: &Path, beginning: &[u8]) -> bool {
    let mut rollback = path.as_os_str().to_owned();
    rollback.push("-journal");
    beginning.iter().all(|byte| *byte == 0)
        && std::fs::metadata(rollback).is_ok_and(|rollback| rollback.len() > 0)
}

/// Judges what a database says of itself.
///
/// # Errors
///
/// One that is another's, or newer than we are.
pub(super) fn check(path: &Path, application_id: u32, version: u32) -> Result<(), OpenError> {
    if application_id != APPLICATION_ID {
        return Err(OpenError::Stranger { path: path.to_owned(), application_id });
    }
    if version > SCHEMA_VERSION {
        let (found, known) = (version, SCHEMA_VERSION);
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    Ok(())
}

/// The source of the transfer that made this database and was not finished; `None`: it is a mirror.
pub(super) fn unfinished(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT source FROM transfer", [], |row| row.get(0)).optional()
}

/// Runs the migrations that a database has not been through; all of them where it is blank. They
/// are taken all or none, and leave the database saying so: a process that reads meanwhile, or after a
/// kill, meets the database as it was or as it is to be, and none in between.
///
/// # Errors
///
/// What SQLite says.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let mut version = found;
    while let Some(migration) = migrations.get(version as usize) {
        transaction.execute_batch(migration)?;
        version += 1;
    }
    if version == found {
        return Ok(());
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()
}
