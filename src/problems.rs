//! What is wrong at the moment: written by whoever waits, tries again or gives up, read by whoever
//! shows it.
//!
//! A task says that something failed, that something stands, or that it is over; nothing here decides
//! what follows. A failure is told from the second in a row on, or once it has lasted for
//! [`TOLD_AFTER`], so that one lost packet alarms nobody; a success ends it at once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::RepositoryId;

/// How long a failure lasts before it is told although it was not repeated.
pub const TOLD_AFTER: Duration = Duration::from_secs(5);

/// From how many failures in a row on they are told, however short they have lasted.
const TOLD_FROM: u64 = 2;

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
    pub fn name(self) -> &'static str {
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

/// What is to be said of a problem. The texts are redacted and fit for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
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
    pub report: Report,
}

/// All that is wrong at the moment.
#[derive(Debug, Default)]
pub struct Problems {
    /// Held for a few instructions, never across an await.
    entries: Mutex<BTreeMap<Source, Entry>>,
}

#[derive(Debug)]
struct Entry {
    since: Instant,
    reported: Instant,
    failures: u64,
    stands: bool,
    report: Report,
}

impl Problems {
    /// Notes a failure, one more in a row.
    pub fn failed(&self, source: Source, report: Report) {
        self.note(source, report, false);
    }

    /// Notes what is so until it is said to be [`over`](Self::over): it is told at once.
    pub fn stands(&self, source: Source, report: Report) {
        self.note(source, report, true);
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
        problems.sort_by(|a, b| {
            (a.source.scope, b.since, a.source).cmp(&(b.source.scope, a.since, b.source))
        });
        problems
    }

    fn note(&self, source: Source, report: Report, stands: bool) {
        let now = Instant::now();
        let mut entries = self.entries();
        let entry = entries.entry(source).or_insert_with(|| Entry {
            since: now,
            reported: now,
            failures: 0,
            stands,
            report: report.clone(),
        });
        entry.failures = if stands { 1 } else { entry.failures.saturating_add(1) };
        (entry.stands, entry.reported, entry.report) = (stands, now, report);
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, BTreeMap<Source, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
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

    fn report(error: &str) -> Report {
        Report {
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
}
