//! Reading JSON that may be of any type, without ever failing on a type. Pure.
//!
//! The derived readers of serde quote a value of the wrong type in their errors, and that value may
//! be a token; they also take a list for a struct. [`LenientSeed`] takes every type and says which it was,
//! so that only malformed JSON is an error of the library's.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A member of the answer as far as its type goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LenientValue<T> {
    /// Not there.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// There, and of the expected type.
    Is(T),
    /// There, and of another type.
    Other,
}

impl<T> LenientValue<T> {
    /// The member, where it is of the expected type.
    pub(super) fn is(&self) -> Option<&T> {
        match self {
            Self::Is(is) => Some(is),
            _ => None,
        }
    }
}

/// What to make of an object or a list; by default each is of another type than expected.
pub(super) trait LenientShape<'de>: Sized {
    /// What is read where the type is right.
    type Is;

    /// Reads an object.
    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<LenientValue<Self::Is>, A::Error> {
        while map.next_entry::<IgnoredBytes, IgnoredAny>()?.is_some() {}
        Ok(LenientValue::Other)
    }

    /// Reads a list.
    fn seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<LenientValue<Self::Is>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(LenientValue::Other)
    }
}

/// A visitor that takes every type of value, so that no value is ever an error of the library's.
pub(super) struct LenientSeed<S>(pub(super) S);

impl<'de, S: LenientShape<'de>> DeserializeSeed<'de> for LenientSeed<S> {
    type Value = LenientValue<S::Is>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: LenientShape<'de>> Visitor<'de> for LenientSeed<S> {
    type Value = LenientValue<S::Is>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(LenientValue::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(LenientValue::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(LenientValue::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(LenientValue::Other)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(LenientValue::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(LenientValue::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.0.map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        self.0.seq(seq)
    }
}

/// A member name, as its place in a list of names. Read as bytes, because a name elsewhere in the
/// object may be no text (half a surrogate pair), which is no concern of ours.
pub(super) struct OneOf<'n>(pub(super) &'n [&'n str]);

impl<'de> DeserializeSeed<'de> for OneOf<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for OneOf<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| known.as_bytes() == name))
    }
}

/// A member name that is skipped, whatever it is.
pub(super) struct IgnoredBytes;

impl<'de> serde::Deserialize<'de> for IgnoredBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        OneOf(&[]).deserialize(deserializer).map(|_| Self)
    }
}

/// Skips the value of a member.
pub(super) fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}
