//! Numbers without a sign in columns that have one: their bits stay the same. Pure.

/// A number on its way into a statement.
pub(super) fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// A number on its way out of a row.
pub(super) fn unsigned(number: i64) -> u64 {
    number.cast_unsigned()
}
