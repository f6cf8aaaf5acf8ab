//! What a database holds beside items and log, as records of a transfer.

use rusqlite::{Row, ToSql, Transaction};

use super::write_error::WriteError;
use super::{feeds, models, published};
use crate::mirror::transfer::{
    CheckpointRecord, INCREMENTAL_NUMBERS, IncrementalPassRecord, MarkRecord, PASS_NUMBERS,
    PassRecord, RepositoryRecord, SeenRecord, StateRecords, SuspectsRecord,
};

/// Reads all of it.
pub(super) fn read(transaction: &Transaction<'_>) -> Result<StateRecords, WriteError> {
    Ok(StateRecords {
        repositories: rows(
            transaction,
            "SELECT id, items, first_pass_done, certified_iteration, certified_ms FROM repository",
            |row| {
                Ok(RepositoryRecord {
                    id: row.get(0)?,
                    items: row.get(1)?,
                    first_pass_done: row.get(2)?,
                    certified_iteration: row.get(3)?,
                    certified_ms: row.get(4)?,
                })
            },
        )?,
        passes: rows(
            transaction,
            "SELECT repository, iteration, started_ms, ended_ms, certified, reason,
             pages, requests, first_total, last_total, distinct_ids, repeats, step_backs,
             created, updated, deleted, unchanged, suspects, held FROM pass",
            pass,
        )?,
        incremental_passes: rows(
            transaction,
            "SELECT repository, number, iteration, started_ms, ended_ms, pages, requests,
             distinct_ids, created, updated, unchanged FROM incremental_pass",
            incremental_pass,
        )?,
        marks: rows(transaction, "SELECT repository, mark FROM incremental_mark", |row| {
            Ok(MarkRecord { repository: row.get(0)?, mark: row.get(1)? })
        })?,
        suspects: rows(
            transaction,
            "SELECT repository, suspects, suspect_count, held, held_count, held_iteration, held_ms,
             approved_items, approved_count, picked FROM suspects",
            |row| {
                Ok(SuspectsRecord {
                    repository: row.get(0)?,
                    suspects: row.get(1)?,
                    suspect_count: row.get(2)?,
                    held: row.get(3)?,
                    held_count: row.get(4)?,
                    held_iteration: row.get(5)?,
                    held_ms: row.get(6)?,
                    approved_items: row.get(7)?,
                    approved_count: row.get(8)?,
                    picked: row.get(9)?,
                })
            },
        )?,
        checkpoints: rows(
            transaction,
            "SELECT repository, saved_ms, state FROM checkpoint",
            |row| {
                Ok(CheckpointRecord {
                    repository: row.get(0)?,
                    saved_ms: row.get(1)?,
                    state: row.get(2)?,
                })
            },
        )?,
        seen: rows(transaction, "SELECT repository, page, ids FROM seen", |row| {
            Ok(SeenRecord { repository: row.get(0)?, page: row.get(1)?, ids: row.get(2)? })
        })?,
        models: models::records(transaction)?,
        views: published::views(transaction)?,
        feeds: feeds::records(transaction)?,
    })
}

fn rows<T>(
    transaction: &Transaction<'_>,
    sql: &str,
    record: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    transaction.prepare(sql)?.query_map([], record)?.collect()
}

fn pass(row: &Row<'_>) -> rusqlite::Result<PassRecord> {
    let mut numbers = [0; PASS_NUMBERS];
    for (column, number) in (6..).zip(&mut numbers) {
        *number = row.get(column)?;
    }
    Ok(PassRecord {
        repository: row.get(0)?,
        iteration: row.get(1)?,
        started_ms: row.get(2)?,
        ended_ms: row.get(3)?,
        numbers,
        certified: row.get(4)?,
        reason: row.get(5)?,
    })
}

