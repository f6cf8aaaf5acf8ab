//! Whether two JSON texts mean the same. Pure.
//!
//! The order of an object's members, the escapes of a string, the spelling of a number and the
//! space between tokens mean nothing. Of members with one name the last one counts. Numbers are
//! compared as decimals, exactly: 1, 1.0 and 10e-1 are one number, and so are 0 and -0, whereas
//! neighbours beyond 2^53 are two.
//!
//! Texts are compared from the outside in, and only where their bytes differ, so that a server that
//! reorders members costs one look at each. No bytes make it panic or recurse without bound: what
//! cannot be read, or is nested too deeply, is the same as its own bytes only.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::config::JsonPointer;

/// Levels of nesting that are looked into: as many as most readers of JSON take.
const DEEPEST: usize = 128;

/// What is left of the pointers to leave out, seen from inside a value.
type Paths<'a> = Vec<&'a [String]>;

/// Whether two texts mean the same once the members that the pointers name are left out. In a list
/// a pointer names the element of this number, as the list stands.
pub fn same(a: &[u8], b: &[u8], ignore: &[JsonPointer]) -> bool {
    if a == b {
        return true;
    }
    let (Ok(a), Ok(b)) = (serde_json::from_slice(a), serde_json::from_slice(b)) else {
        return false;
    };
    same_value(a, b, &ignore.iter().map(JsonPointer::tokens).collect(), DEEPEST)
}

fn same_value(a: &RawValue, b: &RawValue, ignore: &Paths<'_>, levels: usize) -> bool {
    let (a, b) = (a.get(), b.get());
    if a == b {
        return true;
    }
    let Some(levels) = levels.checked_sub(1) else { return false };
    let first = |text: &str| text.bytes().next();
    match (first(a), first(b)) {
        (Some(b'{'), Some(b'{')) => {
            let (Some(a), Some(b)) = (members(a, ignore), members(b, ignore)) else { return false };
            a.len() == b.len()
                && a.iter().zip(&b).all(|((name, a), (other, b))| {
                    name == other && same_value(a, b, &below(ignore, &name.0), levels)
                })
        }
        (Some(b'['), Some(b'[')) => {
            let (Some(a), Some(b)) = (elements(a, ignore), elements(b, ignore)) else {
                return false;
            };
            a.len() == b.len()
                && a.iter().zip(&b).all(|((place, a), (_, b))| {
                    same_value(a, b, &below(ignore, place.as_bytes()), levels)
                })
        }
        (Some(b'"'), Some(b'"')) => {
            let text = |raw| serde_json::from_str::<Text<'_>>(raw).ok();
            text(a).is_some_and(|a| text(b) == Some(a))
        }
        (Some(b'-' | b'0'..=b'9'), Some(b'-' | b'0'..=b'9')) => {
            decimal(a).is_some_and(|a| decimal(b) == Some(a))
        }
        _ => false,
    }
}

/// The members of an object that count, by name.
fn members<'a>(object: &'a str, ignore: &Paths<'_>) -> Option<Vec<(Text<'a>, &'a RawValue)>> {
    let Members(mut members) = serde_json::from_str(object).ok()?;
    members.retain(|(name, _)| !names(ignore, &name.0));
    members.sort_by(|(a, _), (b, _)| a.0.cmp(&b.0));
    // Of one name the last is now the first, which stays.
    members.reverse();
    members.dedup_by(|(name, _), (last, _)| name == last);
    Some(members)
}

/// The elements of a list that count, each with its place.
fn elements<'a>(list: &'a str, ignore: &Paths<'_>) -> Option<Vec<(String, &'a RawValue)>> {
    let elements: Vec<&RawValue> = serde_json::from_str(list).ok()?;
    let place = |place: usize| if ignore.is_empty() { String::new() } else { place.to_string() };
    let placed = elements.into_iter().enumerate().map(|(index, value)| (place(index), value));
    Some(placed.filter(|(place, _)| !names(ignore, place.as_bytes())).collect())
}

/// Whether one of the paths ends at this name.
fn names(paths: &Paths<'_>, name: &[u8]) -> bool {
    paths.iter().any(|path| matches!(path, [last] if last.as_bytes() == name))
}

/// The paths that go on below this name.
fn below<'a>(paths: &Paths<'a>, name: &[u8]) -> Paths<'a> {
    let rest = |path: &&'a [String]| {
        path.split_first().filter(|(first, _)| first.as_bytes() == name).map(|(_, rest)| rest)
    };
    paths.iter().filter_map(rest).collect()
}

/// A number: whether it is negative, its digits without zeros at either end, and the power of ten
/// that its last digit counts. `None` where the exponent is beyond all measure.
fn decimal(number: &str) -> Option<(bool, String, i128)> {
    let (negative, number) =
        number.strip_prefix('-').map_or((false, number), |positive| (true, positive));
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = [whole.trim_start_matches('0'), fraction].concat();
    let all = digits.len();
    digits.truncate(digits.trim_end_matches('0').len());
    let zeros = all - digits.len();
    let digits = digits.trim_start_matches('0').to_owned();
    if digits.is_empty() {
        return Some((false, digits, 0));
    }
    let exponent: i128 = exponent.parse().ok()?;
    let shift = i128::try_from(zeros).ok()?.checked_sub(i128::try_from(fraction.len()).ok()?)?;
    Some((negative, digits, exponent.checked_add(shift)?))
}

/// A string's characters. As bytes, because a text may escape half of a surrogate pair, which no
/// character is.
#[derive(PartialEq)]
struct Text<'a>(Cow<'a, [u8]>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(bytes)))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(bytes.to_owned())))
    }
}

/// The members of an object, as they stand.
struct Members<'a>(Vec<(Text<'a>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests;
