//! A database that is damaged, cut short, locked, replaced or deleted: before the start, where it is
//! left as it is, and under a running daemon, which ends rather than write where nobody looks.

use std::fs;
use std::time::Instant;

use rusqlite::Connection;

use crate::support::oracle::{self, Fold};
use crate::support::{Daemon, Kept, Setup, Sim, for_each, repositories};

/// Pass after pass.
fn endless(kept: &Kept) -> Setup {
    let mut setup = kept.setup();
    setup.paging = setup.paging.replace("'1h'", "'1ms'");
    setup
}

/// Waits for the daemon to end with an error; what it said on stderr.
fn complaint(daemon: Daemon) -> String {
    let ended = daemon.finish();
    let said: Vec<String> = ended.events.into_iter().map(|it| it.line).collect();
    assert_eq!(ended.status.code(), Some(1), "{said:?}");
    said.last().cloned().unwrap_or_default()
}

/// A database with everything of a server in it, which nobody has open.
fn complete(sim: &Sim) -> Kept {
    let kept = Kept::new(sim);
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for_pass(1, 1);
    daemon.stop();
    assert!(!kept.beside("-wal").exists());
    kept
}

/// The place of the root page of a table in the file.
fn root_of(kept: &Kept, table: &str) -> usize {
    let connection = Connection::open(kept.database()).expect("it is sound");
    let number = |sql: &str| -> u32 {
        connection.query_row(sql, [], |row| row.get(0)).expect("there is such a number")
    };
    let root = number(&format!("SELECT rootpage FROM sqlite_schema WHERE name = '{table}'"));
    (root as usize - 1) * number("PRAGMA page_size") as usize
}

#[test]
fn a_database_that_was_damaged_before_the_start_is_refused_and_left_byte_for_byte() {
    let sim = Sim::start(repositories(&[(1, 1000)]));
    let sound = complete(&sim);
    let item = root_of(&sound, "item");
    let pass = root_of(&sound, "pass");
    let sound = fs::read(sound.database()).unwrap();
    let flipped = |places: std::ops::Range<usize>| {
        let mut bytes = sound.clone();
        bytes[places].iter_mut().for_each(|byte| *byte ^= 0xff);
        bytes
    };
    // What was done, what it looks like now, and a word of what is to be said.
    let cases = [
        ("the first bytes", flipped(0..16), "is no SQLite database"),
        ("the page size", flipped(16..18), "cannot be opened"),
        ("the versions", flipped(18..20), "cannot be opened"),
        ("whose it is", flipped(68..72), "belongs to another program"),
        ("the page of the schema", flipped(100..108), "cannot be opened"),
        ("the table of items", flipped(item..item + 16), "is damaged"),
        ("the table of passes", flipped(pass..pass + 16), "is damaged"),
        ("half of it is missing", sound[..sound.len() / 2].to_vec(), "cannot be opened"),
        ("all but the first page", sound[..16384].to_vec(), "cannot be opened"),
        ("all but a few bytes", sound[..60].to_vec(), "is no SQLite database"),
        ("it is a text", b"Dear diary".to_vec(), "is no SQLite database"),
    ];
    for_each(&cases, |(what, damaged, said)| {
        let kept = Kept::new(&sim);
        fs::write(kept.database(), damaged).unwrap();
        // Twice: the first may have left a WAL beside it.
        for _ in 0..2 {
            let complaint = complaint(Daemon::run(&endless(&kept)));
            assert!(complaint.contains(said), "{what}: {complaint}");
            let file = kept.database();
            assert!(complaint.contains(file.to_str().unwrap()), "{what}: {complaint}");
            assert!(complaint.contains("move"), "{what}: {complaint}");
            assert!(fs::read(file).unwrap() == *damaged, "{what}: the file has been changed");
        }
        // What it says helps.
        for end in ["", "-wal", "-shm"] {
            drop(fs::remove_file(kept.beside(end)));
        }
        let daemon = Daemon::run(&kept.setup());
        daemon.wait_for_pass(1, 1);
        daemon.stop();
        oracle::equals_server(&kept, &sim, 1);
    });
}

#[test]
fn a_database_that_goes_under_a_running_daemon_ends_it_and_what_came_is_left_alone() {
    let sim = Sim::start(repositories(&[(1, 300)]));
    let cases = ["deleted", "moved", "replaced by another file"];
    for_each(&cases, |what| {
        let kept = Kept::new(&sim);
        let daemon = Daemon::run(&endless(&kept));
        daemon.wait_for_pass(1, 2);
        let other = complete(&sim);
        let new = fs::read(other.database()).unwrap();
        match *what {
            "deleted" => fs::remove_file(kept.database()).unwrap(),
            "moved" => fs::rename(kept.database(), kept.beside(".old")).unwrap(),
            _ => {
                fs::write(kept.beside(".new"), &new).unwrap();
                fs::rename(kept.beside(".new"), kept.database()).unwrap();
            }
        }
        let said = complaint(daemon);
        let what = what.replace("moved", "deleted");
        let expected = format!("{} has been {what} while it was in use", kept.database().display());
        assert!(said.contains(&expected), "{said}");
        assert!(said.contains("stop the daemon before"), "{said}");
        // A WAL beside what came would be played into it.
        let wal = fs::metadata(kept.beside("-wal")).map_or(0, |wal| wal.len());
        assert_eq!(wal, 0, "{what}: the WAL was left behind");
        if what == "deleted" {
            assert!(!kept.database().exists());
        } else {
            assert!(fs::read(kept.database()).unwrap() == new, "what came has been written to");
        }
        if kept.beside(".old").exists() {
            let moved = Connection::open(kept.beside(".old")).unwrap();
            let count = |what| moved.query_row(what, [], |row| row.get::<_, i64>(0)).unwrap();
            assert!(count("SELECT count(*) FROM item") >= 300, "it has not all that was told");
        }
        // A service manager starts it again at once.
        let daemon = Daemon::run(&endless(&kept));
        oracle::wait_for_certified_pass(&daemon, 1);
        daemon.stop();
        Fold::default().check(&kept, &[1]);
        oracle::equals_server(&kept, &sim, 1);
        kept.assert_sound();
    });
}

#[test]
fn a_database_that_another_program_locks_is_waited_for_and_not_at_the_start() {
    let sim = Sim::start(repositories(&[(1, 300)]));
    let kept = Kept::new(&sim);
    let daemon = Daemon::run(&endless(&kept));
    daemon.wait_for_pass(1, 1);
    let other = Connection::open(kept.database()).unwrap();
    let mark = daemon.mark();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let failed =
        daemon.wait_from(mark, |it| it.is("request failed") && it.text("endpoint") == "mirror");
    assert!(failed.text("error").contains("another program has locked"), "{}", failed.line);
    assert!(failed.text("remedy").contains("end that program"), "{}", failed.line);
    // A second daemon is told of the first.
    let said = complaint(Daemon::run(&endless(&kept)));
    assert!(said.contains(&format!("is in use by process {}", daemon.process())), "{said}");
    other.execute_batch("ROLLBACK").unwrap();
    daemon.wait_from(mark, |it| it.is("reconnected") && it.text("endpoint") == "mirror");
    oracle::wait_for_certified_pass(&daemon, 1);
    daemon.stop();

    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = Instant::now();
    let said = complaint(Daemon::run(&endless(&kept)));
    assert!(said.contains("end the program that has locked it"), "{said} ({:?})", begun.elapsed());
    other.execute_batch("ROLLBACK").unwrap();
    oracle::equals_server(&kept, &sim, 1);
    kept.assert_sound();
}
