//! What was done for one repository, and how far its pager is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::change_delays::ChangeDelays;
use super::millis::whole_millis;
use crate::config::IncrementalMode;
use crate::domain::Iteration;
use crate::metrics::{Counter, Histogram};

/// From a repository of a few pages to one that takes more than a day.
const PASS_BOUNDS: &[Duration] = &[
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(4 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];

/// What was counted of one repository, whatever became of its pager meanwhile.
#[derive(Debug)]
pub struct RepositoryCounts {
    /// Page requests sent, answered or not.
    pub requests: Counter,
    /// Pages read.
    pub pages: Counter,
    /// Items read, however often.
    pub items: Counter,
    /// Items that the mirror did not have.
    pub created: Counter,
    /// Items that were different in the mirror.
    pub updated: Counter,
    /// Items deleted from the mirror.
    pub deleted: Counter,
    /// Passes completed and certified.
    pub certified: Counter,
    /// Passes completed and not certified.
    pub uncertified: Counter,
    /// How long passes took; one that was taken up again counts from then on.
    pub pass_took: Histogram,
    /// What was counted of incremental passes.
    pub incremental: IncrementalCounts,
    /// How late changes were found, where items tell when they changed.
    pub delays: ChangeDelays,
}

/// What was counted of the incremental passes of a repository.
#[derive(Debug, Default)]
pub struct IncrementalCounts {
    /// Passes that ended as they should.
    pub passes: Counter,
    /// Passes that did not: their search was not answered, or not as it was asked.
    pub failed: Counter,
    /// Page requests sent, answered or not.
    pub requests: Counter,
    /// Pages read.
    pub pages: Counter,
    /// Items read, however often.
    pub items: Counter,
    /// Items that the mirror did not have.
    pub created: Counter,
    /// Items that were different in the mirror.
    pub updated: Counter,
    /// How long the latest answer took, in milliseconds.
    answer_ms: AtomicU64,
}

impl IncrementalCounts {
    /// Notes how long an answer took.
    pub fn answered(&self, took: Duration) {
        self.answer_ms.store(whole_millis(took), Ordering::Relaxed);
    }

    /// How long the latest answer took.
    pub fn latest_answer(&self) -> Duration {
        Duration::from_millis(self.answer_ms.load(Ordering::Relaxed))
    }
}

impl RepositoryCounts {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            requests: Counter::default(),
            pages: Counter::default(),
            items: Counter::default(),
            created: Counter::default(),
            updated: Counter::default(),
            deleted: Counter::default(),
            certified: Counter::default(),
            uncertified: Counter::default(),
            pass_took: Histogram::new(PASS_BOUNDS),
            incremental: IncrementalCounts::default(),
            delays: ChangeDelays::new(),
        }
    }
}

impl Default for RepositoryCounts {
    fn default() -> Self {
        Self::new()
    }
}

/// What a pager does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It has not begun yet, or waits to be started again.
    Waiting,
    /// It reads pages.
    Paging,
    /// It waits between two passes.
    Idle,
    /// It has ended.
    Stopped,
    /// Another daemon reads the repository, or will.
    StandingBy,
}

/// A certified pass that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastCertified {
    /// Which.
    pub iteration: Iteration,
    /// When it ended.
    pub ended: Instant,
}

/// How far one repository is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepositoryProgress {
    /// What its pager does.
    pub activity: Activity,
    /// The pass under way, or the last one.
    pub iteration: Iteration,
    /// Pages read in it.
    pub pages: u64,
    /// Positions of the list that are read.
    pub covered: u64,
    /// Items that the server announced, once it has.
    pub total: Option<u64>,
    /// Passes completed.
    pub passes: u64,
    /// The last certified pass since the start.
    pub certified: Option<LastCertified>,
    /// Deletions that the last pass held back.
    pub held: u64,
    /// Passes in a row, since the start, that were not certified; the last one is among them.
    pub uncertified_in_a_row: u64,
    /// How many page requests may be under way at once; 0: not known yet.
    pub in_flight: u32,
    /// The least time between two of them.
    pub page_interval: Duration,
    /// How much later than its deadline the latest request of an incremental pass was let through: more than
    /// nothing where the budget of requests, or that of memory, does not suffice.
    pub behind: Duration,
    /// The incremental passes, where there are any.
    pub incremental: Option<IncrementalProgress>,
    /// How it stands with `freshness`, where that is set.
    pub freshness: Option<FreshnessProgress>,
}

/// How it stands with the goal of finding changes soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreshnessProgress {
    /// The goal.
    pub goal: Duration,
    /// Why it is missed, where it is.
    pub missed: Option<FreshnessCause>,
}

/// Why changes are found later than they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreshnessCause {
    /// What incremental passes ask for is refused, not obeyed or not so.
    Conditions,
    /// The server's clock is behind.
    Clock,
    /// Answers take too long.
    Latency,
    /// More requests are to be made than may be.
    Budget,
}

impl FreshnessCause {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Conditions => "conditions",
            Self::Clock => "clock",
            Self::Latency => "latency",
            Self::Budget => "budget",
        }
    }
}

/// How the incremental passes of a repository stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncrementalProgress {
    /// How the server is asked.
    pub mode: IncrementalMode,
    /// The latest change that is known, in milliseconds since 1970; `None` in the mode `newest_first`.
    pub mark_ms: Option<i64>,
    /// Passes that ended as they should, since the start.
    pub passes: u64,
    /// The last of them.
    pub last: Option<LastIncremental>,
    /// The time that an item claims and that lies in the future, which holds the mark back.
    pub held_back_ms: Option<i64>,
    /// Why no incremental pass is made at the moment, or why the last one came to nothing.
    pub obstacle: Option<IncrementalObstacle>,
}

/// An incremental pass that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastIncremental {
    /// When.
    pub ended: Instant,
    /// Pages read.
    pub pages: u64,
    /// Items read.
    pub items: u64,
    /// Items that the mirror did not have.
    pub created: u64,
    /// Items that were different in the mirror.
    pub updated: u64,
}

/// What keeps incremental passes from being of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncrementalObstacle {
    /// Their search fails.
    Failing,
    /// Their search is answered as if it had no condition.
    Ignored,
    /// The list is not in the order of last change.
    OutOfOrder,
}

impl IncrementalObstacle {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Ignored => "ignored",
            Self::OutOfOrder => "out_of_order",
        }
    }
}

impl RepositoryProgress {
    /// Before the first page.
    pub const START: Self = Self {
        activity: Activity::Waiting,
        iteration: Iteration::FIRST,
        pages: 0,
        covered: 0,
        total: None,
        passes: 0,
        certified: None,
        held: 0,
        uncertified_in_a_row: 0,
        in_flight: 0,
        page_interval: Duration::ZERO,
        behind: Duration::ZERO,
        incremental: None,
        freshness: None,
    };
}
