//! The schema in the database: its migrations, made under a lock, forward only and never changed once
//! released.

use deadpool_postgres::Transaction;

use super::connections::PostgresPool;
use super::error::PostgresError;
use super::names::quoted;

/// The migrations in their order; the first one makes all tables and views of version 1.
pub(crate) const MIGRATIONS: [&str; 1] = [include_str!("../migrations/postgres/0001_mirror.sql")];

/// The version of a schema that all migrations have been through.
pub(crate) const SCHEMA_VERSION: i32 = 1;

const _: () = assert!(SCHEMA_VERSION as usize == MIGRATIONS.len(), "one version a migration");

/// The advisory lock that is held while a schema is migrated: "ewmirror" in ASCII.
const MIGRATION_LOCK: i64 = i64::from_be_bytes(*b"ewmirror");

/// Makes the schema where there is none, and brings it up to date.
pub(crate) async fn migrate(connections: &PostgresPool) -> Result<(), PostgresError> {
    let mut connection = connections.get().await?;
    let transaction = connection.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await?;
    let schema = quoted(&connections.address().schema);
    transaction.batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {schema}")).await?;
    // Tables are made in the first schema that is named.
    transaction.batch_execute(&format!("SET LOCAL search_path TO {schema}, pg_temp")).await?;
    let version = version(&transaction).await?;
    for (number, migration) in (1..).zip(MIGRATIONS) {
        if number > version {
            transaction.batch_execute(migration).await?;
            transaction
                .execute(
                    "INSERT INTO migration (version, checksum, program) \
                     VALUES ($1, encode(sha256(convert_to($2, 'UTF8')), 'hex'), $3)",
                    &[&number, &migration, &env!("CARGO_PKG_VERSION")],
                )
                .await?;
        }
    }
    transaction.commit().await?;
    Ok(())
}

/// The version of the schema; 0: nothing of ours is in it.
async fn version(transaction: &Transaction<'_>) -> Result<i32, PostgresError> {
    let row = transaction.query_one("SELECT to_regclass('migration') IS NOT NULL", &[]).await?;
    if !row.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    let row = transaction.query_one("SELECT coalesce(max(version), 0) FROM migration", &[]).await?;
    Ok(row.try_get(0)?)
}
