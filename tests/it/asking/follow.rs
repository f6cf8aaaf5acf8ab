//! `changes --follow`: in time, and ended by a signal, a closed pipe, or a gap.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::Mirror;
use crate::support::{DEADLINE, stop_within};

/// What the design promises of a change is a second, and here is as much again.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

/// A running `changes --follow`, killed when dropped.
struct Follower {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Follower {
    fn start(mirror: &Mirror, arguments: &[&str]) -> Self {
        let mut command = mirror.command(&[&["changes", "--follow"], arguments].concat());
        let mut child = command.spawn().expect("the binary starts");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        Self { child, lines }
    }

    /// The sequence of the next change, which must come.
    fn next(&self) -> u64 {
        let line = self.lines.recv_timeout(DEADLINE).expect("a change is told");
        let envelope: serde_json::Value = serde_json::from_str(&line).expect("a line is JSON");
        envelope["source"]["sequence"].as_u64().expect("a change has a sequence")
    }

    fn exit(&mut self) -> Option<i32> {
        exit(&mut self.child)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It may have ended; then there is nothing left to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn exit(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        assert!(Instant::now() < deadline, "the follower did not end");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

#[test]
fn a_follower_hears_of_each_change_at_once() {
    let mirror = Mirror::new();
    mirror.put(1, Some("{}"));
    let follower = Follower::start(&mirror, &[]);
    assert_eq!(follower.next(), 1);
    let took = |sequence| {
        mirror.put(1, Some("{}"));
        let begun = Instant::now();
        assert_eq!(follower.next(), sequence);
        begun.elapsed()
    };
    // A machine that is busy with other things may be late now and then.
    let fastest = (2..12).map(took).min().expect("some are told");
    assert!(fastest < TOLD_WITHIN, "it took {fastest:?}");
}

#[test]
fn a_follower_of_one_repository_hears_of_no_other() {
    let mirror = Mirror::new();
    mirror.put_in(2, 1, Some("{}"));
    let follower = Follower::start(&mirror, &["--repository", "1", "--after", "0"]);
    mirror.put_in(2, 2, Some("{}"));
    mirror.put_in(1, 3, Some("{}"));
    assert_eq!(follower.next(), 3);
}

#[test]
fn a_signal_ends_a_follower_in_order() {
    for name in ["TERM", "INT"] {
        let mirror = Mirror::new();
        mirror.put(1, Some("{}"));
        let mut follower = Follower::start(&mirror, &[]);
        assert_eq!(follower.next(), 1);
        signal(&follower.child, name);
        assert_eq!(follower.exit(), Some(0), "SIG{name}");
    }
}

#[test]
fn a_signal_ends_a_follower_whom_nobody_reads() {
    let mirror = Mirror::new();
    let body = format!("{{\"a\":\"{}\"}}", "x".repeat(10_000));
    for id in 0..100 {
        mirror.put(id, Some(&body));
    }
    let mut child = mirror.command(&["changes", "--follow"]).spawn().unwrap();
    let mut stdout = BufReader::with_capacity(1, child.stdout.take().expect("it is piped"));
    // It writes, and by the first byte it listens for signals.
    stdout.fill_buf().unwrap();
    let begun = Instant::now();
    signal(&child, "TERM");
    assert_eq!(exit(&mut child), Some(0));
    assert!(begun.elapsed() < stop_within(), "it took {:?}", begun.elapsed());
}

#[test]
fn a_closed_pipe_ends_a_follower_although_nothing_changes() {
    let mirror = Mirror::new();
    mirror.put(1, Some("{}"));
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = mirror.command(&["changes", "--follow"]);
    let mut child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    drop(command);
    let mut reader = BufReader::new(reader);
    reader.read_line(&mut String::new()).unwrap();
    drop(reader);
    assert_eq!(exit(&mut child), Some(0));
}

#[test]
fn changes_dropped_beneath_a_follower_are_an_error() {
    let mirror = Mirror::new();
    mirror.put(1, Some("{}"));
    let mut follower = Follower::start(&mirror, &[]);
    assert_eq!(follower.next(), 1);
    mirror.writer.execute_batch("BEGIN").unwrap();
    for _ in 0..3 {
        mirror.put(1, Some("{}"));
    }
    mirror.drop_through(3);
    mirror.writer.execute_batch("COMMIT").unwrap();
    assert_eq!(follower.exit(), Some(1));
    assert!(follower.lines.recv_timeout(DEADLINE).is_err(), "a change after a gap");
}
