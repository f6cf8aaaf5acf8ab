//! Connections to the database: made when they are needed, kept for the next who needs one, and all
//! set to the same.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Connect, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError,
    RecyclingMethod, Runtime,
};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::PostgresAddress;
use super::connect::{Unreached, connect};
use super::dedicated::DedicatedConnection;
use super::error::PostgresError;
use super::plans::{PLANS, READING};
use super::tls;
use crate::mirror::sql_text::quoted;

/// The most connections that are open at once, those that listen and renew leases not counted.
const MOST: usize = 6;

/// How long a caller waits for another one to give its connection back.
const WAIT_WITHIN: Duration = Duration::from_secs(30);

/// How long a new connection may take to be set up, all servers tried: each has a limit of its own.
const SET_UP_WITHIN: Duration = Duration::from_secs(600);

/// Connections to one database.
#[derive(Clone, Debug)]
pub(crate) struct PostgresPool {
    pool: Pool,
    way: Arc<Way>,
}

/// How connections are made.
struct Way {
    address: PostgresAddress,
    tls: MakeRustlsConnect,
    /// Why the last one was not: the pool itself can only carry the library's own error.
    unreached: Mutex<Option<Unreached>>,
}

impl PostgresPool {
    /// Connections that are made as soon as somebody asks for one. Reads `mirror.ca_file`.
    ///
    /// # Errors
    ///
    /// They cannot be secured as the address asks for.
    pub(crate) fn new(address: PostgresAddress) -> Result<Self, PostgresError> {
        Self::planning(address, PLANS)
    }

    /// The same for who only reads.
    ///
    /// # Errors
    ///
    /// As for [`PostgresPool::new`].
    pub(crate) fn to_read(address: PostgresAddress) -> Result<Self, PostgresError> {
        Self::planning(address, READING)
    }

    fn planning(address: PostgresAddress, plans: &'static str) -> Result<Self, PostgresError> {
        let tls = tls::connector(&address)?;
        let schema = address.schema.clone();
        let way = Arc::new(Way { address, tls, unreached: Mutex::default() });
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let maker = Maker(Arc::clone(&way));
        let manager = Manager::from_connect(Config::new(), maker, recycling);
        let set_up = Hook::async_fn(move |client: &mut ClientWrapper, _| {
            let settings = settings(&schema, plans);
            Box::pin(
                async move { client.batch_execute(&settings).await.map_err(HookError::Backend) },
            )
        });
        let pool = Pool::builder(manager)
            .max_size(MOST)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT_WITHIN))
            .create_timeout(Some(SET_UP_WITHIN))
            .post_create(set_up)
            .build()?;
        Ok(Self { pool, way })
    }

    /// A connection, for as long as it is held. What was not finished on it is rolled back when its
    /// transaction is dropped.
    pub(crate) async fn get(&self) -> Result<Object, PostgresError> {
        match self.pool.get().await {
            Ok(connection) => Ok(connection),
            Err(PoolError::Backend(error)) => {
                let mut unreached =
                    self.way.unreached.lock().unwrap_or_else(PoisonError::into_inner);
                Err(match unreached.take() {
                    Some(unreached) => unreached.into(),
                    // Another caller has told of it, and this one has the library's word.
                    None => error.into(),
                })
            }
            Err(PoolError::PostCreateHook(HookError::Backend(error))) => Err(error.into()),
            Err(PoolError::Timeout(_)) => Err(PostgresError::Exhausted),
            Err(_) => Err(PostgresError::Closed),
        }
    }

    /// A connection that belongs to who asks for it, and counts for no other.
    pub(crate) async fn dedicated(&self) -> Result<DedicatedConnection, PostgresError> {
        let (client, connection) = connect(&self.way.address, &self.way.tls).await?;
        let mut connection = DedicatedConnection::new(client, connection);
        let (client, wire) = connection.parts();
        wire.run(client.batch_execute(&settings(&self.way.address.schema, READING))).await?;
        Ok(connection)
    }

    /// Where they lead.
    pub(crate) fn address(&self) -> &PostgresAddress {
        &self.way.address
    }
}

/// Makes the connections of the pool.
struct Maker(Arc<Way>);

/// What becomes of a connection that is being made.
type Making<'a> = Pin<
    Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + 'a>,
>;

impl Connect for Maker {
    fn connect(&self, _: &Config) -> Making<'_> {
        Box::pin(async move {
            let (client, connection) = match connect(&self.0.address, &self.0.tls).await {
                Ok(connected) => connected,
                Err(unreached) => {
                    *self.0.unreached.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(unreached);
                    return Err(tokio_postgres::Error::__private_api_timeout());
                }
            };
            #[expect(clippy::disallowed_methods, reason = "the pool ends it with its connection")]
            let run = tokio::spawn(async move {
                // Who uses the connection is told why it ended.
                drop(connection.await);
            });
            Ok((client, run))
        })
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What each connection is set to. Our schema comes after the system's, so that nothing in it can take
/// the place of a function, and temporary tables come last.
///
/// A statement that takes longer than a minute holds up all who wait for it. A transaction in which
/// nothing happens for ten seconds is of a daemon that is frozen: it must not keep its locks from the
/// one that takes over.
fn settings(schema: &str, plans: &str) -> String {
    let schema = quoted(schema);
    format!(
        "SET search_path TO pg_catalog, {schema}, pg_temp; SET TIME ZONE 'UTC'; \
         SET standard_conforming_strings TO on; SET bytea_output TO hex; \
         SET statement_timeout TO '60s'; SET idle_in_transaction_session_timeout TO '10s'; \
         SET lock_timeout TO '20s'; SET tcp_keepalives_idle TO 10; \
         SET tcp_keepalives_interval TO 5; SET tcp_keepalives_count TO 3; \
         SET tcp_user_timeout TO '20s'; {plans}"
    )
}
