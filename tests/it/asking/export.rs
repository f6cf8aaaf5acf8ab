//! `export`: order, form, one instant, and nobody held up.

use std::fmt::Write as _;
use std::io::Read as _;

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::Mirror;
use crate::support::{eventually, is_so};

#[test]
fn items_come_as_received_one_a_line_in_the_order_of_their_ids() {
    let mirror = Mirror::new();
    // An integer beyond 64 bits, as the mirror keeps it: 2^64.
    let wide: Vec<u8> =
        [0x80, 0, 0, 0, 0, 0, 0, 1].into_iter().chain(std::iter::repeat_n(0, 8)).collect();
    mirror.put("10".to_owned(), Some("{\"itemId\":\"10\"}"));
    mirror.put(wide, Some("{\"itemId\":18446744073709551616}"));
    mirror.put(20, Some("{ \"b\": 1.50,\r\n  \"itemId\":20,\n \"a\":\"x\\ny\" }"));
    mirror.put(-3, Some("{\"itemId\":-3}"));
    mirror.put(5, Some("{\"itemId\":5}"));
    mirror.put(100, Some("{\"itemId\":1e2}"));
    mirror.put(5, None);
    mirror.put_in(2, 6, Some("{\"itemId\":6}"));
    assert_eq!(
        mirror.answer(&["export", "--repository", "1"]),
        "{\"itemId\":-3}\n{ \"b\": 1.50,  \"itemId\":20, \"a\":\"x\\ny\" }\n{\"itemId\":1e2}\n\
         {\"itemId\":18446744073709551616}\n{\"itemId\":\"10\"}\n"
    );
    assert_eq!(mirror.answer(&["export", "--repository", "2"]), "{\"itemId\":6}\n");
}

#[test]
fn an_empty_repository_exports_nothing() {
    let mirror = Mirror::new();
    for format in ["ndjson", "csv"] {
        assert_eq!(mirror.answer(&["export", "--repository", "1", "--format", format]), "");
    }
}

