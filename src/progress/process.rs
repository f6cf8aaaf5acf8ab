//! What the process as a whole last did.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::feeds::SeenFeeds;
use super::instance::InstanceState;
use super::known_models::SeenModels;
use super::last_minute::LastMinute;
use super::millis::whole_millis;
use super::problems::Problems;
use super::read_access::ReadAccess;
use super::shared_cadence::{FEW_REPOSITORIES, SharedCadence};
use crate::metrics::Counter;
use crate::metrics::calls::Calls;
use crate::text::CommandLine;

/// How long pages of many repositories are summed up.
const PAGES_FOR: Duration = Duration::from_secs(1);

/// How long quiet passes of many repositories are summed up.
const PASSES_FOR: Duration = Duration::from_secs(60);

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
    /// Another daemon reads: no session is needed.
    StandingBy,
}

/// The process as a whole.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    sign_in: watch::Sender<SignIn>,
    instance: watch::Sender<Option<InstanceState>>,
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
    /// Of these, those of the last minute.
    recent_requests: LastMinute,
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
    /// How many repositories this process is to read.
    repositories: AtomicUsize,
    /// How pages are told of where there are many repositories.
    pub page_lines: SharedCadence,
    /// How quiet passes are told of there.
    pub pass_lines: SharedCadence,
    /// What is known of the models.
    pub models: SeenModels,
    /// How feeds stand.
    pub feeds: SeenFeeds,
    /// Which repositories this login may not read, as far as the server says so.
    pub access: ReadAccess,
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
            instance: watch::Sender::new(None),
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
            recent_requests: LastMinute::default(),
            pages: Counter::default(),
            items: Counter::default(),
            created: Counter::default(),
            updated: Counter::default(),
            deleted: Counter::default(),
            passes: Counter::default(),
            certified: Counter::default(),
            restarts: Counter::default(),
            repositories: AtomicUsize::new(0),
            page_lines: SharedCadence::new(PAGES_FOR),
            pass_lines: SharedCadence::new(PASSES_FOR),
            models: SeenModels::default(),
            feeds: SeenFeeds::default(),
            access: ReadAccess::default(),
            problems: Problems::default(),
            command,
        }
    }

    /// The time since the start.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Notes how many repositories this process is to read.
    pub fn set_repositories(&self, count: usize) {
        self.repositories.store(count, Ordering::Relaxed);
    }

    /// Whether there are too many repositories to tell of each by itself.
    pub fn is_of_many(&self) -> bool {
        self.repositories.load(Ordering::Relaxed) > FEW_REPOSITORIES
    }

    /// Notes that a page request is sent.
    pub fn request_sent(&self) {
        self.requests.increment();
        self.recent_requests.count(self.uptime());
    }

    /// Page requests of the last minute.
    pub fn requests_last_minute(&self) -> u64 {
        self.recent_requests.total(self.uptime())
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

    /// Notes that the mirror cannot be used any more, and why; the first reason given counts.
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

    /// Notes how this daemon stands among those that share its mirror.
    pub fn set_instance(&self, state: InstanceState) {
        self.instance.send_replace(Some(state));
    }

    /// How this daemon stands among those that share its mirror; `None`: it cannot be shared.
    pub fn instance(&self) -> Option<InstanceState> {
        self.instance.borrow().clone()
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
