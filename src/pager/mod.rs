//! The endless loop of one repository.
//!
//! Each pass asks [`pass::Pass`] what to read next, fetches it (several pages at once, if so
//! configured), hands the pages on in order, and tells what came of it; then it rests and starts
//! the next. Decisions are pure and lie in the files beside this one; here is only the waiting.
//!
//! Guarantees: pages reach the mirror in the order of the list and one at a time; a wish to stop
//! lets the pages under way come home; new settings take effect with the next request and keep the
//! place in the pass, unless they change what is searched for: then the pass starts over.

pub mod cadence;
pub mod fetch;
pub mod link;
mod pace;
pub mod pass;
pub mod window;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use self::cadence::{Cadence, Telling};
use self::fetch::{Fetched, Fetcher};
use self::link::Row;
use self::pace::{Pace, rested};
use self::pass::{Ask, Pass, PassSettings, Taken, Ticket, Verdict, Why};
use crate::client::retry::Backoff;
use crate::client::{Api, SearchRequest};
use crate::config::{PagingConfig, RepositoryConfig};
use crate::ids::{Iteration, RepositoryId};
use crate::mirror::{Checkpoint, Mirror, MirrorError, PageOfItems, PassFigures, Tally};
use crate::outage::Outage;
use crate::progress::RepositoryProgress;
use crate::stop::{Stop, Stopper};
use crate::telemetry::event::{self, PageRead, PassComplete};

/// Of the pages that may be under way at once, this many times as many are read ahead of one whose
/// answer is late: enough for the others to stay busy, few enough to be held in memory.
const READ_AHEAD: usize = 2;

/// How long the pager runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// Pass after pass, until told to stop.
    Endless,
    /// One.
    One,
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
    /// Changes when the next pass is to begin without rest.
    pub nudges: watch::Receiver<u64>,
    /// Changes when the server or the user is another one: a pass is of one list.
    pub start_overs: watch::Receiver<u64>,
    /// Where it tells how far it is; also where it takes up the count of passes.
    pub progress: watch::Sender<RepositoryProgress>,
    /// How long it runs.
    pub passes: Passes,
    /// When to end.
    pub stop: Stop,
}

/// Why a pass is over.
enum PassEnd {
    Complete,
    /// The settings changed what is searched for, or where, or for whom.
    Outdated,
    Stopped,
}

/// A request under way, or its answer: which pass it belongs to, and which request of it.
type Flight = (Iteration, Ticket, Option<Fetched>);

impl<A: Api, M: Mirror> Pager<A, M> {
    /// Runs pass after pass.
    pub async fn run(self) {
        let paging = self.settings.borrow().paging.clone();
        let iteration = self.progress.borrow().iteration;
        let (recall, recalled) = Stopper::new();
        Run {
            pace: Pace::new(paging.page_interval),
            pager: self,
            flights: JoinSet::new(),
            recall,
            recalled,
            cadence: Cadence::default(),
            iteration,
        }
        .run()
        .await;
    }
}

/// A running pager: what lives longer than one pass.
struct Run<A, M> {
    pager: Pager<A, M>,
    /// Requests under way, those included that a change of plan has made void: their answers may
    /// still carry a REST token.
    flights: JoinSet<Flight>,
    /// Ends their waits.
    recall: Stopper,
    recalled: Stop,
    pace: Pace,
    cadence: Cadence,
    iteration: Iteration,
}

/// One pass under way.
struct UnderWay {
    pass: Pass,
    config: Arc<RepositoryConfig>,
    /// Of the configuration: shared by all requests of the pass.
    conditions: Arc<Map<String, Value>>,
    begun: Instant,
    /// Planned, but not yet sent.
    next: Option<Ask>,
    /// Answers whose turn has not come.
    answered: HashMap<Ticket, Fetched>,
    tally: Tally,
    requests_before: u64,
}

impl<A: Api, M: Mirror> Run<A, M> {
    async fn run(mut self) {
        loop {
            let end = self.pass().await;
            // Pages of the next pass are not summed up with those of this one, however it ended.
            self.tell_sum();
            match end {
                PassEnd::Stopped => break,
                PassEnd::Outdated => {}
                PassEnd::Complete if self.pager.passes == Passes::One => break,
                PassEnd::Complete => {
                    if self.rest().await.is_none() {
                        break;
                    }
                }
            }
            self.iteration = self.iteration.next();
        }
    }

