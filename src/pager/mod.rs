//! The endless loop of one repository.
//!
//! Each pass asks [`pass::Pass`] what to read next, fetches it (several pages at once, if so
//! configured), hands the pages on in order, and tells what came of it; then it reconciles what was not
//! seen, pauses and starts the next. Decisions are pure and lie in the files beside this one; here is
//! only the waiting.
//!
//! Guarantees: pages reach the mirror in the order of the list and one at a time, while the next
//! ones are fetched; each with a checkpoint from which the pass goes on after a restart; a wish to
//! stop lets the pages under way come home; new settings take effect with the next request and keep
//! the place in the pass, unless they change what is searched for: then the pass starts over. Each
//! wait, here and below, says how long it may take.

mod begin;
pub mod cadence;
mod current_pass;
mod finish;
mod pages;
pub mod proof;
pub mod rate;
mod reconcile;
pub mod request;
mod retrying_mirror;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use self::cadence::Cadence;
use self::current_pass::{CurrentPass, PendingWrite, pass_settings};
use self::proof::pass::{RereadReason, WindowRequest};
use self::rate::pace::Pace;
pub use self::rate::{Limiter, RateLimit};
use self::request::fetch::Fetcher;
use self::request::fingerprints::FingerprintCache;
use self::request::outcome::FetchOutcome;
use self::retrying_mirror::RetryingMirror;
use crate::client::{Api, SearchRequest};
use crate::config::RepositoryConfig;
use crate::domain::{IdSet, Iteration};
use crate::mirror::{ChangeCounts, Interrupted, Mirror};
use crate::progress::{Activity, RepositoryProgress};
use crate::task::heartbeat::{Lane, Until};
use crate::task::{Stop, Stopper};

/// Of the pages that may be under way at once, this many times as many are read ahead of one whose
/// answer is late: enough for the others to stay busy, few enough to be held in memory.
const READ_AHEAD: usize = 2;

/// How long the pager runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassLimit {
    /// Pass after pass, until told to stop.
    Endless,
    /// One.
    One,
}

/// What holds for the mirrors of all repositories.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangeRetention {
    /// `changes.keep`.
    pub keep: Option<Duration>,
}

/// What the pager of one repository works with.
#[derive(Debug)]
pub struct Pager<A, M> {
    /// What fetches its pages.
    pub fetcher: Arc<Fetcher<A>>,
    /// Where they go.
    pub mirror: Arc<M>,
    /// Its section of the configuration, as it changes.
    pub settings: watch::Receiver<Arc<RepositoryConfig>>,
    /// `[changes]`, as they change.
    pub rules: watch::Receiver<ChangeRetention>,
    /// Changes when the next pass is to begin without a pause.
    pub wakes: watch::Receiver<u64>,
    /// A hash of server and user. It changes when either is another one: a pass is of one list.
    pub source: watch::Receiver<u64>,
    /// Where it tells how far it is; also where it takes up the count of passes.
    pub progress: watch::Sender<RepositoryProgress>,
    /// How long it runs.
    pub passes: PassLimit,
    /// When to end.
    pub stop: Stop,
    /// Its lane.
    pub lane: Arc<Lane>,
}

/// Why a pass is over.
enum PassEnd {
    Complete,
    /// The settings changed what is searched for, or where, or for whom.
    Outdated,
    Stopped,
}

/// A request under way, or its answer: which pass it belongs to, and which request of it.
type Flight = (Iteration, WindowRequest, Option<FetchOutcome>);

