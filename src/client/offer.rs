//! What an answer says about the repositories that there are. Pure; table-tested.
//!
//! The call and its member names are only seen, not documented, so the list is looked for where it
//! may stand, and id and name among the names that they may have. Guarantees: an answer without
//! such a list is an error, and entries that have no id are counted, not lost.

use serde_json::{Map, Value};

use super::verdict::{Reply, Verdict, accepted, admitted, successful, wrong_shape};
use super::{Offer, Offered};
use crate::ids::RepositoryId;

/// What the id may be called, the likeliest first.
const IDS: [&str; 4] = ["repositoryId", "repositoryID", "id", "repoId"];
/// What the name may be called, the likeliest first.
const NAMES: [&str; 4] = ["name", "repositoryName", "displayName", "label"];

/// `webcm/rest/api/repositories` (seen).
pub(super) fn repositories(reply: &Reply) -> Verdict<Offer> {
    offer(reply).map_or_else(|verdict| verdict, Verdict::Answer)
}

fn offer(reply: &Reply) -> Result<Offer, Verdict<Offer>> {
    admitted(reply)?;
    if !reply.body.trim_ascii_start().starts_with(b"[") {
        successful(&accepted(reply)?)?;
    }
    // The library's words would be safe here, but say no more.
    let answer: Value = serde_json::from_slice(&reply.body)
        .map_err(|_| wrong_shape("it is not the JSON expected"))?;
    let list = list(&answer).ok_or_else(|| wrong_shape("it has no list of repositories"))?;
    let repositories: Vec<Offered> = list.iter().filter_map(offered).collect();
    let skipped = list.len() - repositories.len();
    if repositories.is_empty() && skipped > 0 {
        return Err(wrong_shape(format!("none of its {skipped} repositories has an id")));
    }
    Ok(Offer { repositories, skipped })
}

/// The list of repositories: the answer itself, its `data`, or the first list of objects inside
/// `data` or the answer. An empty one counts, but for a list beside `data`, which may be anything.
fn list(answer: &Value) -> Option<&Vec<Value>> {
    let data = answer.get("data");
    let of_objects = |list: &&Vec<Value>| !list.is_empty() && list.iter().all(Value::is_object);
    answer
        .as_array()
        .or_else(|| data?.as_array())
        .or_else(|| lists_in(data?).find(of_objects))
        .or_else(|| lists_in(answer).find(of_objects))
        .or_else(|| lists_in(data?).find(|list| list.is_empty()))
}

fn lists_in(value: &Value) -> impl Iterator<Item = &Vec<Value>> {
    value.as_object().into_iter().flat_map(Map::values).filter_map(Value::as_array)
}

fn offered(entry: &Value) -> Option<Offered> {
    let members = entry.as_object()?;
    let id = member(members, &IDS, "id", number)?;
    let name = member(members, &NAMES, "name", |value| value.as_str().map(str::to_owned));
    Some(Offered { id: RepositoryId(id), name })
}

/// The first member of these names that can be read, else the first whose name ends so.
fn member<T>(
    members: &Map<String, Value>,
    names: &[&str],
    ending: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Option<T> {
    let known = names.iter().filter_map(|name| members.get(*name));
    let ends_so = |name: &str| name.to_lowercase().ends_with(ending);
    let others = members.iter().filter(|(name, _)| ends_so(name)).map(|(_, value)| value);
    known.chain(others).find_map(read)
}

/// A whole number, perhaps written as text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}
