//! What a mirror holds, in figures: for `status`.

use std::collections::HashMap;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient, IsolationLevel, Row};

use super::columns::{column, id, optional, whole};
use super::error::PostgresReadError;
use super::{bounds, changes, held};
use crate::domain::{Iteration, RepositoryId, Sequence};
use crate::mirror::postgres::error::PostgresError;
use crate::mirror::postgres::numbers::signed;
use crate::mirror::postgres::retention::SIZE;
use crate::mirror::{
    CertifiedPass, ChangeCounts, ChangeHead, HeldSummary, IncrementalPass, LedgerEntry, LogBounds,
    MirrorSummary, PassStatistics, RepositorySummary, StorageUse,
};

/// How many entries of the ledger are told of each repository.
const NEWEST_PASSES: i64 = 5;

/// How many changes are told of: as many as a screen shows.
const NEWEST_CHANGES: u64 = 20;

/// How many of the deletions that are held back are named: enough to recognise what they are.
const FIRST_HELD: usize = 5;

/// The mirror in figures, as of one moment but for the room that it takes.
pub(super) async fn summary(
    client: &mut Client,
    schema: &str,
) -> Result<MirrorSummary, PostgresReadError> {
    // Outside the transaction, which would keep a lock on all that was measured.
    let storage = vec![StorageUse { label: "database", bytes: size(client, schema).await? }];
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    let LogBounds { dropped_through, last } = bounds::of(&bounds::row(&transaction).await?)?;
    let newest = newest(&transaction, dropped_through, last).await?;
    let mut repositories = repositories(&transaction).await?;
    let mut passes = passes(&transaction).await?;
    let mut incremental = incremental(&transaction).await?;
    for repository in &mut repositories {
        repository.passes = passes.remove(&repository.id).unwrap_or_default();
        repository.incremental = incremental.remove(&repository.id).unwrap_or_default();
        let id = repository.id;
        if let Some(held) = repository.held.as_mut().filter(|held| held.approved < held.count) {
            held.first = held::first_waiting(&transaction, id, FIRST_HELD).await?;
        }
    }
    transaction.commit().await?;
    Ok(MirrorSummary { storage, last, dropped_through, newest, repositories })
}

/// Whether the mirror has ever paged this repository.
pub(super) async fn knows(
    client: &Client,
    repository: RepositoryId,
) -> Result<bool, PostgresReadError> {
    let found = client
        .query_typed_opt(
            "SELECT true FROM repository WHERE id = $1",
            &[(&signed(repository.0), Type::INT8)],
        )
        .await?;
    Ok(found.is_some())
}

/// The room that our tables take, with their indexes.
async fn size(client: &Client, schema: &str) -> Result<u64, PostgresReadError> {
    let row = client.query_typed_one(SIZE, &[(&schema, Type::TEXT)]).await?;
    Ok(whole(&row, 0)?)
}

async fn newest(
    client: &(impl GenericClient + Sync),
    dropped_through: Sequence,
    last: Sequence,
) -> Result<Vec<ChangeHead>, PostgresReadError> {
    let after = signed(last.0.saturating_sub(NEWEST_CHANGES).max(dropped_through.0));
    let row = client
        .query_typed_one(
            "SELECT coalesce(max(part), 0) FROM log_part WHERE after_sequence <= $1",
            &[(&after, Type::INT8)],
        )
        .await?;
    let rows = client
        .query_typed(
            "SELECT sequence, ts_ms, op, repository, key FROM change \
             WHERE part >= $1 AND sequence > $2 ORDER BY sequence DESC LIMIT $3",
            &[
                (&column::<i32>(&row, 0)?, Type::INT4),
                (&after, Type::INT8),
                (&signed(NEWEST_CHANGES), Type::INT8),
            ],
        )
        .await?;
    rows.iter().map(head).collect()
}

fn head(row: &Row) -> Result<ChangeHead, PostgresReadError> {
    let sequence = Sequence(whole(row, 0)?);
    Ok(ChangeHead {
        sequence,
        ts_ms: column(row, 1)?,
        op: changes::op(row, 2, sequence)?,
        repository: RepositoryId(whole(row, 3)?),
        item: id(row, 4)?,
    })
}

/// The repositories, without their passes and without the ids of what is held.
async fn repositories(
    client: &(impl GenericClient + Sync),
) -> Result<Vec<RepositorySummary>, PostgresReadError> {
    let rows = client
        .query_typed(
            "SELECT id, items, certified_iteration, certified_ms, suspect_count, held_count, \
                held_iteration, held_ms, approved_count \
             FROM repository LEFT JOIN suspects ON suspects.repository = id ORDER BY id",
            &[],
        )
        .await?;
    rows.iter().map(|row| Ok(repository(row)?)).collect()
}

fn repository(row: &Row) -> Result<RepositorySummary, PostgresError> {
    let certified = optional(row, 2)?
        .zip(column(row, 3)?)
        .map(|(iteration, ended_ms)| CertifiedPass { iteration: Iteration(iteration), ended_ms });
    let held = match optional(row, 5)? {
        None | Some(0) => None,
        Some(count) => Some(HeldSummary {
            count,
            iteration: optional(row, 6)?.map(Iteration),
            since_ms: column(row, 7)?,
            approved: whole(row, 8)?,
            first: Vec::new(),
        }),
    };
    Ok(RepositorySummary {
        id: RepositoryId(whole(row, 0)?),
        items: whole(row, 1)?,
        certified,
        suspects: optional(row, 4)?.unwrap_or_default(),
        held,
        passes: Vec::new(),
        incremental: Vec::new(),
    })
}

