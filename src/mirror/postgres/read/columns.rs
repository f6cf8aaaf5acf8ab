//! Numbers and ids as PostgreSQL has them.

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};

use crate::domain::ItemId;
use crate::mirror::postgres::error::PostgresError;
use crate::mirror::postgres::key;

/// A parameter of a statement, with its type.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// A column as it is.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, PostgresError> {
    Ok(row.try_get(column)?)
}

/// A number that is never negative.
pub(super) fn whole(row: &Row, column: usize) -> Result<u64, PostgresError> {
    natural(row.try_get(column)?)
}

/// The same where there may be none.
pub(super) fn optional(row: &Row, column: usize) -> Result<Option<u64>, PostgresError> {
    row.try_get::<_, Option<i64>>(column)?.map(natural).transpose()
}

/// A number that is never negative.
pub(super) fn natural(number: i64) -> Result<u64, PostgresError> {
    u64::try_from(number).map_err(|_| PostgresError::Nonsense("a negative number"))
}

/// An item's id.
pub(super) fn id(row: &Row, column: usize) -> Result<ItemId, PostgresError> {
    key::from_key(row.try_get(column)?)
}

/// An item's body, as received.
pub(super) fn body(row: &Row, column: usize) -> Result<Option<Vec<u8>>, PostgresError> {
    Ok(row.try_get::<_, Option<&str>>(column)?.map(|body| body.as_bytes().to_vec()))
}
