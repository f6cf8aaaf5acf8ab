//! What feeds have delivered, in PostgreSQL: writing it for the one who delivers, under the fence of its
//! lease.
//!
//! Each call is one statement, so that nothing stays locked where the daemon is stopped after it. One that
//! saves locks the row of the lease under its term: once another has taken that, it changes nothing.

use std::sync::Arc;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Transaction};

use super::connections::PostgresPool;
use super::error::PostgresError;
use super::key;
use super::numbers::{signed, unsigned};
use crate::domain::{RepositoryId, Sequence};
use crate::mirror::contracts::{FeedLease, FeedState, FeedWriter, MirrorFuture, ParkedChange};
use crate::mirror::transfer::FeedRecord;

/// Makes the row of a feed that nobody has ever had.
const ADD: &str = "INSERT INTO feed_lease (feed) VALUES ($1) ON CONFLICT (feed) DO NOTHING";

/// Who has a feed, and whether who asks is there.
const LOOK: &str = "
    SELECT owner, term,
        EXISTS (SELECT FROM instance WHERE owner = $2 AND expires_at > clock_timestamp())
    FROM feed_lease WHERE feed = $1";

/// Takes a feed that still is as it was seen and that nobody has. The row of who had it is locked as well:
/// that one may be renewing at this moment.
const TAKE: &str = "
    WITH daemon AS (
        SELECT owner, expires_at FROM instance WHERE owner IN ($2, $3) ORDER BY owner FOR UPDATE)
    UPDATE feed_lease SET owner = $2, term = term + 1
    WHERE feed = $1 AND owner = $3 AND term = $4
        AND EXISTS (SELECT FROM daemon WHERE owner = $2 AND expires_at > clock_timestamp())
        AND NOT EXISTS (SELECT FROM daemon WHERE owner = $3 AND expires_at > clock_timestamp())
    RETURNING term";

const RELEASE: &str = "
    UPDATE feed_lease SET owner = '' WHERE feed = $1 AND owner = $2 AND term = $3";

/// The lease, locked until the statement has been committed.
const HELD: &str = "
    WITH held AS (
        SELECT feed FROM feed_lease
        WHERE feed = $1::text AND owner = $2::text AND term = $3::bigint AND owner <> '' FOR SHARE),
    saved AS (";

/// Makes the row of a feed.
const INSERT: &str = "
        INSERT INTO feed AS f (name, delivered_through, progress, paused, delivered,
            last_success_ms, revision)
        SELECT held.feed, $4::bigint, $5::text, $6::text, $7::bigint, $8::bigint, $9::bigint + 1
        FROM held ON CONFLICT (name) DO NOTHING RETURNING f.revision)";

/// Writes it in place of the one that was read.
const UPDATE: &str = "
        UPDATE feed AS f SET delivered_through = $4::bigint, progress = $5::text,
            paused = $6::text, delivered = $7::bigint, last_success_ms = $8::bigint,
            revision = f.revision + 1
        FROM held WHERE f.name = held.feed AND f.revision = $9::bigint RETURNING f.revision)";

/// Unparks and parks.
const PARK: &str = ",
    unparked AS (
        DELETE FROM feed_parked USING saved
        WHERE feed = $1 AND sequence = ANY ($10::bigint[]) AND sequence <> ALL ($11::bigint[])),
    parked AS (
        INSERT INTO feed_parked AS p
            (feed, sequence, repository, key, reason, parked_ms, behind, released)
        SELECT $1, n.* FROM saved, unnest($11::bigint[], $12::bigint[], $13::bytea[], $14::text[],
            $15::bigint[], $16::bigint[], $17::boolean[]) AS n
        ON CONFLICT (feed, sequence) DO UPDATE SET repository = excluded.repository,
            key = excluded.key, reason = excluded.reason, parked_ms = excluded.parked_ms,
            behind = excluded.behind, released = excluded.released)
    SELECT revision FROM saved";

/// All feeds.
pub(super) const FEEDS: &str = "
    SELECT name, delivered_through, paused, delivered, last_success_ms, revision, progress
    FROM feed ORDER BY name";

/// What is parked of one.
pub(super) const PARKED: &str = "
    SELECT sequence, repository, key, reason, parked_ms, behind, released
    FROM feed_parked WHERE feed = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";

