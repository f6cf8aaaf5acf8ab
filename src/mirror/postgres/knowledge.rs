//! What a pager has learnt of the server's answers, and which pages a writer knows the mirror to have.
//!
//! It is written by who has the lease, and not behind the fence: nothing depends on it, so a daemon that
//! loses the lease at that moment does no harm, and none of its other calls has to find out what became
//! of this one. Known pages say themselves as of when: the log has what changed after that.

use deadpool_postgres::ClientWrapper;
use tokio_postgres::types::ToSql;

use super::error::PostgresError;
use super::fence::FenceParameters;
use super::key::from_key;
use super::known_pages::KnownPages;
use super::numbers::{signed, unsigned};
use crate::domain::RepositoryId;
use crate::mirror::{Knowledge, KnowledgeUpdate, KnownAnswer, Lease};

const LOAD: &str = "
    SELECT page, size, bytes FROM known_answer WHERE repository = $1 ORDER BY size, page";

/// All in one statement, and nothing unless the lease is ours.
const KEEP: &str = "
    WITH ours AS (
        SELECT FROM lease
        WHERE repository = $1::bigint AND owner = $2::text AND generation = $3::bigint
            AND owner <> ''),
    kept_habits AS (
        INSERT INTO server_habits (repository, bytes)
        SELECT $1, $4::bytea FROM ours WHERE $4::bytea IS NOT NULL
        ON CONFLICT (repository) DO UPDATE SET bytes = excluded.bytes),
    forgotten AS (
        DELETE FROM known_answer USING ours,
            unnest($5::bigint[], $6::bigint[]) AS gone (page, size)
        WHERE known_answer.repository = $1 AND known_answer.size = gone.size
            AND known_answer.page = gone.page)
    INSERT INTO known_answer (repository, page, size, bytes)
    SELECT $1, known.page, known.size, known.bytes
    FROM ours, unnest($7::bigint[], $8::bigint[], $9::bytea[]) AS known (page, size, bytes)
    ON CONFLICT (repository, size, page) DO UPDATE SET bytes = excluded.bytes";

/// Known pages are kept anew once so many changes have come since, of whichever repository.
const KEPT_AGAIN_AFTER: i64 = 2000;

/// Known pages are of no use any more once so many changes have come since: each is looked at.
const MOST_CHANGES: i64 = 20_000;

/// The pages that were known, and what has changed since, as of one moment; nothing where the log does not tell all of
/// that any more. The limit leaves nothing out: it is how many there are at the most, and has the index of sequences
/// read.
const LOAD_PAGES: &str = "
    SELECT known.bytes, ARRAY(
        SELECT later.key
        FROM (
            SELECT repository, key FROM change WHERE change.sequence > known.sequence
            ORDER BY sequence LIMIT $2
        ) AS later
        WHERE later.repository = $1)
    FROM known_pages AS known, log
    WHERE known.repository = $1 AND known.sequence >= log.dropped_through
        AND log.last - known.sequence BETWEEN 0 AND $2";

/// Nobody but the writer has written the repository as of the moment that this looks at, or nothing is kept.
const KEEP_PAGES: &str = "
    INSERT INTO known_pages AS known (repository, sequence, bytes)
    SELECT $1::bigint, log.last, $5::bytea FROM lease, log
    WHERE lease.repository = $1 AND lease.owner = $2::text AND lease.generation = $3::bigint
        AND lease.writes = $4::bigint AND lease.owner <> ''
    ON CONFLICT (repository) DO UPDATE SET sequence = excluded.sequence, bytes = excluded.bytes
    WHERE known.bytes <> excluded.bytes OR excluded.sequence - known.sequence >= $6::bigint";

/// The pages that are known still of those that an earlier writer knew.
pub(super) async fn load_pages(
    connection: &ClientWrapper,
    repository: RepositoryId,
) -> Result<KnownPages, PostgresError> {
    let load = connection.prepare_cached(LOAD_PAGES).await?;
    let row = connection.query_opt(&load, &[&signed(repository.0), &MOST_CHANGES]).await?;
    let Some(row) = row else { return Ok(KnownPages::restored(&[], &[])) };
    let keys: Vec<&[u8]> = row.try_get(1)?;
    let changed: Result<Vec<_>, _> = keys.into_iter().map(from_key).collect();
    // A change that cannot be read may be of any item.
    Ok(match changed {
        Ok(changed) => KnownPages::restored(row.try_get(0)?, &changed),
        Err(_) => KnownPages::restored(&[], &[]),
    })
}

/// Keeps the pages that are known, if the lease is still ours and nothing is under way.
pub(super) async fn keep_pages(
    connection: &ClientWrapper,
    fence: &FenceParameters,
    bytes: &[u8],
) -> Result<(), PostgresError> {
    let keep = connection.prepare_cached(KEEP_PAGES).await?;
    let mut parameters: Vec<&(dyn ToSql + Sync)> = Vec::new();
    fence.add_to(&mut parameters);
    parameters.extend::<[&(dyn ToSql + Sync); 2]>([&bytes, &KEPT_AGAIN_AFTER]);
    connection.execute(&keep, &parameters).await?;
    Ok(())
}

/// All that is kept.
pub(super) async fn load(
    connection: &ClientWrapper,
    repository: RepositoryId,
) -> Result<Knowledge, PostgresError> {
    let repository = signed(repository.0);
    let habits =
        connection.prepare_cached("SELECT bytes FROM server_habits WHERE repository = $1").await?;
    let habits = connection.query_opt(&habits, &[&repository]).await?;
    let habits = habits.map(|row| row.try_get(0)).transpose()?;
    let load = connection.prepare_cached(LOAD).await?;
    let mut answers = Vec::new();
    for row in connection.query(&load, &[&repository]).await? {
        // No size of ours is larger.
        let size = u32::try_from(row.try_get::<_, i64>(1)?).unwrap_or(u32::MAX);
        let page = unsigned(row.try_get(0)?);
        answers.push(KnownAnswer { page, size, bytes: row.try_get(2)? });
    }
    Ok(Knowledge { habits, answers })
}

/// Keeps what is new, if the lease is still ours.
pub(super) async fn keep(
    connection: &ClientWrapper,
    repository: RepositoryId,
    lease: &Lease,
    update: &KnowledgeUpdate,
) -> Result<(), PostgresError> {
    let KnowledgeUpdate { habits, known, forgotten } = update;
    let (gone_pages, gone_sizes): (Vec<i64>, Vec<i64>) =
        forgotten.iter().map(|&(page, size)| (signed(page), i64::from(size))).unzip();
    let pages: Vec<i64> = known.iter().map(|known| signed(known.page)).collect();
    let sizes: Vec<i64> = known.iter().map(|known| i64::from(known.size)).collect();
    let bytes: Vec<&[u8]> = known.iter().map(|known| known.bytes.as_slice()).collect();
    let keep = connection.prepare_cached(KEEP).await?;
    connection
        .execute(
            &keep,
            &[
                &signed(repository.0),
                &&*lease.owner,
                &signed(lease.generation),
                habits,
                &gone_pages,
                &gone_sizes,
                &pages,
                &sizes,
                &bytes,
            ],
        )
        .await?;
    Ok(())
}
