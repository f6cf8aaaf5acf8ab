//! The commands that ask the mirror, on databases made by hand: no daemon, no server, no password.

#![expect(clippy::unwrap_used, reason = "what helps tests fails like a test")]

mod export;
mod follow;
mod log;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};
use tempfile::TempDir;

use crate::support::daemon::output;
use crate::support::ewmirror;

/// "ewmi".
const APPLICATION_ID: u32 = 0x6577_6d69;

/// A mirror and the connection that writes it.
struct Mirror {
    writer: Connection,
    directory: TempDir,
}

impl Mirror {
    /// An empty mirror of the repositories 1 (configured) and 2 (not any more).
    fn new() -> Self {
        let directory = TempDir::new().expect("a directory for the test");
        let writer = Connection::open(directory.path().join("mirror.db")).unwrap();
        writer.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        writer
            .execute_batch(include_str!("../../../src/mirror/migrations/sqlite/0001_mirror.sql"))
            .unwrap();
        writer.pragma_update(None, "user_version", 1).unwrap();
        writer.pragma_update(None, "journal_mode", "wal").unwrap();
        writer.pragma_update(None, "synchronous", "off").unwrap();
        writer.execute_batch("INSERT INTO repository (id) VALUES (1), (2)").unwrap();
        let mirror = Self { writer, directory };
        let url = format!("sqlite://{}/mirror.db", mirror.directory.path().display());
        mirror.configure(&url);
        mirror
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("ewmirror.toml")
    }

    fn configure(&self, mirror: &str) {
        let text = format!(
            "[server]\nurl = 'https://pim.example.com/ew'\n[login]\nusername = 'system'\n\
             [[repository]]\nid = 1\n[mirror]\nurl = '{mirror}'\n"
        );
        fs::write(self.config(), text).unwrap();
    }

