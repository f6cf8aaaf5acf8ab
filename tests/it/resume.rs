//! A pass that is interrupted goes on where it was, under the same number.

use std::time::Duration;

use ewmirror::simulator::Options;

use crate::support::oracle::{self, Fold};
use crate::support::{Daemon, Kept, Sim, for_each, repositories};

/// What an undisturbed pass over so many items takes is measured, not assumed.
const ITEMS: usize = 2000;
/// Requests that a pass may take more than an undisturbed one: those under way at the end, and the
/// overlap that is planned anew.
const MORE: u64 = 3;

fn slow_server() -> Sim {
    let options = repositories(&[(1, ITEMS)]);
    Sim::start(Options { latency: Duration::from_millis(15), ..options })
}

#[test]
fn an_interrupted_pass_goes_on_where_it_was_under_the_same_iteration() {
    for_each(&["TERM", "KILL"], |signal| {
        let sim = slow_server();
        let whole = Kept::new(&sim);
        let daemon = Daemon::run(&whole.setup());
        let undisturbed = daemon.wait_for_pass(1, 1).number("requests");
        daemon.stop();

        let kept = Kept::new(&sim);
        let before = sim.counts().searches;
        let daemon = Daemon::run(&kept.setup());
        daemon.wait_for(|it| it.is_of("page read", 1) && it.number("page") == 8);
        let (ended, _) = daemon.stop_with(signal);
        let read = ended.all("page read").len() as u64;

        let daemon = Daemon::run(&kept.setup());
        let pass = daemon.wait_for_pass(1, 1);
        assert!(pass.truth("certified"), "{signal}: {}", pass.line);
        assert_eq!(pass.number("items"), ITEMS as u64, "{signal}");
        assert_eq!(
            pass.number("created"),
            ITEMS as u64,
            "{signal}: of the pass, not of the process"
        );
        let ended = daemon.stop();
        let resumed = ended.all("pass resumed");
        assert_eq!(resumed.len(), 1, "{signal}");
        assert_eq!(resumed[0].number("iteration"), 1);
        let pages = resumed[0].number("pages");
        // A page is written before or after it is told of; the kill came between two of them.
        assert!(pages.abs_diff(read) <= 1, "{signal}: {pages} pages resumed, {read} read");
        let first = ended.all("page read")[0].number("page");
        assert_eq!(first, pages + 1, "{signal}");
        let asked = sim.counts().searches - before;
        assert!(asked <= undisturbed + MORE, "{signal}: {asked} requests, not {undisturbed}");
        Fold::default().check(&kept, &[1]);
        oracle::equals_server(&kept, &sim, 1);
    });
}

#[test]
fn the_next_start_after_a_whole_pass_begins_the_next_one() {
    let sim = Sim::start(repositories(&[(1, 300)]));
    let kept = Kept::new(&sim);
    for iteration in 1..=3 {
        let ended = Daemon::start(&["once"], &kept.setup()).finish();
        assert!(ended.status.success(), "{:?}", ended.events.last());
        let passes = ended.all("pass complete");
        assert_eq!(passes.len(), 1);
        assert_eq!(passes[0].number("iteration"), iteration);
        let created = if iteration == 1 { 300 } else { 0 };
        assert_eq!(passes[0].number("created"), created);
        assert_eq!(passes[0].number("unchanged"), 300 - created);
        assert!(ended.all("pass resumed").is_empty());
    }
    let mut fold = Fold::default();
    fold.check(&kept, &[1]);
    assert_eq!((fold.told.len(), fold.count("r")), (300, 300), "unchanged passes tell of nothing");
}

#[test]
fn a_pass_resumed_too_late_starts_over() {
    let sim = slow_server();
    let kept = Kept::new(&sim);
    let mut setup = kept.setup();
    let daemon = Daemon::run(&setup);
    daemon.wait_for(|it| it.is_of("page read", 1) && it.number("page") == 5);
    daemon.stop();

    setup.paging += "\nresume_within = '1ms'";
    let daemon = Daemon::run(&setup);
    let pass = daemon.wait_for_pass(1, 1);
    assert!(pass.truth("certified"), "{}", pass.line);
    assert_eq!(pass.number("items"), ITEMS as u64);
    let ended = daemon.stop();
    assert!(ended.all("pass resumed").is_empty());
    assert_eq!(ended.all("page read")[0].number("page"), 1);
    Fold::default().check(&kept, &[1]);
    oracle::equals_server(&kept, &sim, 1);
}

#[test]
fn a_pass_of_another_list_is_not_taken_up() {
    let sim = slow_server();
    let kept = Kept::new(&sim);
    let mut setup = kept.setup();
    let daemon = Daemon::run(&setup);
    daemon.wait_for(|it| it.is_of("page read", 1) && it.number("page") == 5);
    daemon.stop();

    setup.repositories = vec!["id = 1\nsearch = { savedSetId = 7 }".to_owned()];
    let daemon = Daemon::run(&setup);
    daemon.wait_for(|it| it.is_of("page read", 1) && it.number("page") == 1);
    let ended = daemon.stop();
    assert!(ended.all("pass resumed").is_empty());
}
