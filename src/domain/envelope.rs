//! A change as a Debezium envelope: one JSON object on one line. Pure.
//!
//! What reads Debezium reads this. `before` and `after` are the items as received, not written
//! anew: each number, escape and space is the server's, but for line ends between members, which
//! would break the line ([`item::one_line`]).

use std::fmt::Display;

use serde::Serialize;
use serde::ser::Serializer;
use url::Url;

use crate::domain::{Change, ItemId, Op, RepositoryId, item};

/// What a server is called in an envelope: host, port where it is not the usual one, and path.
pub fn server_name(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{host}{port}{}", url.path().trim_end_matches('/'))
}

/// Appends the envelope of a change of this server, and the end of its line.
pub fn write_line(change: &Change, server: &str, line: &mut Vec<u8>) {
    write_object(change, server, None, line);
    line.push(b'\n');
}

/// Appends the envelope of a change of this server, without the end of its line; `changed` names what an
/// update changed, where that is wanted.
pub fn write_object(change: &Change, server: &str, changed: Option<&[&str]>, line: &mut Vec<u8>) {
    line.extend_from_slice(b"{\"before\":");
    body(change.before.as_deref(), line);
    line.extend_from_slice(b",\"after\":");
    body(change.after.as_deref(), line);
    line.extend_from_slice(b",\"source\":{\"connector\":\"ewmirror\"");
    member("version", &env!("CARGO_PKG_VERSION"), line);
    member("server", &server, line);
    member("repository", &change.repository, line);
    member("item", &BareId(&change.item), line);
    member("iteration", &change.iteration, line);
    member("sequence", &change.sequence, line);
    member("ts_ms", &change.ts_ms, line);
    line.push(b'}');
    member("op", &change.op.letter(), line);
    member("ts_ms", &change.ts_ms, line);
    if let Some(changed) = changed {
        member("changed", &changed, line);
    }
    line.push(b'}');
}

/// Appends what became of an item between two instants, as `ewmirror diff` writes it, and the end of its
/// line.
pub fn write_difference(
    (repository, item): (RepositoryId, &ItemId),
    op: Op,
    (before, after): (Option<&[u8]>, Option<&[u8]>),
    line: &mut Vec<u8>,
) {
    line.extend_from_slice(format!("{{\"repository\":{repository}").as_bytes());
    member("item", &BareId(item), line);
    member("op", &op.letter(), line);
    line.extend_from_slice(b",\"before\":");
    body(before, line);
    line.extend_from_slice(b",\"after\":");
    body(after, line);
    line.extend_from_slice(b"}\n");
}

fn body(item: Option<&[u8]>, line: &mut Vec<u8>) {
    match item {
        Some(item) => line.extend_from_slice(&item::one_line(item)),
        None => line.extend_from_slice(b"null"),
    }
}

fn member(name: impl Display, value: &impl Serialize, line: &mut Vec<u8>) {
    line.extend_from_slice(format!(",\"{name}\":").as_bytes());
    serde_json::to_writer(line, value).expect("numbers and texts are JSON, and memory takes them");
}

/// An id as the server has it: a number of any size, or a text.
#[derive(Clone, Copy, Debug)]
pub struct BareId<'a>(pub &'a ItemId);

impl Serialize for BareId<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ItemId::Integer(number) => number.serialize(serializer),
            ItemId::Text(text) => text.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Iteration, Sequence};

    fn change(item: ItemId, op: Op, before: Option<&str>, after: Option<&str>) -> String {
        let change = Change {
            sequence: Sequence(42),
            repository: RepositoryId(10_149),
            item,
            op,
            iteration: Iteration(3),
            ts_ms: 1_764_000_000_123,
            before: before.map(|text| text.as_bytes().to_vec()),
            after: after.map(|text| text.as_bytes().to_vec()),
        };
        let mut line = Vec::new();
        write_line(&change, "pim.example.com/ew", &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn an_envelope_has_its_members_in_this_order() {
        let told = change(
            ItemId::Integer(7),
            Op::Update,
            Some("{ \"itemId\":7, \"price\": 1.50 }"),
            Some("{\"price\":1e2,\"itemId\":7}"),
        );
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "{{\"before\":{{ \"itemId\":7, \"price\": 1.50 }},\
             \"after\":{{\"price\":1e2,\"itemId\":7}},\
             \"source\":{{\"connector\":\"ewmirror\",\"version\":\"{version}\",\
             \"server\":\"pim.example.com/ew\",\"repository\":10149,\"item\":7,\"iteration\":3,\
             \"sequence\":42,\"ts_ms\":1764000000123}},\"op\":\"u\",\"ts_ms\":1764000000123}}\n"
        );
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_absent_is_null_and_ids_keep_their_type() {
        let created = change(ItemId::Text("a\"b\n".into()), Op::Create, None, Some("{}"));
        assert!(created.starts_with("{\"before\":null,\"after\":{},"), "{created}");
        assert!(created.contains("\"item\":\"a\\\"b\\n\",") && created.contains("\"op\":\"c\""));
        let deleted = change(ItemId::Integer(i128::MAX), Op::Delete, Some("{}"), None);
        assert!(deleted.starts_with("{\"before\":{},\"after\":null,"), "{deleted}");
        assert!(deleted.contains(&format!("\"item\":{},", i128::MAX)), "{deleted}");
        let negative = change(ItemId::Integer(-7), Op::Read, None, Some("{}"));
        assert!(negative.contains("\"item\":-7,"), "{negative}");
    }

    #[test]
    fn an_envelope_is_one_line_whatever_the_item_looks_like() {
        let told = change(
            ItemId::Integer(7),
            Op::Create,
            None,
            Some("{\r\n  \"a\": \"x\\ny\",\n  \"b\": 1\r\n}"),
        );
        assert_eq!(told.matches('\n').count(), 1);
        assert!(told.contains("\"after\":{  \"a\": \"x\\ny\",  \"b\": 1},"), "{told}");
    }

    #[test]
    fn a_server_is_named_without_scheme_and_usual_port() {
        for (url, name) in [
            ("https://pim.example.com/", "pim.example.com"),
            ("https://pim.example.com:443/ew/", "pim.example.com/ew"),
            ("http://[::1]:8090/", "[::1]:8090"),
        ] {
            assert_eq!(server_name(&Url::parse(url).unwrap()), name);
        }
    }
}
