//! `changes` and `history` of what is there.

use serde_json::Value;

use super::{Mirror, stderr};

/// The sequences of envelopes.
fn sequences(lines: &str) -> Vec<u64> {
    lines
        .lines()
        .map(|line| {
            let envelope: Value = serde_json::from_str(line).unwrap();
            envelope["source"]["sequence"].as_u64().unwrap()
        })
        .collect()
}

#[test]
fn changes_are_envelopes_with_the_items_as_received() {
    let mirror = Mirror::new();
    mirror.put("a".to_owned(), Some("{\"itemId\" : \"a\",\n\"x\":1.50}"));
    mirror.put("a".to_owned(), None);
    let source = |sequence| {
        let version = env!("CARGO_PKG_VERSION");
        format!(
            "{{\"connector\":\"ewmirror\",\"version\":\"{version}\",\
             \"server\":\"pim.example.com/ew\",\"repository\":1,\"item\":\"a\",\"iteration\":7,\
             \"sequence\":{sequence},\"ts_ms\":1764000000123}}"
        )
    };
    let item = "{\"itemId\" : \"a\",\"x\":1.50}";
    assert_eq!(
        mirror.answer(&["changes"]),
        format!(
            "{{\"before\":null,\"after\":{item},\"source\":{},\"op\":\"r\",\"ts_ms\":1764000000123}}\n\
             {{\"before\":{item},\"after\":null,\"source\":{},\"op\":\"d\",\"ts_ms\":1764000000123}}\n",
            source(1),
            source(2)
        )
    );
}

#[test]
fn changes_can_be_asked_for_from_a_place_and_of_one_repository() {
    let mirror = Mirror::new();
    mirror.writer.execute_batch("BEGIN").unwrap();
    for id in 0..1500 {
        mirror.put_in(1, id, Some("{}"));
        mirror.put_in(2, id, Some("{}"));
    }
    mirror.writer.execute_batch("COMMIT").unwrap();
    let ask = |arguments: &[&str]| sequences(&mirror.answer(&[&["changes"], arguments].concat()));
    assert_eq!(ask(&[]), (1..=3000).collect::<Vec<_>>());
    assert_eq!(ask(&["--after", "0"]).len(), 3000);
    assert_eq!(ask(&["--after", "2990"]), (2991..=3000).collect::<Vec<_>>());
    assert!(ask(&["--after", "3000"]).is_empty());
    assert_eq!(ask(&["--repository", "2", "--after", "2990"]), [2992, 2994, 2996, 2998, 3000]);
    let told = mirror.refusal(&["changes", "--after", "3001"], 1);
    assert!(told.contains("there is no change 3001 yet: the last one is 3000; "), "{told}");
}

#[test]
fn dropped_changes_are_never_skipped_in_silence() {
    let mirror = Mirror::new();
    for body in ["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"] {
        mirror.put(1, Some(body));
    }
    mirror.drop_through(2);
    let told = mirror.refusal(&["changes", "--after", "1"], 1);
    assert!(told.contains("the changes after 1 up to 2 have been dropped"), "{told}");
    assert!(told.contains("--after 2"), "{told}");
    mirror.refusal(&["changes", "--after", "0"], 1);
    assert_eq!(sequences(&mirror.answer(&["changes", "--after", "2"])), [3]);
    let all = mirror.ask(&["changes"]);
    assert_eq!(all.status.code(), Some(0));
    assert_eq!(stderr(&all), "changes up to 2 have been dropped\n");
    let line = String::from_utf8(all.stdout).unwrap();
    assert!(line.starts_with("{\"before\":{\"a\":2},\"after\":{\"a\":3},"), "{line}");
    let history = mirror.ask(&["history", "--repository", "1", "--item", "1"]);
    assert_eq!(stderr(&history), "changes of this item up to 2 have been dropped\n");
    assert_eq!(String::from_utf8(history.stdout).unwrap().matches("sequence").count(), 1);
}

#[test]
fn a_history_tells_which_value_became_which() {
    let mirror = Mirror::new();
    mirror.put(7, Some(r#"{"itemId":7,"F_1":"35"}"#));
    mirror.put(7, Some(r#"{"F_1":"36","itemId":7,"F_2":[]}"#));
    mirror.put(8, Some("{}"));
    mirror.put(7, None);
    mirror.put(7, Some(r#"{"itemId":7}"#));
    assert_eq!(
        mirror.answer(&["history", "--repository", "1", "--item", "7"]),
        "\
2025-11-24T16:00:00.123Z first seen (sequence 1, iteration 7)
    itemId: (none) -> 7
    F_1: (none) -> \"35\"
2025-11-24T16:00:00.123Z updated (sequence 2, iteration 7)
    F_1: \"35\" -> \"36\"
    F_2: (none) -> []
2025-11-24T16:00:00.123Z deleted (sequence 4, iteration 7)
    F_1: \"36\" -> (none)
    itemId: 7 -> (none)
    F_2: [] -> (none)
2025-11-24T16:00:00.123Z created (sequence 5, iteration 7)
    itemId: (none) -> 7
"
    );
}

#[test]
fn an_item_is_the_integer_or_else_the_text_of_its_name() {
    let mirror = Mirror::new();
    mirror.put(7, Some("{\"integer\":1}"));
    mirror.put("7".to_owned(), Some("{\"text\":1}"));
    mirror.put("-8".to_owned(), Some("{\"text\":1}"));
    let ask = |item| mirror.answer(&["history", "--repository", "1", "--item", item]);
    assert!(ask("7").contains("integer"));
    assert!(ask("-8").contains("text"));
    let told = mirror.refusal(&["history", "--repository", "1", "--item", "\u{1b}9"], 1);
    assert!(told.contains("repository 1 has no item \\u001b9"), "{told:?}");
}
