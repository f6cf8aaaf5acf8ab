//! Walking into the vendor's JSON along a path of names, without building a tree. Pure.
//!
//! Where a name stands twice in an object the last one counts, as in most JSON readers.

use memchr::memmem;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;

use super::lenient::{LenientSeed, LenientShape, LenientValue, OneOf, skip};

/// Walks to the member that `path` leads to, through objects and lists.
pub(super) fn member<'a, S: AsRef<str>>(raw: &'a RawValue, path: &[S]) -> Option<&'a RawValue> {
    if let [name] = path
        && let Some(found) = first_alone(raw, name.as_ref())
    {
        return Some(found);
    }
    by_all(raw, path)
}

/// The member of this name where it is the first, and nothing after it can have the name as well: so stands the id in
/// most items, of which there may be millions. `None` where that is not plain to see.
fn first_alone<'a>(raw: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    let is_plain = |byte: u8| !byte.is_ascii_control() && !matches!(byte, b'"' | b'\\' | b'/');
    if !name.bytes().all(is_plain) {
        return None;
    }
    let member = raw.get().strip_prefix("{\"")?.strip_prefix(name)?.strip_prefix("\":")?;
    let value: &RawValue = serde_json::Deserializer::from_str(member).into_iter().next()?.ok()?;
    let begins = value.get().as_ptr().addr() - member.as_ptr().addr();
    let rest = member.as_bytes().get(begins + value.get().len()..)?;
    // Written in another way, it has one of its characters by number.
    let is_alone =
        memmem::find(rest, name.as_bytes()).is_none() && memmem::find(rest, b"\\u").is_none();
    is_alone.then_some(value)
}

/// The same by a look at every member.
fn by_all<'a, S: AsRef<str>>(raw: &'a RawValue, path: &[S]) -> Option<&'a RawValue> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_member_is_found_as_by_a_look_at_all(
            members in prop::collection::vec((
                prop_oneof![
                    Just("id"), Just("i"), Just("idx"), Just(""), Just("\\u0069d"), Just("a\\/b"),
                    Just("a/b"), Just("\\\"id"), Just("ü"),
                ],
                prop_oneof![
                    Just("1"), Just(" 2 "), Just("\"id\""), Just("{\"id\":3}"), Just("[4]"), Just("null"),
                    Just("\"x\\ty\""), Just("1e999"), Just("\"\\u0069d\""),
                ],
            ), 0..4),
            name in prop_oneof![
                Just("id"), Just("i"), Just(""), Just("a/b"), Just("\"id"), Just("id\":1,\"i"), Just("ü"),
            ],
            space in prop_oneof![Just(""), Just(" ")],
        ) {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("\"{name}\":{space}{value}")).collect();
            let text = format!("{{{}}}", members.join(","));
            let raw: &RawValue = serde_json::from_str(&text).unwrap();
            let at = |found: Option<&RawValue>| found.map(|it| (it.get().as_ptr().addr(), it.get().len()));
            prop_assert_eq!(at(member(raw, &[name])), at(by_all(raw, &[name])));
        }
    }
}