impl<A: Api, M: Mirror> Pager<A, M> {
    /// Runs pass after pass, the interrupted one first.
    pub async fn run(self) {
        let id = self.settings.borrow().id;
        let store = RetryingMirror {
            mirror: Arc::clone(&self.mirror),
            repository: id,
            progress: Arc::clone(&self.fetcher.progress),
            chance: Arc::clone(&self.fetcher.chance),
            stop: self.stop.clone(),
            lane: Arc::clone(&self.lane),
        };
        let Some(resume_point) = store.load().await else { return };
        // After a panic the supervisor names the pass after the one that failed: what a defect left
        // of it is not to be trusted.
        let asked = self.progress.borrow().iteration;
        let interrupted = resume_point.interrupted.filter(|_| asked <= resume_point.iteration);
        let (cancel, cancelled) = Stopper::new();
        Run {
            pace: Pace::new(self.fetcher.limiter.interval()),
            store,
            pager: self,
            flights: JoinSet::new(),
            writes: JoinSet::new(),
            cancel,
            cancelled,
            cadence: Cadence::default(),
            fingerprints: FingerprintCache::default(),
            iteration: resume_point.iteration.max(asked),
            holds: false,
            still_there: IdSet::new(),
            lasting: 0,
        }
        .run(interrupted)
        .await;
    }
}

/// A running pager: what lives longer than one pass.
struct Run<A, M> {
    pager: Pager<A, M>,
    store: RetryingMirror<M>,
    /// Requests under way, those included that a change of plan has made void: their answers may
    /// still carry a REST token.
    flights: JoinSet<Flight>,
    /// The page being written, if one is.
    writes: JoinSet<(PendingWrite, Option<ChangeCounts>)>,
    /// Ends their waits.
    cancel: Stopper,
    cancelled: Stop,
    pace: Pace,
    cadence: Cadence,
    fingerprints: FingerprintCache,
    iteration: Iteration,
    /// Whether deletions are held back, which the operator may approve during the pause.
    holds: bool,
    /// Suspects that the server had at the end of the last certified pass.
    still_there: IdSet,
    /// How many certified passes in a row there were any.
    lasting: u32,
}

impl<A: Api, M: Mirror> Run<A, M> {
    async fn run(mut self, mut interrupted: Option<Interrupted>) {
        loop {
            let end = self.pass(interrupted.take()).await;
            // Pages of the next pass are not summed up with those of this one, however it ended;
            // and nothing else is asked of the mirror while a page is being written.
            while self.next_written().await.is_some() {}
            self.tell_sum();
            match end {
                PassEnd::Stopped => break,
                PassEnd::Outdated => {}
                PassEnd::Complete if self.pager.passes == PassLimit::One => break,
                PassEnd::Complete => {
                    self.fingerprints.end_pass(self.iteration);
                    self.now(Activity::Idle);
                    if self.pause().await.is_none() {
                        break;
                    }
                }
            }
            self.iteration = self.iteration.next();
        }
        self.now(Activity::Stopped);
    }

    async fn next_written(
        &mut self,
    ) -> Option<Result<(PendingWrite, Option<ChangeCounts>), JoinError>> {
        self.pager.lane.wait(Until::OtherLanes, self.writes.join_next()).await
    }

    fn now(&self, activity: Activity) {
        self.pager.progress.send_modify(|progress| progress.activity = activity);
    }

    /// One trip over the repository, or what is left of one.
    async fn pass(&mut self, interrupted: Option<Interrupted>) -> PassEnd {
        let source = *self.pager.source.borrow_and_update();
        let config = Arc::clone(&self.pager.settings.borrow_and_update());
        // They may have changed during the pause.
        self.pager.fetcher.limiter.set(&config.paging);
        let Some(mut current) = self.begin(config, source, interrupted).await else {
            return PassEnd::Stopped;
        };
        let mut stop = self.pager.stop.clone();
        loop {
            let stopping = stop.is_requested();
            if stopping {
                self.cancel.stop();
            }
            if self.writes.is_empty() {
                if current.pass.verdict().is_some() {
                    return self.finish(&mut current).await.unwrap_or(PassEnd::Stopped);
                }
                if stopping && self.flights.is_empty() {
                    return PassEnd::Stopped;
                }
            }
            let in_flight = self.keep_pace();
            let ahead = self.flights.len() + current.landed.len();
            let may_send = !stopping
                && self.flights.len() < in_flight
                && ahead < in_flight * READ_AHEAD
                && current.plan_next().is_some();
            let due = self.cadence.due();
            let until = self.until(may_send);
            tokio::select! {
                // In this order: a repository that is taken out is stopped, and then loses its
                // settings, while its pages under way still come home.
                biased;
                () = stop.requested(), if !stopping => {}
                changed = self.pager.settings.changed(), if !stopping => {
                    if changed.is_err() {
                        return PassEnd::Stopped;
                    }
                    if !self.apply(&mut current) {
                        return PassEnd::Outdated;
                    }
                }
                Ok(()) = self.pager.source.changed(), if !stopping => {
                    self.cancel_requests();
                    return PassEnd::Outdated;
                }
                () = at(due) => self.tell_sum(),
                Some(written) = self.writes.join_next() => {
                    if !self.written(&current, written) {
                        // The page in hand stays unwritten, so nothing after it may be written.
                        return PassEnd::Stopped;
                    }
                    self.take_next(&mut current);
                }
                Some(flight) = self.flights.join_next() => {
                    self.land(&mut current, flight);
                    self.take_next(&mut current);
                }
                () = self.pace.tick(), if may_send => {
                    if let Some(ask) = current.next.take() {
                        let known = self.fingerprints.of(ask.window);
                        self.send(current.request(ask, known), ask);
                    }
                }
                never = self.pager.lane.waits(until) => match never {},
            }
        }
    }

