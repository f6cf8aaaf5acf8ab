//! Why a question has no answer.

use std::path::PathBuf;

use crate::mirror::sqlite::error::OpenError;
use crate::mirror::{LogError, MirrorError, MirrorErrorKind};

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
    /// The log has no answer.
    #[error(transparent)]
    Log(#[from] LogError),
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
            Self::Log(error) => error.kind(),
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
            Self::Log(error) => error.remedy(),
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
