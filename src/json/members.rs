//! The members of an item, each value as its JSON text. Pure.
//!
//! Values are slices of the item, so that no number is rounded and no text re-escaped. Of members
//! with one name the last counts, as JSON readers have it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// One member.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// Its name, as [`text`] has it.
    pub name: Cow<'a, str>,
    /// Its value.
    pub value: &'a RawValue,
}

/// The members of an item in their order, repeated names included.
///
/// # Errors
///
/// Bytes that are no JSON object.
pub fn of(item: &[u8]) -> Result<Vec<Member<'_>>, serde_json::Error> {
    // Of a text no value needs to be looked at again for what is not UTF-8.
    let item = std::str::from_utf8(item).map_err(serde_json::Error::custom)?;
    let mut deserializer = serde_json::Deserializer::from_str(item);
    let members = deserializer.deserialize_map(Members)?;
    deserializer.end()?;
    Ok(members)
}

/// A JSON text bare; any other value, and a text that is not Unicode (half a surrogate pair), as it
/// is written.
pub fn text(value: &RawValue) -> Cow<'_, str> {
    let written = value.get();
    let Some(inside) = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(written);
    };
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    serde_json::from_str(written).map_or(Cow::Borrowed(written), Cow::Owned)
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<Member<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        // The name, too, as it is written: one that is not Unicode is no reason to fail.
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            members.push(Member { name: text(name), value });
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(item: &str) -> Vec<(String, &str)> {
        let found = of(item.as_bytes()).unwrap();
        found.into_iter().map(|member| (member.name.into_owned(), member.value.get())).collect()
    }

    #[test]
    fn members_are_the_slices_of_the_item() {
        let item = " { \"a\" : 1.50 , \"b\\u00e4\":[1, 2 ],\"c\":\"x\\ny\" ,\"a\":null}\n";
        let told = [("a", "1.50"), ("bä", "[1, 2 ]"), ("c", "\"x\\ny\""), ("a", "null")];
        assert_eq!(members(item), told.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(members("{}"), []);
    }

    #[test]
    fn what_is_not_unicode_stays_as_it_is_written() {
        let item = r#"{"\ud800":"\udc00","😀":"\ud83d\ude00"}"#;
        let found = of(item.as_bytes()).unwrap();
        let told: Vec<_> = found.iter().map(|member| (&*member.name, text(member.value))).collect();
        assert_eq!(told, [(r#""\ud800""#, r#""\udc00""#.into()), ("😀", "😀".into())]);
    }

    #[test]
    fn numbers_and_depths_beyond_every_limit_are_kept() {
        let number = "1".repeat(400);
        let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        let item = format!("{{\"n\":{number},\"d\":{deep}}}");
        let told = members(&item);
        assert_eq!((told[0].1, told[1].1), (number.as_str(), deep.as_str()));
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for item in ["", "[1]", "7", "{", "{} {}", "{\"a\":}"] {
            assert!(of(item.as_bytes()).is_err(), "{item}");
        }
    }
}
