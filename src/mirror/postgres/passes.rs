//! Passes: where a repository stands, and how a pass begins and ends.

use std::sync::LazyLock;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::error::PostgresError;
use super::fence::{FENCED, Fence, FenceParameters};
use super::ledger::statistics;
use super::numbers::{signed, unsigned};
use super::suspects::{StoredSuspects, held_in};
use crate::domain::{IdSet, Iteration, RepositoryId};
use crate::mirror::deletions::{AnnouncedDeletions, Announcement};
use crate::mirror::{ChangeCounts, EndOfPass, Interrupted, PassStatistics, ResumePoint};

/// Passes of one repository that the ledger keeps.
const KEPT: i64 = 1000;

/// Waits for a transaction of this repository that is under way still, by this daemon or another, and closes the
/// fence against one of this lease that has not arrived yet. By two, so that nobody takes this for a transaction of
/// its own.
const CLOSE: &str = "
    UPDATE lease SET writes = writes + 2
    WHERE repository = $1 AND owner = $2 AND generation = $3 AND owner <> ''";

/// All that a pager begins with, as of one moment.
const LOAD: &str = "
    SELECT lease.owner, lease.generation, lease.writes, pass.iteration, pass.ended_ms IS NOT NULL,
        checkpoint.saved_ms, checkpoint.state,
        CASE WHEN pass.ended_ms IS NULL
            THEN ARRAY(SELECT ids FROM seen WHERE seen.repository = $1 ORDER BY page) END,
        pass.pages, pass.requests, pass.first_total, pass.last_total, pass.distinct_ids,
        pass.repeats, pass.step_backs, incremental_mark.mark
    FROM lease
    LEFT JOIN LATERAL (
        SELECT * FROM pass WHERE pass.repository = $1
        ORDER BY pass.ended_ms IS NULL DESC, pass.iteration DESC LIMIT 1
    ) AS pass ON true
    LEFT JOIN checkpoint ON checkpoint.repository = $1 AND pass.ended_ms IS NULL
    LEFT JOIN incremental_mark ON incremental_mark.repository = $1
    WHERE lease.repository = $1";

/// Where a repository stands, and under which lease.
pub(super) async fn load(
    connection: &ClientWrapper,
    repository: RepositoryId,
    fence: &mut Fence,
) -> Result<ResumePoint, PostgresError> {
    let repository = signed(repository.0);
    let close = connection.prepare_cached(CLOSE).await?;
    let (owner, generation) = fence.lease();
    connection.execute(&close, &[&repository, &owner, &generation]).await?;
    let load = connection.prepare_cached(LOAD).await?;
    let Some(row) = connection.query_opt(&load, &[&repository]).await? else {
        fence.expect_ours(None)?;
        return Err(PostgresError::Nonsense("a lease without a row"));
    };
    fence.begin_anew(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)?;
    let mark = row.try_get(15)?;
    let Some(iteration) = row.try_get::<_, Option<i64>>(3)? else {
        return Ok(ResumePoint { iteration: Iteration::FIRST, interrupted: None, mark });
    };
    let iteration = Iteration(unsigned(iteration));
    if row.try_get(4)? {
        return Ok(ResumePoint { iteration: iteration.next(), interrupted: None, mark });
    }
    let interrupted = match row.try_get::<_, Option<i64>>(5)? {
        None => None,
        Some(saved_ms) => Some(Interrupted {
            saved_ms,
            statistics: statistics_of(&row, 8)?,
            state: row.try_get(6)?,
            seen: row.try_get::<_, Option<Vec<Vec<u8>>>>(7)?.unwrap_or_default(),
        }),
    };
    Ok(ResumePoint { iteration, interrupted, mark })
}

/// The statistics of a pass in seven columns from this one on.
fn statistics_of(row: &Row, first: usize) -> Result<PassStatistics, PostgresError> {
    let number = |column: usize| row.try_get(first + column).map(unsigned);
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

static BEGIN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH {FENCED} RETURNING 1),
        given_up AS (
            UPDATE pass SET ended_ms = $6::bigint, certified = false, reason = 'given up'
            FROM fenced
            WHERE pass.repository = $1 AND pass.ended_ms IS NULL AND pass.iteration <> $5::bigint),
        begun AS (
            INSERT INTO pass AS pass (repository, iteration, started_ms)
            SELECT $1, $5, $6 FROM fenced
            ON CONFLICT (repository, iteration) DO UPDATE SET started_ms = excluded.started_ms,
                ended_ms = NULL, pages = 0, requests = 0, first_total = 0, last_total = 0,
                distinct_ids = 0, repeats = 0, step_backs = 0, created = 0, updated = 0, deleted = 0,
                unchanged = 0, suspects = 0, held = 0, certified = false, reason = NULL),
        forgotten AS (DELETE FROM checkpoint USING fenced WHERE checkpoint.repository = $1),
        unseen AS (DELETE FROM seen USING fenced WHERE seen.repository = $1)
        SELECT EXISTS (SELECT FROM fenced)"
    )
});