    /// A command that asks this mirror.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = ewmirror(["--config"]);
        command.env_remove("EWMIRROR_LOGIN__PASSWORD").arg(self.config()).args(arguments);
        command
    }

    /// Asks to the end.
    fn ask(&self, arguments: &[&str]) -> Output {
        output(&mut self.command(arguments))
    }

    /// Asks and has an answer, with nothing to be noted.
    fn answer(&self, arguments: &[&str]) -> String {
        let answer = self.ask(arguments);
        assert_eq!(answer.status.code(), Some(0), "{arguments:?}: {}", stderr(&answer));
        assert_eq!(stderr(&answer), "", "{arguments:?}");
        String::from_utf8(answer.stdout).unwrap()
    }

    /// Asks and is refused with this exit status; returns why.
    fn refusal(&self, arguments: &[&str], exit: i32) -> String {
        let refused = self.ask(arguments);
        assert_eq!(refused.status.code(), Some(exit), "{arguments:?}: {}", stderr(&refused));
        assert!(refused.stdout.is_empty(), "{arguments:?}");
        stderr(&refused)
    }

    /// Logs a change of repository 1; `None` deletes.
    fn put(&self, id: impl Into<Value>, body: Option<&str>) {
        self.put_in(1, id, body);
    }

    fn put_in(&self, repository: u32, id: impl Into<Value>, body: Option<&str>) {
        let id = id.into();
        let previous: Option<(i64, bool)> = self
            .writer
            .query_row(
                "SELECT sequence, hash IS NOT NULL FROM item WHERE repository = ?1 AND id = ?2",
                (repository, &id),
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .unwrap();
        let op = match (body, previous) {
            (None, _) => "d",
            (Some(_), Some((_, true))) => "u",
            (Some(_), Some((_, false))) => "c",
            (Some(_), None) => "r",
        };
        self.writer
            .execute(
                "INSERT INTO change (repository, id, op, iteration, ts_ms, previous, after) \
                 VALUES (?1, ?2, ?3, 7, 1764000000123, ?4, ?5)",
                (repository, &id, op, previous.map(|it| it.0), body.map(str::as_bytes)),
            )
            .unwrap();
        self.writer
            .execute(
                "INSERT OR REPLACE INTO item VALUES (?1, ?2, last_insert_rowid(), ?3)",
                (repository, &id, body.map(|_| 5)),
            )
            .unwrap();
    }

    /// Says that changes up to this one have been dropped.
    fn drop_through(&self, sequence: u32) {
        self.writer.execute("UPDATE log SET dropped_through = ?1", [sequence]).unwrap();
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const QUESTIONS: [&[&str]; 4] = [
    &["export", "--repository", "1"],
    &["changes", "--repository", "1"],
    &["history", "--repository", "1", "--item", "1"],
    &["approve-deletes", "--repository", "1"],
];

#[test]
fn what_cannot_be_asked_is_told_apart() {
    let mirror = Mirror::new();
    for question in QUESTIONS {
        let unknown: Vec<&str> =
            question.iter().map(|word| if *word == "1" { "3" } else { word }).collect();
        let told = mirror.refusal(&unknown, 1);
        assert_eq!(told, "ewmirror: repository 3 is neither configured nor in the mirror\n");
    }
    mirror.configure("sqlite:///nonexistent/mirror.db");
    for question in QUESTIONS {
        let told = mirror.refusal(question, 1);
        assert!(told.contains("there is no mirror at /nonexistent/mirror.db; start"), "{told}");
    }
    mirror.configure("none");
    for question in QUESTIONS {
        let told = mirror.refusal(question, 2);
        assert!(told.contains("mirror.url is \"none\""), "{told}");
    }
    mirror.configure("postgres://u:hunter2@h/d");
    for question in QUESTIONS {
        let told = mirror.refusal(question, 2);
        assert!(told.contains("no PostgreSQL mirror yet") && !told.contains("hunter2"), "{told}");
    }
    fs::write(mirror.config(), "[server]\nurl = 'https://h'\nport = 7\n").unwrap();
    for question in QUESTIONS {
        let told = mirror.refusal(question, 2);
        assert!(told.contains("2 faults\n"), "{told}");
    }
}

#[test]
fn wrong_flags_are_wrong_usage() {
    let mirror = Mirror::new();
    let cases: [&[&str]; 6] = [
        &["export"],
        &["export", "--repository", "x"],
        &["export", "--repository", "1", "--format", "xml"],
        &["changes", "--after", "-1"],
        &["history", "--repository", "1"],
        &["approve-deletes"],
    ];
    for case in cases {
        assert!(!mirror.refusal(case, 2).is_empty(), "{case:?}");
    }
}

#[test]
fn held_deletions_are_released_and_counted() {
    let mirror = Mirror::new();
    let question = ["approve-deletes", "--repository", "1"];
    let none = "ewmirror: no deletions are held back for repository 1\n";
    assert_eq!(mirror.refusal(&question, 1), none);
    mirror
        .writer
        .execute_batch("INSERT INTO suspicion VALUES (1, x'', 3, x'', 40, 11, 600, 0)")
        .unwrap();
    assert_eq!(
        mirror.answer(&question),
        "released 40 deletions of repository 1: the next certified pass makes them\n"
    );
    let released = "SELECT released FROM suspicion WHERE repository = 1";
    assert!(mirror.writer.query_row(released, [], |row| row.get::<_, bool>(0)).unwrap());
}

#[test]
fn a_reader_who_has_had_enough_is_a_normal_end() {
    let mirror = Mirror::new();
    let body = format!("{{\"a\":\"{}\"}}", "x".repeat(10_000));
    for id in 0..300 {
        mirror.put(id, Some(&body));
    }
    let cases: [&[&str]; 4] = [
        &["export", "--repository", "1"],
        &["export", "--repository", "1", "--format", "csv"],
        &["changes"],
        &["history", "--repository", "1", "--item", "7"],
    ];
    for case in cases {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = output(mirror.command(case).stdout(writer));
        assert_eq!((ended.status.code(), stderr(&ended)), (Some(0), String::new()), "{case:?}");
    }
}
