//! What a database holds beside items and log, as records.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::target;
use crate::mirror::postgres::error::PostgresError;
use crate::mirror::postgres::{PostgresPool, feeds, models, published};
use crate::mirror::transfer::{
    CheckpointRecord, INCREMENTAL_NUMBERS, IncrementalPassRecord, MarkRecord, PASS_NUMBERS,
    PassRecord, RepositoryRecord, SeenRecord, StateRecords, SuspectsRecord,
};

/// Reads all of it.
pub(super) async fn read(pool: &PostgresPool) -> Result<StateRecords, PostgresError> {
    let client = pool.get().await?;
    let rows = async |sql: &str| client.query(sql, &[]).await;
    let repositories = rows(
        "SELECT id, items, first_pass_done, certified_iteration, certified_ms FROM repository",
    )
    .await?;
    let passes = rows(
        "SELECT repository, iteration, started_ms, ended_ms, certified, reason,
            pages, requests, first_total, last_total, distinct_ids, repeats, step_backs,
            created, updated, deleted, unchanged, suspects, held FROM pass",
    )
    .await?;
    let incremental_passes = rows(
        "SELECT repository, number, iteration, started_ms, ended_ms, pages, requests,
            distinct_ids, created, updated, unchanged FROM incremental_pass",
    )
    .await?;
    let marks = rows("SELECT repository, mark FROM incremental_mark").await?;
    let suspects = rows(
        "SELECT repository, suspects, suspect_count, held, held_count, held_iteration, held_ms,
            approved_items, approved_count, picked FROM suspects",
    )
    .await?;
    let checkpoints = rows("SELECT repository, saved_ms, state FROM checkpoint").await?;
    let seen = rows("SELECT repository, page, ids FROM seen").await?;
    let models = models::records(&client).await?;
    let views = published::views(&client).await?;
    let feeds = feeds::records(&client).await?;
    Ok(StateRecords {
        repositories: all(&repositories, |row| {
            Ok(RepositoryRecord {
                id: row.try_get(0)?,
                items: row.try_get(1)?,
                first_pass_done: row.try_get(2)?,
                certified_iteration: row.try_get(3)?,
                certified_ms: row.try_get(4)?,
            })
        })?,
        passes: all(&passes, pass)?,
        incremental_passes: all(&incremental_passes, incremental_pass)?,
        marks: all(&marks, |row| {
            Ok(MarkRecord { repository: row.try_get(0)?, mark: row.try_get(1)? })
        })?,
        suspects: all(&suspects, |row| {
            Ok(SuspectsRecord {
                repository: row.try_get(0)?,
                suspects: row.try_get(1)?,
                suspect_count: row.try_get(2)?,
                held: row.try_get(3)?,
                held_count: row.try_get(4)?,
                held_iteration: row.try_get(5)?,
                held_ms: row.try_get(6)?,
                approved_items: row.try_get(7)?,
                approved_count: row.try_get(8)?,
                picked: row.try_get(9)?,
            })
        })?,
        checkpoints: all(&checkpoints, |row| {
            Ok(CheckpointRecord {
                repository: row.try_get(0)?,
                saved_ms: row.try_get(1)?,
                state: row.try_get(2)?,
            })
        })?,
        seen: all(&seen, |row| {
            Ok(SeenRecord {
                repository: row.try_get(0)?,
                page: row.try_get(1)?,
                ids: row.try_get(2)?,
            })
        })?,
        models,
        views,
        feeds,
    })
}

fn all<T>(
    rows: &[Row],
    record: impl Fn(&Row) -> Result<T, tokio_postgres::Error>,
) -> Result<Vec<T>, PostgresError> {
    Ok(rows.iter().map(record).collect::<Result<_, _>>()?)
}

fn pass(row: &Row) -> Result<PassRecord, tokio_postgres::Error> {
    let mut numbers = [0; PASS_NUMBERS];
    for (column, number) in (6..).zip(&mut numbers) {
        *number = row.try_get(column)?;
    }
    Ok(PassRecord {
        repository: row.try_get(0)?,
        iteration: row.try_get(1)?,
        started_ms: row.try_get(2)?,
        ended_ms: row.try_get(3)?,
        numbers,
        certified: row.try_get(4)?,
        reason: row.try_get(5)?,
    })
}

fn incremental_pass(row: &Row) -> Result<IncrementalPassRecord, tokio_postgres::Error> {
    let mut numbers = [0; INCREMENTAL_NUMBERS];
    for (column, number) in (5..).zip(&mut numbers) {
        *number = row.try_get(column)?;
    }
    Ok(IncrementalPassRecord {
        repository: row.try_get(0)?,
        number: row.try_get(1)?,
        iteration: row.try_get(2)?,
        started_ms: row.try_get(3)?,
        ended_ms: row.try_get(4)?,
        numbers,
    })
}

