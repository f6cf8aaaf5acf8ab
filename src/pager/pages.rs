//! What comes back from the server on its way through the pass into the mirror, and into the log.
//!
//! Guarantees: pages are taken in the order of the list, whatever order their answers came in, and
//! written one at a time.

use std::sync::Arc;

use tokio::task::JoinError;
use tokio::time::Instant;

use super::cadence::Telling;
use super::fetch::{Fetched, Fetcher, Landing};
use super::pass::Taken;
use super::under_way::{InHand, UnderWay};
use super::{Flight, Run, joined, reason};
use crate::client::Api;
use crate::mirror::{Mirror, Tally};
use crate::task::clock;
use crate::telemetry::event::{self, PageRead};

impl<A: Api, M: Mirror> Run<A, M> {
    /// Takes note of what came back.
    pub(super) fn land(&mut self, under_way: &mut UnderWay, flight: Result<Flight, JoinError>) {
        let Some((iteration, ask, landing)) = joined(flight) else { return };
        let Some(mut landing) = landing else { return };
        self.pace.sent(landing.begun());
        if let Landing::Answered(fetched) = &mut landing
            && let Some(fingerprints) = fetched.answer.fingerprints.take()
        {
            self.outlines.keep(ask.window, fingerprints, iteration);
        }
        if iteration == self.iteration && under_way.pass.wants(ask.ticket) {
            under_way.landed.insert(ask.ticket, landing);
        }
    }

    /// The page whose turn has come, if it is there and no other is being written: into the pass,
    /// and on its way into the mirror.
    pub(super) fn take_next(&mut self, under_way: &mut UnderWay) {
        if !self.writes.is_empty() {
            return;
        }
        let Some((ticket, landing)) = under_way.awaited() else { return };
        let Fetched { answer, begun, elapsed } = match landing {
            Landing::Answered(fetched) => fetched,
            Landing::Unanswered(unanswered) => {
                under_way.give_up(ticket, unanswered);
                return;
            }
        };
        let outrun = under_way.outrun(&answer, begun);
        under_way.tell_unreadable(&answer.unreadable);
        let taken = under_way.take(ticket, &answer, begun);
        let read = PageRead {
            repository: under_way.config.id,
            iteration: self.iteration,
            page: under_way.pass.counts().pages,
            items: answer.items.len() as u64,
            total: answer.total,
            elapsed,
        };
        let requests = self.pager.fetcher.counts.requests.get();
        let page = Arc::new(under_way.page(answer, &outrun, clock::now_ms(), requests));
        let store = self.store.beside();
        self.writes.spawn(async move { (InHand { read, taken }, store.write_page(page).await) });
    }

    /// A page is in the mirror: into the log. False where it is not, because of a wish to stop.
    pub(super) fn written(
        &mut self,
        under_way: &UnderWay,
        written: Result<(InHand, Option<Tally>), JoinError>,
    ) -> bool {
        let Some((InHand { read, taken }, Some(tally))) = joined(written) else { return false };
        let Fetcher { progress: totals, counts, .. } = &*self.pager.fetcher;
        totals.created.add(tally.created);
        totals.updated.add(tally.updated);
        counts.created.add(tally.created);
        counts.updated.add(tally.updated);
        self.tell(&read);
        if let Taken::Replanned(why) = taken {
            event::stepped_back(read.repository, read.iteration, read.page, reason(why));
        }
        self.pager.progress.send_modify(|progress| {
            progress.iteration = self.iteration;
            progress.pages = read.page;
            progress.covered = under_way.pass.covered();
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
            Telling::Singly => event::page_read(page, totals.uptime()),
            Telling::InSum => event::page_read_in_haste(page, totals.uptime()),
        }
    }

    pub(super) fn tell_sum(&mut self) {
        if let Some(sum) = self.cadence.take(Instant::now()) {
            event::pages_read(&sum, self.pager.fetcher.progress.uptime());
        }
    }
}
