//! What is wrong at the moment: written by whoever waits, tries again or gives up, read by whoever
//! shows it.
//!
//! A task says that something failed, that something stands, or that it is over; nothing here decides
//! what follows. A failure is told from the second in a row on, or once it has lasted for
//! [`TOLD_AFTER`], so that one lost packet alarms nobody; a success ends it at once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::RepositoryId;
use crate::text::CommandLine;

/// How long a failure lasts before it is told although it was not repeated.
pub const TOLD_AFTER: Duration = Duration::from_secs(5);

/// From how many failures in a row on they are told, however short they have lasted.
const TOLD_FROM: u64 = 2;

/// Deletions that wait for the operator.
pub const HELD: ProblemKind = ProblemKind { scope: Scope::Deletes, what: "held" };

/// The one way to the server, which all repositories share.
const CONNECTION: Source = Source { scope: Scope::Server, repository: None, what: "connection" };

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

/// What is to be said of deletions that wait for the operator, who asks with this command.
pub fn held(repository: RepositoryId, count: u64, command: &CommandLine) -> ProblemReport {
    let plural = if count == 1 { "" } else { "s" };
    let list = command.list_deletes(repository);
    let approve = command.approve_deletes(repository);
    ProblemReport {
        error: format!("{count} deletion{plural} held back: too many at once to be believed"),
        remedy: format!("see which, and whether they are gone for good: {list}; if so: {approve}"),
        retry_in: None,
        halts: false,
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

/// How things stand as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing is wrong.
    Ok,
    /// Something is wrong, and something goes on.
    Degraded,
    /// Nothing goes on.
    Failing,
}

impl Health {
    /// What these problems amount to, for who reads these repositories.
    pub fn of(problems: &[Problem], read: &[RepositoryId], signed_in: bool) -> Self {
        if problems.is_empty() {
            return Self::Ok;
        }
        let halts_all = problems.iter().any(|problem| {
            // A session that stands serves on, whatever becomes of the next login.
            let serves = problem.source.scope == Scope::Login && signed_in;
            problem.report.halts && problem.source.repository.is_none() && !serves
        });
        let is_halted = |id: &RepositoryId| {
            let mut own = problems.iter().filter(|it| it.source.repository == Some(*id));
            own.any(|problem| problem.report.halts)
        };
        let all_halted = !read.is_empty() && read.iter().all(is_halted);
        if halts_all || all_halted { Self::Failing } else { Self::Degraded }
    }
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

/// All that is wrong at the moment.
#[derive(Debug, Default)]
pub struct Problems {
    /// Held for a few instructions, never across an await.
    entries: Mutex<BTreeMap<Source, ProblemEntry>>,
}

#[derive(Debug)]
struct ProblemEntry {
    since: Instant,
    reported: Instant,
    failures: u64,
    stands: bool,
    report: ProblemReport,
}

impl Problems {
    /// Notes a failure, one more in a row.
    pub fn failed(&self, source: Source, report: ProblemReport) {
        self.note(source, report, None);
    }

    /// Notes that a request to the server failed. One that reached nobody is a problem of the way
    /// to the server, and the same one whoever meets it.
    pub fn request_failed(&self, source: Source, reached: Reached, report: ProblemReport) {
        match reached {
            Reached::Answered => self.server_answered(),
            Reached::Connected => {}
            Reached::Nobody => {
                self.over(source);
                return self.failed(CONNECTION, ProblemReport { halts: true, ..report });
            }
        }
        self.failed(source, report);
    }

    /// Notes what is so until it is said to be [`over`](Self::over): it is told at once.
    pub fn stands(&self, source: Source, report: ProblemReport) {
        self.note(source, report, Some(1));
    }

    /// The same of what has come so many times in a row, as its own count has it.
    pub fn repeated(&self, source: Source, times: u64, report: ProblemReport) {
        self.note(source, report, Some(times));
    }

    /// Notes that nothing is wrong there (any more).
    pub fn over(&self, source: Source) {
        self.entries().remove(&source);
    }

    /// Notes that the server has answered somebody: whoever could not reach it was not alone with
    /// that, and will learn so at the next try.
    pub fn server_answered(&self) {
        self.entries().retain(|source, _| source.scope != Scope::Server);
    }

    /// Forgets what is about this repository: it is no longer read.
    pub fn forget(&self, repository: RepositoryId) {
        self.entries().retain(|source, _| source.repository != Some(repository));
    }

    /// What is to be told now, worst first; of one kind the oldest first.
    pub fn told(&self) -> Vec<Problem> {
        let now = Instant::now();
        let mut problems: Vec<Problem> = self
            .entries()
            .iter()
            .filter(|(_, entry)| entry.is_told(now))
            .map(|(source, entry)| entry.problem(*source, now))
            .collect();
        worst_first(&mut problems);
        problems
    }

    /// `times`: how often in a row, of what is told at once; otherwise once more than before.
    fn note(&self, source: Source, report: ProblemReport, times: Option<u64>) {
        let now = Instant::now();
        let mut entries = self.entries();
        let before = entries.get(&source);
        let since = before.map_or(now, |before| before.since);
        let counted = before.map_or(0, |before| before.failures).saturating_add(1);
        let failures = times.unwrap_or(counted);
        let entry =
            ProblemEntry { since, reported: now, failures, stands: times.is_some(), report };
        entries.insert(source, entry);
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, BTreeMap<Source, ProblemEntry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts problems in the order in which they are to be told.
pub fn worst_first(problems: &mut [Problem]) {
    problems.sort_by(|a, b| {
        (a.source.scope, b.since, a.source).cmp(&(b.source.scope, a.since, b.source))
    });
}

impl ProblemEntry {
    fn is_told(&self, now: Instant) -> bool {
        self.stands
            || self.failures >= TOLD_FROM
            || now.saturating_duration_since(self.since) >= TOLD_AFTER
    }

    fn problem(&self, source: Source, now: Instant) -> Problem {
        let passed = now.saturating_duration_since(self.reported);
        let mut report = self.report.clone();
        report.retry_in = report.retry_in.map(|retry_in| retry_in.saturating_sub(passed));
        Problem {
            source,
            since: now.saturating_duration_since(self.since),
            failures: self.failures,
            report,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SECOND;

    fn source(scope: Scope, repository: Option<u64>) -> Source {
        Source { scope, repository: repository.map(RepositoryId), what: "search" }
    }

    fn report(error: &str) -> ProblemReport {
        ProblemReport {
            error: error.to_owned(),
            remedy: "look".to_owned(),
            retry_in: Some(8 * SECOND),
            halts: true,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_failure_is_told_once_it_lasts_and_two_are_told_at_once() {
        let problems = Problems::default();
        let source = source(Scope::Server, None);
        problems.failed(source, report("refused"));
        assert_eq!(problems.told(), []);
        tokio::time::advance(TOLD_AFTER).await;
        let told = problems.told();
        assert_eq!((told[0].failures, told[0].since), (1, TOLD_AFTER));
        assert_eq!(told[0].report.retry_in, Some(3 * SECOND));
        problems.over(source);
        problems.failed(source, report("refused"));
        problems.failed(source, report("timed out"));
        let told = problems.told();
        assert_eq!((told[0].failures, told[0].report.error.as_str()), (2, "timed out"));
        problems.over(source);
        assert_eq!(problems.told(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn what_stands_is_told_at_once_and_what_stops_most_comes_first() {
        let problems = Problems::default();
        problems.stands(source(Scope::Repository, Some(2)), report("not certified"));
        tokio::time::advance(SECOND).await;
        problems.stands(source(Scope::Repository, Some(1)), report("not certified"));
        problems.stands(source(Scope::Login, None), report("denied"));
        for _ in 0..2 {
            problems.failed(source(Scope::Server, Some(1)), report("refused"));
        }
        let told = |problems: &Problems| -> Vec<_> {
            let told = problems.told().into_iter();
            told.map(|it| (it.source.scope, it.source.repository.map(|id| id.0))).collect()
        };
        let others =
            [(Scope::Login, None), (Scope::Repository, Some(2)), (Scope::Repository, Some(1))];
        let mut all = vec![(Scope::Server, Some(1))];
        all.extend(others);
        assert_eq!(told(&problems), all);
        problems.server_answered();
        assert_eq!(told(&problems), others);
        problems.forget(RepositoryId(2));
        assert_eq!(told(&problems), [others[0], others[2]]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_reaches_nobody_has_the_problem_of_all_and_who_is_answered_ends_it() {
        let problems = Problems::default();
        let (one, two) = (source(Scope::Repository, Some(1)), source(Scope::Repository, Some(2)));
        problems.request_failed(one, Reached::Answered, report("status 500"));
        problems.request_failed(one, Reached::Nobody, report("refused"));
        problems.request_failed(two, Reached::Nobody, report("refused"));
        let told = problems.told();
        assert_eq!((told.len(), told[0].source.scope, told[0].failures), (1, Scope::Server, 2));
        problems.request_failed(two, Reached::Connected, report("no answer in time"));
        assert_eq!(problems.told()[0].source.scope, Scope::Server);
        for _ in 0..2 {
            problems.request_failed(two, Reached::Answered, report("status 500"));
        }
        let told = problems.told();
        assert_eq!((told.len(), told[0].source, told[0].failures), (1, two, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_goes_on_where_what_all_need_stands_still_or_each_repository_does() {
        let health = |noted: &[(Scope, Option<u64>, bool)], signed_in| {
            let problems = Problems::default();
            for (scope, repository, halts) in noted {
                let report = ProblemReport { halts: *halts, ..report("wrong") };
                problems.stands(source(*scope, *repository), report);
            }
            Health::of(&problems.told(), &[RepositoryId(1), RepositoryId(2)], signed_in)
        };
        assert_eq!(health(&[], true), Health::Ok);
        assert_eq!(health(&[(Scope::Server, None, true)], true), Health::Failing);
        assert_eq!(health(&[(Scope::Mirror, None, false)], true), Health::Degraded);
        assert_eq!(health(&[(Scope::Login, None, true)], true), Health::Degraded);
        assert_eq!(health(&[(Scope::Login, None, true)], false), Health::Failing);
        let one = (Scope::Repository, Some(1), true);
        assert_eq!(health(&[one], true), Health::Degraded);
        assert_eq!(health(&[one, (Scope::Mirror, Some(2), true)], true), Health::Failing);
        assert_eq!(health(&[one, (Scope::Repository, Some(2), false)], true), Health::Degraded);
    }
}
