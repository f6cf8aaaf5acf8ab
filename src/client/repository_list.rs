//! What an answer says about the repositories that there are. Pure; table-tested.
//!
//! The call and its member names are only seen, not documented, so the list is looked for where it
//! may stand, and id and name among the names that they may have. Guarantees: an answer without
//! such a list is an error, and entries that have no id are counted, not lost.

use serde_json::value::RawValue;

use super::repository_call::{ListedRepository, RepositoryList};
use super::verdict::{Reply, Verdict, accepted, admitted, successful, wrong_shape};
use super::{walk, wire};
use crate::domain::RepositoryId;

/// What the id may be called, the likeliest first.
const IDS: [&str; 4] = ["repositoryId", "repositoryID", "id", "repoId"];
/// What the name may be called, the likeliest first.
const NAMES: [&str; 4] = ["name", "repositoryName", "displayName", "label"];

/// So many are held; no server has more, and an answer could name millions.
const MOST: usize = 10_000;
/// The most characters held of a name.
const LONGEST_NAME: usize = 200;

/// `webcm/rest/api/repositories` (seen).
pub(super) fn repositories(reply: &Reply) -> Verdict<RepositoryList> {
    repository_list(reply).map_or_else(|verdict| verdict, Verdict::Answer)
}

fn repository_list(reply: &Reply) -> Result<RepositoryList, Verdict<RepositoryList>> {
    admitted(reply)?;
    if !reply.body.trim_ascii_start().starts_with(b"[") {
        successful(&accepted(reply)?)?;
    }
    // The library's words would be safe here, but say no more.
    let answer: &RawValue = serde_json::from_slice(&reply.body)
        .map_err(|_| wrong_shape("it is not the JSON expected"))?;
    let list = list(answer).ok_or_else(|| wrong_shape("it has no list of repositories"))?;
    let mut repositories = Vec::new();
    let mut offers = |entry| {
        let offered = offered(entry).filter(|_| repositories.len() < MOST);
        offered.map(|offered| repositories.push(offered)).is_some()
    };
    let (found, entries) = wire::elements_that(list, &mut offers).unwrap_or_default();
    let skipped = entries - found;
    if repositories.is_empty() && skipped > 0 {
        return Err(wrong_shape(format!("none of its {skipped} repositories has an id")));
    }
    Ok(RepositoryList { repositories, skipped })
}

/// The list of repositories: the answer itself, its `data`, or the first list of objects inside
/// `data` or the answer. An empty one counts, but for a list beside `data`, which may be anything.
fn list(answer: &RawValue) -> Option<&RawValue> {
    let is_list = |value: &&RawValue| value.get().starts_with('[');
    let data = walk::member(answer, &["data"]);
    let objects = |of: Of| data.and_then(|data| list_in(data, of));
    Some(answer)
        .filter(is_list)
        .or_else(|| data.filter(is_list))
        .or_else(|| objects(Of::Objects))
        .or_else(|| list_in(answer, Of::Objects))
        .or_else(|| objects(Of::Nothing))
}

/// What a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Objects,
    Nothing,
}

/// The first list of this kind among the members of an object.
fn list_in(value: &RawValue, of: Of) -> Option<&RawValue> {
    let mut found = None;
    wire::each_member(value, |_, value| {
        let is_object = |element: &RawValue| element.get().starts_with('{');
        if found.is_none()
            && let Some((objects, elements)) = wire::elements_that(value, is_object)
        {
            let kind = if elements == 0 { Of::Nothing } else { Of::Objects };
            found = (objects == elements && kind == of).then_some(value);
        }
    });
    found
}

fn offered(entry: &RawValue) -> Option<ListedRepository> {
    let id = member(entry, &IDS, "id", number)?;
    let name = member(entry, &NAMES, "name", |value| {
        wire::text(value).map(|name| name.chars().take(LONGEST_NAME).collect())
    });
    Some(ListedRepository { id: RepositoryId(id), name, can_read: can_read(entry) })
}

/// Whether this login may read the repository: its own `canRead` (vendor), or else that of what holds
/// permissions (an older form, deprecated; vendor).
fn can_read(entry: &RawValue) -> Option<bool> {
    let own = |value| {
        let mut found = None;
        // Of nothing else that ends so: a repository is not given up for another member's sake.
        wire::each_member(value, |name, value| {
            if name.eq_ignore_ascii_case("canRead") {
                found = found.or_else(|| truth(value));
            }
        });
        found
    };
    own(entry).or_else(|| own(walk::member(entry, &["permissions"])?))
}

/// A truth value, perhaps written as text.
fn truth(value: &RawValue) -> Option<bool> {
    match value.get() {
        "true" | "\"true\"" => Some(true),
        "false" | "\"false\"" => Some(false),
        _ => None,
    }
}

/// The first member of these names that can be read, else the first whose name ends so.
fn member<T>(
    entry: &RawValue,
    names: &[&str],
    ending: &str,
    read: impl Fn(&RawValue) -> Option<T>,
) -> Option<T> {
    let mut best: Option<(usize, T)> = None;
    wire::each_member(entry, |name, value| {
        let known = names.iter().position(|known| *known == name);
        let rank = known.or_else(|| name.to_lowercase().ends_with(ending).then_some(names.len()));
        let better = rank.filter(|rank| best.as_ref().is_none_or(|(than, _)| rank < than));
        if let Some((rank, read)) = better.zip(read(value)) {
            best = Some((rank, read));
        }
    });
    best.map(|(_, read)| read)
}

/// A whole number from 0 up, perhaps written as text, with space around it.
fn number(value: &RawValue) -> Option<u64> {
    let number = wire::whole_number(value);
    let spaced = || wire::text(value)?.trim().parse().ok();
    number.and_then(|number| u64::try_from(number).ok()).or_else(spaced)
}