fn incremental_pass(row: &Row<'_>) -> rusqlite::Result<IncrementalPassRecord> {
    let mut numbers = [0; INCREMENTAL_NUMBERS];
    for (column, number) in (5..).zip(&mut numbers) {
        *number = row.get(column)?;
    }
    Ok(IncrementalPassRecord {
        repository: row.get(0)?,
        number: row.get(1)?,
        iteration: row.get(2)?,
        started_ms: row.get(3)?,
        ended_ms: row.get(4)?,
        numbers,
    })
}

/// Writes all of it, in place of what is there.
pub(super) fn write(transaction: &Transaction<'_>, state: &StateRecords) -> Result<(), WriteError> {
    transaction.execute_batch(
        "DELETE FROM repository; DELETE FROM pass; DELETE FROM suspects;
         DELETE FROM incremental_pass; DELETE FROM incremental_mark;
         DELETE FROM checkpoint; DELETE FROM seen;
         DELETE FROM model; DELETE FROM model_answer; DELETE FROM model_change;
         DELETE FROM published_view; DELETE FROM published_column;
         DELETE FROM feed; DELETE FROM feed_parked",
    )?;
    let mut statement =
        transaction.prepare("INSERT INTO repository VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for it in &state.repositories {
        statement.execute((
            it.id,
            it.items,
            it.first_pass_done,
            it.certified_iteration,
            it.certified_ms,
        ))?;
    }
    let mut statement = transaction.prepare(
        "INSERT INTO pass (repository, iteration, started_ms, ended_ms, certified, reason,
         pages, requests, first_total, last_total, distinct_ids, repeats, step_backs,
         created, updated, deleted, unchanged, suspects, held)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    for it in &state.passes {
        let head: [&dyn ToSql; 6] = [
            &it.repository,
            &it.iteration,
            &it.started_ms,
            &it.ended_ms,
            &it.certified,
            &it.reason,
        ];
        let numbers = it.numbers.iter().map(|number| number as &dyn ToSql);
        let all: Vec<&dyn ToSql> = head.into_iter().chain(numbers).collect();
        statement.execute(&all[..])?;
    }
    let mut statement = transaction.prepare(
        "INSERT INTO incremental_pass (repository, number, iteration, started_ms, ended_ms, pages,
         requests, distinct_ids, created, updated, unchanged)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    for it in &state.incremental_passes {
        let head = [it.repository, it.number, it.iteration, it.started_ms, it.ended_ms];
        statement.execute(rusqlite::params_from_iter(head.into_iter().chain(it.numbers)))?;
    }
    let mut statement = transaction.prepare("INSERT INTO incremental_mark VALUES (?1, ?2)")?;
    for it in &state.marks {
        statement.execute((it.repository, &it.mark))?;
    }
    let mut statement = transaction.prepare(
        "INSERT INTO suspects (repository, suspects, suspect_count, held, held_count,
         held_iteration, held_ms, approved_items, approved_count, picked)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for it in &state.suspects {
        statement.execute((
            it.repository,
            &it.suspects,
            it.suspect_count,
            &it.held,
            it.held_count,
            it.held_iteration,
            it.held_ms,
            &it.approved_items,
            it.approved_count,
            it.picked,
        ))?;
    }
    let mut statement = transaction.prepare("INSERT INTO checkpoint VALUES (?1, ?2, ?3)")?;
    for it in &state.checkpoints {
        statement.execute((it.repository, it.saved_ms, &it.state))?;
    }
    let mut statement = transaction.prepare("INSERT INTO seen VALUES (?1, ?2, ?3)")?;
    for it in &state.seen {
        statement.execute((it.repository, it.page, &it.ids))?;
    }
    for it in &state.models {
        models::put(transaction, it)?;
        models::put_answers(transaction, it.repository, &it.answers)?;
        for (number, change) in (1..).zip(&it.changes) {
            models::put_change(transaction, it.repository, number, change)?;
        }
    }
    feeds::put_records(transaction, &state.feeds)?;
    published::put(transaction, &state.views)?;
    // What is not made here is made when the daemon saves a model there.
    drop(published::publish(transaction));
    Ok(())
}
