//! Whether there is a mirror to be read, and one that this program knows.

use tokio_postgres::Client;

use super::columns::column;
use super::error::PostgresReadError;
use crate::mirror::postgres::schema::SCHEMA_VERSION;

/// Sees that the schema holds a mirror of this version.
pub(super) async fn check(client: &Client, schema: &str) -> Result<(), PostgresReadError> {
    let schema = || schema.into();
    // The schema that the connection is set to, which is not named where it is not there or may not be
    // used.
    let found = client.query_typed_one("SELECT to_regclass('migration') IS NOT NULL", &[]).await?;
    if !column::<bool>(&found, 0)? {
        return Err(PostgresReadError::Missing { schema: schema() });
    }
    let found = client
        .query_typed_one("SELECT coalesce(max(version), 0) FROM migration", &[])
        .await
        .map_err(PostgresReadError::of_reading)?;
    let (found, known) = (column::<i32>(&found, 0)?, SCHEMA_VERSION);
    if found == known {
        return Ok(());
    }
    let schema = schema();
    Err(if found < known {
        PostgresReadError::Older { schema, found, known }
    } else {
        PostgresReadError::Newer { schema, found, known }
    })
}
