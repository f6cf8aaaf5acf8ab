//! Why the database could not be reached, read or written, in words that hold nothing of a row.

use std::error::Error as _;

use deadpool_postgres::{BuildError, HookError, PoolError};
use tokio_postgres::error::SqlState;

use super::fault;
use crate::domain::{ItemId, RepositoryId};
use crate::mirror::{MirrorError, MirrorErrorKind};
use crate::telemetry::event::Chain;

/// What there is to say of a failure of no particular kind.
const ANY: (MirrorErrorKind, &str) =
    (MirrorErrorKind::Unavailable, "see to the database; the next try may succeed");

/// What the database is called in our words.
const NAME: &str = "PostgreSQL";

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
    /// Another daemon has taken the repository.
    #[error("another daemon has repository {repository} now: nothing was written")]
    Fenced { repository: RepositoryId },
    /// The database does not have what was written to it, or has more.
    #[error(
        "the database counts {found} transactions of repository {repository} where there were \
         {expected}: it is not in the state that this daemon left it in, and nothing was written"
    )]
    Regressed { repository: RepositoryId, expected: u64, found: u64 },
    /// Nobody knows what became of an earlier call, which is not the one that is made now.
    #[error("it is not certain what became of an earlier transaction of repository {repository}")]
    Unsettled { repository: RepositoryId },
    /// PostgreSQL has no text for it.
    #[error(
        "item {item} of repository {repository} cannot be kept: its body is not UTF-8, or has a NUL in it"
    )]
    Unstorable { repository: RepositoryId, item: ItemId },
    /// A row is not what we wrote.
    #[error("the mirror's tables make no sense: {0}")]
    Nonsense(&'static str),
}

impl PostgresError {
    /// Whether the database took a value for wrong, or for too large for its type: the statement was
    /// made as a whole, or not at all.
    pub(crate) fn is_of_data(&self) -> bool {
        let Self::Database(error) = self else { return false };
        error.as_db_error().is_some_and(|error| {
            let code = error.code().code();
            code.starts_with("22") || code.starts_with("54")
        })
    }

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
            _ => false,
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

impl PostgresError {
    /// What was wrong, in one line that holds nothing of a row. The library's own words would.
    fn words(&self) -> String {
        match self {
            Self::Database(error) => format!("{NAME}: {}", fault::words(error)),
            Self::Connection(error) => match backend_of(error) {
                Some(error) => format!("{self}: {}", fault::words(error)),
                None => Chain(self).to_string(),
            },
            _ => Chain(self).to_string(),
        }
    }
}

/// The database's own error among those of the pool.
fn backend_of(error: &PoolError) -> Option<&tokio_postgres::Error> {
    match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
            Some(error)
        }
        _ => None,
    }
}

impl From<PostgresError> for MirrorError {
    fn from(error: PostgresError) -> Self {
        let (kind, remedy) = match &error {
            PostgresError::Fenced { .. } => {
                (MirrorErrorKind::Fenced, "nothing: this daemon stands by until it has it again")
            }
            PostgresError::Regressed { .. } | PostgresError::Unsettled { .. } => (
                MirrorErrorKind::Regressed,
                "nothing: the repository is read anew from what the database has; if it failed over to a \
                 standby, see whether that one had everything",
            ),
            PostgresError::Database(error) => fault::verdict(error),
            PostgresError::Connection(error) => backend_of(error).map_or(ANY, fault::verdict),
            _ => ANY,
        };
        Self::new(kind, remedy, error.words())
    }
}
