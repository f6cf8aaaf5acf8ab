//! The end of a pass, and the pause before the next.
//!
//! Guarantees: the ledger is written before the pass is told of, and a wish to stop leaves the pass
//! to be finished by whoever takes it up again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::current_pass::CurrentPass;
use super::proof::deletes;
use super::proof::pass::PassVerdict;
use super::rate::pace::rested;
use super::reconcile::{self, News, Reconciliation};
use super::request::fetch::Fetcher;
use super::{PassEnd, Run};
use crate::client::Api;
use crate::mirror::{EndOfPass, Mirror};
use crate::progress::LastCertified;
use crate::progress::problems::{self, ProblemKind, ProblemReport, Scope, Source};
use crate::task::clock;
use crate::task::heartbeat::Until;
use crate::telemetry::event::{self, PassComplete};

/// How often the mirror is asked during the pause whether deletions that are held back have been
/// approved: the operator waits for it.
const ASK_FOR_APPROVAL: Duration = Duration::from_secs(1);

/// From how many passes in a row on it is told that they are not certified: one may meet a list
/// that moves, two mean something.
const TOLD_FROM: u64 = 2;

/// Passes that prove nothing.
const UNCERTIFIED: ProblemKind = ProblemKind { scope: Scope::Repository, what: "uncertified" };

/// A question for one item costs the server far less than a page: it is asked so many times as
/// often.
const ITEMS_PER_PAGE_INTERVAL: u32 = 10;

/// So many certified passes in a row the server has what its list lacks before that is told: an item
/// may be on its way from one place to another.
const LASTING: u32 = 3;

impl<A: Api, M: Mirror> Run<A, M> {
    /// Reconciles what a pass did not see, writes the ledger and tells of it; `None` if told to stop
    /// before that is done: whoever takes the pass up again does it.
    pub(super) async fn finish(&mut self, current: &mut CurrentPass) -> Option<PassEnd> {
        self.tell_sum();
        let reason = match current.pass.verdict()? {
            PassVerdict::Certified => None,
            PassVerdict::NotCertified(reason) => Some(reason),
        };
        let statistics = current.statistics(self.pager.fetcher.counts.requests.get());
        let rules = *self.pager.rules.borrow();
        let reconciliation = Reconciliation {
            fetcher: &self.pager.fetcher,
            store: &self.store,
            iteration: self.iteration,
            probes: current.pass.probes().take(reconcile::PROBES).cloned().collect(),
            seen: Arc::new(current.pass.take_seen()),
            item_id: &current.config.item_id,
            allowed: current.config.deletes,
            conditional: deletes::is_conditional(&current.config.search),
            still_there: &self.still_there,
            pace: self.pace.period() / ITEMS_PER_PAGE_INTERVAL,
            stop: self.pager.stop.clone(),
        };
        let reconciled = match reason {
            None => reconciliation.of_certified_pass().await?,
            Some(_) => reconciliation.of_any_pass().await?,
        };
        let (suspects, held, news) =
            (reconciled.suspects.count(), reconciled.held_count(), reconciled.news);
        self.tell_window(current.unreadable.take());
        self.still_there = reconciled.still_there;
        if reason.is_none() {
            self.tell_lasting_suspects();
        }
        // Once any are approved, there is nothing to wait for but the next certified pass.
        self.holds = reconciled.held.as_ref().is_some_and(|held| held.approved.is_empty());
        let end = EndOfPass {
            repository: current.config.id,
            iteration: self.iteration,
            ts_ms: clock::now_ms(),
            statistics,
            reason: reason.map(|reason| reason.to_string()),
            suspects: reconciled.suspects,
            held: reconciled.held,
        };
        let changed = self.store.end_pass(&end).await?;
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
        let in_a_row = self.report_uncertified(end.reason.as_deref());
        let Fetcher { progress: totals, counts, .. } = &*self.pager.fetcher;
        totals.passes.increment();
        if reason.is_none() {
            totals.certified.increment();
            counts.certified.increment();
        } else {
            counts.uncertified.increment();
        }
        let elapsed = current.begun.elapsed();
        counts.pass_took.observe(elapsed);
        let complete = PassComplete {
            repository: current.config.id,
            iteration: self.iteration,
            pages: statistics.pages,
            requests: statistics.requests,
            items: statistics.distinct,
            created: changed.created,
            updated: changed.updated,
            deleted: changed.deleted,
            unchanged: changed.unchanged,
            suspects,
            held,
            elapsed,
        };
        self.pager.progress.send_modify(|progress| {
            progress.passes += 1;
            progress.held = held;
            progress.uncertified_in_a_row = in_a_row;
            if reason.is_none() {
                let (iteration, ended) = (self.iteration, Instant::now());
                progress.certified = Some(LastCertified { iteration, ended });
            }
        });
        // Last, so that whoever has read of it is told the same when asking.
        event::pass_complete(&complete, reason.as_ref().map(|reason| reason as _));
        self.drop_old_changes(rules.keep).await.map(|()| PassEnd::Complete)
    }

    /// Tells of a window that ended the pass because it cannot be read, or that none did.
    fn tell_window(&self, unreadable: Option<ProblemReport>) {
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
        problems.stands(source, ProblemReport { error, remedy, retry_in: None, halts: false });
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
    fn report_uncertified(&self, reason: Option<&str>) -> u64 {
        let problems = &self.pager.fetcher.progress.problems;
        let source = UNCERTIFIED.of(self.store.repository);
        let Some(reason) = reason else {
            problems.over(source);
            return 0;
        };
        let in_a_row = self.pager.progress.borrow().uncertified_in_a_row + 1;
        if in_a_row >= TOLD_FROM {
            let report = ProblemReport {
                error: format!("{in_a_row} passes in a row were not certified: {reason}"),
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
    pub(super) async fn pause(&mut self) -> Option<()> {
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
                () = sleep(ASK_FOR_APPROVAL), if self.holds => {
                    if self.store.approved().await? {
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
