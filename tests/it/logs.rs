//! The log: names and types of its fields, its pace, and what is never in it.

use std::time::Duration;

use ewmirror::simulator::Options;
use serde_json::Value;

use crate::support::servers::Wiretap;
use crate::support::{Daemon, Event, Setup, Sim, for_each, repositories, stop_within};

/// What every line begins with.
const HEAD: [&str; 3] = ["timestamp", "level", "message"];

/// Whether an event has exactly these fields, all of them whole numbers.
fn assert_numbers(event: &Event, names: &[&str]) {
    let expected: Vec<_> = HEAD.iter().chain(names).copied().collect();
    assert_eq!(event.names(), expected, "{}", event.line);
    for name in names {
        assert!(event.field(name).is_some_and(Value::is_u64), "{name} in {}", event.line);
    }
}

#[test]
fn pages_and_passes_have_the_fields_of_the_contract() {
    let sim = Sim::start(repositories(&[(1, 300), (2, 300)]));
    let mut setup = Setup::new(sim.url());
    setup.repositories = vec!["id = 1".to_owned(), "id = 2\noverlap = false".to_owned()];
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    daemon.wait_for_pass(2, 1);
    let ended = daemon.stop();
    let page = ["repository", "iteration", "page", "items", "total", "elapsed_ms", "uptime_ms"];
    for event in ended.all("page read") {
        assert_numbers(event, &page);
        assert_eq!(event.number("total"), 300);
    }
    let pages =
        ["repository", "iteration", "page", "pages", "items", "total", "elapsed_ms", "uptime_ms"];
    assert!(!ended.all("pages read").is_empty());
    for event in ended.all("pages read") {
        assert_numbers(event, &pages);
        assert_eq!(event.level(), "INFO");
    }
    for pass in ended.all("pass complete") {
        let mut names = vec![
            "timestamp",
            "level",
            "message",
            "repository",
            "iteration",
            "pages",
            "requests",
            "items",
            "created",
            "updated",
            "deleted",
            "unchanged",
            "suspects",
            "held",
            "elapsed_ms",
            "certified",
        ];
        if pass.number("repository") == 2 {
            names.push("reason");
        }
        assert_eq!(pass.names(), names, "{}", pass.line);
        assert_eq!(pass.level(), "INFO");
        assert_eq!(pass.truth("certified"), pass.number("repository") == 1);
    }
    assert_numbers(ended.all("signed in")[0], &["generation", "elapsed_ms"]);
    assert_numbers(ended.all("signed out")[0], &["generation"]);
    assert_numbers(ended.all("stopped")[0], &["uptime_ms"]);
    // One JSON object a line, and nothing else; nothing on stdout.
    for event in &ended.events {
        assert_eq!(event.names()[..3], HEAD, "{}", event.line);
    }
    assert_eq!(ended.stdout, b"");
}

#[test]
fn states_and_failures_have_the_fields_of_the_contract() {
    let sim = Sim::start(Options {
        rest_token_ttl: Duration::from_millis(100),
        ..repositories(&[(1, 500)])
    });
    sim.fault("search", "e500", 2, 1);
    sim.fault("search", "refuse-401", 2, 1);
    let mut setup = Setup::new(sim.url());
    setup.paging = setup.paging.replace("'1h'", "'1ms'");
    let daemon = Daemon::run(&setup);
    daemon.wait_for(|it| it.is("request refused"));
    sim.door("end-sessions", &serde_json::json!({}));
    daemon.wait_for(|it| it.is("session renewed"));
    daemon.wait_for(|it| it.is("REST token renewed"));
    let ended = daemon.stop();
    assert_numbers(ended.all("REST token renewed")[0], &["repository", "generation"]);
    let reconnected = ended.all("reconnected")[0];
    let names = ["repository", "endpoint", "outage_ms", "failures"];
    assert_eq!(reconnected.names()[3..], names, "{}", reconnected.line);
    let renewed = ended.all("session renewed")[0];
    assert_eq!(renewed.names()[3..], ["generation", "reason", "elapsed_ms"], "{}", renewed.line);
    let failed = ended.all("request failed")[0];
    let names = ["repository", "endpoint", "attempt", "retry_in_ms", "error", "answer"];
    assert_eq!(failed.names()[3..9], names, "{}", failed.line);
    assert!(failed.text("error").contains("500"), "{}", failed.line);
    // A refusal is part of the daily round: nothing to worry an operator with.
    assert_eq!(ended.all("request refused")[0].level(), "DEBUG");
}