#[test]
fn a_table_has_a_column_for_each_attribute_and_the_id_first() {
    let mirror = Mirror::new();
    mirror.put(1, Some(r#"{"F_2":"a, \"b\"","itemId":1,"F_10":[1, 2],"F_3":null}"#));
    mirror.put(2, Some(r#"{"itemId":2,"F_2":"line\nline","F_1":1.50,"F_4":true}"#));
    assert_eq!(
        mirror.answer(&["export", "--repository", "1", "--format", "csv"]),
        "itemId,F_1,F_10,F_2,F_3,F_4\r\n\
         1,,\"[1, 2]\",\"a, \"\"b\"\"\",,\r\n\
         2,1.50,,\"line\nline\",,true\r\n"
    );
    mirror.put(3, Some("[3]"));
    let told = mirror.ask(&["export", "--repository", "1", "--format", "csv"]);
    let told = (told.status.code(), super::stderr(&told));
    assert!(told.0 == Some(1) && told.1.contains("item 3 does not fit in a table"), "{told:?}");
}

#[test]
fn a_table_for_spreadsheets_has_a_byte_order_mark_and_nothing_that_they_would_calculate() {
    let mirror = Mirror::new();
    let item = r#"{"itemId":1,"=HYPERLINK(1)":"+49","a":"=1+1","b":"@x","c":-5,"d":"\tx","e":"x=1",
        "f":"\rx","g":"","-h":"Größe"}"#;
    mirror.put(1, Some(item));
    let flags = ["export", "--repository", "1", "--format", "csv"];
    assert_eq!(
        mirror.answer(&[&flags[..], &["--excel"]].concat()),
        "\u{feff}itemId,'-h,'=HYPERLINK(1),a,b,c,d,e,f,g\r\n\
         1,Größe,'+49,'=1+1,'@x,'-5,'\tx,x=1,\"'\rx\",\r\n"
    );
    let plain = mirror.answer(&flags);
    assert!(plain.starts_with("itemId,-h,=HYPERLINK(1),a,"), "off by default: {plain}");
    assert!(plain.contains(",=1+1,@x,-5,"), "{plain}");
    let told = mirror.refusal(&["export", "--repository", "1", "--excel"], 2);
    assert!(told.contains("--format csv"), "{told}");
}

#[test]
fn an_export_says_at_which_sequence_it_was_taken() {
    let mirror = Mirror::new();
    for id in 0..7 {
        mirror.put(id, Some("{}"));
    }
    let place = mirror.directory.path().join("sequence");
    std::fs::write(&place, "an older one that is longer\n").unwrap();
    let file = place.to_str().unwrap();
    let told = mirror.ask(&["export", "--repository", "1", "--sequence-file", file]);
    let config = mirror.config();
    let expected = format!(
        "sequence 7; what comes after it: ewmirror --config {} changes --repository 1 --after 7\n",
        config.display()
    );
    assert_eq!((told.status.code(), super::stderr(&told)), (Some(0), expected));
    assert_eq!(std::fs::read_to_string(&place).unwrap(), "7\n");
    let names = || {
        let entries = std::fs::read_dir(mirror.directory.path()).unwrap();
        entries.filter(|it| it.as_ref().unwrap().file_name() != "sequence").count()
    };
    let others = names();
    // Where it cannot be kept, what stood there stays, and nothing is left beside it.
    let folder = mirror.directory.path().join("folder");
    std::fs::create_dir_all(folder.join("full")).unwrap();
    let place = folder.to_str().unwrap();
    let told = mirror.ask(&["export", "--repository", "1", "--sequence-file", place]);
    let why = super::stderr(&told);
    assert_eq!(told.status.code(), Some(1), "{why}");
    assert!(why.contains(&format!("cannot write {place}: ")), "{why}");
    assert_eq!(names(), others + 1, "the folder alone came to it");
}

/// Members with names and values that a table may stumble over.
fn members() -> impl Strategy<Value = Map<String, Value>> {
    let awkward = prop::sample::select(vec!['"', ',', '\n', '\r', ' ', '=', 'ä', '😀', '\0', 'x']);
    let text = prop::collection::vec(awkward, 0..6).prop_map(|it| it.into_iter().collect());
    let name = prop_oneof![Just("itemId".to_owned()), "[a-c]", text.clone()];
    let value = prop_oneof![
        text.prop_map(Value::String),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        prop::collection::vec(any::<u8>(), 0..3).prop_map(Value::from),
    ];
    prop::collection::btree_map(name, value, 0..5).prop_map(|it| it.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_table_read_back_has_every_value(items in prop::collection::vec(members(), 1..8)) {
        let mirror = Mirror::new();
        for (id, item) in (0_i64..).zip(&items) {
            mirror.put(id, Some(&serde_json::to_string(item).unwrap()));
        }
        let table = mirror.answer(&["export", "--repository", "1", "--format", "csv"]);
        if items.iter().all(Map::is_empty) {
            prop_assert_eq!(table, "");
            return Ok(());
        }
        let mut table = csv::Reader::from_reader(table.as_bytes());
        let names = table.headers().unwrap().clone();
        let rows: Vec<_> = table.records().map(Result::unwrap).collect();
        prop_assert_eq!(rows.len(), items.len());
        for (row, item) in rows.iter().zip(&items) {
            for (name, field) in names.iter().zip(row) {
                let value = match item.get(name) {
                    None | Some(Value::Null) => String::new(),
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                };
                prop_assert_eq!(field, value);
            }
            prop_assert!(item.keys().all(|name| names.iter().any(|known| known == name)));
        }
    }
}

#[test]
fn a_reader_that_stands_still_keeps_no_transaction_open_and_sees_one_instant() {
    let mirror = Mirror::new();
    let (mut expected, filler) = (String::new(), "x".repeat(20_000));
    mirror.writer.execute_batch("BEGIN").unwrap();
    for id in 0..500 {
        let body = format!("{{\"itemId\":{id},\"a\":\"{filler}\"}}");
        mirror.put(id, Some(&body));
        writeln!(expected, "{body}").unwrap();
    }
    mirror.writer.execute_batch("COMMIT").unwrap();
    let mut exporting = mirror.command(&["export", "--repository", "1"]).spawn().unwrap();
    let mut stdout = exporting.stdout.take().unwrap();
    // The export has its snapshot once it writes.
    let mut first = [0; 1];
    stdout.read_exact(&mut first).unwrap();
    for id in 0..500 {
        mirror.put(id, None);
    }
    eventually(|| {
        let truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy: bool = mirror.writer.query_row(truncate, [], |row| row.get(0)).unwrap();
        is_so(!busy, || "the export keeps the WAL".to_owned())
    });
    let mut told = String::from_utf8(first.to_vec()).unwrap();
    stdout.read_to_string(&mut told).unwrap();
    assert!(told == expected, "not the items of the one instant");
    assert!(exporting.wait().unwrap().success());
}
