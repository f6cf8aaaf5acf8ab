//! Readers that nobody here wrote read the file of a feed, and their table is what `export` says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::feeds::Site;
use crate::mirror::{edit, ids};
use crate::support::{Daemon, skipped};

/// Of these and what is done to them the log has more than 10,000 changes.
const ITEMS: usize = 3000;
const CHANGES: usize = 10_000;

/// Runs a script of this folder by the Python that `.ci/run` has put it into, or any other; what it says.
/// `None`, and said so, where it finds no reader.
fn read(reader: &str, script: &str, feed: &Path, export: &Path) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = root.join("target").join(reader).join("bin/python");
    let python = if installed.exists() { installed } else { PathBuf::from("python3") };
    let script = root.join("tests/it/foreign").join(script);
    let run = Command::new(python).arg(script).args([feed, export]).output();
    let what = format!("a file read by {reader}");
    match run.map(|output| (output.status.code(), output)) {
        Ok((Some(0), output)) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok((Some(77), _)) | Err(_) => {
            skipped(&what, &format!("{reader} is not installed"));
            None
        }
        Ok((_, output)) => panic!("{reader}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

#[test]
fn the_table_of_foreign_readers_is_what_export_says() {
    let mut site = Site::new(ITEMS);
    "page_size = 500\npage_interval = '0s'\npass_interval = '50ms'"
        .clone_into(&mut site.setup.paging);
    let daemon = Daemon::run(&site.with(&[("all", "")]));
    daemon.wait_for_pass(1, 1);
    let there = ids(&site.sim);
    let kept = there.len() - 500;
    for round in 0..2 {
        edit(&site.sim, json!({"repository": 1, "update": &there[..kept]}));
        let changes = ITEMS + (round + 1) * kept;
        let begun = std::time::Instant::now();
        while site.log(0).len() < changes {
            assert!(begun.elapsed() < crate::feeds::PATIENCE, "{}", daemon.tail());
            crate::support::pause(std::time::Duration::from_millis(200));
        }
    }
    let wanted = CHANGES - ITEMS - 2 * kept;
    edit(&site.sim, json!({"repository": 1, "delete": &there[kept..], "insert": wanted}));
    daemon.wait_for(|it| it.is("pass complete") && it.number("deleted") > 0);
    crate::feeds::come_to_rest(&daemon);
    let log = site.log(0);
    assert!(log.len() > CHANGES, "{} changes", log.len());
    assert_eq!(site.wait_for("all", &log).len(), log.len());
    daemon.stop();

    let export = site.path("export");
    fs::write(&export, site.kept.export(1).join("\n") + "\n").unwrap();
    let feed = site.path("all");
    for (reader, script) in [("apache-flink", "flink.py"), ("duckdb", "duck.py")] {
        if let Some(said) = read(reader, script, &feed, &export) {
            println!("{reader}: {said}");
        }
    }
}