    /// One trip over the repository.
    async fn pass(&mut self) -> PassEnd {
        self.pager.start_overs.mark_unchanged();
        let config = Arc::clone(&self.pager.settings.borrow_and_update());
        // They may have changed during the rest.
        self.pace.set(config.paging.page_interval);
        let mut under_way = UnderWay {
            pass: Pass::new(pass_settings(&config.paging)),
            conditions: Arc::new(config.search.clone()),
            config,
            begun: Instant::now(),
            next: None,
            answered: HashMap::new(),
            tally: Tally::default(),
            requests_before: self.pager.fetcher.requests.get(),
        };
        // Before the first page, so that no other pass takes its number, even if a panic ends it.
        self.pager.progress.send_modify(|progress| {
            progress.iteration = self.iteration;
            (progress.pages, progress.covered) = (0, 0);
        });
        let mut stop = self.pager.stop.clone();
        loop {
            let stopping = stop.is_requested();
            if stopping {
                self.recall.stop();
            }
            if stopping && self.flights.is_empty() {
                return PassEnd::Stopped;
            }
            let in_flight = under_way.config.paging.in_flight.get() as usize;
            let ahead = self.flights.len() + under_way.answered.len();
            let may_send = !stopping
                && self.flights.len() < in_flight
                && ahead < in_flight * READ_AHEAD
                && under_way.plan_next().is_some();
            let due = self.cadence.due();
            tokio::select! {
                // In this order: a repository that is taken out is stopped, and then loses its
                // settings, while its pages under way still come home.
                biased;
                () = stop.requested(), if !stopping => {}
                changed = self.pager.settings.changed(), if !stopping => {
                    if changed.is_err() {
                        return PassEnd::Stopped;
                    }
                    if !self.apply(&mut under_way) {
                        return PassEnd::Outdated;
                    }
                }
                Ok(()) = self.pager.start_overs.changed(), if !stopping => {
                    self.recall();
                    return PassEnd::Outdated;
                }
                () = at(due) => self.tell_sum(),
                Some(flight) = self.flights.join_next() => {
                    if self.land(&mut under_way, flight).await {
                        self.complete(&under_way);
                        return PassEnd::Complete;
                    }
                }
                () = self.pace.tick(), if may_send => {
                    if let Some(ask) = under_way.next.take() {
                        self.send(under_way.request(ask), ask.ticket);
                    }
                }
            }
        }
    }

    /// Applies new settings to a pass under way; false where it must start over.
    fn apply(&mut self, under_way: &mut UnderWay) -> bool {
        let config = Arc::clone(&self.pager.settings.borrow_and_update());
        let old = std::mem::replace(&mut under_way.config, Arc::clone(&config));
        if old.search != config.search || old.item_id != config.item_id {
            self.recall();
            return false;
        }
        self.pace.set(config.paging.page_interval);
        let settings = pass_settings(&config.paging);
        if pass_settings(&old.paging) != settings {
            self.recall();
            under_way.pass.change_settings(settings);
        }
        true
    }

    /// Ends every wait of the requests under way. One that fails again and again, because of the
    /// settings that it was made with, would otherwise hold the place of those that replace it.
    fn recall(&mut self) {
        let (new, stop) = Stopper::new();
        std::mem::replace(&mut self.recall, new).stop();
        self.recalled = stop;
    }

    fn send(&mut self, request: SearchRequest, ticket: Ticket) {
        let fetcher = Arc::clone(&self.pager.fetcher);
        let (iteration, stop) = (self.iteration, self.recalled.clone());
        self.flights.spawn(async move { (iteration, ticket, fetcher.fetch(&request, stop).await) });
    }

    /// Takes what came back, and whatever its coming lets through; true once the pass has ended.
    async fn land(
        &mut self,
        under_way: &mut UnderWay,
        flight: Result<Flight, tokio::task::JoinError>,
    ) -> bool {
        let (iteration, ticket, fetched) = match flight {
            Ok(flight) => flight,
            // A panic in a request is one in the pager: the supervisor counts it and starts anew.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return false,
        };
        let Some(fetched) = fetched else { return false };
        self.pace.sent(fetched.begun);
        if iteration != self.iteration || !under_way.pass.wants(ticket) {
            return false;
        }
        under_way.answered.insert(ticket, fetched);
        while let Some(ticket) = under_way.pass.awaited() {
            let Some(fetched) = under_way.answered.remove(&ticket) else { break };
            if self.take(under_way, ticket, fetched).await == Taken::Ended {
                return true;
            }
        }
        let UnderWay { pass, answered, .. } = under_way;
        answered.retain(|ticket, _| pass.wants(*ticket));
        false
    }

    /// One page whose turn has come: into the mirror, into the pass, into the log.
    async fn take(&mut self, under_way: &mut UnderWay, ticket: Ticket, fetched: Fetched) -> Taken {
        let Fetched { answer, elapsed, .. } = fetched;
        let rows: Vec<Row> = answer
            .items
            .iter()
            .map(|item| Row { id: item.id.clone(), digest: item.digest })
            .collect();
        let page = PageOfItems {
            repository: under_way.config.id,
            iteration: self.iteration,
            ts_ms: 0,
            first_sight: vec![true; answer.items.len()],
            items: answer.items,
            ignore: Arc::clone(&under_way.config.ignore),
            figures: PassFigures::default(),
            checkpoint: Checkpoint::default(),
        };
        let Some(tally) = self.write(Arc::new(page)).await else { return Taken::Void };
        under_way.tally.add(tally);

        let items = rows.len() as u64;
        let taken = under_way.pass.take(ticket, rows, answer.total);
        let counts = under_way.pass.counts();
        let read = PageRead {
            repository: under_way.config.id,
            iteration: self.iteration,
            page: counts.pages,
            items,
            total: answer.total,
            elapsed,
        };
        self.tell(under_way.config.paging.page_interval, &read);
        if let Taken::Replanned(why) = taken {
            event::stepped_back(read.repository, read.iteration, read.page, reason(why));
        }
        self.pager.progress.send_modify(|progress| {
            progress.iteration = self.iteration;
            progress.pages = counts.pages;
            progress.covered = under_way.pass.covered();
            progress.total = Some(answer.total);
        });
        taken
    }

