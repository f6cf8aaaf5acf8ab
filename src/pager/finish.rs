//! The end of a pass, and the rest before the next.
//!
//! Guarantees: the ledger is written before the pass is told of, and a wish to stop leaves the pass
//! to be finished by whoever takes it up again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::deletes;
use super::fetch::Fetcher;
use super::pace::rested;
use super::pass::Verdict;
use super::settle::{self, News, Settlement};
use super::under_way::UnderWay;
use super::{PassEnd, Run};
use crate::client::Api;
use crate::mirror::{EndOfPass, Mirror};
use crate::progress::LastCertified;
use crate::progress::problems::{self, Origin, Report, Scope, Source};
use crate::task::clock;
use crate::task::heartbeat::Until;
use crate::telemetry::event::{self, PassComplete};

/// How often the mirror is asked during the rest whether deletions that are held back have been
/// released: the operator waits for it.
const ASK_FOR_RELEASE: Duration = Duration::from_secs(1);

/// From how many passes in a row on it is told that they are not certified: one may meet a list
/// that moves, two mean something.
const TOLD_FROM: u64 = 2;

/// Passes that prove nothing.
const UNCERTIFIED: Origin = Origin { scope: Scope::Repository, what: "uncertified" };

/// A question for one item costs the server far less than a page: it is asked so many times as
/// often.
const ITEMS_PER_PAGE_INTERVAL: u32 = 10;

/// So many certified passes in a row the server has what its list lacks before that is told: an item
/// may be on its way from one place to another.
const LASTING: u32 = 3;

impl<A: Api, M: Mirror> Run<A, M> {
    /// Settles what a pass did not see, writes the ledger and tells of it; `None` if told to stop
    /// before that is done: whoever takes the pass up again does it.
    pub(super) async fn finish(&mut self, under_way: &mut UnderWay) -> Option<PassEnd> {
        self.tell_sum();
        let doubt = match under_way.pass.verdict()? {
            Verdict::Certified => None,
            Verdict::NotCertified(doubt) => Some(doubt),
        };
        let figures = under_way.figures(self.pager.fetcher.counts.requests.get());
        let rules = *self.pager.rules.borrow();
        let settlement = Settlement {
            fetcher: &self.pager.fetcher,
            store: &self.store,
            iteration: self.iteration,
            witnesses: under_way.pass.witnesses().take(settle::WITNESSES).cloned().collect(),
            seen: Arc::new(under_way.pass.take_seen()),
            item_id: &under_way.config.item_id,
            allowed: under_way.config.deletes,
            conditional: deletes::is_conditional(&under_way.config.search),
            still_there: &self.still_there,
            pace: self.pace.period() / ITEMS_PER_PAGE_INTERVAL,
            stop: self.pager.stop.clone(),
        };
        let settled = match doubt {
            None => settlement.of_certified_pass().await?,
            Some(_) => settlement.of_any_pass().await?,
        };
        let (suspects, held, news) = (settled.suspects.count(), settled.held_count(), settled.news);
        self.tell_window(under_way.unreadable.take());
        self.still_there = settled.still_there;
        if doubt.is_none() {
            self.tell_lasting_suspects();
        }
        // Once any are released, there is nothing to wait for but the next certified pass.
        self.holds = settled.held.as_ref().is_some_and(|held| held.released.is_empty());
        let end = EndOfPass {
            repository: under_way.config.id,
            iteration: self.iteration,
            ts_ms: clock::now_ms(),
            figures,
            doubt: doubt.map(|doubt| doubt.to_string()),
            suspects: settled.suspects,
            held: settled.held,
        };
        let tally = self.store.end_pass(&end).await?;
        match news {
            Some(News::Held { of }) => {
                let command = &self.pager.fetcher.progress.command;
                event::deletions_held(end.repository, self.iteration, held, of, command);
            }
            Some(News::NoLonger) => {
                event::deletions_no_longer_held(end.repository, self.iteration);
            }
            None => {}
        }
        self.report_held(end.held.as_ref().map_or(0, |held| held.waiting().count()));
        let in_a_row = self.report_uncertified(end.doubt.as_deref());
        let Fetcher { progress: totals, counts, .. } = &*self.pager.fetcher;
        totals.passes.increment();
        if doubt.is_none() {
            totals.certified.increment();
            counts.certified.increment();
        } else {
            counts.uncertified.increment();
        }
        let elapsed = under_way.begun.elapsed();
        counts.pass_took.observe(elapsed);
        let complete = PassComplete {
            repository: under_way.config.id,
            iteration: self.iteration,
            pages: figures.pages,
            requests: figures.requests,
            items: figures.distinct,
            created: tally.created,
            updated: tally.updated,
            deleted: tally.deleted,
            unchanged: tally.unchanged,
            suspects,
            held,
            elapsed,
        };
        self.pager.progress.send_modify(|progress| {
            progress.passes += 1;
            progress.held = held;
            progress.uncertified_in_a_row = in_a_row;
            if doubt.is_none() {
                let (iteration, ended) = (self.iteration, Instant::now());
                progress.certified = Some(LastCertified { iteration, ended });
            }
        });
        // Last, so that whoever has read of it is told the same when asking.
        event::pass_complete(&complete, doubt.as_ref().map(|doubt| doubt as _));
        self.drop_old_changes(rules.keep).await.map(|()| PassEnd::Complete)
    }

