//! What the items of a page tell of their members: which may be the id, which may be the time of the
//! last change, and in which order the items stand. Pure.
//!
//! It looks at members of the item itself, not at those of objects in it.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::value::RawValue;

use crate::json::members;

/// So many different members are looked at; an item has a thousand attributes at the most (vendor, of a
/// relational repository), and an answer could name millions.
const MOST: usize = 5_000;

/// A longer text is neither an id nor a moment, in bytes.
const LONGEST: usize = 200;

/// One member, over all items of the pages that were read.
#[derive(Clone, Debug)]
struct MemberFacts {
    /// In how many items it has a value that can be an id.
    count: usize,
    /// The hashes of the values: a thousand attributes of a thousand items are not held.
    seen: HashSet<u64>,
    /// Whether each is larger than the one before.
    ascending: bool,
    /// Whether none is larger than the one before.
    falling: bool,
    /// Whether each looks like a moment.
    moments: bool,
    last: Option<Scalar>,
}

/// A value that has an order.
#[derive(Clone, Debug, PartialEq, PartialOrd, Hash)]
enum Scalar {
    Whole(i128),
    Text(String),
}

/// In which order items came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListOrder {
    /// Ascending by id.
    Id,
    /// Last change first.
    Modified,
    /// Neither.
    Other,
}

/// The members of items, read one after the other in the order of the list.
#[derive(Clone, Debug, Default)]
pub struct ItemMembers {
    items: usize,
    members: BTreeMap<String, MemberFacts>,
    fewest: Option<usize>,
    most: usize,
}

impl ItemMembers {
    /// Looks at one more item.
    pub fn add(&mut self, item: &RawValue) {
        self.items += 1;
        let Ok(found) = members::of(item.get().as_bytes()) else { return };
        for member in &found {
            let Some(value) = scalar(member.value.get()) else { continue };
            if let Some(facts) = self.members.get_mut(&*member.name) {
                facts.add(value);
            } else if self.members.len() < MOST {
                let mut facts = MemberFacts::new();
                facts.add(value);
                self.members.insert(member.name.clone().into_owned(), facts);
            }
        }
        self.fewest = Some(self.fewest.map_or(found.len(), |fewest| fewest.min(found.len())));
        self.most = self.most.max(found.len());
    }

    /// The members of these items.
    pub fn of(items: &[&RawValue]) -> Self {
        let mut members = Self::default();
        for item in items {
            members.add(item);
        }
        members
    }

    /// How many items were looked at.
    pub fn items(&self) -> usize {
        self.items
    }

    /// The fewest and the most members that an item has.
    pub fn counts(&self) -> (usize, usize) {
        (self.fewest.unwrap_or_default(), self.most)
    }

    /// The members that every item has, each with another value: one of them is the id. The likeliest
    /// first.
    pub fn ids(&self) -> Vec<&str> {
        let all = |facts: &MemberFacts| self.items > 1 && facts.count == self.items;
        let mut ids: Vec<&str> = self
            .members
            .iter()
            .filter(|(_, facts)| all(facts) && facts.seen.len() == self.items)
            .map(|(name, _)| name.as_str())
            .collect();
        ids.sort_by_key(|name| likelihood_of_id(name));
        ids
    }

    /// The members that most items have, each with a value that looks like a moment, the likeliest to be that
    /// of the last change first.
    pub fn moments(&self) -> Vec<&str> {
        let most = |facts: &MemberFacts| self.items > 1 && facts.count * 10 >= self.items * 9;
        let mut moments: Vec<&str> = self
            .members
            .iter()
            .filter(|(name, facts)| {
                facts.moments && most(facts) && likelihood_of_change(name).is_some()
            })
            .map(|(name, _)| name.as_str())
            .collect();
        moments.sort_by_key(|name| likelihood_of_change(name));
        moments
    }

    /// In which order the items came, as far as they tell; `None` where there are too few.
    pub fn order(&self) -> Option<ListOrder> {
        if self.items < 3 {
            return None;
        }
        let is = |name: Option<&&str>, in_order: fn(&MemberFacts) -> bool| {
            name.and_then(|name| self.members.get(*name)).is_some_and(in_order)
        };
        let by_change = self
            .moments()
            .into_iter()
            .any(|name| is(Some(&name), |facts| facts.falling && facts.seen.len() > 1));
        Some(if is(self.ids().first(), |facts| facts.ascending) {
            ListOrder::Id
        } else if by_change {
            ListOrder::Modified
        } else {
            ListOrder::Other
        })
    }
}

impl MemberFacts {
    fn new() -> Self {
        let (ascending, falling, moments) = (true, true, true);
        Self { count: 0, seen: HashSet::new(), ascending, falling, moments, last: None }
    }

