//! A deletion is a serious claim: who makes it, who has to agree, and what is never believed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::mirror::{edit, ids, next_pass};
use crate::support::oracle::{self, Fold};
use crate::support::{Daemon, Kept, Sim, for_each, repositories};

const ITEMS: usize = 500;

/// A server, a mirror that has read it once, and the daemon, at rest.
fn mirrored() -> (Sim, Kept, Daemon) {
    let sim = Sim::start(repositories(&[(1, ITEMS)]));
    let kept = Kept::new(&sim);
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for_pass(1, 1);
    (sim, kept, daemon)
}

fn held(status: &Value) -> &Value {
    &status["repositories"][0]["held_deletions"]
}

#[test]
fn a_server_that_looks_empty_empties_nothing() {
    let (sim, kept, daemon) = mirrored();
    sim.door("empty", &json!({"repository": 1, "on": true}));
    for _ in 0..3 {
        let pass = next_pass(&daemon);
        assert_eq!(
            (pass.number("deleted"), pass.number("held")),
            (0, ITEMS as u64),
            "{}",
            pass.line
        );
        assert_eq!(kept.export(1).len(), ITEMS);
    }
    let told = daemon.all("deletions held");
    assert_eq!(told.len(), 1, "it is told once");
    assert_eq!(told[0].level(), "ERROR");
    assert_eq!((told[0].number("count"), told[0].number("items")), (ITEMS as u64, ITEMS as u64));
    // Each command acts on this mirror, from whichever folder it is pasted.
    let approve = format!("{} approve-deletes --repository 1", daemon.command());
    let remedy = told[0].text("remedy");
    assert!(remedy.contains(&format!("`{approve}`")), "{remedy}");
    assert!(remedy.contains(&format!("`{approve} --list`")), "{remedy}");
    assert_eq!(told[0].text("approve"), approve);
    let status = kept.status();
    assert_eq!(status["command"], daemon.command());
    assert_eq!(held(&status)["count"], ITEMS, "{status}");

    sim.door("empty", &json!({"repository": 1, "on": false}));
    let pass = next_pass(&daemon);
    assert_eq!((pass.number("held"), pass.number("unchanged")), (0, ITEMS as u64));
    let ended = daemon.stop();
    assert_eq!(ended.all("deletions no longer held").len(), 1);
    let mut fold = Fold::default();
    fold.check(&kept, &[1]);
    assert_eq!(fold.told.len(), ITEMS, "nothing was told to be gone or to have come");
    assert!(held(&kept.status()).is_null());
}

#[test]
fn while_the_guard_holds_all_else_goes_on_and_the_operator_approves_it() {
    let (sim, kept, daemon) = mirrored();
    edit(&sim, json!({"clear": 0.75}));
    let gone = (ITEMS * 3 / 4) as u64;
    assert_eq!(next_pass(&daemon).number("held"), gone);
    let left = ids(&sim);
    edit(&sim, json!({"insert": 6, "update": left[..4]}));
    let pass = next_pass(&daemon);
    let figures = ["created", "updated", "deleted", "held"].map(|it| pass.number(it));
    assert_eq!(figures, [6, 4, 0, gone], "{}", pass.line);
    assert_eq!(kept.export(1).len(), ITEMS + 6);

    // No pass is asked for: it is due as soon as there is something to be done.
    let mark = daemon.mark();
    assert!(kept.approve(1).join("\n").contains(&gone.to_string()));
    let approved = daemon.wait_from(mark, |it| it.is("approved deletions made"));
    assert_eq!(approved.number("count"), gone);
    let pass = daemon.wait_from(mark, |it| it.is_of("pass complete", 1));
    assert_eq!((pass.number("deleted"), pass.number("held")), (gone, 0), "{}", pass.line);
    let ended = daemon.stop();
    assert!(ended.all("deletions no longer held").is_empty(), "they are not there again");
    let mut fold = Fold::default();
    fold.check(&kept, &[1]);
    assert_eq!(fold.count("d") as u64, gone);
    oracle::equals_server(&kept, &sim, 1);
}

