//! What the tasks last did: written by them, read by whoever shows or judges it.
//!
//! Counters only grow. Nothing here decides anything, and nobody waits here but for the state of
//! signing in.

pub mod problems;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::domain::Iteration;
use crate::metrics::calls::Calls;
pub use crate::metrics::{Counter, Histogram};
use crate::progress::problems::Problems;
use crate::text::CommandLine;

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

/// How signing in stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// Not tried yet, or under way without a final word.
    Trying,
    /// There is a session.
    SignedIn,
    /// The session was refused, or said to have ended, and there is no newer one yet.
    Renewing,
    /// The server did not accept the name or the password; the text says what it said.
    Denied(String),
}

/// The process as a whole.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    sign_in: watch::Sender<SignIn>,
    mirror_lost: watch::Sender<Option<String>>,
    /// Since when there is no session to work with.
    signed_out: Moment,
    /// Milliseconds from `started` to the latest page.
    last_page_ms: AtomicU64,
    session: Moment,
    rest_token: Moment,
    /// Calls to the server, by what came of them.
    pub calls: Arc<Calls>,
    /// First logins and later ones.
    pub logins: Counter,
    /// REST tokens taken from answers.
    pub rest_tokens: Counter,
    /// Requests that the server refused to its credentials.
    pub refusals: Counter,
    /// Requests that failed otherwise.
    pub failures: Counter,
    /// Requests that were sent again after a refusal or a failure.
    pub retries: Counter,
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
    /// Passes completed.
    pub passes: Counter,
    /// Passes completed and certified.
    pub certified: Counter,
    /// Tasks started again after a panic.
    pub restarts: Counter,
    /// What is wrong at the moment.
    pub problems: Problems,
    /// How people call this program with the configuration that it runs with.
    pub command: CommandLine,
}

impl Progress {
    /// A process that has just started.
    pub fn new() -> Self {
        Self::of(CommandLine::DEFAULT)
    }

    /// A process that has just started and is asked with such a command.
    pub fn of(command: CommandLine) -> Self {
        let signed_out = Moment::default();
        signed_out.set(Some(Duration::ZERO));
        Self {
            started: Instant::now(),
            sign_in: watch::Sender::new(SignIn::Trying),
            mirror_lost: watch::Sender::new(None),
            signed_out,
            last_page_ms: AtomicU64::new(0),
            session: Moment::default(),
            rest_token: Moment::default(),
            calls: Arc::default(),
            logins: Counter::default(),
            rest_tokens: Counter::default(),
            refusals: Counter::default(),
            failures: Counter::default(),
            retries: Counter::default(),
            requests: Counter::default(),
            pages: Counter::default(),
            items: Counter::default(),
            created: Counter::default(),
            updated: Counter::default(),
            deleted: Counter::default(),
            passes: Counter::default(),
            certified: Counter::default(),
            restarts: Counter::default(),
            problems: Problems::default(),
            command,
        }
    }

    /// The time since the start.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Notes that a page has come.
    pub fn page_came(&self) {
        self.last_page_ms.fetch_max(whole_millis(self.uptime()), Ordering::Relaxed);
    }

    /// The time since the latest page, or since the start where there was none.
    pub fn since_page(&self) -> Duration {
        let last = Duration::from_millis(self.last_page_ms.load(Ordering::Relaxed));
        self.uptime().saturating_sub(last)
    }

    /// Notes that a session has begun, with a REST token or without.
    pub fn session_began(&self, with_rest_token: bool) {
        let now = self.uptime();
        self.session.set(Some(now));
        self.rest_token.set(with_rest_token.then_some(now));
    }

    /// Notes that a REST token has come with an answer.
    pub fn rest_token_came(&self) {
        self.rest_token.set(Some(self.uptime()));
    }

    /// How old the session is; `None` before the first.
    pub fn session_age(&self) -> Option<Duration> {
        self.session.get().map(|at| self.uptime().saturating_sub(at))
    }

    /// How old its REST token is; `None` where it has none.
    pub fn rest_token_age(&self) -> Option<Duration> {
        self.rest_token.get().map(|at| self.uptime().saturating_sub(at))
    }

    /// For how long there has been no session to work with; `None` while there is one.
    pub fn signed_out(&self) -> Option<Duration> {
        self.signed_out.get().map(|at| self.uptime().saturating_sub(at))
    }

    /// Notes how signing in stands.
    pub fn set_sign_in(&self, state: SignIn) {
        if state == SignIn::SignedIn {
            self.signed_out.set(None);
        } else if self.signed_out.get().is_none() {
            self.signed_out.set(Some(self.uptime()));
        }
        self.sign_in.send_if_modified(|old| {
            let news = *old != state;
            *old = state;
            news
        });
    }

    /// Notes that the mirror cannot be used any more, and why; the first one who says so is heard.
    pub fn lose_mirror(&self, why: impl FnOnce() -> String) {
        self.mirror_lost.send_if_modified(|lost| {
            let news = lost.is_none();
            lost.get_or_insert_with(why);
            news
        });
    }

    /// Why the mirror cannot be used any more, once it is so.
    pub fn mirror_lost(&self) -> watch::Receiver<Option<String>> {
        self.mirror_lost.subscribe()
    }

    /// How signing in stands, as it changes.
    pub fn sign_in(&self) -> watch::Receiver<SignIn> {
        self.sign_in.subscribe()
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

/// When something was, as the time from the start of the process.
#[derive(Debug, Default)]
struct Moment {
    /// In milliseconds, and one more; 0: it never was.
    millis: AtomicU64,
}

impl Moment {
    fn set(&self, at: Option<Duration>) {
        let millis = at.map_or(0, |at| whole_millis(at).saturating_add(1));
        self.millis.store(millis, Ordering::Relaxed);
    }

    fn get(&self) -> Option<Duration> {
        self.millis.load(Ordering::Relaxed).checked_sub(1).map(Duration::from_millis)
    }
}

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
    };
}

/// A duration in whole milliseconds, as logs carry it.
pub fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
