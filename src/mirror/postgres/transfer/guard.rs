//! Keeps all others out of a database that is transferred.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::domain::RepositoryId;
use crate::mirror::contracts::{LeaseRequest, Leases, Sharing};
use crate::mirror::postgres::PostgresPool;
use crate::mirror::postgres::dedicated::DedicatedConnection;
use crate::mirror::postgres::error::PostgresError;
use crate::mirror::postgres::leases::PostgresLeases;
use crate::mirror::{MirrorError, MirrorErrorKind};

/// What a transfer is called among the daemons.
const NAME: &str = "ewmirror move";

/// How long the leases hold: longer than any one step takes.
const TTL: Duration = Duration::from_secs(60);

/// How often they are renewed.
const RENEW_EVERY: Duration = Duration::from_secs(5);

/// How long the server may take to notice that a transfer was killed.
const NOTICED_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(200);

const LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended('ewmirror move ' || $1::text, 0))";

/// Takes earlier transfers off the list of daemons. They are dead: we have the lock.
const FORGET_DEAD: &str = "
WITH gone AS (DELETE FROM instance WHERE name = $1 RETURNING owner)
UPDATE lease SET owner = '', since = clock_timestamp() FROM gone WHERE lease.owner = gone.owner";

/// Takes all feeds from those who delivered them, who are gone.
const END_FEEDS: &str = "UPDATE feed_lease SET owner = '' WHERE owner <> ''";

const REPOSITORIES: &str = "SELECT id FROM repository UNION SELECT repository FROM lease";

/// Why nobody else may be kept out.
#[derive(Debug, thiserror::Error)]
enum InUse {
    #[error("the mirror in PostgreSQL is being moved by another process")]
    Transfer,
    #[error("the mirror in PostgreSQL is in use by the daemon {0}")]
    Daemon(String),
}

impl From<InUse> for MirrorError {
    fn from(error: InUse) -> Self {
        let remedy = match &error {
            InUse::Transfer => "wait for its end, or end it",
            InUse::Daemon(_) => "stop all daemons of this mirror, on every machine",
        };
        Self::new(MirrorErrorKind::InUse, remedy, error)
    }
}

/// Others are kept out as long as it is held, and for [`TTL`] longer where it could not be let go of.
#[derive(Debug)]
pub(super) struct TransferGuard {
    leases: PostgresLeases,
    repositories: Vec<RepositoryId>,
    /// When the leases were last renewed.
    renewed: Mutex<Instant>,
    /// The lock is its session's.
    _connection: Mutex<DedicatedConnection>,
}

impl TransferGuard {
    /// Takes the lock and all leases.
    pub(super) async fn take(pool: &PostgresPool) -> Result<Self, MirrorError> {
        let connection = lock(pool).await?;
        let client = pool.get().await?;
        client.execute(FORGET_DEAD, &[&NAME]).await.map_err(PostgresError::from)?;
        let rows = client.query(REPOSITORIES, &[]).await.map_err(PostgresError::from)?;
        let repositories = rows
            .iter()
            .map(|row| Ok(RepositoryId(row.try_get::<_, i64>(0)?.cast_unsigned())))
            .collect::<Result<_, tokio_postgres::Error>>()
            .map_err(PostgresError::from)?;
        drop(client);
        let leases = PostgresLeases::of_transfer(pool.clone(), NAME);
        let renewed = Mutex::new(Instant::now());
        let guard = Self { leases, repositories, renewed, _connection: Mutex::new(connection) };
        if let Err(error) = guard.ask().await {
            // What was taken holds no longer than it must.
            drop(guard.leases.leave().await);
            return Err(error);
        }
        // A daemon that was stopped and wakes up delivers nothing more.
        let client = pool.get().await?;
        client.execute(END_FEEDS, &[]).await.map_err(PostgresError::from)?;
        Ok(guard)
    }

    /// Sees that all are still kept out.
    pub(super) async fn renew(&self) -> Result<(), MirrorError> {
        let mut renewed = self.renewed.lock().await;
        if renewed.elapsed() >= RENEW_EVERY {
            self.ask().await?;
            *renewed = Instant::now();
        }
        Ok(())
    }

    /// Lets the others in again.
    pub(super) async fn release(&self) -> Result<(), MirrorError> {
        self.leases.leave().await
    }

    async fn ask(&self) -> Result<(), MirrorError> {
        let repositories = self.repositories.clone();
        let request = LeaseRequest { repositories, sharing: Sharing::Leader, ttl: TTL };
        let standing = self.leases.renew(request).await?;
        if let Some(other) = standing.others.first() {
            return Err(InUse::Daemon(other.owner.clone()).into());
        }
        if standing.held.len() < self.repositories.len() || standing.daemons > 1 {
            return Err(InUse::Daemon("of another machine".to_owned()).into());
        }
        Ok(())
    }
}

/// Waits for the lock as long as a killed transfer may still seem to have it.
async fn lock(pool: &PostgresPool) -> Result<DedicatedConnection, MirrorError> {
    let mut connection = pool.dedicated().await?;
    let begun = Instant::now();
    loop {
        let (client, wire) = connection.parts();
        let schema = &*pool.address().schema;
        let row = wire.run(client.query_one(LOCK, &[&schema])).await?;
        if row.try_get(0).map_err(PostgresError::from)? {
            return Ok(connection);
        }
        if begun.elapsed() >= NOTICED_WITHIN {
            return Err(InUse::Transfer.into());
        }
        sleep(LOOK_EVERY).await;
    }
}
