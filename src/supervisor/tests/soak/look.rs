//! Looks at what must not grow, and at the passes that were told of.
//!
//! Of each figure the highest in the last third of the time is held against the highest in the
//! third before it; the first third is for coming up, and for changes to get old enough to go.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use procfs::process::Process;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::testing::Recorded;

/// Passes of a repository in a day, at least: every five minutes one, but for pages that take long
/// or fail, and hours in which the server is away.
const PASSES_A_DAY: u32 = 150;

const KIB: f64 = 1024.0;

/// One look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    hour: u64,
    tasks: f64,
    /// KiB.
    database: f64,
    /// KiB.
    wal: f64,
    /// KiB.
    resident: f64,
    files: f64,
    threads: f64,
}

/// One figure: its name, what it is of a look, and by how much the last third may exceed the one
/// before it: a part of that, and a number that does not matter however small the figure is.
type Figure = (&'static str, fn(&Look) -> f64, f64, f64);

/// What is ours, whatever else runs in this process.
const OURS: [Figure; 3] = [
    ("tasks", |look| look.tasks, 0.0, 2.0),
    ("database, KiB", |look| look.database, 0.1, 48.0),
    ("WAL, KiB", |look| look.wal, 0.1, 64.0),
];

/// What is the process's.
const OF_PROCESS: [Figure; 3] = [
    ("resident memory, KiB", |look| look.resident, 0.05, 1024.0),
    ("open files", |look| look.files, 0.0, 1.0),
    ("threads", |look| look.threads, 0.0, 1.0),
];

impl Look {
    /// Looks now.
    pub(super) fn at(began: Instant, database: &Path, alone: bool) -> Self {
        let size = |path: &Path| fs::metadata(path).map_or(0.0, |it| it.len() as f64 / KIB);
        let mut look = Self {
            hour: began.elapsed().as_secs() / 3600,
            tasks: Handle::current().metrics().num_alive_tasks() as f64,
            database: size(database),
            wal: size(&database.with_extension("db-wal")),
            ..Self::default()
        };
        if alone {
            let process = Process::myself().unwrap();
            let status = process.status().unwrap();
            look.resident = status.vmrss.unwrap() as f64;
            look.files = process.fd_count().unwrap() as f64;
            look.threads = status.threads as f64;
        }
        look
    }
}

/// All looks, and the passes meanwhile.
pub(super) struct Looks {
    all: Vec<Look>,
    alone: bool,
    /// The last pass of each repository.
    last: BTreeMap<u64, u64>,
    passes: u32,
    certified: u32,
    /// Numbers of passes that were never told of.
    given_up: u64,
    /// Tasks that were started again.
    failed: u64,
    /// Each other thing that was said, and how often.
    said: BTreeMap<String, u64>,
}

impl Looks {
    pub(super) fn new(alone: bool) -> Self {
        Self {
            all: Vec::new(),
            alone,
            last: BTreeMap::new(),
            passes: 0,
            certified: 0,
            given_up: 0,
            failed: 0,
            said: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, look: Look) {
        self.all.push(look);
    }

    /// Takes in what was told: each pass once, in order, with its verdict.
    pub(super) fn hear(&mut self, events: &[Recorded]) {
        for event in events {
            *self.said.entry(event.message.clone()).or_default() += 1;
            self.failed += u64::from(event.message == "task failed");
            if event.message != "pass complete" {
                continue;
            }
            let iteration = event.number("iteration");
            let last = self.last.entry(event.number("repository")).or_default();
            assert!(iteration > *last, "pass {iteration} was told of after {last}");
            self.given_up += iteration - *last - 1;
            *last = iteration;
            self.passes += 1;
            match event.field("certified") {
                "true" => self.certified += 1,
                _ => assert!(!event.field("reason").is_empty(), "{event:?}"),
            }
        }
    }

    /// How many sessions there were.
    pub(super) fn sessions(&self) -> u64 {
        let said = |message| self.said.get(message).copied().unwrap_or_default();
        said("signed in") + said("session renewed")
    }

    /// Prints everything.
    pub(super) fn print(&self) {
        println!(
            "{:>6} {:>6} {:>9} {:>9} {:>9} {:>6} {:>8}",
            "hour", "tasks", "db KiB", "wal KiB", "rss KiB", "files", "threads"
        );
        for look in self.all.iter().skip(5).step_by(6) {
            println!(
                "{:>6} {:>6} {:>9.0} {:>9.0} {:>9.0} {:>6} {:>8}",
                look.hour,
                look.tasks,
                look.database,
                look.wal,
                look.resident,
                look.files,
                look.threads,
            );
        }
        println!(
            "passes: {}, of which certified: {}; given up after a panic: {}",
            self.passes, self.certified, self.given_up
        );
        println!("said: {:?}", self.said);
    }

    /// Whether passes came as they should, and nothing has grown.
    pub(super) fn judge(&self, days: u32) {
        let repositories = u32::try_from(self.last.len()).unwrap();
        let wanted = days * repositories * PASSES_A_DAY;
        assert!(self.passes >= wanted, "{} passes of at least {wanted}", self.passes);
        assert!(self.certified * 10 >= self.passes * 8, "{} certified", self.certified);
        assert!(self.given_up <= self.failed, "{} passes have no verdict", self.given_up);
        assert!(!self.said.contains_key("task hangs"), "a task hangs");
        let third = self.all.len() / 3;
        let (before, last) = self.all[third..].split_at(self.all.len() - 2 * third);
        let of_process = if self.alone { &OF_PROCESS[..] } else { &[] };
        if !self.alone {
            println!("SKIPPED: memory, files, threads (others run in this process)");
        }
        for (name, of, part, number) in OURS.iter().chain(of_process) {
            let highest = |looks: &[Look]| looks.iter().map(of).fold(0.0, f64::max);
            let (before, last) = (highest(before), highest(last));
            let at_most = (before * (1.0 + part)).max(before + number);
            println!("{name}: {before:.0} in the second third, {last:.0} in the last");
            assert!(last <= at_most, "{name}: {last} of at most {at_most}");
        }
    }
}
