//! A database that the version before this one wrote, with all that a mirror can have in it: two
//! repositories, changes of all kinds, deletions held back, some of them approved, a pass under way.
//!
//! The fixtures are that database and what that version printed of it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fastrand::Rng;
use flate2::read::GzDecoder;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::daemon::output;
use crate::support::{Daemon, Setup, Sim, ewmirror, kept, pause, repositories};

/// Where the mirrored server was; the changes name it.
const SERVER: &str = "http://127.0.0.1:18080";
/// A server that is not there.
const NOBODY: &str = "http://127.0.0.1:1";
/// The version of the tables in the fixture.
const OLD_VERSION: u32 = 3;
/// The last change of the fixture.
const LAST: u64 = 111;
/// How often the migration is killed.
const KILLS: usize = 24;
/// By then it is over.
const MOST_MS: u64 = 60;

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new("tests/it/fixtures/migration").join(format!("{name}.gz"));
    let mut bytes = Vec::new();
    let mut file = GzDecoder::new(fs::File::open(path).expect("the fixture is there"));
    file.read_to_end(&mut bytes).expect("the fixture is whole");
    bytes
}

/// A copy of the old database.
struct OldMirror(TempDir);

impl OldMirror {
    fn new() -> Self {
        let mirror = Self(TempDir::new().expect("a directory for the test"));
        fs::write(mirror.database(), fixture("mirror.db")).expect("the database can be written");
        mirror
    }

    fn database(&self) -> PathBuf {
        self.0.path().join("mirror.db")
    }

    /// The settings of a daemon that writes it.
    fn setup(&self, url: &str) -> Setup {
        let mut setup = Setup::new(url);
        setup.mirror = format!("url = 'sqlite://{}'", self.database().display());
        "page_size = 20\npage_interval = '0s'\npass_interval = '1h'".clone_into(&mut setup.paging);
        setup.repositories =
            ["id = 10149\nname = 'Products'", "id = 10150"].map(str::to_owned).into();
        setup
    }

    /// Has the daemon open it, and so bring it up to date.
    fn migrated(self) -> Self {
        let daemon = Daemon::run(&self.setup(NOBODY));
        daemon.wait_for(|it| it.is("mirror opened"));
        daemon.kill();
        assert_eq!(self.version(), kept::SCHEMA_VERSION);
        self
    }

    fn version(&self) -> u32 {
        let connection = Connection::open(self.database()).expect("the database can be opened");
        connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .expect("the database has a version")
    }

    /// What a command prints of it.
    fn printed(&self, arguments: &[&str]) -> String {
        let file = self.0.path().join("ewmirror.toml");
        fs::write(&file, self.setup(SERVER).toml()).expect("the configuration can be written");
        let file = file.to_str().expect("the system's directory has a plain name");
        let ended = output(ewmirror(["--config", file]).args(arguments));
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{arguments:?}: {stderr}");
        String::from_utf8(ended.stdout).expect("our output is UTF-8")
    }

    /// All that the old version printed is printed as it was, but for the version.
    fn assert_whole(&self) {
        let old = |name: &str| String::from_utf8(fixture(name)).expect("it was UTF-8");
        for repository in ["10149", "10150"] {
            let items = self.printed(&["export", "--repository", repository]);
            assert!(items == old(&format!("items-{repository}.ndjson")), "{repository}: items");
            let held = self.printed(&["approve-deletes", "--repository", repository, "--list"]);
            assert!(held == old(&format!("held-{repository}.ndjson")), "{repository}: held");
        }
        let (changes, expected) = (self.printed(&["changes"]), old("changes.ndjson"));
        assert_eq!(changes.lines().count() as u64, LAST);
        for (line, expected) in changes.lines().zip(expected.lines()) {
            assert_eq!(without_version(line), without_version(expected));
        }
    }

    fn ask<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        let connection = Connection::open(self.database()).expect("the database can be opened");
        connection.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// A change without the version of the program that printed it.
fn without_version(line: &str) -> String {
    const MEMBER: &str = "\"version\":\"";
    let (before, after) = line.split_once(MEMBER).expect("a change names its version");
    let (_, after) = after.split_once('"').expect("a text has an end");
    format!("{before}{MEMBER}\"{after}")
}

#[test]
fn a_database_of_the_version_before_is_taken_over_to_the_letter() {
    let mirror = OldMirror::new().migrated();
    mirror.assert_whole();
    let approvals = "SELECT group_concat(concat_ws(' ', repository, suspect_count, held_count,
                     held_iteration, approved_count, picked), '; ') FROM suspects";
    assert_eq!(mirror.ask::<String>(approvals), "10149 26 26 28 3 1; 10150 16 16 36 0 0");
    assert_eq!(mirror.ask::<i64>("SELECT count(*) FROM pass WHERE reason IS NULL"), 43 + 46 + 1);
}

#[test]
fn the_passes_and_the_sequence_go_on_where_the_version_before_left_them() {
    let mirror = OldMirror::new();
    let sim = Sim::start(repositories(&[(10_149, 70), (10_150, 50)]));
    let daemon = Daemon::run(&mirror.setup(&sim.url()));
    for (repository, iteration) in [(10_149, 44), (10_150, 46)] {
        daemon.wait_for_pass(repository, iteration);
    }
    daemon.stop();
    let after = mirror.printed(&["changes", "--after", &LAST.to_string()]);
    assert!(!after.is_empty(), "another server has other items");
    for (line, sequence) in after.lines().zip(LAST + 1..) {
        assert!(line.contains(&format!("\"sequence\":{sequence},")), "{sequence}: {line}");
    }
}

#[test]
fn a_kill_during_the_migration_leaves_either_version_whole() {
    let mut rng = Rng::with_seed(8);
    let mut versions = [0, 0];
    for _ in 0..KILLS {
        let mirror = OldMirror::new();
        let daemon = Daemon::run(&mirror.setup(NOBODY));
        pause(Duration::from_millis(rng.u64(..MOST_MS)));
        daemon.kill();
        let version = mirror.version();
        let is_new = version == kept::SCHEMA_VERSION;
        assert!(is_new || version == OLD_VERSION, "version {version}");
        versions[usize::from(is_new)] += 1;
        let table = if is_new { "passes" } else { "pass" };
        let passes = format!("SELECT count(*) FROM {table} WHERE reason IS NULL");
        assert_eq!(mirror.ask::<i64>(&passes), 43 + 46 + 1);
        if versions.iter().sum::<usize>() % 8 == 0 {
            mirror.migrated().assert_whole();
        }
    }
    println!("killed with the old version: {}, with the new one: {}", versions[0], versions[1]);
}
