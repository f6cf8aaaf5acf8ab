//! `search` of a repository: members that go into each search request untouched.
//!
//! Names keep their case and order, integers all 64 bits, floats their exact value; a date becomes
//! its text. What JSON cannot say (not-a-number, infinity) is an error, and so are the members that
//! the daemon sets itself.

use config::{Map, Value, ValueKind};
use serde_json::Value as Json;

use crate::settings::codec::{Codec, Input, InvalidValue, Parsed};
use crate::settings::document::{element, joined};

/// Members of a search request that are the daemon's to set (vendor).
const RESERVED: [&str; 3] = ["repositoryId", "page", "pageSize"];

/// The members; what is wrong with each single one is what [`errors`] finds.
pub(super) const SEARCH: Codec<serde_json::Map<String, Json>> = Codec::plain(parse);

fn parse(input: Input<'_>) -> Parsed<serde_json::Map<String, Json>> {
    let ValueKind::Table(table) = input.kind else {
        return input.is_not("a table", "write a table of members, such as { savedSetId = 7 }");
    };
    members_of(table).ok_or_else(|| InvalidValue::new("is faulty", "see there"))
}

/// What is wrong with single members of the setting at `path`, each with its own path.
pub(super) fn errors(path: &str, table: &Map<String, Value>) -> Vec<(String, InvalidValue)> {
    let mut errors = Vec::new();
    for name in RESERVED.iter().filter(|name| table.contains_key(**name)) {
        let hint = "take it out; id and page_size are keys of [[repository]]";
        let found = InvalidValue::new("is a member that ewmirror sets itself", hint);
        errors.push((joined(path, name), found));
    }
    members(table, path, &mut |path, found| errors.push((path.to_owned(), found)));
    errors
}

/// The members as JSON; `None` where one cannot be said in it.
pub(super) fn members_of(table: &Map<String, Value>) -> Option<serde_json::Map<String, Json>> {
    members(table, "", &mut |_, _| {})
}

type Tell<'a> = dyn FnMut(&str, InvalidValue) + 'a;

/// A table as JSON; `None` where a member cannot be said in it. Every member is looked at, so that
/// each is told of.
fn members(
    table: &Map<String, Value>,
    path: &str,
    tell: &mut Tell<'_>,
) -> Option<serde_json::Map<String, Json>> {
    let all: Vec<_> = table
        .iter()
        .map(|(name, value)| Some((name.clone(), json(&value.kind, &joined(path, name), tell)?)))
        .collect();
    all.into_iter().collect()
}

fn json(kind: &ValueKind, path: &str, tell: &mut Tell<'_>) -> Option<Json> {
    match kind {
        ValueKind::Boolean(flag) => Some(Json::Bool(*flag)),
        ValueKind::I64(number) => Some(Json::from(*number)),
        ValueKind::String(text) => Some(Json::String(text.clone())),
        ValueKind::Table(table) => members(table, path, tell).map(Json::Object),
        ValueKind::Array(list) => {
            let elements = list.iter().enumerate();
            let all: Vec<_> =
                elements.map(|(at, value)| json(&value.kind, &element(path, at), tell)).collect();
            all.into_iter().collect::<Option<Vec<_>>>().map(Json::Array)
        }
        ValueKind::Float(number) if number.is_finite() => Some(Json::from(*number)),
        ValueKind::Float(_) => {
            tell(path, InvalidValue::new("cannot be said in JSON", "write a finite number"));
            None
        }
        ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) | ValueKind::Nil => {
            let error = "is beyond the 64 bits of an integer in TOML";
            let hint = "write it in quotes if the server takes it as text";
            tell(path, InvalidValue::new(error, hint));
            None
        }
    }
}
