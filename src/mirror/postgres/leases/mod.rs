//! Leases in PostgreSQL. They are asked over a connection of their own, so that to renew them waits for
//! no page.
//!
//! A daemon says that it is there by one small row; what it has holds as long as that row does. No
//! statement decides by what it was told before: each names the state that it is for, and changes
//! nothing where that is no longer so. Times are compared by the clock of the database alone.

mod denials;
mod preparation;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use self::preparation::Preparation;
pub(in crate::mirror) use self::preparation::prepare;
use crate::domain::RepositoryId;
use crate::mirror::contracts::{
    ForeignLease, HeldLease, LeaseRequest, LeaseStanding, Leases, LoginTry, MirrorFuture, Sharing,
};
use crate::mirror::lease_policy::{LiveDaemon, decide};
use crate::mirror::postgres::connections::PostgresPool;
use crate::mirror::postgres::error::PostgresError;
use crate::mirror::postgres::schema::expect_known;

/// What each call begins with: a page that is being written may keep a lease locked for so long.
const PATIENCE: &str = "SET lock_timeout = '1s'; SET statement_timeout = '3s'";

/// Says that a daemon is there; changes nothing where its time has passed.
const RENEW: &str = "
INSERT INTO instance AS i (owner, name, expires_at, repositories, spread)
VALUES ($1, $2, clock_timestamp() + $3::float8 * interval '1 second', $4, $5)
ON CONFLICT (owner) DO UPDATE SET expires_at = excluded.expires_at,
    repositories = excluded.repositories, spread = excluded.spread
WHERE i.expires_at > clock_timestamp()";

/// Takes a daemon off the list whose time has passed, with all that it had.
const LAPSE: &str = "
WITH gone AS (
    DELETE FROM instance WHERE owner = $1 AND expires_at <= clock_timestamp() RETURNING expires_at),
feeds AS (UPDATE feed_lease SET owner = '' FROM gone WHERE feed_lease.owner = $1)
UPDATE lease SET owner = '', since = gone.expires_at FROM gone WHERE lease.owner = $1";

/// The daemons that are there, in the order in which they came.
const DAEMONS: &str = "
SELECT owner, name, repositories, spread,
    extract(epoch FROM expires_at - clock_timestamp())::float8
FROM instance WHERE expires_at > clock_timestamp() ORDER BY started_at, owner";

/// All leases.
const LEASES: &str = "SELECT repository, owner, generation FROM lease ORDER BY repository";

/// Makes rows for repositories that have none.
const ADD: &str = "
INSERT INTO lease (repository) SELECT unnest($1::bigint[]) ON CONFLICT (repository) DO NOTHING";

/// Takes leases that still are as they were seen and that nobody has; with `$5` all or none. The rows
/// of those who had them are locked as well: one of them may be renewing at this moment.
const TAKE: &str = "
WITH wanted AS (
    SELECT * FROM unnest($2::bigint[], $3::text[], $4::bigint[]) AS w (repository, owner, generation)),
daemon AS (
    SELECT owner, expires_at FROM instance WHERE owner = $1 OR owner = ANY ($3::text[])
    ORDER BY owner FOR UPDATE),
locked AS (
    SELECT l.repository, l.owner, l.generation, l.since FROM lease l
    JOIN wanted w ON w.repository = l.repository
    WHERE l.owner = w.owner AND l.generation = w.generation
    ORDER BY l.repository FOR UPDATE OF l),
free AS (
    SELECT locked.repository, coalesce(daemon.expires_at,
        CASE WHEN locked.owner = '' AND locked.generation > 0 THEN locked.since END) AS free_since
    FROM locked LEFT JOIN daemon ON daemon.owner = locked.owner
    WHERE daemon.owner IS NULL OR daemon.expires_at <= clock_timestamp())
UPDATE lease SET owner = $1, generation = lease.generation + 1, since = clock_timestamp()
FROM free
WHERE lease.repository = free.repository
    AND EXISTS (SELECT 1 FROM daemon WHERE owner = $1 AND expires_at > clock_timestamp())
    AND (NOT $5 OR (SELECT count(*) FROM free) = cardinality($2::bigint[]))
RETURNING lease.repository, lease.generation,
    extract(epoch FROM clock_timestamp() - free.free_since)::float8";

