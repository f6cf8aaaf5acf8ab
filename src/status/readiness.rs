//! Whether every repository of the configuration has a certified pass that is recent enough, and
//! anything goes on. Pure.
//!
//! Ages come from the mirror's ledger, so that a restart does not make them young or unknown;
//! without a mirror, or where it cannot be read, from what this process has seen.

use std::fmt::Write as _;
use std::time::Duration;

use super::document::{
    FreshnessStatus, HealthStatus, ProblemStatus, RepositoryStatus, RoleStatus, StateStatus,
    StatusDocument,
};
use super::problem_list::shown;

/// Whether a repository has a certified pass no older than this.
pub(super) fn is_ready(repository: &RepositoryStatus, max_age: Duration) -> bool {
    repository.certified_age_ms.is_some_and(|age| Duration::from_millis(age) <= max_age)
}

/// A line for each repository that has none, which says why; nothing where all is well.
/// Repositories that the daemon does not read, or another one does, are not asked about.
pub(super) fn lacking(document: &StatusDocument, max_age: Duration) -> String {
    let mut lines = String::new();
    let read = document
        .repositories
        .iter()
        .filter(|repository| repository.state.is_some_and(|state| state != StateStatus::Standby));
    for repository in read.filter(|repository| !is_ready(repository, max_age)) {
        let line = match (repository.certified_age_ms, &document.mirror.error) {
            (Some(age), _) => format!(
                "{}: the last certified pass ended {} ago, status.max_age is {}",
                repository.id,
                shown(Duration::from_millis(age)),
                shown(max_age)
            ),
            (None, Some(error)) => format!(
                "{}: no certified pass since the start, and of earlier ones nothing is known: {error}",
                repository.id
            ),
            (None, None) => format!("{}: no certified pass yet", repository.id),
        };
        writeln!(lines, "{line}").expect("a string takes any text");
    }
    for repository in &document.repositories {
        let Some(FreshnessStatus { goal_ms, missed: Some(cause) }) = &repository.freshness else {
            continue;
        };
        let (id, goal) = (repository.id, shown(Duration::from_millis(*goal_ms)));
        writeln!(lines, "{id}: freshness of {goal} is missed: {cause}")
            .expect("a string takes any text");
    }
    lines
}

/// What is said where nothing is lacking: a daemon that stands by is ready to take over.
pub(super) fn ready(document: &StatusDocument) -> String {
    match &document.instance {
        Some(instance) if instance.role == RoleStatus::Standby => match &instance.leader {
            Some(leader) => format!("standby: {leader} reads\n"),
            None => "standby\n".to_owned(),
        },
        _ => "ready\n".to_owned(),
    }
}

/// A line for each thing that is wrong, where it keeps everything from going on.
pub(super) fn failing(document: &StatusDocument) -> String {
    let mut lines = String::new();
    if document.health == HealthStatus::Failing {
        for ProblemStatus { scope, repository, error, remedy, .. } in &document.problems {
            let which = repository.map(|id| format!(" {id}")).unwrap_or_default();
            writeln!(lines, "{scope}{which}: {error}; {remedy}").expect("a string takes any text");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::document::{InstanceStatus, MirrorStatus, TotalsStatus};

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn document(ages: &[(u64, Option<u64>)], error: Option<&str>) -> StatusDocument {
        let repositories = ages.iter().map(|(id, age)| RepositoryStatus {
            id: *id,
            state: Some(StateStatus::Resting),
            certified_age_ms: *age,
            ..RepositoryStatus::default()
        });
        StatusDocument {
            version: String::new(),
            server: None,
            max_age_ms: None,
            health: HealthStatus::Ok,
            problems: Vec::new(),
            daemon: None,
            instance: None,
            totals: TotalsStatus::default(),
            mirror: MirrorStatus { error: error.map(str::to_owned), ..MirrorStatus::default() },
            repositories: repositories.collect(),
            latest_changes: Vec::new(),
            command: None,
        }
    }

    #[test]
    fn a_pass_as_old_as_allowed_is_recent_enough_and_a_moment_older_is_not() {
        assert_eq!(lacking(&document(&[(1, Some(0)), (2, Some(86_400_000))], None), DAY), "");
        assert_eq!(
            lacking(&document(&[(1, Some(0)), (2, Some(90_061_001))], None), DAY),
            "2: the last certified pass ended 1day 1h 1m 1s ago, status.max_age is 1day\n"
        );
    }

    #[test]
    fn a_repository_without_a_certified_pass_says_so_and_why_nothing_is_known() {
        assert_eq!(lacking(&document(&[(1, None)], None), DAY), "1: no certified pass yet\n");
        assert_eq!(
            lacking(&document(&[(1, None)], Some("the disk is gone")), DAY),
            "1: no certified pass since the start, and of earlier ones nothing is known: the disk \
             is gone\n"
        );
    }

    #[test]
    fn a_goal_that_is_missed_is_told_with_its_cause() {
        let mut document = document(&[(1, Some(0)), (2, Some(0))], None);
        let goal = |missed: Option<&str>| {
            Some(FreshnessStatus { goal_ms: 30_000, missed: missed.map(str::to_owned) })
        };
        document.repositories[0].freshness = goal(None);
        assert_eq!(lacking(&document, DAY), "");
        document.repositories[1].freshness = goal(Some("budget"));
        assert_eq!(lacking(&document, DAY), "2: freshness of 30s is missed: budget\n");
    }

    #[test]
    fn a_standby_is_ready_and_says_so_whatever_the_age_of_what_another_reads() {
        let mut document = document(&[(1, None)], None);
        document.repositories[0].state = Some(StateStatus::Standby);
        let leader = Some("a".to_owned());
        let role = RoleStatus::Standby;
        document.instance = Some(InstanceStatus { role, leader, ..InstanceStatus::default() });
        assert_eq!(
            (lacking(&document, DAY), ready(&document)),
            (String::new(), "standby: a reads\n".to_owned())
        );
    }

    #[test]
    fn what_is_wrong_counts_where_nothing_goes_on() {
        let mut document = document(&[(1, Some(0))], None);
        let problem = |scope: &str, repository| ProblemStatus {
            scope: scope.to_owned(),
            repository,
            error: "it is broken".to_owned(),
            remedy: "mend it".to_owned(),
            ..ProblemStatus::default()
        };
        document.problems = vec![problem("server", None), problem("deletes", Some(7))];
        document.health = HealthStatus::Degraded;
        assert_eq!(failing(&document), "");
        document.health = HealthStatus::Failing;
        let lines = "server: it is broken; mend it\ndeletes 7: it is broken; mend it\n";
        assert_eq!(failing(&document), lines);
    }

    #[test]
    fn a_repository_that_is_in_the_mirror_alone_is_not_waited_for() {
        let mut document = document(&[(1, None)], None);
        document.repositories[0].state = None;
        assert_eq!(lacking(&document, DAY), "");
    }
}
