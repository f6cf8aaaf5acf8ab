//! What a pager has learnt of the server's answers.
//!
//! It is written by who has the lease, and not behind the fence: nothing depends on it, so a daemon that
//! loses the lease at that moment does no harm, and none of its other calls has to find out what became
//! of this one.

use deadpool_postgres::ClientWrapper;

use super::error::PostgresError;
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
