//! The signs of life of a task: what each of its strands waits for, and how long that may take.
//!
//! A strand is one future that does one thing after the other; a task that waits for several at
//! once has several. A strand that waits says so with [`Alive::during`] or [`Alive::waits`]; from
//! the end of a wait to the next one it works, which is brief. So an await that does not say how
//! long it may take is told from a hang by nothing, and whoever judges takes it for one: it does
//! not go unnoticed for long.
//!
//! Nothing here decides anything or waits by itself.

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a wait may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// So long from its beginning.
    Within(Duration),
    /// As long as there is no session: whoever makes it is a task of its own.
    Session,
    /// As long as the task has another strand.
    OtherStrands,
}

impl Until {
    /// No time at all: the strand works.
    pub const AT_ONCE: Self = Self::Within(Duration::ZERO);
}

/// What a strand was last heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// When.
    pub at: Instant,
    /// How long from then on it may be silent.
    pub until: Until,
}

/// What a task was last heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signs {
    /// Its strands; none once it has ended.
    pub strands: Vec<Sign>,
    /// When one of its strands ended last, or when it began where none has.
    pub ended: Instant,
}

/// Looks at a task from outside.
#[derive(Clone, Debug)]
pub struct Heartbeat(Arc<Mutex<Beats>>);

impl Heartbeat {
    /// What it was last heard of.
    pub fn signs(&self) -> Signs {
        let beats = beats(&self.0);
        Signs { strands: beats.strands.iter().map(|(_, sign)| *sign).collect(), ended: beats.ended }
    }
}

/// One strand of a task. It is over when this is dropped.
#[derive(Debug)]
pub struct Alive {
    number: u64,
    beats: Arc<Mutex<Beats>>,
}

/// A plain mutex holds it: for a few instructions, never across an await.
#[derive(Debug)]
struct Beats {
    /// Few, each with its number.
    strands: Vec<(u64, Sign)>,
    next: u64,
    ended: Instant,
}

impl Alive {
    /// The first strand of a task that begins now.
    pub fn new() -> Self {
        let beats = Beats { strands: Vec::new(), next: 0, ended: Instant::now() };
        Self::beginning(&Arc::new(Mutex::new(beats)))
    }

    /// Another strand of the same task, which begins now.
    #[must_use]
    pub fn strand(&self) -> Self {
        Self::beginning(&self.beats)
    }

    /// Looks at the whole task.
    pub fn heartbeat(&self) -> Heartbeat {
        Heartbeat(Arc::clone(&self.beats))
    }

    /// Waits for something that may take so long.
    pub async fn during<F: Future>(&self, until: Until, wait: F) -> F::Output {
        let _waiting = self.enter(until);
        wait.await
    }

    /// For a `select!` that may take so long: a branch that is never ready.
    pub fn waits(&self, until: Until) -> impl Future<Output = Infallible> + Send {
        // Here and not at the first poll: other branches may be ready before that, round after
        // round, and each round is a sign of life.
        let waiting = self.enter(until);
        async move {
            let _waiting = waiting;
            std::future::pending().await
        }
    }

    fn beginning(beats: &Arc<Mutex<Beats>>) -> Self {
        let number = {
            let mut beats = self::beats(beats);
            let number = beats.next;
            beats.next += 1;
            beats.strands.push((number, Sign { at: Instant::now(), until: Until::AT_ONCE }));
            number
        };
        Self { number, beats: Arc::clone(beats) }
    }

    fn enter(&self, until: Until) -> Waiting<'_> {
        self.beat(until);
        Waiting(self)
    }

    fn beat(&self, until: Until) {
        let mut beats = beats(&self.beats);
        if let Some((_, sign)) = beats.strands.iter_mut().find(|strand| strand.0 == self.number) {
            *sign = Sign { at: Instant::now(), until };
        }
    }
}

impl Default for Alive {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let mut beats = beats(&self.beats);
        beats.strands.retain(|(number, _)| *number != self.number);
        beats.ended = Instant::now();
    }
}

/// A wait under way. It ends when this is dropped, whether what was waited for came or not.
struct Waiting<'a>(&'a Alive);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.beat(Until::AT_ONCE);
    }
}

fn beats(beats: &Mutex<Beats>) -> MutexGuard<'_, Beats> {
    beats.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_seen_from_its_beginning_to_its_end_however_it_ends() {
        let alive = Alive::new();
        let heartbeat = alive.heartbeat();
        let working = |at| vec![Sign { at, until: Until::AT_ONCE }];
        let begun = Instant::now();
        assert_eq!(heartbeat.signs().strands, working(begun));
        let wait = alive.during(Until::Within(5 * SECOND), sleep(3 * SECOND));
        let look = async {
            sleep(SECOND).await;
            assert_eq!(
                heartbeat.signs().strands,
                [Sign { at: begun, until: Until::Within(5 * SECOND) }]
            );
        };
        tokio::join!(wait, look);
        assert_eq!(heartbeat.signs().strands, working(begun + 3 * SECOND));
        let given_up = alive.during(Until::Session, std::future::pending::<()>());
        assert!(timeout(SECOND, given_up).await.is_err());
        assert_eq!(heartbeat.signs().strands, working(begun + 4 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn each_round_of_a_select_is_a_sign_of_life_also_where_it_never_waits() {
        let alive = Alive::new();
        for _ in 0..3 {
            sleep(SECOND).await;
            tokio::select! {
                biased;
                () = std::future::ready(()) => {}
                never = alive.waits(Until::OtherStrands) => match never {}
            }
            let sign = Sign { at: Instant::now(), until: Until::AT_ONCE };
            assert_eq!(alive.heartbeat().signs().strands, [sign]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn strands_come_and_go() {
        let first = Alive::new();
        let heartbeat = first.heartbeat();
        let second = first.strand();
        assert_eq!(heartbeat.signs().strands.len(), 2);
        sleep(SECOND).await;
        drop(first);
        let signs = heartbeat.signs();
        assert_eq!((signs.strands.len(), signs.ended), (1, Instant::now()));
        drop(second);
        assert_eq!(heartbeat.signs().strands, []);
    }
}
