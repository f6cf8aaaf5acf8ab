//! Pages, deletions, and the dropping of old changes: all that touches items and the log.

use std::time::Duration;

use rusqlite::{OptionalExtension, Transaction};

use super::feeds;
use super::key::{OwnedSqlItemId, SqlItemId};
use super::ledger;
use super::lookup::{self, StoredRow};
use super::store::{Durability, WriteConnection};
use super::write_error::WriteError;
use crate::domain::{Item, ItemId, Iteration, Op, RepositoryId, Sequence};
use crate::mirror::diff::{self, ComparisonRules, StoredVersion};
use crate::mirror::retention::RetentionFloor;
use crate::mirror::{ChangeCounts, DroppedChanges, FeedHolds, PageOfItems};

/// Changes dropped in one transaction: few enough for a page to wait for them.
const DROPPED_AT_ONCE: u32 = 1000;

/// What a page brings.
#[derive(Debug, Default)]
pub(super) struct PageChanges<'a> {
    found: Vec<ItemChange<'a>>,
    changed: ChangeCounts,
}

impl PageChanges<'_> {
    /// How many of each kind.
    pub(super) fn changed(&self) -> ChangeCounts {
        self.changed
    }

    /// Whether it changes nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The changes, for the log.
    pub(super) fn entries(&self) -> impl Iterator<Item = LogEntry<'_>> {
        self.found.iter().map(LogEntry::of_item)
    }
}

/// An item that is not as it was.
#[derive(Debug)]
struct ItemChange<'a> {
    item: &'a Item,
    op: Op,
    /// The sequence of its last change, if it had one.
    previous: Option<i64>,
}

/// Takes one page; also returns the last change that it made, if it made any.
pub(super) fn page(
    store: &mut WriteConnection,
    repository: RepositoryId,
    page: &PageOfItems,
) -> Result<(ChangeCounts, Option<Sequence>), WriteError> {
    // Looked for before the transaction that writes, because its durability depends on what is
    // found. Nobody else writes items.
    let found = store.read(|transaction| {
        let rules = ComparisonRules::of(page, first_pass_done(transaction, repository)?);
        changes_of(transaction, repository, rules, diff::rows(page))
    })?;
    let changed = found.changed();
    let durability = if found.is_empty() { Durability::Lazy } else { Durability::Synced };
    store.write(durability, |transaction| {
        let of_pass = LogAppender::new(repository, page.iteration, page.ts_ms);
        let last = of_pass.append(transaction, found.entries())?;
        ledger::count(transaction, repository, page.iteration, page.ts_ms, changed)?;
        ledger::set_statistics(transaction, repository, page.iteration, &page.statistics)?;
        ledger::save_checkpoint(transaction, repository, page)?;
        Ok((changed, last))
    })
}

/// Whether any pass over the repository has come to its end.
pub(super) fn first_pass_done(
    transaction: &Transaction<'_>,
    repository: RepositoryId,
) -> Result<bool, WriteError> {
    let done = transaction
        .prepare_cached("SELECT first_pass_done FROM repository WHERE id = ?1")?
        .query_row([repository.0.cast_signed()], |row| row.get(0))
        .optional()?;
    Ok(done.unwrap_or(false))
}

/// What the rows of a page mean for the copy, each with whether it counts where it is as it was.
pub(super) fn changes_of<'a>(
    transaction: &Transaction<'_>,
    repository: RepositoryId,
    rules: ComparisonRules<'_>,
    rows: impl Iterator<Item = (&'a Item, bool)>,
) -> Result<PageChanges<'a>, WriteError> {
    let mut body = transaction.prepare_cached("SELECT after FROM change WHERE sequence = ?1")?;
    let mut page_changes = PageChanges::default();
    let rows: Vec<(&Item, bool)> = rows.collect();
    let ids: Vec<&ItemId> = rows.iter().map(|(item, _)| &item.id).collect();
    let stored = lookup::stored(transaction, repository, &ids)?;
    for ((item, newly_seen), stored) in rows.into_iter().zip(stored) {
        let previous = stored.map(|stored| stored.sequence);
        let known = stored
            .and_then(|stored| stored.digest)
            .map_or(StoredVersion::Absent, |digest| StoredVersion::Present(digest.cast_unsigned()));
        let stored = || body.query_row([previous], |row| row.get(0));
        let changed = &mut page_changes.changed;
        match rules.judge(item, known, stored)? {
            Some(op) => {
                *counter(changed, op) += 1;
                page_changes.found.push(ItemChange { item, op, previous });
            }
            None => changed.unchanged += u64::from(newly_seen),
        }
    }
    Ok(page_changes)
}

