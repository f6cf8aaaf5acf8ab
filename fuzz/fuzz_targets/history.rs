//! The change of an item: its envelope, and what `ewmirror history` tells of it.
#![no_main]

use std::collections::BTreeMap;

use ewmirror::fuzzing::{Change, ItemId, Iteration, Op, RepositoryId, Sequence, envelope};
use ewmirror_fuzz::json::{self, Is, Json, Meaning};
use ewmirror_fuzz::parts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [id, before, after] = parts(data);
    let told = ewmirror::fuzzing::differences(Some(before), Some(after));
    ewmirror::fuzzing::differences(None, Some(after));
    let (Some(old), Some(new)) = (json::read(before), json::read(after)) else { return };
    let id = String::from_utf8_lossy(id);
    let item = id.parse().map_or_else(|_| ItemId::Text(id.as_ref().into()), ItemId::Integer);
    let change = Change {
        sequence: Sequence(42),
        repository: RepositoryId(u64::MAX),
        item,
        op: Op::Update,
        iteration: Iteration(3),
        ts_ms: i64::MIN,
        before: Some(before.to_vec()),
        after: Some(after.to_vec()),
    };
    let mut line = Vec::new();
    envelope::write_line(&change, "pim.example.com/\"ä", &mut line);
    let (end, inside) = line.split_last().unwrap();
    assert_eq!(*end, b'\n');
    assert!(!inside.contains(&b'\n') && !inside.contains(&b'\r'), "more than one line");
    if let Some(envelope) = json::read(inside) {
        for (name, item) in [("before", &old), ("after", &new)] {
            let carried = envelope.member(name).unwrap();
            let line: String = item.raw.chars().filter(|it| !matches!(it, '\n' | '\r')).collect();
            assert_eq!(carried.raw, line, "not as received");
        }
        let told = envelope.member("source").and_then(|it| it.member("item")).unwrap();
        match &change.item {
            ItemId::Integer(number) => assert_eq!(told.raw, number.to_string()),
            ItemId::Text(text) => assert_eq!(told.text().as_deref(), Some(&**text)),
        }
        let sequence = envelope.member("source").and_then(|it| it.member("sequence")).unwrap();
        assert_eq!(sequence.raw, "42");
    }

    let (Some(old), Some(new)) = (members(&old), members(&new)) else { return };
    let names = old.keys().chain(new.keys());
    let mut expected: Vec<_> = names
        .filter(|name| old.get(*name).map(|it| &it.1) != new.get(*name).map(|it| &it.1))
        .cloned()
        .collect();
    expected.sort();
    expected.dedup();
    let written = |members: &BTreeMap<String, (String, Meaning)>, name: &str| {
        members.get(name).map(|member| member.0.clone())
    };
    for (name, before, after) in &told {
        assert_eq!(*before, written(&old, name), "{name} before");
        assert_eq!(*after, written(&new, name), "{name} after");
    }
    let mut told: Vec<String> = told.into_iter().map(|difference| difference.0).collect();
    told.sort();
    assert_eq!(told, expected);
});

/// The members of an object by name, each as written and by its meaning; `None` where there is
/// something that only the program's own reading can tell.
fn members(json: &Json<'_>) -> Option<BTreeMap<String, (String, Meaning)>> {
    let Is::Object(members) = &json.is else { return None };
    let mut named = BTreeMap::new();
    for (name, _, value) in members {
        named.insert(String::from_utf16(name).ok()?, (value.raw.to_owned(), value.meaning(&[])?));
    }
    Some(named)
}