    /// Takes up what the limiter allows by now; returns how many requests that is at once.
    fn keep_pace(&mut self) -> usize {
        let limiter = &self.pager.fetcher.limiter;
        let (limit, interval) = (limiter.limit(), limiter.interval());
        self.pace.set(interval);
        self.pager.progress.send_if_modified(|progress| {
            let news = (progress.in_flight, progress.page_interval) != (limit, interval);
            (progress.in_flight, progress.page_interval) = (limit, interval);
            news
        });
        limit as usize
    }

    /// How long nothing may happen in a pass.
    fn until(&self, may_send: bool) -> Until {
        if !self.flights.is_empty() || !self.writes.is_empty() {
            Until::OtherLanes
        } else if may_send {
            Until::Within(self.pace.period())
        } else {
            Until::AT_ONCE
        }
    }

    /// Applies new settings to a pass under way; false where it must start over.
    fn apply(&mut self, current: &mut CurrentPass) -> bool {
        let config = Arc::clone(&self.pager.settings.borrow_and_update());
        let old = std::mem::replace(&mut current.config, Arc::clone(&config));
        if old.search != config.search || old.item_id != config.item_id {
            self.cancel_requests();
            return false;
        }
        self.pager.fetcher.limiter.set(&config.paging);
        let settings = pass_settings(&config.paging);
        if pass_settings(&old.paging) != settings {
            self.cancel_requests();
            current.pass.change_settings(settings);
            // Or they would take up the room of those that are wanted now.
            current.drop_void();
        }
        true
    }

    /// Ends every wait of the requests under way. One that fails again and again, because of the
    /// settings that it was made with, would otherwise hold the place of those that replace it.
    fn cancel_requests(&mut self) {
        let (new, stop) = Stopper::new();
        std::mem::replace(&mut self.cancel, new).stop();
        self.cancelled = stop;
    }

    fn send(&mut self, request: SearchRequest, ask: WindowRequest) {
        let fetcher = Arc::clone(&self.pager.fetcher);
        let (iteration, stop) = (self.iteration, self.cancelled.clone());
        let lane = self.pager.lane.another();
        self.flights
            .spawn(async move { (iteration, ask, fetcher.fetch(&request, stop, &lane).await) });
    }
}

/// What a task came to; `None` where it was aborted. A panic in it is one in the pager: the
/// supervisor counts it and starts anew.
fn joined<T>(ended: Result<T, JoinError>) -> Option<T> {
    match ended {
        Ok(value) => Some(value),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}

fn words(reason: RereadReason) -> &'static str {
    match reason {
        RereadReason::ListShrank => "list shrank",
        RereadReason::OverlapLost => "overlap lost",
        RereadReason::ShortPage => "short page",
        RereadReason::PageRepeated => "page repeated",
        RereadReason::TotalTooLow => "total too low",
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
