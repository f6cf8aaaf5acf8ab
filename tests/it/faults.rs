//! Faults: each kind of them in the middle of a pass, servers that are away and come back.

use std::time::Duration;

use ewmirror::simulator::Options;

use crate::support::servers::{Deaf, Parrot};
use crate::support::{Daemon, Setup, Sim, for_each, repositories, sim};

/// Time-outs that a fault runs into soon, and answers that are soon too large.
fn impatient(url: String) -> Setup {
    Setup {
        server: "connect_timeout = '2s'\nrequest_timeout = '1s'\nmax_response_size = '1MiB'"
            .to_owned(),
        ..Setup::new(url)
    }
}

#[test]
fn each_fault_three_times_in_the_middle_of_a_pass_is_told_and_outlived() {
    let faults = [
        "drop", "hang", "slow", "truncate", "garbage", "e500", "e502", "e503", "e429", "short",
        "huge",
    ];
    for_each(&faults, |fault| {
        let sim = Sim::start(repositories(&[(1, 1000)]));
        sim.fault("search", fault, 4, 3);
        let daemon = Daemon::run(&impatient(sim.url()));
        let pass = daemon.wait_for_pass(1, 1);
        assert!(pass.truth("certified"), "{fault}: {}", pass.line);
        assert_eq!(pass.number("items"), 1000, "{fault}");
        let ended = daemon.stop();
        assert_eq!(sim.hit(fault), 3, "{fault}");
        let failed = ended.all("request failed");
        let attempts: Vec<_> = failed.iter().map(|it| it.number("attempt")).collect();
        assert_eq!(attempts, [1, 2, 3], "{fault}");
        let levels: Vec<_> = failed.iter().map(|it| it.level()).collect();
        assert_eq!(levels, ["WARN", "WARN", "DEBUG"], "{fault}");
        let mut waited = 0;
        for failed in &failed {
            assert_eq!(failed.text("endpoint"), "search");
            assert_eq!(failed.number("repository"), 1);
            assert!(failed.text("error").starts_with("search failed: "), "{}", failed.line);
            waited += failed.number("retry_in_ms");
        }
        let reconnected = ended.all("reconnected");
        assert_eq!(reconnected.len(), 1, "{fault}");
        assert_eq!(reconnected[0].number("failures"), 3, "{fault}");
        assert_eq!(reconnected[0].text("endpoint"), "search");
        assert!(reconnected[0].number("outage_ms") >= waited, "{}", reconnected[0].line);
        // After the third one the top of the list is asked for, unless the server wants patience.
        let top = u64::from(!matches!(*fault, "e429" | "e503"));
        assert_eq!(pass.number("requests"), pass.number("pages") + 3 + top, "{fault}");
        assert_eq!(sim.counts().logins, 1, "{fault}: a failure is no refusal");
    });
}

#[test]
fn capped_and_repeated_pages_in_the_middle_of_a_pass_are_read_again() {
    let cases = [("cap", 1), ("cap", 4), ("repeat", 1)];
    for_each(&cases, |(fault, times)| {
        let sim = Sim::start(repositories(&[(1, 1000)]));
        sim.fault("search", fault, 4, *times);
        let daemon = Daemon::run(&Setup::new(sim.url()));
        let pass = daemon.wait_for_pass(1, 1);
        assert!(pass.truth("certified"), "{fault}: {}", pass.line);
        assert_eq!(pass.number("items"), 1000, "{fault}");
        let ended = daemon.stop();
        assert!(!ended.all("stepped back").is_empty(), "{fault}");
        assert!(ended.all("request failed").is_empty(), "{fault}");
    });
}

