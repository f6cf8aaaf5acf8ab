//! A mirror, which outlives the daemons of a test, and what our own commands say of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tempfile::TempDir;

use super::daemon::{config_file, ewmirror, output};
use super::{Setup, Sim, postgres};

/// What makes a database of this version.
pub(crate) const MIGRATIONS: [&str; 10] = [
    include_str!("../../../src/mirror/migrations/sqlite/0001_mirror.sql"),
    include_str!("../../../src/mirror/migrations/sqlite/0002_release.sql"),
    include_str!("../../../src/mirror/migrations/sqlite/0003_words.sql"),
    include_str!("../../../src/mirror/migrations/sqlite/0004_views.sql"),
    include_str!("../../../src/mirror/migrations/sqlite/0005_time.sql"),
    include_str!("../../../src/mirror/migrations/sqlite/0006_model.sql"),
    include_str!("../../../src/mirror/migrations/sqlite/0007_published.sql"),
    include_str!("../../../src/mirror/migrations/sqlite/0008_feeds.sql"),
    include_str!("../../../src/mirror/migrations/sqlite/0009_incremental.sql"),
    include_str!("../../../src/mirror/migrations/sqlite/0010_knowledge.sql"),
];

/// `user_version` of such a database.
pub(crate) const SCHEMA_VERSION: u32 = 10;

const _: () = assert!(MIGRATIONS.len() == SCHEMA_VERSION as usize);

/// Puts down that the deletions of these items of repository 1 are held back, since pass 11.
pub(crate) fn hold(connection: &rusqlite::Connection, items: std::ops::Range<i128>) {
    let count = items.end - items.start;
    let ids: Vec<_> = items.map(ewmirror::inspection::ItemId::Integer).collect();
    let held: ewmirror::inspection::IdSet = ids.iter().collect();
    let count = i64::try_from(count).expect("a few");
    connection
        .execute(
            "INSERT INTO suspects VALUES (1, x'', 3, ?1, ?2, 11, 1772366400000, NULL, 0, 0)",
            (held.to_bytes(), count),
        )
        .expect("the database can be written");
}

/// A folder with a configuration in it, and the database too where that is SQLite.
#[derive(Debug)]
pub(crate) struct Kept {
    directory: TempDir,
    database: PathBuf,
    setup: Setup,
}

impl Kept {
    /// A database that does not exist yet, for the mirror of this server.
    pub(crate) fn new(sim: &Sim) -> Self {
        let directory = TempDir::new().expect("a directory for the test");
        let database = directory.path().join("mirror.db");
        Self::with(sim, directory, database)
    }

    /// One in another folder.
    pub(crate) fn within(folder: &Path, sim: &Sim) -> Self {
        let directory = TempDir::new().expect("a directory for the test");
        Self::with(sim, directory, folder.join("mirror.db"))
    }

    /// One in a schema of PostgreSQL that nobody else uses; `None` where that is not installed. It has
    /// no file.
    pub(crate) fn in_postgres(sim: &Sim) -> Option<Self> {
        let place = postgres::schema()?;
        let directory = TempDir::new().expect("a directory for the test");
        let database = directory.path().join("no database");
        Some(Self::at(sim, directory, database, place.mirror()))
    }

    fn with(sim: &Sim, directory: TempDir, database: PathBuf) -> Self {
        let mirror = format!("url = 'sqlite://{}'", database.display());
        Self::at(sim, directory, database, mirror)
    }

    fn at(sim: &Sim, directory: TempDir, database: PathBuf, mirror: String) -> Self {
        let setup = Setup { mirror, ..Setup::new(sim.url()) };
        let kept = Self { directory, database, setup };
        fs::write(config_file(kept.directory.path()), kept.setup.toml())
            .expect("the configuration can be written");
        kept
    }

    /// The settings of a daemon that writes it; what else they say is the caller's.
    pub(crate) fn setup(&self) -> Setup {
        self.setup.clone()
    }

    /// The database.
    pub(crate) fn database(&self) -> PathBuf {
        self.database.clone()
    }

