//! A mirror in a schema of its own, and looks into it without the store's help.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, NoTls};

use super::address;
use crate::domain::{Change, Item, ItemId, Iteration, Op, RepositoryId, Sequence};
use crate::mirror::contract::MirrorContent;
use crate::mirror::postgres::{PostgresAddress, PostgresMirror, PostgresPool, key, schema};
use crate::mirror::{
    Checkpoint, IncrementalEnd, IncrementalPage, Lease, PageOfItems, PassStatistics,
};

/// Who writes.
pub(super) const OWNER: &str = "tests";

/// A schema with our tables, and the leases of repositories 1 and 2.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) address: PostgresAddress,
}

impl Place {
    /// A new one; `None` where PostgreSQL is not installed.
    pub(super) fn new() -> Option<Self> {
        Some(Self::at(address()?))
    }

    /// A new one in this database.
    pub(super) fn at(address: PostgresAddress) -> Self {
        let place = Self { address };
        let (pool, of) = (place.pool(), place.clone());
        aside(async move {
            schema::migrate(&pool).await.unwrap();
            for repository in [1, 2] {
                of.hand_over(repository, OWNER, 1).await;
            }
        });
        place
    }

    pub(super) fn pool(&self) -> PostgresPool {
        PostgresPool::new(self.address.clone()).unwrap()
    }

    pub(super) fn mirror(&self) -> PostgresMirror {
        PostgresMirror::new(self.pool())
    }

    /// A connection that is not the store's.
    pub(super) async fn client(&self) -> Client {
        let (client, connection) = self.address.plain_config().connect(NoTls).await.unwrap();
        drop(Handle::current().spawn(async move { drop(connection.await) }));
        let schema = &self.address.schema;
        client
            .batch_execute(&format!("SET search_path TO pg_catalog, \"{schema}\", pg_temp"))
            .await
            .unwrap();
        client
    }

    /// Gives a lease to somebody.
    pub(super) async fn hand_over(&self, repository: u64, owner: &str, generation: i64) {
        self.client()
            .await
            .execute(
                "INSERT INTO lease (repository, owner, generation) VALUES ($1, $2, $3)
                ON CONFLICT (repository) DO UPDATE SET owner = excluded.owner,
                generation = excluded.generation",
                &[&repository.cast_signed(), &owner, &generation],
            )
            .await
            .unwrap();
    }

    /// Has a daemon be there for a long time.
    pub(super) async fn daemon_is_there(&self, owner: &str) {
        let there = "INSERT INTO instance (owner, name, expires_at, repositories, spread)
            VALUES ($1, $1, clock_timestamp() + interval '1 hour', '{}', false)
            ON CONFLICT (owner) DO UPDATE SET expires_at = excluded.expires_at";
        self.client().await.execute(there, &[&owner]).await.unwrap();
    }

    /// Waits until so many connections to it wait for a lock; which processes of the server these are.
    pub(super) async fn waiting(&self, count: usize) -> Vec<i32> {
        let client = self.client().await;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            // The locks that a process has tell which schema it is at work in.
            let rows = client
                .query(
                    "SELECT DISTINCT waiting.pid FROM pg_locks AS waiting
                    JOIN pg_locks AS tables ON tables.pid = waiting.pid
                    JOIN pg_class ON pg_class.oid = tables.relation
                    JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
                    WHERE NOT waiting.granted AND pg_namespace.nspname = $1",
                    &[&&*self.address.schema],
                )
                .await
                .unwrap();
            if rows.len() >= count {
                return rows.iter().map(|row| row.get(0)).collect();
            }
            sleep(Duration::from_millis(5)).await;
        }
        panic!("nobody waits");
    }

    /// What is in it.
    pub(super) async fn content(&self) -> MirrorContent {
        let client = self.client().await;
        let mut content = MirrorContent::default();
        let rows = client
            .query(
                "SELECT repository, key, id, digest, body, json IS NOT NULL, sequence, changed_ms FROM item",
                &[],
            )
            .await
            .unwrap();
        for row in rows {
            let id = key::from_key(row.get(1)).unwrap();
            assert_eq!(row.get::<_, String>(2), id.to_string());
            let key = (row.get::<_, i64>(0).cast_unsigned(), id);
            match (row.get::<_, Option<i64>>(3), row.get::<_, Option<String>>(4)) {
                (Some(digest), Some(body)) => {
                    let body = body.into_bytes();
                    assert_eq!(digest.cast_unsigned(), crate::domain::item::digest(&body));
                    assert!(row.get::<_, bool>(5));
                    content.items.insert(key, body);
                }
                (None, None) => assert!(content.tombstones.insert(key)),
                half => panic!("half an item: {half:?}"),
            }
        }
        content.changes = changes(&client).await;
        content
    }
}

