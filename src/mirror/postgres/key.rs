//! Item ids as bytes that sort like ids: integers of any size by value, then texts by their bytes.
//!
//! An integer is 0x00 and its sixteen bytes with the sign bit turned; a text is 0x01 and its UTF-8.

use super::error::PostgresError;
use crate::domain::ItemId;

/// The bit that makes the bytes of negative numbers sort before those of others.
const SIGN: u128 = 1 << 127;

/// An id on its way into a statement.
pub(crate) fn to_key(id: &ItemId) -> Vec<u8> {
    match id {
        ItemId::Integer(number) => {
            let sorted = (number.cast_unsigned() ^ SIGN).to_be_bytes();
            [&[0][..], &sorted].concat()
        }
        ItemId::Text(text) => [&[1][..], text.as_bytes()].concat(),
    }
}

/// An id on its way out of a row.
pub(crate) fn from_key(key: &[u8]) -> Result<ItemId, PostgresError> {
    let (kind, rest) = key.split_first().ok_or(PostgresError::Nonsense("an empty key"))?;
    match kind {
        0 => {
            let bytes = rest.try_into().map_err(|_| PostgresError::Nonsense("a short key"))?;
            Ok(ItemId::Integer((u128::from_be_bytes(bytes) ^ SIGN).cast_signed()))
        }
        1 => match std::str::from_utf8(rest) {
            Ok(text) => Ok(ItemId::Text(text.into())),
            Err(_) => Err(PostgresError::Nonsense("a key that is no text")),
        },
        _ => Err(PostgresError::Nonsense("a key of an unknown kind")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_id() -> impl Strategy<Value = ItemId> {
        prop_oneof![
            any::<i128>().prop_map(ItemId::Integer),
            (-3_i128..3).prop_map(ItemId::Integer),
            any::<String>().prop_map(|text| ItemId::Text(text.into())),
        ]
    }

    proptest! {
        #[test]
        fn keys_sort_like_ids_and_come_back(a in any_id(), b in any_id()) {
            prop_assert_eq!(to_key(&a).cmp(&to_key(&b)), a.cmp(&b));
            prop_assert_eq!(from_key(&to_key(&a)).unwrap(), a);
        }
    }
}
