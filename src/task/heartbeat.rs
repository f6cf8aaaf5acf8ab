//! The heartbeat of a task: what each of its lanes waits for, and how long that may take.
//!
//! A lane is one future that does one thing after the other; a task that waits for several at
//! once has several. A lane that waits says so with [`Lane::wait`], which a task calls by its
//! [`super::context::Context`]; from the end of a wait to the next one it works, which is brief. So an
//! await that does not say how long it may take is told from a hang by nothing, and the watchdog takes
//! it for one: it does not go unnoticed for long.
//!
//! Nothing here decides anything or waits by itself.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a wait may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// So long from its beginning.
    Within(Duration),
    /// As long as there is no session: it is made by a task of its own.
    Session,
    /// As long as the task has another lane.
    OtherLanes,
}

impl Until {
    /// No time at all: the lane works.
    pub const AT_ONCE: Self = Self::Within(Duration::ZERO);

    /// For ever: what is waited for is not this program's to bring about.
    pub const UNLIMITED: Self = Self::Within(Duration::MAX);
}

/// What a lane was last heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneState {
    /// When.
    pub at: Instant,
    /// How long from then on it may be silent.
    pub until: Until,
}

/// What a task was last heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskLanes {
    /// Its lanes; none once it has ended.
    pub lanes: Vec<LaneState>,
    /// When one of its lanes ended last, or when it began where none has.
    pub ended: Instant,
}

/// Looks at a task from outside.
#[derive(Clone, Debug)]
pub struct Heartbeat(Arc<Mutex<LaneTable>>);

impl Heartbeat {
    /// What it was last heard of.
    pub fn lanes(&self) -> TaskLanes {
        let table = table(&self.0);
        TaskLanes {
            lanes: table.lanes.iter().map(|(_, state)| *state).collect(),
            ended: table.ended,
        }
    }
}

/// One lane of a task. It is over when this is dropped.
#[derive(Debug)]
pub struct Lane {
    number: u64,
    table: Arc<Mutex<LaneTable>>,
}

/// A plain mutex holds it: for a few instructions, never across an await.
#[derive(Debug)]
struct LaneTable {
    /// Few, each with its number.
    lanes: Vec<(u64, LaneState)>,
    next: u64,
    ended: Instant,
}

impl Lane {
    /// The first lane of a task that begins now.
    pub fn new() -> Self {
        let table = LaneTable { lanes: Vec::new(), next: 0, ended: Instant::now() };
        Self::beginning(&Arc::new(Mutex::new(table)))
    }

    /// Another lane of the same task, which begins now.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::beginning(&self.table)
    }

    /// Looks at the whole task.
    pub fn heartbeat(&self) -> Heartbeat {
        Heartbeat(Arc::clone(&self.table))
    }

    /// Waits for something that may take so long.
    pub async fn wait<F: Future>(&self, until: Until, wait: F) -> F::Output {
        let _waiting = self.enter(until);
        wait.await
    }

    fn beginning(table: &Arc<Mutex<LaneTable>>) -> Self {
        let number = {
            let mut table = self::table(table);
            let number = table.next;
            table.next += 1;
            table.lanes.push((number, LaneState { at: Instant::now(), until: Until::AT_ONCE }));
            number
        };
        Self { number, table: Arc::clone(table) }
    }

    fn enter(&self, until: Until) -> Waiting<'_> {
        self.mark(until);
        Waiting(self)
    }

    fn mark(&self, until: Until) {
        let mut table = table(&self.table);
        if let Some((_, state)) = table.lanes.iter_mut().find(|lane| lane.0 == self.number) {
            *state = LaneState { at: Instant::now(), until };
        }
    }
}

impl Default for Lane {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut table = table(&self.table);
        table.lanes.retain(|(number, _)| *number != self.number);
        table.ended = Instant::now();
    }
}

/// A wait under way. It ends when this is dropped, whether what was waited for came or not.
struct Waiting<'a>(&'a Lane);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.mark(Until::AT_ONCE);
    }
}

fn table(table: &Mutex<LaneTable>) -> MutexGuard<'_, LaneTable> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_seen_from_its_beginning_to_its_end_however_it_ends() {
        let lane = Lane::new();
        let heartbeat = lane.heartbeat();
        let working = |at| vec![LaneState { at, until: Until::AT_ONCE }];
        let begun = Instant::now();
        assert_eq!(heartbeat.lanes().lanes, working(begun));
        let wait = lane.wait(Until::Within(5 * SECOND), sleep(3 * SECOND));
        let look = async {
            sleep(SECOND).await;
            assert_eq!(
                heartbeat.lanes().lanes,
                [LaneState { at: begun, until: Until::Within(5 * SECOND) }]
            );
        };
        tokio::join!(wait, look);
        assert_eq!(heartbeat.lanes().lanes, working(begun + 3 * SECOND));
        let given_up = lane.wait(Until::Session, std::future::pending::<()>());
        assert!(timeout(SECOND, given_up).await.is_err());
        assert_eq!(heartbeat.lanes().lanes, working(begun + 4 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn each_round_of_a_select_is_a_sign_of_life_also_where_it_never_waits() {
        let lane = Lane::new();
        for _ in 0..3 {
            sleep(SECOND).await;
            let either = async {
                tokio::select! {
                    biased;
                    () = std::future::ready(()) => {}
                    () = std::future::pending() => {}
                }
            };
            lane.wait(Until::OtherLanes, either).await;
            let state = LaneState { at: Instant::now(), until: Until::AT_ONCE };
            assert_eq!(lane.heartbeat().lanes().lanes, [state]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_come_and_go() {
        let first = Lane::new();
        let heartbeat = first.heartbeat();
        let second = first.another();
        assert_eq!(heartbeat.lanes().lanes.len(), 2);
        sleep(SECOND).await;
        drop(first);
        let lanes = heartbeat.lanes();
        assert_eq!((lanes.lanes.len(), lanes.ended), (1, Instant::now()));
        drop(second);
        assert_eq!(heartbeat.lanes().lanes, []);
    }
}
