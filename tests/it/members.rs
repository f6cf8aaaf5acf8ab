//! Members of items that mean nothing, or that change in all items at once.

use serde_json::json;

use crate::mirror::next_pass;
use crate::support::{Daemon, Event, Kept, Setup, Sim, repositories};

const ITEMS: u64 = 30;

/// A mirror whose repository has these keys as well.
fn setup(kept: &Kept, keys: &str) -> Setup {
    Setup { repositories: vec![format!("id = 1\n{keys}")], ..kept.setup() }
}

fn server() -> (Sim, Kept) {
    let sim = Sim::start(repositories(&[(1, 30)]));
    let kept = Kept::new(&sim);
    (sim, kept)
}

fn changed(pass: &Event) -> (u64, u64) {
    (pass.number("updated"), pass.number("unchanged"))
}

/// A file of names in a folder that lives as long as the test.
fn names_file(kept: &Kept, row: &str) -> String {
    let file = kept.beside(".csv");
    std::fs::write(&file, format!("id,name\n{row}\n")).expect("the file can be written");
    format!("names_file = '{}'", file.display())
}

#[test]
fn the_time_of_a_validation_is_no_change_unless_ignore_is_empty() {
    let (sim, kept) = server();
    sim.door("stamp", &json!({"Last_Updated": "2026-11-01T00:00:00Z"}));
    let daemon = Daemon::run(&setup(&kept, ""));
    daemon.wait_for_pass(1, 1);
    let told = daemon.wait_for(|it| it.is_of("member ignored", 1));
    assert_eq!((told.text("members"), told.level()), ("/Last_Updated", "INFO"));
    sim.door("stamp", &json!({"Last_Updated": "2026-11-02T00:00:00Z"}));
    assert_eq!(changed(&next_pass(&daemon)), (0, ITEMS));
    // The body is as it was received when it last counted.
    assert!(kept.export(1).iter().all(|it| it.contains("2026-11-01T00:00:00Z")));

    daemon.reload(&setup(&kept, "ignore = []"));
    assert_eq!(changed(&next_pass(&daemon)), (ITEMS, 0));
    let ended = daemon.stop();
    assert_eq!(ended.all("member ignored").len(), 1, "it is told once");
    let [told] = ended.all("most items changed at once")[..] else { panic!("it is told once") };
    assert_eq!((told.text("altered"), told.field("appeared")), ("Last_Updated", None));
}

#[test]
fn an_attribute_that_the_model_calls_so_is_left_out_once_that_is_known_without_a_change() {
    let (sim, kept) = server();
    sim.door("stamp", &json!({"F_17": 1}));
    let daemon = Daemon::run(&setup(&kept, ""));
    daemon.wait_for_pass(1, 1);
    sim.door("stamp", &json!({"F_17": 2}));
    assert_eq!(changed(&next_pass(&daemon)), (ITEMS, 0), "nobody knows better yet");
    let mark = daemon.mark();
    daemon.reload(&setup(&kept, &names_file(&kept, "F_17,Last Updated")));
    daemon.wait_from(mark, |it| it.is_of("model changed", 1));
    assert_eq!(changed(&next_pass(&daemon)), (0, ITEMS), "learning it changes nothing");
    sim.door("stamp", &json!({"F_17": 3}));
    assert_eq!(changed(&next_pass(&daemon)), (0, ITEMS));
    assert_eq!(daemon.wait_for(|it| it.is("member ignored")).text("members"), "/F_17");
    daemon.stop();
}

#[test]
fn another_preference_is_told_as_one_event_with_what_came_and_went() {
    let (sim, kept) = server();
    let keys = names_file(&kept, "F_9,Season");
    let daemon = Daemon::run(&setup(&kept, &keys));
    daemon.wait_for_pass(1, 1);
    daemon.wait_for(|it| it.is_of("model changed", 1));
    sim.door("stamp", &json!({"F_9": "winter", "F_8": null}));
    assert_eq!(changed(&next_pass(&daemon)), (ITEMS, 0));
    let told = daemon.wait_for(|it| it.is_of("most items changed at once", 1));
    assert_eq!((told.text("appeared"), told.number("updated")), ("F_8, Season", ITEMS));
    assert!(told.text("cause").contains("another preference (userPreferenceId)"), "{told:?}");
    assert_eq!((told.level(), told.field("disappeared")), ("WARN", None));
    let mark = daemon.mark();
    sim.door("stamp", &json!({}));
    assert_eq!(changed(&next_pass(&daemon)), (ITEMS, 0));
    let told = daemon.wait_from(mark, |it| it.is_of("most items changed at once", 1));
    assert_eq!(told.text("disappeared"), "F_8, Season");
    // Changes are recorded one by one all the same.
    assert_eq!(kept.changes(0).iter().filter(|it| it.op == "u").count(), 60);
    assert_eq!(changed(&next_pass(&daemon)), (0, ITEMS));
    let ended = daemon.stop();
    assert_eq!(ended.all("most items changed at once").len(), 2, "once a pass");
}
