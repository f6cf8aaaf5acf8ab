//! The parts of statements that keep the ledger and the checkpoint, alike for every call.

use tokio_postgres::types::ToSql;

use super::numbers::signed;
use crate::mirror::{ChangeCounts, IncrementalPage, PageOfItems, PassStatistics};

/// Adds to what a pass has changed; a pass that nobody began begins now. The parameters from `$5` on
/// are [`CountParameters`].
pub(super) const COUNTED: &str = "counted AS (
    INSERT INTO pass AS pass (repository, iteration, started_ms, created, updated, deleted, unchanged)
    SELECT $1, $5::bigint, $6::bigint, $7::bigint, $8::bigint, $9::bigint, $10::bigint FROM fenced
    ON CONFLICT (repository, iteration) DO UPDATE SET created = pass.created + excluded.created,
        updated = pass.updated + excluded.updated, deleted = pass.deleted + excluded.deleted,
        unchanged = pass.unchanged + excluded.unchanged)";

/// The same for a page, which also puts down what the pager knows of the pass, and how to go on after the
/// page. The parameters from `$5` on are [`CountParameters`] and [`PageParameters`].
pub(super) const PAGE_COUNTED: &str = "counted AS (
    INSERT INTO pass AS pass (repository, iteration, started_ms, created, updated, deleted, unchanged,
        pages, requests, first_total, last_total, distinct_ids, repeats, step_backs)
    SELECT $1, $5::bigint, $6::bigint, $7::bigint, $8::bigint, $9::bigint, $10::bigint,
        $11::bigint, $12::bigint, $13::bigint, $14::bigint, $15::bigint, $16::bigint, $17::bigint
    FROM fenced
    ON CONFLICT (repository, iteration) DO UPDATE SET created = pass.created + excluded.created,
        updated = pass.updated + excluded.updated, deleted = pass.deleted + excluded.deleted,
        unchanged = pass.unchanged + excluded.unchanged, pages = excluded.pages,
        requests = excluded.requests, first_total = excluded.first_total,
        last_total = excluded.last_total, distinct_ids = excluded.distinct_ids,
        repeats = excluded.repeats, step_backs = excluded.step_backs),
saved AS (
    INSERT INTO checkpoint (repository, saved_ms, state)
    SELECT $1, $6, $18::bytea FROM fenced
    ON CONFLICT (repository) DO UPDATE SET saved_ms = excluded.saved_ms, state = excluded.state),
noted AS (
    INSERT INTO seen (repository, page, ids)
    SELECT $1, $11, $19::bytea FROM fenced WHERE length($19) > 0
    ON CONFLICT (repository, page) DO UPDATE SET ids = excluded.ids)";

/// How many parameters come before those of a statement's own, after a page's.
pub(super) const PAGE_PARAMETERS: usize = 19;

/// Puts down how far incremental passes have come, and with the last page of one its entry in the ledger,
/// which keeps the last 1,000 of them. The counts of this page come to those of the pages before it; none
/// deletes anything. The parameters from `$5` on are [`CountParameters`] and [`IncrementalParameters`].
pub(super) const INCREMENTAL_COUNTED: &str = "marked AS (
    INSERT INTO incremental_mark (repository, mark)
    SELECT $1, $11::bytea FROM fenced WHERE $11::bytea IS NOT NULL
    ON CONFLICT (repository) DO UPDATE SET mark = excluded.mark),
ended AS (
    INSERT INTO incremental_pass (repository, number, iteration, started_ms, ended_ms, pages, requests,
        distinct_ids, created, updated, unchanged)
    SELECT $1, coalesce((SELECT max(number) FROM incremental_pass WHERE repository = $1), 0) + 1,
        $5::bigint, $12::bigint, $6::bigint, $13::bigint, $14::bigint, $15::bigint,
        $16::bigint + $7::bigint, $17::bigint + $8::bigint, $18::bigint + $10::bigint
    FROM fenced WHERE $12::bigint IS NOT NULL AND $9::bigint = 0
    RETURNING number),
outlived AS (
    DELETE FROM incremental_pass AS pass USING ended
    WHERE pass.repository = $1 AND pass.number <= ended.number - 1000)";

/// How many parameters come before those of a statement's own, after those of an incremental page.
pub(super) const INCREMENTAL_PARAMETERS: usize = 18;

/// The same after those of a count alone.
pub(super) const COUNT_PARAMETERS: usize = 10;

/// What a pass has changed, by one call.
#[derive(Debug)]
pub(super) struct CountParameters {
    iteration: i64,
    ts_ms: i64,
    counts: [i64; 4],
}

impl CountParameters {
    pub(super) fn new(iteration: u64, ts_ms: i64, changed: ChangeCounts) -> Self {
        let ChangeCounts { created, updated, deleted, unchanged } = changed;
        let counts = [created, updated, deleted, unchanged].map(signed);
        Self { iteration: signed(iteration), ts_ms, counts }
    }

    pub(super) fn add_to<'a>(&'a self, parameters: &mut Vec<&'a (dyn ToSql + Sync)>) {
        parameters.extend::<[&(dyn ToSql + Sync); 2]>([&self.iteration, &self.ts_ms]);
        parameters.extend(self.counts.iter().map(|count| count as &(dyn ToSql + Sync)));
    }
}

/// What the pager knows of a pass.
pub(super) fn statistics(statistics: &PassStatistics) -> [i64; 7] {
    let PassStatistics { pages, requests, first_total, last_total, distinct, repeats, step_backs } =
        *statistics;
    [pages, requests, first_total, last_total, distinct, repeats, step_backs].map(signed)
}

/// What a page's transaction puts down besides items and counts.
#[derive(Debug)]
pub(super) struct PageParameters<'a> {
    statistics: [i64; 7],
    state: &'a [u8],
    seen: &'a [u8],
}

impl<'a> PageParameters<'a> {
    pub(super) fn new(page: &'a PageOfItems) -> Self {
        Self {
            statistics: statistics(&page.statistics),
            state: &page.checkpoint.state,
            seen: &page.checkpoint.seen,
        }
    }

    pub(super) fn add_to<'b>(&'b self, parameters: &mut Vec<&'b (dyn ToSql + Sync)>) {
        parameters.extend(self.statistics.iter().map(|number| number as &(dyn ToSql + Sync)));
        parameters.extend::<[&(dyn ToSql + Sync); 2]>([&self.state, &self.seen]);
    }
}

/// What the transaction of an incremental page puts down besides items and counts.
#[derive(Debug)]
pub(super) struct IncrementalParameters<'a> {
    mark: Option<&'a [u8]>,
    /// `None`: there are more pages.
    started_ms: Option<i64>,
    pages: [i64; 3],
    changed_before: [i64; 3],
}

impl<'a> IncrementalParameters<'a> {
    pub(super) fn new(page: &'a IncrementalPage) -> Self {
        let end = page.end.unwrap_or_default();
        let before = end.changed_before;
        Self {
            mark: page.mark.as_deref(),
            started_ms: page.end.map(|end| end.started_ms),
            pages: [end.pages, end.requests, end.items].map(signed),
            changed_before: [before.created, before.updated, before.unchanged].map(signed),
        }
    }

    pub(super) fn add_to<'b>(&'b self, parameters: &mut Vec<&'b (dyn ToSql + Sync)>) {
        parameters.extend::<[&(dyn ToSql + Sync); 2]>([&self.mark, &self.started_ms]);
        let numbers = self.pages.iter().chain(&self.changed_before);
        parameters.extend(numbers.map(|number| number as &(dyn ToSql + Sync)));
    }
}
