//! Incremental passes of the real binary against the look-alike: changes come within seconds while a whole
//! pass would take minutes, in each mode and each reading of a condition, and nothing is lost whatever the
//! condition does.

use std::path::Path;
use std::time::{Duration, Instant};

use ewmirror::simulator::{ConditionTreatment, LEFT_OUT, Options, Order, SimulatedCondition};
use serde_json::{Value, json};

use crate::page::{BROWSER, shown_with};
use crate::support::oracle::{self, Fold};
use crate::support::{
    DEADLINE, Daemon, Event, Kept, Setup, Sim, pause, repositories, sim, skipped,
};

/// As many items as take a whole pass minutes at [`SLOW`].
const ITEMS: usize = 8000;

/// One page after the other, and as many of incremental passes between: a pass takes two minutes.
const SLOW: &str = "page_size = 100\npage_interval = '700ms'\npass_interval = '1h'";

/// Pages as fast as the server answers.
const FAST: &str = "page_size = 100\npage_interval = '0s'\npass_interval = '1h'";

/// By RFC 3339, in UTC.
const SINCE: &str = "incremental = { interval = '500ms', mode = 'since', search = { modifiedSince = '{since}' }, \
                     cursor = '/modifiedOn', lookback = '5s' }";

/// In milliseconds since 1970, as a number.
const SINCE_EPOCH: &str = "incremental = { interval = '500ms', mode = 'since', search = { changedAfter = \
                           '{since}' }, cursor = '/modifiedOn', lookback = '5s', since_format = \
                           'epoch_milliseconds' }";

/// As the site writes times, by its own clocks.
const SINCE_LOCAL: &str = "incremental = { interval = '500ms', mode = 'since', search = { lastUpdatedFrom = \
                           '{since}' }, cursor = '/modifiedOn', lookback = '5s', since_format = '%m/%d/%Y \
                           %I:%M:%S %p', since_zone = 'Europe/Zurich' }";

const NEWEST_FIRST: &str = "incremental = { interval = '500ms', mode = 'newest_first' }";

/// What the log says of passes.
const COMPLETE: &str = "incremental pass complete";

fn server(condition: Option<(SimulatedCondition, ConditionTreatment)>, order: Order) -> Options {
    let conditions = condition.into_iter().collect();
    Options { conditions, order, ..repositories(&[(1, ITEMS)]) }
}

fn works(condition: SimulatedCondition) -> Options {
    server(Some((condition, ConditionTreatment::Works)), Order::Id)
}

/// A mirror that has had its first whole pass, and the settings of a daemon with incremental passes and slow
/// whole ones.
fn first_pass(sim: &Sim, incremental: &str) -> (Kept, Setup) {
    let kept = Kept::new(sim);
    let mut setup = kept.setup();
    FAST.clone_into(&mut setup.paging);
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    daemon.stop();
    SLOW.clone_into(&mut setup.paging);
    setup.repositories = vec![format!("id = 1\n{incremental}")];
    (kept, setup)
}

/// A daemon, and what it says of how things stand.
fn with_status(setup: &mut Setup) -> (Daemon, impl Fn() -> Value + use<>) {
    let port = sim::free_port();
    setup.status = format!("listen = '127.0.0.1:{port}'");
    let status = move || {
        let (code, answer) = sim::request(([127, 0, 0, 1], port).into(), "GET", "/status", "");
        assert_eq!(code, 200, "{answer}");
        serde_json::from_str(&answer).expect("the document is JSON")
    };
    (Daemon::run(setup), status)
}

fn ids(sim: &Sim) -> Vec<u64> {
    let id = |line: String| {
        let item: Value = serde_json::from_str(&line).expect("items are JSON");
        item["itemId"].as_u64().expect("items have an id")
    };
    sim.items(1).into_iter().map(id).collect()
}

/// How many changes the pass of an event found.
fn found(event: &Event) -> u64 {
    event.number("created") + event.number("updated")
}

/// Waits until incremental passes have found so many changes from this place of the log on.
fn wait_for_changes(daemon: &Daemon, from: usize, changes: u64) {
    let (mut place, mut sum) = (from, 0);
    while sum < changes {
        let event = daemon.wait_from(place, |it| it.is_of(COMPLETE, 1) && found(it) > 0);
        sum += found(&event);
        place = event.index + 1;
    }
    assert_eq!(sum, changes, "{}", daemon.tail());
}

