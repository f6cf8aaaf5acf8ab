//! Why a database could not be opened.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

use crate::mirror::{MirrorError, MirrorErrorKind};

/// A database that was not opened. Nothing of it has been changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// Its folder is not there.
    #[error("there is no folder {}", folder.display())]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// Where its lock should be is something else.
    #[error("{} is not a lock that ewmirror made, and is left as it is", path.display())]
    StrangeLock {
        /// The lock's place.
        path: PathBuf,
    },
    /// Its folder could not be made.
    #[error("the folder {} cannot be made", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another daemon has it.
    #[error("the database {} is in use by {}", path.display(), owner(*.process))]
    InUse {
        /// The database.
        path: PathBuf,
        /// The process that has it, if it said so.
        process: Option<u32>,
    },
    /// A file could not be made, read or locked.
    #[error("the file {} cannot be opened", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("the file {} is no SQLite database", path.display())]
    NotSqlite {
        /// The file.
        path: PathBuf,
    },
    /// It is the database of another program.
    #[error(
        "the database {} belongs to another program (its application id is {application_id:#x})",
        path.display()
    )]
    Stranger {
        /// The database.
        path: PathBuf,
        /// Whose it is; 0 where nobody says.
        application_id: u32,
    },
    /// A later ewmirror has written it.
    #[error(
        "the database {} has schema version {found}, and this program knows versions up to {known}",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// There is no database, but the WAL of one.
    #[error("there is no database {}, but the WAL of one, {}", path.display(), wal.display())]
    Orphan {
        /// The database.
        path: PathBuf,
        /// Its WAL.
        wal: PathBuf,
    },
    /// It is the target of a transfer that was not finished.
    #[error(
        "the database {} is no mirror yet: it is being moved to from {from}, and that was not finished",
        path.display()
    )]
    Unfinished {
        /// The database.
        path: PathBuf,
        /// The source of the transfer.
        from: String,
    },
    /// SQLite would not open it or bring it up to date.
    #[error("the database {} cannot be opened", path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// Its file system does not let programs share it.
    #[error("the database {} is where programs cannot share a file", path.display())]
    NoWal {
        /// The database.
        path: PathBuf,
    },
    /// There is no thread to write it.
    #[error("no thread can be started to write the database {}", path.display())]
    Thread {
        /// The database.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What to do with a database that is damaged.
pub(super) const REPLACE: &str = "stop the daemon, move the file away together with its -wal and -shm, for \
                       anyone who may want to look at it, and put a sound copy there, or nothing: the \
                       next start then makes a new one from the server";

/// What to do with a target that is none yet.
pub(super) const UNFINISHED: &str = "let `ewmirror move` finish it, with the configuration of its source and \
                          this target, or move the file away together with its -wal and -shm";

const MAKE_ROOM: &str = "make room on its disk, or name another file in mirror.url";

impl OpenError {
    /// What kind of failure it is.
    pub(crate) fn kind(&self) -> MirrorErrorKind {
        match self {
            Self::NoFolder { .. } | Self::Orphan { .. } => MirrorErrorKind::Missing,
            Self::StrangeLock { .. } | Self::NotSqlite { .. } | Self::Stranger { .. } => {
                MirrorErrorKind::Foreign
            }
            Self::InUse { .. } => MirrorErrorKind::InUse,
            Self::Newer { .. } => MirrorErrorKind::Newer,
            Self::Unfinished { .. } => MirrorErrorKind::Unfinished,
            Self::Folder { .. }
            | Self::File { .. }
            | Self::Sqlite { .. }
            | Self::NoWal { .. }
            | Self::Thread { .. } => MirrorErrorKind::Unavailable,
        }
    }

    /// What the operator can do.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::StrangeLock { .. } => {
                "see what it is and who put it there, and move it away or name another file in \
                 mirror.url"
            }
            Self::NoFolder { .. } => {
                "mount the disk that it is on, or make the folder for the daemon's user, or name \
                 another file in mirror.url"
            }
            Self::Folder { source, .. } | Self::File { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => MAKE_ROOM,
                io::ErrorKind::ReadOnlyFilesystem => {
                    "mount its file system writable, or name another file in mirror.url"
                }
                _ => {
                    "let the daemon's user write in the folder, or name another file in mirror.url"
                }
            },
            Self::InUse { .. } => "stop the other daemon, or name another file in mirror.url",
            Self::NotSqlite { .. } | Self::Stranger { .. } => {
                "move the file away, or name another one in mirror.url"
            }
            Self::Orphan { .. } => {
                "put the database back to which it belongs, or move the WAL away"
            }
            Self::Newer { .. } => "run the later version, or name another file in mirror.url",
            Self::Unfinished { .. } => UNFINISHED,
            Self::Sqlite { source, .. } => match source.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => REPLACE,
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    "end the program that has locked it, or name another file in mirror.url"
                }
                Some(ErrorCode::DiskFull) => MAKE_ROOM,
                _ => {
                    "see that the disk has room and that the database and its folder can be written"
                }
            },
            Self::NoWal { .. } => "put it on a disk of this machine",
            Self::Thread { .. } => "raise the limit of tasks, or end other programs",
        }
    }
}

fn owner(process: Option<u32>) -> String {
    process.map_or_else(|| "another process".to_owned(), |process| format!("process {process}"))
}

impl From<OpenError> for MirrorError {
    fn from(error: OpenError) -> Self {
        let remedy = error.remedy();
        Self::new(error.kind(), remedy, error)
    }
}