/// The columns of an entry of the ledger, in the order in which [`entry`] reads them.
const ENTRY: &str = "iteration, started_ms, ended_ms, pages, requests, first_total, last_total, \
    distinct_ids, repeats, step_backs, created, updated, deleted, unchanged, suspects, held, \
    certified, reason";

/// The passes of a repository, the newest first.
pub(super) async fn ledger(
    client: &Client,
    repository: RepositoryId,
) -> Result<Vec<LedgerEntry>, PostgresReadError> {
    let rows = client
        .query_typed(
            &format!("SELECT {ENTRY} FROM pass WHERE repository = $1 ORDER BY iteration DESC"),
            &[(&signed(repository.0), Type::INT8)],
        )
        .await?;
    Ok(rows.iter().map(entry).collect::<Result<_, _>>()?)
}

/// The newest passes of each repository, the newest first.
async fn passes(
    client: &(impl GenericClient + Sync),
) -> Result<HashMap<RepositoryId, Vec<LedgerEntry>>, PostgresReadError> {
    let rows = client
        .query_typed(
            &format!(
                "SELECT {ENTRY}, repository.id FROM repository CROSS JOIN LATERAL ( \
                    SELECT * FROM pass WHERE pass.repository = repository.id \
                    ORDER BY iteration DESC LIMIT $1 \
                 ) AS newest ORDER BY repository.id, iteration DESC"
            ),
            &[(&NEWEST_PASSES, Type::INT8)],
        )
        .await?;
    let mut passes: HashMap<RepositoryId, Vec<LedgerEntry>> = HashMap::new();
    for row in &rows {
        passes.entry(RepositoryId(whole(row, 18)?)).or_default().push(entry(row)?);
    }
    Ok(passes)
}

fn entry(row: &Row) -> Result<LedgerEntry, PostgresError> {
    Ok(LedgerEntry {
        iteration: Iteration(whole(row, 0)?),
        started_ms: column(row, 1)?,
        ended_ms: column(row, 2)?,
        statistics: PassStatistics {
            pages: whole(row, 3)?,
            requests: whole(row, 4)?,
            first_total: whole(row, 5)?,
            last_total: whole(row, 6)?,
            distinct: whole(row, 7)?,
            repeats: whole(row, 8)?,
            step_backs: whole(row, 9)?,
        },
        changed: ChangeCounts {
            created: whole(row, 10)?,
            updated: whole(row, 11)?,
            deleted: whole(row, 12)?,
            unchanged: whole(row, 13)?,
        },
        suspects: whole(row, 14)?,
        held: whole(row, 15)?,
        certified: column(row, 16)?,
        reason: column(row, 17)?,
    })
}

/// The columns of an incremental pass, in the order in which [`incremental_pass`] reads them.
const INCREMENTAL_PASS: &str = "iteration, started_ms, ended_ms, pages, requests, distinct_ids, \
    created, updated, unchanged";

/// The incremental passes of a repository, the newest first.
pub(super) async fn incremental_ledger(
    client: &Client,
    repository: RepositoryId,
) -> Result<Vec<IncrementalPass>, PostgresReadError> {
    let rows = client
        .query_typed(
            &format!(
                "SELECT {INCREMENTAL_PASS} FROM incremental_pass WHERE repository = $1 \
                 ORDER BY number DESC"
            ),
            &[(&signed(repository.0), Type::INT8)],
        )
        .await?;
    Ok(rows.iter().map(incremental_pass).collect::<Result<_, _>>()?)
}

/// The newest incremental passes of each repository, the newest first.
async fn incremental(
    client: &(impl GenericClient + Sync),
) -> Result<HashMap<RepositoryId, Vec<IncrementalPass>>, PostgresReadError> {
    let rows = client
        .query_typed(
            &format!(
                "SELECT {INCREMENTAL_PASS}, repository.id FROM repository CROSS JOIN LATERAL ( \
                    SELECT * FROM incremental_pass AS pass WHERE pass.repository = repository.id \
                    ORDER BY number DESC LIMIT $1 \
                 ) AS newest ORDER BY repository.id, number DESC"
            ),
            &[(&NEWEST_PASSES, Type::INT8)],
        )
        .await?;
    let mut passes: HashMap<RepositoryId, Vec<IncrementalPass>> = HashMap::new();
    for row in &rows {
        passes.entry(RepositoryId(whole(row, 9)?)).or_default().push(incremental_pass(row)?);
    }
    Ok(passes)
}

fn incremental_pass(row: &Row) -> Result<IncrementalPass, PostgresError> {
    Ok(IncrementalPass {
        iteration: Iteration(whole(row, 0)?),
        started_ms: column(row, 1)?,
        ended_ms: column(row, 2)?,
        pages: whole(row, 3)?,
        requests: whole(row, 4)?,
        items: whole(row, 5)?,
        changed: ChangeCounts {
            created: whole(row, 6)?,
            updated: whole(row, 7)?,
            deleted: 0,
            unchanged: whole(row, 8)?,
        },
    })
}
