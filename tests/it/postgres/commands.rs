//! What the commands say of a mirror in PostgreSQL: the same as of one in SQLite.

use serde_json::{Value, json};

use crate::mirror::{edit, ids, next_pass};
use crate::support::oracle::{self, Fold};
use crate::support::{Daemon, Kept, Sim, repositories};

/// What a line of `changes` says, but for when.
fn timeless(line: &str) -> Value {
    let mut change: Value = serde_json::from_str(line).expect("a line is JSON");
    change["ts_ms"] = Value::Null;
    change["source"]["ts_ms"] = Value::Null;
    change
}

/// The lines of `history`, but for when.
fn undated(line: &str) -> &str {
    if line.starts_with(' ') { line } else { line.split_once(' ').map_or(line, |(_, rest)| rest) }
}

/// The figures of a repository that are the same wherever it is kept.
fn figures(status: &Value) -> Value {
    let mut repositories = status["repositories"].clone();
    let members = repositories.as_array_mut().into_iter().flatten();
    for member in members.filter_map(Value::as_object_mut) {
        member.retain(|name, value| value.is_u64() && !name.ends_with("_ms"));
    }
    repositories
}

#[test]
fn the_commands_say_the_same_of_both_stores() {
    let sim = Sim::start(repositories(&[(1, 500)]));
    let Some(kept) = Kept::in_postgres(&sim) else { return };
    let both = [Kept::new(&sim), kept];
    let daemons = both.each_ref().map(|kept| Daemon::run(&kept.setup()));
    for daemon in &daemons {
        daemon.wait_for_pass(1, 1);
    }
    let item = ids(&sim)[7];
    edit(&sim, json!({"update": [item], "delete": [ids(&sim)[100]], "insert": 3}));
    // What was not seen is deleted when it is missed again.
    for _ in 0..2 {
        for daemon in &daemons {
            next_pass(daemon);
        }
    }
    for daemon in daemons {
        daemon.stop();
    }
    for kept in &both {
        oracle::equals_server(kept, &sim, 1);
        Fold::default().check(kept, &[1]);
    }
    let said = |arguments: &[&str]| both.each_ref().map(|kept| kept.lines(arguments));
    for format in ["ndjson", "csv"] {
        let [one, other] = said(&["export", "--repository", "1", "--format", format]);
        assert_eq!(one, other);
    }
    let [one, other] = said(&["changes"]);
    let [one, other] =
        [one, other].map(|lines| lines.iter().map(|it| timeless(it)).collect::<Vec<_>>());
    assert!(one.len() > 500, "{}", one.len());
    assert_eq!(one, other);
    let [one, other] = said(&["history", "--repository", "1", "--item", &item.to_string()]);
    assert!(one.len() > 3, "{one:?}");
    assert_eq!(
        one.iter().map(|it| undated(it)).collect::<Vec<_>>(),
        other.iter().map(|it| undated(it)).collect::<Vec<_>>()
    );
    let [one, other] = both.each_ref().map(|kept| figures(&kept.status()));
    assert_eq!(one, other);
}
