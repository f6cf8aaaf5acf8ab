//! PostgresPool to the database: made when they are needed, kept for the next who needs one, and all
//! set to the same.

use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime,
};
use tokio_postgres::NoTls;
use tokio_postgres::config::{SslMode as ClientSslMode, TargetSessionAttrs};

use super::address::PostgresAddress;
use super::dedicated::DedicatedConnection;
use super::error::PostgresError;
use super::names::quoted;
use super::plans::PLANS;
use crate::config::{PostgresHost, Secret, SslMode, TargetSession};

/// The most connections that are open at once, those that listen and renew leases not counted.
const MOST: usize = 6;

/// How long a caller waits for a connection, and a connection for its server.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// PostgresPool to one database.
#[derive(Clone, Debug)]
pub(crate) struct PostgresPool {
    pool: Pool,
    address: PostgresAddress,
}

impl PostgresPool {
    /// PostgresPool that are made as soon as somebody asks for one.
    pub(crate) fn new(address: PostgresAddress) -> Result<Self, PostgresError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(client_config(&address), NoTls, recycling);
        let schema = address.schema.clone();
        let set_up = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
            let settings = settings(&schema);
            Box::pin(
                async move { client.batch_execute(&settings).await.map_err(HookError::Backend) },
            )
        });
        let pool = Pool::builder(manager)
            .max_size(MOST)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT_WITHIN))
            .create_timeout(Some(CONNECT_WITHIN))
            .post_create(set_up)
            .build()?;
        Ok(Self { pool, address })
    }

    /// A connection, for as long as it is held. What it did not finish is rolled back by who finds it.
    pub(crate) async fn get(&self) -> Result<Object, PostgresError> {
        Ok(self.pool.get().await?)
    }

    /// A connection that belongs to whoever asks, and counts for no other.
    pub(crate) async fn dedicated(&self) -> Result<DedicatedConnection, PostgresError> {
        let mut connection =
            DedicatedConnection::connect(&client_config(&self.address), NoTls).await?;
        let (client, wire) = connection.parts();
        wire.run(client.batch_execute(&settings(&self.address.schema))).await?;
        Ok(connection)
    }

    /// Where they lead.
    pub(crate) fn address(&self) -> &PostgresAddress {
        &self.address
    }
}

/// The address as the library has it.
pub(super) fn client_config(address: &PostgresAddress) -> tokio_postgres::Config {
    let url = &address.url;
    let mut config = tokio_postgres::Config::new();
    for host in &url.hosts {
        match host {
            PostgresHost::Tcp(host, port) => config.host(host.to_string()).port(*port),
            PostgresHost::Socket(folder, port) => config.host_path(folder).port(*port),
        };
    }
    if let Some(user) = &url.user {
        config.user(user);
    }
    if let Some(database) = &url.database {
        config.dbname(database);
    }
    if let Some(password) = address.password.as_ref().map(Secret::expose) {
        config.password(password);
    }
    config.application_name(&url.application_name).connect_timeout(url.connect_timeout);
    config.ssl_mode(match url.ssl_mode {
        SslMode::Disable => ClientSslMode::Disable,
        _ if !url.is_over_tcp() => ClientSslMode::Disable,
        _ => ClientSslMode::Require,
    });
    config.target_session_attrs(match url.target {
        TargetSession::Any => TargetSessionAttrs::Any,
        TargetSession::ReadWrite => TargetSessionAttrs::ReadWrite,
        TargetSession::ReadOnly => TargetSessionAttrs::ReadOnly,
    });
    config
}

/// What each connection is set to. Our schema comes after the system's, so that nothing in it can take
/// the place of a function, and temporary tables come last.
fn settings(schema: &str) -> String {
    let schema = quoted(schema);
    format!(
        "SET search_path TO pg_catalog, {schema}, pg_temp; SET TIME ZONE 'UTC'; \
         SET standard_conforming_strings TO on; SET bytea_output TO hex; {PLANS}"
    )
}
