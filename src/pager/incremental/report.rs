//! What is told of incremental passes, and of what keeps them from being of use: to the log, the progress
//! and the problems.

use std::time::Duration;

use tokio::time::Instant;

use super::mark::ChangeTimes;
use super::obstacle::{OBSTACLE, no_obstacle};
use super::passes::IncrementalPasses;
use super::series::Series;
use crate::client::{Api, Failure};
use crate::config::IncrementalConfig;
use crate::mirror::{ChangeCounts, Mirror};
use crate::pager::request::incremental::{blames_conditions, over};
use crate::progress::problems::ProblemReport;
use crate::progress::{IncrementalObstacle, IncrementalProgress, LastIncremental};
use crate::telemetry::event::{
    self, CONDITION_REMEDY, IncrementalPassComplete, IncrementalPassFailed,
    IncrementalPassesComplete, ORDER_REMEDY,
};
use crate::text::moment;

/// What one pass read and wrote.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PassTotals {
    pub(super) pages: u64,
    pub(super) requests: u64,
    pub(super) items: u64,
    pub(super) changed: ChangeCounts,
}

impl PassTotals {
    /// How many items were not in the mirror as they are.
    pub(super) fn found(&self) -> u64 {
        self.changed.created + self.changed.updated
    }
}

impl<A: Api, M: Mirror> IncrementalPasses<A, M> {
    /// The search of a pass was not answered.
    pub(super) fn failed(
        &self,
        series: &mut Series,
        incremental: &IncrementalConfig,
        failure: &Failure,
    ) {
        let blames_conditions = blames_conditions(failure);
        let attempt = series.came_to_nothing(IncrementalObstacle::Failing, !blames_conditions);
        self.fetcher.counts.incremental.failed.increment();
        let failed = IncrementalPassFailed {
            repository: self.repository,
            attempt,
            retry_in: series.rest(incremental.interval),
            error: failure,
            answer: failure.beginning(),
        };
        // Of a server that is away the whole passes tell.
        event::incremental_pass_failed(&failed, blames_conditions && attempt == 1);
        self.show(series, incremental, None);
    }

    /// The search of a pass was answered as if it had no condition.
    pub(super) fn condition_ignored(
        &self,
        series: &mut Series,
        incremental: &IncrementalConfig,
        (since, total): (&str, u64),
    ) {
        let times = series.came_to_nothing(IncrementalObstacle::Ignored, false);
        self.fetcher.counts.incremental.failed.increment();
        let rest = series.rest(incremental.interval);
        if times == 1 {
            event::incremental_condition_ignored(self.repository, since, total, rest);
        }
        let error = format!(
            "the search of incremental passes is answered with items that changed before {since}, {total} in all"
        );
        self.stands(error, CONDITION_REMEDY);
        self.show(series, incremental, None);
    }

    /// The list is believed to be in another order than it is said to be.
    pub(super) fn out_of_order(
        &self,
        series: &mut Series,
        incremental: &IncrementalConfig,
        is_news: bool,
    ) {
        series.came_to_nothing(IncrementalObstacle::OutOfOrder, false);
        let rest = series.rest(incremental.interval);
        if is_news {
            event::list_out_of_order(self.repository, rest);
        }
        let error = "the list is not in the order of last change, which incremental passes rely on";
        self.stands(error.to_owned(), ORDER_REMEDY);
    }

    fn stands(&self, error: String, remedy: &str) {
        let report =
            ProblemReport { error, remedy: remedy.to_owned(), retry_in: None, halts: false };
        self.fetcher.progress.problems.stands(OBSTACLE.of(self.repository), report);
    }

    /// A pass has ended as it should.
    pub(super) fn complete(
        &self,
        series: &mut Series,
        incremental: &IncrementalConfig,
        totals: PassTotals,
        elapsed: Duration,
    ) {
        let PassTotals { pages, items, changed, .. } = totals;
        if series.obstacle().is_none() {
            over(&self.fetcher, self.repository);
            no_obstacle(&self.fetcher.progress, self.repository);
        }
        self.fetcher.counts.incremental.passes.increment();
        event::incremental_pass_complete(&IncrementalPassComplete {
            repository: self.repository,
            iteration: self.iteration(),
            pages,
            items,
            created: changed.created,
            updated: changed.updated,
            unchanged: changed.unchanged,
            elapsed,
        });
        let pass = IncrementalPassesComplete {
            passes: 1,
            pages,
            items,
            created: changed.created,
            updated: changed.updated,
        };
        if let Some(sum) = series.sum(pass) {
            event::incremental_passes_complete(self.repository, &sum);
        }
        let ended = Instant::now();
        let (created, updated) = (changed.created, changed.updated);
        let last = LastIncremental { ended, pages, items, created, updated };
        self.show(series, incremental, Some(last));
    }

    /// Tells of what the times of change of a pass were like; returns the one that is held back.
    pub(super) fn tell_times(
        &self,
        series: &mut Series,
        incremental: &IncrementalConfig,
        times: &ChangeTimes,
    ) {
        if let (Some(claimed), Some(mark), false) = (times.ahead_ms, series.mark, series.told_ahead)
        {
            let (claimed, mark) = (moment(claimed), moment(mark.at_ms));
            event::incremental_mark_held_back(self.repository, &claimed, &mark);
        }
        series.told_ahead = times.ahead_ms.is_some();
        if times.unreadable > 0
            && !series.told_unreadable
            && let Some(cursor) = &incremental.cursor
        {
            series.told_unreadable = true;
            event::change_times_unreadable(self.repository, times.unreadable, &cursor.to_string());
        }
        self.progress.send_if_modified(|progress| {
            let shown = progress.incremental.as_mut();
            shown.is_some_and(|it| {
                std::mem::replace(&mut it.held_back_ms, times.ahead_ms) != times.ahead_ms
            })
        });
    }

    /// Shows how passes stand.
    pub(super) fn show(
        &self,
        series: &Series,
        incremental: &IncrementalConfig,
        last: Option<LastIncremental>,
    ) {
        self.progress.send_modify(|progress| {
            let before = progress.incremental.filter(|it| it.mode == incremental.mode);
            progress.incremental = Some(IncrementalProgress {
                mode: incremental.mode,
                mark_ms: series.mark.map(|mark| mark.at_ms),
                passes: before.map_or(0, |it| it.passes) + u64::from(last.is_some()),
                last: last.or(before.and_then(|it| it.last)),
                held_back_ms: before.and_then(|it| it.held_back_ms),
                obstacle: series.obstacle(),
            });
        });
    }
}
