//! What is known of repositories, in PostgreSQL.
//!
//! Saving it locks the row of the lease, so that nobody else takes that meanwhile, and does not change
//! it: the count of a writer's transactions stays the writer's.

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row, Transaction};

use super::connections::PostgresPool;
use super::error::PostgresError;
use super::numbers::signed;
use crate::domain::RepositoryId;
use crate::mirror::contracts::{KeptModel, Lease, MODEL_CHANGES_KEPT, ModelChange, ModelUpdate};
use crate::mirror::transfer::ModelRecord;
use crate::model::RawAnswer;

pub(super) const LEASE: &str = "
    SELECT owner FROM lease
    WHERE repository = $1 AND owner = $2 AND generation = $3 AND owner <> '' FOR SHARE";

const PUT: &str = "
    INSERT INTO model (repository, read_ms, server_ms, from_file, document)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (repository) DO UPDATE SET
        published = (model.published AND model.document = excluded.document),
        read_ms = excluded.read_ms,
        server_ms = excluded.server_ms, from_file = excluded.from_file,
        document = excluded.document";

const PUT_ANSWER: &str = "
    INSERT INTO model_answer (repository, number, call, subject, body) VALUES ($1, $2, $3, $4, $5)";

const PUT_CHANGE: &str = "
    INSERT INTO model_change (repository, number, changed_ms, what) VALUES ($1, $2, $3, $4)";

/// Keeps what is known of a repository from now on.
///
/// # Errors
///
/// The lease is another's.
pub(super) async fn save(
    pool: &PostgresPool,
    lease: &Lease,
    repository: RepositoryId,
    update: &ModelUpdate,
) -> Result<(), PostgresError> {
    let id = signed(repository.0);
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    let (owner, generation) = (&*lease.owner, signed(lease.generation));
    if transaction.query_opt(LEASE, &[&id, &owner, &generation]).await?.is_none() {
        return Err(PostgresError::Fenced { repository });
    }
    let ModelUpdate { kept, answers, change } = update;
    put(&transaction, &ModelRecord::of(repository, kept)).await?;
    if let Some(answers) = answers {
        put_answers(&transaction, id, answers).await?;
    }
    if let Some(what) = change {
        let last = "SELECT coalesce(max(number), 0) FROM model_change WHERE repository = $1";
        let last: i64 = transaction.query_one(last, &[&id]).await?.try_get(0)?;
        let change = ModelChange { changed_ms: kept.read_ms, what: what.clone() };
        put_change(&transaction, id, last + 1, &change).await?;
        let old = "DELETE FROM model_change WHERE repository = $1 AND number <= $2";
        transaction.execute(old, &[&id, &(last + 1 - MODEL_CHANGES_KEPT)]).await?;
    }
    transaction.commit().await?;
    Ok(())
}

pub(super) async fn put(
    transaction: &Transaction<'_>,
    record: &ModelRecord,
) -> Result<(), PostgresError> {
    let ModelRecord { repository, read_ms, server_ms, from_file, document, .. } = record;
    transaction.execute(PUT, &[repository, read_ms, server_ms, from_file, document]).await?;
    Ok(())
}

pub(super) async fn put_answers(
    transaction: &Transaction<'_>,
    id: i64,
    answers: &[RawAnswer],
) -> Result<(), PostgresError> {
    transaction.execute("DELETE FROM model_answer WHERE repository = $1", &[&id]).await?;
    let statement = transaction.prepare(PUT_ANSWER).await?;
    for (number, answer) in (1_i64..).zip(answers) {
        let RawAnswer { call, subject, body } = answer;
        let body = String::from_utf8_lossy(body);
        transaction.execute(&statement, &[&id, &number, call, subject, &body]).await?;
    }
    Ok(())
}

pub(super) async fn put_change(
    transaction: &Transaction<'_>,
    id: i64,
    number: i64,
    change: &ModelChange,
) -> Result<(), PostgresError> {
    let ModelChange { changed_ms, what } = change;
    transaction.execute(PUT_CHANGE, &[&id, &number, changed_ms, what]).await?;
    Ok(())
}

/// What is known of a repository. A role that may not read it knows nothing.
pub(super) async fn model(
    client: &Client,
    repository: RepositoryId,
) -> Result<Option<KeptModel>, tokio_postgres::Error> {
    let row = client
        .query_typed_opt(
            "SELECT repository, read_ms, server_ms, from_file, document FROM model \
             WHERE repository = $1",
            &[(&signed(repository.0), Type::INT8)],
        )
        .await;
    let row = match row {
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => None,
        row => row?,
    };
    row.map(|row| record(&row).map(|record| record.kept())).transpose()
}

/// All that is known, as records.
pub(super) async fn records(client: &Client) -> Result<Vec<ModelRecord>, tokio_postgres::Error> {
    let rows = client
        .query("SELECT repository, read_ms, server_ms, from_file, document FROM model", &[])
        .await?;
    let mut records = rows.iter().map(record).collect::<Result<Vec<_>, _>>()?;
    for record in &mut records {
        record.answers = answers(client, record.repository).await?;
        record.changes = changes(client, record.repository).await?;
    }
    Ok(records)
}

fn record(row: &Row) -> Result<ModelRecord, tokio_postgres::Error> {
    Ok(ModelRecord {
        repository: row.try_get(0)?,
        read_ms: row.try_get(1)?,
        server_ms: row.try_get(2)?,
        from_file: row.try_get(3)?,
        document: row.try_get(4)?,
        answers: Vec::new(),
        changes: Vec::new(),
    })
}

/// The server's answers.
pub(super) async fn answers(
    client: &Client,
    id: i64,
) -> Result<Vec<RawAnswer>, tokio_postgres::Error> {
    let sql = "SELECT call, subject, body FROM model_answer WHERE repository = $1 ORDER BY number";
    let rows = client.query_typed(sql, &[(&id, Type::INT8)]).await?;
    let answer = |row: &Row| {
        let body: String = row.try_get(2)?;
        Ok(RawAnswer { call: row.try_get(0)?, subject: row.try_get(1)?, body: body.into() })
    };
    rows.iter().map(answer).collect()
}

/// The changes that are kept.
pub(super) async fn changes(
    client: &Client,
    id: i64,
) -> Result<Vec<ModelChange>, tokio_postgres::Error> {
    let sql = "SELECT changed_ms, what FROM model_change WHERE repository = $1 ORDER BY number";
    let rows = client.query_typed(sql, &[(&id, Type::INT8)]).await?;
    let change = |row: &Row| Ok(ModelChange { changed_ms: row.try_get(0)?, what: row.try_get(1)? });
    rows.iter().map(change).collect()
}
