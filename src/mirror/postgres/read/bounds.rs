//! Where the log begins and ends.

use tokio_postgres::{Error, GenericClient, Row};

use super::columns::whole;
use crate::domain::Sequence;
use crate::mirror::LogBounds;
use crate::mirror::postgres::error::PostgresError;

/// The bounds as the database has them.
pub(super) async fn row(client: &(impl GenericClient + Sync)) -> Result<Row, Error> {
    client.query_typed_one("SELECT dropped_through, last FROM log", &[]).await
}

/// The same as numbers.
pub(super) fn of(row: &Row) -> Result<LogBounds, PostgresError> {
    Ok(LogBounds { dropped_through: Sequence(whole(row, 0)?), last: Sequence(whole(row, 1)?) })
}