#[test]
fn fast_paging_is_one_line_a_second_with_sums_that_leave_nothing_out() {
    let sim = Sim::start(Options {
        latency: Duration::from_millis(8),
        ..repositories(&[(1, 100_000), (2, 100_000)])
    });
    let mut setup = Setup { log: "level = 'info'".to_owned(), ..Setup::new(sim.url()) };
    setup.paging = "page_size = 20\npage_interval = '0s'\npass_interval = '1h'".to_owned();
    setup.repositories = vec!["id = 1".to_owned(), "id = 2".to_owned()];
    let daemon = Daemon::run(&setup);
    for repository in [1, 2] {
        daemon.wait_for(|it| it.is_of("pages read", repository) && it.number("uptime_ms") > 4000);
    }
    let ended = daemon.stop();
    let (mut pages, mut items) = (0, 0);
    for repository in [1, 2] {
        let lines: Vec<_> = ended
            .events
            .iter()
            .filter(|it| it.is_of("page read", repository) || it.is_of("pages read", repository))
            .collect();
        let mut last = 0;
        for line in &lines {
            let these = if line.is("page read") { 1 } else { line.number("pages") };
            assert_eq!(line.number("page"), last + these, "{}", line.line);
            last = line.number("page");
            pages += these;
            items += line.number("items");
        }
        // The last one comes whenever the end comes.
        for pair in lines[..lines.len() - 1].windows(2) {
            let apart = pair[1].number("uptime_ms") - pair[0].number("uptime_ms");
            assert!(apart >= 990, "{apart} ms before {}", pair[1].line);
        }
    }
    let counts = sim.counts();
    assert_eq!((pages, items), (counts.pages, counts.items));
    assert!(pages > 20, "{pages} pages are not fast");
}

#[test]
fn pages_at_a_human_pace_are_told_one_by_one() {
    let sim = Sim::start(repositories(&[(1, 300)]));
    let mut setup = Setup { log: "level = 'info'".to_owned(), ..Setup::new(sim.url()) };
    // An answer may be late by as much as they are further apart than a second.
    setup.paging = "page_size = 100\npage_interval = '4s'\npass_interval = '1h'".to_owned();
    let daemon = Daemon::run(&setup);
    let pass = daemon.wait_for_pass(1, 1);
    let ended = daemon.stop();
    assert!(ended.all("pages read").is_empty());
    assert_eq!(ended.all("page read").len() as u64, pass.number("pages"));
    assert!(ended.all("page read").iter().all(|it| it.level() == "INFO"));
}

