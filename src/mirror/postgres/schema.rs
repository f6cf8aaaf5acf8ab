//! The schema in the database: its migrations, made under a lock, forward only and never changed once
//! released.

use deadpool_postgres::GenericClient;

use super::connections::PostgresPool;
use super::error::PostgresError;
use super::names::quoted;
use crate::telemetry::event;

/// The migrations in their order; the first one makes all tables and views of version 1.
pub(crate) const MIGRATIONS: [&str; 1] = [include_str!("../migrations/postgres/0001_mirror.sql")];

/// The version of a schema that all migrations have been through.
pub(crate) const SCHEMA_VERSION: i32 = 1;

const _: () = assert!(SCHEMA_VERSION as usize == MIGRATIONS.len(), "one version a migration");

/// The advisory lock that is held while a schema is migrated: "ewmirror" in ASCII.
const MIGRATION_LOCK: i64 = i64::from_be_bytes(*b"ewmirror");

/// What there is where the schema belongs.
enum Found {
    /// No schema of this name.
    Nothing,
    /// A schema without tables.
    Empty,
    /// Our tables, of this version.
    Ours(i32),
}

/// Makes the schema where there is none, and brings it up to date. One that is up to date is left alone,
/// so that a role which may only write can start the daemon.
///
/// # Errors
///
/// The schema is another program's, a later version's, or was made by migrations that are not ours. It
/// is not changed then.
pub(crate) async fn migrate(connections: &PostgresPool) -> Result<(), PostgresError> {
    let name = &*connections.address().schema;
    let mut connection = connections.get().await?;
    if let Found::Ours(SCHEMA_VERSION) = look(&connection, name).await? {
        return Ok(());
    }
    let transaction = connection.transaction().await?;
    // What has much to do takes long.
    transaction.batch_execute("SET LOCAL statement_timeout TO 0").await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await?;
    let schema = quoted(name);
    // Another daemon may have been here meanwhile.
    let found = look(&transaction, name).await?;
    if let Found::Nothing = found {
        transaction.batch_execute(&format!("CREATE SCHEMA {schema}")).await?;
        transaction.batch_execute(&format!("REVOKE ALL ON SCHEMA {schema} FROM PUBLIC")).await?;
    }
    let version = if let Found::Ours(version) = found { version } else { 0 };
    // Tables are made in the first schema that is named.
    transaction.batch_execute(&format!("SET LOCAL search_path TO {schema}, pg_temp")).await?;
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
    transaction
        .batch_execute(&format!(
            "REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC; \
             REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC"
        ))
        .await?;
    transaction.commit().await?;
    if version < SCHEMA_VERSION {
        event::mirror_migrated(name, version, SCHEMA_VERSION);
    }
    Ok(())
}

/// Looks at what is there, and refuses what is not ours to write.
async fn look(client: &impl GenericClient, name: &str) -> Result<Found, PostgresError> {
    let row = client
        .query_one(
            "SELECT count(DISTINCT n.oid), count(c.oid), \
                count(c.oid) FILTER (WHERE c.relname IN ('migration', 'log', 'item')) \
             FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid \
             WHERE n.nspname = $1",
            &[&name],
        )
        .await?;
    let (schemas, relations, ours): (i64, i64, i64) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    match (schemas, relations, ours) {
        (0, ..) => return Ok(Found::Nothing),
        (_, 0, _) => return Ok(Found::Empty),
        (_, _, 3) => {}
        _ => return Err(PostgresError::ForeignSchema { schema: name.to_owned() }),
    }
    let rows = client
        .query(
            &format!(
                "SELECT m.version, m.checksum = \
                    coalesce(encode(sha256(convert_to(t.text, 'UTF8')), 'hex'), m.checksum) \
                 FROM {}.migration m \
                 LEFT JOIN unnest($1::text[]) WITH ORDINALITY t (text, version) \
                    ON t.version = m.version ORDER BY m.version",
                quoted(name)
            ),
            &[&&MIGRATIONS[..]],
        )
        .await?;
    let mut version = 0;
    for row in &rows {
        version = row.try_get(0)?;
        if !row.try_get::<_, bool>(1)? {
            return Err(PostgresError::OtherMigration { schema: name.to_owned(), version });
        }
    }
    if version > SCHEMA_VERSION {
        let (schema, found) = (name.to_owned(), version);
        return Err(PostgresError::NewerSchema { schema, found, known: SCHEMA_VERSION });
    }
    Ok(Found::Ours(version))
}
