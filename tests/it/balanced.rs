//! What stands before real servers: nodes that share no sessions, connections that were closed while
//! idle, redirects within the server and out of it.

use std::num::NonZeroU32;
use std::time::Duration;

use ewmirror::simulator::{Options, SelfRedirect};
use serde_json::json;

use crate::support::{Daemon, Event, Setup, Sim, for_each, repositories};

/// Passes follow each other without rest, and the session is asked about all the time.
fn restless(sim: &Sim, transport: &str) -> Setup {
    let mut setup = Setup::new(sim.url());
    setup.paging = setup.paging.replace("'1h'", "'1ms'");
    setup.session = format!("transport = '{transport}'\nreauth_interval = '50ms'");
    setup
}

/// Whether an event tells any of these.
fn told(event: &Event, words: &[&str]) -> bool {
    words.iter().any(|word| event.line.contains(word))
}

#[test]
fn nodes_that_share_no_sessions_cost_no_login_and_no_pass() {
    for_each(&["headers", "cookies"], |transport| {
        let sim = Sim::start(Options {
            nodes: NonZeroU32::new(3),
            rest_token_ttl: Duration::from_millis(300),
            ..repositories(&[(1, 700), (2, 300)])
        });
        let mut setup = restless(&sim, transport);
        setup.repositories = vec!["id = 1\nin_flight = 4".to_owned(), "id = 2".to_owned()];
        let daemon = Daemon::run(&setup);
        daemon.wait_for_pass(1, 3);
        daemon.wait_for_pass(2, 3);
        // The next session lives at whichever node its login comes to, with that node's cookies.
        sim.door("end-sessions", &json!({}));
        let renewed = daemon.wait_for(|it| it.is("session renewed"));
        daemon.wait_from(renewed.index, |it| it.is_of("pass complete", 1));
        let ended = daemon.stop();
        for pass in ended.all("pass complete") {
            assert!(pass.truth("certified"), "{}", pass.line);
        }
        assert_eq!(ended.all("signed out").len(), 1, "{transport}: the session leaked");
        let counts = sim.counts();
        assert_eq!((counts.logins, counts.logouts, counts.astray), (2, 1, 0), "{transport}");
        assert!(counts.reauths > 0);
        // Neither a name nor a value of a cookie is told.
        let leak = ended.events.iter().find(|it| told(it, &["container.n", "AWSALB"]));
        assert!(leak.is_none(), "{leak:?}");
    });
}

#[test]
fn connections_that_the_server_closed_while_idle_are_no_failures() {
    let sim = Sim::start(Options {
        requests_per_connection: NonZeroU32::new(2),
        ..repositories(&[(1, 700), (2, 300)])
    });
    let mut setup = restless(&sim, "headers");
    setup.repositories = vec!["id = 1\nin_flight = 4".to_owned(), "id = 2".to_owned()];
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 3);
    daemon.wait_for_pass(2, 3);
    let ended = daemon.stop();
    for pass in ended.all("pass complete") {
        assert!(pass.truth("certified"), "{}", pass.line);
    }
    let failed = ended.all("request failed");
    assert!(failed.is_empty(), "{}", failed[0].line);
    let counts = sim.counts();
    assert_eq!((counts.logins, counts.logouts), (1, 1));
    assert!(
        counts.closed_idle >= 10,
        "{} connections: the test proves nothing",
        counts.closed_idle
    );
}

#[test]
fn redirects_within_the_server_cost_neither_a_login_nor_a_failure() {
    let kinds = [SelfRedirect::Slash, SelfRedirect::SessionInPath, SelfRedirect::Moved];
    for_each(&kinds, |kind| {
        let sim = Sim::start(Options { redirect: Some(*kind), ..repositories(&[(1, 300)]) });
        let daemon = Daemon::run(&restless(&sim, "headers"));
        let pass = daemon.wait_for_pass(1, 2);
        assert!(pass.truth("certified"), "{kind:?}: {}", pass.line);
        let ended = daemon.stop();
        assert!(ended.all("request failed").is_empty(), "{kind:?}");
        assert!(ended.all("request refused").is_empty(), "{kind:?}");
        let counts = sim.counts();
        assert_eq!((counts.logins, counts.logouts), (1, 1), "{kind:?}");
        assert!(counts.redirected > 0, "{kind:?}: the test proves nothing");
    });
}

#[test]
fn a_redirect_out_of_the_server_costs_no_login_while_the_session_stands() {
    let sim = Sim::start(repositories(&[(1, 500)]));
    let location = "https://elsewhere.invalid:8443/maintenance;t=1F?next=secret";
    let away = json!({"status": 302, "headers": {"location": location}, "body": ""});
    let fault =
        json!([{"endpoint": "search", "kind": "canned", "answer": away, "after": 2, "times": 5}]);
    sim.door("faults", &fault);
    let daemon = Daemon::run(&Setup::new(sim.url()));
    let pass = daemon.wait_for_pass(1, 1);
    assert!(pass.truth("certified"), "{}", pass.line);
    let ended = daemon.stop();
    let counts = sim.counts();
    assert_eq!(counts.logins, 1);
    assert!(counts.reauths > 0, "the session was not asked about");
    let failed = ended.all("request failed");
    let error = failed[0].text("error");
    assert!(error.contains("https://elsewhere.invalid:8443/maintenance"), "{error}");
    assert!(failed[0].text("remedy").contains("server.url"), "{}", failed[0].line);
    let leak = ended.events.iter().find(|it| told(it, &["next=secret", "t=1F"]));
    assert!(leak.is_none(), "{leak:?}");
}

#[test]
fn a_redirect_out_of_the_server_when_the_session_has_ended_is_found_out_by_asking() {
    let sim = Sim::start(repositories(&[(1, 500)]));
    let away = json!({"status": 302, "headers": {"location": "https://sso.invalid/"}, "body": ""});
    let fault = json!([
        {"endpoint": "search", "kind": "canned", "answer": away, "after": 2, "times": 1},
        {"endpoint": "reauth", "kind": "refuse-success", "times": 1},
    ]);
    sim.door("faults", &fault);
    let daemon = Daemon::run(&Setup::new(sim.url()));
    daemon.wait_for(|it| it.is("session renewed"));
    let pass = daemon.wait_for_pass(1, 1);
    assert!(pass.truth("certified"), "{}", pass.line);
    daemon.stop();
    assert_eq!(sim.counts().logins, 2);
}
