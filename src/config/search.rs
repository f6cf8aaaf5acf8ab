//! `search` of a repository: members that go into each search request untouched.
//!
//! Names keep their case and order, integers all 64 bits, floats their exact value; a date becomes
//! its text. What JSON cannot say (not-a-number, infinity) is a fault, and so are the members that
//! the daemon sets itself.

use config::{Map, Value, ValueKind};
use serde_json::Value as Json;

use super::document::{element, joined};
use super::fault::clipped;
use super::keys::Exposure;
use super::reader::{Read, Reader, Reported, shown};
use super::units::{Rejection, name_of};

/// Members of a search request that are the daemon's to set (vendor).
const RESERVED: [&str; 3] = ["repositoryId", "page", "pageSize"];

/// Reads the table at `path`; an empty one where there is none.
pub(super) fn read(reader: &mut Reader, path: &str) -> Read<serde_json::Map<String, Json>> {
    let table = match reader.raw(path) {
        None => return Ok(serde_json::Map::new()),
        Some(ValueKind::Table(table)) => table.clone(),
        Some(other) => {
            let value = shown(other, Exposure::Plain);
            let problem = format!("is {}, not a table", name_of(other));
            let remedy = "write a table of members, such as { savedSetId = 7 }";
            return Err(reader.fault(path, value, Rejection::new(problem, remedy)));
        }
    };
    let reserved = RESERVED.iter().filter(|name| table.contains_key(**name));
    let mut sound = Ok(());
    for name in reserved {
        let problem = "is a member that ewmirror sets itself";
        let remedy = "take it out; id and page_size are keys of [[repository]]";
        let rejection = Rejection::new(problem, remedy);
        sound = Err(fault(reader, path, &joined(path, name), rejection));
    }
    let members = members(reader, path, path, table);
    sound.and(members)
}

fn members(
    reader: &mut Reader,
    root: &str,
    path: &str,
    table: Map<String, Value>,
) -> Read<serde_json::Map<String, Json>> {
    // Every member is read before the first failure ends it, so that each fault is told.
    let read: Vec<_> = table
        .into_iter()
        .map(|(name, value)| {
            json(reader, root, &joined(path, &name), value.kind).map(|json| (name, json))
        })
        .collect();
    read.into_iter().collect()
}

fn json(reader: &mut Reader, root: &str, path: &str, kind: ValueKind) -> Read<Json> {
    match kind {
        ValueKind::Boolean(truth) => Ok(Json::Bool(truth)),
        ValueKind::I64(number) => Ok(Json::from(number)),
        ValueKind::String(text) => Ok(Json::String(text)),
        ValueKind::Table(table) => members(reader, root, path, table).map(Json::Object),
        ValueKind::Array(list) => {
            let read: Vec<_> = list
                .into_iter()
                .enumerate()
                .map(|(index, value)| json(reader, root, &element(path, index), value.kind))
                .collect();
            read.into_iter().collect::<Read<Vec<_>>>().map(Json::Array)
        }
        ValueKind::Float(number) => {
            serde_json::Number::from_f64(number).map(Json::Number).ok_or_else(|| {
                let rejection = Rejection::new("cannot be said in JSON", "write a finite number");
                fault(reader, root, path, rejection)
            })
        }
        ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) | ValueKind::Nil => {
            let rejection = Rejection::new(
                "is beyond the 64 bits of an integer in TOML",
                "write it in quotes if the server takes it as text",
            );
            Err(fault(reader, root, path, rejection))
        }
    }
}

/// The origin of a member is that of the whole `search`.
fn fault(reader: &mut Reader, root: &str, path: &str, rejection: Rejection) -> Reported {
    let origin = reader.origin(root);
    reader.fault_at(&clipped(path), origin, None, rejection)
}
