//! Looks at the processes, and whether what they show has grown.
//!
//! Of each figure the highest in the last third of the looks is held against the highest in the
//! third before it; the first third is for coming up. What may be between them is stated with each.

use std::time::Duration;

use procfs::process::Process;
use serde_json::Value;

use crate::Fallible;
use crate::programs::Soaked;

const MIB: f64 = 1_048_576.0;

/// One look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    minutes: f64,
    /// Of the daemon.
    resident: f64,
    /// The most that it has ever had, in MiB.
    peak: f64,
    files: f64,
    threads: f64,
    /// MiB.
    database: f64,
    /// MiB.
    wal: f64,
    /// Of who follows the changes, in MiB.
    follower: f64,
    passes: u64,
    certified: u64,
    failures: u64,
    refusals: u64,
    restarts: u64,
}

impl Look {
    /// Looks now.
    pub(crate) fn at(time: Duration, soaked: &Soaked, status: &Value) -> Fallible<Self> {
        let daemon = Process::new(i32::try_from(soaked.daemon.id())?)?;
        let memory = daemon.status()?;
        let follower = Process::new(i32::try_from(soaked.follower.id())?)?.status()?;
        let kib = |it: Option<u64>| it.unwrap_or_default() as f64 / 1024.0;
        let number = |it: &Value| it.as_u64().unwrap_or_default();
        let repositories = status["repositories"].as_array().cloned().unwrap_or_default();
        Ok(Self {
            minutes: time.as_secs_f64() / 60.0,
            resident: kib(memory.vmrss),
            peak: kib(memory.vmhwm),
            files: daemon.fd_count()? as f64,
            threads: memory.threads as f64,
            database: number(&status["mirror"]["database_bytes"]) as f64 / MIB,
            wal: number(&status["mirror"]["wal_bytes"]) as f64 / MIB,
            follower: kib(follower.vmrss),
            passes: repositories.iter().map(|it| number(&it["iteration"])).sum(),
            certified: repositories
                .iter()
                .map(|it| number(&it["last_certified"]["iteration"]))
                .sum(),
            failures: number(&status["daemon"]["failures"]),
            refusals: number(&status["daemon"]["refusals"]),
            restarts: number(&status["daemon"]["restarts"]),
        })
    }

    fn print(&self) {
        println!(
            "{:>7.1} {:>8.1} {:>8.1} {:>6} {:>8} {:>8.2} {:>8.2} {:>9.1} {:>7} {:>9} {:>9} {:>9} {:>9}",
            self.minutes,
            self.resident,
            self.peak,
            self.files,
            self.threads,
            self.database,
            self.wal,
            self.follower,
            self.passes,
            self.certified,
            self.failures,
            self.refusals,
            self.restarts,
        );
    }
}

/// One figure: its name, what it is of a look, and by how much the last third may exceed the one
/// before it: a part of that, and a number that does not matter however small the figure is.
type Figure = (&'static str, fn(&Look) -> f64, f64, f64);

const FIGURES: [Figure; 6] = [
    ("resident memory, MiB", |look| look.resident, 0.1, 2.0),
    ("open files", |look| look.files, 0.0, 3.0),
    ("threads", |look| look.threads, 0.0, 0.0),
    ("database, MiB", |look| look.database, 0.1, 0.5),
    ("WAL, MiB", |look| look.wal, 0.1, 4.0),
    ("resident memory of the follower, MiB", |look| look.follower, 0.1, 2.0),
];

/// All looks so far.
#[derive(Debug, Default)]
pub(crate) struct Looks(Vec<Look>);

impl Looks {
    /// What stands above the lines.
    pub(crate) fn print_head() {
        println!(
            "{:>7} {:>8} {:>8} {:>6} {:>8} {:>8} {:>8} {:>9} {:>7} {:>9} {:>9} {:>9} {:>9}",
            "minute",
            "rss MiB",
            "peak MiB",
            "files",
            "threads",
            "db MiB",
            "wal MiB",
            "follower",
            "passes",
            "certified",
            "failures",
            "refusals",
            "restarts",
        );
    }

    /// Adds one, and prints it.
    pub(crate) fn add(&mut self, look: Look) {
        look.print();
        self.0.push(look);
    }

    /// Prints how the last third compares; whether nothing has grown, no task had to be started
    /// again, and passes went on being certified.
    pub(crate) fn judge(&self) -> bool {
        let third = self.0.len() / 3;
        let (before, last) = self.0.split_at(self.0.len() - third);
        let before = &before[before.len() - third..];
        let (Some(first_of_last), Some(newest)) = (last.first(), last.last()) else {
            println!("\ntoo few looks to tell anything");
            return false;
        };
        println!(
            "\n{:<38} {:>13} {:>10} {:>9}",
            "the highest", "second third", "last third", "at most"
        );
        let mut flat = true;
        for (name, of, part, number) in FIGURES {
            let highest = |looks: &[Look]| looks.iter().map(of).fold(0.0, f64::max);
            let (before, last) = (highest(before), highest(last));
            let at_most = (before * (1.0 + part)).max(before + number);
            let verdict = if last <= at_most { "flat" } else { "GROWS" };
            flat &= last <= at_most;
            println!("{name:<38} {before:>13.2} {last:>10.2} {at_most:>9.2} {verdict}");
        }
        println!("tasks started again: {}", newest.restarts);
        let certified = newest.certified > first_of_last.certified;
        println!("passes were certified in the last third: {certified}");
        flat && newest.restarts == 0 && certified
    }
}
