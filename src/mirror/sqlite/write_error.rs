//! Why the one who writes a database could not.

use std::error::Error;
use std::path::PathBuf;

use super::error::REPLACE;
use super::worker::WorkerError;
use crate::mirror::{MirrorError, MirrorErrorKind};

/// A database that could not be read or written by the one who writes it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// The store said no.
    #[error("the mirror cannot be read or written")]
    Store(#[source] Box<dyn Error + Send + Sync>),
    /// There is no room.
    #[error("the disk of the database {} is full", path.display())]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// Another program keeps it locked.
    #[error("another program has locked the database {}", path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// What is in it makes no sense.
    #[error("the database {} is damaged ({words})", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was said of it.
        words: String,
    },
    /// Its file is not the one that was opened.
    #[error("the database {} has been {} while it was in use", path.display(), loss.words())]
    Moved {
        /// Where it was.
        path: PathBuf,
        /// What became of it.
        loss: FileLoss,
    },
    /// It is to be the target of a transfer, and holds something.
    #[error("the database {} is not empty", path.display())]
    NotEmpty {
        /// The database.
        path: PathBuf,
    },
    /// It is the target of a transfer from elsewhere.
    #[error(
        "the database {} is being moved to from another mirror, {from}, or that has changed since",
        path.display()
    )]
    OtherSource {
        /// The database.
        path: PathBuf,
        /// The source of that transfer.
        from: String,
    },
    /// Somebody reads from one old state of the database and so keeps its WAL from being
    /// checkpointed.
    #[error("the mirror's WAL has reached {bytes} bytes, because somebody keeps reading from it")]
    WalFull {
        /// The WAL's size.
        bytes: u64,
    },
}

/// What became of a database's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileLoss {
    /// There is none.
    Deleted,
    /// There is another one.
    Replaced,
}

impl FileLoss {
    fn words(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Replaced => "replaced by another file",
        }
    }
}

impl WriteError {
    /// What the operator can do.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::DiskFull { .. } => "make room on it; then it goes on by itself",
            Self::Locked { .. } => "end that program; then it goes on by itself",
            Self::Damaged { .. } => REPLACE,
            Self::NotEmpty { .. } | Self::OtherSource { .. } => {
                "name another target, or move the file away together with its -wal and -shm"
            }
            Self::Moved { .. } => {
                "stop the daemon before its database is moved; the next start takes what is there \
                 then, or makes a new one from the server"
            }
            Self::Store(_) => {
                "see that the disk has room and that the database and its folder can be written"
            }
            Self::WalFull { .. } => "end the program that keeps a transaction open in the database",
        }
    }
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<WriteError> for MirrorError {
    fn from(error: WriteError) -> Self {
        let kind = match &error {
            WriteError::Store(_) => MirrorErrorKind::Unavailable,
            WriteError::DiskFull { .. } => MirrorErrorKind::Full,
            WriteError::Locked { .. } => MirrorErrorKind::Locked,
            WriteError::Damaged { .. } => MirrorErrorKind::Damaged,
            WriteError::Moved { .. } => MirrorErrorKind::Replaced,
            WriteError::NotEmpty { .. } | WriteError::OtherSource { .. } => {
                MirrorErrorKind::NotEmpty
            }
            WriteError::WalFull { .. } => MirrorErrorKind::Blocked,
        };
        Self::new(kind, error.remedy(), error)
    }
}

impl From<WorkerError> for MirrorError {
    fn from(error: WorkerError) -> Self {
        match error {
            WorkerError::Closed => Self::new(MirrorErrorKind::Closed, "restart the daemon", error),
            WorkerError::Panicked(_) => WriteError::Store(error.into()).into(),
        }
    }
}
