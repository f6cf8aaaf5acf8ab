//! The store against a PostgreSQL of the tests' own.

mod contract;
mod fence;
mod jsonb;
mod known_pages;
mod migrations;
mod place;
mod plans;
mod proxy;
mod published;
mod retention;
mod roles;
mod speed;
mod transfer;
mod views;

use super::{PostgresAddress, PostgresPool, schema};
use crate::testing::postgres::{SchemaPlace, TestDatabase};

/// A schema of its own in the tests' database; `None` where PostgreSQL is not installed.
pub(crate) fn address() -> Option<PostgresAddress> {
    Some(address_at(&TestDatabase::shared()?.new_schema()))
}

/// A schema of any database.
pub(crate) fn address_at(place: &SchemaPlace) -> PostgresAddress {
    PostgresAddress::at(&place.url, &place.schema)
}

#[tokio::test]
async fn a_schema_is_made_once() {
    let Some(address) = address() else { return };
    let connections = PostgresPool::new(address).unwrap();
    schema::migrate(&connections).await.unwrap();
    schema::migrate(&connections).await.unwrap();
    let connection = connections.get().await.unwrap();
    let row = connection.query_one("SELECT last FROM log", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
}
