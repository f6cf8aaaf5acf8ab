//! The commands that ask the mirror, on databases made by hand: no daemon, no server, no password.

#![expect(clippy::unwrap_used, reason = "what helps tests fails like a test")]

mod diff;
mod digest;
mod export;
mod follow;
mod log;
mod named;
mod names;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};
use tempfile::TempDir;

use crate::support::daemon::output;
use crate::support::{ewmirror, kept};

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
        writer.execute_batch(&kept::MIGRATIONS.concat()).unwrap();
        writer.pragma_update(None, "user_version", kept::SCHEMA_VERSION).unwrap();
        writer.pragma_update(None, "journal_mode", "wal").unwrap();
        writer.pragma_update(None, "synchronous", "off").unwrap();
        writer.execute_batch("INSERT INTO repository (id) VALUES (1), (2)").unwrap();
        let mirror = Self { writer, directory };
        mirror.configure_repositories("[[repository]]\nid = 1\n");
        mirror
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("ewmirror.toml")
    }

    fn configure(&self, mirror: &str) {
        self.configure_with(mirror, "[[repository]]\nid = 1\n");
    }

    fn configure_with(&self, mirror: &str, repositories: &str) {
        let text = format!(
            "[server]\nurl = 'https://pim.example.com/ew'\n[login]\nusername = 'system'\n\
             {repositories}[mirror]\nurl = '{mirror}'\n"
        );
        fs::write(self.config(), text).unwrap();
    }

    /// The same mirror, with other repositories in its configuration.
    fn configure_repositories(&self, repositories: &str) {
        let url = format!("sqlite://{}/mirror.db", self.directory.path().display());
        self.configure_with(&url, repositories);
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
        // An export says on stderr how to go on from it.
        let noted = stderr(&answer);
        let is_told = match arguments[0] {
            "export" => noted.starts_with("sequence "),
            // What a diff comes to.
            "diff" => noted.starts_with("from sequence "),
            _ => false,
        };
        assert!(
            noted.is_empty() || is_told && noted.lines().count() == 1,
            "{arguments:?}: {noted}"
        );
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
                "SELECT sequence, digest IS NOT NULL FROM item WHERE repository = ?1 AND id = ?2",
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
        let drop = "UPDATE log SET dropped_through = ?1, \
            dropped_ms = (SELECT max(ts_ms) FROM change WHERE sequence <= ?1)";
        self.writer.execute(drop, [sequence]).unwrap();
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const QUESTIONS: [&[&str]; 6] = [
    &["export", "--repository", "1"],
    &["export", "--repository", "1", "--as-of", "0s"],
    &["diff", "--repository", "1", "--from", "0s"],
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
        let expected =
            "ewmirror: repository 3 is neither configured nor in the mirror; configured: 1\n";
        assert_eq!(told, expected);
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
        assert!(told.contains("holds a password") && !told.contains("hunter2"), "{told}");
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
    let cases: [&[&str]; 10] = [
        &["export"],
        &["export", "--repository", "1", "--as-of", "noon"],
        &["diff", "--repository", "1"],
        &["diff", "--repository", "1", "--from", "noon"],
        &["diff", "--repository", "1", "--from", "0s", "--format", "csv"],
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
fn held_deletions_are_approved_and_counted() {
    let mirror = Mirror::new();
    let question = ["approve-deletes", "--repository", "1"];
    let none = "ewmirror: no deletions are held back for repository 1\n";
    assert_eq!(mirror.refusal(&question, 1), none);
    kept::hold(&mirror.writer, 0..40);
    assert_eq!(
        mirror.answer(&question),
        "approved 40 deletions of repository 1: the next certified pass makes them\n"
    );
    let approved = "SELECT approved_count FROM suspects WHERE repository = 1";
    assert_eq!(mirror.writer.query_row(approved, [], |row| row.get::<_, i64>(0)).unwrap(), 40);
}

/// `approve-deletes` with more words.
fn ask<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["approve-deletes", "--repository", "1"], more].concat()
}

#[test]
fn held_deletions_are_shown_as_they_are_and_approved_by_name() {
    let mirror = Mirror::new();
    assert_eq!(mirror.answer(&ask(&["--list"])), "");
    for id in 0..7 {
        mirror.put(id, Some(&format!("{{\"itemId\":{id},\n \"name\":\"\\u001b[2J\"}}")));
    }
    kept::hold(&mirror.writer, 2..5);
    let line = |id: u32| {
        format!(
            "{{\"repository\":1,\"item\":{id},\"held_since\":\"2026-03-01T12:00:00.000Z\",\
             \"body\":{{\"itemId\":{id}, \"name\":\"\\u001b[2J\"}}}}\n"
        )
    };
    let listed = |ids: &[u32]| ids.iter().copied().map(line).collect::<String>();
    assert_eq!(mirror.answer(&ask(&["--list"])), listed(&[2, 3, 4]));
    assert_eq!(mirror.answer(&ask(&["--list", "--items", "4,2"])), listed(&[2, 4]));
    for more in [&["--items", "2,9,x\u{1b}"][..], &["--list", "--items", "9,x\u{1b}"]] {
        let told = mirror.refusal(&ask(more), 1);
        assert!(told.contains("nothing is approved: 9, x\\u001b; --list shows"), "{told}");
    }
    assert_eq!(mirror.answer(&ask(&["--list"])), listed(&[2, 3, 4]), "nothing was approved");
    assert_eq!(
        mirror.answer(&ask(&["--items", "4", "--items", "2"])),
        "approved 2 deletions of repository 1: the next certified pass makes them; 1 other waits \
         on\n"
    );
    assert_eq!(mirror.answer(&ask(&["--list"])), listed(&[3]), "what waits");
    for wrong in [&["--items", ""][..], &["--items", "2,"], &["--items"]] {
        mirror.refusal(&ask(wrong), 2);
    }
}

#[test]
fn a_reader_who_has_had_enough_is_a_normal_end() {
    let mirror = Mirror::new();
    let body = format!("{{\"a\":\"{}\"}}", "x".repeat(10_000));
    for id in 0..300 {
        mirror.put(id, Some(&body));
    }
    let cases: [&[&str]; 6] = [
        &["export", "--repository", "1"],
        &["export", "--repository", "1", "--as-of", "299"],
        &["diff", "--repository", "1", "--from", "0", "--format", "ndjson"],
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
