//! What is wrong, as the mirror's figures and the daemon together have it. Pure.
//!
//! Most of it the daemon has noted where it happened. Three things show in the mirror alone, with or
//! without a daemon: deletions that wait for the operator, passes that are too old, and that it cannot be read.

use std::collections::HashMap;
use std::time::Duration;

use super::input::{ConfiguredRepository, DocumentInput};
use crate::domain::RepositoryId;
use crate::mirror::RepositorySummary;
use crate::progress::problems::{
    self, Problem, ProblemKind, ProblemReport, Scope, Source, worst_first,
};
use crate::progress::{Activity, RepositoryProgress};
use crate::text::CommandLine;

/// A repository whose last certified pass is too old.
const OVERDUE: ProblemKind = ProblemKind { scope: Scope::Repository, what: "overdue" };

/// The mirror's figures.
const FIGURES: Source = Source { scope: Scope::Mirror, repository: None, what: "figures" };

/// All that is wrong, worst first.
pub(super) fn wrong(input: &DocumentInput<'_>) -> Vec<Problem> {
    let mut found = input.problems.clone();
    match &input.summary {
        Some(Ok(summary)) => {
            // The mirror knows of an approval before the daemon does.
            found.retain(|problem| problem.source.scope != Scope::Deletes);
            let kept = summary.repositories.iter();
            found.extend(kept.filter_map(|kept| held(kept, input.now_ms, input.command)));
        }
        // Without a daemon there is nothing to be told where the figures cannot be read.
        Some(Err(error)) if input.daemon.is_some() => found.push(unreadable(error)),
        Some(Err(_)) | None => {}
    }
    if let (Some(daemon), Some(max_age)) = (&input.daemon, input.max_age) {
        let uptime = Duration::from_millis(daemon.uptime_ms);
        // Of what another daemon reads that one tells.
        let is_read = |it: &RepositoryProgress| it.activity != Activity::StandingBy;
        let read = input.repositories.iter().filter(|it| it.progress.as_ref().is_some_and(is_read));
        let summary = input.summary.as_ref().and_then(|summary| summary.as_ref().ok());
        let kept = summary.map(|it| it.repositories.as_slice()).unwrap_or_default();
        let kept = kept.iter().map(|kept| (kept.id, kept)).collect();
        found.extend(read.filter_map(|configured| {
            let age = certified_age(configured, &kept, input.now_ms);
            overdue(configured.id, age, uptime, max_age)
        }));
    }
    worst_first(&mut found);
    found
}

fn certified_age(
    configured: &ConfiguredRepository,
    kept: &HashMap<RepositoryId, &RepositorySummary>,
    now_ms: i64,
) -> Option<Duration> {
    let pass = kept.get(&configured.id).map_or(configured.last_certified, |kept| kept.certified)?;
    let age = now_ms.saturating_sub(pass.ended_ms);
    Some(Duration::from_millis(u64::try_from(age).unwrap_or_default()))
}

fn held(kept: &RepositorySummary, now_ms: i64, command: &CommandLine) -> Option<Problem> {
    let held = kept.held.as_ref()?;
    let waiting = held.count.checked_sub(held.approved).filter(|waiting| *waiting > 0)?;
    let since = held.since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms));
    Some(Problem {
        source: problems::HELD.of(kept.id),
        since: Duration::from_millis(u64::try_from(since).unwrap_or_default()),
        failures: waiting,
        report: problems::held(kept.id, waiting, command),
    })
}

fn overdue(
    repository: RepositoryId,
    certified: Option<Duration>,
    uptime: Duration,
    max_age: Duration,
) -> Option<Problem> {
    // Without any pass so far it may take as long as one may be old.
    let since = certified.unwrap_or(uptime).checked_sub(max_age).filter(|it| !it.is_zero())?;
    let max_age = shown(max_age);
    let error = match certified {
        Some(age) => format!(
            "the last certified pass ended {} ago, and status.max_age is {max_age}",
            shown(age)
        ),
        None => format!("no certified pass within status.max_age ({max_age})"),
    };
    let remedy = "see beside its passes why they are not certified, or what keeps them from \
                  ending; where one takes longer, raise status.max_age";
    let report = ProblemReport { error, remedy: remedy.to_owned(), retry_in: None, halts: false };
    Some(Problem { source: OVERDUE.of(repository), since, failures: 1, report })
}

