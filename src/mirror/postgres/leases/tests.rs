//! The leases of PostgreSQL, held to what all leases must do.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::PostgresLeases;
use crate::mirror::contract::{self, SharedFeeds, SharedStore};
use crate::mirror::postgres::tests::address;
use crate::mirror::postgres::{
    PostgresAddress, PostgresFeedWriter, PostgresPool, PostgresReading, schema,
};
use crate::mirror::{FeedWriter, Feeds, Leases, MirrorFuture};
use crate::testing::slow_property;

/// A database that daemons share.
struct SharedDatabase {
    address: PostgresAddress,
    /// For what the tests themselves do.
    pool: PostgresPool,
}

impl SharedDatabase {
    /// `None` where PostgreSQL is not installed.
    async fn new() -> Option<Self> {
        let address = address()?;
        let pool = PostgresPool::new(address.clone()).unwrap();
        schema::migrate(&pool).await.unwrap();
        Some(Self { address, pool })
    }

    fn leases(&self, name: &str) -> PostgresLeases {
        PostgresLeases::new(PostgresPool::new(self.address.clone()).unwrap(), name)
    }

    async fn run(&self, statements: &str) {
        self.pool.get().await.unwrap().batch_execute(statements).await.unwrap();
    }
}

impl SharedStore for SharedDatabase {
    fn daemon(&self, name: &str) -> Arc<dyn Leases> {
        Arc::new(self.leases(name))
    }

    /// Everything was so much longer ago.
    fn pass(&self, time: Duration) -> MirrorFuture<'_, ()> {
        Box::pin(async move {
            let ago = format!("interval '{} milliseconds'", time.as_millis());
            let rows = format!(
                "UPDATE instance SET expires_at = expires_at - {ago}; \
                 UPDATE lease SET since = since - {ago}; \
                 UPDATE denial SET denied_at = denied_at - {ago}"
            );
            self.run(&rows).await;
            Ok(())
        })
    }
}

impl SharedFeeds for SharedDatabase {
    fn feed_writer(&self, daemon: &Arc<dyn Leases>) -> Arc<dyn FeedWriter> {
        Arc::new(PostgresFeedWriter::new(self.pool.clone(), daemon.owner()))
    }

    fn feeds(&self) -> Arc<dyn Feeds> {
        Arc::new(PostgresReading::new(self.pool.clone()))
    }
}

#[tokio::test]
async fn a_feed_is_one_daemons_at_a_time() {
    let Some(store) = SharedDatabase::new().await else { return };
    contract::a_feed_is_one_daemons_at_a_time(&store).await;
    let Some(store) = SharedDatabase::new().await else { return };
    contract::of_many_who_ask_at_once_one_gets_the_feed(&store).await;
}

#[tokio::test]
async fn leases_have_one_owner_at_a_time() {
    let Some(store) = SharedDatabase::new().await else { return };
    contract::leases_have_one_owner_at_a_time(&store).await;
}

proptest! {
    #![proptest_config(slow_property(24))]

    #[test]
    fn no_steps_give_a_lease_to_two(steps in contract::any_lease_steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Some(store) = SharedDatabase::new().await else { return };
            contract::no_steps_give_a_lease_to_two(&store, steps).await;
        });
    }
}

#[tokio::test]
async fn daemons_that_have_long_been_gone_are_forgotten_once_their_leases_are_taken() {
    let Some(store) = SharedDatabase::new().await else { return };
    let daemon = |name| store.leases(name);
    let request = |ids: &[u64]| crate::mirror::LeaseRequest {
        repositories: ids.iter().copied().map(crate::domain::RepositoryId).collect(),
        sharing: crate::mirror::Sharing::Leader,
        ttl: Duration::from_secs(600),
    };
    daemon("old").renew(request(&[1])).await.unwrap();
    daemon("idle").renew(request(&[])).await.unwrap();
    store.pass(Duration::from_secs(3 * 86_400)).await.unwrap();
    let taken = daemon("new").renew(request(&[1])).await.unwrap();
    // The one that had the lease last has told how long nobody had it.
    assert!(taken.held[0].vacant.is_some_and(|vacant| vacant.as_secs() > 2 * 86_400));
    daemon("newest").renew(request(&[1])).await.unwrap();
    let connection = store.pool.get().await.unwrap();
    let rows = connection.query("SELECT name FROM instance ORDER BY name", &[]).await.unwrap();
    let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(names, ["new", "newest"]);
}

#[tokio::test]
async fn to_renew_waits_for_no_page_that_is_being_written() {
    let Some(store) = SharedDatabase::new().await else { return };
    let daemon = store.leases("a");
    let request = crate::mirror::LeaseRequest {
        repositories: vec![crate::domain::RepositoryId(1)],
        sharing: crate::mirror::Sharing::Leader,
        ttl: Duration::from_secs(600),
    };
    daemon.renew(request.clone()).await.unwrap();
    let mut connection = store.pool.get().await.unwrap();
    let page = connection.transaction().await.unwrap();
    page.execute("UPDATE lease SET writes = writes + 1", &[]).await.unwrap();
    assert_eq!(daemon.renew(request).await.unwrap().held.len(), 1);
    page.commit().await.unwrap();
}

#[tokio::test]
async fn a_lease_is_taken_although_its_daemon_was_stopped_in_the_midst_of_a_page() {
    let Some(store) = SharedDatabase::new().await else { return };
    let request = crate::mirror::LeaseRequest {
        repositories: vec![crate::domain::RepositoryId(1)],
        sharing: crate::mirror::Sharing::Leader,
        ttl: Duration::from_secs(600),
    };
    store.leases("stopped").renew(request.clone()).await.unwrap();
    let mut connection = store.pool.get().await.unwrap();
    let page = connection.transaction().await.unwrap();
    page.batch_execute("SET LOCAL idle_in_transaction_session_timeout TO 0").await.unwrap();
    page.execute("UPDATE lease SET writes = writes + 1", &[]).await.unwrap();
    // Its row of `lease` is locked.
    store.run("UPDATE instance SET expires_at = clock_timestamp()").await;
    let taken = store.leases("next").renew(request).await.unwrap();
    assert_eq!(taken.held[0].generation, 2);
    // Nothing of the page is there.
    assert!(page.commit().await.is_err());
    let other = store.pool.get().await.unwrap();
    let writes = other.query_one("SELECT writes FROM lease", &[]).await.unwrap();
    assert_eq!(writes.get::<_, i64>(0), 0);
}
