//! Items as a table, read again.
#![no_main]

use std::collections::BTreeSet;

use ewmirror_fuzz::csv;
use ewmirror_fuzz::json::{self, Is, Json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.split(|byte| *byte == 0xff);
    let first = str::from_utf8(parts.next().unwrap_or_default()).unwrap_or_default();
    let texts: Vec<&[u8]> = parts.collect();
    let written = ewmirror::fuzzing::table(&texts, first);
    let Some(items) = texts.iter().map(|text| json::read(text)).collect::<Option<Vec<_>>>() else {
        return;
    };
    let Ok(written) = written else {
        assert!(!items.iter().all(Json::is_object), "an item does not fit");
        return;
    };
    let written = String::from_utf8(written).expect("a table is UTF-8");
    let mut records = csv::read(&written).expect("a table is RFC 4180").into_iter();

    let mut names = BTreeSet::new();
    for item in &items {
        let Is::Object(members) = &item.is else { panic!("not an object, but in the table") };
        names.extend(members.iter().map(|(name, written, _)| bare(name, written)));
    }
    let mut columns: Vec<String> = Vec::new();
    columns.extend(names.take(first));
    columns.extend(names);
    if columns.is_empty() {
        assert_eq!(written, "");
        return;
    }
    assert_eq!(records.next().as_ref(), Some(&columns), "the header");
    for item in &items {
        let Is::Object(members) = &item.is else { unreachable!("it was one") };
        let row = columns.iter().map(|column| {
            let named = |member: &&(Vec<u16>, &str, Json<'_>)| bare(&member.0, member.1) == *column;
            match members.iter().rev().find(named).map(|member| &member.2) {
                None => String::new(),
                Some(value) => match &value.is {
                    Is::Null => String::new(),
                    Is::Text(units) => bare(units, value.raw),
                    _ => value.raw.to_owned(),
                },
            }
        });
        assert_eq!(records.next(), Some(row.collect()), "a row");
    }
    assert_eq!(records.next(), None, "more rows than items");
});

/// A text bare, or, where it is not Unicode, as it is written.
fn bare(units: &[u16], written: &str) -> String {
    String::from_utf16(units).unwrap_or_else(|_| written.to_owned())
}