/// How long a lease that is to be taken may be kept locked before it is looked at by whom.
const LOCKED_FOR: Duration = Duration::from_millis(300);

/// Ends the sessions that keep another one waiting and wait for their own client in the midst of a
/// statement. A daemon that was stopped or cut off just then keeps its lease locked, and none of the
/// server's time limits ends such a session: they count the time of statements and of idle transactions.
const END_FROZEN: &str = "
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE pid = ANY (pg_blocking_pids($1::int4)) AND usename = current_user
    AND datname = current_database() AND wait_event = 'ClientRead'";

/// Lets go of some leases.
const RELEASE: &str = "
UPDATE lease SET owner = '', since = clock_timestamp() WHERE owner = $1 AND repository = ANY ($2)";

/// Takes a daemon off the list.
const LEAVE: &str = "
WITH gone AS (DELETE FROM instance WHERE owner = $1),
feeds AS (UPDATE feed_lease SET owner = '' WHERE owner = $1)
UPDATE lease SET owner = '', since = clock_timestamp() WHERE owner = $1";

/// Forgets daemons that have long been gone; one that had a lease last tells since when nobody has it.
const FORGET: &str = "
DELETE FROM instance WHERE expires_at < clock_timestamp() - interval '1 day'
    AND NOT EXISTS (SELECT 1 FROM lease WHERE lease.owner = instance.owner)";

/// The leases as one daemon sees them.
#[derive(Debug)]
pub(crate) struct PostgresLeases {
    pool: PostgresPool,
    name: String,
    owner: String,
    /// The database may have been away at the start.
    preparation: Preparation,
}

impl PostgresLeases {
    /// Those of a daemon of this name, over connections that nobody else uses.
    pub(crate) fn new(pool: PostgresPool, name: &str) -> Self {
        let owner = format!("{name}-{:08x}", fastrand::u32(..));
        Self { pool, name: name.to_owned(), owner, preparation: Preparation::due() }
    }

    /// Those of a transfer, which has made the tables itself and writes a mirror that is not whole yet.
    pub(crate) fn of_transfer(pool: PostgresPool, name: &str) -> Self {
        Self { preparation: Preparation::done(), ..Self::new(pool, name) }
    }

    async fn connect(&self) -> Result<LeaseConnection, PostgresError> {
        self.preparation.see_to(&self.pool).await?;
        let connection = LeaseConnection(Some(self.pool.get().await?));
        let client = connection.client()?;
        client.batch_execute(PATIENCE).await?;
        expect_known(client, &self.pool.address().schema).await?;
        Ok(connection)
    }

