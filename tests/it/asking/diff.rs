//! `diff` and `export --as-of`: what a repository was, and what became of it, whatever happened in between.

use serde_json::{Value, json};

use super::Mirror;

/// A mirror with a past: item 1 is changed, 2 comes and goes, 3 is deleted, 4 changes and changes back, 5
/// stays, 6 is written in another way, and a text comes.
fn mirror() -> Mirror {
    let mirror = Mirror::new();
    for (id, body) in [
        (1, r#"{"itemId":1,"a":"35","b":1}"#),
        (3, r#"{"itemId":3}"#),
        (4, r#"{"itemId":4,"a":1}"#),
        (5, r#"{"itemId":5}"#),
        (6, r#"{"itemId":6,"a":1,"b":2}"#),
    ] {
        mirror.put(id, Some(body));
    }
    mirror.put_in(2, 1, Some(r#"{"itemId":1,"other":true}"#));
    for (id, body) in [
        (2, Some(r#"{"itemId":2}"#)),
        (4, Some(r#"{"itemId":4,"a":2}"#)),
        (1, Some("{\"itemId\":1,\n\"a\":\"36\u{9b}2J\",\"c\":[]}")),
        (2, None),
        (3, None),
        (4, Some(r#"{"a":1.0,"itemId":4}"#)),
        (6, Some(r#"{"b":2,"a":1.00,"itemId":6}"#)),
    ] {
        mirror.put(id, body);
    }
    mirror.put("x\u{1b}\n".to_owned(), Some(r#"{"itemId":"x\u001b\n"}"#));
    mirror
        .writer
        .execute("UPDATE change SET ts_ms = 1764000000000 + sequence * 1000", [])
        .expect("changes have times");
    mirror
}

#[test]
fn a_diff_is_what_became_of_each_item_in_the_end() {
    let mirror = mirror();
    let diff = |more: &[&str]| mirror.answer(&[&["diff", "--repository", "1"], more].concat());
    let text = "\
~ 1
    a: \"35\" -> \"36\\u009b2J\"
    c: (none) -> []
    b: 1 -> (none)
- 3
+ x\\u001b\\u000a
";
    assert_eq!(diff(&["--from", "6"]), text);
    assert_eq!(diff(&["--from", "2025-11-24T16:00:06Z", "--to", "14"]), text);
    assert_eq!(diff(&["--from", "14"]), "", "nothing has happened since");
    assert_eq!(diff(&["--from", "6", "--to", "6"]), "");
    assert_eq!(diff(&["--from", "6", "--to", "8"]), "+ 2\n~ 4\n    a: 1 -> 2\n");
    let lines: Vec<Value> = diff(&["--from", "6", "--format", "ndjson"])
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect();
    let one = |item: Value, op: &str, before: Value, after: Value| json!({"repository": 1, "item": item, "op": op, "before": before, "after": after});
    let id = "x\u{1b}\n";
    assert_eq!(
        lines,
        [
            one(
                json!(1),
                "u",
                json!({"itemId": 1, "a": "35", "b": 1}),
                json!({"itemId": 1, "a": "36\u{9b}2J", "c": []})
            ),
            one(json!(3), "d", json!({"itemId": 3}), Value::Null),
            one(json!(id), "c", Value::Null, json!({"itemId": id})),
        ]
    );
    let summed = mirror.ask(&["diff", "--repository", "1", "--from", "6"]);
    let told = "from sequence 6 to 14: 1 created, 1 updated, 1 deleted\n";
    assert_eq!(super::stderr(&summed), told);
}

#[test]
fn members_that_are_left_out_of_the_comparison_are_left_out_of_a_diff() {
    let mirror = Mirror::new();
    for seen in 1..4 {
        mirror.put(1, Some(&format!("{{\"itemId\":1,\"seen\":{seen}}}")));
    }
    let diff = ["diff", "--repository", "1", "--from", "1"];
    assert_eq!(mirror.answer(&diff), "~ 1\n    seen: 1 -> 3\n");
    mirror.configure_repositories("[[repository]]\nid = 1\nignore = ['/seen']\n");
    assert_eq!(mirror.answer(&diff), "");
}

#[test]
fn an_export_of_the_past_has_the_bytes_of_then() {
    let mirror = mirror();
    let export = |more: &[&str]| mirror.answer(&[&["export", "--repository", "1"], more].concat());
    assert_eq!(export(&["--as-of", "0"]), "");
    let then = "\
{\"itemId\":1,\"a\":\"35\",\"b\":1}
{\"itemId\":3}
{\"itemId\":4,\"a\":1}
{\"itemId\":5}
{\"itemId\":6,\"a\":1,\"b\":2}
";
    assert_eq!(export(&["--as-of", "6"]), then);
    assert_eq!(export(&["--as-of", "2025-11-24T16:00:06.999Z"]), then);
    assert_eq!(
        export(&["--as-of", "6", "--format", "csv"]),
        "itemId,a,b\r\n1,35,1\r\n3,,\r\n4,1,\r\n5,,\r\n6,1,2\r\n"
    );
    assert_eq!(export(&["--as-of", "14"]), export(&[]));
    assert_eq!(export(&["--as-of", "0s"]), export(&[]));
    // It says where to go on, which is then.
    let told = super::stderr(&mirror.ask(&["export", "--repository", "1", "--as-of", "6"]));
    assert!(told.starts_with("sequence 6; ") && told.contains("--after 6"), "{told}");
}

#[test]
fn an_instant_that_cannot_be_told_is_an_error_that_says_which_can() {
    let mirror = mirror();
    mirror.drop_through(6);
    let refused = |arguments: &[&str], exit| {
        mirror.refusal(&[arguments, &["--repository", "1"]].concat(), exit)
    };
    let earliest = "the earliest that can be told is 6, 2025-11-24T16:00:06.000Z\n";
    for early in ["5", "2025-11-24T16:00:05.999Z", "99y"] {
        for command in [&["export", "--as-of"][..], &["digest", "--as-of"], &["diff", "--from"]] {
            let told = refused(&[command, &[early]].concat(), 1);
            assert!(told.ends_with(earliest), "{told}");
        }
    }
    for late in ["15", "2100-01-01T00:00:00+02:00"] {
        for command in [&["export", "--as-of"][..], &["diff", "--from", "6", "--to"]] {
            let told = refused(&[command, &[late]].concat(), 1);
            assert!(
                told.contains("there is no change 15 yet") || told.contains("to come"),
                "{told}"
            );
        }
    }
    let told = refused(&["diff", "--from", "9", "--to", "2025-11-24T16:00:08Z"], 2);
    assert!(told.contains("--from comes after --to: they are the sequences 9 and 8"), "{told}");
}