#[test]
fn faults_of_the_login_delay_it_and_no_more() {
    let faults = ["drop", "hang", "truncate", "garbage", "e500", "e502", "e503", "e429"];
    for_each(&faults, |fault| {
        let sim = Sim::start(repositories(&[(1, 50)]));
        sim.fault("login", fault, 0, 2);
        let daemon = Daemon::run(&impatient(sim.url()));
        daemon.wait_for_pass(1, 1);
        let ended = daemon.stop();
        let failed = ended.all("request failed");
        assert_eq!(failed.len(), 2, "{fault}");
        for (index, failed) in failed.iter().enumerate() {
            assert_eq!(failed.text("endpoint"), "login");
            assert_eq!(failed.number("attempt"), index as u64 + 1);
            assert_eq!(failed.level(), "WARN", "{fault} is no wrong password");
            assert!(failed.field("repository").is_none(), "{}", failed.line);
        }
        let reconnected = ended.all("reconnected");
        assert_eq!(reconnected.len(), 1, "{fault}");
        assert_eq!(reconnected[0].text("endpoint"), "login");
    });
}

#[test]
fn faults_of_the_question_whether_the_session_stands_end_no_session() {
    let faults = ["drop", "hang", "garbage", "e500", "e503"];
    for_each(&faults, |fault| {
        let sim = Sim::start(repositories(&[(1, 50)]));
        sim.fault("reauth", fault, 0, 2);
        let mut setup = impatient(sim.url());
        setup.session = "reauth_interval = '100ms'".to_owned();
        let daemon = Daemon::run(&setup);
        daemon.wait_for(|it| it.is("reconnected") && it.text("endpoint") == "reauth");
        let ended = daemon.stop();
        assert_eq!(sim.counts().logins, 1, "{fault}");
        assert!(ended.all("session renewed").is_empty(), "{fault}");
    });
}

#[test]
fn a_server_that_is_down_at_the_start_is_waited_for() {
    let port = sim::free_port();
    let daemon = Daemon::run(&Setup::new(format!("http://127.0.0.1:{port}")));
    let failed = daemon.wait_for(|it| it.is("request failed") && it.number("attempt") == 3);
    assert_eq!(failed.text("endpoint"), "login");
    let sim = Sim::start(Options { port, ..repositories(&[(1, 100)]) });
    assert!(daemon.wait_for_pass(1, 1).truth("certified"));
    let ended = daemon.stop();
    let reconnected = ended.all("reconnected");
    assert_eq!(reconnected.len(), 1);
    assert!(reconnected[0].number("failures") >= 3);
    assert_eq!(ended.all("signed in").len(), 1);
    assert_eq!(sim.counts().logins, 1);
}

#[test]
fn a_server_that_goes_away_is_told_of_ever_more_rarely_until_it_is_back() {
    let options = Options { latency: Duration::from_millis(20), ..repositories(&[(1, 2000)]) };
    let (sim, port) = Sim::start_to_return(&options);
    let mut setup = Setup::new(sim.url());
    setup.paging = setup.paging.replace("'1h'", "'1ms'");
    let daemon = Daemon::run(&setup);
    daemon.wait_for(|it| it.is("page read") && it.number("page") == 4);
    sim.stop();
    // Five tries take some seconds, because each waits longer than the one before.
    let tries = daemon.wait_for(|it| it.is("request failed") && it.number("attempt") == 6);
    let sim = Sim::start(Options { port, ..options });
    let back = daemon.wait_for(|it| it.is("reconnected") && it.field("repository").is_some());
    let pass = daemon.wait_for_pass(1, 1);
    assert!(pass.truth("certified"), "{}", pass.line);
    assert_eq!(pass.number("items"), 2000);
    let ended = daemon.stop();
    let failed: Vec<_> = ended
        .all("request failed")
        .into_iter()
        .filter(|it| it.index < back.index && it.text("endpoint") == "search")
        .collect();
    for failed in &failed {
        let loud = failed.number("attempt").is_power_of_two();
        assert_eq!(failed.level(), if loud { "WARN" } else { "DEBUG" }, "{}", failed.line);
    }
    assert!(tries.number("retry_in_ms") <= 30_000);
    assert_eq!(back.number("failures"), failed.len() as u64);
    let away = back.at.duration_since(failed[0].at);
    let told = Duration::from_millis(back.number("outage_ms"));
    // Our log is read a little later.
    assert!(told.abs_diff(away) < Duration::from_secs(20), "{told:?} against {away:?}");
    // The new server does not know the old session: one refusal, one login.
    assert_eq!(ended.all("session renewed").len(), 1);
    assert_eq!(sim.counts().logins, 1);
}