    /// Changes something; returns how many rows.
    async fn change(
        &self,
        statement: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, PostgresError> {
        let connection = self.connect().await?;
        let changed = connection.client()?.execute(statement, values).await?;
        connection.done();
        Ok(changed)
    }

    async fn stand(&self, request: Option<&LeaseRequest>) -> Result<LeaseStanding, PostgresError> {
        let connection = self.connect().await?;
        let client = connection.client()?;
        if let Some(request) = request {
            let repositories = numbers(&request.repositories);
            let spread = request.sharing == Sharing::Spread;
            let seconds = request.ttl.as_secs_f64();
            let values: &[&(dyn ToSql + Sync)] =
                &[&self.owner, &self.name, &seconds, &repositories, &spread];
            if client.execute(RENEW, values).await? == 0 {
                client.execute(LAPSE, &[&self.owner]).await?;
                client.execute(RENEW, values).await?;
            }
        }
        let (daemons, leases) =
            tokio::try_join!(client.query(DAEMONS, &[]), client.query(LEASES, &[]))?;
        let daemons = daemons.iter().map(DaemonRow::of).collect::<Result<Vec<_>, _>>()?;
        let mut leases = leases.iter().map(LeaseRow::of).collect::<Result<Vec<_>, _>>()?;
        let live: Vec<_> = daemons.iter().map(|row| row.daemon.clone()).collect();
        let mut vacant = BTreeMap::new();
        let (mut excess, mut unread) = (Vec::new(), Vec::new());
        if request.is_some() {
            let is_live = |row: &&LeaseRow| live.iter().any(|daemon| daemon.owner == row.owner);
            let held = leases.iter().filter(is_live);
            let owners = held.map(|row| (row.repository, row.owner.clone())).collect();
            let decision = decide(&self.owner, &live, &owners);
            (excess, unread) = (decision.excess, decision.unread);
            if !decision.take.is_empty() {
                vacant = self.take(client, &decision.take, &mut leases, &live).await?;
            }
        }
        connection.done();
        let mut standing =
            LeaseStanding { excess, unread, daemons: live.len(), ..Default::default() };
        for LeaseRow { repository, owner, generation } in leases {
            if owner == self.owner {
                let vacant = vacant.get(&repository).copied().flatten();
                standing.held.push(HeldLease { repository, generation, vacant });
            } else if let Some(row) = daemons.iter().find(|row| row.daemon.owner == owner) {
                let (owner, expires_in) = (row.name.clone(), row.expires_in);
                standing.others.push(ForeignLease { repository, owner, expires_in });
            }
        }
        Ok(standing)
    }

    /// Takes these leases as far as they still are free, and notes it in `leases`; returns for how long
    /// nobody had had those that it took.
    async fn take(
        &self,
        client: &tokio_postgres::Client,
        wanted: &[RepositoryId],
        leases: &mut Vec<LeaseRow>,
        live: &[LiveDaemon],
    ) -> Result<BTreeMap<RepositoryId, Option<Duration>>, PostgresError> {
        let known: BTreeSet<_> = leases.iter().map(|row| row.repository).collect();
        let new: Vec<_> = wanted.iter().filter(|id| !known.contains(id)).copied().collect();
        if !new.is_empty() {
            client.execute(ADD, &[&numbers(&new)]).await?;
            leases.extend(new.into_iter().map(LeaseRow::new));
            leases.sort_by_key(|row| row.repository);
        }
        let rows = || leases.iter().filter(|row| wanted.contains(&row.repository));
        let repositories: Vec<_> = rows().map(|row| row.repository.0.cast_signed()).collect();
        let owners: Vec<_> = rows().map(|row| row.owner.as_str()).collect();
        let generations: Vec<_> = rows().map(|row| row.generation.cast_signed()).collect();
        let all_or_none = live.iter().any(|daemon| daemon.sharing == Sharing::Leader);
        let values: &[&(dyn ToSql + Sync)] =
            &[&self.owner, &repositories, &owners, &generations, &all_or_none];
        let mut vacant = BTreeMap::new();
        for row in self.query_past_the_frozen(client, TAKE, values).await? {
            let (repository, generation) = (repository(&row, 0)?, row.try_get::<_, i64>(1)?);
            let free_for: Option<f64> = row.try_get(2)?;
            vacant.insert(repository, free_for.map(seconds));
            if let Some(row) = leases.iter_mut().find(|row| row.repository == repository) {
                (row.owner, row.generation) = (self.owner.clone(), generation.cast_unsigned());
            }
        }
        client.execute(FORGET, &[]).await?;
        Ok(vacant)
    }

    /// Asks for rows, and does not wait long behind a session whose daemon is frozen.
    async fn query_past_the_frozen(
        &self,
        client: &tokio_postgres::Client,
        statement: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, PostgresError> {
        let session: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await?.try_get(0)?;
        let mut rows = pin!(client.query(statement, values));
        tokio::select! {
            rows = &mut rows => return Ok(rows?),
            () = tokio::time::sleep(LOCKED_FOR) => {}
        }
        let ended = async {
            let beside = self.connect().await?;
            beside.client()?.query_one(END_FROZEN, &[&session]).await?;
            beside.done();
            Ok::<_, PostgresError>(())
        };
        // What could not be ended keeps the statement waiting for as long as it may wait.
        let (rows, _) = tokio::join!(rows, ended);
        Ok(rows?)
    }
}

impl Leases for PostgresLeases {
    fn owner(&self) -> &str {
        &self.owner
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn look(&self, repositories: Vec<RepositoryId>) -> MirrorFuture<'_, LeaseStanding> {
        Box::pin(async move {
            let mut standing = self.stand(None).await?;
            standing.held.retain(|lease| repositories.contains(&lease.repository));
            standing.others.retain(|lease| repositories.contains(&lease.repository));
            Ok(standing)
        })
    }

    fn renew(&self, request: LeaseRequest) -> MirrorFuture<'_, LeaseStanding> {
        Box::pin(async move { Ok(self.stand(Some(&request)).await?) })
    }

    fn release(&self, repositories: Vec<RepositoryId>) -> MirrorFuture<'_, ()> {
        Box::pin(async move {
            let repositories = numbers(&repositories);
            self.change(RELEASE, &[&self.owner, &repositories]).await?;
            Ok(())
        })
    }