#[test]
fn changes_come_at_once_while_a_whole_pass_takes_minutes() {
    for (options, incremental) in [
        (works(SimulatedCondition::Since), SINCE),
        (works(SimulatedCondition::SinceEpoch), SINCE_EPOCH),
        (works(SimulatedCondition::SinceLocal), SINCE_LOCAL),
        (server(None, Order::Modified), NEWEST_FIRST),
    ] {
        let sim = Sim::start(options);
        let (kept, setup) = first_pass(&sim, incremental);
        let daemon = Daemon::run(&setup);
        // The first of them has made its mark, or read the top. So has the whole pass, which would else come
        // before them where the list begins with what changed last.
        daemon.wait_for(|it| it.is_of(COMPLETE, 1));
        daemon.wait_for(|it| it.is_of("page read", 1));
        let ids = ids(&sim);
        for round in 0..3 {
            let from = daemon.mark();
            // Where the whole pass comes last of all.
            let from_end = ITEMS - 100 * (round + 1);
            let update = &ids[from_end..from_end + 5];
            sim.door("edit", &json!({"repository": 1, "update": update, "insert": 3}));
            wait_for_changes(&daemon, from, 8);
        }
        // The whole pass is not over, and has all the while gone on.
        assert!(daemon.all("pass complete").is_empty(), "{incremental}");
        daemon.wait_for(|it| it.is_of("page read", 1) && it.number("page") >= 2);
        daemon.stop();
        let mut fold = Fold::default();
        fold.check(&kept, &[1]);
        assert_eq!(fold.count("d"), 0, "an incremental pass deletes nothing");
        oracle::equals_server(&kept, &sim, 1);
    }
}

#[test]
fn no_two_page_requests_are_closer_than_the_page_interval_whichever_kind_they_are() {
    let sim = Sim::start(works(SimulatedCondition::Since));
    let (_kept, mut setup) = first_pass(&sim, &SINCE.replace("500ms", "1ms"));
    setup.paging = "page_size = 100\npage_interval = '200ms'\npass_interval = '1h'".to_owned();
    let before = sim.counts().pages;
    let daemon = Daemon::run(&setup);
    let begun = Instant::now();
    daemon.wait_for(|it| it.is_of("page read", 1) && it.number("page") >= 4);
    daemon.wait_for(|it| it.is_of(COMPLETE, 1));
    let (asked, took) = (sim.counts().pages - before, begun.elapsed());
    daemon.stop();
    let most = took.as_millis() / 200 + 2;
    assert!(u128::from(asked) <= most, "{asked} pages in {took:?}");
}

#[test]
fn what_a_condition_leaves_out_comes_with_the_next_whole_pass() {
    let lies = Some((SimulatedCondition::Since, ConditionTreatment::Lies));
    let sim = Sim::start(server(lies, Order::Id));
    let (kept, mut setup) = first_pass(&sim, SINCE);
    FAST.clone_into(&mut setup.paging);
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 2);
    daemon.wait_for(|it| it.is_of(COMPLETE, 1));
    let from = daemon.mark();
    let (told, left_out): (Vec<u64>, Vec<u64>) =
        ids(&sim).into_iter().take(40).partition(|id| !id.is_multiple_of(LEFT_OUT));
    assert!(!told.is_empty() && !left_out.is_empty());
    let update: Vec<u64> = [told.clone(), left_out.clone()].concat();
    sim.door("edit", &json!({"repository": 1, "update": update}));
    wait_for_changes(&daemon, from, told.len() as u64);
    daemon.signal("USR1");
    let pass = daemon.wait_for_pass(1, 3);
    assert_eq!(pass.number("updated"), left_out.len() as u64);
    assert!(pass.truth("certified"));
    daemon.stop();
    oracle::equals_server(&kept, &sim, 1);
}

