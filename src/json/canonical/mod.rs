//! Whether two JSON texts mean the same. Pure.
//!
//! The order of an object's members, the escapes of a string, the spelling of a number and the
//! space between tokens mean nothing. Of members with one name the last one counts. Numbers are
//! compared as decimals, exactly: 1, 1.0 and 10e-1 are one number, and so are 0 and -0, whereas
//! neighbours beyond 2^53 are two.
//!
//! Texts are compared from the outside in, and only where their bytes differ, so that a server that
//! reorders members costs one look at each. No bytes make it panic, recurse without bound, or take
//! more than a bounded effort: what cannot be read, is nested too deeply, or would take more than
//! its [`Budget`], is the same as its own bytes only.
//!
//! [`form()`] writes a text anew, so that texts that mean the same become the same bytes.

use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::JsonPointer;

mod budget;
mod form;
mod number;
mod text;

use self::budget::{Budget, DEEPEST};
pub use self::form::{form, text_form};
use self::number::decimal;
pub use self::number::integer;
use self::text::Text;

/// What is left of the pointers to leave out, seen from inside a value.
type Paths<'a> = Vec<&'a [String]>;

/// Whether two texts mean the same once the members that the pointers name are left out. In a list
/// a pointer names the element of this number, as the list stands.
pub fn same(a: &[u8], b: &[u8], ignore: &[JsonPointer]) -> bool {
    if a == b {
        return true;
    }
    let mut budget = Budget::for_texts(a, b);
    if !budget.reads(a) || !budget.reads(b) {
        return false;
    }
    let (Ok(a), Ok(b)) = (serde_json::from_slice(a), serde_json::from_slice(b)) else {
        return false;
    };
    Comparison { budget }.same(a, b, &ignore.iter().map(JsonPointer::tokens).collect(), DEEPEST)
}

/// One comparison of two texts.
struct Comparison {
    budget: Budget,
}

impl Comparison {
    fn same(&mut self, a: &RawValue, b: &RawValue, ignore: &Paths<'_>, levels: usize) -> bool {
        let (a, b) = (a.get(), b.get());
        if a == b {
            return true;
        }
        let Some(levels) = levels.checked_sub(1) else { return false };
        // Each look reads both again, down to the bottom.
        if !self.budget.reads(a.as_bytes()) || !self.budget.reads(b.as_bytes()) {
            return false;
        }
        let first = |text: &str| text.bytes().next();
        match (first(a), first(b)) {
            (Some(b'{'), Some(b'{')) => {
                let (Some(a), Some(b)) = (self.members(a, ignore), self.members(b, ignore)) else {
                    return false;
                };
                a.len() == b.len()
                    && a.iter().zip(&b).all(|((name, a), (other, b))| {
                        name == other && self.same(a, b, &below(ignore, &name.0), levels)
                    })
            }
            (Some(b'['), Some(b'[')) => {
                let (Some(a), Some(b)) = (self.elements(a, ignore), self.elements(b, ignore))
                else {
                    return false;
                };
                a.len() == b.len()
                    && a.iter().zip(&b).all(|((place, a), (_, b))| {
                        self.same(a, b, &below(ignore, place.as_bytes()), levels)
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
    fn members<'a>(
        &mut self,
        object: &'a str,
        ignore: &Paths<'_>,
    ) -> Option<Vec<(Text<'a>, &'a RawValue)>> {
        let mut members = Vec::new();
        let mut deserializer = serde_json::Deserializer::from_str(object);
        let read = |member| self.budget.holds_one().then(|| members.push(member));
        deserializer.deserialize_map(MembersVisitor(read)).ok()?;
        members.retain(|(name, _)| !names(ignore, &name.0));
        members.sort_by(|(a, _), (b, _)| a.0.cmp(&b.0));
        // Of one name the last is now the first, which stays.
        members.reverse();
        members.dedup_by(|(name, _), (last, _)| name == last);
        Some(members)
    }

    /// The elements of a list that count, each with its place.
    fn elements<'a>(
        &mut self,
        list: &'a str,
        ignore: &Paths<'_>,
    ) -> Option<Vec<(String, &'a RawValue)>> {
        let mut elements = Vec::new();
        let mut deserializer = serde_json::Deserializer::from_str(list);
        let read = |element| self.budget.holds_one().then(|| elements.push(element));
        deserializer.deserialize_seq(ElementsVisitor(read)).ok()?;
        let place =
            |place: usize| if ignore.is_empty() { String::new() } else { place.to_string() };
        let placed = elements.into_iter().enumerate().map(|(index, value)| (place(index), value));
        Some(placed.filter(|(place, _)| !names(ignore, place.as_bytes())).collect())
    }
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

/// Hands over the members of an object, as they stand, for as long as they are taken.
struct MembersVisitor<F>(F);

impl<'de, F> Visitor<'de> for MembersVisitor<F>
where
    F: FnMut((Text<'de>, &'de RawValue)) -> Option<()>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(member) = map.next_entry()? {
            self.0(member).ok_or_else(|| A::Error::custom("too many members"))?;
        }
        Ok(())
    }
}

/// The same for the elements of a list.
struct ElementsVisitor<F>(F);

impl<'de, F: FnMut(&'de RawValue) -> Option<()>> Visitor<'de> for ElementsVisitor<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(element) = seq.next_element()? {
            self.0(element).ok_or_else(|| A::Error::custom("too many elements"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
