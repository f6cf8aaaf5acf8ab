//! An item that was deleted and is there again: records can be undeleted, under the id that they had.

use rusqlite::Connection;
use serde_json::json;

use crate::mirror::{ids, next_pass};
use crate::support::{Daemon, Kept, Setup, Sim, repositories, skipped};

/// Has an item deleted and come back, and sees what is told of it.
fn comes_back(sim: &Sim, kept: &Kept) -> u64 {
    // No call for one item: two certified passes delete what is gone.
    sim.door("items-call", &json!({"mode": "not-found"}));
    let item = ids(sim)[7];
    let daemon = Daemon::run(&Setup { repositories: vec!["id = 1".to_owned()], ..kept.setup() });
    daemon.wait_for_pass(1, 1);
    sim.door("hide", &json!({"repository": 1, "ids": [item]}));
    next_pass(&daemon);
    assert_eq!(next_pass(&daemon).number("deleted"), 1);
    assert_eq!(kept.export(1).len(), 29);
    sim.door("show", &json!({"repository": 1}));
    assert_eq!(next_pass(&daemon).number("created"), 1);
    // Nothing of its earlier life makes it a suspect, or a change.
    assert_eq!(next_pass(&daemon).number("unchanged"), 30);
    daemon.stop();
    assert_eq!(kept.export(1).len(), 30);

    let changes = kept.changes(0);
    let own: Vec<_> = changes.iter().filter(|it| it.source.item == item).collect();
    let ops: Vec<_> = own.iter().map(|it| it.op.as_str()).collect();
    assert_eq!(ops, ["r", "d", "c"]);
    let body = |it: &Option<Box<serde_json::value::RawValue>>| it.as_ref().map(ToString::to_string);
    assert_eq!(body(&own[1].before), body(&own[0].after));
    assert_eq!((body(&own[2].before), body(&own[2].after)), (None, body(&own[0].after)));
    let item_flag = item.to_string();
    let told = kept.lines(&["history", "--repository", "1", "--item", &item_flag]);
    let words = ["first seen", "deleted", "created"];
    let heads: Vec<_> = told.iter().filter(|it| it.contains("(sequence ")).collect();
    assert_eq!(heads.len(), 3, "{told:?}");
    assert!(words.iter().all(|word| heads.iter().any(|it| it.contains(word))), "{heads:?}");
    // As of the time between it is not there.
    let deleted = own[1].source.sequence.to_string();
    let then = kept.lines(&["export", "--repository", "1", "--as-of", &deleted]);
    assert_eq!(then.len(), 29);
    item
}

#[test]
fn an_item_that_comes_back_is_created_and_its_history_goes_on_with_a_new_row() {
    let sim = Sim::start(repositories(&[(1, 30)]));
    let kept = Kept::new(&sim);
    let item = comes_back(&sim, &kept);
    let connection = Connection::open(kept.database()).unwrap();
    let sql = format!(
        "SELECT valid_to IS NULL, to_sequence IS NULL FROM history WHERE repository = 1 \
         AND id = '{item}' ORDER BY from_sequence"
    );
    let mut statement = connection.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let rows: Vec<(bool, bool)> = rows.map(|row| row.unwrap()).collect();
    assert_eq!(rows, [(false, false), (true, true)], "closed by the deletion, and open");
}

#[test]
fn an_item_that_comes_back_is_created_in_postgresql_too() {
    let sim = Sim::start(repositories(&[(1, 30)]));
    let Some(kept) = Kept::in_postgres(&sim) else {
        return skipped("an item that comes back", "PostgreSQL is not installed");
    };
    comes_back(&sim, &kept);
}