    /// Writes a page until it is written; `None` if told to stop before.
    async fn write(&self, page: Arc<PageOfItems>) -> Option<Tally> {
        let (mut attempt, mut outage) = (0, Outage::default());
        loop {
            match self.pager.mirror.write_page(Arc::clone(&page)).await {
                Ok(tally) => {
                    if let Some(ended) = outage.succeeded(Instant::now()) {
                        let repository = Some(page.repository);
                        event::reconnected(repository, "mirror", ended.away, ended.failures);
                    }
                    return Some(tally);
                }
                Err(error) => {
                    attempt += 1;
                    let fraction = self.pager.fetcher.chance.fraction();
                    let delay = Backoff::for_requests().delay(attempt, fraction, None);
                    let aloud = outage.failed(Instant::now());
                    tell_unwritten(page.repository, attempt, delay, &error, aloud);
                    let mut stop = self.pager.stop.clone();
                    tokio::select! {
                        () = stop.requested() => return None,
                        () = sleep(delay) => {}
                    }
                }
            }
        }
    }

    fn tell(&mut self, page_interval: Duration, page: &PageRead) {
        let totals = &self.pager.fetcher.progress;
        totals.pages.increment();
        totals.items.add(page.items);
        match self.cadence.page(Instant::now(), page_interval, page) {
            Telling::Singly => event::page_read(page, totals.uptime()),
            Telling::InSum => event::page_read_in_haste(page, totals.uptime()),
        }
    }

    fn tell_sum(&mut self) {
        if let Some(sum) = self.cadence.take(Instant::now()) {
            event::pages_read(&sum, self.pager.fetcher.progress.uptime());
        }
    }

    fn complete(&mut self, under_way: &UnderWay) {
        self.tell_sum();
        let counts = under_way.pass.counts();
        let totals = &self.pager.fetcher.progress;
        let complete = PassComplete {
            repository: under_way.config.id,
            iteration: self.iteration,
            pages: counts.pages,
            requests: self.pager.fetcher.requests.get() - under_way.requests_before,
            items: counts.distinct,
            created: under_way.tally.created,
            updated: under_way.tally.updated,
            deleted: under_way.tally.deleted,
            unchanged: under_way.tally.unchanged,
            elapsed: under_way.begun.elapsed(),
        };
        let doubt = match under_way.pass.verdict() {
            Some(Verdict::Certified) => None,
            Some(Verdict::NotCertified(doubt)) => Some(doubt),
            None => return,
        };
        totals.passes.increment();
        if doubt.is_none() {
            totals.certified.increment();
        }
        event::pass_complete(&complete, doubt.as_ref().map(|doubt| doubt as _));
        self.pager.progress.send_modify(|progress| progress.passes += 1);
    }

    /// Waits for the next pass to be due; `None` if told to stop.
    async fn rest(&mut self) -> Option<()> {
        let begun = Instant::now();
        loop {
            let pass_interval = self.pager.settings.borrow_and_update().paging.pass_interval;
            tokio::select! {
                biased;
                () = self.pager.stop.requested() => return None,
                changed = self.pager.nudges.changed() => return changed.ok(),
                changed = self.pager.settings.changed() => changed.ok()?,
                () = rested(begun, pass_interval) => return Some(()),
            }
        }
    }
}

impl UnderWay {
    /// The request to send next, if one is known to be needed.
    fn plan_next(&mut self) -> Option<Ask> {
        self.next = self.next.filter(|ask| self.pass.wants(ask.ticket));
        if self.next.is_none() {
            self.next = self.pass.plan();
        }
        self.next
    }

    fn request(&self, ask: Ask) -> SearchRequest {
        SearchRequest {
            repository: self.config.id,
            page: ask.window.page,
            page_size: ask.window.size,
            conditions: Arc::clone(&self.conditions),
            item_id: self.config.item_id.clone(),
        }
    }
}

fn pass_settings(paging: &PagingConfig) -> PassSettings {
    PassSettings { page_size: paging.page_size.get(), overlap: paging.overlap }
}

fn tell_unwritten(
    repository: RepositoryId,
    attempt: u32,
    retry_in: Duration,
    error: &MirrorError,
    aloud: bool,
) {
    let failure = event::RequestFailed {
        repository: Some(repository),
        endpoint: "mirror",
        attempt,
        retry_in,
        error,
        answer: None,
        remedy: None,
    };
    if aloud {
        event::request_failed_for_good(&failure);
    } else {
        event::request_failed_again(&failure);
    }
}

fn reason(why: Why) -> &'static str {
    match why {
        Why::OverlapLost => "overlap lost",
        Why::ShortPage => "short page",
        Why::PageRepeated => "page repeated",
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
