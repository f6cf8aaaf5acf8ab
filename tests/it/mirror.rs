//! What the mirror keeps and what it tells of: each item as received, each change once.

use std::time::Duration;

use ewmirror::simulator::Options;
use serde_json::{Value, json};

use crate::support::oracle::{self, Fold};
use crate::support::{Daemon, Event, Kept, Sim, repositories};

/// Has the next pass begin now, and waits for its end.
pub(crate) fn next_pass(daemon: &Daemon) -> Event {
    let mark = daemon.mark();
    daemon.signal("USR1");
    daemon.wait_from(mark, |it| it.is_of("pass complete", 1))
}

/// The id of an item.
pub(crate) fn id_of(item: &str) -> u64 {
    let item: Value = serde_json::from_str(item).expect("items are JSON");
    item["itemId"].as_u64().expect("items have an id")
}

/// The ids of the items of repository 1, in the order of the list.
pub(crate) fn ids(sim: &Sim) -> Vec<u64> {
    sim.items(1).iter().map(|item| id_of(item)).collect()
}

/// Edits repository 1; the ids inserted.
pub(crate) fn edit(sim: &Sim, mut edit: Value) -> Vec<u64> {
    edit["repository"] = Value::from(1);
    let done = sim.door("edit", &edit);
    done["inserted"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

#[test]
fn two_repositories_are_kept_side_by_side_to_the_byte() {
    let sim = Sim::start(repositories(&[(1, 1234), (2, 567)]));
    let kept = Kept::new(&sim);
    let mut setup = kept.setup();
    setup.repositories = vec!["id = 1".to_owned(), "id = 2\npage_size = 50\nin_flight = 3".into()];
    let daemon = Daemon::run(&setup);
    for repository in [1, 2] {
        daemon.wait_for_pass(repository, 1);
    }
    daemon.stop();
    for repository in [1, 2] {
        oracle::equals_server(&kept, &sim, repository);
    }
    let mut fold = Fold::default();
    fold.check(&kept, &[1, 2]);
    assert_eq!((fold.told.len(), fold.count("r")), (1801, 1801));
}

#[test]
fn what_changes_between_two_passes_is_told_once_with_what_it_was() {
    let sim = Sim::start(repositories(&[(1, 500)]));
    let kept = Kept::new(&sim);
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for_pass(1, 1);
    let there = ids(&sim);
    let new = edit(&sim, json!({"insert": 7, "delete": there[10..15], "update": there[100..120]}));

    let pass = next_pass(&daemon);
    let figures = ["created", "updated", "deleted", "unchanged", "suspects", "held"]
        .map(|it| pass.number(it));
    assert_eq!(figures, [7, 20, 5, 475, 0, 0], "{}", pass.line);
    let pass = next_pass(&daemon);
    assert_eq!(pass.number("unchanged"), 502, "{}", pass.line);
    daemon.stop();

    let mut fold = Fold::default();
    fold.check(&kept, &[1]);
    let told = |op: &str| -> Vec<u64> {
        let mut items: Vec<u64> =
            fold.told.iter().filter(|(_, _, told)| told == op).map(|(_, item, _)| *item).collect();
        items.sort_unstable();
        items
    };
    assert_eq!(
        (told("c"), told("u"), told("d")),
        (new, there[100..120].to_vec(), there[10..15].to_vec())
    );
    assert_eq!(fold.count("r"), 500);
    oracle::equals_server(&kept, &sim, 1);
}

#[test]
fn members_in_another_order_are_no_change() {
    let sim = Sim::start(repositories(&[(1, 300)]));
    let kept = Kept::new(&sim);
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for_pass(1, 1);
    sim.door("reorder", &json!({"on": true}));
    for _ in 0..2 {
        let pass = next_pass(&daemon);
        assert_eq!((pass.number("unchanged"), pass.number("updated")), (300, 0), "{}", pass.line);
    }
    // A real change is none the less one.
    edit(&sim, json!({"update": ids(&sim)[..3]}));
    assert_eq!(next_pass(&daemon).number("updated"), 3);
    daemon.stop();
    let mut fold = Fold::default();
    fold.check(&kept, &[1]);
    assert_eq!(fold.told.len(), 303);
}

#[test]
fn members_in_another_order_with_each_answer_do_not_keep_a_pass_from_being_certified() {
    let sim = Sim::start(repositories(&[(1, 300)]));
    let kept = Kept::new(&sim);
    let daemon = Daemon::run(&kept.setup());
    let requests = daemon.wait_for_pass(1, 1).number("requests");
    sim.door("reorder", &json!({"on": true}));
    let pass = next_pass(&daemon);
    assert!(pass.truth("certified"), "{}", pass.line);
    assert_eq!(pass.number("requests"), requests, "{}", pass.line);
    daemon.stop();
}

#[test]
fn ignored_members_are_no_change_and_others_are() {
    let sim = Sim::start(repositories(&[(1, 300)]));
    let item: Value = serde_json::from_str(&sim.items(1)[0]).expect("items are JSON");
    // All that the simulator ever changes: some attribute or other, and the stamps.
    let changing: Vec<String> = item
        .as_object()
        .expect("an item is an object")
        .keys()
        .filter(|name| *name != "itemId")
        .map(|name| format!("'/{name}'"))
        .collect();
    let kept = Kept::new(&sim);
    let mut setup = kept.setup();
    setup.repositories = vec![format!("id = 1\nignore = [{}]", changing.join(", "))];
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    let before = sim.items(1);
    let there = ids(&sim);
    edit(&sim, json!({"update": there}));
    let pass = next_pass(&daemon);
    assert_eq!((pass.number("unchanged"), pass.number("updated")), (300, 0), "{}", pass.line);
    assert_eq!(kept.export(1), before, "what is not compared is not taken over either");

    setup.repositories = vec!["id = 1".to_owned()];
    daemon.reload(&setup);
    let pass = next_pass(&daemon);
    assert_eq!(pass.number("updated"), 300, "{}", pass.line);
    daemon.stop();
    Fold::default().check(&kept, &[1]);
    oracle::equals_server(&kept, &sim, 1);
}

#[test]
fn of_an_item_read_twice_in_one_pass_the_later_reading_counts() {
    let options = repositories(&[(1, 300)]);
    let sim = Sim::start(Options { latency: Duration::from_millis(200), ..options });
    let kept = Kept::new(&sim);
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for(|it| it.is_of("page read", 1));
    // The second page is on its way and shows some of the first one's items anew.
    edit(&sim, json!({"update": ids(&sim)}));
    let pass = daemon.wait_for_pass(1, 1);
    daemon.stop();
    let mut fold = Fold::default();
    fold.check(&kept, &[1]);
    let twice: Vec<u64> =
        fold.told.iter().filter(|(_, _, op)| op == "u").map(|(_, item, _)| *item).collect();
    assert!(!twice.is_empty(), "no item stood in both pages: {}", pass.line);
    assert_eq!(pass.number("updated"), twice.len() as u64);
    let served: Vec<String> =
        sim.items(1).into_iter().filter(|item| twice.contains(&id_of(item))).collect();
    let have = kept.export(1);
    assert!(served.iter().all(|item| have.contains(item)), "the earlier reading won");
}