fn counter(changed: &mut ChangeCounts, op: Op) -> &mut u64 {
    match op {
        Op::Read | Op::Create => &mut changed.created,
        Op::Update => &mut changed.updated,
        Op::Delete => &mut changed.deleted,
    }
}

/// Deletes items; those that are not there do not count. Also returns the last change that it made.
pub(super) fn delete(
    store: &mut WriteConnection,
    repository: RepositoryId,
    iteration: Iteration,
    ts_ms: i64,
    items: &[ItemId],
) -> Result<(u64, Option<Sequence>), WriteError> {
    store.write(Durability::Synced, |transaction| {
        let mut ids: Vec<&ItemId> = items.iter().collect();
        ids.sort_unstable();
        ids.dedup();
        let stored = lookup::stored(transaction, repository, &ids)?;
        let gone: Vec<LogEntry<'_>> = ids
            .into_iter()
            .zip(stored)
            .filter_map(|(id, stored)| {
                let StoredRow { sequence, digest } = stored?;
                digest?;
                Some(LogEntry { id, op: Op::Delete, previous: Some(sequence), body: None })
            })
            .collect();
        let deleted = gone.len() as u64;
        let appender = LogAppender::new(repository, iteration, ts_ms);
        let last = appender.append(transaction, gone.into_iter())?;
        let changed = ChangeCounts { deleted, ..ChangeCounts::default() };
        ledger::count(transaction, repository, iteration, ts_ms, changed)?;
        Ok((deleted, last))
    })
}

/// One change on its way into the log.
#[derive(Debug)]
pub(super) struct LogEntry<'a> {
    id: &'a ItemId,
    op: Op,
    previous: Option<i64>,
    /// The item and its digest.
    body: Option<&'a Item>,
}

impl<'a> LogEntry<'a> {
    fn of_item(found: &ItemChange<'a>) -> Self {
        let ItemChange { item, op, previous } = *found;
        Self { id: &item.id, op, previous, body: Some(item) }
    }
}

/// The log, as one pass adds to it.
#[derive(Debug)]
pub(super) struct LogAppender {
    repository: i64,
    iteration: i64,
    ts_ms: i64,
}

impl LogAppender {
    pub(super) fn new(repository: RepositoryId, iteration: Iteration, ts_ms: i64) -> Self {
        let (repository, iteration) = (repository.0.cast_signed(), iteration.0.cast_signed());
        Self { repository, iteration, ts_ms }
    }

    /// Adds changes, and keeps the copy to them; returns the last one.
    pub(super) fn append<'a>(
        &self,
        transaction: &Transaction<'_>,
        entries: impl Iterator<Item = LogEntry<'a>>,
    ) -> Result<Option<Sequence>, WriteError> {
        let before = last_sequence(transaction)?;
        let mut sequence = before;
        let mut more = 0;
        let mut change = transaction
            .prepare_cached("INSERT INTO change VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
        let mut item = transaction.prepare_cached(
            "INSERT INTO item VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET sequence = excluded.sequence, digest = excluded.digest",
        )?;
        for LogEntry { id, op, previous, body } in entries {
            sequence += 1;
            more += match op {
                Op::Read | Op::Create => 1,
                Op::Update => 0,
                Op::Delete => -1,
            };
            let (key, after) = (SqlItemId(id), body.map(|item| &item.bytes[..]));
            let digest = body.map(|item| item.digest.cast_signed());
            let Self { repository, iteration, ts_ms } = *self;
            change.execute((
                sequence,
                repository,
                key,
                op.letter(),
                iteration,
                ts_ms,
                previous,
                after,
            ))?;
            item.execute((repository, key, sequence, digest))?;
        }
        if more != 0 {
            transaction
                .prepare_cached(
                    "INSERT INTO repository (id, items) VALUES (?1, ?2)
                     ON CONFLICT DO UPDATE SET items = items + excluded.items",
                )?
                .execute([self.repository, more])?;
        }
        Ok((sequence > before).then_some(Sequence(sequence.cast_unsigned())))
    }
}

