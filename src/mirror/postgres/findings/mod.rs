//! What `doctor` is told of a database: how it is reached, what it lets us do, how it is kept, and who
//! writes the mirror in it.
//!
//! A line each, told as soon as it is known. Nothing is changed. What the role may not see is said to
//! be so; each line can be had by a role that may only read.

mod access;
mod durability;
mod identity;
mod lease_owners;
mod pooler;
mod upkeep;

#[cfg(test)]
mod tests;

use std::time::Duration;

use deadpool_postgres::Object;
use tokio::time::{Instant, timeout_at};

use super::address::PostgresAddress;
use super::connections::PostgresPool;
use super::error::PostgresError;
use crate::mirror::{ExaminationFinding, MirrorError};

/// What is looked at, in this order, once there is a connection.
const LOOKS: [&str; 12] = [
    access::TLS,
    identity::ENCODING,
    identity::CLOCK,
    access::ROLE,
    durability::STANDBY,
    durability::DURABILITY,
    access::CONNECTIONS,
    pooler::POOLER,
    upkeep::AUTOVACUUM,
    upkeep::DEAD_ROWS,
    upkeep::TRANSACTIONS,
    lease_owners::LEASES,
];

/// Looks at the database, for `within` at most, and tells of each finding as soon as it is known.
pub(in crate::mirror) async fn findings(
    address: &PostgresAddress,
    within: Duration,
    tell: &mut dyn FnMut(ExaminationFinding),
) {
    let deadline = Instant::now() + within;
    let connected = timeout_at(deadline, connect(address)).await;
    let reason = match connected {
        Ok(Ok((pool, connection))) => {
            let database = Database { pool: &pool, connection: &connection };
            tell(database.look(identity::DATABASE, deadline).await);
            for name in LOOKS {
                tell(database.look(name, deadline).await);
            }
            return;
        }
        Ok(Err(error)) => {
            let error = MirrorError::from(error);
            let (found, remedy) = (error.to_string(), error.remedy());
            tell(ExaminationFinding::failure(identity::DATABASE, found, remedy));
            "there is no connection"
        }
        Err(_) => {
            let found = format!("no connection within {} s", within.as_secs());
            let remedy = "see whether the database runs, and what lies between";
            tell(ExaminationFinding::failure(identity::DATABASE, found, remedy));
            "there is no connection"
        }
    };
    LOOKS.into_iter().map(|name| ExaminationFinding::unseen(name, reason)).for_each(tell);
}

async fn connect(address: &PostgresAddress) -> Result<(PostgresPool, Object), PostgresError> {
    let pool = PostgresPool::new(address.clone())?;
    let connection = pool.get().await?;
    Ok((pool, connection))
}

/// The database that is looked at.
struct Database<'a> {
    pool: &'a PostgresPool,
    connection: &'a Object,
}

impl Database<'_> {
    /// One look at it, which must be done by the deadline.
    async fn look(&self, name: &'static str, deadline: Instant) -> ExaminationFinding {
        let Self { pool, connection } = *self;
        let schema = &*pool.address().schema;
        let looked = timeout_at(deadline, async {
            match name {
                identity::DATABASE => identity::database(connection, schema).await,
                identity::ENCODING => identity::encoding(connection).await,
                identity::CLOCK => identity::clock(connection).await,
                access::TLS => access::tls(connection, pool.address().url.ssl_mode).await,
                access::ROLE => access::role(connection, schema).await,
                access::CONNECTIONS => access::connections(connection).await,
                durability::STANDBY => durability::standby(connection).await,
                durability::DURABILITY => durability::durability(connection).await,
                pooler::POOLER => pooler::pooler(pool, connection).await,
                upkeep::AUTOVACUUM => upkeep::autovacuum(connection, schema).await,
                upkeep::DEAD_ROWS => upkeep::dead_rows(connection, schema).await,
                upkeep::TRANSACTIONS => upkeep::transactions(connection).await,
                _ => lease_owners::leases(connection, schema).await,
            }
        });
        match looked.await {
            Ok(Ok(finding)) => finding,
            Ok(Err(error)) => {
                let error = MirrorError::from(error);
                let found = format!("cannot be looked at: {error}");
                ExaminationFinding::warning(name, found, error.remedy())
            }
            Err(_) => ExaminationFinding::unseen(name, "the database took too long to answer"),
        }
    }
}
