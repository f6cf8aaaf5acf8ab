//! One incremental pass: page after page, each written before the next is asked for.
//!
//! Guarantees: the mark moves with the last page of a pass that read to the end, and with no other; a pass
//! that is cut short is made again from where it began.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::mark::{ChangeTimes, Mark};
use super::order::{LookedFor, PassSigns, Row};
use super::passes::IncrementalPasses;
use super::report::PassTotals;
use super::series::Series;
use super::windows::{IncrementalWindows, Taken};
use crate::client::{Api, SearchAnswer, SearchRequest};
use crate::config::{IncrementalConfig, IncrementalMode, Since};
use crate::domain::ItemId;
use crate::json::JsonPointer;
use crate::mirror::{ChangeCounts, IncrementalEnd, IncrementalPage, MemberChanges, Mirror};
use crate::pager::change_delay::{kept_changes, note_delays, value_at};
use crate::pager::proof::pass::PassSettings;
use crate::pager::request::incremental::fetch_incremental;
use crate::pager::request::outcome::Fetched;
use crate::pager::retrying_mirror::ReadBy;
use crate::task::{Stopped, clock};

/// How long what the model says of the time of the last change is believed.
const MODEL_HOLDS: Duration = Duration::from_secs(60);

/// So many pages in a row that bring nothing new end a pass over a list with the last change first.
const QUIET_PAGES: u32 = 2;

/// From an item that changed so much earlier than was asked for it is clear that a condition is not obeyed,
/// although it may go by whole days: milliseconds.
const A_DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Clocks and forms that go by the second.
const A_SECOND_MS: i64 = 1000;

/// So many items from the top are looked through for what whole passes found.
const LOOKED_THROUGH: usize = 20_000;

/// What is known of a pass under way.
struct PassUnderWay<'a> {
    incremental: &'a IncrementalConfig,
    /// Since when changes are asked for; `None` in the mode `newest_first`.
    since: Option<Since>,
    ignore: Arc<[JsonPointer]>,
    times: ChangeTimes,
    signs: PassSigns,
    /// What whole passes found and the top of the list must show; and what it does show.
    looked_for: LookedFor,
    read: HashSet<ItemId>,
    quiet: u32,
    totals: PassTotals,
    /// The items of the page being written that are created or updated.
    found: Arc<MemberChanges>,
    started_ms: i64,
    /// Whether the ledger has the pass.
    in_ledger: bool,
}

/// What follows a page.
enum AfterPage {
    More,
    End,
    /// The condition is not obeyed, as this total shows, too.
    Ignored {
        total: u64,
    },
}

impl<A: Api, M: Mirror> IncrementalPasses<A, M> {
    /// Makes one pass, which was due at `due`.
    pub(super) async fn pass(
        &mut self,
        series: &mut Series,
        incremental: &IncrementalConfig,
        due: Instant,
    ) -> Result<(), Stopped> {
        let begun = Instant::now();
        series.begin_pass();
        series.order.try_again();
        let server_ms = self.server_ms();
        let since = Self::since(series, incremental, server_ms);
        let mut reading = PassUnderWay {
            incremental,
            since,
            ignore: self.left_out(series).await?,
            times: ChangeTimes::new(server_ms, incremental.lookback),
            signs: PassSigns::default(),
            looked_for: self.fetcher.shared.found().take(),
            read: HashSet::new(),
            quiet: 0,
            totals: PassTotals::default(),
            found: Arc::new(kept_changes(&series.config)),
            started_ms: clock::now_ms(),
            in_ledger: false,
        };
        let conditions = conditions(series, incremental, reading.since.as_ref());
        let paging = &series.config.paging;
        let settings =
            PassSettings { page_size: paging.page_size.first_page_size(), overlap: paging.overlap };
        let mut windows = IncrementalWindows::new(settings, self.fetcher.shared.longest_answer());
        let requests = self.fetcher.counts.incremental.requests.get();
        let after = loop {
            let window = windows.next();
            let request = SearchRequest {
                repository: self.repository,
                page: window.page,
                page_size: window.size,
                conditions: Arc::clone(&conditions),
                item_id: series.config.item_id.clone(),
                fingerprints: None,
            };
            let fetched = fetch_incremental(&self.fetcher, &request, due, &self.context).await?;
            reading.totals.requests =
                self.fetcher.counts.incremental.requests.get().saturating_sub(requests);
            let fetched = match fetched {
                Ok(fetched) => fetched,
                Err(failure) => {
                    self.end_in_ledger(&mut reading).await?;
                    self.failed(series, incremental, &failure);
                    return Ok(());
                }
            };
            match self.take(series, &mut reading, &mut windows, fetched).await? {
                AfterPage::More => {}
                after => break after,
            }
        };
        self.end_in_ledger(&mut reading).await?;
        series.end_pass();
        self.tell_times(series, incremental, &reading.times);
        if let (AfterPage::Ignored { total }, Some(since)) = (&after, &reading.since) {
            self.condition_ignored(series, incremental, (&since.text, *total));
            return Ok(());
        }
        self.judge_order(series, &mut reading);
        self.complete(series, incremental, reading.totals, begun.elapsed());
        Ok(())
    }