#[test]
fn a_approval_is_of_what_was_announced_and_of_no_more() {
    let (sim, kept, daemon) = mirrored();
    let there = ids(&sim);
    edit(&sim, json!({"clear": 300}));
    assert_eq!(next_pass(&daemon).number("held"), 300);
    daemon.stop();
    edit(&sim, json!({"clear": 150}));
    kept.approve(1);
    let daemon = Daemon::run(&kept.setup());
    let pass = daemon.wait_for(|it| it.is_of("pass complete", 1));
    assert_eq!((pass.number("deleted"), pass.number("held")), (300, 150), "{}", pass.line);
    assert_eq!(daemon.all("deletions held")[0].number("count"), 150);
    // The permission is used up.
    let pass = next_pass(&daemon);
    assert_eq!((pass.number("deleted"), pass.number("held")), (0, 150), "{}", pass.line);
    daemon.stop();
    let mut fold = Fold::default();
    fold.check(&kept, &[1]);
    let announced: BTreeSet<u64> = there[..300].iter().copied().collect();
    assert_eq!(fold.deleted(), announced);
    assert_eq!(kept.export(1).len(), ITEMS - 300);
}

#[test]
fn the_operator_sees_what_is_held_and_approves_some_of_it() {
    let (sim, kept, daemon) = mirrored();
    let there = ids(&sim);
    edit(&sim, json!({"clear": 100}));
    assert_eq!(next_pass(&daemon).number("held"), 100);
    let approve = ["approve-deletes", "--repository", "1"];
    let listed = |kept: &Kept| -> Vec<Value> {
        let lines = kept.lines(&[&approve[..], &["--list"]].concat());
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let told = listed(&kept);
    let listed_ids = |told: &[Value]| -> Vec<u64> {
        told.iter().map(|line| line["item"].as_u64().unwrap()).collect()
    };
    assert_eq!(listed_ids(&told), there[..100]);
    assert_eq!(told[0]["body"]["itemId"], there[0], "{}", told[0]);
    assert!(told[0]["held_since"].as_str().unwrap().ends_with('Z'), "{}", told[0]);
    assert_eq!(held(&kept.status())["first"][0], there[0].to_string());

    let named: Vec<String> = there[..90].iter().map(ToString::to_string).collect();
    let mark = daemon.mark();
    kept.lines(&[&approve[..], &["--items", &named.join(",")]].concat());
    let approved = daemon.wait_from(mark, |it| it.is("approved deletions made"));
    assert_eq!(approved.number("count"), 90);
    daemon.wait_from(mark, |it| it.is_of("pass complete", 1) && it.number("deleted") == 90);
    // Ten of what is left would be few enough to be deleted without a word; they were left out.
    for _ in 0..2 {
        let pass = next_pass(&daemon);
        assert_eq!((pass.number("deleted"), pass.number("held")), (0, 10), "{}", pass.line);
    }
    assert_eq!(listed_ids(&listed(&kept)), there[90..100]);
    daemon.stop();
    let mut fold = Fold::default();
    fold.check(&kept, &[1]);
    assert_eq!(fold.deleted(), there[..90].iter().copied().collect());
    assert_eq!(kept.export(1).len(), ITEMS - 90);
}

#[test]
fn a_approval_while_pass_follows_pass_is_never_lost() {
    let sim = Sim::start(repositories(&[(1, 60)]));
    let kept = Kept::new(&sim);
    let mut setup = kept.setup();
    setup.paging = "page_size = 100\npage_interval = '0s'\npass_interval = '0s'".to_owned();
    let daemon = Daemon::run(&setup);
    for round in 0..15 {
        edit(&sim, json!({"insert": 40}));
        oracle::wait_for_certified_pass(&daemon, 1);
        let mark = daemon.mark();
        edit(&sim, json!({"clear": 40}));
        // Told is stored: whoever acts on it at once finds it.
        daemon.wait_from(mark, |it| it.is("deletions held"));
        kept.approve(1);
        let approved = daemon.mark();
        daemon.wait_from(mark, |it| {
            let lost = it.index > approved + 2000;
            assert!(!lost, "round {round}: passes go by and the approval is not heeded");
            it.is("approved deletions made")
        });
    }
    daemon.stop();
    Fold::default().check(&kept, &[1]);
    oracle::equals_server(&kept, &sim, 1);
}

#[test]
fn a_kill_while_deletions_are_held_changes_nothing_about_them() {
    let (sim, kept, daemon) = mirrored();
    edit(&sim, json!({"clear": 0.75}));
    next_pass(&daemon);
    daemon.kill();
    let gone = (ITEMS * 3 / 4) as u64;
    assert_eq!(held(&kept.status())["count"], gone);
    assert_eq!(kept.export(1).len(), ITEMS);

    let daemon = Daemon::run(&kept.setup());
    let pass = daemon.wait_for(|it| it.is_of("pass complete", 1));
    assert_eq!((pass.number("deleted"), pass.number("held")), (0, gone), "{}", pass.line);
    kept.approve(1);
    daemon.kill();
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for(|it| it.is_of("pass complete", 1) && it.number("deleted") == gone);
    daemon.stop();
    Fold::default().check(&kept, &[1]);
    oracle::equals_server(&kept, &sim, 1);
}

#[test]
fn an_item_that_the_list_hides_and_the_server_still_has_stays_a_suspect() {
    let (sim, kept, daemon) = mirrored();
    let hidden = &ids(&sim)[50..60];
    sim.door("hide", &json!({"repository": 1, "ids": hidden}));
    for _ in 0..3 {
        let pass = next_pass(&daemon);
        let figures = ["deleted", "suspects", "held"].map(|it| pass.number(it));
        assert_eq!(figures, [0, 10, 0], "{}", pass.line);
        assert!(pass.truth("certified"), "{}", pass.line);
    }
    assert!(sim.counts().item_reads >= 3 * 10, "{:?}", sim.counts());
    sim.door("show", &json!({"repository": 1}));
    assert_eq!(next_pass(&daemon).number("unchanged"), ITEMS as u64);
    daemon.stop();
    let mut fold = Fold::default();
    fold.check(&kept, &[1]);
    assert_eq!(fold.told.len(), ITEMS);
}

#[test]
fn what_leaves_a_saved_set_leaves_the_mirror_though_the_server_still_has_it() {
    let sim = Sim::start(repositories(&[(1, ITEMS)]));
    let kept = Kept::new(&sim);
    let mut setup = kept.setup();
    setup.repositories = vec!["id = 1\nsearch = { savedSetId = 7 }".to_owned()];
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    let left = ids(&sim)[50..53].to_vec();
    sim.door("hide", &json!({"repository": 1, "ids": left}));
    for expected in [[0, 3], [3, 0]] {
        let pass = next_pass(&daemon);
        assert_eq!(["deleted", "suspects"].map(|it| pass.number(it)), expected, "{}", pass.line);
    }
    assert_eq!(sim.counts().item_reads, 0, "{:?}", sim.counts());
    daemon.stop();
    let mut fold = Fold::default();
    fold.check(&kept, &[1]);
    assert_eq!(fold.deleted(), left.into_iter().collect());
}

#[test]
fn one_of_five_needs_no_human_and_an_emptied_list_does() {
    let sim = Sim::start(repositories(&[(1, 5)]));
    let kept = Kept::new(&sim);
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for_pass(1, 1);
    edit(&sim, json!({"delete": ids(&sim)[1..2]}));
    let pass = next_pass(&daemon);
    assert_eq!((pass.number("deleted"), pass.number("held")), (1, 0), "{}", pass.line);
    sim.door("empty", &json!({"repository": 1, "on": true}));
    let pass = next_pass(&daemon);
    assert_eq!((pass.number("deleted"), pass.number("held")), (0, 4), "{}", pass.line);
    daemon.stop();
}

#[test]
fn where_the_server_cannot_be_asked_a_second_certified_pass_deletes() {
    for_each(&["not-found", "html", "status", "error", "refused"], |mode| {
        let (sim, kept, daemon) = mirrored();
        if *mode == "refused" {
            // To this user, for good.
            sim.fault("item", "refuse-403", 0, 1_000_000);
        } else {
            sim.door("items-call", &json!({"mode": mode}));
        }
        let there = ids(&sim);
        let (gone, hidden) = (&there[10..14], &there[20..23]);
        edit(&sim, json!({"delete": gone}));
        sim.door("hide", &json!({"repository": 1, "ids": hidden}));
        let pass = next_pass(&daemon);
        assert_eq!((pass.number("deleted"), pass.number("suspects")), (0, 7), "{}", pass.line);
        assert_eq!(kept.export(1).len(), ITEMS);

        // Those that are seen again were never gone.
        sim.door("show", &json!({"repository": 1}));
        let pass = next_pass(&daemon);
        assert_eq!((pass.number("deleted"), pass.number("suspects")), (4, 0), "{}", pass.line);
        daemon.stop();
        let mut fold = Fold::default();
        fold.check(&kept, &[1]);
        assert_eq!(fold.deleted(), gone.iter().copied().collect(), "{mode}");
        oracle::equals_server(&kept, &sim, 1);
    });
}

#[test]
fn one_suspicion_lasts_over_a_restart() {
    let (sim, kept, daemon) = mirrored();
    sim.door("items-call", &json!({"mode": "not-found"}));
    let gone = ids(&sim)[10..14].to_vec();
    edit(&sim, json!({"delete": gone}));
    assert_eq!(next_pass(&daemon).number("suspects"), 4);
    daemon.kill();
    let daemon = Daemon::run(&kept.setup());
    let pass = daemon.wait_for(|it| it.is_of("pass complete", 1));
    assert_eq!((pass.number("deleted"), pass.number("suspects")), (4, 0), "{}", pass.line);
    daemon.stop();
    Fold::default().check(&kept, &[1]);
}

#[test]
fn an_item_that_comes_back_is_created_again() {
    let (sim, kept, daemon) = mirrored();
    sim.door("items-call", &json!({"mode": "not-found"}));
    let away = ids(&sim)[50..60].to_vec();
    sim.door("hide", &json!({"repository": 1, "ids": away}));
    next_pass(&daemon);
    assert_eq!(next_pass(&daemon).number("deleted"), 10);
    assert_eq!(kept.export(1).len(), ITEMS - 10);
    sim.door("show", &json!({"repository": 1}));
    let pass = next_pass(&daemon);
    assert_eq!((pass.number("created"), pass.number("updated")), (10, 0), "{}", pass.line);
    daemon.stop();
    let mut fold = Fold::default();
    fold.check(&kept, &[1]);
    assert_eq!([fold.count("r"), fold.count("d"), fold.count("c")], [ITEMS, 10, 10]);
    oracle::equals_server(&kept, &sim, 1);
}

#[test]
fn a_pass_that_is_not_certified_deletes_nothing() {
    let sim = Sim::start(repositories(&[(1, ITEMS)]));
    let kept = Kept::new(&sim);
    let mut setup = kept.setup();
    setup.paging += "\noverlap = false";
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    edit(&sim, json!({"delete": ids(&sim)[10..14], "insert": 2}));
    for created in [2, 0] {
        let pass = next_pass(&daemon);
        assert!(!pass.truth("certified"), "{}", pass.line);
        assert_eq!((pass.number("created"), pass.number("deleted")), (created, 0), "{}", pass.line);
    }
    daemon.stop();
    Fold::default().check(&kept, &[1]);
    assert_eq!(kept.export(1).len(), ITEMS + 2);
}