/// The last change that was ever made; 0: none.
pub(super) fn last_sequence(transaction: &Transaction<'_>) -> Result<i64, WriteError> {
    let last =
        "SELECT max(dropped_through, (SELECT ifnull(max(sequence), 0) FROM change)) FROM log";
    Ok(transaction.prepare_cached(last)?.query_row([], |row| row.get(0))?)
}

/// A change that is old enough to go.
struct ExpiredChange {
    sequence: i64,
    repository: i64,
    id: OwnedSqlItemId,
    op: String,
    previous: Option<i64>,
    /// When it was found at the latest.
    found_ms: i64,
}

/// The room that the database takes, without what is free inside it.
pub(super) fn used_bytes(store: &mut WriteConnection) -> Result<u64, WriteError> {
    store.read(|transaction| {
        let pragma = |name| transaction.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0));
        let [all, free, size]: [i64; 3] =
            [pragma("page_count")?, pragma("freelist_count")?, pragma("page_size")?];
        Ok(all.saturating_sub(free).saturating_mul(size).cast_unsigned())
    })
}

/// Drops changes found longer than `keep` ago, up to the first that is younger or that a feed holds.
pub(super) fn drop_changes(
    store: &mut WriteConnection,
    now_ms: i64,
    keep: Duration,
    holds: &FeedHolds,
) -> Result<DroppedChanges, WriteError> {
    store.write(Durability::Lazy, |transaction| {
        let mut floor = RetentionFloor::new(now_ms, keep, holds);
        feeds::heed(transaction, &mut floor, holds, DROPPED_AT_ONCE)?;
        let old = oldest(transaction, &mut floor)?;
        let undelivered = floor.undelivered();
        let mut forget = transaction.prepare_cached("DELETE FROM change WHERE sequence = ?1")?;
        let mut bury = transaction.prepare_cached(
            "DELETE FROM item WHERE repository = ?1 AND id = ?2 AND sequence = ?3",
        )?;
        for ExpiredChange { sequence, repository, id, op, previous, .. } in &old {
            if let Some(previous) = previous {
                forget.execute([previous])?;
            }
            // A deletion has no body that anybody could need. Any other change may: its item, or
            // the `before` of the change after it.
            if op == Op::Delete.letter() {
                forget.execute([sequence])?;
                bury.execute((repository, SqlItemId(&id.0), sequence))?;
            }
        }
        if let Some(last) = old.last() {
            transaction
                .prepare_cached(
                    "UPDATE log SET dropped_through = ?1, dropped_ms = max(ifnull(dropped_ms, ?2), ?2)",
                )?
                .execute((last.sequence, old.iter().map(|old| old.found_ms).max()))?;
            feeds::drop_through(transaction, last.sequence, &undelivered)?;
        }
        Ok(DroppedChanges { more: old.len() == DROPPED_AT_ONCE as usize, undelivered })
    })
}

fn oldest(
    transaction: &Transaction<'_>,
    floor: &mut RetentionFloor<'_>,
) -> Result<Vec<ExpiredChange>, WriteError> {
    let cutoff = floor.cutoff();
    let mut changes = transaction.prepare_cached(
        "SELECT sequence, repository, id, op, previous, ts_ms, iteration FROM change
         WHERE sequence > (SELECT dropped_through FROM log) ORDER BY sequence LIMIT ?1",
    )?;
    let mut next_pass = transaction.prepare_cached(
        "SELECT started_ms FROM pass
         WHERE repository = ?1 AND iteration > ?2 AND started_ms <= ?3 ORDER BY iteration LIMIT 1",
    )?;
    let mut rows = changes.query([DROPPED_AT_ONCE])?;
    let mut old = Vec::new();
    while let Some(row) = rows.next()? {
        let (repository, iteration): (i64, i64) = (row.get(1)?, row.get(6)?);
        let next_pass_ms = || {
            next_pass
                .query_row((repository, iteration, cutoff.now_ms()), |row| row.get(0))
                .optional()
        };
        let (sequence, found_ms): (i64, i64) = (row.get(0)?, row.get(5)?);
        if floor.keeps(Sequence(sequence.cast_unsigned()), found_ms, next_pass_ms)? {
            break;
        }
        old.push(ExpiredChange {
            sequence,
            repository: row.get(1)?,
            id: row.get(2)?,
            op: row.get(3)?,
            previous: row.get(4)?,
            found_ms: cutoff.dropped_ms(found_ms),
        });
    }
    Ok(old)
}