    /// Takes note of what the pass showed of the order of the list.
    fn judge_order(&self, series: &mut Series, reading: &mut PassUnderWay<'_>) {
        series.went_well();
        if reading.incremental.mode != IncrementalMode::NewestFirst {
            return;
        }
        let seen = self.fetcher.shared.found().seen(&reading.looked_for, &reading.read);
        reading.signs.looked_for(seen.filter(|_| reading.read.len() < LOOKED_THROUGH));
        let is_news = series.order.pass(&reading.signs);
        if series.order.is_broken() {
            self.out_of_order(series, reading.incremental, is_news);
        }
    }

    /// Takes a page, and writes it.
    async fn take(
        &self,
        series: &mut Series,
        reading: &mut PassUnderWay<'_>,
        windows: &mut IncrementalWindows,
        fetched: Fetched,
    ) -> Result<AfterPage, Stopped> {
        let Fetched { answer, begun, bytes, reading: by, .. } = fetched;
        let rows: Vec<Row> =
            answer.items.iter().map(|item| (item.id.clone(), item.digest)).collect();
        let ignored = self.look_at_times(reading, &answer);
        let records = (answer.items.len() + answer.unreadable.len()) as u64;
        let ids: HashSet<ItemId> = rows.iter().map(|(id, _)| id.clone()).collect();
        let distinct = ids.len() as u64;
        if reading.read.len() < LOOKED_THROUGH {
            reading.read.extend(ids.iter().cloned());
        }
        let taken = windows.take(ids, records, answer.total);
        let is_since = reading.since.is_some();
        let at_end = taken == Taken::End && !ignored;
        let is_last = ignored || taken != Taken::More;
        reading.totals.pages += 1;
        reading.totals.items += distinct;
        let mark = series
            .mark
            .filter(|_| at_end && is_since)
            .map(|before| Mark { at_ms: reading.times.mark_ms(before.at_ms), ..before });
        let news = mark.filter(|mark| series.kept != Some(*mark));
        // Of the mode newest_first it is known only afterwards that the page is the last one.
        let finds = reading.totals.found() > 0 || !series.knows(&rows);
        let end = (is_since && is_last && finds).then(|| reading.end());
        series.note(&rows);
        let total = answer.total;
        let page = IncrementalPage {
            iteration: self.iteration(),
            ts_ms: clock::now_ms(),
            items: answer.items,
            ignore: Arc::clone(&reading.ignore),
            member_changes: Arc::clone(&reading.found),
            mark: news.map(Mark::bytes),
            end,
        };
        let is_first = reading.totals.pages == 1;
        let changed = self.write(page, Some(ReadBy { reading: by, begun })).await?;
        // The page is gone, and what it took is free.
        drop(bytes);
        reading.in_ledger |= end.is_some();
        if let Some(mark) = news {
            series.kept = Some(mark);
        }
        series.mark = mark.or(series.mark);
        note_delays(&self.fetcher, &series.config, &reading.found);
        reading.totals.changed.add(changed);
        self.count(distinct, changed);
        if is_first {
            series.order.first_page(&rows, changed.updated, &mut reading.signs);
        }
        if ignored {
            return Ok(AfterPage::Ignored { total });
        }
        let is_quiet = changed.created + changed.updated == 0;
        reading.quiet = if is_quiet { reading.quiet + 1 } else { 0 };
        let ends = is_last || (!is_since && reading.quiet >= QUIET_PAGES);
        Ok(if ends { AfterPage::End } else { AfterPage::More })
    }

