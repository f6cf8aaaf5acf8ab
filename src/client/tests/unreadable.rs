//! Records that cannot be read, in pages that can be: each costs itself alone.

use super::server::json;
use super::*;
use crate::client::UnreadableItem;
use crate::domain::ItemId;

/// A page of these records, with the counts that belong to it.
pub(super) fn page_of(records: &[&str]) -> String {
    let (list, count) = (records.join(","), records.len());
    format!(r#"{{"data":{{"itemList":[{list}],"searchTotal":{count},"returnTotal":{count}}}}}"#)
}

/// What a page of this record between two others is read as.
async fn between(record: &str) -> (Vec<ItemId>, UnreadableItem) {
    let body = page_of(&[r#"{"itemId":1}"#, record, r#"{"itemId":3,"F":"z"}"#]);
    let mut answer = searched(json(&body)).await.unwrap_or_else(|it| panic!("{record}: {it:?}"));
    assert_eq!((answer.total, answer.unreadable.len()), (3, 1), "{record}");
    let places: Vec<bool> = answer.places().map(|item| item.is_some()).collect();
    assert_eq!(places, [true, false, true], "{record}");
    (answer.items.into_iter().map(|item| item.id).collect(), answer.unreadable.remove(0))
}

#[tokio::test]
async fn a_record_without_an_id_that_can_be_read_costs_itself_alone() {
    let cases = [
        ("null", "not an object"),
        ("[]", "not an object"),
        (r#"{"itemId":null,"F":"x"}"#, "is null"),
        (r#"{"F":"x"}"#, "its members are F"),
        (r#"{"itemId":{},"F":"x"}"#, "is an object"),
        (r#"{"itemId":1.5}"#, "is a fraction"),
    ];
    for (record, what) in cases {
        let (ids, unreadable) = between(record).await;
        assert_eq!(ids, [ItemId::Integer(1), ItemId::Integer(3)], "{record}");
        assert!(unreadable.what.contains(what), "{record}: {}", unreadable.what);
        assert_eq!((unreadable.place, unreadable.id), (1, None), "{record}");
    }
}

/// A record with this many levels, its own included.
fn nested(levels: usize) -> String {
    let inside = levels - 1;
    format!(r#"{{"F":{}{},"itemId":2}}"#, "[".repeat(inside), "]".repeat(inside))
}

#[tokio::test]
async fn a_record_that_is_no_json_or_too_deep_costs_itself_alone_and_is_known_by_its_id() {
    let two = Some(ItemId::Integer(2));
    let deep = nested(129);
    let cases = [
        (r#"{"itemId":2,"F":NaN}"#, "expected value", two.clone()),
        (r#"{"F":-Infinity,"itemId":2}"#, "invalid number", two.clone()),
        ("{\"itemId\":2,\"F\":\"a\u{1}b\"}", "control character", two.clone()),
        ("{\"F\":\"line\nend \\\" ] } ,\",\"itemId\":2}", "control character", two.clone()),
        (r#"{"F":{"itemId":9,"G":[01]},"itemId":2}"#, "number", two.clone()),
        (r#"{"itemId":NaN}"#, "expected value", None),
        (r#"{"F":"\x","itemId":2,"itemId":4}"#, "escape", None),
        (&deep, "nested more than 128 levels", two),
    ];
    for (record, what, id) in cases {
        let (ids, unreadable) = between(record).await;
        assert_eq!(ids, [ItemId::Integer(1), ItemId::Integer(3)], "{record}");
        assert!(unreadable.what.contains(what), "{record}: {}", unreadable.what);
        assert_eq!(unreadable.id, id, "{record}");
        assert!(unreadable.around.is_some(), "{record}");
    }
    let body = page_of(&[&nested(128), r#"{"itemId":3}"#]);
    assert!(searched(json(&body)).await.unwrap().unreadable.is_empty());
    let long = |length| format!(r#"{{"itemId":"{}"}}"#, "x".repeat(length));
    assert!(between(&long(1025)).await.1.what.contains("1024 bytes"));
    let body = page_of(&[&long(1024), r#"{"itemId":3}"#]);
    assert!(searched(json(&body)).await.unwrap().unreadable.is_empty());
}

#[tokio::test]
async fn a_record_that_could_end_in_several_places_is_a_fault_of_the_page() {
    let records = [
        // A quote too many, one too few, a backslash at the end of a text.
        r#"{"itemId":2,"F":"5" pipe"}"#,
        r#"{"itemId":2,"F":"5}"#,
        r#"{"itemId":2,"F":"C:\"}"#,
        // A bracket too many, one too few, another one than was opened.
        r#"{"itemId":2,"F":NaN}}"#,
        r#"{"itemId":2,"F":{"G":NaN}"#,
        r#"{"itemId":2,"F":[NaN}"#,
        r#"{"itemId":2 "F":NaN}"#,
        "",
    ];
    for record in records {
        let body = page_of(&[r#"{"itemId":1}"#, record, r#"{"itemId":3,"F":"z"}"#]);
        let error = failed(searched(json(&body)).await);
        assert!(matches!(error.kind, RequestErrorKind::WrongShape { .. }), "{record}: {error}");
    }
    // Nor is a count that does not agree, or a list that is not the answer's, read with goodwill.
    let spoilt = page_of(&[r#"{"itemId":1}"#, r#"{"itemId":2,"F":NaN}"#]);
    for body in [
        spoilt.replace(r#""returnTotal":2"#, r#""returnTotal":3"#),
        spoilt.replace(r#""data""#, r#""date""#),
        format!("{spoilt}x"),
    ] {
        failed(searched(json(&body)).await);
    }
}

#[tokio::test]
async fn what_is_shown_of_a_record_lies_around_its_fault_and_holds_no_secret() {
    let token = SESSION_TOKEN;
    let record = format!(
        r#"{{"itemId":2,"A":"{}{token}","B":"near",  "F":NaN,"after":"{token}"}}"#,
        "x".repeat(70_000),
    );
    let (_, unreadable) = between(&record).await;
    let around = unreadable.around.unwrap();
    assert!(around.contains("near") && around.contains("NaN"), "{around}");
    let (_, tail) = token.split_at(2);
    assert!(!around.contains(tail) && around.contains("***"), "{around}");
    assert!(around.chars().count() < 230, "{around}");
}

#[test]
fn of_a_list_no_more_is_held_than_was_asked_for() {
    let tiny = format!("[{}0]", "0,".repeat(999_999));
    let body = format!(r#"{{"data":{{"itemList":{tiny},"searchTotal":1,"returnTotal":1}}}}"#);
    let envelope = crate::client::wire::envelope_of_page(body.as_bytes(), 100).unwrap();
    let list = envelope.data.is().unwrap().item_list.is().unwrap();
    assert_eq!((list.held.len(), list.count), (100, 1_000_000));
    assert!(list.held.capacity() <= 200, "{}", list.held.capacity());
}
