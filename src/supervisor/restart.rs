//! When a task that panicked is started again. Pure: the time is an argument.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::tasks::TaskName;
use crate::domain::FeedName;
use crate::progress::problems::{ProblemReport, Scope, Source};
use crate::task::Backoff;

/// The waits after failures in a row. The cap: a defect that strikes at once each time costs little,
/// and one that has gone with the data that caused it does not cost much time.
const WAITS: Backoff = Backoff::steady(Duration::from_secs(1), Duration::from_secs(60));

/// A task that has run for so long is taken to be well again.
const WELL_AFTER: Duration = Duration::from_secs(600);

/// The failures of all tasks, and who waits to be started again.
#[derive(Debug, Default)]
pub struct Restarts {
    records: HashMap<TaskName, RestartRecord>,
}

#[derive(Clone, Copy, Debug)]
struct RestartRecord {
    failures: u32,
    last: Instant,
    due: Option<Instant>,
}

/// What a failure leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// Failures in a row.
    pub failures: u32,
    /// How long until the task is started again.
    pub after: Duration,
}

impl Restart {
    /// What is to be said of it until the task is started again.
    pub(super) fn report(&self, name: TaskName) -> ProblemReport {
        ProblemReport {
            error: format!("the {name} failed by a defect of this program"),
            remedy: "report it, with what the log says of the panic".to_owned(),
            retry_in: Some(self.after),
            halts: !matches!(
                name,
                TaskName::Status
                    | TaskName::SignOut
                    | TaskName::Model
                    | TaskName::Offer
                    | TaskName::Feed(_)
            ),
        }
    }
}

/// The place of a task that waits to be started again.
pub(super) fn source(name: TaskName) -> Source {
    const RESTART: &str = "restart";
    let (scope, repository) = match name {
        TaskName::Pager(id) => (Scope::Repository, Some(id)),
        TaskName::Refresher | TaskName::SignOut => (Scope::Login, None),
        // Each feed has its own. No feed has such a name.
        TaskName::Feed(feed) => {
            let what = FeedName::of(&format!("{feed} {RESTART}")).as_str();
            return Source { scope: Scope::Feed, repository: None, what };
        }
        TaskName::Leases |
        // Nothing that is mirrored depends on these.
        TaskName::Status | TaskName::Model | TaskName::Offer => (Scope::Mirror, None),
    };
    Source { scope, repository, what: RESTART }
}

impl Restarts {
    /// Notes a failure and puts the task on the list.
    pub fn failed(&mut self, name: TaskName, now: Instant) -> Restart {
        let failures = match self.records.get(&name) {
            Some(record) if now.saturating_duration_since(record.last) < WELL_AFTER => {
                record.failures.saturating_add(1)
            }
            _ => 1,
        };
        let after = WAITS.ceiling(failures);
        self.records.insert(name, RestartRecord { failures, last: now, due: Some(now + after) });
        Restart { failures, after }
    }

    /// When the next task is due, where one waits.
    pub fn next_due(&self) -> Option<Instant> {
        self.records.values().filter_map(|record| record.due).min()
    }

    /// Takes one task that is due from the list.
    pub fn take_due(&mut self, now: Instant) -> Option<TaskName> {
        let (name, record) =
            self.records.iter_mut().find(|(_, record)| record.due.is_some_and(|due| due <= now))?;
        record.due = None;
        Some(*name)
    }

    /// Whether a task waits to be started again.
    pub fn waits(&self, name: TaskName) -> bool {
        self.records.get(&name).is_some_and(|record| record.due.is_some())
    }

    /// Takes a task from the list that is no longer wanted.
    pub fn forget(&mut self, name: TaskName) {
        self.records.remove(&name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_a_minute_and_begin_anew_after_ten_good_ones() {
        let (mut restarts, mut now) = (Restarts::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..9 {
            let restart = restarts.failed(TaskName::Refresher, now);
            waits.push(restart.after.as_secs());
            assert_eq!(restarts.next_due(), Some(now + restart.after));
            assert_eq!(restarts.take_due(now), None);
            now += restart.after;
            assert_eq!(restarts.take_due(now), Some(TaskName::Refresher));
            assert_eq!(restarts.next_due(), None);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        let restart = restarts.failed(TaskName::Refresher, now + WELL_AFTER);
        assert_eq!(restart, Restart { failures: 1, after: WAITS.base });
    }
}