    fn leave(&self) -> MirrorFuture<'_, ()> {
        Box::pin(async move {
            self.change(LEAVE, &[&self.owner]).await?;
            Ok(())
        })
    }

    fn claim_try(
        &self,
        login: &str,
        within: Duration,
        most: usize,
    ) -> MirrorFuture<'_, Option<LoginTry>> {
        let login = login.to_owned();
        Box::pin(async move {
            let connection = self.connect().await?;
            let tried = denials::claim(connection.client()?, &login, within, most).await?;
            connection.done();
            Ok(tried)
        })
    }

    fn withdraw_try(&self, login: &str, tried: LoginTry) -> MirrorFuture<'_, ()> {
        let login = login.to_owned();
        Box::pin(async move {
            let connection = self.connect().await?;
            denials::withdraw(connection.client()?, &login, tried).await?;
            connection.done();
            Ok(())
        })
    }

    fn count_denial(&self, login: &str, tried: Option<LoginTry>) -> MirrorFuture<'_, ()> {
        let login = login.to_owned();
        Box::pin(async move {
            let connection = self.connect().await?;
            denials::count(connection.client()?, &login, tried).await?;
            connection.done();
            Ok(())
        })
    }

    fn denials(&self, login: &str, within: Duration) -> MirrorFuture<'_, Vec<Duration>> {
        let login = login.to_owned();
        Box::pin(async move {
            let connection = self.connect().await?;
            let ages = denials::ages(connection.client()?, &login, within).await?;
            connection.done();
            Ok(ages.into_iter().map(seconds).collect())
        })
    }

    fn forget_denials(&self, login: &str) -> MirrorFuture<'_, ()> {
        let login = login.to_owned();
        Box::pin(async move {
            let connection = self.connect().await?;
            denials::forget(connection.client()?, &login).await?;
            connection.done();
            Ok(())
        })
    }
}

/// A connection that is kept for the next call only once this one is done: where a call was given up,
/// its answer may never come, and the next one would wait behind it.
struct LeaseConnection(Option<Object>);

impl LeaseConnection {
    fn client(&self) -> Result<&tokio_postgres::Client, PostgresError> {
        let object = self.0.as_ref().ok_or(PostgresError::Nonsense("a connection that is gone"))?;
        Ok(object)
    }

    /// Keeps the connection for the next call.
    fn done(mut self) {
        drop(self.0.take());
    }
}

impl Drop for LeaseConnection {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

/// A daemon that is there.
struct DaemonRow {
    daemon: LiveDaemon,
    name: String,
    expires_in: Duration,
}

impl DaemonRow {
    fn of(row: &Row) -> Result<Self, PostgresError> {
        let repositories: Vec<i64> = row.try_get(2)?;
        let spread: bool = row.try_get(3)?;
        let daemon = LiveDaemon {
            owner: row.try_get(0)?,
            repositories: repositories.iter().map(|id| RepositoryId(id.cast_unsigned())).collect(),
            sharing: if spread { Sharing::Spread } else { Sharing::Leader },
        };
        Ok(Self { daemon, name: row.try_get(1)?, expires_in: seconds(row.try_get(4)?) })
    }
}

/// A lease, of a daemon that is there or is not.
struct LeaseRow {
    repository: RepositoryId,
    owner: String,
    generation: u64,
}

impl LeaseRow {
    fn new(repository: RepositoryId) -> Self {
        Self { repository, owner: String::new(), generation: 0 }
    }

    fn of(row: &Row) -> Result<Self, PostgresError> {
        let generation: i64 = row.try_get(2)?;
        Ok(Self {
            repository: repository(row, 0)?,
            owner: row.try_get(1)?,
            generation: generation.cast_unsigned(),
        })
    }
}

fn repository(row: &Row, column: usize) -> Result<RepositoryId, PostgresError> {
    let id: i64 = row.try_get(column)?;
    Ok(RepositoryId(id.cast_unsigned()))
}

fn numbers(repositories: &[RepositoryId]) -> Vec<i64> {
    repositories.iter().map(|id| id.0.cast_signed()).collect()
}

/// A time by the clock of the database; one that was set back makes it none at all.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
