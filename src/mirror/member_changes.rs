//! Which members differ in the items that a pass updates, counted on some of them.
//!
//! It costs little however many items are updated: the first are looked at, and of the others a part.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::json::members;

/// So many updates are looked at one and all,
const FIRST: u64 = 100;
/// and of the others one in so many.
const EVERY: u64 = 50;
/// The most members that are counted.
const MOST_MEMBERS: usize = 5000;
/// What is so in this part of what was looked at, in percent, is so in nearly all.
const NEARLY_ALL: u64 = 90;

/// What differs in the items that a pass updates.
#[derive(Debug, Default)]
pub struct MemberChanges {
    /// A plain lock: it is held while one item is looked at, never across an await.
    counted: Mutex<CountedChanges>,
    /// The items of the page being written that are created or updated, where somebody wants to know them. A plain
    /// lock, as above.
    found: Option<Mutex<Vec<Bytes>>>,
}

#[derive(Debug, Default)]
struct CountedChanges {
    updates: u64,
    looked_at: u64,
    members: BTreeMap<String, [u64; 3]>,
}

/// What became of a member; the places of the counts.
const APPEARED: usize = 0;
const DISAPPEARED: usize = 1;
const ALTERED: usize = 2;

/// What is the same about nearly all updates: names of members, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommonChanges {
    /// Members that the items did not have before.
    pub appeared: Vec<String>,
    /// Members that they have no longer.
    pub disappeared: Vec<String>,
    /// Members with another value.
    pub altered: Vec<String>,
}

impl CommonChanges {
    /// Whether there is nothing.
    pub fn is_none(&self) -> bool {
        self.appeared.is_empty() && self.disappeared.is_empty() && self.altered.is_empty()
    }
}

impl MemberChanges {
    /// One that also keeps the items of the page being written that are created or updated, until they are
    /// [taken](Self::take_found).
    pub fn keeping_found() -> Self {
        Self { found: Some(Mutex::default()), ..Self::default() }
    }

    /// Takes note of an item that is created or updated after the first pass: a view into the page's answer.
    pub(crate) fn found(&self, item: &Bytes) {
        if let Some(found) = &self.found {
            found.lock().unwrap_or_else(PoisonError::into_inner).push(item.clone());
        }
    }

    /// The items found since they were last taken; a page that is written once more begins with this.
    pub fn take_found(&self) -> Vec<Bytes> {
        let found =
            self.found.as_ref().map(|found| found.lock().unwrap_or_else(PoisonError::into_inner));
        found.map(|mut found| std::mem::take(&mut *found)).unwrap_or_default()
    }

    /// Takes note of an item that is updated.
    pub(crate) fn note(&self, before: &[u8], after: &[u8]) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.updates += 1;
        if counted.updates > FIRST && !counted.updates.is_multiple_of(EVERY) {
            return;
        }
        let (Ok(before), Ok(after)) = (members::of(before), members::of(after)) else { return };
        counted.looked_at += 1;
        // The last of one name counts, as JSON readers have it.
        let before: BTreeMap<_, _> = before.iter().map(|it| (&*it.name, it.value.get())).collect();
        let after: BTreeMap<_, _> = after.iter().map(|it| (&*it.name, it.value.get())).collect();
        for (name, value) in &after {
            match before.get(name) {
                None => counted.add(name, APPEARED),
                Some(other) if other != value => counted.add(name, ALTERED),
                Some(_) => {}
            }
        }
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            counted.add(name, DISAPPEARED);
        }
    }

    /// What is the same about nearly all of them.
    pub fn common(&self) -> CommonChanges {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let those = |kind: usize| {
            let is_common =
                |counts: &[u64; 3]| counts[kind] * 100 >= counted.looked_at * NEARLY_ALL;
            let common = counted.members.iter().filter(|(_, counts)| is_common(counts));
            common.map(|(name, _)| name.clone()).collect()
        };
        CommonChanges {
            appeared: those(APPEARED),
            disappeared: those(DISAPPEARED),
            altered: those(ALTERED),
        }
    }
}

impl CountedChanges {
    fn add(&mut self, name: &str, kind: usize) {
        let is_room = self.members.len() < MOST_MEMBERS;
        match self.members.get_mut(name) {
            Some(counts) => counts[kind] += 1,
            None if is_room => self.members.entry(name.to_owned()).or_default()[kind] += 1,
            None => {}
        }
    }
}

/// Whether so many updates are nearly all of the items that a pass saw.
pub fn is_nearly_all(updated: u64, unchanged: u64) -> bool {
    /// A few items may well be changed all at once by people.
    const LEAST: u64 = 20;
    let all = updated.saturating_add(unchanged);
    updated >= LEAST && updated.saturating_mul(100) >= all.saturating_mul(NEARLY_ALL)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn common(updates: &[(&str, &str)]) -> CommonChanges {
        let changes = MemberChanges::default();
        for (before, after) in updates {
            changes.note(before.as_bytes(), after.as_bytes());
        }
        changes.common()
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|it| (*it).to_owned()).collect()
    }

    #[test]
    fn what_nearly_all_updates_have_in_common_is_told_and_nothing_else() {
        let alike = (r#"{"id":1,"a":1,"b":2}"#, r#"{"id":1,"a":2,"c":3}"#);
        let other = (r#"{"id":2,"a":1,"x":1}"#, r#"{"id":2,"a":1,"y":1}"#);
        let expected = CommonChanges {
            appeared: list(&["c"]),
            disappeared: list(&["b"]),
            altered: list(&["a"]),
        };
        assert_eq!(common(&[alike; 9]), expected);
        assert_eq!(common(&[&[alike; 9][..], &[other]].concat()), expected, "nine of ten");
        assert!(common(&[&[alike; 8][..], &[other; 2]].concat()).is_none(), "eight of ten");
        assert!(common(&[]).is_none() && common(&[("{", "{}")]).is_none());
        assert!(is_nearly_all(90, 10) && !is_nearly_all(89, 11) && !is_nearly_all(19, 0));
    }

    proptest! {
        #[test]
        fn no_member_is_told_that_most_updates_do_not_have(
            rows in proptest::collection::vec(
                (proptest::collection::btree_map("[a-d]", 0..3_u8, 0..4),
                 proptest::collection::btree_map("[a-d]", 0..3_u8, 0..4)), 1..90),
        ) {
            let changes = MemberChanges::default();
            for (before, after) in &rows {
                let text = |it| serde_json::to_string(it).unwrap();
                changes.note(text(before).as_bytes(), text(after).as_bytes());
            }
            let is_common = |of: &dyn Fn(usize) -> bool| {
                (0..rows.len()).filter(|row| of(*row)).count() * 100 >= rows.len() * 90
            };
            let told = changes.common();
            for name in ["a", "b", "c", "d"] {
                let is_in = |list: &[String]| list.iter().any(|it| it == name);
                let (was, is) = (
                    |row: usize| rows[row].0.get(name).copied(),
                    |row: usize| rows[row].1.get(name).copied(),
                );
                let appeared = is_common(&|row| was(row).is_none() && is(row).is_some());
                let gone = is_common(&|row| was(row).is_some() && is(row).is_none());
                let altered = is_common(
                    &|row| was(row).is_some() && is(row).is_some() && was(row) != is(row));
                prop_assert_eq!(is_in(&told.appeared), appeared);
                prop_assert_eq!(is_in(&told.disappeared), gone);
                prop_assert_eq!(is_in(&told.altered), altered);
            }
        }
    }
}