#[test]
fn a_retry_after_is_the_least_that_is_waited() {
    let sim = Sim::start(repositories(&[(1, 500)]));
    sim.fault("search", "e429", 2, 1);
    let daemon = Daemon::run(&Setup::new(sim.url()));
    let pass = daemon.wait_for_pass(1, 1);
    assert!(pass.truth("certified"), "{}", pass.line);
    let ended = daemon.stop();
    let failed = ended.all("request failed")[0];
    // One second or two; as a date, of which a part of a second has gone by.
    let asked = failed.number("retry_in_ms");
    assert!((800..=4000).contains(&asked), "{}", failed.line);
    let back = ended.all("reconnected")[0];
    assert!(back.number("outage_ms") >= asked, "{} after {}", back.line, failed.line);
}

#[test]
fn what_is_no_answer_at_all_is_told_by_its_kind() {
    let port = sim::free_port();
    let deaf = Deaf::start();
    let cases = [
        (format!("http://127.0.0.1:{port}"), ""),
        (deaf.url(), "time"),
        (Parrot::start(b"").url(), ""),
        (Parrot::start(b"SSH-2.0-OpenSSH_9.7\r\n").url(), "HTTP"),
        (Parrot::start(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}").url(), ""),
        (Parrot::start(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").url(), ""),
        (Parrot::start(b"HTTP/1.1 204 No Content\r\n\r\n").url(), ""),
        (Parrot::start(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").url(), "404"),
        (Parrot::start(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull").url(), ""),
    ];
    for_each(&cases, |(url, word)| {
        let daemon = Daemon::run(&impatient(url.clone()));
        let failed = daemon.wait_for(|it| it.is("request failed") && it.number("attempt") == 2);
        assert_eq!(failed.level(), "WARN", "{}", failed.line);
        let error = failed.text("error");
        assert!(error.contains(word), "{word}: {}", failed.line);
        let ended = daemon.stop();
        assert!(ended.all("signed in").is_empty());
    });
}

#[test]
fn many_faults_at_once_lose_no_item_and_cost_a_pass_no_more_than_its_certificate() {
    let odds = ["refuse", "drop", "truncate", "garbage", "e500", "e502", "short"];
    let faults = odds.iter().map(|name| (name.parse().unwrap(), 0.03)).collect();
    let sim = Sim::start(Options {
        session_ttl: Duration::from_secs(2),
        rest_token_ttl: Duration::from_millis(400),
        refusal: None,
        faults,
        ..repositories(&[(1, 600), (2, 600)])
    });
    let mut setup = impatient(sim.url());
    setup.paging = setup.paging.replace("'1h'", "'1ms'");
    setup.repositories = vec!["id = 1".to_owned(), "id = 2\nin_flight = 4".to_owned()];
    let daemon = Daemon::run(&setup);
    for repository in [1, 2] {
        daemon.wait_for(|it| {
            let is_late = it.is_of("pass complete", repository) && it.number("iteration") >= 6;
            is_late && it.truth("certified")
        });
    }
    let ended = daemon.stop();
    for pass in ended.all("pass complete") {
        let missing = ["deleted", "suspects", "held"].map(|name| pass.number(name));
        assert_eq!(missing, [0, 0, 0], "{}", pass.line);
        if pass.truth("certified") {
            assert_eq!(pass.number("items"), 600, "{}", pass.line);
        } else {
            // By chance one window fails so often while the top of the list is answered.
            let reason = pass.text("reason");
            let is_window =
                reason.starts_with("positions ") && reason.contains("could not be read");
            assert!(is_window, "{}", pass.line);
        }
    }
    assert!(ended.all("panic").is_empty() && ended.all("task failed").is_empty());
}
