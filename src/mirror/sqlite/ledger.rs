//! Passes: the ledger, the checkpoint of the one under way, and how one begins and ends.

use rusqlite::{OptionalExtension, Row, Transaction};

use super::store::{Durability, WriteConnection};
use super::suspects;
use super::write_error::WriteError;
use crate::domain::{IdSet, Iteration, RepositoryId};
use crate::mirror::deletions::{AnnouncedDeletions, Announcement};
use crate::mirror::{
    ChangeCounts, EndOfPass, Interrupted, PageOfItems, PassStatistics, ResumePoint,
};

/// Passes of one repository that the ledger keeps.
const KEPT: u32 = 1000;

/// Where a repository stands.
pub(super) fn load(
    store: &mut WriteConnection,
    of: RepositoryId,
) -> Result<ResumePoint, WriteError> {
    let repository = of.0.cast_signed();
    store.read(|transaction| {
        let mark = mark(transaction, of)?;
        let last: Option<(i64, bool, PassStatistics)> = transaction
            .prepare_cached(
                "SELECT pages, requests, first_total, last_total, distinct_ids, repeats, step_backs,
                 iteration, ended_ms IS NOT NULL FROM pass WHERE repository = ?1
                 ORDER BY ended_ms IS NULL DESC, iteration DESC LIMIT 1",
            )?
            .query_row([repository], |row| Ok((row.get(7)?, row.get(8)?, statistics(row)?)))
            .optional()?;
        let Some((iteration, ended, statistics)) = last else {
            return Ok(ResumePoint { iteration: Iteration::FIRST, interrupted: None, mark });
        };
        let iteration = Iteration(iteration.cast_unsigned());
        if ended {
            return Ok(ResumePoint { iteration: iteration.next(), interrupted: None, mark });
        }
        let checkpoint: Option<(i64, Vec<u8>)> = transaction
            .prepare_cached("SELECT saved_ms, state FROM checkpoint WHERE repository = ?1")?
            .query_row([repository], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((saved_ms, state)) = checkpoint else {
            return Ok(ResumePoint { iteration, interrupted: None, mark });
        };
        let seen = transaction
            .prepare_cached("SELECT ids FROM seen WHERE repository = ?1 ORDER BY page")?
            .query_map([repository], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let interrupted = Some(Interrupted { saved_ms, statistics, state, seen });
        Ok(ResumePoint { iteration, interrupted, mark })
    })
}

/// How far incremental passes have come.
fn mark(
    transaction: &Transaction<'_>,
    repository: RepositoryId,
) -> Result<Option<Vec<u8>>, WriteError> {
    Ok(transaction
        .prepare_cached("SELECT mark FROM incremental_mark WHERE repository = ?1")?
        .query_row([repository.0.cast_signed()], |row| row.get(0))
        .optional()?)
}

fn statistics(row: &Row<'_>) -> rusqlite::Result<PassStatistics> {
    let number = |column: usize| row.get(column).map(i64::cast_unsigned);
    Ok(PassStatistics {
        pages: number(0)?,
        requests: number(1)?,
        first_total: number(2)?,
        last_total: number(3)?,
        distinct: number(4)?,
        repeats: number(5)?,
        step_backs: number(6)?,
    })
}

/// Begins a pass, or begins it over.
pub(super) fn begin(
    store: &mut WriteConnection,
    repository: RepositoryId,
    iteration: Iteration,
    ts_ms: i64,
) -> Result<(), WriteError> {
    let (repository, iteration) = (repository.0.cast_signed(), iteration.0.cast_signed());
    store.write(Durability::Lazy, |transaction| {
        transaction
            .prepare_cached(
                "UPDATE pass SET ended_ms = ?2, certified = 0, reason = 'given up'
                 WHERE repository = ?1 AND ended_ms IS NULL",
            )?
            .execute((repository, ts_ms))?;
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO pass (repository, iteration, started_ms)
                 VALUES (?1, ?2, ?3)",
            )?
            .execute((repository, iteration, ts_ms))?;
        forget_checkpoint(transaction, repository)
    })
}

/// Ends a pass; what it changed in all.
pub(super) fn end(
    store: &mut WriteConnection,
    of: RepositoryId,
    end: &EndOfPass,
) -> Result<ChangeCounts, WriteError> {
    let repository = of.0.cast_signed();
    let iteration = end.iteration.0.cast_signed();
    let certified = end.reason.is_none();
    // Synced: it is told to the world as done.
    store.write(Durability::Synced, |transaction| {
        count(transaction, of, end.iteration, end.ts_ms, ChangeCounts::default())?;
        set_statistics(transaction, of, end.iteration, &end.statistics)?;
        let suspects = end.suspects.count().cast_signed();
        let held = end.held.as_ref().map_or(0, |held| held.items.count()).cast_signed();
        let changed = transaction
            .prepare_cached(
                "UPDATE pass SET ended_ms = ?3, suspects = ?4, held = ?5, certified = ?6, reason = ?7
                 WHERE repository = ?1 AND iteration = ?2
                 RETURNING created, updated, deleted, unchanged",
            )?
            .query_row(
                (repository, iteration, end.ts_ms, suspects, held, certified, &end.reason),
                |row| {
                    let number = |column: usize| row.get(column).map(i64::cast_unsigned);
                    Ok(ChangeCounts {
                        created: number(0)?,
                        updated: number(1)?,
                        deleted: number(2)?,
                        unchanged: number(3)?,
                    })
                },
            )?;
        transaction
            .prepare_cached(
                "INSERT INTO repository (id, first_pass_done) VALUES (?1, 1)
                 ON CONFLICT DO UPDATE SET first_pass_done = 1",
            )?
            .execute([repository])?;
        if certified {
            transaction
                .prepare_cached(
                    "UPDATE repository SET certified_iteration = ?2, certified_ms = ?3
                     WHERE id = ?1",
                )?
                .execute((repository, iteration, end.ts_ms))?;
        }
        suspect(transaction, of, end)?;
        forget_checkpoint(transaction, repository)?;
        transaction
            .prepare_cached(
                "DELETE FROM pass WHERE repository = ?1 AND iteration <=
                 (SELECT iteration FROM pass WHERE repository = ?1
                  ORDER BY iteration DESC LIMIT 1 OFFSET ?2)",
            )?
            .execute((repository, KEPT))?;
        Ok(changed)
    })
}

/// Puts down who is suspected and what is held back, in place of what was there.
fn suspect(
    transaction: &Transaction<'_>,
    repository: RepositoryId,
    end: &EndOfPass,
) -> Result<(), WriteError> {
    let now = Announcement { iteration: end.iteration, ts_ms: end.ts_ms };
    let before = held_before(transaction, repository)?;
    let announced = AnnouncedDeletions::at_end(end.held.clone(), before, now);
    let held = announced.as_ref().map(|announced| &announced.held);
    let since = announced.as_ref().map(|announced| announced.since);
    let approved = held.map(|held| &held.approved).filter(|approved| !approved.is_empty());
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO suspects (repository, suspects, suspect_count, held,
             held_count, held_iteration, held_ms, approved_items, approved_count, picked)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute((
            repository.0.cast_signed(),
            end.suspects.to_bytes(),
            end.suspects.count().cast_signed(),
            held.map(|held| held.items.to_bytes()),
            held.map_or(0, |held| held.announced).cast_signed(),
            since.map(|since| since.iteration.0.cast_signed()),
            since.map(|since| since.ts_ms),
            approved.map(IdSet::to_bytes),
            approved.map_or(0, IdSet::count).cast_signed(),
            held.is_some_and(|held| held.picked),
        ))?;
    Ok(())
}

/// What was held back when the pass began to end.
fn held_before(
    transaction: &Transaction<'_>,
    repository: RepositoryId,
) -> Result<Option<AnnouncedDeletions>, WriteError> {
    let Some(held) = suspects::suspects_in(transaction, repository)?.held else { return Ok(None) };
    let since = transaction
        .prepare_cached("SELECT held_iteration, held_ms FROM suspects WHERE repository = ?1")?
        .query_row([repository.0.cast_signed()], |row| {
            let iteration = Iteration(row.get::<_, i64>(0)?.cast_unsigned());
            Ok(Announcement { iteration, ts_ms: row.get(1)? })
        })?;
    Ok(Some(AnnouncedDeletions { held, since }))
}

/// Adds to what a pass has changed. A pass that nobody began begins now.
pub(super) fn count(
    transaction: &Transaction<'_>,
    repository: RepositoryId,
    iteration: Iteration,
    ts_ms: i64,
    changed: ChangeCounts,
) -> Result<(), WriteError> {
    transaction
        .prepare_cached(
            "INSERT INTO pass (repository, iteration, started_ms, created, updated, deleted,
             unchanged) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO UPDATE SET created = created + excluded.created,
             updated = updated + excluded.updated, deleted = deleted + excluded.deleted,
             unchanged = unchanged + excluded.unchanged",
        )?
        .execute((
            repository.0.cast_signed(),
            iteration.0.cast_signed(),
            ts_ms,
            changed.created.cast_signed(),
            changed.updated.cast_signed(),
            changed.deleted.cast_signed(),
            changed.unchanged.cast_signed(),
        ))?;
    Ok(())
}

