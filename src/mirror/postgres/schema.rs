//! The schema in the database: its migrations, made under a lock, forward only and never changed once
//! released.

use deadpool_postgres::{GenericClient, Transaction};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use xxhash_rust::xxh3::xxh3_64;

use super::connections::PostgresPool;
use super::error::PostgresError;
use crate::mirror::sql_text::quoted;
use crate::telemetry::event;

/// The migrations in their order; the first one makes all tables and views of version 1.
pub(crate) const MIGRATIONS: [&str; 8] = [
    include_str!("../migrations/postgres/0001_mirror.sql"),
    include_str!("../migrations/postgres/0002_time.sql"),
    include_str!("../migrations/postgres/0003_model.sql"),
    include_str!("../migrations/postgres/0004_published.sql"),
    include_str!("../migrations/postgres/0005_feeds.sql"),
    include_str!("../migrations/postgres/0006_incremental.sql"),
    include_str!("../migrations/postgres/0007_knowledge.sql"),
    include_str!("../migrations/postgres/0008_known_pages.sql"),
];

/// The version of a schema that all migrations have been through.
pub(crate) const SCHEMA_VERSION: i32 = 8;

const _: () = assert!(SCHEMA_VERSION as usize == MIGRATIONS.len(), "one version a migration");

/// What the names of locks on schemas begin with.
const MIGRATION_LOCK: &str = "ewmirror migration ";

/// How long another daemon that migrates is waited for where it stands: a new schema takes no longer. What
/// takes longer is waited for by who asked.
const LOCKED_WITHIN: &str = "SET LOCAL lock_timeout TO '5s'";

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
/// is not changed then. Or another daemon migrates one at this moment.
pub(crate) async fn migrate(connections: &PostgresPool) -> Result<(), PostgresError> {
    migrate_by(connections, &MIGRATIONS).await
}

/// Whether the schema is there and up to date. Changes nothing.
///
/// # Errors
///
/// As for [`migrate`].
pub(crate) async fn is_current(connections: &PostgresPool) -> Result<bool, PostgresError> {
    let connection = connections.get().await?;
    let found = look(&connection, &connections.address().schema, &MIGRATIONS).await?;
    Ok(matches!(found, Found::Ours(SCHEMA_VERSION)))
}

/// Sees that a schema that was up to date has not been brought to a later version since, by a daemon of a
/// later version.
///
/// # Errors
///
/// It has.
pub(crate) async fn expect_known(client: &Client, name: &str) -> Result<(), PostgresError> {
    let row = client.query_one("SELECT coalesce(max(version), 0) FROM migration", &[]).await?;
    expect_at_most(row.try_get(0)?, SCHEMA_VERSION, name)
}

fn expect_at_most(found: i32, known: i32, name: &str) -> Result<(), PostgresError> {
    if found <= known {
        return Ok(());
    }
    Err(PostgresError::NewerSchema { schema: name.to_owned(), found, known })
}

/// Makes what is missing of these migrations.
pub(super) async fn migrate_by(
    connections: &PostgresPool,
    migrations: &[&str],
) -> Result<(), PostgresError> {
    let name = &*connections.address().schema;
    let newest = i32::try_from(migrations.len()).unwrap_or(i32::MAX);
    let mut connection = connections.get().await?;
    if matches!(look(&connection, name, migrations).await?, Found::Ours(it) if it == newest) {
        return Ok(());
    }
    let transaction = connection.transaction().await?;
    // What has much to do takes long.
    transaction.batch_execute("SET LOCAL statement_timeout TO 0").await?;
    take_lock(&transaction, name).await?;
    let schema = quoted(name);
    // Another daemon may have been here meanwhile.
    let found = look(&transaction, name, migrations).await?;
    if let Found::Nothing = found {
        transaction.batch_execute(&format!("CREATE SCHEMA {schema}")).await?;
        transaction.batch_execute(&format!("REVOKE ALL ON SCHEMA {schema} FROM PUBLIC")).await?;
    }
    let version = if let Found::Ours(version) = found { version } else { 0 };
    // Tables are made in the first schema that is named.
    transaction.batch_execute(&format!("SET LOCAL search_path TO {schema}, pg_temp")).await?;
    for (number, migration) in (1..).zip(migrations) {
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
    if version > 0 && version < newest {
        end_writers(&transaction).await?;
    }
    transaction
        .batch_execute(&format!(
            "REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC; \
             REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC"
        ))
        .await?;
    transaction.commit().await?;
    if version < newest {
        event::mirror_migrated(name, version, newest);
    }
    Ok(())
}

/// The advisory lock that is held while this schema is migrated.
pub(super) fn migration_lock(name: &str) -> i64 {
    xxh3_64(format!("{MIGRATION_LOCK}{name}").as_bytes()).cast_signed()
}

/// Waits a moment for the lock of all who would migrate this schema.
async fn take_lock(transaction: &Transaction<'_>, name: &str) -> Result<(), PostgresError> {
    let before: String = transaction.query_one("SHOW lock_timeout", &[]).await?.try_get(0)?;
    transaction.batch_execute(LOCKED_WITHIN).await?;
    let lock = "SELECT pg_advisory_xact_lock($1)";
    transaction.execute(lock, &[&migration_lock(name)]).await.map_err(|error| {
        match error.code() {
            Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                PostgresError::MigratedByAnother { schema: name.to_owned() }
            }
            _ => error.into(),
        }
    })?;
    let reset = "SELECT set_config('lock_timeout', $1, true)";
    transaction.execute(reset, &[&before]).await?;
    Ok(())
}

/// Takes all leases from daemons of earlier versions: from the commit on they write nothing, and find out
/// why when they ask for their leases. At the end of the migration, because a statement that waits for a
/// lease keeps the tables locked that are to be changed.
async fn end_writers(transaction: &Transaction<'_>) -> Result<(), PostgresError> {
    transaction
        .batch_execute(
            "UPDATE lease SET owner = '', since = clock_timestamp() WHERE owner <> ''; \
             UPDATE feed_lease SET owner = '' WHERE owner <> ''; \
             DELETE FROM instance",
        )
        .await?;
    Ok(())
}

/// Looks at what is there, and refuses what is not ours to write.
async fn look(
    client: &impl GenericClient,
    name: &str,
    migrations: &[&str],
) -> Result<Found, PostgresError> {
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
            &[&migrations],
        )
        .await?;
    let mut version = 0;
    for row in &rows {
        version = row.try_get(0)?;
        if !row.try_get::<_, bool>(1)? {
            return Err(PostgresError::OtherMigration { schema: name.to_owned(), version });
        }
    }
    expect_at_most(version, i32::try_from(migrations.len()).unwrap_or(i32::MAX), name)?;
    Ok(Found::Ours(version))
}
