//! What a mirror in PostgreSQL answers, where its rows were written by hand.

mod access;
mod held;
mod log;
mod news;

use std::collections::BTreeMap;

use crate::domain::{Change, ItemId, Iteration, Op, RepositoryId, Sequence};
use crate::mirror::postgres::read::PostgresReading;
use crate::mirror::postgres::tests::address;
use crate::mirror::postgres::{PostgresAddress, PostgresPool, key, schema};

const ONE: RepositoryId = RepositoryId(1);

/// A mirror of which all is known.
struct HandmadeMirror {
    address: PostgresAddress,
    pool: PostgresPool,
    reading: PostgresReading,
    log: Vec<Change>,
    items: BTreeMap<(u64, ItemId), (Sequence, Vec<u8>)>,
    dropped: u64,
}

impl HandmadeMirror {
    /// An empty one; `None` where PostgreSQL is not installed.
    async fn new() -> Option<Self> {
        Some(Self::at(address()?).await)
    }

    /// An empty one in this database.
    async fn at(address: PostgresAddress) -> Self {
        let pool = PostgresPool::new(address.clone()).unwrap();
        schema::migrate(&pool).await.unwrap();
        let reading = PostgresReading::new(PostgresPool::to_read(address.clone()).unwrap());
        Self { address, pool, reading, log: Vec::new(), items: BTreeMap::new(), dropped: 0 }
    }

    fn schema(&self) -> &str {
        &self.address.schema
    }

    /// Connections as this user, where one is given, and with this name of the program.
    fn pool_of(&self, user: Option<&str>, program: &str) -> PostgresPool {
        let mut address = self.address.clone();
        address.url.user = user.map(str::to_owned).or(address.url.user);
        address.url.application_name = program.to_owned();
        PostgresPool::to_read(address).unwrap()
    }

    /// Says something to the database.
    async fn sql(&self, statements: &str) {
        self.pool.get().await.unwrap().batch_execute(statements).await.unwrap();
    }

    fn last(&self) -> u64 {
        self.log.len() as u64
    }

    /// Gives an item this body, or deletes it; nothing where it is not there.
    async fn put(&mut self, repository: u64, item: i128, body: Option<&str>) {
        let id = ItemId::Integer(item);
        let place = (repository, id.clone());
        let before = self.items.get(&place).map(|(_, body)| body.clone());
        let op = match (&before, body) {
            (None, None) => return,
            (None, Some(_)) => Op::Create,
            (Some(_), Some(_)) => Op::Update,
            (Some(_), None) => Op::Delete,
        };
        let sequence = Sequence(self.last() + 1);
        let after = body.map(|body| body.as_bytes().to_vec());
        match &after {
            Some(after) => drop(self.items.insert(place, (sequence, after.clone()))),
            None => drop(self.items.remove(&place)),
        }
        let change = Change {
            sequence,
            repository: RepositoryId(repository),
            item: id,
            op,
            iteration: Iteration(3),
            ts_ms: 1000 + sequence.0.cast_signed(),
            before,
            after,
        };
        self.write(&change).await;
        self.log.push(change);
    }

    async fn write(&self, change: &Change) {
        let Change { sequence, repository, item, op, iteration, ts_ms, before, after } = change;
        let [before, after] =
            [before, after].map(|body| body.clone().map(|body| String::from_utf8(body).unwrap()));
        let client = self.pool.get().await.unwrap();
        let number = |number: u64| number.cast_signed();
        let (repository, key) = (number(repository.0), key::to_key(item));
        let digest = after.is_some().then_some(1_i64);
        client
            .execute(
                "WITH moved AS (UPDATE log SET last = $1 RETURNING part), \
                 known AS (INSERT INTO repository (id) VALUES ($2) ON CONFLICT DO NOTHING), \
                 kept AS (INSERT INTO change (part, sequence, repository, key, id, op, iteration, \
                    ts_ms, previous, previous_ms, before, after) \
                    SELECT part, $1, $2, $3, $4, $5, $6, $7, item.sequence, changed_ms, $8, $9 \
                    FROM moved LEFT JOIN item ON item.repository = $2 AND item.key = $3) \
                 INSERT INTO item (repository, key, id, sequence, changed_ms, digest, body) \
                 VALUES ($2, $3, $4, $1, $7, $10, $9) ON CONFLICT (repository, key) DO UPDATE SET \
                 sequence = $1, changed_ms = $7, digest = $10, body = $9",
                &[
                    &number(sequence.0),
                    &repository,
                    &key,
                    &item.to_string(),
                    &op.letter(),
                    &number(iteration.0),
                    &ts_ms,
                    &before,
                    &after,
                    &digest,
                ],
            )
            .await
            .unwrap();
    }

    /// Begins a new part of the log, where there is anything in the last one.
    async fn roll_over(&self) {
        self.sql("SELECT roll_over('0', 1)").await;
    }

    /// Drops the changes up to this one.
    async fn drop_through(&mut self, sequence: u64) {
        self.dropped = self.dropped.max(sequence);
        self.sql(&format!(
            "UPDATE log SET dropped_through = {sequence}; \
             DELETE FROM item WHERE digest IS NULL AND sequence <= {sequence}; SELECT drop_parts()"
        ))
        .await;
    }
}
