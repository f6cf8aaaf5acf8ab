//! `search` reaches the server as it was written.

use serde_json::json;

use super::*;

fn search(line: &str) -> String {
    let search = &config(&format!("{LEAST}{line}\n"), &[]).repositories[0].search;
    serde_json::to_string(search).unwrap()
}

#[test]
fn members_keep_their_case_and_their_order() {
    assert_eq!(search("search = { savedSetId = 7 }"), r#"{"savedSetId":7}"#);
    let line = "search = { zeta = 1, Alpha = 2, alpha = 3, 'a.b' = 4, 'x[0]' = 5, 'Ü ü' = 6 }";
    assert_eq!(search(line), r#"{"zeta":1,"Alpha":2,"alpha":3,"a.b":4,"x[0]":5,"Ü ü":6}"#);
    let line = "search.Zeta.Beta = 1\nsearch.alpha = 2\nsearch.Zeta.ALPHA = 3";
    assert_eq!(search(line), r#"{"Zeta":{"Beta":1,"ALPHA":3},"alpha":2}"#);
    let lines = "[repository.search]\nB = 1\n[[repository.search.List]]\nb = 2\na = 3";
    assert_eq!(search(lines), r#"{"B":1,"List":[{"b":2,"a":3}]}"#);
}

#[test]
fn every_type_of_toml_becomes_its_like_in_json() {
    let line = "search = { i = -9223372036854775808, j = 9223372036854775807, h = 0xff, f = 1.0, \
                g = 0.1, e = 1e300, t = true, s = \"a\\n\\\"ä\", empty = '', l = [1, 'a', [2.5]], \
                n = {}, d = 1979-05-27T07:32:00Z, dd = 1979-05-27, tt = 07:32:00 }";
    let read: serde_json::Value = serde_json::from_str(&search(line)).unwrap();
    assert_eq!(
        read,
        json!({
            "i": i64::MIN, "j": i64::MAX, "h": 255, "f": 1.0, "g": 0.1, "e": 1e300, "t": true,
            "s": "a\n\"ä", "empty": "", "l": [1, "a", [2.5]], "n": {},
            "d": "1979-05-27T07:32:00Z", "dd": "1979-05-27", "tt": "07:32:00",
        })
    );
}

#[test]
fn what_json_cannot_say_is_a_fault_that_names_the_member() {
    let line = "search = { a = nan, b = { c = [1, inf] }, d = 9223372036854775808, page = 2 }";
    let found = errors(&format!("{LEAST}{line}\n"), &environment(&[]));
    assert_eq!(
        keys_of(&found),
        [
            "repository[1].search.page",
            "repository[1].search.a",
            "repository[1].search.b.c[2]",
            "repository[1].search.d",
        ]
    );
}

#[test]
fn a_search_of_one_repository_is_not_that_of_another() {
    let toml = format!("{LEAST}search = {{ a = 1 }}\n[[repository]]\nid = 2\n");
    let repositories = config(&toml, &[]).repositories;
    assert_eq!(repositories[0].search.len(), 1);
    assert!(repositories[1].search.is_empty());
}
