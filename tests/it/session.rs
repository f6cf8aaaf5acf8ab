//! The session: sessions and REST tokens that end while pages are read as fast as they come.

use std::time::Duration;

use ewmirror::simulator::{LoginAnswer, Options, SimulatedRefusal, StaleRestToken};
use serde_json::json;

use crate::support::{Daemon, Ended, Setup, Sim, for_each, repositories};

/// Passes follow each other without rest.
fn restless(sim: &Sim) -> Setup {
    let mut setup = Setup::new(sim.url());
    setup.paging = setup.paging.replace("'1h'", "'1ms'");
    setup
}

/// No page was lost, nothing failed, and every pass of a quiet list proves itself.
fn assert_nothing_lost(ended: &Ended, items: u64) {
    let passes = ended.all("pass complete");
    assert!(!passes.is_empty());
    for (index, pass) in passes.iter().enumerate() {
        assert!(pass.truth("certified"), "{}", pass.line);
        assert_eq!(pass.number("items"), items, "{}", pass.line);
        assert_eq!(pass.number("iteration"), index as u64 + 1);
    }
    let failed = ended.all("request failed");
    assert!(failed.is_empty(), "{}", failed[0].line);
    assert_eq!(ended.all("signed in").len(), 1);
}

#[test]
fn sessions_and_rest_tokens_that_end_within_a_second_cost_no_page() {
    for_each(&[StaleRestToken::Refuse, StaleRestToken::Renew], |stale| {
        let sim = Sim::start(Options {
            session_ttl: Duration::from_millis(1500),
            rest_token_ttl: Duration::from_millis(300),
            stale_rest_token: *stale,
            refusal: None,
            ..repositories(&[(1, 700)])
        });
        let daemon = Daemon::run(&restless(&sim));
        daemon.wait_for(|it| it.is("session renewed") && it.number("generation") == 4);
        let ended = daemon.stop();
        assert_nothing_lost(&ended, 700);
        let renewed = ended.all("session renewed");
        assert!(renewed.iter().all(|it| it.text("reason") == "refused"), "{}", renewed[0].line);
        let generations: Vec<_> = renewed.iter().map(|it| it.number("generation")).collect();
        assert_eq!(generations, (2..2 + generations.len() as u64).collect::<Vec<_>>());
        assert!(ended.all("REST token renewed").len() >= 4);
        let counts = sim.counts();
        assert_eq!(counts.logins, 1 + generations.len() as u64);
        assert_eq!(counts.rest_tokens_renewed, ended.all("REST token renewed").len() as u64);
        // One refusal for each session that ended, and none for REST tokens: each new one is used.
        assert_eq!(counts.refusals, generations.len() as u64);
    });
}

#[test]
fn pages_side_by_side_survive_tokens_that_end_within_a_second() {
    let sim = Sim::start(Options {
        session_ttl: Duration::from_millis(1500),
        rest_token_ttl: Duration::from_millis(300),
        latency: Duration::from_millis(5),
        ..repositories(&[(1, 700), (2, 700)])
    });
    let setup = Setup {
        repositories: vec!["id = 1\nin_flight = 8".to_owned(), "id = 2\nin_flight = 3".to_owned()],
        ..restless(&sim)
    };
    let daemon = Daemon::run(&setup);
    daemon.wait_for(|it| it.is("session renewed") && it.number("generation") == 4);
    let ended = daemon.stop();
    for pass in ended.all("pass complete") {
        assert!(pass.truth("certified"), "{}", pass.line);
        assert_eq!(pass.number("items"), 700);
    }
    let renewals = ended.all("session renewed").len() as u64;
    assert_eq!(sim.counts().logins, 1 + renewals);
    // A session lives for a second and a half: two logins for one end would show as more than one
    // a second.
    let uptime = ended.all("stopped")[0].number("uptime_ms");
    assert!(renewals <= uptime / 1500 + 1, "{renewals} renewals in {uptime} ms");
}

