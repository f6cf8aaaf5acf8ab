//! The parser: items byte for byte, ids exactly, and no bytes that it cannot stand.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::client::page::{PageQuery, search};
use crate::client::verdict::{Reply, Verdict};

fn page(body: impl Into<Bytes>, pointer: &str, page_size: u32) -> Verdict<SearchAnswer> {
    let content_type = "application/json".to_owned();
    let reply = Reply {
        status: 200,
        limited: false,
        content_type,
        foreign_redirect: None,
        body: body.into(),
    };
    let item_id = pointer.parse::<JsonPointer>().unwrap();
    search(&reply, PageQuery { page_size, item_id: &item_id, fingerprints: None })
}

/// The id of one item.
fn id(item: &str, pointer: &str) -> Result<ItemId, String> {
    let body = format!(r#"{{"data":{{"itemList":[{item}],"searchTotal":1,"returnTotal":1}}}}"#);
    match page(body, pointer, 1) {
        Verdict::Answer(answer) => Ok(answer.items[0].id.clone()),
        Verdict::Failed(RequestErrorKind::ItemId { what }) => Err(what),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ids_are_read_exactly_wherever_they_are() {
    let integer = |number: i128| Ok(ItemId::Integer(number));
    let text = |text: &str| Ok(ItemId::Text(text.into()));
    let cases = [
        (r#"{"itemId":5868852}"#, "/itemId", integer(5_868_852)),
        (r#"{"itemId":-0}"#, "/itemId", integer(0)),
        (r#"{"itemId": -7 }"#, "/itemId", integer(-7)),
        (r#"{"itemId":9007199254740993}"#, "/itemId", integer(9_007_199_254_740_993)),
        (r#"{"itemId":18446744073709551616}"#, "/itemId", integer(18_446_744_073_709_551_616)),
        (r#"{"itemId":170141183460469231731687303715884105727}"#, "/itemId", integer(i128::MAX)),
        (r#"{"itemId":"5868852"}"#, "/itemId", text("5868852")),
        (r#"{"itemId":""}"#, "/itemId", text("")),
        (r#"{"itemId":"\u00e4\n\ud83d\ude00"}"#, "/itemId", text("ä\n😀")),
        (r#"{"\u0069temId":1}"#, "/itemId", integer(1)),
        (r#"{"itemId":1,"itemId":2}"#, "/itemId", integer(2)),
        (r#"{"itemId":1,"item\u0049d":2}"#, "/itemId", integer(2)),
        (r#"{"a":{"x":0},"b":{"id":3}}"#, "/b/id", integer(3)),
        (r#"{"b":{"id":3},"b":{"id":4}}"#, "/b/id", integer(4)),
        (r#"{"b":[9,{"id":3},{"id":5}]}"#, "/b/1/id", integer(3)),
        (r#"{"b":[9,8]}"#, "/b/0", integer(9)),
        (r#"{"b":{"0":4}}"#, "/b/0", integer(4)),
        (r#"{"a/b":{"~":6}}"#, "/a~1b/~0", integer(6)),
        (r#"{"":{"":7}}"#, "//", integer(7)),
        (r#"{"\ud800":0,"itemId":8}"#, "/itemId", integer(8)),
        (r#"{"x":1e999,"itemId":8}"#, "/itemId", integer(8)),
    ];
    for (item, pointer, expected) in cases {
        assert_eq!(id(item, pointer), expected, "{item} {pointer}");
    }
    let missing = [
        ("{}", "/itemId"),
        (r#"{"itemid":1}"#, "/itemId"),
        (r#"{"b":{"id":3},"b":{}}"#, "/b/id"),
        (r#"{"b":{"id":3},"b":null}"#, "/b/id"),
        (r#"{"b":"id"}"#, "/b/id"),
        (r#"{"b":[1]}"#, "/b/1"),
        (r#"{"b":[1]}"#, "/b/00"),
        (r#"{"b":[1]}"#, "/b/-"),
        (r#"{"b":[1]}"#, "/b/+0"),
        (r#"{"b":[1]}"#, "/b/99999999999999999999999"),
        (r#"{"b":[]}"#, "/b/"),
    ];
    for (item, pointer) in missing {
        let what = id(item, pointer).unwrap_err();
        assert!(what.contains(&format!("no member at {pointer}:")), "{item} {pointer}: {what}");
    }
}

#[test]
fn an_items_bytes_are_a_view_of_the_answer() {
    let body = Bytes::from(PAGE);
    let Verdict::Answer(answer) = page(body.clone(), "/itemId", 20) else { panic!("an answer") };
    let within = body.as_ptr() as usize..body.as_ptr() as usize + body.len();
    for item in answer.items {
        assert!(within.contains(&(item.bytes.as_ptr() as usize)));
    }
}

#[test]
fn nesting_without_end_does_not_overflow_the_stack() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = format!("{}1{}", open.repeat(500_000), close.repeat(500_000));
        let item = format!(r#"{{"x":{deep},"itemId":1}}"#);
        let body = format!(
            r#"{{"data":{{"itemList":[{{"itemId":0}},{item}],"searchTotal":2,"returnTotal":2}}}}"#
        );
        match page(body, "/itemId", 2) {
            Verdict::Answer(answer) => {
                assert_eq!(answer.unreadable[0].id, Some(ItemId::Integer(1)));
            }
            other => panic!("{other:?}"),
        }
        for body in [deep.clone(), open.repeat(500_000), format!(r#"{{"data":{deep}}}"#)] {
            assert!(matches!(page(body, "/itemId", 1), Verdict::Failed(_)));
        }
        let pointer = "/a".repeat(500);
        assert!(id(&deep.replace('[', "{\"a\":").replace(']', "}"), &pointer).is_err());
    }
}

/// Any JSON value.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Any object with an id, written in one of two layouts.
fn item() -> impl Strategy<Value = (ItemId, String)> {
    let members = prop::collection::vec((any::<String>(), value()), 0..6);
    let id = prop_oneof![
        any::<i128>().prop_map(ItemId::Integer),
        any::<String>().prop_map(|text| ItemId::Text(text.into())),
    ];
    (members, id, any::<bool>(), any::<prop::sample::Index>()).prop_map(
        |(mut members, id, pretty, place)| {
            members.retain(|(name, _)| name != "itemId");
            let written = match &id {
                ItemId::Integer(number) => number.to_string(),
                ItemId::Text(text) => Value::from(&**text).to_string(),
            };
            let mut parts: Vec<String> = members
                .iter()
                .map(|(name, value)| {
                    let value = if pretty { format!("{value:#}") } else { value.to_string() };
                    format!("{}:{value}", Value::from(name.as_str()))
                })
                .collect();
            parts.insert(place.index(parts.len() + 1), format!("\"itemId\" : {written}"));
            let item = parts.join(if pretty { " ,\r\n\t" } else { "," });
            (id, format!("{{{item}}}"))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_items_come_back_byte_for_byte(
        items in prop::collection::vec(item(), 0..8),
        total: u64,
        unknown in value(),
    ) {
        let list: Vec<_> = items.iter().map(|(_, text)| text.as_str()).collect();
        let body = format!(
            "{{\"zz\":{unknown},\"data\":{{\"returnTotal\":{},\"itemList\":[ {} ],\"more\":{unknown}, \
             \"searchTotal\":{total}}}}}\n",
            items.len(),
            list.join(" ,\n"),
        );
        let Verdict::Answer(answer) = page(body, "/itemId", 8) else { panic!("an answer") };
        prop_assert_eq!(answer.total, total);
        prop_assert_eq!(answer.items.len(), items.len());
        for (read, (id, text)) in answer.items.iter().zip(&items) {
            prop_assert_eq!(&read.id, id);
            prop_assert_eq!(&read.bytes[..], text.as_bytes());
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
        page(bytes, "/itemId", 20);
    }

    #[test]
    fn a_page_with_any_damage_is_read_without_panic(
        at in any::<prop::sample::Index>(),
        byte: u8,
        cut in any::<prop::sample::Index>(),
    ) {
        let mut body = PAGE.as_bytes().to_vec();
        let at = at.index(body.len());
        body[at] = byte;
        page(body.clone(), "/itemId", 20);
        // A page that was cut is never a page.
        let whole = PAGE.as_bytes();
        let cut = &whole[..cut.index(whole.len())];
        prop_assert!(matches!(page(cut.to_vec(), "/itemId", 20), Verdict::Failed(_)));
    }
}
