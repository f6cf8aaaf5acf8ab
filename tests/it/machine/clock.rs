//! Clocks that are set, and processes that stand still.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use ewmirror::simulator::Options;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::mirror::{edit, ids, next_pass};
use crate::support::oracle::{self, Fold};
use crate::support::sim::{free_port, request};
use crate::support::{Daemon, Kept, Sim, pause, repositories, skipped};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The library that shows a process another time of day, as Debian's package `faketime` has it.
fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    folders.map(|it| it.path().join("faketime/libfaketimeMT.so.1")).find(|it| it.exists())
}

/// A time of day that can be set.
struct Clock {
    library: PathBuf,
    folder: TempDir,
}

impl Clock {
    fn set(&self, shift: &str) {
        // In one go: the process reads it whenever it likes.
        let new = self.folder.path().join("new");
        fs::write(&new, shift).expect("the clock can be set");
        fs::rename(new, self.file()).expect("the clock can be set");
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    /// A daemon that goes by it.
    fn run(&self, setup: &crate::support::Setup) -> Daemon {
        Daemon::start_with(&["run"], setup, |command| {
            command.env("LD_PRELOAD", &self.library);
            command.env("FAKETIME_TIMESTAMP_FILE", self.file());
            command.env("FAKETIME_NO_CACHE", "1");
            // As the kernel does it: only the time of day is set.
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            command.env("DONT_FAKE_MONOTONIC", "1");
        })
    }
}

#[test]
fn a_clock_that_is_set_by_a_day_and_back_does_no_harm() {
    let Some(library) = library() else {
        return skipped("a clock that is set", "libfaketime is not installed");
    };
    let clock = Clock { library, folder: TempDir::new().unwrap() };
    clock.set("+0");
    let sim = Sim::start(repositories(&[(1, 300)]));
    let kept = Kept::new(&sim);
    let port = free_port();
    let mut setup = kept.setup();
    setup.status = format!("listen = '127.0.0.1:{port}'");
    setup.session = "reauth_interval = '100ms'\nmax_age = '23h'".to_owned();
    let daemon = clock.run(&setup);
    daemon.wait_for_pass(1, 1);
    let document = || -> Value {
        let (status, body) = request(([127, 0, 0, 1], port).into(), "GET", "/status", "");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    };
    let mut times = Vec::new();
    for shift in ["+1d", "-1d", "+0"] {
        clock.set(shift);
        // One has changed, in each of these times.
        edit(&sim, json!({"update": ids(&sim)[..1]}));
        let pass = next_pass(&daemon);
        assert!(pass.truth("certified"), "{}", pass.line);
        assert_eq!(pass.number("updated"), 1, "{}", pass.line);
        assert!(pass.number("elapsed_ms") < 60_000, "{}", pass.line);
        let told = kept.changes(0);
        times.push(told.last().unwrap().ts_ms);
        ages(&document(), shift);
    }
    assert!(times[0] > times[2] && times[2] > times[1], "{times:?}");
    assert!(times[0].abs_diff(times[2]).abs_diff(DAY_MS) < 60_000, "{times:?}");
    let ended = daemon.stop();
    // Nothing was refused, renewed or held to have been away for a day.
    assert_eq!(sim.counts().logins, 1);
    for message in ["session renewed", "request failed", "task hangs", "task failed"] {
        assert!(ended.all(message).is_empty(), "{message}");
    }
    oracle::equals_server(&kept, &sim, 1);
    kept.assert_sound();
}

/// No age in a document is negative or of about a day.
fn ages(value: &Value, shift: &str) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let is_age = name.contains("age") && name != "max_age_ms";
                if let (true, Some(age)) = (is_age, value.as_f64()) {
                    assert!((0.0..3600.0 * 1000.0).contains(&age), "{name} is {age} at {shift}");
                }
                ages(value, shift);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| ages(value, shift)),
        _ => {}
    }
}

#[test]
fn a_process_that_stands_still_for_longer_than_its_session_lives_loses_nothing() {
    let options = Options {
        latency: Duration::from_millis(5),
        session_ttl: Duration::from_secs(2),
        rest_token_ttl: Duration::from_secs(1),
        ..repositories(&[(1, 1000)])
    };
    let sim = Sim::start(options);
    let kept = Kept::new(&sim);
    let mut setup = kept.setup();
    setup.paging = setup.paging.replace("'1h'", "'1ms'");
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    let logins = sim.counts().logins;
    daemon.signal("STOP");
    // Nothing announces the end of a session that nobody asks about.
    pause(Duration::from_secs(3));
    let mark = daemon.mark();
    daemon.signal("CONT");
    daemon.wait_from(mark, |it| it.is("session renewed"));
    oracle::wait_for_certified_pass(&daemon, 1);
    let ended = daemon.stop();
    assert!(sim.counts().logins > logins);
    for message in ["request failed", "task hangs", "task failed"] {
        assert!(ended.all(message).is_empty(), "{message}");
    }
    Fold::default().check(&kept, &[1]);
    oracle::equals_server(&kept, &sim, 1);
}
