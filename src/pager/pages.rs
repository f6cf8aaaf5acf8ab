//! The pages that have come, on their way through the pass into the mirror, and into the log.
//!
//! Guarantees: pages are taken in the order of the list, whatever order their answers came in, and
//! written one at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::cadence::{Cadence, LogLine};
use super::change_delay::note_delays;
use super::current_pass::CurrentPass;
use super::joined::joined;
use super::proof::pass::AnswerOutcome;
use super::rate::page_size::{PageSizer, PageTaken};
use super::request::fetcher::Fetcher;
use super::request::outcome::{FetchOutcome, Fetched};
use super::retrying_mirror::{ReadBy, RetryingMirror};
use super::task::Pager;
use crate::client::{Api, SearchAnswer};
use crate::domain::Iteration;
use crate::json::{JsonPointer, members};
use crate::mirror::{ChangeCounts, Mirror};
use crate::progress::SharedLine;
use crate::task::{Stopped, clock};
use crate::telemetry::event::{self, PageRead};

/// The pages of one repository.
pub(super) struct Pages<M> {
    mirror: Arc<RetryingMirror<M>>,
    /// The page being written, if one is.
    writes: JoinSet<Written>,
    cadence: Cadence,
    /// Whether it was told that a member is left out of the comparison that nobody named; and the last pass in
    /// which that was looked for.
    told_ignored: bool,
    looked_in: Option<Iteration>,
}

/// A page that is being written, and what is to be logged once it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingWrite {
    read: PageRead,
    outcome: AnswerOutcome,
}

/// What the writing of a page came to.
pub(super) type Written = (PendingWrite, Result<ChangeCounts, Stopped>);

impl<M: Mirror> Pages<M> {
    /// No page yet.
    pub(super) fn new(mirror: &Arc<RetryingMirror<M>>) -> Self {
        Self {
            mirror: Arc::clone(mirror),
            writes: JoinSet::new(),
            cadence: Cadence::default(),
            told_ignored: false,
            looked_in: None,
        }
    }

    pub(super) fn are_being_written(&self) -> bool {
        !self.writes.is_empty()
    }

    /// Waits until the page that is being written is; `None` where none is.
    pub(super) async fn next_written(&mut self) -> Option<Result<Written, JoinError>> {
        self.writes.join_next().await
    }

    /// Waits until no page is being written.
    pub(super) async fn all_written(&mut self) {
        while self.writes.join_next().await.is_some() {}
    }

    /// The page whose turn has come, if it is there and no other is being written: into the pass,
    /// and on its way into the mirror.
    pub(super) fn take_next<A: Api>(
        &mut self,
        pager: &Pager<A, M>,
        current: &mut CurrentPass,
        sizer: &mut PageSizer,
    ) {
        if self.are_being_written() {
            return;
        }
        let Some((ticket, outcome)) = current.awaited() else { return };
        let Fetched { answer, begun, elapsed, bytes, reading } = match outcome {
            FetchOutcome::Answered(fetched) => fetched,
            FetchOutcome::Unanswered(unanswered) => {
                current.give_up(ticket, unanswered, sizer);
                return;
            }
        };
        let superseded = current.superseded(&answer, begun);
        current.tell_unreadable(&answer.unreadable);
        self.tell_ignored(current, &answer);
        let limiter = &pager.fetcher.limiter;
        let taken = PageTaken {
            asked: current.pass.awaited_window().map_or(0, |window| window.size),
            items: answer.items.len() + answer.unreadable.len(),
            bytes: answer.items.iter().map(|item| item.bytes.len()).sum(),
            elapsed,
            interval: limiter.interval(),
            in_flight: limiter.limit(),
        };
        let outcome = current.take(ticket, &answer, begun);
        current.resize(taken, sizer);
        let read = PageRead {
            repository: current.config.id,
            iteration: current.iteration,
            page: current.pass.counts().pages,
            items: answer.items.len() as u64,
            total: answer.total,
            elapsed,
        };
        let page = current.page(answer, &superseded, clock::now_ms(), pager.requests());
        let (mirror, page, context) =
            (Arc::clone(&self.mirror), Arc::new(page), pager.context.lane());
        let (by, fetcher) = (ReadBy { reading, begun }, Arc::clone(&pager.fetcher));
        self.writes.spawn(async move {
            let written = mirror.write_page(&context, Arc::clone(&page), &by).await;
            if let Ok(changed) = written {
                let ids = || page.items.iter().map(|item| &item.id).collect();
                fetcher.shared.found().page(ids, changed.created + changed.updated);
            }
            // The page is gone, and what it took is free.
            drop((page, bytes));
            (PendingWrite { read, outcome }, written)
        });
    }