#[test]
fn a_condition_that_is_refused_or_ignored_is_told_and_whole_passes_go_on() {
    for (treatment, message, obstacle) in [
        (ConditionTreatment::Refused, "incremental pass failed", "failing"),
        (ConditionTreatment::Ignored, "incremental condition ignored", "ignored"),
    ] {
        let sim = Sim::start(server(Some((SimulatedCondition::Since, treatment)), Order::Id));
        let (_kept, mut setup) = first_pass(&sim, &SINCE.replace("500ms", "50ms"));
        setup.paging = "page_size = 100\npage_interval = '0s'\npass_interval = '20ms'".to_owned();
        let (daemon, status) = with_status(&mut setup);
        let told = daemon.wait_for(|it| it.is_of(message, 1) && it.level() == "WARN");
        assert!(told.text("remedy").contains("incremental.search"), "{told:?}");
        for iteration in 2..6 {
            assert!(daemon.wait_for_pass(1, iteration).truth("certified"));
        }
        let status = status();
        let shown = &status["repositories"][0]["incremental"];
        assert_eq!(shown["obstacle"], obstacle, "{status}");
        let problems = status["problems"].as_array().expect("a list").clone();
        let is_told = |it: &Value| it["scope"] == "repository" && it["repository"] == 1;
        assert!(problems.iter().any(is_told), "{status}");
        assert!(daemon.all(COMPLETE).is_empty());
        let aloud = daemon.all(message).into_iter().filter(|it| it.level() == "WARN").count();
        assert_eq!(aloud, 1, "told once");
        let aloud = |it: &Event| it.is("request failed") && it.level() != "DEBUG";
        assert!(!daemon.events().iter().any(aloud));
        assert!(daemon.all("reconnected").is_empty());
        daemon.stop();
    }
}

#[test]
fn an_item_from_the_future_holds_the_mark_back_and_what_comes_after_it_is_found() {
    let sim = Sim::start(works(SimulatedCondition::Since));
    let (kept, mut setup) = first_pass(&sim, SINCE);
    let (daemon, status) = with_status(&mut setup);
    daemon.wait_for(|it| it.is_of(COMPLETE, 1));
    let ids = ids(&sim);
    let from = daemon.mark();
    let ahead: u64 = 20 * 24 * 3600 * 1000;
    sim.door("edit", &json!({"repository": 1, "update": [ids[5000]], "ahead_ms": ahead}));
    wait_for_changes(&daemon, from, 1);
    let told = daemon.wait_for(|it| it.is_of("incremental mark held back", 1));
    assert_eq!(told.level(), "WARN");
    let from = daemon.mark();
    sim.door("edit", &json!({"repository": 1, "update": [ids[6000], ids[7000]], "insert": 1}));
    wait_for_changes(&daemon, from, 3);
    let status = status();
    assert!(status["repositories"][0]["incremental"]["held_back_at_ms"].is_i64(), "{status}");
    assert_eq!(daemon.all("incremental mark held back").len(), 1, "told once");
    let listen = setup.status.split('\'').nth(1).expect("it has an address");
    if Path::new(BROWSER).exists() {
        let page = shown_with(listen, " incremental passes, the last ");
        assert!(page.contains("an item claims to have changed at "), "{page}");
    } else {
        skipped("incremental passes on the page", "there is no browser");
    }
    daemon.stop();
    oracle::equals_server(&kept, &sim, 1);
}

#[test]
fn a_list_in_another_order_is_noticed_and_whole_passes_go_on() {
    let options = Options { update_rate: 60.0, ..server(None, Order::Id) };
    let sim =
        Sim::start(Options { repositories: repositories(&[(1, 600)]).repositories, ..options });
    let (_kept, mut setup) = first_pass(&sim, &NEWEST_FIRST.replace("500ms", "100ms"));
    setup.paging = "page_size = 100\npage_interval = '20ms'\npass_interval = '20ms'".to_owned();
    let (daemon, status) = with_status(&mut setup);
    let told = daemon.wait_for(|it| it.is_of("list is not in the order of last change", 1));
    assert_eq!(told.level(), "WARN");
    let pass = daemon.wait_from(told.index, |it| it.is_of("pass complete", 1));
    daemon.wait_from(pass.index + 1, |it| it.is_of("pass complete", 1));
    let status = status();
    assert_eq!(status["repositories"][0]["incremental"]["out_of_order"], true, "{status}");
    daemon.stop();
}

