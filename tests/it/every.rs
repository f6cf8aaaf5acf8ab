//! `id = "all"`: every repository that the server offers to this login, but for those listed by themselves.

use std::collections::BTreeSet;

use ewmirror::simulator::{Options, SimulatedEndpoint};
use serde_json::json;

use crate::support::{Daemon, Event, Kept, Setup, Sim, repositories};

const ALL: &str = "id = 'all'";

/// A mirror of every repository, of which the list is asked for again and again.
fn setup(kept: &Kept, more: &[&str]) -> Setup {
    let repositories = [ALL].iter().chain(more).map(|it| (*it).to_owned()).collect();
    let model = "refresh_interval = '1s'".to_owned();
    Setup { repositories, model, ..kept.setup() }
}

fn is_taken(event: &Event, repository: u64) -> bool {
    event.is_of("repository taken", repository)
}

#[test]
fn repositories_come_and_go_with_the_servers_list_and_the_mirror_of_one_that_is_gone_stays() {
    let options = repositories(&[(1, 20), (2, 20), (3, 20)]);
    let sim = Sim::start(Options { unreadable: BTreeSet::from([3]), ..options });
    let kept = Kept::new(&sim);
    let daemon = Daemon::run(&setup(&kept, &["id = 2\npage_size = 10"]));
    assert_eq!(daemon.wait_for(|it| is_taken(it, 1)).text("name"), "Products 1");
    let pass = daemon.wait_for_pass(1, 1);
    assert_eq!((pass.number("pages"), pass.truth("certified")), (2, true));
    // Read by the keys of its own section.
    assert!(daemon.wait_for_pass(2, 1).number("pages") > 2);
    let left_out = daemon.wait_for(|it| it.is_of("repository not readable", 3));
    assert_eq!(left_out.level(), "WARN");

    sim.door("offer", &json!({"repository": 1, "listed": false}));
    let gone = daemon.wait_for(|it| it.is_of("repository no longer offered", 1));
    assert_eq!(gone.level(), "WARN");
    let mark = daemon.mark();
    sim.door("offer", &json!({"repository": 3, "readable": true}));
    daemon.wait_from(mark, |it| is_taken(it, 3));
    assert!(daemon.wait_for_pass(3, 1).truth("certified"));
    assert_eq!(kept.export(1).len(), 20);

    // A reload changes nothing of what is taken, and what comes back goes on where it was.
    daemon.reload(&setup(&kept, &["id = 2\npage_size = 10"]));
    let mark = daemon.mark();
    sim.door("offer", &json!({"repository": 1, "listed": true}));
    daemon.wait_from(mark, |it| is_taken(it, 1));
    daemon.wait_for_pass(1, 2);
    let ended = daemon.stop();
    assert_eq!(ended.all("repository not readable").len(), 1, "it is told once");
    assert!(ended.events.iter().filter(|it| is_taken(it, 2)).count() == 0);
    assert_eq!(kept.changes(0).len(), 60, "nothing is deleted");
    assert_eq!(sim.counts().logins, 1);
}

#[test]
fn more_than_are_allowed_are_not_taken_and_the_number_is_told() {
    let sim = Sim::start(repositories(&[(1, 20), (2, 20), (3, 20), (4, 20)]));
    let kept = Kept::new(&sim);
    let mut few = setup(&kept, &["id = 4"]);
    few.repositories[0] = format!("{ALL}\nmax_repositories = 2");
    let said = "would take 3 repositories, and max_repositories is 2";
    let daemon = Daemon::run(&few);
    let told = daemon.wait_for(|it| it.is("repositories not taken"));
    assert!(told.text("error").contains(said) && !told.text("remedy").is_empty(), "{told:?}");
    assert!(daemon.wait_for_pass(4, 1).truth("certified"));
    // What is listed by its number is read on.
    let status = kept.status_of_daemon();
    assert_eq!(status["health"], "degraded", "{status}");
    assert!(status["problems"][0]["error"].to_string().contains(said), "{status}");
    daemon.reload(&setup(&kept, &["id = 4"]));
    for id in 1..=3 {
        assert!(daemon.wait_for_pass(id, 1).truth("certified"));
    }
    let ended = daemon.stop();
    assert_eq!(ended.all("repositories not taken").len(), 1, "it is told once");
    for command in [&["once"][..], &["check", "--online"]] {
        let ended = Daemon::start(command, &few).finish();
        assert_eq!(ended.status.code(), Some(1), "{command:?}");
        let last = ended.events.last().map(|event| event.line.clone()).unwrap_or_default();
        assert!(last.contains(said), "{command:?}: {last}");
    }
}

