//! `once`: one pass over each repository, or a reason why not.

use std::time::{Duration, Instant};

use ewmirror::simulator::Options;

use crate::support::servers::Deaf;
use crate::support::{DEADLINE, Daemon, Setup, Sim, for_each, repositories, sim, stop_within};

#[test]
fn once_makes_one_pass_over_each_repository_and_signs_out() {
    let sim = Sim::start(repositories(&[(1, 500), (2, 50)]));
    let repositories = vec!["id = 1\nin_flight = 4".to_owned(), "id = 2".to_owned()];
    let setup = Setup { repositories, ..Setup::new(sim.url()) };
    let ended = Daemon::start(&["once"], &setup).finish();
    assert_eq!(ended.status.code(), Some(0));
    let passes = ended.all("pass complete");
    assert_eq!(passes.len(), 2);
    assert!(passes.iter().all(|it| it.truth("certified") && it.number("iteration") == 1));
    assert_eq!(ended.stdout, b"");
    let counts = sim.counts();
    assert_eq!((counts.logins, counts.logouts), (1, 1));
}

#[test]
fn once_outlives_faults_and_refusals() {
    let sim = Sim::start(repositories(&[(1, 1000)]));
    sim.fault("login", "e500", 0, 1);
    for fault in ["refuse-html", "e502", "garbage", "drop"] {
        sim.fault("search", fault, 2, 1);
    }
    let ended = Daemon::start(&["once"], &Setup::new(sim.url())).finish();
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.all("pass complete")[0].truth("certified"));
}

#[test]
fn once_gives_up_when_patience_runs_out() {
    let port = sim::free_port();
    let deaf = Deaf::start();
    for_each(&[format!("http://127.0.0.1:{port}"), deaf.url()], |url| {
        let begun = Instant::now();
        let setup = Setup::new(url.clone());
        let ended = Daemon::start(&["once", "--patience", "2s"], &setup).finish();
        let took = begun.elapsed();
        assert_eq!(ended.status.code(), Some(1), "{url}");
        assert!(took >= Duration::from_secs(2), "{url}: {took:?}");
        assert!(took < DEADLINE, "{url}: {took:?}");
        let last = &ended.events.last().unwrap().line;
        assert!(last.contains("no page came for 2 s: "), "{last}");
        let server = url.trim_start_matches("http://");
        // One that takes its time has not failed yet.
        assert!(last.contains(server) || last.contains("repository 1 was not read"), "{last}");
    });
}

#[test]
fn once_gives_up_on_a_repository_that_is_always_refused() {
    let sim = Sim::start(repositories(&[(1, 50)]));
    let setup = Setup {
        repositories: vec!["id = 1".to_owned(), "id = 404".to_owned()],
        // The session stands all the time, which is no success.
        session: "reauth_interval = '500ms'\nmax_age = '1s'".to_owned(),
        ..Setup::new(sim.url())
    };
    let begun = Instant::now();
    let ended = Daemon::start(&["once", "--patience", "3s"], &setup).finish();
    let took = begun.elapsed();
    assert_eq!(ended.status.code(), Some(1));
    assert!(took < DEADLINE, "{took:?}");
    assert_eq!(ended.all("pass complete").len(), 1, "the other one was read");
    let last = &ended.events.last().unwrap().line;
    assert!(last.contains("repository 404: search ") && !last.contains("repository 1:"), "{last}");
}

#[test]
fn once_does_not_take_its_own_pace_for_a_server_that_is_away() {
    let sim = Sim::start(repositories(&[(1, 150)]));
    let mut setup = Setup::new(sim.url());
    setup.paging = "page_size = 100\npage_interval = '3s'\npass_interval = '1h'".to_owned();
    let ended = Daemon::start(&["once", "--patience", "1s"], &setup).finish();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.events.last().unwrap().line);
    assert_eq!(ended.all("pass complete").len(), 1);
}

#[test]
fn once_told_to_stop_ends_in_order_and_has_failed() {
    let options = repositories(&[(1, 10_000)]);
    let sim = Sim::start(Options { latency: Duration::from_millis(50), ..options });
    let daemon = Daemon::start(&["once"], &Setup::new(sim.url()));
    daemon.wait_for(|it| it.is("page read"));
    let (ended, took) = daemon.stop_with("TERM");
    assert_eq!(ended.status.code(), Some(1));
    assert!(took < stop_within(), "{took:?}");
    let last = &ended.events.last().unwrap().line;
    assert!(last.contains("told to stop"), "{last}");
    assert_eq!(sim.counts().logouts, 1);
}
