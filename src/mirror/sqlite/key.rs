//! Item ids as SQL values.
//!
//! Integers of 64 bits are INTEGER, texts are TEXT, and wider integers are BLOB: sixteen bytes that
//! sort like the numbers. SQL sorts INTEGER before TEXT before BLOB, so the order of ids, in which
//! integers of any size come first, is that of [`RANGES`].

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, Value, ValueRef};

use crate::domain::ItemId;

/// The bit that makes the bytes of negative numbers sort before those of others.
const SIGN: u128 = 1 << 127;

/// SQL conditions on the column `id`, each of which an index answers. Their rows, one condition
/// after the other and each sorted by `id`, come in the order of [`ItemId`].
pub(super) const RANGES: [&str; 4] = [
    // Integers below 64 bits, of 64 bits, beyond; texts.
    "id >= x'' AND id < x'80'",
    "id < ''",
    "id >= x'80'",
    "id >= '' AND id < x''",
];

/// The same ranges, each from behind the id `?2`, which is one of its own, to its end.
pub(super) const RESTS: [&str; 4] =
    ["id > ?2 AND id < x'80'", "id > ?2 AND id < ''", "id > ?2", "id > ?2 AND id < x''"];

/// Which of the ranges an id is in.
pub(super) fn range_of(id: &ItemId) -> usize {
    match id {
        ItemId::Integer(number) if i64::try_from(*number).is_ok() => 1,
        ItemId::Integer(number) if *number < 0 => 0,
        ItemId::Integer(_) => 2,
        ItemId::Text(_) => 3,
    }
}

/// An id on its way into a statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct SqlItemId<'a>(pub(super) &'a ItemId);

impl ToSql for SqlItemId<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            ItemId::Integer(number) => match i64::try_from(*number) {
                Ok(number) => ToSqlOutput::Owned(Value::Integer(number)),
                Err(_) => ToSqlOutput::Owned(Value::Blob(wide(*number).to_vec())),
            },
            ItemId::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

/// An id on its way out of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnedSqlItemId(pub(super) ItemId);

impl FromSql for OwnedSqlItemId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let id = match value {
            ValueRef::Integer(number) => ItemId::Integer(i128::from(number)),
            ValueRef::Text(_) => ItemId::Text(value.as_str()?.into()),
            ValueRef::Blob(bytes) => {
                let bytes = bytes.try_into().map_err(|_| FromSqlError::InvalidType)?;
                ItemId::Integer(narrow(bytes))
            }
            ValueRef::Null | ValueRef::Real(_) => return Err(FromSqlError::InvalidType),
        };
        Ok(Self(id))
    }
}

fn wide(number: i128) -> [u8; 16] {
    (number.cast_unsigned() ^ SIGN).to_be_bytes()
}

fn narrow(bytes: [u8; 16]) -> i128 {
    (u128::from_be_bytes(bytes) ^ SIGN).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn wide_integers_sort_like_their_bytes(a in any::<i128>(), b in any::<i128>()) {
            prop_assert_eq!(a.cmp(&b), wide(a).cmp(&wide(b)));
            prop_assert_eq!(narrow(wide(a)), a);
        }
    }
}
