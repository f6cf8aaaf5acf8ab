//! `demo`: the whole life of the daemon within a few seconds.

use tempfile::TempDir;

use crate::documents;
use crate::support::daemon::output;
use crate::support::{Daemon, Event, ewmirror, stop_within};

/// The lines that a newcomer is to see.
const LIFE: [&str; 5] =
    ["signed in", "page read", "REST token renewed", "session renewed", "pass complete"];

fn start(arguments: &[&str]) -> Daemon {
    let mut command = ewmirror(["demo"]);
    let directory = TempDir::new().expect("a directory for the test");
    command.args(arguments).env("TMPDIR", directory.path());
    Daemon::spawn(&mut command, directory)
}

fn says(message: &str) -> impl Fn(&Event) -> bool {
    move |event| event.line.contains(message)
}

#[test]
fn the_demo_shows_the_whole_life_of_the_daemon_and_sums_it_up() {
    let demo = start(&["--for", "16s"]);
    let ended = demo.finish();
    assert_eq!(ended.status.code(), Some(0));
    for message in LIFE {
        assert!(ended.events.iter().any(says(message)), "no \"{message}\" within 16 s");
    }
    assert!(ended.events.iter().all(|it| !it.line.contains("panic")));
    documents::assert_printed("README.md", "<!-- demo -->", &ended.events);
    let summary = String::from_utf8(ended.stdout).unwrap();
    let value = |name: &str| -> u64 {
        let line = summary.lines().find(|line| line.starts_with(name));
        let rest = line.unwrap_or_else(|| panic!("no {name}: {summary}")).replacen(name, "", 1);
        let digits: String = rest.chars().filter(|it| it.is_ascii_digit() || *it == ',').collect();
        digits.split(',').next().unwrap().parse().unwrap()
    };
    for name in ["passes", "pages", "items read", "logins", "REST tokens renewed"] {
        assert!(value(name) > 0, "{summary}");
    }
    assert!(summary.contains("refusals survived"), "{summary}");
    assert!(value("changes") >= 460, "{summary}");
    assert!((16..=25).contains(&value("ran for")), "{summary}");
}

#[test]
fn ctrl_c_ends_the_demo_in_order_with_a_summary() {
    let demo = start(&[]);
    demo.wait_for(says("page read"));
    let (ended, took) = demo.stop_with("INT");
    assert_eq!(ended.status.code(), Some(0));
    assert!(took < stop_within(), "{took:?}");
    // Its own faults may hit the logout.
    assert!(ended.events.iter().any(|it| says("signed out")(it) || says("sign-out failed")(it)));
    assert!(String::from_utf8(ended.stdout).unwrap().contains("passes"));
}

#[test]
fn the_demo_needs_no_configuration_and_minds_no_environment() {
    let mut command = ewmirror(["demo", "--for", "1s"]);
    command.env("EWMIRROR_SERVER__URL", "http://127.0.0.1:9").env("EWMIRROR_NONSENSE", "1");
    command.env("EWMIRROR_LOGIN__PASSWORD", "another").env("http_proxy", "http://127.0.0.1:9");
    let directory = TempDir::new().unwrap();
    command.env("TMPDIR", directory.path());
    let ended = Daemon::spawn(&mut command, directory).finish();
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.events.iter().any(says("page read")));
}

#[test]
fn the_demo_takes_away_what_it_made() {
    let temporary = TempDir::new().unwrap();
    let mut command = ewmirror(["demo", "--for", "1s"]);
    command.env("TMPDIR", temporary.path());
    let ended = Daemon::spawn(&mut command, TempDir::new().unwrap()).finish();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn the_demo_shows_its_page_an_outage_a_history_and_held_deletions() {
    let demo = start(&[]);
    let place = demo.wait_for(says("The daemon shows itself at http://127.0.0.1:")).line.clone();
    let place = place.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    demo.wait_for(says("signed in"));
    let (status, page) = crate::support::sim::request(place.parse().unwrap(), "GET", "/", "");
    assert!(status == 200 && page.contains("<html"), "{status} {page}");
    for line in [
        "-- the server goes away",
        "request failed",
        "-- the server is back",
        "reconnected",
        " history --repository 10150 --item ",
        " updated (sequence ",
        "deletions held",
        " approve-deletes --repository 10150 --list",
        "{\"repository\":10150,\"item\":",
        "approved ",
        "approved deletions made",
    ] {
        demo.wait_for(says(line));
    }
    demo.stop();
}

#[test]
fn the_demo_keeps_a_mirror_that_can_be_asked() {
    let temporary = TempDir::new().unwrap();
    let mut command = ewmirror(["demo", "--for", "6s", "--keep"]);
    command.env("TMPDIR", temporary.path());
    let ended = Daemon::spawn(&mut command, TempDir::new().unwrap()).finish();
    assert_eq!(ended.status.code(), Some(0));
    let folder = std::fs::read_dir(temporary.path()).unwrap().next().unwrap().unwrap().path();
    let file = folder.join("ewmirror.toml");
    let hint = format!("ewmirror --config {} changes --follow", file.display());
    assert!(ended.events.iter().any(says(&hint)));
    let ask = |arguments: &[&str]| {
        let mut command = ewmirror(["--config", file.to_str().unwrap()]);
        let output = output(command.args(arguments));
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(ask(&["export", "--repository", "10150"]).lines().count() >= 55);
    assert!(ask(&["changes", "--repository", "10150"]).lines().count() >= 60);
    // No daemon runs any more, which its exit status says.
    let mut command = ewmirror(["--config", file.to_str().unwrap(), "status"]);
    let told = String::from_utf8(output(&mut command).stdout).unwrap();
    assert!(told.contains("10150 Brands"), "{told}");
    documents::assert_status_printed("README.md", &told);
}
