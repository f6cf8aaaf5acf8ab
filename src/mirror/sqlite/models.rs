//! What is known of repositories: writing it, reading it, and as records of a transfer.

use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use super::published;
use super::store::{Durability, WriteConnection};
use super::write_error::WriteError;
use crate::domain::RepositoryId;
use crate::mirror::contracts::{
    KeptModel, MODEL_CHANGES_KEPT, ModelChange, ModelUpdate, RefusedView,
};
use crate::mirror::transfer::ModelRecord;
use crate::model::RawAnswer;

const MODEL: &str = "SELECT repository, read_ms, server_ms, from_file, document FROM model";

/// What was saved last of a repository.
pub(super) fn saved(
    store: &mut WriteConnection,
    repository: RepositoryId,
) -> Result<Option<KeptModel>, WriteError> {
    store.read(|transaction| Ok(model(transaction, repository)?))
}

/// Keeps what is known of a repository from now on.
pub(super) fn save(
    store: &mut WriteConnection,
    repository: RepositoryId,
    update: &ModelUpdate,
) -> Result<Vec<RefusedView>, WriteError> {
    store.write(Durability::Synced, |transaction| {
        let id = repository.0.cast_signed();
        let ModelUpdate { kept, answers, change } = update;
        put(transaction, &ModelRecord::of(repository, kept))?;
        if let Some(answers) = answers {
            put_answers(transaction, id, answers)?;
        }
        if let Some(what) = change {
            let number: i64 = transaction.query_row(
                "SELECT coalesce(max(number), 0) + 1 FROM model_change WHERE repository = ?1",
                [id],
                |row| row.get(0),
            )?;
            let change = ModelChange { changed_ms: kept.read_ms, what: what.clone() };
            put_change(transaction, id, number, &change)?;
            transaction.execute(
                "DELETE FROM model_change WHERE repository = ?1 AND number <= ?2",
                (id, number - MODEL_CHANGES_KEPT),
            )?;
        }
        Ok(published::publish(transaction))
    })
}

pub(super) fn put(transaction: &Transaction<'_>, record: &ModelRecord) -> rusqlite::Result<()> {
    let ModelRecord { repository, read_ms, server_ms, from_file, document, .. } = record;
    transaction.execute(
        "INSERT INTO model (repository, read_ms, server_ms, from_file, document)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (repository) DO UPDATE SET
            published = (published AND document = excluded.document), read_ms = excluded.read_ms,
            server_ms = excluded.server_ms, from_file = excluded.from_file,
            document = excluded.document",
        (repository, read_ms, server_ms, from_file, document),
    )?;
    Ok(())
}

pub(super) fn put_answers(
    transaction: &Transaction<'_>,
    id: i64,
    answers: &[RawAnswer],
) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM model_answer WHERE repository = ?1", [id])?;
    let mut statement =
        transaction.prepare("INSERT INTO model_answer VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (number, answer) in (1_i64..).zip(answers) {
        let RawAnswer { call, subject, body } = answer;
        statement.execute((id, number, call, subject, String::from_utf8_lossy(body)))?;
    }
    Ok(())
}

pub(super) fn put_change(
    transaction: &Transaction<'_>,
    id: i64,
    number: i64,
    change: &ModelChange,
) -> rusqlite::Result<()> {
    let row = (id, number, change.changed_ms, &change.what);
    transaction.execute("INSERT INTO model_change VALUES (?1, ?2, ?3, ?4)", row).map(drop)
}

/// What is known of a repository.
pub(super) fn model(
    connection: &Connection,
    repository: RepositoryId,
) -> rusqlite::Result<Option<KeptModel>> {
    let found = connection
        .prepare_cached(&format!("{MODEL} WHERE repository = ?1"))?
        .query_row([repository.0.cast_signed()], record)
        .optional()?;
    Ok(found.map(|record| record.kept()))
}

/// All that is known, as records.
pub(super) fn records(connection: &Connection) -> rusqlite::Result<Vec<ModelRecord>> {
    let found: rusqlite::Result<Vec<_>> =
        connection.prepare(MODEL)?.query_map([], record)?.collect();
    let mut records = found?;
    for record in &mut records {
        record.answers = answers(connection, record.repository)?;
        record.changes = changes(connection, record.repository)?;
    }
    Ok(records)
}

fn record(row: &Row<'_>) -> rusqlite::Result<ModelRecord> {
    Ok(ModelRecord {
        repository: row.get(0)?,
        read_ms: row.get(1)?,
        server_ms: row.get(2)?,
        from_file: row.get(3)?,
        document: row.get(4)?,
        answers: Vec::new(),
        changes: Vec::new(),
    })
}

/// The server's answers.
pub(super) fn answers(connection: &Connection, id: i64) -> rusqlite::Result<Vec<RawAnswer>> {
    let answer = |row: &Row<'_>| {
        let body: String = row.get(2)?;
        Ok(RawAnswer { call: row.get(0)?, subject: row.get(1)?, body: body.into() })
    };
    connection
        .prepare_cached(
            "SELECT call, subject, body FROM model_answer WHERE repository = ?1 ORDER BY number",
        )?
        .query_map([id], answer)?
        .collect()
}

/// The changes that are kept.
pub(super) fn changes(connection: &Connection, id: i64) -> rusqlite::Result<Vec<ModelChange>> {
    connection
        .prepare_cached(
            "SELECT changed_ms, what FROM model_change WHERE repository = ?1 ORDER BY number",
        )?
        .query_map([id], |row| Ok(ModelChange { changed_ms: row.get(0)?, what: row.get(1)? }))?
        .collect()
}