/// Puts down what the pager knows of a pass.
pub(super) fn set_statistics(
    transaction: &Transaction<'_>,
    repository: RepositoryId,
    iteration: Iteration,
    statistics: &PassStatistics,
) -> Result<(), WriteError> {
    transaction
        .prepare_cached(
            "UPDATE pass SET pages = ?3, requests = ?4, first_total = ?5, last_total = ?6,
             distinct_ids = ?7, repeats = ?8, step_backs = ?9
             WHERE repository = ?1 AND iteration = ?2",
        )?
        .execute((
            repository.0.cast_signed(),
            iteration.0.cast_signed(),
            statistics.pages.cast_signed(),
            statistics.requests.cast_signed(),
            statistics.first_total.cast_signed(),
            statistics.last_total.cast_signed(),
            statistics.distinct.cast_signed(),
            statistics.repeats.cast_signed(),
            statistics.step_backs.cast_signed(),
        ))?;
    Ok(())
}

/// Puts down how to go on after a page.
pub(super) fn save_checkpoint(
    transaction: &Transaction<'_>,
    repository: RepositoryId,
    page: &PageOfItems,
) -> Result<(), WriteError> {
    let repository = repository.0.cast_signed();
    transaction
        .prepare_cached("INSERT OR REPLACE INTO checkpoint VALUES (?1, ?2, ?3)")?
        .execute((repository, page.ts_ms, &page.checkpoint.state))?;
    if !page.checkpoint.seen.is_empty() {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO seen VALUES (?1, ?2, ?3)")?
            .execute((repository, page.statistics.pages.cast_signed(), &page.checkpoint.seen))?;
    }
    Ok(())
}

fn forget_checkpoint(transaction: &Transaction<'_>, repository: i64) -> Result<(), WriteError> {
    for forget in
        ["DELETE FROM checkpoint WHERE repository = ?1", "DELETE FROM seen WHERE repository = ?1"]
    {
        transaction.prepare_cached(forget)?.execute([repository])?;
    }
    Ok(())
}