/// Writes all of it, in place of what is there.
pub(super) async fn write(
    pool: &PostgresPool,
    owner: &str,
    state: StateRecords,
) -> Result<(), PostgresError> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    target::hold(&transaction, owner).await?;
    transaction
        .batch_execute(
            "DELETE FROM repository; DELETE FROM pass; DELETE FROM suspects;
            DELETE FROM incremental_pass; DELETE FROM incremental_mark;
            DELETE FROM checkpoint; DELETE FROM seen;
            DELETE FROM model; DELETE FROM model_answer; DELETE FROM model_change;
            DELETE FROM published_view; DELETE FROM published_column;
            DELETE FROM feed; DELETE FROM feed_parked",
        )
        .await?;
    let put = async |sql: &str, rows: Vec<Vec<&(dyn ToSql + Sync)>>| {
        let statement = transaction.prepare(sql).await?;
        for row in rows {
            transaction.execute(&statement, &row).await?;
        }
        Ok::<(), PostgresError>(())
    };
    let rows = state.repositories.iter().map(|it| {
        vec![
            &it.id as &(dyn ToSql + Sync),
            &it.items,
            &it.first_pass_done,
            &it.certified_iteration,
            &it.certified_ms,
        ]
    });
    put(
        "INSERT INTO repository (id, items, first_pass_done, certified_iteration, certified_ms)
        VALUES ($1, $2, $3, $4, $5)",
        rows.collect(),
    )
    .await?;
    let rows = state.passes.iter().map(|it| {
        let mut row: Vec<&(dyn ToSql + Sync)> = vec![
            &it.repository,
            &it.iteration,
            &it.started_ms,
            &it.ended_ms,
            &it.certified,
            &it.reason,
        ];
        row.extend(it.numbers.iter().map(|number| number as &(dyn ToSql + Sync)));
        row
    });
    put(
        "INSERT INTO pass (repository, iteration, started_ms, ended_ms, certified, reason,
            pages, requests, first_total, last_total, distinct_ids, repeats, step_backs,
            created, updated, deleted, unchanged, suspects, held)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
        rows.collect(),
    )
    .await?;
    let rows = state.incremental_passes.iter().map(|it| {
        let mut row: Vec<&(dyn ToSql + Sync)> =
            vec![&it.repository, &it.number, &it.iteration, &it.started_ms, &it.ended_ms];
        row.extend(it.numbers.iter().map(|number| number as &(dyn ToSql + Sync)));
        row
    });
    put(
        "INSERT INTO incremental_pass (repository, number, iteration, started_ms, ended_ms, pages,
            requests, distinct_ids, created, updated, unchanged)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        rows.collect(),
    )
    .await?;
    let rows = state.marks.iter().map(|it| vec![&it.repository as &(dyn ToSql + Sync), &it.mark]);
    put("INSERT INTO incremental_mark (repository, mark) VALUES ($1, $2)", rows.collect()).await?;
    let rows = state.suspects.iter().map(|it| {
        vec![
            &it.repository as &(dyn ToSql + Sync),
            &it.suspects,
            &it.suspect_count,
            &it.held,
            &it.held_count,
            &it.held_iteration,
            &it.held_ms,
            &it.approved_items,
            &it.approved_count,
            &it.picked,
        ]
    });
    put(
        "INSERT INTO suspects (repository, suspects, suspect_count, held, held_count,
            held_iteration, held_ms, approved_items, approved_count, picked)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        rows.collect(),
    )
    .await?;
    let rows = state
        .checkpoints
        .iter()
        .map(|it| vec![&it.repository as &(dyn ToSql + Sync), &it.saved_ms, &it.state]);
    put("INSERT INTO checkpoint (repository, saved_ms, state) VALUES ($1, $2, $3)", rows.collect())
        .await?;
    let rows =
        state.seen.iter().map(|it| vec![&it.repository as &(dyn ToSql + Sync), &it.page, &it.ids]);
    put("INSERT INTO seen (repository, page, ids) VALUES ($1, $2, $3)", rows.collect()).await?;
    for it in &state.models {
        models::put(&transaction, it).await?;
        models::put_answers(&transaction, it.repository, &it.answers).await?;
        for (number, change) in (1..).zip(&it.changes) {
            models::put_change(&transaction, it.repository, number, change).await?;
        }
    }
    feeds::put_records(&transaction, &state.feeds).await?;
    published::put(&transaction, &state.views).await?;
    transaction.commit().await?;
    // What is not made here is made when the daemon saves a model there.
    drop(published::publish(pool, None).await);
    Ok(())
}
