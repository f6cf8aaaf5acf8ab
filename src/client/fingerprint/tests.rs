//! An answer read with fingerprints beside the same answer read from scratch.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::client::SearchAnswer;
use crate::client::page::{PageQuery, search};
use crate::client::verdict::{Reply, Verdict};

const PAGE_SIZE: u32 = 1000;

fn pointer() -> JsonPointer {
    "/itemId".parse().unwrap()
}

fn verdict(body: &str, fingerprints: Option<&Arc<Fingerprints>>) -> Verdict<SearchAnswer> {
    let reply = Reply {
        status: 200,
        limited: false,
        content_type: "application/json".to_owned(),
        foreign_redirect: None,
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    search(&reply, PageQuery { page_size: PAGE_SIZE, item_id: &pointer(), fingerprints })
}

fn fingerprints_of(body: &str) -> Arc<Fingerprints> {
    match verdict(body, None) {
        Verdict::Answer(answer) => answer.fingerprints.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn item(id: usize, text: &str) -> String {
    format!(r#"{{"itemId":{id},"text":"{text}"}}"#)
}

fn answer(items: &[String]) -> String {
    let (list, count) = (items.join(","), items.len());
    format!(
        r#"{{"status":0,"data":{{"itemList":[{list}],"searchTotal":{count},"returnTotal":{count}}}}}"#
    )
}

/// How many items are read anew with these fingerprints, and not known by them; `None` where they are of no
/// use.
fn strangers(body: &str, fingerprints: &Fingerprints) -> Option<usize> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let split = fingerprints.split(&body, &pointer())?;
    let new = split.fingerprints.as_ref().unwrap_or(fingerprints);
    Some(new.rows.iter().filter(|row| !fingerprints.rows.contains(row)).count())
}

#[test]
fn the_same_answer_is_known_item_by_item() {
    let items: Vec<String> = (0..100).map(|id| item(id, "same")).collect();
    let fingerprints = fingerprints_of(&answer(&items));
    let split = fingerprints.split(&answer(&items).into(), &pointer()).unwrap();
    assert_eq!(split.fingerprints, None);
    assert_eq!(split.items.len(), 100);
    assert!(split.rest.envelope().is_some());
}

#[test]
fn only_what_was_changed_is_read() {
    let items: Vec<String> = (0..500).map(|id| item(id, "same")).collect();
    let fingerprints = fingerprints_of(&answer(&items));
    let mut changed = items.clone();
    changed[0] = item(0, "changed");
    changed[250] = item(250, "changed at length");
    changed[499] = item(499, "changed");
    assert_eq!(strangers(&answer(&changed), &fingerprints), Some(3));
    let mut moved = items.clone();
    moved.drain(..AHEAD - 1);
    moved.drain(100..110);
    moved.insert(200, item(1000, "new"));
    moved.push(item(1001, "new"));
    assert_eq!(strangers(&answer(&moved), &fingerprints), Some(2));
}

#[test]
fn a_long_range_of_strangers_does_not_leave_behind_what_is_known() {
    let items: Vec<String> = (0..500).map(|id| item(id, "same")).collect();
    let fingerprints = fingerprints_of(&answer(&items));
    let mut changed = items.clone();
    for (id, changed) in changed.iter_mut().enumerate().take(300).skip(10) {
        *changed = item(id, "changed");
    }
    assert_eq!(strangers(&answer(&changed), &fingerprints), Some(290));
}

#[test]
fn fingerprints_are_of_one_place_for_the_id() {
    let body = answer(&[r#"{"itemId":1,"other":2}"#.to_owned()]);
    let fingerprints = fingerprints_of(&body);
    assert!(fingerprints.split(&body.clone().into(), &"/other".parse().unwrap()).is_none());
    assert!(fingerprints.split(&body.into(), &pointer()).is_some());
}

#[test]
fn a_list_that_only_looks_like_the_list_of_items_is_none() {
    let items = [item(1, "a"), item(2, "b")];
    let (body, list) = (answer(&items), items.join(","));
    let fingerprints = fingerprints_of(&body);
    let foreign_redirect = [
        // In another object, in a text, in another list, beside the data, twice.
        format!(
            r#"{{"x":{{"itemList":[{list}]}},"data":{{"itemList":[],"searchTotal":0,"returnTotal":0}}}}"#
        ),
        format!(
            r#"{{"x":{{"itemList":[{list}]}},"data":{{"itemList":[0],"searchTotal":2,"returnTotal":2}}}}"#
        ),
        format!(
            r#"{{"x":"\"itemList\":[{list}]","data":{{"itemList":[0],"searchTotal":2,"returnTotal":2}}}}"#
        ),
        format!(r#"{{"data":[{{"itemList":[{list}],"searchTotal":2,"returnTotal":2}}]}}"#),
        format!(r#"{{"itemList":[{list}],"data":{{"searchTotal":2,"returnTotal":2}}}}"#),
        format!(
            r#"{{"data":{{"itemList":[{list}],"itemList":[],"searchTotal":2,"returnTotal":2}}}}"#
        ),
        body.replace(']', "],"),
        body.replace(']', ",]"),
        body.replace('[', "[,"),
        body.replace("}}", "}"),
        body.replace("},{", "}{"),
        body.replace("},{", "},,{"),
        body.replace("\"returnTotal\":2", "\"returnTotal\":3"),
        body.replace("\"status\":0", "\"status\":1"),
        body.replace("\"status\":0", "\"success\":false"),
        format!("{body}x"),
        format!("x{body}"),
        body.replace("itemList", "itemlist"),
    ];
    for other in foreign_redirect {
        assert_eq!(
            shown(verdict(&other, Some(&fingerprints))),
            shown(verdict(&other, None)),
            "{other}"
        );
    }
}

/// Of a verdict all but the fingerprints, which may be new ones or the old.
fn shown(verdict: Verdict<SearchAnswer>) -> String {
    match verdict {
        Verdict::Answer(answer) => format!("{:?}", SearchAnswer { fingerprints: None, ..answer }),
        other => format!("{other:?}"),
    }
}

/// What one edit does to a list of items.
#[derive(Clone, Debug)]
enum Edit {
    Change(usize, String),
    Insert(usize, String),
    Remove(usize),
    Repeat(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let text = "[a-c\\]\\[{}, ]{0,4}|\\\\\"|\\\\u0041";
    prop_oneof![
        (any::<usize>(), text).prop_map(|(at, text)| Edit::Change(at, text)),
        (any::<usize>(), text).prop_map(|(at, text)| Edit::Insert(at, text)),
        any::<usize>().prop_map(Edit::Remove),
        any::<usize>().prop_map(Edit::Repeat),
    ]
}

fn edited(items: &[String], edits: &[Edit]) -> Vec<String> {
    let mut items = items.to_vec();
    for (number, edit) in edits.iter().enumerate() {
        let at = |at: &usize, length: usize| at % length.max(1);
        let length = items.len();
        match edit {
            Edit::Insert(place, text) => {
                items.insert(at(place, length), item(1000 + number, text));
            }
            _ if length == 0 => {}
            Edit::Change(place, text) => items[at(place, length)] = item(at(place, length), text),
            Edit::Remove(place) => drop(items.remove(at(place, length))),
            Edit::Repeat(place) => items.push(items[at(place, length)].clone()),
        }
    }
    items
}

proptest! {
    #[test]
    fn reading_with_fingerprints_is_reading_from_scratch(
        count in 0_usize..150,
        edits in proptest::collection::vec(edit(), 0..20),
        spaced: bool, token: bool,
        damage in proptest::option::of((any::<usize>(), any::<u8>())),
    ) {
        let items: Vec<String> = (0..count).map(|id| item(id, "same")).collect();
        let fingerprints = fingerprints_of(&answer(&items));
        let mut body = answer(&edited(&items, &edits));
        if spaced {
            body = body.replace("},{", "} ,\n\t{").replace(":[", " : [ ");
        }
        if token {
            body = body.replacen('{', r#"{"epimresttoken":"token", "#, 1);
        }
        if let Some((at, byte)) = damage {
            let mut bytes = body.into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            body = String::from_utf8_lossy(&bytes).into_owned();
        }
        let (along, scratch) = (verdict(&body, Some(&fingerprints)), verdict(&body, None));
        if let (Verdict::Answer(along), Verdict::Answer(scratch)) = (&along, &scratch) {
            prop_assert_eq!(&along.fingerprints, &scratch.fingerprints);
        }
        prop_assert_eq!(shown(along), shown(scratch));
    }
}
