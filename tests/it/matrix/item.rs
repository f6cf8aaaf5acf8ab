//! Faults of the question whether the server still has an item that a certified pass has not seen.
//!
//! In each cell one item is hidden from searches, and one is gone. The question for the hidden one
//! meets the fault: whatever it answers, that item stays, a suspect, and the other one goes.

use serde_json::json;

use super::rig::{ITEMS, PAGES, Rig, Stage, hold, queue, release, wait_for_held};
use super::table::{Item, Kind};
use super::{Call, run, run_with};
use crate::mirror::{edit, ids};

/// The questions of a pass: for an item of the last page, for the hidden one, for the one that is
/// gone, for the one of the last page again.
const HIDDEN: u64 = 1;

#[test]
fn each_fault_of_the_question_for_an_item_ends_as_stated_and_deletes_nothing_that_is_there() {
    let stages = [Stage::Last, Stage::Retry, Stage::Reload];
    run(Call::Item, &stages, item);
}

#[test]
fn each_fault_of_the_question_for_an_item_during_a_login_ends_as_stated() {
    // The refresher finds out that the session has ended while the question is under way.
    let start = |timeout: &str| {
        Rig::with(timeout, |setup| setup.session = "reauth_interval = '20ms'".to_owned())
    };
    run_with(Call::Item, &[Stage::Login], start, item);
}

fn item(rig: &mut Rig, kind: &Kind, stage: Stage) {
    let cell = format!("{} at an item, stage {stage:?}", kind.name);
    let present = ids(&rig.sim);
    let (hidden, gone) = (present[ITEMS / 3], present[ITEMS / 2]);
    edit(&rig.sim, json!({"delete": [gone], "insert": 1}));
    rig.sim.door("hide", &json!({"repository": 1, "ids": [hidden]}));
    rig.gone.insert(gone);
    let counts = rig.sim.counts();
    let before = usize::from(stage == Stage::Retry);
    if stage == Stage::Retry {
        rig.sim.fault("item", "e500", HIDDEN, 1);
        queue(&rig.sim, kind, "item", 0);
    } else if matches!(stage, Stage::Reload | Stage::Login) {
        hold(&rig.sim, "item", HIDDEN);
    } else {
        queue(&rig.sim, kind, "item", HIDDEN);
    }
    let mark = rig.begin();
    if stage == Stage::Reload {
        wait_for_held(&rig.sim, counts.held + 1);
        queue(&rig.sim, kind, "item", 0);
        rig.reload();
        release(&rig.sim, "item");
    }
    if stage == Stage::Login {
        wait_for_held(&rig.sim, counts.held + 1);
        let hits = rig.hits();
        hold(&rig.sim, "login", 0);
        rig.sim.fault("reauth", "refuse-401", 0, 1);
        wait_for_held(&rig.sim, counts.held + 2);
        queue(&rig.sim, kind, "item", 0);
        release(&rig.sim, "item");
        rig.sim.wait_until(|counts| counts.faults.values().sum::<u64>() >= hits + 2);
        release(&rig.sim, "login");
    }
    let passed = rig.passed(mark);
    let complete = &passed.complete;
    let number = |name: &str| complete.number(name);
    assert!(complete.truth("certified"), "{cell}: {}", complete.line);
    assert_eq!((number("requests"), number("created")), (PAGES, 1), "{cell}: {}", complete.line);
    assert_eq!((number("deleted"), number("held")), (1, 0), "{cell}: {}", complete.line);
    // Also where the server said that it is there: its list lacks it all the same.
    assert_eq!(number("suspects"), 1, "{cell}: {}", complete.line);
    let told = passed.failed("item");
    let (words, refused) = match kind.item {
        Item::Failed(words) => (vec![words], None),
        Item::Refused(words) => (vec![], Some(words)),
        _ => (vec![], None),
    };
    let words: Vec<&str> = ["status 500"].into_iter().take(before).chain(words).collect();
    assert_eq!(told.len(), words.len(), "{cell}: {told:?}");
    for (place, ((attempt, error), words)) in told.iter().zip(&words).enumerate() {
        assert_eq!(*attempt, place as u64 + 1, "{cell}");
        assert!(error.starts_with(&format!("item failed: {words}")), "{cell}: {error}");
    }
    let back: Vec<u64> = passed.all("reconnected").iter().map(|it| it.number("failures")).collect();
    assert_eq!(back, if words.is_empty() { vec![] } else { vec![words.len() as u64] }, "{cell}");
    let refusals = passed.all("request refused");
    assert_eq!(refusals.len(), refused.iter().len(), "{cell}");
    for (told, words) in refusals.iter().zip(refused) {
        let words = format!("item refused: {words}");
        assert!(told.text("error").starts_with(&words), "{cell}: {}", told.line);
    }
    // No login while the session is said to stand.
    let logins = u64::from(stage == Stage::Login);
    assert_eq!(rig.sim.counts().logins - counts.logins, logins, "{cell}");
    // The four questions, and each that was asked again.
    let asked = 4 + (words.len() + refusals.len()) as u64;
    assert_eq!(rig.sim.counts().item_reads - counts.item_reads, asked, "{cell}");
    rig.sim.door("show", &json!({"repository": 1}));
    rig.agree(false, &cell);
}
