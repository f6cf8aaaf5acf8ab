//! What a view may be called. A name comes from the server: it is never one of ours or of the database's,
//! and never anything that a database takes for something else.

use std::collections::BTreeMap;

use crate::domain::RepositoryId;
use crate::model::repository_model::RepositoryModel;
use crate::model::unique_names::{folded, unique_names};

/// The most characters of a wanted name: more are never shown.
const LONGEST_WANTED: usize = 500;

/// Tables, views and indexes of the stores and of a snapshot, and functions of SQLite that stand where
/// tables stand. Sorted.
const OURS: [&str; 56] = [
    "attribute",
    "attributes",
    "change",
    "change_item",
    "change_time",
    "changes",
    "checkpoint",
    "code",
    "codes",
    "dbstat",
    "denial",
    "denial_login",
    "feed",
    "feed_lease",
    "feed_parked",
    "feeds",
    "generate_series",
    "history",
    "incremental_mark",
    "incremental_pass",
    "instance",
    "item",
    "item_id",
    "items",
    "json_each",
    "json_tree",
    "jsonb_each",
    "jsonb_tree",
    "known_answer",
    "known_pages",
    "lease",
    "link",
    "links",
    "log",
    "log_part",
    "migration",
    "mirror",
    "model",
    "model_answer",
    "model_change",
    "pass",
    "passes",
    "repositories",
    "repository",
    "seen",
    "server",
    "server_habits",
    "settings",
    "shape",
    "snapshot",
    "staged_change",
    "suspects",
    "suspicion",
    "transfer",
    "version",
    "view",
];

/// Beginnings that a database, or we, keep for themselves.
const KEPT_BEGINNINGS: [&str; 4] = ["sqlite_", "pg_", "pragma_", "published_"];

/// A name on one line, with an end; `None` where nothing is left.
pub(super) fn clean_name(name: &str) -> Option<String> {
    let mut clean = String::new();
    for character in name.trim().chars().take(LONGEST_WANTED) {
        clean.push(if character.is_control() { ' ' } else { character });
    }
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}

/// What the views of a repository are named after.
pub(super) fn base_name(id: RepositoryId, model: &RepositoryModel) -> String {
    let name = model.name.as_deref().and_then(clean_name);
    name.unwrap_or_else(|| format!("repository_{id}"))
}

/// The names of new views, in their order: of each a key that no other has, and what it is wanted to be
/// called. None is one of `taken`.
pub(super) fn new_view_names(wanted: &[(&str, &str)], taken: &[&str]) -> Vec<String> {
    let prefixed: Vec<String> = wanted.iter().map(|(_, name)| prefixed(name)).collect();
    // What we keep by its end is kept by the very name.
    let kept = prefixed.iter().map(String::as_str).filter(|name| is_ours(name));
    let taken: Vec<&str> = taken.iter().copied().chain(kept).chain(OURS).collect();
    let keys = wanted.iter().map(|(key, _)| *key);
    let pairs = keys.clone().zip(prefixed.iter().map(String::as_str));
    let mut names = unique_names(pairs, &BTreeMap::new(), &taken);
    keys.map(|key| names.remove(key).unwrap_or_else(|| key.to_owned())).collect()
}

fn prefixed(name: &str) -> String {
    let name_folded = folded(name);
    let is_kept = KEPT_BEGINNINGS.iter().any(|beginning| name_folded.starts_with(beginning));
    if is_kept { format!("_{name}") } else { name.to_owned() }
}

/// Whether a name is one that we give or may give to something ourselves.
pub(super) fn is_ours(name: &str) -> bool {
    let name = folded(name);
    let is_part_of_log = name.strip_prefix("change_").is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    is_part_of_log
        || ["_pkey", "_key", "_idx", "_seq"].iter().any(|end| name.ends_with(end))
        || OURS.binary_search(&name.as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_are_looked_up_by_their_order() {
        assert!(OURS.is_sorted());
        assert!(OURS.iter().all(|name| is_ours(name) && folded(name) == **name));
    }
}
