//! A set of named tasks: no task without a name, an owner that joins it, and a known end.
//!
//! Not `tokio_util::task::JoinMap`: it would abort the task that has a name already where another of
//! that name is started, while a page of the old one may be being written; it has no place for a
//! heartbeat; and its feature brings a second version of `hashbrown`, to save a map of ours.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;

use tokio::task::{AbortHandle, Id, JoinSet};

use crate::domain::{FeedName, RepositoryId};
use crate::task::heartbeat::{Heartbeat, TaskLanes};

/// The tasks that the supervisor runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskName {
    /// The token refresher.
    Refresher,
    /// The pager of a repository.
    Pager(RepositoryId),
    /// The status endpoint.
    Status,
    /// What renews the leases.
    Leases,
    /// The logout of a daemon that stands by.
    SignOut,
    /// What follows the model.
    Model,
    /// What asks which repositories there are.
    Offer,
    /// What delivers a feed.
    Feed(FeedName),
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refresher => f.write_str("token refresher"),
            Self::Pager(repository) => write!(f, "pager {repository}"),
            Self::Status => f.write_str("status endpoint"),
            Self::Leases => f.write_str("lease renewal"),
            Self::SignOut => f.write_str("logout"),
            Self::Model => f.write_str("model refresher"),
            Self::Offer => f.write_str("list of repositories"),
            Self::Feed(name) => write!(f, "feed {name}"),
        }
    }
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskEnd {
    /// By itself.
    Finished,
    /// With a panic, which the panic hook has told of.
    Panicked,
    /// By being aborted.
    Aborted,
}

/// The set. Dropping it aborts them all.
#[derive(Debug, Default)]
pub struct Tasks {
    set: JoinSet<()>,
    running: HashMap<Id, Running>,
    /// How many run of each name: with a thousand repositories that is asked a million times.
    names: HashMap<TaskName, usize>,
}

/// A task that runs.
#[derive(Debug)]
struct Running {
    name: TaskName,
    heartbeat: Option<Heartbeat>,
    handle: AbortHandle,
}

impl Tasks {
    /// Starts a task; with its heartbeat, where anybody is to look at that.
    pub fn start(
        &mut self,
        name: TaskName,
        heartbeat: Option<Heartbeat>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let handle = self.set.spawn(task);
        let id = handle.id();
        *self.names.entry(name).or_default() += 1;
        self.running.insert(id, Running { name, heartbeat, handle });
    }

    /// The next end of a task; `None` where none runs. Can be dropped and called anew.
    pub async fn next_end(&mut self) -> Option<(TaskName, TaskEnd)> {
        loop {
            let (id, end) = match self.set.join_next_with_id().await? {
                Ok((id, ())) => (id, TaskEnd::Finished),
                Err(error) if error.is_panic() => (error.id(), TaskEnd::Panicked),
                Err(error) => (error.id(), TaskEnd::Aborted),
            };
            if let Some(ended) = self.running.remove(&id) {
                if let Entry::Occupied(mut count) = self.names.entry(ended.name) {
                    *count.get_mut() -= 1;
                    if *count.get() == 0 {
                        count.remove();
                    }
                }
                return Some((ended.name, end));
            }
        }
    }

    /// Whether a task of this name runs.
    pub fn runs(&self, name: TaskName) -> bool {
        self.names.contains_key(&name)
    }

    /// The tasks that still run, in a stable order.
    pub fn running(&self) -> Vec<TaskName> {
        let mut names: Vec<_> = self.running.values().map(|running| running.name).collect();
        names.sort_unstable();
        names
    }

    /// What the tasks were last heard of that have a heartbeat, in a stable order.
    pub fn lanes(&self) -> BTreeMap<TaskName, TaskLanes> {
        let heard = self.running.values().filter_map(|running| {
            let heartbeat = running.heartbeat.as_ref()?;
            Some((running.name, heartbeat.lanes()))
        });
        heard.collect()
    }

    /// Ends a task at its next await, which is told like any other end; returns whether it runs.
    pub fn abort_one(&mut self, name: TaskName) -> bool {
        let of_name = self.running.values().find(|running| running.name == name);
        of_name.inspect(|running| running.handle.abort()).is_some()
    }

    /// Ends all tasks at their next await, and waits for that.
    pub async fn abort(&mut self) {
        self.set.shutdown().await;
        self.running.clear();
        self.names.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_end_is_told_with_the_name_of_its_task() {
        let mut tasks = Tasks::default();
        let pager = TaskName::Pager(RepositoryId(7));
        tasks.start(pager, None, async {});
        assert!(tasks.runs(pager));
        assert_eq!(tasks.next_end().await, Some((pager, TaskEnd::Finished)));
        tasks.start(TaskName::Refresher, None, async { panic!("on purpose") });
        assert_eq!(tasks.next_end().await, Some((TaskName::Refresher, TaskEnd::Panicked)));
        assert_eq!(tasks.next_end().await, None);
    }

    #[tokio::test]
    async fn an_abort_leaves_nothing_running() {
        let mut tasks = Tasks::default();
        tasks.start(TaskName::Refresher, None, std::future::pending());
        assert_eq!(tasks.running(), [TaskName::Refresher]);
        tasks.abort().await;
        assert_eq!(tasks.running(), []);
        assert_eq!(tasks.next_end().await, None);
    }
}