    fn add(&mut self, value: Scalar) {
        self.count += 1;
        if let Some(last) = &self.last {
            self.ascending &= value > *last;
            self.falling &= value <= *last;
        }
        self.moments &= value.is_moment();
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        self.seen.insert(hasher.finish());
        self.last = Some(value);
    }
}

impl Scalar {
    /// Whether it looks like a date or a time: a year, or seconds or milliseconds since 1970 of this
    /// century.
    fn is_moment(&self) -> bool {
        match self {
            Self::Whole(number) => {
                (946_684_800..4_102_444_800).contains(number)
                    || (946_684_800_000..4_102_444_800_000).contains(number)
            }
            Self::Text(text) => {
                let digits = text.bytes().filter(u8::is_ascii_digit).count();
                let fit = |c: char| c.is_ascii_digit() || " :./+-,TZAPMapm".contains(c);
                (6..=20).contains(&digits) && text.len() <= 40 && text.chars().all(fit)
            }
        }
    }
}

/// A string or a whole number, which a string of digits is, too.
fn scalar(raw: &str) -> Option<Scalar> {
    let text = match raw.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(raw).ok()?,
        b'-' | b'0'..=b'9' => raw.to_owned(),
        _ => return None,
    };
    match text.parse::<i128>() {
        Ok(number) => Some(Scalar::Whole(number)),
        Err(_) if raw.starts_with('"') && (1..=LONGEST).contains(&text.len()) => {
            Some(Scalar::Text(text))
        }
        Err(_) => None,
    }
}

/// Where a name stands among those that an id may have, 0 the likeliest.
fn likelihood_of_id(name: &str) -> usize {
    const KNOWN: [&str; 5] = ["itemid", "internalrecordid", "id", "recordid", "item_id"];
    let lower = name.to_lowercase();
    let known = KNOWN.iter().position(|known| *known == lower);
    known.unwrap_or(if lower.ends_with("id") { KNOWN.len() } else { KNOWN.len() + 1 })
}

/// Where a name stands among those that the time of the last change may have, 0 the likeliest; `None`
/// where it says nothing of a change.
fn likelihood_of_change(name: &str) -> Option<usize> {
    const WORDS: [&str; 5] = ["data_last_updated", "modif", "updat", "chang", "edit"];
    let lower = name.to_lowercase();
    WORDS.iter().position(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(items: &[&str]) -> ItemMembers {
        let mut members = ItemMembers::default();
        for item in items {
            members.add(serde_json::from_str::<&RawValue>(item).unwrap());
        }
        members
    }

    #[test]
    fn the_id_is_what_every_item_has_and_no_two_share() {
        let members = read(&[
            r#"{"sku":"a","F_1":"x","itemId":1,"serial":9}"#,
            r#"{"sku":"b","F_1":"x","itemId":2}"#,
            r#"{"sku":"c","F_1":"y","itemId":3,"serial":7}"#,
        ]);
        assert_eq!(members.ids(), ["itemId", "sku"]);
        assert_eq!(members.counts(), (3, 4));
    }

    #[test]
    fn the_order_is_by_id_by_change_or_neither() {
        let order = |rows: [(u32, u32); 4]| {
            let items = rows.map(|(id, day)| {
                format!(r#"{{"id":"{id}","modifiedOn":"2026-01-{day:02}T10:00:00Z"}}"#)
            });
            read(&items.each_ref().map(String::as_str)).order()
        };
        assert_eq!(order([(9, 1), (10, 4), (11, 2), (12, 3)]), Some(ListOrder::Id));
        assert_eq!(order([(3, 9), (4, 8), (1, 8), (2, 1)]), Some(ListOrder::Modified));
        assert_eq!(order([(3, 1), (4, 8), (1, 8), (2, 1)]), Some(ListOrder::Other));
        assert_eq!(read(&[r#"{"id":1}"#]).order(), None);
    }

    #[test]
    fn moments_look_like_moments_and_are_named_after_a_change() {
        let members = read(&[
            r#"{"id":1,"Last_Updated":"11/29/2026 10:00 AM","modifiedOn":1764400000000,"day":"2026-11-29"}"#,
            r#"{"id":2,"Last_Updated":"11/28/2026 10:00 AM","modifiedOn":1764300000000,"day":"2026-11-29"}"#,
        ]);
        assert_eq!(members.moments(), ["modifiedOn", "Last_Updated"]);
        assert!(read(&[r#"{"changed":"soon"}"#, r#"{"changed":"later"}"#]).moments().is_empty());
    }

    #[test]
    fn an_item_that_is_no_object_is_counted_and_no_more() {
        let members = read(&["7", "[1]", "{}"]);
        assert_eq!(members.items, 3);
        assert!(members.ids().is_empty());
    }
}
