//! The run loop: pass after pass, and within a pass one event after the other.

use std::sync::Arc;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinError;
use tokio::time::Instant;

use super::begin::begin;
use super::current_pass::{CurrentPass, SettingsChange, pass_settings};
use super::finish::{Finish, Unresolved};
use super::incremental::IncrementalPasses;
use super::pages::{Pages, Written};
use super::pause::pause;
use super::proof::pass::Ticket;
use super::rate::Urgency;
use super::rate::page_size::PageSizer;
use super::request::in_flight::{InFlight, RequestEvent};
use super::retrying_mirror::RetryingMirror;
use super::task::{Pager, PassLimit};
use crate::client::Api;
use crate::config::AutoOr;
use crate::domain::Iteration;
use crate::mirror::{Interrupted, KnowledgeUpdate, Mirror};
use crate::progress::{Activity, RepositoryProgress};
use crate::task::context::at;
use crate::task::{Stopped, Until};

/// Of the pages that may be under way at once, this many times as many are read ahead of one whose
/// answer is late: enough for the others to stay busy, few enough to be held in memory.
const READ_AHEAD: usize = 2;

/// Runs pass after pass, the interrupted one first, and incremental passes beside them, until the pager
/// has made its passes or is told to stop.
pub async fn run<A: Api, M: Mirror>(pager: Pager<A, M>) {
    let repository = pager.settings.borrow().id;
    let mirror = Arc::new(RetryingMirror {
        mirror: Arc::clone(&pager.mirror),
        writer: pager.mirror.writer(repository, &pager.lease),
        lease: pager.lease.clone(),
        lost_leases: pager.lost_leases.clone(),
        repository,
        progress: Arc::clone(&pager.fetcher.progress),
        chance: Arc::clone(&pager.fetcher.chance),
        readings: Arc::clone(&pager.fetcher.shared.readings),
        turn: Mutex::default(),
    });
    let Ok(resume_point) = mirror.load(&pager.context).await else { return };
    let Ok(knowledge) = mirror.knowledge(&pager.context).await else { return };
    // After a panic the supervisor names the pass after the one that failed: what a defect left
    // of it is not to be trusted.
    let asked = pager.progress.borrow().iteration;
    let interrupted = resume_point.interrupted.filter(|_| asked <= resume_point.iteration);
    let mut requests = InFlight::new(&pager.fetcher, &pager.context);
    let sizer = PageSizer::new(*pager.source.borrow(), knowledge.habits.as_deref());
    let item_id = pager.settings.borrow().item_id.clone();
    requests.restore(knowledge.answers, &item_id, resume_point.iteration.max(asked));
    let iteration = resume_point.iteration.max(asked);
    let beside = pager.context.child();
    let incremental = (pager.passes == PassLimit::Endless).then(|| {
        let context = pager.context.lane_in(&beside);
        IncrementalPasses::new(&pager, &mirror, iteration, context).run(resume_point.mark)
    });
    let run = Run {
        requests,
        sizer,
        pages: Pages::new(&mirror),
        mirror,
        pager,
        iteration,
        unresolved: Unresolved::default(),
        awaited: None,
    };
    let whole = async {
        run.passes(interrupted).await;
        beside.cancel();
    };
    match incremental {
        // The page in hand is finished first.
        Some(incremental) => drop(tokio::join!(whole, incremental)),
        None => whole.await,
    }
}

/// A running pager: what lives longer than one pass.
struct Run<A, M> {
    pager: Pager<A, M>,
    mirror: Arc<RetryingMirror<M>>,
    requests: InFlight<A>,
    /// What is known of page sizes, where they are found by ourselves.
    sizer: PageSizer,
    pages: Pages<M>,
    iteration: Iteration,
    unresolved: Unresolved,
    /// The request whose page is to be written next.
    awaited: Option<Ticket>,
}

/// How a pass is over that was not stopped.
enum PassEnd {
    Complete,
    /// The settings changed what is searched for, or where, or for whom.
    Outdated,
}

