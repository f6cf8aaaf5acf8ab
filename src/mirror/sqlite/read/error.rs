//! Why a question has no answer.

use std::path::PathBuf;

use crate::domain::Sequence;
use crate::mirror::sqlite::error::OpenError;
use crate::mirror::{MirrorError, MirrorErrorKind};

/// A mirror that could not be asked, or a question that it cannot answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// There is no database, or an empty file.
    #[error("there is no mirror at {}", path.display())]
    Missing {
        /// Where.
        path: PathBuf,
    },
    /// The database cannot be opened, or is not ours.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An earlier ewmirror has written it.
    #[error(
        "the database {} has schema version {found}, and this program reads version {known}",
        path.display()
    )]
    Older {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Changes were asked for that are no longer there.
    #[error(
        "the changes after {after} up to {dropped_through} have been dropped: the first that can \
         be asked for is --after {dropped_through}"
    )]
    Dropped {
        /// After which.
        after: Sequence,
        /// The last that is gone.
        dropped_through: Sequence,
    },
    /// Changes were asked for that come after one which has not come.
    #[error("there is no change {after} yet: the last one is {last}")]
    Ahead {
        /// After which.
        after: Sequence,
        /// The last that there is.
        last: Sequence,
    },
    /// The log contradicts itself.
    #[error("change {sequence} is damaged: {what}")]
    Damaged {
        /// Which.
        sequence: Sequence,
        /// What is wrong with it.
        what: &'static str,
    },
    /// SQLite said no.
    #[error("the mirror cannot be read")]
    Sqlite(#[from] rusqlite::Error),
}

impl ReadError {
    /// What kind of failure it is.
    fn kind(&self) -> MirrorErrorKind {
        match self {
            Self::Missing { .. } => MirrorErrorKind::Missing,
            Self::Open(error) => error.kind(),
            Self::Older { .. } => MirrorErrorKind::Older,
            Self::Dropped { .. } => MirrorErrorKind::Dropped,
            Self::Ahead { .. } => MirrorErrorKind::Ahead,
            Self::Damaged { .. } => MirrorErrorKind::Damaged,
            Self::Sqlite(_) => MirrorErrorKind::Unavailable,
        }
    }

    /// What the operator can do.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "start the daemon, which makes it, or correct mirror.url",
            Self::Open(OpenError::Sqlite { source, .. }) if is_unfinished(source) => {
                "start the daemon, which was interrupted while it made the database, and mends it"
            }
            Self::Open(OpenError::File { .. } | OpenError::Sqlite { .. }) => {
                "run this as a user who can open the database and its folder, such as the daemon's"
            }
            Self::Open(error) => error.remedy(),
            Self::Older { .. } => "start the daemon of this version, which brings it up to date",
            Self::Dropped { .. } => {
                "begin with an export, which holds what they did, and go on from there"
            }
            Self::Ahead { .. } => {
                "begin anew if the mirror has been made anew: its changes count from 1 again"
            }
            Self::Damaged { .. } => {
                "restore the database from a backup, or move it away to have it made anew"
            }
            Self::Sqlite(_) => "see that the database is whole and that its disk can be read",
        }
    }
}

impl From<ReadError> for MirrorError {
    fn from(error: ReadError) -> Self {
        let (kind, remedy) = (error.kind(), error.remedy());
        Self::new(kind, remedy, error)
    }
}

/// Whether a transaction must be undone before the database can be read, which only the daemon may.
fn is_unfinished(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_READONLY_ROLLBACK)
}