#[test]
fn a_list_with_the_last_change_first_is_never_taken_for_another() {
    let sim = Sim::start(Options {
        update_rate: 40.0,
        insert_rate: 5.0,
        delete_rate: 5.0,
        repositories: repositories(&[(1, 600)]).repositories,
        ..server(None, Order::Modified)
    });
    let incremental =
        "incremental = { interval = '50ms', mode = 'newest_first', cursor = '/modifiedOn' }";
    let (kept, mut setup) = first_pass(&sim, incremental);
    setup.paging = "page_size = 100\npage_interval = '5ms'\npass_interval = '20ms'".to_owned();
    // While the list moves no pass may be certified, and what has gone meanwhile goes at once.
    setup.mirror += "\n[deletes]\nmax_fraction = 1.0";
    let daemon = Daemon::run(&setup);
    let mut place = 0;
    for _ in 0..40 {
        place = daemon.wait_from(place, |it| it.is_of(COMPLETE, 1)).index + 1;
    }
    sim.door("freeze", &json!({}));
    oracle::wait_for_certified_pass(&daemon, 1);
    assert!(daemon.all("list is not in the order of last change").is_empty());
    daemon.stop();
    Fold::default().check(&kept, &[1]);
    oracle::equals_server(&kept, &sim, 1);
}

#[test]
fn kills_lose_nothing_and_the_mark_goes_on_where_it_was() {
    let sim = Sim::start(works(SimulatedCondition::Since));
    let (kept, setup) = first_pass(&sim, &SINCE.replace("500ms", "20ms"));
    let ids = ids(&sim);
    let mut fold = Fold::default();
    for round in 0..6 {
        let daemon = Daemon::run(&setup);
        daemon.wait_for(|it| it.is_of(COMPLETE, 1));
        let update = &ids[round * 900..round * 900 + 30];
        sim.door("edit", &json!({"repository": 1, "update": update}));
        pause(Duration::from_millis(15 * round as u64));
        daemon.kill();
        fold.check(&kept, &[1]);
    }
    // What the last one was killed over comes, as what changed while none ran.
    let daemon = Daemon::run(&setup);
    let (mut begun, mut quiet) = (0, false);
    while !quiet {
        let pass = daemon.wait_from(begun, |it| it.is_of(COMPLETE, 1));
        (begun, quiet) = (pass.index + 1, found(&pass) == 0);
    }
    assert!(daemon.all("pass complete").is_empty());
    daemon.stop();
    fold.check(&kept, &[1]);
    assert_eq!(fold.count("d"), 0);
    oracle::equals_server(&kept, &sim, 1);
}

#[test]
fn settings_apply_and_passes_end_with_their_key() {
    let sim = Sim::start(works(SimulatedCondition::Since));
    let (_kept, mut setup) = first_pass(&sim, SINCE);
    let (daemon, status) = with_status(&mut setup);
    daemon.wait_for(|it| it.is_of(COMPLETE, 1));
    setup.repositories = vec!["id = 1".to_owned()];
    daemon.reload(&setup);
    // What is under way may still end; then there are none.
    let begun = Instant::now();
    while !status()["repositories"][0]["incremental"].is_null() {
        assert!(begun.elapsed() < DEADLINE, "they do not end");
        pause(Duration::from_millis(50));
    }
    setup.repositories = vec![format!("id = 1\n{}", SINCE.replace("500ms", "30ms"))];
    let mark = daemon.mark();
    daemon.reload(&setup);
    let mut place = mark;
    for _ in 0..5 {
        place = daemon.wait_from(place, |it| it.is_of(COMPLETE, 1)).index + 1;
    }
    daemon.stop();
}

#[test]
fn one_pass_makes_no_incremental_ones() {
    let sim = Sim::start(works(SimulatedCondition::Since));
    let (_kept, mut setup) = first_pass(&sim, &SINCE.replace("500ms", "10ms"));
    FAST.clone_into(&mut setup.paging);
    let ended = Daemon::start(&["once"], &setup).finish();
    assert!(ended.status.success());
    assert!(ended.all(COMPLETE).is_empty());
}
