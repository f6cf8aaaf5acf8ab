//! Looking after the tasks, and telling the service manager what came of it.
//!
//! This is part of the supervisor's own loop, so that a supervisor that is stuck feeds no watchdog
//! either.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::freshness::{self, FRESHNESS, FreshnessLook, FreshnessWatch, LATELY};
use super::host_check;
use super::state::Supervisor;
use super::status_line::{RepositoryLine, SignInLine, status_line};

use crate::client::Api;
use crate::mirror::Mirror;
use crate::progress::problems::{ProblemReport, Scope, Source};
use crate::progress::{FreshnessProgress, InstanceState, SignIn};
use crate::telemetry::event;

/// Settings that wait for a restart of the daemon.
const RESTART: Source = Source { scope: Scope::Mirror, repository: None, what: "settings" };

/// How often the tasks are looked at, at least.
const CHECK_EVERY: Duration = Duration::from_secs(10);

/// Of the time after which the service manager gives the process up, the part between two looks: so
/// that a look that is late, or lost, costs nothing.
const CHECKS_PER_WATCHDOG: u32 = 3;

/// How often the service manager is told what the daemon is doing, at most.
const STATUS_EVERY: Duration = Duration::from_secs(5);

/// How often it is looked whether a sum of pages or passes is due.
const SUMS_EVERY: Duration = Duration::from_secs(1);

impl<A: Api, M: Mirror> Supervisor<A, M> {
    /// When to look.
    pub(super) fn check_every(&self) -> Interval {
        let watchdog = self.given.notifier.watchdog();
        let period =
            watchdog.map_or(CHECK_EVERY, |time| CHECK_EVERY.min(time / CHECKS_PER_WATCHDOG));
        // A period of nothing would be none.
        every(period.max(Duration::from_millis(1)))
    }

    /// Looks whether any task hangs; where none does, says so.
    pub(super) fn check_health(&mut self) {
        let tasks = self.tasks.lanes();
        let report = self.watchdog.check(tasks, self.session.standing(), Instant::now());
        for hang in report.newly_hung {
            event::task_hangs(&hang.task.to_string(), hang.silent);
        }
        if report.is_healthy {
            self.given.notifier.alive();
        }
        self.given.notifier.retry();
        self.tell_sums();
        host_check::check_clock(self.given.api.clock_ahead_s(), &self.given.progress);
        self.host_check.check_disk(&self.given.mirror, &self.given.progress);
        self.check_freshness();
    }

    /// Looks whether changes are found as soon as they should be.
    fn check_freshness(&mut self) {
        let progress = &self.given.progress;
        let (uptime, clock_ahead_s) = (progress.uptime(), self.given.api.clock_ahead_s());
        for (id, repository) in &mut self.repositories {
            let source = FRESHNESS.of(*id);
            let goal = repository.settings.borrow().freshness;
            let seen = *repository.progress.borrow();
            let judged = seen.incremental.filter(|it| {
                // Before the first whole pass there may be nothing to be fresh.
                seen.passes > 0 || it.last.is_some() || it.obstacle.is_some()
            });
            let counts = &repository.fetcher.counts;
            let look = goal.zip(judged).map(|(goal, it)| FreshnessLook {
                goal,
                unread_for: it.last.map_or(uptime, |last| last.ended.elapsed()),
                p99: counts.delays.p99(uptime, LATELY),
                obstacle: it.obstacle,
                clock_ahead_s,
                answer: counts.incremental.latest_answer(),
            });
            let stands = if let Some(look) = &look {
                Some(repository.freshness.look(look))
            } else {
                repository.freshness = FreshnessWatch::default();
                goal.map(|goal| FreshnessProgress { goal, missed: None })
            };
            match look.as_ref().zip(stands.and_then(|it| it.missed)) {
                Some((look, cause)) => {
                    progress.problems.stands(source, freshness::report(look, cause));
                }
                None => progress.problems.over(source),
            }
            repository.progress.send_if_modified(|progress| {
                let is_news = progress.freshness != stands;
                progress.freshness = stands;
                is_news
            });
        }
    }

    /// Tells the sums that are due of pages and passes of many repositories.
    pub(super) fn tell_sums(&self) {
        let progress = &self.given.progress;
        let now = Instant::now();
        if let Some(sum) = progress.page_lines.take_due(now) {
            event::pages_read_of_many(&sum, progress.uptime());
        }
        if let Some(sum) = progress.pass_lines.take_due(now) {
            event::passes_complete(&sum, progress.uptime());
        }
    }

    /// The same, due or not: nothing comes any more.
    pub(super) fn tell_last_sums(&self) {
        let progress = &self.given.progress;
        if let Some(sum) = progress.page_lines.take() {
            event::pages_read_of_many(&sum, progress.uptime());
        }
        if let Some(sum) = progress.pass_lines.take() {
            event::passes_complete(&sum, progress.uptime());
        }
    }

    /// Tells which keys wait for a restart, and that none does.
    pub(super) fn note_restart_needed(&self, keys: &[&'static str]) {
        for key in keys {
            event::restart_needed(key);
        }
        let problems = &self.given.progress.problems;
        if keys.is_empty() {
            return problems.over(RESTART);
        }
        let report = ProblemReport {
            error: format!("{} changed, and that holds from the next start on", keys.join(" and ")),
            remedy: "restart the daemon, or take the change back and reload".to_owned(),
            retry_in: None,
            halts: false,
        };
        problems.stands(RESTART, report);
    }

    /// Notes since when signing in stands as it does.
    pub(super) fn note_sign_in(&mut self) {
        let state = self.sign_in.borrow().clone();
        if self.signing_in.0 != state {
            self.signing_in = (state, Instant::now());
        }
    }

    /// Tells what the daemon is doing, where that is not known yet.
    pub(super) fn report_status(&mut self) {
        // It may not have been this news' turn yet.
        self.note_sign_in();
        let now = Instant::now();
        let since = |then: Instant| now.saturating_duration_since(then);
        let session = match &self.signing_in {
            (SignIn::Trying, _) => SignInLine::Trying,
            (SignIn::SignedIn, then) => SignInLine::SignedIn(since(*then)),
            (SignIn::Renewing, then) => SignInLine::Renewing(since(*then)),
            (SignIn::Denied(_), then) => SignInLine::Denied(since(*then)),
            (SignIn::StandingBy, _) => SignInLine::StandingBy,
        };
        let repositories = self.repositories.iter().map(|(id, repository)| {
            let progress = *repository.progress.borrow();
            let certified = progress.certified.map(|pass| since(pass.ended));
            RepositoryLine { id: *id, progress, certified }
        });
        let problems = self.given.progress.problems.told();
        let instance = self.given.progress.instance();
        let leader = instance.as_ref().and_then(InstanceState::leader);
        let line = status_line(&problems, &repositories.collect::<Vec<_>>(), session, leader);
        if line != self.last_status_line && self.given.notifier.status(&line) {
            self.last_status_line = line;
        }
    }
}

/// When to tell.
pub(super) fn status_every() -> Interval {
    every(STATUS_EVERY)
}

/// When to look whether a sum is due.
pub(super) fn sums_every() -> Interval {
    every(SUMS_EVERY)
}

/// The first time at once; what was missed is not made up for.
fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
