//! The items of a repository, one of them, its history, and the deletions that are held back.

use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::{Pulled, TOKEN};

#[test]
fn all_items_are_those_of_one_instant_and_changes_go_on_from_there() {
    all_items_are_those_of_one_instant(&Pulled::start(400, ""));
}

#[test]
fn all_items_of_a_mirror_in_postgresql_are_those_of_one_instant() {
    let Some(pulled) = Pulled::start_in_postgres(400) else { return };
    all_items_are_those_of_one_instant(&pulled);
}

fn all_items_are_those_of_one_instant(pulled: &Pulled) {
    let answer = pulled.get("/repositories/1/items");
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let items: Vec<&str> = answer.text().lines().collect();
    assert_eq!(items, pulled.kept.export(1));
    let sequence = answer.number("ewmirror-sequence");
    assert_eq!(sequence, 420);
    let ids: Vec<Value> = answer.lines()[..3].iter().map(|it| it["itemId"].clone()).collect();
    pulled.change(&json!({"repository": 1, "update": ids}));
    let changed = pulled.all_changes(sequence, 1000);
    assert_eq!(changed.len(), 3);

    // One of them, by its tag.
    let path = format!("/repositories/1/items/{}", ids[0]);
    let one = pulled.get(&path);
    assert_eq!(one.lines()[0], changed[0]["after"]);
    let tag = &one.headers["etag"];
    let bearer = format!("Bearer {TOKEN}");
    let known = [("Authorization", bearer.as_str()), ("If-None-Match", tag)];
    let again = pulled.ask("GET", &path, &known);
    assert_eq!((again.status, again.body.len()), (304, 0));
    // HEAD says how long it is; by name it is another text with another tag; compressed, other bytes.
    let head = pulled.ask("HEAD", &path, &[("Authorization", &bearer)]);
    assert_eq!((head.number("content-length"), head.body.len()), (one.body.len() as u64, 0));
    assert_eq!(&head.headers["etag"], tag);
    let named = pulled.get(&format!("{path}?names=true"));
    assert_eq!(named.lines()[0]["Title"], one.lines()[0]["F_1004601"]);
    assert_ne!(&named.headers["etag"], tag);
    let all_named = pulled.get("/repositories/1/items?names=true").lines();
    assert!(all_named.len() == 400 && all_named.iter().all(|it| it.get("Title").is_some()));
    let packed = [("Authorization", bearer.as_str()), ("Accept-Encoding", "gzip")];
    let packed = pulled.ask("GET", &path, &packed);
    assert_eq!(packed.headers["etag"], format!("W/{tag}"));
    assert_eq!(packed.headers["vary"], "accept-encoding");
    let known = [("Authorization", bearer.as_str()), ("If-None-Match", &packed.headers["etag"])];
    assert_eq!(pulled.ask("GET", &path, &known).status, 304);

    let history = pulled.get(&format!("{path}/history")).lines();
    let by_name = pulled.get(&format!("{path}/history?names=true")).lines();
    assert!(by_name.iter().all(|it| it["after"].get("Title").is_some()), "{by_name:?}");
    let ops: Vec<&Value> = history.iter().map(|it| &it["op"]).collect();
    assert_eq!(ops, ["r", "u"]);
    pulled.change(&json!({"repository": 1, "delete": [ids[0]]}));
    assert_eq!(pulled.get(&path).status, 404);
    assert_eq!(pulled.get(&format!("{path}/history")).lines().len(), 3);

    // What is compressed says the same.
    let packed = [("Authorization", bearer.as_str()), ("Accept-Encoding", "br, gzip;q=0.5")];
    let packed = pulled.ask("GET", "/repositories/1/items", &packed);
    assert!(packed.is_whole && packed.headers["content-encoding"] == "gzip");
    let mut text = String::new();
    GzDecoder::new(&packed.body[..]).read_to_string(&mut text).expect("gzip");
    assert_eq!(text.lines().collect::<Vec<_>>(), pulled.kept.export(1));
    assert!(packed.body.len() < text.len() / 2);
}

#[test]
fn an_item_is_found_however_many_come_before_it() {
    let pulled = Pulled::start(20_100, "");
    let last = pulled.kept.export(1).pop().expect("an item");
    let id = serde_json::from_str::<Value>(&last).expect("JSON")["itemId"].clone();
    let found = pulled.get(&format!("/repositories/1/items/{id}"));
    assert_eq!((found.status, found.text().trim_end()), (200, &*last));
    pulled.daemon.stop();
}

#[test]
fn deletions_that_are_held_back_are_told_as_the_command_tells_them() {
    let pulled = Pulled::start(60, "");
    let path = "/repositories/1/held-deletions";
    assert_eq!(pulled.get(path).lines(), [Value::Null; 0]);
    pulled.sim.door("edit", &json!({"repository": 1, "clear": 0.75}));
    pulled.daemon.signal("USR1");
    pulled.daemon.wait_for(|it| it.is_of("deletions held", 1));
    let told = pulled.get(path);
    let list = pulled.kept.lines(&["approve-deletes", "--repository", "1", "--list"]);
    assert_eq!(told.text().lines().collect::<Vec<_>>(), list);
    assert_eq!(told.lines().len(), 45);
    let named = pulled.get(&format!("{path}?names=true")).lines();
    assert!(named.iter().all(|it| it["body"].get("Title").is_some()), "{named:?}");
    assert_eq!(pulled.get("/repositories/7/held-deletions").status, 404);
    pulled.daemon.stop();
}

#[test]
fn the_ledger_is_told_as_a_whole_the_newest_pass_first() {
    the_ledger_is_told(&Pulled::start(60, ""));
}

#[test]
fn the_ledger_of_a_mirror_in_postgresql_is_told_as_a_whole() {
    let Some(pulled) = Pulled::start_in_postgres(60) else { return };
    the_ledger_is_told(&pulled);
}

fn the_ledger_is_told(pulled: &Pulled) {
    for iteration in 2..=12 {
        pulled.daemon.signal("USR1");
        pulled.daemon.wait_for_pass(1, iteration);
    }
    let told = pulled.get("/repositories/1/passes").lines();
    let iterations: Vec<_> = told.iter().filter_map(|it| it["iteration"].as_u64()).collect();
    let newest = iterations[0];
    assert_eq!(iterations, (1..=newest).rev().collect::<Vec<_>>(), "more than status has");
    assert!(newest >= 12);
    let first = told.last().expect("a pass");
    assert_eq!((&first["created"], &first["certified"]), (&json!(60), &json!(true)));
    let status: Value = serde_json::from_str(pulled.get("/status").text()).expect("JSON");
    let newest = &status["repositories"][0]["passes"][4];
    let same = told.iter().find(|it| it["iteration"] == newest["iteration"]);
    assert_eq!(same, Some(newest));
    assert_eq!(pulled.get("/repositories/7/passes").status, 404);
    assert_eq!(pulled.get("/repositories/1/passes?names=true").status, 400);
    assert!(told.iter().all(|it| it["kind"] == "whole"), "{told:?}");
    assert_eq!(pulled.get("/repositories/1/passes?kind=whole").lines().len(), told.len());
    let incremental = pulled.get("/repositories/1/passes?kind=incremental");
    assert_eq!((incremental.status, incremental.text()), (200, ""));
    assert_eq!(pulled.get("/repositories/1/passes?kind=certified").status, 400);
}