#[test]
fn once_reads_all_that_there_is_and_the_commands_know_of_it() {
    let options = repositories(&[(1, 20), (2, 30), (3, 20)]);
    let sim = Sim::start(Options { unreadable: BTreeSet::from([3]), ..options });
    // The first list does not come.
    sim.fault("repositories", "e503", 0, 1);
    let kept = Kept::new(&sim);
    let setup = setup(&kept, &[]);
    let ended = Daemon::start(&["once"], &setup).finish();
    assert_eq!(ended.status.code(), Some(0), "{:?}", ended.events.last());
    assert_eq!(ended.all("pass complete").len(), 2);
    assert_eq!((kept.export(1).len(), kept.export(2).len()), (20, 30));
    let counts = sim.counts();
    assert_eq!((counts.logins, counts.logouts), (1, 1));

    let lists = || sim.counts().calls[&SimulatedEndpoint::Repositories];
    let before = lists();
    let checked = Daemon::start(&["check", "--online"], &setup).finish();
    let told = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(0), "{told}");
    assert!(told.contains("repository 1: 20 of 20 items read\n"), "{told}");
    assert!(told.contains("repository 3: left out: this user may not read it"), "{told}");
    assert!(told.contains("id = \"all\"\n"), "{told}");
    let listed = Daemon::start(&["repositories"], &setup).finish();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert_eq!(listed.lines().filter(|line| line.ends_with("  mirrored")).count(), 2, "{listed}");
    let doctor = Daemon::start(&["doctor"], &setup).finish();
    assert_eq!(lists(), before + 3, "each command asks for the list once");
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(told.contains("2 repositories are read; repository 3: left out"), "{told}");
    assert!(
        told.lines().any(|line| line.starts_with("ok") && line.contains("repository 2")),
        "{told}"
    );
}

#[test]
fn an_empty_list_changes_nothing_and_a_reload_has_it_asked_for_at_once() {
    let sim = Sim::start(repositories(&[(1, 20), (2, 20), (3, 20)]));
    let kept = Kept::new(&sim);
    let with = |all: &str, more: &[&str], refresh: &str| {
        let mut setup = setup(&kept, more);
        setup.repositories[0] = format!("{ALL}{all}");
        setup.paging = "page_size = 100\npage_interval = '0s'\npass_interval = '100ms'".to_owned();
        setup.model = format!("refresh_interval = '{refresh}'");
        setup
    };
    let daemon = Daemon::run(&with("", &["id = 2"], "1s"));
    for id in [1, 2, 3] {
        daemon.wait_for_pass(id, 1);
    }
    let goes_on = |id: u64| {
        let mark = daemon.mark();
        daemon.wait_from(mark, |it| it.is_of("pass complete", id));
    };
    let empty = json!({"status": 200, "headers": {}, "body": "{\"status\":0,\"data\":[]}"});
    let faults =
        json!([{"endpoint": "repositories", "kind": "canned", "times": 1000, "answer": empty}]);
    sim.door("faults", &faults);
    let told = daemon.wait_for(|it| it.is("repositories not taken"));
    assert!(told.text("error").contains("takes nothing"), "{}", told.line);
    [1, 2, 3].into_iter().for_each(goes_on);
    sim.heal();

    // Of a list that is asked for once an hour a reload waits for nothing.
    let mark = daemon.mark();
    daemon.reload(&with("\nmax_repositories = 2", &[], "1h"));
    let told = daemon.wait_from(mark, |it| it.is("repositories not taken"));
    assert!(told.text("error").contains("would take 3"), "{}", told.line);
    [1, 2, 3].into_iter().for_each(goes_on);
    sim.door("offer", &json!({"repository": 3, "readable": false}));
    let mark = daemon.mark();
    daemon.reload(&with("\nmax_repositories = 3", &[], "1h"));
    daemon.wait_from(mark, |it| it.is_of("repository not readable", 3));
    [1, 2].into_iter().for_each(goes_on);
    let ended = daemon.stop();
    assert_eq!(ended.all("repository no longer offered").len(), 1, "the one that may not be read");
    assert_eq!(kept.changes(0).len(), 60, "nothing is deleted");
}
