//! One problem: what it is about, where it comes from, and what is to be said of it.

use std::fmt;
use std::time::Duration;

use crate::domain::RepositoryId;

/// What a problem is about. The order is that in which an operator should look: what stops most
/// comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The server cannot be reached, or does not answer.
    Server,
    /// Nobody can be signed in, or somebody else signs in with the same user.
    Login,
    /// The database, its disk, or the machine that both are on.
    Mirror,
    /// Deletions are held back.
    Deletes,
    /// One repository cannot be read, or its passes prove nothing.
    Repository,
    /// A delivery of changes to somebody else.
    Feed,
}

impl Scope {
    /// All of them, worst first.
    pub const ALL: [Self; 6] =
        [Self::Server, Self::Login, Self::Mirror, Self::Deletes, Self::Repository, Self::Feed];

    /// The word that documents and metrics use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Login => "login",
            Self::Mirror => "mirror",
            Self::Deletes => "deletes",
            Self::Repository => "repository",
            Self::Feed => "feed",
        }
    }
}

/// Where a problem comes from; the next report from there replaces the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// What it is about.
    pub scope: Scope,
    /// The repository, where it is one's own.
    pub repository: Option<RepositoryId>,
    /// What was tried or looked at, in one word of ours: `search`, `login`, `disk`.
    pub what: &'static str,
}

/// Where problems of one kind come from, whichever repository has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProblemKind {
    /// What they are about.
    pub scope: Scope,
    /// What was tried or looked at, in one word of ours.
    pub what: &'static str,
}

impl ProblemKind {
    /// That of one repository.
    pub fn of(self, repository: RepositoryId) -> Source {
        let Self { scope, what } = self;
        Source { scope, repository: Some(repository), what }
    }
}

/// How far a request came that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reached {
    /// The server answered, whatever it said.
    Answered,
    /// There was a connection, and no answer came over it.
    Connected,
    /// There was no connection.
    Nobody,
}

/// What is to be said of a problem. The texts are redacted and fit for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProblemReport {
    /// What is wrong, and on what.
    pub error: String,
    /// What to do about it.
    pub remedy: String,
    /// How long until the next try, where there is one.
    pub retry_in: Option<Duration>,
    /// Whether what it is about stands still until it is over.
    pub halts: bool,
}

/// One problem, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it comes from.
    pub source: Source,
    /// For how long.
    pub since: Duration,
    /// How many times in a row; 1 for what stands.
    pub failures: u64,
    /// The latest report, with `retry_in` counted from now.
    pub report: ProblemReport,
}

impl fmt::Display for Problem {
    /// `repository 7: search refused: status 403; check that this user may read it`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProblemReport { error, remedy, .. } = &self.report;
        match self.source.repository {
            Some(id) => write!(f, "repository {id}: {error}; {remedy}"),
            None => write!(f, "{error}; {remedy}"),
        }
    }
}

/// Puts problems in the order in which they are to be told.
pub fn worst_first(problems: &mut [Problem]) {
    problems.sort_by(|a, b| {
        (a.source.scope, b.since, a.source).cmp(&(b.source.scope, a.since, b.source))
    });
}