/// Begins a pass, or begins it over; false: not, because the fence is closed.
pub(super) async fn begin(
    connection: &ClientWrapper,
    fence: &FenceParameters,
    iteration: Iteration,
    ts_ms: i64,
) -> Result<bool, PostgresError> {
    let iteration = signed(iteration.0);
    let mut parameters: Vec<&(dyn ToSql + Sync)> = Vec::new();
    fence.add_to(&mut parameters);
    parameters.extend::<[&(dyn ToSql + Sync); 2]>([&iteration, &ts_ms]);
    let statement = connection.prepare_cached(&BEGIN).await?;
    Ok(connection.query_one(&statement, &parameters).await?.try_get(0)?)
}

/// What the end of a pass builds on.
#[derive(Debug)]
pub(super) struct BeforeEnd {
    /// What the pass has changed in all.
    pub(super) changed: ChangeCounts,
    /// What is held back already.
    held: Option<AnnouncedDeletions>,
    /// The version of the row that says so; `None`: there is no such row.
    version: Option<String>,
}

/// Looks at what the end of a pass builds on.
pub(super) async fn before_end(
    connection: &ClientWrapper,
    repository: RepositoryId,
    iteration: Iteration,
) -> Result<BeforeEnd, PostgresError> {
    let repository = signed(repository.0);
    let look = connection
        .prepare_cached(
            "SELECT xmin::text, suspects, held, held_count, approved_items, picked, held_iteration,
                held_ms FROM suspects WHERE repository = $1",
        )
        .await?;
    let row = connection.query_opt(&look, &[&repository]).await?;
    let (version, held) = match &row {
        None => (None, None),
        Some(row) => (Some(row.try_get(0)?), announced(row)?),
    };
    let counts = connection
        .prepare_cached(
            "SELECT created, updated, deleted, unchanged FROM pass
            WHERE repository = $1 AND iteration = $2",
        )
        .await?;
    let changed = match connection.query_opt(&counts, &[&repository, &signed(iteration.0)]).await? {
        None => ChangeCounts::default(),
        Some(row) => ChangeCounts {
            created: unsigned(row.try_get(0)?),
            updated: unsigned(row.try_get(1)?),
            deleted: unsigned(row.try_get(2)?),
            unchanged: unsigned(row.try_get(3)?),
        },
    };
    Ok(BeforeEnd { changed, held, version })
}

fn announced(row: &Row) -> Result<Option<AnnouncedDeletions>, PostgresError> {
    let Some(held) = held_in(&StoredSuspects::of(row, 1)?)? else { return Ok(None) };
    let iteration = Iteration(unsigned(row.try_get::<_, Option<i64>>(6)?.unwrap_or(0)));
    let ts_ms = row.try_get::<_, Option<i64>>(7)?.unwrap_or(0);
    Ok(Some(AnnouncedDeletions { held, since: Announcement { iteration, ts_ms } }))
}