    /// A file beside the database, by the end of its name.
    pub(crate) fn beside(&self, end: &str) -> PathBuf {
        let mut name = self.database.clone().into_os_string();
        name.push(end);
        name.into()
    }

    /// SQLite itself finds nothing wrong with the database.
    pub(crate) fn assert_sound(&self) {
        let found: String = rusqlite::Connection::open(&self.database)
            .and_then(|it| it.query_row("PRAGMA integrity_check", [], |row| row.get(0)))
            .expect("the database can be checked");
        assert_eq!(found, "ok");
    }

    /// Whether the database has been made; a kill may have come before or between.
    pub(crate) fn is_made(&self) -> bool {
        let journal = self.beside("-journal");
        fs::metadata(self.database()).is_ok_and(|it| it.len() > 0) && !journal.exists()
    }

    /// The items of a repository, one a line, in the order of `export`.
    pub(crate) fn export(&self, repository: u64) -> Vec<String> {
        self.lines(&["export", "--repository", &repository.to_string()])
    }

    /// The changes after this one.
    pub(crate) fn changes(&self, after: u64) -> Vec<Change> {
        let lines = self.lines(&["changes", "--after", &after.to_string()]);
        let read = |line: &String| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        };
        lines.iter().map(read).collect()
    }

    /// Approves the deletions that are held; what the command said on stdout.
    pub(crate) fn approve(&self, repository: u64) -> Vec<String> {
        self.lines(&["approve-deletes", "--repository", &repository.to_string()])
    }

    /// What `status --json` says of a database that no daemon writes.
    pub(crate) fn status(&self) -> Value {
        let (ended, lines) = self.printed(&["status", "--json"]);
        // Without a daemon that says so something is always wrong.
        assert_eq!(ended.code(), Some(1), "{lines:?}");
        serde_json::from_str(&lines.join("\n")).expect("the status is JSON")
    }

    /// What it says while a daemon writes, whether something is wrong or not.
    pub(crate) fn status_of_daemon(&self) -> Value {
        let (_, lines) = self.printed(&["status", "--json"]);
        let status: Value = serde_json::from_str(&lines.join("\n")).expect("the status is JSON");
        assert!(status["daemon"].is_object(), "{status}");
        status
    }

    /// What a command prints, which must succeed.
    pub(crate) fn lines(&self, arguments: &[&str]) -> Vec<String> {
        let (ended, lines) = self.printed(arguments);
        assert!(ended.success(), "{arguments:?}: {ended}: {lines:?}");
        lines
    }

    /// Why a command fails.
    pub(crate) fn refusal(&self, arguments: &[&str]) -> String {
        let file = config_file(self.directory.path());
        let file = file.to_str().expect("the system's directory has a plain name");
        let ended = output(ewmirror(["--config", file]).args(arguments));
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(ended.stderr).expect("our output is UTF-8")
    }

    /// How a command ends, and what it prints.
    fn printed(&self, arguments: &[&str]) -> (ExitStatus, Vec<String>) {
        let file = config_file(self.directory.path());
        let file = file.to_str().expect("the system's directory has a plain name");
        let ended = output(ewmirror(["--config", file]).args(arguments));
        let stdout = String::from_utf8(ended.stdout).expect("our output is UTF-8");
        (ended.status, stdout.lines().map(str::to_owned).collect())
    }
}

/// A change as `changes` prints it, the items as they stand in the line.
#[derive(Debug, Deserialize)]
pub(crate) struct Change {
    pub(crate) op: String,
    pub(crate) before: Option<Box<RawValue>>,
    pub(crate) after: Option<Box<RawValue>>,
    pub(crate) ts_ms: u64,
    pub(crate) source: Source,
}

/// Where a change comes from.
#[derive(Debug, Deserialize)]
pub(crate) struct Source {
    pub(crate) repository: u64,
    pub(crate) item: u64,
    pub(crate) iteration: u64,
    pub(crate) sequence: u64,
}
