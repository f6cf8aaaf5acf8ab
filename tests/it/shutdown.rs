//! The end: in order and within five seconds, whatever the server does.

use std::time::Duration;

use ewmirror::simulator::Options;

use crate::support::servers::Deaf;
use crate::support::{Daemon, Setup, Sim, for_each, repositories, sim, stop_within};

/// The signals that end the daemon in order.
const SIGNALS: [(&str, &str); 2] = [("TERM", "SIGTERM"), ("INT", "SIGINT")];

#[test]
fn a_signal_while_idle_ends_at_once_with_a_logout() {
    for_each(&SIGNALS, |(signal, name)| {
        let sim = Sim::start(repositories(&[(1, 50)]));
        let daemon = Daemon::run(&Setup::new(sim.url()));
        daemon.wait_for_pass(1, 1);
        let (ended, took) = daemon.stop_with(signal);
        assert_eq!(ended.status.code(), Some(0));
        assert!(took < stop_within(), "{took:?}");
        assert_eq!(ended.all("stopping")[0].text("signal"), *name);
        let last: Vec<_> = ended.events.iter().rev().take(3).map(|it| it.text("message")).collect();
        assert_eq!(last, ["stopped", "signed out", "stopping"]);
        assert_eq!(sim.counts().logouts, 1);
    });
}

#[test]
fn a_signal_in_the_middle_of_a_page_lets_it_come_home() {
    for_each(&SIGNALS, |(signal, _)| {
        let options = repositories(&[(1, 10_000)]);
        let sim = Sim::start(Options { latency: Duration::from_secs(1), ..options });
        let mut setup = Setup::new(sim.url());
        setup.paging += "\nin_flight = 4";
        let daemon = Daemon::run(&setup);
        daemon.wait_for(|it| it.is("page read"));
        // Four more are asked for, and not there yet. A request that waited for its turn still would not be sent any
        // more, and what comes after that page would come home for nothing.
        sim.wait_until(|counts| counts.searches >= 5);
        let (ended, took) = daemon.stop_with(signal);
        assert_eq!(ended.status.code(), Some(0));
        assert!(took < stop_within(), "{took:?}");
        assert!(ended.all("task late").is_empty());
        assert!(ended.all("pass complete").is_empty());
        // What was asked for was read, and nothing more was asked for.
        let counts = sim.counts();
        let lines: Vec<&str> = ended.events.iter().map(|it| it.line.as_str()).collect();
        let read = ended.all("page read").len() as u64;
        assert_eq!(counts.searches, read, "{}", lines.join("\n"));
        assert_eq!(counts.logouts, 1);
    });
}

#[test]
fn a_signal_during_a_wait_for_another_try_ends_it_at_once() {
    let sim = Sim::start(repositories(&[(1, 500)]));
    let port = sim::free_port();
    let locked = Sim::start(Options { password: "another".to_owned(), ..repositories(&[(1, 1)]) });
    sim.odds("e500", 1.0);
    // From the third time in the same words on a 500 to a login counts as a denial.
    let cases = [(format!("http://127.0.0.1:{port}"), 4), (locked.url(), 1), (sim.url(), 2)];
    for_each(&cases, |(url, attempt)| {
        let daemon = Daemon::run(&Setup::new(url.clone()));
        daemon.wait_for(|it| it.is("request failed") && it.number("attempt") == *attempt);
        let (ended, took) = daemon.stop_with("TERM");
        assert_eq!(ended.status.code(), Some(0));
        assert!(took < stop_within(), "{url}: {took:?}");
    });
}

#[test]
fn a_signal_during_a_long_wait_that_the_server_asked_for_ends_it_at_once() {
    let sim = Sim::start(repositories(&[(1, 500)]));
    sim.fault("search", "e429", 1, 1000);
    let daemon = Daemon::run(&Setup::new(sim.url()));
    daemon.wait_for(|it| it.is("request failed"));
    let (ended, took) = daemon.stop_with("TERM");
    assert_eq!(ended.status.code(), Some(0));
    assert!(took < stop_within(), "{took:?}");
    assert_eq!(sim.counts().logouts, 1);
}

#[test]
fn a_server_that_hangs_holds_up_the_end_for_less_than_five_seconds() {
    let cases: [&[&str]; 5] =
        [&["search"], &["logout"], &["search", "logout"], &["login"], &["reauth", "logout"]];
    for_each(&cases, |hanging| {
        let sim = Sim::start(repositories(&[(1, 500)]));
        for endpoint in *hanging {
            sim.fault(endpoint, "hang", 0, 1000);
        }
        let session = "reauth_interval = '50ms'".to_owned();
        let daemon = Daemon::run(&Setup { session, ..Setup::new(sim.url()) });
        // Once it hangs.
        daemon.wait_for(|it| match hanging[0] {
            "search" => it.is("signed in"),
            "login" => it.is("starting"),
            _ => it.is("pass complete"),
        });
        if hanging[0] != "logout" {
            sim.wait_for_hit("hang");
        }
        let (ended, took) = daemon.stop_with("TERM");
        assert_eq!(ended.status.code(), Some(0), "{hanging:?}");
        assert!(took < stop_within(), "{hanging:?}: {took:?}");
        assert_eq!(ended.events.last().unwrap().text("message"), "stopped");
        let late = ended.all("task late");
        assert_eq!(late.len(), usize::from(hanging[0] == "search"), "{hanging:?}");
        let goodbye = if hanging.contains(&"logout") { "sign-out failed" } else { "signed out" };
        let signed_in = usize::from(hanging[0] != "login");
        assert_eq!(ended.all(goodbye).len(), signed_in, "{hanging:?}");
    });
}

#[test]
fn a_server_that_accepts_and_never_answers_holds_up_nothing() {
    let deaf = Deaf::start();
    let daemon = Daemon::run(&Setup::new(deaf.url()));
    daemon.wait_for(|it| it.is("starting"));
    let _connection = deaf.wait_for_client();
    let (ended, took) = daemon.stop_with("TERM");
    assert_eq!(ended.status.code(), Some(0));
    assert!(took < stop_within(), "{took:?}");
}

#[test]
fn a_second_signal_ends_at_once_while_the_first_waits() {
    for_each(&[("TERM", "TERM"), ("TERM", "INT"), ("INT", "TERM")], |(first, second)| {
        let sim = Sim::start(repositories(&[(1, 500)]));
        sim.fault("search", "hang", 0, 1000);
        let daemon = Daemon::run(&Setup::new(sim.url()));
        sim.wait_for_hit("hang");
        daemon.signal(first);
        daemon.wait_for(|it| it.is("stopping"));
        let (ended, took) = daemon.stop_with(second);
        assert!(!ended.status.success(), "{}", ended.status);
        assert!(took < stop_within(), "{took:?}");
        assert!(ended.all("stopped").is_empty());
    });
}

#[test]
fn a_signal_right_at_the_start_is_heard() {
    let sim = Sim::start(repositories(&[(1, 500)]));
    let daemon = Daemon::run(&Setup::new(sim.url()));
    daemon.wait_for(|it| it.is("starting"));
    let ended = daemon.stop();
    assert_eq!(ended.events.last().unwrap().text("message"), "stopped");
    let counts = sim.counts();
    assert!(counts.logins - counts.logouts <= 1, "{counts:?}");
}