    /// Tells once of a member that the comparison leaves out though nobody has named it.
    fn tell_ignored(&mut self, current: &CurrentPass, answer: &SearchAnswer) {
        let is_looked_for = self.looked_in != Some(current.iteration);
        if self.told_ignored || current.config.ignore.is_some() || !is_looked_for {
            return;
        }
        let Some(members) = answer.items.first().and_then(|it| members::of(&it.bytes).ok()) else {
            return;
        };
        self.looked_in = Some(current.iteration);
        let is_there = |it: &&JsonPointer| {
            it.tokens().first().is_some_and(|name| members.iter().any(|its| its.name == **name))
        };
        let left_out = current.ignore.iter().filter(is_there).map(ToString::to_string);
        let left_out = left_out.collect::<Vec<_>>().join(", ");
        if !left_out.is_empty() {
            event::member_ignored(current.config.id, &left_out);
            self.told_ignored = true;
        }
    }

    /// Takes note of a page that is in the mirror; `period` is the least time between two requests.
    /// [`Stopped`] where the page is not, because of a wish to stop.
    pub(super) fn written<A: Api>(
        &mut self,
        pager: &Pager<A, M>,
        current: &CurrentPass,
        period: Duration,
        written: Result<Written, JoinError>,
    ) -> Result<(), Stopped> {
        let (PendingWrite { read, outcome }, changed) = joined(written).ok_or(Stopped)?;
        let changed = changed?;
        let Fetcher { progress: totals, counts, .. } = &*pager.fetcher;
        totals.created.add(changed.created);
        totals.updated.add(changed.updated);
        counts.created.add(changed.created);
        counts.updated.add(changed.updated);
        note_delays(&pager.fetcher, &current.config, &current.member_changes);
        self.tell(pager, period, &read);
        if let AnswerOutcome::Replanned(reason) = outcome {
            event::stepped_back(read.repository, read.iteration, read.page, reason.name());
        }
        pager.progress.send_modify(|progress| {
            progress.iteration = current.iteration;
            progress.pages = read.page;
            progress.covered = current.pass.covered();
            progress.total = Some(read.total);
        });
        Ok(())
    }

    fn tell<A: Api>(&mut self, pager: &Pager<A, M>, period: Duration, page: &PageRead) {
        let Fetcher { progress: totals, counts, .. } = &*pager.fetcher;
        totals.pages.increment();
        totals.items.add(page.items);
        counts.pages.increment();
        counts.items.add(page.items);
        if totals.is_of_many() {
            let line = SharedLine {
                repository: page.repository,
                pages: 1,
                requests: 1,
                items: page.items,
                elapsed: page.elapsed,
            };
            if totals.page_lines.is_own_line(Instant::now(), &line) {
                event::page_read(page, totals.uptime());
            } else {
                event::page_read_in_haste(page, totals.uptime());
            }
            return;
        }
        match self.cadence.page(Instant::now(), period, page) {
            LogLine::Own => event::page_read(page, totals.uptime()),
            LogLine::Summed => event::page_read_in_haste(page, totals.uptime()),
        }
    }

    /// When the sum of the pages read is to be told; `None` where there is none.
    pub(super) fn sum_due(&self) -> Option<Instant> {
        self.cadence.due()
    }

    /// Tells the sum of the pages read, where there is one.
    pub(super) fn tell_sum<A>(&mut self, pager: &Pager<A, M>) {
        if let Some(sum) = self.cadence.take(Instant::now()) {
            event::pages_read(&sum, pager.fetcher.progress.uptime());
        }
    }
}
