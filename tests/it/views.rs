//! The views of the mirror's database, read by another program while the daemon writes.

use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::documents;
use crate::mirror::{edit, ids, next_pass};
use crate::support::{Daemon, Kept, Sim, repositories};

/// The repository and the item that the documentation asks for.
const DOCUMENTED: [&str; 2] = ["10149", "5001187"];

fn rows(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let cell = |column| Ok(format!("{:?}", row.get::<_, rusqlite::types::Value>(column)?));
        let cells: rusqlite::Result<Vec<String>> = (0..columns).map(cell).collect();
        cells.map(|cells| cells.join(" | "))
    });
    rows.expect("it is asked").map(|row| row.expect("a row")).collect()
}

#[test]
fn the_documented_queries_answer_while_the_daemon_writes() {
    let sim = Sim::start(repositories(&[(1, 60)]));
    let kept = Kept::new(&sim);
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for_pass(1, 1);
    let gone = ids(&sim)[7];
    edit(&sim, json!({"update": ids(&sim)[20..25], "delete": [gone]}));
    // The first did not see it, the second deletes it.
    next_pass(&daemon);
    next_pass(&daemon);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(kept.database(), flags).unwrap();
    // Those that name the schema are of PostgreSQL, and a unit test asks them there.
    let mut queries = documents::blocks("docs/mirror.md", "sql");
    // Those of views by name are asked beside the model.
    let is_named = |it: &String| it.contains("Products") || it.contains("FROM attribute");
    queries.retain(|query| !query.contains("ewmirror.") && !is_named(query));
    assert_eq!(queries.len(), 6);
    let now = ["2026-11-24T14:00:00.000Z", "2999-01-01T00:00:00.000Z"];
    let there = ids(&sim)[0].to_string();
    for query in queries {
        let [repository, item] = DOCUMENTED;
        let query = query.replace(repository, "1").replace(item, &there);
        let query = query.replace(now[0], now[1]);
        let found = rows(&connection, &query);
        // Each pass so far is certified, or one is not: both are answers.
        assert!(!found.is_empty() || query.contains("certified = 0"), "{query}");
    }
    let ended = format!(
        "SELECT h.body = c.before, h.to_sequence = c.sequence FROM history AS h \
         JOIN changes AS c ON c.sequence = h.to_sequence WHERE c.op = 'd' AND h.id = '{gone}'"
    );
    assert_eq!(rows(&connection, &ended), ["Integer(1) | Integer(1)"]);
    assert_eq!(rows(&connection, "SELECT count(*) FROM items"), ["Integer(59)"]);
    daemon.stop();
}