/// Writes what feeds have delivered, as one daemon.
#[derive(Debug)]
pub(crate) struct PostgresFeedWriter {
    pool: PostgresPool,
    /// Whose leases they are.
    owner: Arc<str>,
}

impl PostgresFeedWriter {
    /// That of the daemon that has its leases under this name.
    pub(crate) fn new(pool: PostgresPool, owner: &str) -> Self {
        Self { pool, owner: owner.into() }
    }

    async fn take(&self, feed: &str) -> Result<Option<FeedLease>, PostgresError> {
        let (connection, owner) = (self.pool.get().await?, &*self.owner);
        let look = connection.prepare_cached(LOOK).await?;
        let mut row = connection.query_opt(&look, &[&feed, &owner]).await?;
        if row.is_none() {
            let add = connection.prepare_cached(ADD).await?;
            connection.execute(&add, &[&feed]).await?;
            row = connection.query_opt(&look, &[&feed, &owner]).await?;
        }
        let Some(row) = row else { return Ok(None) };
        let (had_by, term, is_there): (&str, i64, bool) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let lease = |term: i64| FeedLease { feed: feed.to_owned(), term: unsigned(term) };
        if !is_there || had_by == owner {
            return Ok(is_there.then(|| lease(term)));
        }
        let take = connection.prepare_cached(TAKE).await?;
        let taken = connection.query_opt(&take, &[&feed, &owner, &had_by, &term]).await?;
        Ok(taken.map(|row| row.try_get(0).map(lease)).transpose()?)
    }

    async fn release(&self, lease: &FeedLease) -> Result<(), PostgresError> {
        let connection = self.pool.get().await?;
        let release = connection.prepare_cached(RELEASE).await?;
        let row: [&(dyn ToSql + Sync); 3] = [&lease.feed, &&*self.owner, &signed(lease.term)];
        connection.execute(&release, &row).await?;
        Ok(())
    }

    async fn save(
        &self,
        lease: &FeedLease,
        state: &FeedState,
        parked: &[ParkedChange],
        unparked: &[Sequence],
    ) -> Result<Option<u64>, PostgresError> {
        let connection = self.pool.get().await?;
        let rows = ParkedRows::of(parked);
        let (term, through) =
            (signed(lease.term), signed(state.delivered_through.min(Sequence::MOST).0));
        let (delivered, revision) = (signed(state.delivered), signed(state.revision));
        let paused = state.paused.as_deref().map(storable);
        let unparked: Vec<i64> = unparked.iter().map(|it| signed(it.0)).collect();
        let head: [&(dyn ToSql + Sync); 10] = [
            &lease.feed,
            &&*self.owner,
            &term,
            &through,
            &state.progress,
            &paused,
            &delivered,
            &state.last_success_ms,
            &revision,
            &unparked,
        ];
        let saved = save(&connection, &head, &rows, state.revision == 0).await?;
        Ok(saved.map(unsigned))
    }
}

async fn save(
    connection: &ClientWrapper,
    head: &[&(dyn ToSql + Sync)],
    rows: &ParkedRows,
    is_new: bool,
) -> Result<Option<i64>, PostgresError> {
    let statement = [HELD, if is_new { INSERT } else { UPDATE }, PARK].concat();
    let save = connection.prepare_cached(&statement).await?;
    let mut parameters = head.to_vec();
    rows.add_to(&mut parameters);
    let saved = connection.query_opt(&save, &parameters).await?;
    Ok(saved.map(|row| row.try_get(0)).transpose()?)
}

/// Parked changes, column by column.
#[derive(Debug, Default)]
struct ParkedRows {
    sequences: Vec<i64>,
    repositories: Vec<i64>,
    keys: Vec<Vec<u8>>,
    reasons: Vec<String>,
    parked_ms: Vec<i64>,
    behind: Vec<Option<i64>>,
    released: Vec<bool>,
}

impl ParkedRows {
    fn of(parked: &[ParkedChange]) -> Self {
        let mut rows = Self::default();
        for change in parked {
            rows.sequences.push(signed(change.sequence.0));
            rows.repositories.push(signed(change.repository.0));
            rows.keys.push(key::to_key(&change.item));
            rows.reasons.push(storable(&change.reason));
            rows.parked_ms.push(change.parked_at_ms);
            rows.behind.push(change.behind.map(|it| signed(it.0)));
            rows.released.push(change.released);
        }
        rows
    }

