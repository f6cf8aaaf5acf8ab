//! Why the database could not be reached, read or written, in words that hold nothing of a row.

use std::error::Error as _;

use deadpool_postgres::{BuildError, HookError, PoolError};
use tokio_postgres::error::SqlState;

use crate::mirror::{MirrorError, MirrorErrorKind};

/// A call that the database did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostgresError {
    /// The database said no, or the connection broke.
    #[error("PostgreSQL: {0}")]
    Database(#[from] tokio_postgres::Error),
    /// There is no connection.
    #[error("no connection to PostgreSQL")]
    Connection(#[from] PoolError),
    /// No connections can be made at all.
    #[error("connections to PostgreSQL cannot be set up")]
    SetUp(#[from] BuildError),
    /// The connection was closed while an answer was waited for.
    #[error("PostgreSQL has closed the connection")]
    Closed,
    /// A row is not what we wrote.
    #[error("the mirror's tables make no sense: {0}")]
    Nonsense(&'static str),
}

impl PostgresError {
    /// What the database calls it, where it was the database that said no.
    pub(crate) fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Database(error) => error.code(),
            _ => None,
        }
    }

    /// Whether the connection is at its end, and another one may do better.
    pub(crate) fn is_of_connection(&self) -> bool {
        match self {
            Self::Closed => true,
            Self::Database(error)
            | Self::Connection(
                PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)),
            ) => is_of_connection(error),
            Self::Connection(_) | Self::SetUp(_) | Self::Nonsense(_) => false,
        }
    }
}

fn is_of_connection(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        // The server ends, has crashed or starts, or its administrator has ended this connection.
        Some(code) => code.code().starts_with("57P"),
        None => {
            let source = error.source();
            error.is_closed() || source.is_some_and(|source| source.is::<std::io::Error>())
        }
    }
}

impl From<PostgresError> for MirrorError {
    fn from(error: PostgresError) -> Self {
        Self::new(
            MirrorErrorKind::Unavailable,
            "see to the database; the next try may succeed",
            error,
        )
    }
}