    /// Looks at the times at which the items of a page changed; returns whether they show that what was
    /// asked for is not obeyed.
    fn look_at_times(&self, reading: &mut PassUnderWay<'_>, answer: &SearchAnswer) -> bool {
        let Some(cursor) = &reading.incremental.cursor else { return false };
        let now_ms = self.server_ms();
        let times: Vec<Option<i64>> = answer
            .items
            .iter()
            .map(|item| reading.incremental.form.read(value_at(&item.bytes, cursor)?))
            .collect();
        for time in &times {
            reading.times.take(*time, now_ms);
        }
        let Some(since) = &reading.since else {
            reading.signs.times(&times);
            return false;
        };
        let Some(earliest) = times.iter().flatten().min() else { return false };
        let behind = since.at_ms.saturating_sub(*earliest);
        let all = self.progress.borrow().total;
        behind > A_DAY_MS + A_SECOND_MS
            || (behind > A_SECOND_MS && all.is_some_and(|all| answer.total >= all))
    }

    /// Since when changes are asked for.
    fn since(
        series: &mut Series,
        incremental: &IncrementalConfig,
        server_ms: i64,
    ) -> Option<Since> {
        if incremental.mode == IncrementalMode::NewestFirst {
            return None;
        }
        let lookback = i64::try_from(incremental.lookback.as_millis()).unwrap_or(i64::MAX);
        let list = series.list;
        // Before the first pass nothing is known but that the whole passes begin now, too.
        let mark = series.mark.get_or_insert(Mark { list, at_ms: server_ms });
        let since = |at_ms: i64| incremental.form.write(at_ms.saturating_sub(lookback));
        since(mark.at_ms).or_else(|| since(server_ms))
    }

    /// Members left out of the comparison.
    async fn left_out(&mut self, series: &Series) -> Result<Arc<[JsonPointer]>, Stopped> {
        let config = &series.config;
        if config.ignore.is_some() {
            return Ok(config.ignored(&[]));
        }
        let known = self.last_updated.take().filter(|(asked, _)| asked.elapsed() < MODEL_HOLDS);
        let known = match known {
            Some(known) => known,
            None => (Instant::now(), self.mirror.model(&self.context).await?.last_updated()),
        };
        let (_, names) = self.last_updated.insert(known);
        Ok(config.ignored(names))
    }

    /// The server's time, as far as it is known, in milliseconds since 1970.
    fn server_ms(&self) -> i64 {
        let ahead_s = self.fetcher.api.clock_ahead_s().unwrap_or(0);
        clock::now_ms().saturating_add(ahead_s.saturating_mul(1000))
    }

    /// Puts a pass that found something into the ledger, where its last page has not.
    async fn end_in_ledger(&self, reading: &mut PassUnderWay<'_>) -> Result<(), Stopped> {
        if reading.in_ledger || reading.totals.found() == 0 {
            return Ok(());
        }
        let page = IncrementalPage {
            iteration: self.iteration(),
            ts_ms: clock::now_ms(),
            items: Vec::new(),
            ignore: Arc::clone(&reading.ignore),
            member_changes: Arc::default(),
            mark: None,
            end: Some(reading.end()),
        };
        self.write(page, None).await.map(drop)
    }

    /// Writes a page that has something to be written.
    async fn write(
        &self,
        page: IncrementalPage,
        read: Option<ReadBy>,
    ) -> Result<ChangeCounts, Stopped> {
        if page.items.is_empty() && page.mark.is_none() && page.end.is_none() {
            return Ok(ChangeCounts::default());
        }
        let iteration = || self.iteration();
        self.mirror.write_incremental(&self.context, page, read.as_ref(), iteration).await
    }

    fn count(&self, items: u64, changed: ChangeCounts) {
        let (totals, counts) = (&self.fetcher.progress, &self.fetcher.counts);
        totals.created.add(changed.created);
        totals.updated.add(changed.updated);
        counts.created.add(changed.created);
        counts.updated.add(changed.updated);
        counts.incremental.pages.increment();
        counts.incremental.items.add(items);
        counts.incremental.created.add(changed.created);
        counts.incremental.updated.add(changed.updated);
        self.fetcher.shared.found().incremental(changed.created + changed.updated);
    }
}

impl PassUnderWay<'_> {
    /// What the ledger says of the pass, once its last page is written.
    fn end(&self) -> IncrementalEnd {
        let PassTotals { pages, requests, items, changed } = self.totals;
        IncrementalEnd {
            started_ms: self.started_ms,
            pages,
            requests,
            items,
            changed_before: changed,
        }
    }
}

/// What the searches of a pass ask for.
fn conditions(
    series: &Series,
    incremental: &IncrementalConfig,
    since: Option<&Since>,
) -> Arc<Map<String, Value>> {
    let mut conditions = series.config.search.clone();
    conditions.extend(match since {
        Some(since) => since.put_into(&incremental.search),
        None => incremental.search.clone(),
    });
    Arc::new(conditions)
}