/// What may happen in a pass.
enum PassEvent {
    /// The wish to stop.
    Stop,
    /// Other settings, or none any more: the repository has been taken out.
    Settings(Result<(), watch::error::RecvError>),
    /// Another server or user.
    Source,
    /// It is time to tell the sum of the pages read.
    SumDue,
    Written(Result<Written, JoinError>),
    Request(RequestEvent),
}

impl<A: Api, M: Mirror> Run<A, M> {
    async fn passes(mut self, mut interrupted: Option<Interrupted>) {
        loop {
            let end = self.pass(interrupted.take()).await;
            // Pages of the next pass are not summed up with those of this one, however it ended;
            // and nothing else is asked of the mirror while a page is being written.
            let written = self.pages.all_written();
            self.pager.context.wait(Until::OtherLanes, written).await;
            self.pages.tell_sum(&self.pager);
            match end {
                Err(Stopped) => break,
                Ok(PassEnd::Outdated) => {}
                Ok(PassEnd::Complete) => {
                    if self.keep_knowledge().await.is_err() || self.pager.passes == PassLimit::One {
                        break;
                    }
                    self.pager.now(Activity::Idle);
                    if pause(&mut self.pager, &self.mirror, &self.unresolved).await.is_err() {
                        break;
                    }
                }
            }
            self.iteration = self.iteration.next();
        }
        self.pager.now(Activity::Stopped);
    }

    /// Keeps what the pass has taught of the server's answers, so that no restart is a new beginning.
    async fn keep_knowledge(&mut self) -> Result<(), Stopped> {
        let mut updates = self.requests.end_pass(self.iteration);
        if self.pager.settings.borrow().paging.page_size == AutoOr::Auto {
            let habits = self.sizer.end_pass();
            updates.push(KnowledgeUpdate { habits, ..KnowledgeUpdate::default() });
        }
        for update in updates.into_iter().filter(|update| !update.is_empty()) {
            self.mirror.keep_knowledge(&self.pager.context, update).await?;
        }
        Ok(())
    }

    /// One trip over the repository, or what is left of one. A wish to stop ends it once the pages
    /// under way have come home.
    async fn pass(&mut self, interrupted: Option<Interrupted>) -> Result<PassEnd, Stopped> {
        let source = *self.pager.source.borrow_and_update();
        let config = Arc::clone(&self.pager.settings.borrow_and_update());
        // The settings may have changed during the pause.
        self.pager.fetcher.limiter.set(&config.paging);
        self.sizer.set_source(source);
        let list = (source, pass_settings(&config.paging, &self.sizer));
        let mut current =
            Box::pin(begin(&self.pager, &self.mirror, self.iteration, config, list, interrupted))
                .await?;
        loop {
            if current.take_makes_void() {
                self.requests.cancel(&self.pager.context);
            }
            let stopping = self.pager.context.is_stopped();
            if !self.pages.are_being_written() {
                if let Some(verdict) = current.pass.verdict() {
                    self.pages.tell_sum(&self.pager);
                    let finish = Finish {
                        pager: &self.pager,
                        mirror: &self.mirror,
                        iteration: self.iteration,
                        period: self.requests.period(),
                    };
                    // Boxed, as are the other steps that a thousand repositories do not do at once: the task
                    // of each has room for the largest of what it holds.
                    let finished = finish.run(verdict, &mut current, &mut self.unresolved);
                    Box::pin(finished).await?;
                    return Ok(PassEnd::Complete);
                }
                if stopping && self.requests.is_empty() {
                    return Err(Stopped);
                }
            }
            let may_send = self.keep_pace(&current) && !stopping && current.has_next();
            match self.event(stopping, may_send).await {
                PassEvent::Stop => {}
                PassEvent::Settings(changed) => {
                    changed.map_err(|_| Stopped)?;
                    if !self.apply_settings(&mut current) {
                        return Ok(PassEnd::Outdated);
                    }
                }
                PassEvent::Source => {
                    self.requests.cancel(&self.pager.context);
                    return Ok(PassEnd::Outdated);
                }
                PassEvent::SumDue => self.pages.tell_sum(&self.pager),
                PassEvent::Written(written) => {
                    // A page that stays unwritten ends the pass: nothing after it may be written.
                    let period = self.requests.period();
                    self.pages.written(&self.pager, &current, period, written)?;
                    self.pages.take_next(&self.pager, &mut current, &mut self.sizer);
                }
                PassEvent::Request(RequestEvent::Ended(ended)) => {
                    if let Some(answer) = self.requests.landed(ended)
                        && answer.iteration == self.iteration
                    {
                        current.arrive(answer.ticket, answer.outcome);
                    }
                    self.pages.take_next(&self.pager, &mut current, &mut self.sizer);
                }
                PassEvent::Request(RequestEvent::MaySend) => self.send(&mut current),
            }
        }
    }