    /// Tells of a window that ended the pass because it cannot be read, or that none did.
    fn tell_window(&self, unreadable: Option<Report>) {
        let problems = &self.pager.fetcher.progress.problems;
        let repository = Some(self.store.repository);
        let source = Source { scope: Scope::Repository, repository, what: "window" };
        match unreadable {
            Some(report) => problems.stands(source, report),
            None => problems.over(source),
        }
    }

    /// Tells of items that pass after pass the list lacks and the server has.
    fn tell_lasting_suspects(&mut self) {
        let count = self.still_there.count();
        self.lasting = if count > 0 { self.lasting.saturating_add(1) } else { 0 };
        let problems = &self.pager.fetcher.progress.problems;
        let repository = Some(self.store.repository);
        let source = Source { scope: Scope::Repository, repository, what: "suspects" };
        if self.lasting < LASTING {
            problems.over(source);
            return;
        }
        let error = format!(
            "{count} items are missing from the list, pass after pass, and the server still has them"
        );
        let remedy = "see whether this user may list them; they stay in the mirror as they were";
        let remedy = remedy.to_owned();
        problems.stands(source, Report { error, remedy, retry_in: None, halts: false });
    }

    /// Reports deletions that wait for the operator, or that none does.
    fn report_held(&self, waiting: u64) {
        let (progress, repository) = (&self.pager.fetcher.progress, self.store.repository);
        let source = problems::HELD.of(repository);
        if waiting > 0 {
            let report = problems::held(repository, waiting, &progress.command);
            progress.problems.repeated(source, waiting, report);
        } else {
            progress.problems.over(source);
        }
    }

    /// Reports passes that prove nothing, from the second in a row on; returns how many it are.
    fn report_uncertified(&self, doubt: Option<&str>) -> u64 {
        let problems = &self.pager.fetcher.progress.problems;
        let source = UNCERTIFIED.of(self.store.repository);
        let Some(doubt) = doubt else {
            problems.over(source);
            return 0;
        };
        let in_a_row = self.pager.progress.borrow().uncertified_in_a_row + 1;
        if in_a_row >= TOLD_FROM {
            let report = Report {
                error: format!("{in_a_row} passes in a row were not certified: {doubt}"),
                remedy: "look the reason up in docs/operate.md, under \"Is it right?\"".to_owned(),
                retry_in: None,
                halts: false,
            };
            problems.repeated(source, in_a_row, report);
        }
        in_a_row
    }

    async fn drop_old_changes(&self, keep: Option<Duration>) -> Option<()> {
        let Some(keep) = keep else { return Some(()) };
        let now_ms = clock::now_ms();
        while self.store.drop_changes(now_ms, keep).await? {
            if self.pager.stop.is_requested() {
                return None;
            }
        }
        Some(())
    }

    /// Waits for the next pass to be due; `None` if told to stop.
    pub(super) async fn rest(&mut self) -> Option<()> {
        let begun = Instant::now();
        loop {
            let pass_interval = self.pager.settings.borrow_and_update().paging.pass_interval;
            let left = pass_interval.saturating_sub(begun.elapsed());
            tokio::select! {
                biased;
                () = self.pager.stop.requested() => return None,
                changed = self.pager.wakes.changed() => return changed.ok(),
                changed = self.pager.settings.changed() => changed.ok()?,
                () = rested(begun, pass_interval) => return Some(()),
                () = sleep(ASK_FOR_RELEASE), if self.holds => {
                    if self.store.released().await? {
                        let problems = &self.pager.fetcher.progress.problems;
                        problems.over(problems::HELD.of(self.store.repository));
                        return Some(());
                    }
                }
                never = self.pager.lane.waits(Until::Within(left)) => match never {},
            }
        }
    }
}
