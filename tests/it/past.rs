//! Time travel by the real binary, on both stores: what a mirror was at moments that were recorded, and what
//! became of it between them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use serde_json::{Value, json};

use crate::mirror::{edit, id_of, ids, next_pass};
use crate::support::{Daemon, Kept, Sim, pause, repositories};

/// Moments that are recorded.
const MOMENTS: usize = 6;

/// A mirror at rest, as it was recorded.
struct Moment {
    /// In milliseconds since 1970; no change was found in this one.
    time: String,
    sequence: String,
    /// As `digest` told it.
    digest: Vec<String>,
    items: Vec<String>,
    csv: Vec<String>,
}

impl Moment {
    #[expect(clippy::disallowed_methods, reason = "the time that the daemon's clock has, too")]
    fn record(kept: &Kept) -> Self {
        let digest = kept.lines(&["digest", "--repository", "1"]);
        let sequence = digest[0].split(' ').next().expect("a sequence").to_owned();
        let items = kept.export(1);
        let csv = kept.lines(&["export", "--repository", "1", "--format", "csv"]);
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        // What comes is found in a later millisecond.
        pause(Duration::from_millis(3));
        Self { time, sequence, digest, items, csv }
    }

    fn check(&self, kept: &Kept) {
        for when in [&self.sequence, &self.time] {
            let ask = |command: &[&str]| {
                kept.lines(&[command, &["--repository", "1", "--as-of", when]].concat())
            };
            assert_eq!(ask(&["export"]), self.items, "{when}");
            assert_eq!(ask(&["export", "--format", "csv"]), self.csv, "{when}");
            assert_eq!(ask(&["digest"]), self.digest, "{when}");
        }
    }

    fn by_id(&self) -> BTreeMap<u64, Value> {
        let item = |line: &String| (id_of(line), serde_json::from_str(line).expect("it is JSON"));
        self.items.iter().map(item).collect()
    }

    /// The lines of `diff` from here to there.
    fn changes_to(&self, other: &Self) -> Vec<Value> {
        let (before, after) = (self.by_id(), other.by_id());
        let mut all: Vec<&u64> = before.keys().chain(after.keys()).collect();
        all.sort_unstable();
        all.dedup();
        let changed = all.into_iter().filter(|id| before.get(id) != after.get(id));
        changed
            .map(|id| {
                let (before, after) = (before.get(id), after.get(id));
                let op = match (before, after) {
                    (None, _) => "c",
                    (_, None) => "d",
                    _ => "u",
                };
                json!({"repository": 1, "item": id, "op": op, "before": before, "after": after})
            })
            .collect()
    }
}

fn each_moment_is_told_as_it_was(sim: &Sim, kept: &Kept, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for_pass(1, 1);
    let mut moments = vec![Moment::record(kept)];
    for _ in 1..MOMENTS {
        let there = ids(sim);
        let some = |rng: &mut Rng, most| {
            let count = rng.usize(..most);
            let mut some: Vec<u64> = (0..count).map(|_| there[rng.usize(..there.len())]).collect();
            some.sort_unstable();
            some.dedup();
            some
        };
        let (mut update, delete) = (some(&mut rng, 40), some(&mut rng, 8));
        update.retain(|id| !delete.contains(id));
        edit(sim, json!({"update": update, "delete": delete, "insert": rng.usize(..9)}));
        // What was not seen is deleted when it is missed again.
        next_pass(&daemon);
        next_pass(&daemon);
        moments.push(Moment::record(kept));
    }
    for (place, moment) in moments.iter().enumerate() {
        moment.check(kept);
        for later in &moments[place..] {
            let told = kept.lines(&[
                "diff",
                "--repository",
                "1",
                "--format",
                "ndjson",
                "--from",
                &moment.time,
                "--to",
                &later.sequence,
            ]);
            let told: Vec<Value> =
                told.iter().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
            assert_eq!(told, moment.changes_to(later), "{} to {}", moment.time, later.time);
        }
    }
    let (first, last) = (&moments[0], &moments[MOMENTS - 1]);
    let text = kept.lines(&["diff", "--repository", "1", "--from", &first.sequence]);
    let heads = text.iter().filter(|line| !line.starts_with(' ')).count();
    assert_eq!(heads, first.changes_to(last).len());

    // What is dropped can no longer be told, and what is not can.
    let mut setup = kept.setup();
    setup.mirror += "\n[changes]\nkeep = '1s'";
    daemon.reload(&setup);
    pause(Duration::from_millis(1100));
    next_pass(&daemon);
    for when in [&first.sequence, &first.time] {
        let told = kept.refusal(&["export", "--repository", "1", "--as-of", when]);
        assert!(told.contains("can no longer be told: changes up to "), "{told}");
        assert!(
            told.contains(&format!("the earliest that can be told is {}, ", last.sequence)),
            "{told}"
        );
    }
    last.check(kept);
    daemon.stop();
}

#[test]
fn each_moment_of_a_file_is_told_as_it_was() {
    let sim = Sim::start(repositories(&[(1, 300)]));
    each_moment_is_told_as_it_was(&sim, &Kept::new(&sim), 1);
}

#[test]
fn each_moment_of_a_server_is_told_as_it_was() {
    let sim = Sim::start(repositories(&[(1, 300)]));
    let Some(kept) = Kept::in_postgres(&sim) else { return };
    each_moment_is_told_as_it_was(&sim, &kept, 2);
}