    /// Waits for what happens next.
    async fn event(&mut self, stopping: bool, may_send: bool) -> PassEvent {
        let limit = self.limit(may_send);
        let Self { pager, requests, pages, .. } = self;
        let Pager { context, settings, source, .. } = pager;
        let due = pages.sum_due();
        let event = async {
            tokio::select! {
                // In this order: a repository that is taken out is stopped, and then loses its
                // settings, while its pages under way still come home.
                biased;
                () = context.stopped(), if !stopping => PassEvent::Stop,
                changed = settings.changed(), if !stopping => PassEvent::Settings(changed),
                Ok(()) = source.changed(), if !stopping => PassEvent::Source,
                () = at(due) => PassEvent::SumDue,
                Some(written) = pages.next_written() => PassEvent::Written(written),
                event = requests.event(may_send) => PassEvent::Request(event),
            }
        };
        context.wait(limit, event).await
    }

    /// Takes up what the limiter allows by now; returns whether that is one more request.
    fn keep_pace(&mut self, current: &CurrentPass) -> bool {
        let limiter = &self.pager.fetcher.limiter;
        let awaited = current.pass.awaited();
        if std::mem::replace(&mut self.awaited, awaited) != awaited {
            limiter.set_awaited(awaited.map(Ticket::number));
        }
        let (limit, interval, behind) = (limiter.limit(), limiter.interval(), limiter.late_by());
        self.requests.set_period(interval);
        self.pager.progress.send_if_modified(|progress| {
            let of = |it: &RepositoryProgress| (it.in_flight, it.page_interval, it.behind);
            let news = of(progress) != (limit, interval, behind);
            (progress.in_flight, progress.page_interval) = (limit, interval);
            progress.behind = behind;
            news
        });
        let limit = limit as usize;
        let in_flight = self.requests.count();
        in_flight < limit && in_flight + current.waiting() < limit * READ_AHEAD
    }

    /// How long nothing may happen in a pass.
    fn limit(&self, may_send: bool) -> Until {
        if !self.requests.is_empty() || self.pages.are_being_written() {
            Until::OtherLanes
        } else if may_send {
            Until::Within(self.requests.period())
        } else {
            Until::AT_ONCE
        }
    }

    /// Applies new settings to a pass under way; false where it must start over.
    fn apply_settings(&mut self, current: &mut CurrentPass) -> bool {
        let config = Arc::clone(&self.pager.settings.borrow_and_update());
        let change = current.apply(Arc::clone(&config), &self.sizer);
        if change != SettingsChange::OtherList {
            self.pager.fetcher.limiter.set(&config.paging);
        }
        if change != SettingsChange::SamePlan {
            self.requests.cancel(&self.pager.context);
        }
        change != SettingsChange::OtherList
    }

    fn send(&mut self, current: &mut CurrentPass) {
        if let Some(planned) = current.take_planned() {
            let request = current.request(planned, self.requests.known(planned.window));
            let now = Instant::now();
            let each = current.time_for_each(now);
            let urgency = Urgency::whole(now, each, planned.ticket.number());
            self.requests.send(&self.pager.context, self.iteration, planned, request, urgency);
        }
    }
}
