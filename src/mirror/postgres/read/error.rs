//! Why a question has no answer.

use tokio_postgres::error::SqlState;

use crate::mirror::postgres::error::PostgresError;
use crate::mirror::{LogError, MirrorError, MirrorErrorKind};

/// A mirror that could not be asked, or a question that it cannot answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostgresReadError {
    /// The log has no answer.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The schema is not there, is not ours, or may not be used by this role.
    #[error("there is no mirror in the schema {schema:?} of the database")]
    Missing {
        /// The schema.
        schema: Box<str>,
    },
    /// An earlier ewmirror has written it.
    #[error("the schema {schema:?} has version {found}, and this program reads version {known}")]
    Older {
        /// The schema.
        schema: Box<str>,
        /// Its version.
        found: i32,
        /// Ours.
        known: i32,
    },
    /// A later ewmirror has written it.
    #[error("the schema {schema:?} has version {found}, and this program knows version {known}")]
    Newer {
        /// The schema.
        schema: Box<str>,
        /// Its version.
        found: i32,
        /// Ours.
        known: i32,
    },
    /// The role has no right to read the tables.
    #[error("the role of mirror.url may not read the mirror")]
    Unreadable,
    /// The role has no right to change anything.
    #[error("the role of mirror.url may read the mirror, but not approve deletions")]
    Unwritable,
    /// Nothing can be changed there at all.
    #[error("the database that mirror.url leads to is read only: nothing can be approved there")]
    ReadOnly,
    /// The database gave none.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
}

impl PostgresReadError {
    /// Why the database refuses to have something read.
    pub(super) fn of_reading(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Self::Unreadable,
            _ => error.into(),
        }
    }

    /// Why the database refuses to have something changed.
    pub(super) fn of_writing(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Self::Unwritable,
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => Self::ReadOnly,
            _ => error.into(),
        }
    }

    /// Whether another connection may have an answer.
    pub(super) fn is_of_connection(&self) -> bool {
        matches!(self, Self::Postgres(error) if error.is_of_connection())
    }
}

impl From<tokio_postgres::Error> for PostgresReadError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error.into())
    }
}

impl From<PostgresReadError> for MirrorError {
    fn from(error: PostgresReadError) -> Self {
        let (kind, remedy) = match error {
            PostgresReadError::Postgres(error) => return error.into(),
            PostgresReadError::Log(error) => return Self::new(error.kind(), error.remedy(), error),
            PostgresReadError::Missing { .. } => (
                MirrorErrorKind::Missing,
                "start the daemon, which makes it, correct mirror.url or mirror.schema, or take a \
                 role that may use the schema",
            ),
            PostgresReadError::Older { .. } => (
                MirrorErrorKind::Older,
                "start the daemon of this version, which brings it up to date",
            ),
            PostgresReadError::Newer { .. } => (
                MirrorErrorKind::Newer,
                "run the later version, or name another schema in mirror.schema",
            ),
            PostgresReadError::Unreadable => (
                MirrorErrorKind::Unavailable,
                "take the daemon's role, or grant this one the right to read",
            ),
            PostgresReadError::Unwritable => (
                MirrorErrorKind::Unavailable,
                "approve them with the role of the daemon, or another that may write",
            ),
            PostgresReadError::ReadOnly => (
                MirrorErrorKind::Unavailable,
                "approve them on the primary server: name it in mirror.url, or all servers with \
                 target_session_attrs=read-write",
            ),
        };
        Self::new(kind, remedy, error)
    }
}
