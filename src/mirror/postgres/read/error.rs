//! Why a question has no answer.

use crate::mirror::postgres::error::PostgresError;
use crate::mirror::{LogError, MirrorError};

/// A mirror that could not be asked, or a question that it cannot answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostgresReadError {
    /// The log has no answer.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The database gave none.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
}

impl PostgresReadError {
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
        match error {
            PostgresReadError::Log(error) => Self::new(error.kind(), error.remedy(), error),
            PostgresReadError::Postgres(error) => error.into(),
        }
    }
}