    fn add_to<'a>(&'a self, parameters: &mut Vec<&'a (dyn ToSql + Sync)>) {
        let Self { sequences, repositories, keys, reasons, parked_ms, behind, released } = self;
        parameters.extend::<[&(dyn ToSql + Sync); 7]>([
            sequences,
            repositories,
            keys,
            reasons,
            parked_ms,
            behind,
            released,
        ]);
    }
}

/// A text from outside as PostgreSQL can keep it: it has no NUL.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl FeedWriter for PostgresFeedWriter {
    fn take_feed(&self, feed: &str) -> MirrorFuture<'_, Option<FeedLease>> {
        let feed = feed.to_owned();
        Box::pin(async move { Ok(self.take(&feed).await?) })
    }

    fn release_feed(&self, lease: &FeedLease) -> MirrorFuture<'_, ()> {
        let lease = lease.clone();
        Box::pin(async move { Ok(self.release(&lease).await?) })
    }

    fn save_feed(
        &self,
        lease: &FeedLease,
        state: &FeedState,
        parked: Vec<ParkedChange>,
        unparked: Vec<Sequence>,
    ) -> MirrorFuture<'_, Option<u64>> {
        let (lease, state) = (lease.clone(), state.clone());
        Box::pin(async move { Ok(self.save(&lease, &state, &parked, &unparked).await?) })
    }
}

/// A feed, of [`FEEDS`].
pub(super) fn feed_of(row: &Row) -> Result<(String, FeedState), tokio_postgres::Error> {
    let state = FeedState {
        // One below 0 was too large once.
        delivered_through: Sequence(unsigned(row.try_get(1)?)).min(Sequence::MOST),
        paused: row.try_get(2)?,
        delivered: unsigned(row.try_get(3)?),
        last_success_ms: row.try_get(4)?,
        revision: unsigned(row.try_get(5)?),
        progress: row.try_get(6)?,
    };
    Ok((row.try_get(0)?, state))
}

/// A parked change, of [`PARKED`].
pub(super) fn parked_of(row: &Row) -> Result<ParkedChange, PostgresError> {
    Ok(ParkedChange {
        sequence: Sequence(unsigned(row.try_get(0)?)),
        repository: RepositoryId(unsigned(row.try_get(1)?)),
        item: key::from_key(row.try_get(2)?)?,
        reason: row.try_get(3)?,
        parked_at_ms: row.try_get(4)?,
        behind: row.try_get::<_, Option<i64>>(5)?.map(|it| Sequence(unsigned(it))),
        released: row.try_get(6)?,
    })
}

/// All feeds, as records of a transfer.
pub(super) async fn records(client: &Client) -> Result<Vec<FeedRecord>, PostgresError> {
    let mut records = Vec::new();
    for row in client.query(FEEDS, &[]).await? {
        let (name, state) = feed_of(&row)?;
        let parked = client.query(PARKED, &[&name, &0_i64, &i64::MAX]).await?;
        let parked = parked.iter().map(parked_of).collect::<Result<_, _>>()?;
        records.push(FeedRecord { name, state, parked });
    }
    Ok(records)
}

/// Writes them where there are none.
pub(super) async fn put_records(
    transaction: &Transaction<'_>,
    records: &[FeedRecord],
) -> Result<(), PostgresError> {
    for FeedRecord { name, state, parked } in records {
        let head: [&(dyn ToSql + Sync); 7] = [
            name,
            &signed(state.delivered_through.min(Sequence::MOST).0),
            &state.progress,
            &state.paused,
            &signed(state.delivered),
            &state.last_success_ms,
            &signed(state.revision),
        ];
        transaction.execute(PUT, &head).await?;
        let rows = ParkedRows::of(parked);
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![name];
        rows.add_to(&mut parameters);
        transaction.execute(PUT_PARKED, &parameters).await?;
    }
    Ok(())
}

const PUT: &str = "
    INSERT INTO feed
        (name, delivered_through, progress, paused, delivered, last_success_ms, revision)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

const PUT_PARKED: &str = "
    INSERT INTO feed_parked
        (feed, sequence, repository, key, reason, parked_ms, behind, released)
    SELECT $1::text, n.* FROM unnest($2::bigint[], $3::bigint[], $4::bytea[], $5::text[],
        $6::bigint[], $7::bigint[], $8::boolean[]) AS n";
