//! All that is wrong at the moment.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::problem::{Problem, ProblemReport, Reached, Scope, Source, worst_first};
use crate::domain::RepositoryId;

/// How long a failure lasts before it is told although it was not repeated.
pub const TOLD_AFTER: Duration = Duration::from_secs(5);

/// From how many failures in a row on they are told, however short they have lasted.
const TOLD_FROM: u64 = 2;

/// The one way to the server, which all repositories share.
const CONNECTION: Source = Source { scope: Scope::Server, repository: None, what: "connection" };

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
    /// to the server, and the same one for every task that meets it.
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

    /// Notes what has come `times` times in a row by the count of the caller: it is told at once.
    pub fn repeated(&self, source: Source, times: u64, report: ProblemReport) {
        self.note(source, report, Some(times));
    }

    /// Notes that nothing is wrong there (any more).
    pub fn over(&self, source: Source) {
        self.entries().remove(&source);
    }

    /// Notes that the server has answered a task: another one that could not reach the server learns
    /// so at its next try.
    pub fn server_answered(&self) {
        self.entries().retain(|source, _| source.scope != Scope::Server);
    }

    /// Forgets what is of this scope: nothing is asked of it any more.
    pub fn forget_scope(&self, scope: Scope) {
        self.entries().retain(|source, _| source.scope != scope);
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

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Source, ProblemEntry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    use crate::progress::problems::Health;
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
