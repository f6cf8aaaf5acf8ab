//! Walking into the vendor's JSON along a path of names, without building a tree. Pure.
//!
//! Where a name stands twice in an object the last one counts, as in most JSON readers.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;

use super::lenient::{LenientSeed, LenientShape, LenientValue, OneOf, skip};

/// Walks to the member that `path` leads to, through objects and lists.
pub(super) fn member<'a, S: AsRef<str>>(raw: &'a RawValue, path: &[S]) -> Option<&'a RawValue> {
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    // An error is as good as a missing member here: the text is valid JSON, so it can only be a
    // number out of range where an object should be.
    WalkStep(path).deserialize(&mut deserializer).ok().flatten()
}

/// The rest of a walk along a path.
struct WalkStep<'p, S>(&'p [S]);

impl<'de, S: AsRef<str>> DeserializeSeed<'de> for WalkStep<'_, S> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let Some((name, rest)) = self.0.split_first() else {
            return serde::Deserialize::deserialize(deserializer).map(Some);
        };
        Ok(match LenientSeed(Walk { name: name.as_ref(), rest }).deserialize(deserializer)? {
            LenientValue::Is(found) => Some(found),
            LenientValue::Absent | LenientValue::Null | LenientValue::Other => None,
        })
    }
}

/// One step of a walk: into the member or the element `name`, then along `rest`.
struct Walk<'p, S> {
    name: &'p str,
    rest: &'p [S],
}

impl<'de, S: AsRef<str>> LenientShape<'de> for Walk<'_, S> {
    type Is = &'de RawValue;

    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<LenientValue<Self::Is>, A::Error> {
        let mut found = LenientValue::Absent;
        while let Some(name) = map.next_key_seed(OneOf(&[self.name]))? {
            if name.is_some() {
                found = map
                    .next_value_seed(WalkStep(self.rest))?
                    .map_or(LenientValue::Absent, LenientValue::Is);
            } else {
                skip(&mut map)?;
            }
        }
        Ok(found)
    }

    fn seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<LenientValue<Self::Is>, A::Error> {
        let mut found = LenientValue::Absent;
        // RFC 6901: an index has no leading zero.
        let canonical = !self.name.starts_with('0') || self.name == "0";
        let digits = self.name.bytes().all(|byte| byte.is_ascii_digit());
        let index = (canonical && digits).then(|| self.name.parse::<usize>().ok()).flatten();
        for _ in 0..index.unwrap_or(usize::MAX) {
            if seq.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            }
        }
        if let Some(Some(value)) = seq.next_element_seed(WalkStep(self.rest))? {
            found = LenientValue::Is(value);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}