/// Ends a pass. It does so only if the operator has not approved anything since it was looked at what is
/// held back: his word must not be lost.
static END: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH same AS (SELECT 1 FROM suspects WHERE repository = $1 AND xmin::text = $5 FOR UPDATE),
        {FENCED} AND ($5::text IS NULL OR EXISTS (SELECT FROM same)) RETURNING 1),
        ended AS (
            INSERT INTO pass AS pass (repository, iteration, started_ms, ended_ms, pages, requests,
                first_total, last_total, distinct_ids, repeats, step_backs, suspects, held, certified,
                reason)
            SELECT $1, $6::bigint, $7::bigint, $7, $8::bigint, $9::bigint, $10::bigint, $11::bigint,
                $12::bigint, $13::bigint, $14::bigint, $15::bigint, $16::bigint, $17::text IS NULL,
                $17 FROM fenced
            ON CONFLICT (repository, iteration) DO UPDATE SET ended_ms = excluded.ended_ms,
                pages = excluded.pages, requests = excluded.requests,
                first_total = excluded.first_total, last_total = excluded.last_total,
                distinct_ids = excluded.distinct_ids, repeats = excluded.repeats,
                step_backs = excluded.step_backs, suspects = excluded.suspects,
                held = excluded.held, certified = excluded.certified, reason = excluded.reason),
        done AS (
            INSERT INTO repository AS repository (id, first_pass_done, certified_iteration,
                certified_ms)
            SELECT $1, true, CASE WHEN $17 IS NULL THEN $6 END, CASE WHEN $17 IS NULL THEN $7 END
            FROM fenced
            ON CONFLICT (id) DO UPDATE SET first_pass_done = true,
                certified_iteration =
                    coalesce(excluded.certified_iteration, repository.certified_iteration),
                certified_ms = coalesce(excluded.certified_ms, repository.certified_ms)),
        suspected AS (
            INSERT INTO suspects (repository, suspects, suspect_count, held, held_count,
                held_iteration, held_ms, approved_items, approved_count, picked)
            SELECT $1, $18::bytea, $15, $19::bytea, $20::bigint, $21::bigint, $22::bigint,
                $23::bytea, $24::bigint, $25::boolean FROM fenced
            ON CONFLICT (repository) DO UPDATE SET suspects = excluded.suspects,
                suspect_count = excluded.suspect_count, held = excluded.held,
                held_count = excluded.held_count, held_iteration = excluded.held_iteration,
                held_ms = excluded.held_ms, approved_items = excluded.approved_items,
                approved_count = excluded.approved_count, picked = excluded.picked),
        forgotten AS (DELETE FROM checkpoint USING fenced WHERE checkpoint.repository = $1),
        unseen AS (DELETE FROM seen USING fenced WHERE seen.repository = $1),
        old AS (
            DELETE FROM pass USING fenced
            WHERE pass.repository = $1 AND pass.iteration <= (
                SELECT iteration FROM pass WHERE repository = $1
                ORDER BY iteration DESC LIMIT 1 OFFSET $26::bigint))
        SELECT EXISTS (SELECT FROM fenced)"
    )
});

/// Ends a pass; false: not, because the fence is closed or the operator came in between.
pub(super) async fn end(
    connection: &ClientWrapper,
    fence: &FenceParameters,
    end: &EndOfPass,
    before: &BeforeEnd,
) -> Result<bool, PostgresError> {
    let now = Announcement { iteration: end.iteration, ts_ms: end.ts_ms };
    let announced = AnnouncedDeletions::at_end(end.held.clone(), before.held.clone(), now);
    let held = announced.as_ref().map(|announced| &announced.held);
    let since = announced.as_ref().map(|announced| announced.since);
    let approved = held.map(|held| &held.approved).filter(|approved| !approved.is_empty());

    let iteration = signed(end.iteration.0);
    let statistics = statistics(&end.statistics);
    let suspect_count = signed(end.suspects.count());
    let held_items = end.held.as_ref().map_or(0, |held| signed(held.items.count()));
    let suspects = end.suspects.to_bytes();
    let held_bytes = held.map(|held| held.items.to_bytes());
    let held_count = held.map_or(0, |held| signed(held.announced));
    let held_iteration = since.map(|since| signed(since.iteration.0));
    let held_ms = since.map(|since| since.ts_ms);
    let approved_bytes = approved.map(IdSet::to_bytes);
    let approved_count = approved.map_or(0, |approved| signed(approved.count()));
    let picked = held.is_some_and(|held| held.picked);

    let mut parameters: Vec<&(dyn ToSql + Sync)> = Vec::new();
    fence.add_to(&mut parameters);
    parameters.extend::<[&(dyn ToSql + Sync); 3]>([&before.version, &iteration, &end.ts_ms]);
    parameters.extend(statistics.iter().map(|number| number as &(dyn ToSql + Sync)));
    parameters.extend::<[&(dyn ToSql + Sync); 12]>([
        &suspect_count,
        &held_items,
        &end.reason,
        &suspects,
        &held_bytes,
        &held_count,
        &held_iteration,
        &held_ms,
        &approved_bytes,
        &approved_count,
        &picked,
        &KEPT,
    ]);
    let statement = connection.prepare_cached(&END).await?;
    Ok(connection.query_one(&statement, &parameters).await?.try_get(0)?)
}
