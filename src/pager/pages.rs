//! What comes back from the server on its way through the pass into the mirror, and into the log.
//!
//! Guarantees: pages are taken in the order of the list, whatever order their answers came in, and
//! written one at a time.

use std::sync::Arc;

use tokio::task::JoinError;
use tokio::time::Instant;

use super::cadence::LogLine;
use super::current_pass::{CurrentPass, PendingWrite};
use super::proof::pass::AnswerOutcome;
use super::request::fetch::Fetcher;
use super::request::outcome::{FetchOutcome, Fetched};
use super::{Flight, Run, joined, words};
use crate::client::Api;
use crate::mirror::{ChangeCounts, Mirror};
use crate::task::clock;
use crate::telemetry::event::{self, PageRead};

impl<A: Api, M: Mirror> Run<A, M> {
    /// Takes note of what came back.
    pub(super) fn land(&mut self, current: &mut CurrentPass, flight: Result<Flight, JoinError>) {
        let Some((iteration, ask, outcome)) = joined(flight) else { return };
        let Some(mut outcome) = outcome else { return };
        self.pace.sent(outcome.begun());
        if let FetchOutcome::Answered(fetched) = &mut outcome
            && let Some(known) = fetched.answer.fingerprints.take()
        {
            self.fingerprints.keep(ask.window, known, iteration);
        }
        if iteration == self.iteration && current.pass.wants(ask.ticket) {
            current.landed.insert(ask.ticket, outcome);
        }
    }

    /// The page whose turn has come, if it is there and no other is being written: into the pass,
    /// and on its way into the mirror.
    pub(super) fn take_next(&mut self, current: &mut CurrentPass) {
        if !self.writes.is_empty() {
            return;
        }
        let Some((ticket, outcome)) = current.awaited() else { return };
        let Fetched { answer, begun, elapsed } = match outcome {
            FetchOutcome::Answered(fetched) => fetched,
            FetchOutcome::Unanswered(unanswered) => {
                current.give_up(ticket, unanswered);
                return;
            }
        };
        let superseded = current.superseded(&answer, begun);
        current.tell_unreadable(&answer.unreadable);
        let taken = current.take(ticket, &answer, begun);
        let read = PageRead {
            repository: current.config.id,
            iteration: self.iteration,
            page: current.pass.counts().pages,
            items: answer.items.len() as u64,
            total: answer.total,
            elapsed,
        };
        let requests = self.pager.fetcher.counts.requests.get();
        let page = Arc::new(current.page(answer, &superseded, clock::now_ms(), requests));
        let store = self.store.beside();
        self.writes
            .spawn(async move { (PendingWrite { read, taken }, store.write_page(page).await) });
    }

    /// A page is in the mirror: into the log. False where it is not, because of a wish to stop.
    pub(super) fn written(
        &mut self,
        current: &CurrentPass,
        written: Result<(PendingWrite, Option<ChangeCounts>), JoinError>,
    ) -> bool {
        let Some((PendingWrite { read, taken }, Some(changed))) = joined(written) else {
            return false;
        };
        let Fetcher { progress: totals, counts, .. } = &*self.pager.fetcher;
        totals.created.add(changed.created);
        totals.updated.add(changed.updated);
        counts.created.add(changed.created);
        counts.updated.add(changed.updated);
        self.tell(&read);
        if let AnswerOutcome::Replanned(reason) = taken {
            event::stepped_back(read.repository, read.iteration, read.page, words(reason));
        }
        self.pager.progress.send_modify(|progress| {
            progress.iteration = self.iteration;
            progress.pages = read.page;
            progress.covered = current.pass.covered();
            progress.total = Some(read.total);
        });
        true
    }

    pub(super) fn tell(&mut self, page: &PageRead) {
        let Fetcher { progress: totals, counts, .. } = &*self.pager.fetcher;
        totals.pages.increment();
        totals.items.add(page.items);
        counts.pages.increment();
        counts.items.add(page.items);
        match self.cadence.page(Instant::now(), self.pace.period(), page) {
            LogLine::Own => event::page_read(page, totals.uptime()),
            LogLine::Summed => event::page_read_in_haste(page, totals.uptime()),
        }
    }

    pub(super) fn tell_sum(&mut self) {
        if let Some(sum) = self.cadence.take(Instant::now()) {
            event::pages_read(&sum, self.pager.fetcher.progress.uptime());
        }
    }
}
