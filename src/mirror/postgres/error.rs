//! Why the database could not be reached, read or written, in words that hold nothing of a row.

use deadpool_postgres::{BuildError, PoolError};

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
    /// A row is not what we wrote.
    #[error("the mirror's tables make no sense: {0}")]
    Nonsense(&'static str),
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
