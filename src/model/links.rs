//! What an answer says of links between repositories. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::answer::{DEEPEST_LOOK, is_container, plain, text, text_in, value_in};
use super::repository_model::LinkRelationship;

/// The most links that are asked for of a repository.
const MOST_LINKS: usize = 200;
/// The most pairs of attributes that are held of a link.
const MOST_PAIRS: usize = 100;

const IDS: [&str; 3] = ["linkid", "linkrelationshipid", "id"];
const LISTS: [&str; 4] = ["links", "linkrelationships", "linkedrepositories", "linklist"];
const PARENTS: [&str; 6] = [
    "parentrepositoryid",
    "parentrepository",
    "parentrepositoryname",
    "parent",
    "parentid",
    "source",
];
const CHILDREN: [&str; 6] =
    ["childrepositoryid", "childrepository", "childrepositoryname", "child", "childid", "target"];
const PAIRS: [&str; 7] =
    ["pairs", "attributepairs", "linkattributes", "attributes", "joins", "mappings", "conditions"];
const PARENT_ATTRIBUTES: [&str; 5] =
    ["parentattribute", "parentattributeid", "parentattributename", "parent", "source"];
const CHILD_ATTRIBUTES: [&str; 5] =
    ["childattribute", "childattributeid", "childattributename", "child", "target"];

/// The ids of links that an answer names.
pub(super) fn ids(value: &Value, found: &mut BTreeSet<String>, depth: usize) {
    if depth > DEEPEST_LOOK || found.len() >= MOST_LINKS {
        return;
    }
    match value {
        Value::Array(list) => list.iter().for_each(|entry| ids(entry, found, depth + 1)),
        Value::Object(object) => {
            for (name, value) in object {
                // HAL's links are addresses.
                if name == "_links" {
                    continue;
                }
                let plain = plain(name);
                match value {
                    Value::Number(number) if plain == IDS[0] => {
                        found.insert(number.to_string());
                    }
                    Value::Array(list) if LISTS.contains(&plain.as_str()) => {
                        found.extend(list.iter().take(MOST_LINKS).filter_map(listed));
                    }
                    Value::Array(_) | Value::Object(_) => ids(value, found, depth + 1),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// The id of an entry in a list of links: a whole number, since it becomes a part of a path.
fn listed(entry: &Value) -> Option<String> {
    let number = |value: &Value| {
        let told = text(value, 0)?;
        told.parse::<u64>().ok().map(|number| number.to_string())
    };
    match entry {
        Value::Object(object) => value_in(object, &IDS, number),
        other => number(other),
    }
}

/// The link that an answer is of; `id` is the one that was asked for.
pub fn link(answer: &Value, id: &str) -> Option<LinkRelationship> {
    find(answer, id, 0)
}

fn find(value: &Value, id: &str, depth: usize) -> Option<LinkRelationship> {
    if depth > DEEPEST_LOOK {
        return None;
    }
    match value {
        Value::Array(list) => list.iter().take(10).find_map(|entry| find(entry, id, depth + 1)),
        Value::Object(object) => {
            let parent = text_in(object, &PARENTS);
            let child = text_in(object, &CHILDREN);
            if parent.is_none() && child.is_none() {
                let inside = object.iter().filter(|(name, _)| {
                    let name = plain(name);
                    is_container(&name) || name == "link"
                });
                return inside.map(|(_, value)| value).find_map(|it| find(it, id, depth + 1));
            }
            let pairs = value_in(object, &PAIRS, |value| value.as_array().map(|list| pairs(list)));
            Some(LinkRelationship {
                id: id.to_owned(),
                name: text_in(object, &["linkname", "name", "label"]),
                parent,
                child,
                pairs: pairs.unwrap_or_default(),
            })
        }
        _ => None,
    }
}

fn pairs(list: &[Value]) -> Vec<(String, String)> {
    let pair = |entry: &Value| match entry {
        Value::Object(object) => named_pair(object),
        Value::Array(two) => match two.as_slice() {
            [parent, child] => Some((text(parent, 0)?, text(child, 0)?)),
            _ => None,
        },
        _ => None,
    };
    list.iter().filter_map(pair).take(MOST_PAIRS).collect()
}

fn named_pair(object: &Map<String, Value>) -> Option<(String, String)> {
    Some((text_in(object, &PARENT_ATTRIBUTES)?, text_in(object, &CHILD_ATTRIBUTES)?))
}
