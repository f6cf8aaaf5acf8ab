//! A repository that this user may not read: the server's own word for it, `canRead`, is what is told.

use std::collections::BTreeSet;

use ewmirror::simulator::Options;
use serde_json::{Value, json};

use crate::support::{Daemon, Event, Kept, Setup, Sim, eventually, is_so, repositories, sim};

const SAID: &str = "this user may not read it (the server lists it with canRead = false)";

/// A server with a repository that may be read, and one that may not.
fn server() -> (Sim, Setup) {
    let options = repositories(&[(1, 20), (2, 20)]);
    let sim = Sim::start(Options { unreadable: BTreeSet::from([2]), ..options });
    let repositories = vec!["id = 1".to_owned(), "id = 2".to_owned()];
    let setup = Setup { repositories, ..Setup::new(sim.url()) };
    (sim, setup)
}

fn problems(port: u16) -> Vec<Value> {
    let (_, status) = sim::request(([127, 0, 0, 1], port).into(), "GET", "/status", "");
    let document: Value = serde_json::from_str(&status).expect("JSON");
    document["problems"].as_array().expect("a list").clone()
}

/// Waits until it is a problem, or is none: what is served is a moment old.
fn wait_until_told(port: u16, told: bool) {
    let is_told = |it: &Value| {
        it["scope"] == "repository" && it["error"].as_str().is_some_and(|it| it.contains(SAID))
    };
    eventually(|| {
        let problems = problems(port);
        is_so(problems.iter().any(is_told) == told, || format!("{problems:?}"))
    });
}

#[test]
fn a_search_that_is_refused_is_told_by_what_the_server_says_of_the_user() {
    let (sim, setup) = server();
    let daemon = Daemon::run(&setup);
    assert!(daemon.wait_for_pass(1, 1).truth("certified"));
    let told = daemon.wait_for(|it| it.is_of("request failed", 2));
    assert!(told.text("error").starts_with(&format!("{SAID}: search refused")), "{told:?}");
    assert!(told.text("remedy").contains("permission"), "{told:?}");
    // It costs nobody the session.
    assert_eq!(sim.counts().logins, 1);
    sim.door("offer", &json!({"repository": 2, "readable": true}));
    assert!(daemon.wait_for_pass(2, 1).truth("certified"));
    daemon.stop();
}

#[test]
fn a_search_that_finds_nothing_is_told_so_too_and_empties_no_mirror() {
    let sim = Sim::start(repositories(&[(1, 20)]));
    let port = sim::free_port();
    let kept = Kept::new(&sim);
    let mut setup = Setup { status: format!("listen = '127.0.0.1:{port}'"), ..kept.setup() };
    setup.repositories = vec!["id = 1".to_owned()];
    setup.paging = setup.paging.replace("'1h'", "'20ms'");
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    sim.door("empty", &json!({"repository": 1, "on": true}));
    sim.door("offer", &json!({"repository": 1, "readable": false}));
    let is_empty = |it: &Event| it.is_of("pass complete", 1) && it.number("items") == 0;
    assert_eq!(daemon.wait_for(is_empty).number("deleted"), 0);
    wait_until_told(port, true);
    sim.door("empty", &json!({"repository": 1, "on": false}));
    sim.door("offer", &json!({"repository": 1, "readable": true}));
    let mark = daemon.mark();
    let is_back = |it: &Event| it.is_of("pass complete", 1) && it.number("items") == 20;
    daemon.wait_from(mark, is_back);
    wait_until_told(port, false);
    daemon.stop();
}

#[test]
fn commands_that_ask_the_server_tell_it() {
    let (_sim, setup) = server();
    let check = Daemon::start(&["check", "--online"], &setup).finish();
    assert_eq!(check.status.code(), Some(1));
    let last = check.events.last().map(|event| event.line.clone()).unwrap_or_default();
    assert!(last.contains(&format!("repository 2: {SAID}")), "{last}");
    let doctor = Daemon::start(&["doctor"], &setup).finish();
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    let line = told.lines().find(|line| line.contains("repository 2")).expect("a line");
    assert!(line.starts_with("fail") && line.contains(SAID), "{told}");
    let listed = Daemon::start(&["repositories"], &setup).finish();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let lines: Vec<_> = listed.lines().collect();
    assert!(lines[1].ends_with("mirrored"), "{listed}");
    assert!(lines[2].ends_with("this user may not read it (canRead = false)"), "{listed}");
}