fn unreadable(error: &str) -> Problem {
    let report = ProblemReport {
        error: format!("the mirror's figures cannot be read: {error}"),
        remedy: "see that the disk is there, has room and is not busy with something else"
            .to_owned(),
        retry_in: None,
        halts: false,
    };
    Problem { source: FIGURES, since: Duration::ZERO, failures: 1, report }
}

/// A duration in whole seconds, or as it is where it is shorter than one.
pub(super) fn shown(duration: Duration) -> humantime::FormattedDuration {
    let whole = Duration::from_secs(duration.as_secs());
    humantime::format_duration(if whole.is_zero() { duration } else { whole })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::{CertifiedPass, HeldSummary, MirrorSummary};
    use crate::status::document::DaemonStatus;
    use crate::testing::summary;

    const NOW_MS: i64 = 1_772_366_400_000;
    const HOUR: Duration = Duration::from_secs(3600);

    fn input(summary: Result<&MirrorSummary, String>) -> DocumentInput<'_> {
        DocumentInput {
            now_ms: NOW_MS,
            daemon: Some(DaemonStatus { uptime_ms: 7_200_000, ..DaemonStatus::default() }),
            mirror_url: "sqlite:///m.db",
            summary: Some(summary),
            repositories: vec![ConfiguredRepository {
                model_read_ms: None,
                id: RepositoryId(7),
                name: None,
                progress: Some(RepositoryProgress::START),
                last_certified: None,
                delays: None,
            }],
            instance: None,
            problems: Vec::new(),
            max_age: Some(HOUR),
            server: None,
            command: &CommandLine::DEFAULT,
        }
    }

    fn kept(certified_ago: Option<Duration>, approved: bool) -> MirrorSummary {
        let certified = certified_ago.map(|ago| CertifiedPass {
            iteration: crate::domain::Iteration(1),
            ended_ms: NOW_MS - i64::try_from(ago.as_millis()).unwrap(),
        });
        let since_ms = Some(NOW_MS - 60_000);
        let (approved, first) = (if approved { 7 } else { 0 }, Vec::new());
        let held = Some(HeldSummary { count: 7, iteration: None, since_ms, approved, first });
        let id = RepositoryId(7);
        let repository = RepositorySummary {
            id,
            items: 42,
            certified,
            suspects: 0,
            held,
            passes: Vec::new(),
            incremental: Vec::new(),
        };
        MirrorSummary { repositories: vec![repository], ..summary() }
    }

    #[test]
    fn deletions_wait_until_they_are_approved_whatever_the_daemon_knows() {
        let (waiting, approved) = (kept(Some(HOUR), false), kept(Some(HOUR), true));
        let found = wrong(&input(Ok(&waiting)));
        assert_eq!((found.len(), found[0].source.scope), (1, Scope::Deletes));
        assert_eq!((found[0].since, found[0].failures), (Duration::from_secs(60), 7));
        let approve = "if so: ewmirror approve-deletes --repository 7";
        assert!(found[0].report.remedy.ends_with(approve), "{}", found[0].report.remedy);
        let known = DocumentInput { problems: found, ..input(Ok(&approved)) };
        assert_eq!(wrong(&known), []);
    }

    #[test]
    fn a_pass_is_overdue_once_it_is_older_than_allowed_or_none_came_for_as_long() {
        let errors = |certified: Option<Duration>| {
            let kept = kept(certified, true);
            let found = wrong(&input(Ok(&kept)));
            found.into_iter().map(|it| (it.since, it.report.error)).collect::<Vec<_>>()
        };
        assert_eq!(errors(Some(HOUR)), []);
        let late = "the last certified pass ended 1h 30m ago, and status.max_age is 1h".to_owned();
        assert_eq!(errors(Some(HOUR * 3 / 2)), [(HOUR / 2, late)]);
        let never = "no certified pass within status.max_age (1h)".to_owned();
        assert_eq!(errors(None), [(HOUR, never)]);
    }

    #[test]
    fn a_mirror_that_a_daemon_cannot_read_is_a_problem() {
        let mut input = input(Err("the disk is gone".to_owned()));
        input.max_age = None;
        assert!(wrong(&input)[0].report.error.ends_with("cannot be read: the disk is gone"));
        input.daemon = None;
        assert_eq!(wrong(&input), []);
    }
}
