//! Readers that nobody here wrote read the file of a feed, and their table is what `export` says.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::feeds::{Site, old_files};
use crate::mirror::{edit, ids};
use crate::support::{Daemon, eventually, is_so, python};

/// Of these and what is done to them the log has more than 10,000 changes.
const ITEMS: usize = 3000;
const CHANGES: usize = 10_000;

/// Runs a script of this folder; what it says. `None`, and said so, where it finds no reader.
fn read(reader: &str, script: &str, arguments: &[&Path]) -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/foreign").join(script);
    let all = std::iter::once(script.as_path()).chain(arguments.iter().copied());
    python::run(reader, &format!("a file read by {reader}"), all)
}

#[test]
fn the_table_of_foreign_readers_is_what_export_says() {
    let mut site = Site::new(ITEMS);
    "page_size = 500\npage_interval = '0s'\npass_interval = '50ms'"
        .clone_into(&mut site.setup.paging);
    let rotated = "max_size = '1MiB'";
    let daemon = Daemon::run(&site.with(&[("all", ""), ("rotated", rotated)]));
    daemon.wait_for_pass(1, 1);
    let there = ids(&site.sim);
    let kept = there.len() - 500;
    for round in 0..2 {
        edit(&site.sim, json!({"repository": 1, "update": &there[..kept]}));
        let changes = ITEMS + (round + 1) * kept;
        eventually(|| is_so(site.log(0).len() >= changes, || daemon.tail()));
    }
    let wanted = CHANGES - ITEMS - 2 * kept;
    edit(&site.sim, json!({"repository": 1, "delete": &there[kept..], "insert": wanted}));
    daemon.wait_for(|it| it.is("pass complete") && it.number("deleted") > 0);
    crate::feeds::come_to_rest(&daemon);
    let log = site.log(0);
    assert!(log.len() > CHANGES, "{} changes", log.len());
    assert_eq!(site.wait_for("all", &log).len(), log.len());
    assert_eq!(site.wait_for("rotated", &log).len(), log.len());
    daemon.stop();
    let old = old_files(&site.path("rotated"));
    assert!(old.len() > 5 && old.iter().any(|it| it.strip_suffix(".gz").is_some()), "{old:?}");

    let export = site.path("export");
    fs::write(&export, site.kept.export(1).join("\n") + "\n").unwrap();
    let feed = site.path("all");
    // All files that it was, compressed or not, as the documentation has it.
    let pattern = site.path("rotated*");
    for (reader, script, feed) in [
        ("apache-flink", "flink.py", &feed),
        ("duckdb", "duck.py", &feed),
        ("duckdb", "duck.py", &pattern),
    ] {
        if let Some(said) = read(reader, script, &[feed, &export]) {
            println!("{reader}: {said}");
        }
    }
}
