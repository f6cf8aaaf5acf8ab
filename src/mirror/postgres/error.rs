//! Why the database could not be reached, read or written, in words that hold nothing of a row.

use deadpool_postgres::BuildError;
use tokio_postgres::error::SqlState;

use super::connect::Unreached;
use super::database_error::DatabaseError;
use crate::domain::{ItemId, RepositoryId};
use crate::http::SetupError;
use crate::mirror::{MirrorError, MirrorErrorKind};

/// A call that the database did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostgresError {
    /// The database said no, or the connection broke.
    #[error("{0}")]
    Database(DatabaseError),
    /// No server would do.
    #[error("{0}")]
    Unreached(Unreached),
    /// All connections are in use.
    #[error("all connections to PostgreSQL are in use")]
    Exhausted,
    /// No connections can be made at all.
    #[error("connections to PostgreSQL cannot be set up")]
    SetUp(#[from] BuildError),
    /// A file that TLS needs is not what it should be.
    #[error(transparent)]
    TlsFile(#[from] SetupError),
    /// TLS cannot be set up.
    #[error("TLS for PostgreSQL cannot be set up")]
    TlsSetUp(#[source] rustls::Error),
    /// There is nobody to trust.
    #[error("this machine trusts no certificate authority")]
    NoAuthorities,
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
    /// It is the target of a transfer that was not finished.
    #[error(
        "the schema is no mirror yet: it is being moved to from {from}, and that was not finished"
    )]
    Unfinished { from: String },
    /// It is to be the target of a transfer, and holds something.
    #[error("the schema is not empty")]
    NotEmpty,
    /// It is the target of a transfer from elsewhere.
    #[error("the schema is being moved to from another mirror, {from}, or that has changed since")]
    OtherSource { from: String },
    /// Another program's tables are in the schema.
    #[error("the schema {schema:?} holds tables, and none of a mirror")]
    ForeignSchema { schema: String },
    /// A later version of this program has been here.
    #[error("the schema {schema:?} is of version {found}, and this program knows {known}")]
    NewerSchema { schema: String, found: i32, known: i32 },
    /// The tables were made by something that has the same version as one of our migrations.
    #[error(
        "the schema {schema:?} was brought to version {version} by another migration than ours"
    )]
    OtherMigration { schema: String, version: i32 },
    /// It is being brought up to date, and that takes a while.
    #[error("the schema {schema:?} is being brought up to date")]
    Migrating { schema: String },
    /// Another daemon has the lock of all who would migrate it.
    #[error("another daemon is bringing the schema {schema:?} up to date")]
    MigratedByAnother { schema: String },
    /// An earlier version of this program has been here last.
    #[error("the schema {schema:?} is not of the version that this program knows")]
    OlderSchema { schema: String },
    /// A row is not what we wrote.
    #[error("the mirror's tables make no sense: {0}")]
    Nonsense(&'static str),
}

impl PostgresError {
    /// Whether the database took a value for wrong, or for too large for its type: the statement was
    /// made as a whole, or not at all.
    pub(crate) fn is_of_data(&self) -> bool {
        self.code().is_some_and(|code| {
            let code = code.code();
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

    /// Whether a daemon that starts stands by until it is over.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.is_of_connection() || matches!(self, Self::MigratedByAnother { .. })
    }

    /// Whether the connection is at its end, and another one may do better.
    pub(crate) fn is_of_connection(&self) -> bool {
        match self {
            Self::Closed | Self::Unreached(_) => true,
            Self::Database(error) => error.is_of_connection(),
            _ => false,
        }
    }
}

impl From<tokio_postgres::Error> for PostgresError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<Unreached> for PostgresError {
    fn from(unreached: Unreached) -> Self {
        Self::Unreached(unreached)
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
                "nothing: the repository is read anew from what the database has, which loses pages without \
                 changes when it crashes; if it failed over, see whether the standby had everything",
            ),
            PostgresError::Unfinished { .. } => (
                MirrorErrorKind::Unfinished,
                "let `ewmirror move` finish it, with the configuration of its source and this target, \
                 or drop the schema",
            ),
            PostgresError::NotEmpty | PostgresError::OtherSource { .. } => (
                MirrorErrorKind::NotEmpty,
                "name another schema in mirror.schema, or drop this one",
            ),
            PostgresError::ForeignSchema { .. } => {
                (MirrorErrorKind::Foreign, "name another schema in mirror.schema")
            }
            PostgresError::NewerSchema { .. } => (
                MirrorErrorKind::Newer,
                "run the version of ewmirror that wrote it, or a later one",
            ),
            PostgresError::OtherMigration { .. } => (
                MirrorErrorKind::Foreign,
                "run the version of ewmirror that made it, or name another schema in mirror.schema",
            ),
            PostgresError::Migrating { .. } | PostgresError::MigratedByAnother { .. } => (
                MirrorErrorKind::Locked,
                "nothing: it is waited for; where it lasts, see pg_stat_activity and pg_locks",
            ),
            PostgresError::OlderSchema { .. } => {
                (MirrorErrorKind::Older, "start the daemon once, which brings it up to date")
            }
            PostgresError::Database(error) => (error.kind(), error.remedy()),
            PostgresError::Unreached(unreached) => (unreached.kind(), unreached.remedy()),
            PostgresError::Exhausted => (
                MirrorErrorKind::Unavailable,
                "see what keeps the database busy; the next try may succeed",
            ),
            PostgresError::Closed => (
                MirrorErrorKind::Unavailable,
                "see whether the database runs and what lies between; it is tried again",
            ),
            PostgresError::TlsFile(_) | PostgresError::TlsSetUp(_) => {
                (MirrorErrorKind::Missing, "put the right file in its place")
            }
            PostgresError::NoAuthorities => (
                MirrorErrorKind::Missing,
                "install its ca-certificates package or set mirror.ca_file",
            ),
            PostgresError::Nonsense(_) => (
                MirrorErrorKind::Unavailable,
                "see whether another program has changed the mirror's tables",
            ),
            _ => (MirrorErrorKind::Unavailable, "see to the database; the next try may succeed"),
        };
        Self::new(kind, remedy, error)
    }
}
