//! Records that cannot be read, in pages that can be: each costs itself alone.

use super::server::json;
use super::*;
use crate::client::UnreadableItem;
use crate::ids::ItemId;

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