#[test]
fn no_secret_is_ever_logged_whatever_happens() {
    const PASSWORD: &str = "Canary-7f3a.pa55word";
    let ways = [
        ("", "transport = 'headers'"),
        ("", "transport = 'cookies'"),
        ("method = 'oauth'\nclient_id = 'canary-client'", ""),
    ];
    for_each(&ways, |(login, session)| {
        let names = ["refuse", "drop", "slow", "truncate", "garbage", "e500", "e502", "short"];
        let sim = Sim::start(Options {
            session_ttl: Duration::from_secs(2),
            rest_token_ttl: Duration::from_millis(100),
            refusal: None,
            slow: Duration::from_millis(700),
            faults: names.iter().map(|name| (name.parse().unwrap(), 0.02)).collect(),
            password: PASSWORD.to_owned(),
            ..repositories(&[(1, 500)])
        });
        sim.fault("login", "refuse-success", 1, 1);
        sim.fault("token", "refuse-401", 1, 1);
        let tap = Wiretap::start(sim.address());
        let mut setup = Setup::new(tap.url());
        setup.server = "request_timeout = '500ms'".to_owned();
        setup.login = format!("username = 'system'\n{login}");
        setup.session = format!("reauth_interval = '200ms'\n{session}");
        setup.paging = setup.paging.replace("'1h'", "'1ms'");
        setup.paging += "\nin_flight = 2";
        setup.log = "level = 'trace'".to_owned();
        let daemon = Daemon::start_with(&["run"], &setup, |command| {
            command.env("EWMIRROR_LOGIN__PASSWORD", PASSWORD);
            command.env("EWMIRROR_LOGIN__CLIENT_SECRET", "Canary-client-5ecret");
            command.env("RUST_LOG", "trace");
        });
        daemon.wait_for(|it| it.is("session renewed") && it.number("generation") >= 2);
        daemon.wait_for(|it| it.is("request failed") && it.level() == "ERROR");
        daemon.wait_for(|it| it.is("pass complete"));
        let mark = daemon.mark();
        daemon.wait_from(mark + 60, |it| it.is("request failed"));
        let ended = daemon.stop();
        let tokens = tap.tokens();
        assert!(tokens.len() >= 3, "the proxy learnt {} tokens only", tokens.len());
        let secrets: Vec<&str> =
            tokens.iter().map(String::as_str).chain([PASSWORD, "Canary-client-5ecret"]).collect();
        for event in &ended.events {
            for secret in &secrets {
                let held = event.line.contains(secret);
                assert!(!held, "the log holds the secret {secret}: {}", event.line);
            }
        }
    });
}

#[test]
fn text_to_a_pipe_has_no_colour_and_stdout_stays_empty() {
    let sim = Sim::start(repositories(&[(1, 50)]));
    let setup = Setup { log: "format = 'text'".to_owned(), ..Setup::new(sim.url()) };
    let daemon = Daemon::run(&setup);
    let pass = daemon.wait_for(|it| it.line.contains("pass complete"));
    assert!(pass.line.contains(" INFO "), "{}", pass.line);
    assert!(pass.line.contains("repository=1") && pass.line.contains("certified=true"));
    let ended = daemon.stop();
    assert!(ended.events.iter().all(|it| !it.line.contains('\u{1b}')));
    assert_eq!(ended.stdout, b"");
}

#[test]
fn the_journal_is_not_taken_for_stderr_where_it_is_not() {
    let sim = Sim::start(repositories(&[(1, 50)]));
    // Inherited from a service that started us with another stderr.
    let daemon = Daemon::start_with(&["run"], &Setup::new(sim.url()), |command| {
        command.env("JOURNAL_STREAM", "8:12345");
    });
    daemon.wait_for_pass(1, 1);
    daemon.stop();
}

#[test]
fn a_log_that_nobody_reads_any_more_stops_nothing() {
    let sim = Sim::start(repositories(&[(1, 500)]));
    let mut setup = Setup::new(sim.url());
    setup.paging = setup.paging.replace("'1h'", "'1ms'");
    let (reader, writer) = std::io::pipe().unwrap();
    let daemon = Daemon::start_with(&["run"], &setup, |command| {
        command.stderr(writer);
    });
    drop(reader);
    sim.wait_until(|counts| counts.pages > 100);
    sim.door("end-sessions", &serde_json::json!({}));
    sim.wait_until(|counts| counts.logins == 2);
    let (ended, took) = daemon.stop_with("TERM");
    assert_eq!(ended.status.code(), Some(0));
    assert!(took < stop_within(), "{took:?}");
    assert_eq!(sim.counts().logouts, 1);
}

#[test]
fn a_log_that_is_off_is_empty() {
    let sim = Sim::start(repositories(&[(1, 50)]));
    let setup = Setup { log: "level = 'off'".to_owned(), ..Setup::new(sim.url()) };
    let daemon = Daemon::run(&setup);
    sim.wait_until(|counts| counts.pages > 0);
    let ended = daemon.stop();
    assert_eq!(ended.events.len(), 0, "{:?}", ended.events);
}