/// The changes that are part of the log; sees that each names the one before it.
async fn changes(client: &Client) -> Vec<Change> {
    let rows = client
        .query(
            "SELECT sequence, repository, key, id, op, iteration, ts_ms, before, after, previous,
                previous_ms
            FROM change WHERE sequence > (SELECT dropped_through FROM log) ORDER BY sequence",
            &[],
        )
        .await
        .unwrap();
    let mut last: BTreeMap<(u64, ItemId), (i64, i64)> = BTreeMap::new();
    let change = |row: &tokio_postgres::Row| {
        let bytes = |column| row.get::<_, Option<String>>(column).map(String::into_bytes);
        let change = Change {
            sequence: Sequence(row.get::<_, i64>(0).cast_unsigned()),
            repository: RepositoryId(row.get::<_, i64>(1).cast_unsigned()),
            item: key::from_key(row.get(2)).unwrap(),
            op: Op::of_letter(row.get(4)).unwrap(),
            iteration: Iteration(row.get::<_, i64>(5).cast_unsigned()),
            ts_ms: row.get(6),
            before: bytes(7),
            after: bytes(8),
        };
        let previous: Option<i64> = row.get(9);
        let when: Option<i64> = row.get(10);
        let this = (row.get(0), change.ts_ms);
        if let Some(known) = last.insert((change.repository.0, change.item.clone()), this) {
            assert_eq!(previous.zip(when), Some(known));
        }
        change
    };
    rows.iter().map(change).collect()
}

/// Has a runtime of its own do something, whether or not there is one around.
pub(super) fn aside<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let run = || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(work)
        };
        scope.spawn(run).join().unwrap()
    })
}

/// The lease that the place has for a writer.
pub(super) fn lease() -> Lease {
    Lease { owner: OWNER.into(), generation: 1 }
}

/// A page of these items; the number says which page of its pass it is.
pub(super) fn page(number: u64, items: &[(i128, &str)]) -> Arc<PageOfItems> {
    let item = |(id, body): &(i128, &str)| {
        Item::new(ItemId::Integer(*id), bytes::Bytes::copy_from_slice(body.as_bytes()))
    };
    Arc::new(PageOfItems {
        iteration: Iteration(1),
        ts_ms: 100 + number.cast_signed(),
        items: items.iter().map(item).collect(),
        newly_seen: vec![true; items.len()],
        ignore: Arc::new([]),
        member_changes: Arc::default(),
        statistics: PassStatistics { pages: number, ..PassStatistics::default() },
        checkpoint: Checkpoint { state: number.to_le_bytes().into(), seen: vec![1] },
    })
}

/// A page of an incremental pass with these items, which is the only one of it; it leaves its number as the
/// mark.
pub(super) fn incremental_page(number: u64, items: &[(i128, &str)]) -> Arc<IncrementalPage> {
    let PageOfItems { ts_ms, items, ignore, .. } = PageOfItems::clone(&page(number, items));
    let count = items.len() as u64;
    let end = IncrementalEnd {
        started_ms: 50,
        pages: 1,
        requests: 2,
        items: count,
        ..IncrementalEnd::default()
    };
    Arc::new(IncrementalPage {
        iteration: Iteration(1),
        ts_ms,
        items,
        ignore,
        member_changes: Arc::default(),
        mark: Some(number.to_le_bytes().into()),
        end: Some(end),
    })
}
