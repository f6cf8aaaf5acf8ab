//! What became of an item's members from one state to the next. Pure.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;

use crate::json::canonical;
use crate::json::members::{self, Member};

/// What an item is called that has no members.
const WHOLE: &str = "(item)";

/// One member that came, went or became another.
#[derive(Debug)]
pub struct MemberChange<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its value before; `None`: it was not there.
    pub before: Option<&'a RawValue>,
    /// Its value after; `None`: it is not there.
    pub after: Option<&'a RawValue>,
}

/// The members that differ in what they mean: those that are there in the order of the item, then
/// those that went.
pub fn between<'a>(before: Option<&'a [u8]>, after: Option<&'a [u8]>) -> Vec<MemberChange<'a>> {
    let (before, after) = (members_of(before), members_of(after));
    let values = before.iter().map(|member| (&*member.name, member.value));
    let mut values: HashMap<&str, &RawValue> = values.collect();
    let mut differences = Vec::new();
    for Member { name, value } in after {
        let old = values.remove(&*name);
        if !old.is_some_and(|old| same(old, value)) {
            differences.push(MemberChange { name, before: old, after: Some(value) });
        }
    }
    let gone: HashSet<String> = values.into_keys().map(str::to_owned).collect();
    let gone = before.into_iter().filter(|member| gone.contains(&*member.name));
    differences.extend(gone.map(|Member { name, value }| MemberChange {
        name,
        before: Some(value),
        after: None,
    }));
    differences
}

fn same(a: &RawValue, b: &RawValue) -> bool {
    canonical::same(a.get().as_bytes(), b.get().as_bytes(), &[])
}

/// The members of an item, each name once: the last one counts.
fn members_of(item: Option<&[u8]>) -> Vec<Member<'_>> {
    let Some(item) = item else { return Vec::new() };
    let Ok(mut members) = members::of(item) else {
        let whole = serde_json::from_slice(item).ok();
        return whole.map(|value| Member { name: WHOLE.into(), value }).into_iter().collect();
    };
    let mut names = HashSet::new();
    members.reverse();
    members.retain(|member| names.insert(member.name.clone()));
    members.reverse();
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: Option<&str>, after: Option<&str>) -> Vec<String> {
        let [before, after] = [before, after].map(|item| item.map(str::as_bytes));
        let value = |value: Option<&RawValue>| value.map_or("-", RawValue::get).to_owned();
        between(before, after)
            .into_iter()
            .map(|it| format!("{} {} {}", it.name, value(it.before), value(it.after)))
            .collect()
    }

    #[test]
    fn only_what_means_something_else_differs() {
        let before = r#"{"a":1,"b":{"x":1,"y":2},"c":"A","d":null,"e":1,"f":2}"#;
        let after = r#"{"f":3,"e":"1","b":{"y":2.0,"x":1},"c":"\u0041","a":1.0,"g":0}"#;
        assert_eq!(told(Some(before), Some(after)), ["f 2 3", "e 1 \"1\"", "g - 0", "d null -"]);
    }

    #[test]
    fn of_a_name_that_stands_twice_the_last_counts() {
        let found = told(Some(r#"{"a":1,"b":2,"a":3}"#), Some(r#"{"a":4,"a":5,"\u0062":2}"#));
        assert_eq!(found, ["a 3 5"]);
        assert_eq!(told(Some(r#"{"a":1,"a":2}"#), Some("{}")), ["a 2 -"]);
    }

    #[test]
    fn an_item_comes_and_goes_with_all_its_members() {
        assert_eq!(told(None, Some(r#"{"b":1,"a":2}"#)), ["b - 1", "a - 2"]);
        assert_eq!(told(Some(r#"{"b":1,"a":2}"#), None), ["b 1 -", "a 2 -"]);
    }

    #[test]
    fn an_item_without_members_differs_as_a_whole() {
        assert_eq!(told(Some("[1]"), Some("[2]")), ["(item) [1] [2]"]);
        assert_eq!(told(None, Some("nonsense")), Vec::<String>::new());
    }
}