#[test]
fn a_session_is_renewed_ahead_of_its_end_so_that_nothing_is_ever_refused() {
    let sim =
        Sim::start(Options { session_ttl: Duration::from_secs(20), ..repositories(&[(1, 300)]) });
    let setup = Setup { session: "max_age = '700ms'".to_owned(), ..restless(&sim) };
    let daemon = Daemon::run(&setup);
    daemon.wait_for(|it| it.is("session renewed") && it.number("generation") == 4);
    let ended = daemon.stop();
    assert_nothing_lost(&ended, 300);
    for renewed in ended.all("session renewed") {
        assert_eq!(renewed.text("reason"), "expiring");
    }
    assert_eq!(sim.counts().refusals, 0);
}

#[test]
fn a_session_that_ends_while_nothing_is_read_is_found_out_by_asking() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let setup = Setup { session: "reauth_interval = '200ms'".to_owned(), ..Setup::new(sim.url()) };
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    sim.door("end-sessions", &json!({}));
    daemon.wait_for(|it| it.is("session renewed"));
    daemon.stop();
    let counts = sim.counts();
    assert_eq!((counts.logins, counts.refusals), (2, 0));
    assert!(counts.reauths >= 1);
}

#[test]
fn sessions_ended_in_the_middle_of_a_pass_cost_one_login_for_all_repositories() {
    let given: Vec<(u64, usize)> = (1..=4).map(|id| (id, 2000)).collect();
    let sim = Sim::start(Options { latency: Duration::from_millis(40), ..repositories(&given) });
    let setup = Setup {
        repositories: (1..=4).map(|id| format!("id = {id}\nin_flight = 4")).collect(),
        ..Setup::new(sim.url())
    };
    let daemon = Daemon::run(&setup);
    for id in 1..=4 {
        daemon.wait_for(|it| it.is_of("page read", id));
    }
    sim.door("end-sessions", &json!({}));
    for id in 1..=4 {
        let pass = daemon.wait_for_pass(id, 1);
        assert!(pass.truth("certified"), "{}", pass.line);
        assert_eq!(pass.number("items"), 2000);
    }
    let ended = daemon.stop();
    assert_eq!(ended.all("session renewed").len(), 1);
    let counts = sim.counts();
    assert_eq!(counts.logins, 2);
    assert!(counts.refusals >= 2, "several were under way: {counts:?}");
}

#[test]
fn tokens_can_travel_as_cookies_come_as_cookies_alone_or_without_any() {
    let cases = [
        ("headers", LoginAnswer::Cookies),
        ("headers", LoginAnswer::Token),
        ("cookies", LoginAnswer::Both),
        ("cookies", LoginAnswer::Cookies),
        ("cookies", LoginAnswer::Token),
    ];
    for_each(&cases, |(transport, login_answer)| {
        let sim = Sim::start(Options {
            rest_token_ttl: Duration::from_millis(200),
            login_answer: *login_answer,
            ..repositories(&[(1, 700)])
        });
        let setup = Setup { session: format!("transport = '{transport}'"), ..restless(&sim) };
        let daemon = Daemon::run(&setup);
        let renewed = daemon.wait_for(|it| it.is("REST token renewed"));
        let again = daemon.wait_from(renewed.index + 1, |it| it.is("REST token renewed"));
        daemon.wait_from(again.index, |it| it.is("pass complete"));
        let ended = daemon.stop();
        assert_nothing_lost(&ended, 700);
        assert_eq!(ended.all("signed out").len(), 1);
        let counts = sim.counts();
        assert_eq!((counts.logins, counts.logouts, counts.refusals), (1, 1, 0));
    });
}

#[test]
fn the_oauth_call_signs_in_and_a_session_that_ended_is_renewed() {
    let sim = Sim::start(Options {
        session_ttl: Duration::from_millis(800),
        refusal: Some(SimulatedRefusal::Unauthorized),
        ..repositories(&[(1, 700)])
    });
    let setup = Setup {
        login: "username = 'system'\nmethod = 'oauth'\nclient_id = 'ewmirror'".to_owned(),
        ..restless(&sim)
    };
    let daemon = Daemon::run(&setup);
    daemon.wait_for(|it| it.is("session renewed") && it.number("generation") == 3);
    let ended = daemon.stop();
    assert_nothing_lost(&ended, 700);
    // There is no such call: the session ends by itself.
    assert_eq!(ended.all("signed out").len(), 0);
    assert_eq!(sim.counts().logouts, 0);
}
