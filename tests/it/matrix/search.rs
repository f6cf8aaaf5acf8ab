//! Faults of a search: its outcome is told, it is asked again, and the pass proves itself or says
//! why not.

use super::rig::{
    CHANGED, ITEMS, MIDDLE, PAGES, Passed, Rig, Stage, hold, queue, release, wait_for_held,
};
use super::table::{Doubted, Kind, Search};
use super::{Call, run, run_with};

#[test]
fn each_fault_of_a_search_at_each_stage_of_a_pass_ends_as_stated() {
    let stages = [Stage::First, Stage::Middle, Stage::Last, Stage::Retry, Stage::Reload];
    run(Call::Search, &stages, cell);
}

#[test]
fn each_fault_of_a_search_during_a_login_ends_as_stated() {
    // Two at a time: one is refused, and the other one meets the fault meanwhile.
    let start = |timeout: &str| Rig::with(timeout, |setup| setup.paging += "\nin_flight = 2");
    run_with(Call::Search, &[Stage::Login], start, cell);
}

fn cell(rig: &mut Rig, kind: &Kind, stage: Stage) {
    let cell = format!("{} at a search, stage {stage:?}", kind.name);
    rig.work();
    let hits = rig.hits();
    let logins = rig.sim.counts().logins;
    let held = rig.sim.counts().held;
    let mark = match stage {
        Stage::First | Stage::Middle | Stage::Last => {
            let after = match stage {
                Stage::First => 0,
                Stage::Middle => MIDDLE,
                _ => PAGES - 1,
            };
            queue(&rig.sim, kind, "search", after);
            rig.begin()
        }
        Stage::Retry => {
            rig.sim.fault("search", "e500", MIDDLE, 1);
            queue(&rig.sim, kind, "search", 0);
            rig.begin()
        }
        Stage::Reload => {
            hold(&rig.sim, "search", MIDDLE);
            let mark = rig.begin();
            wait_for_held(&rig.sim, held + 1);
            rig.reload();
            queue(&rig.sim, kind, "search", 0);
            release(&rig.sim, "search");
            mark
        }
        Stage::Start | Stage::Shutdown => panic!("{cell}: that is no stage of a pass"),
        Stage::Login => {
            hold(&rig.sim, "search", MIDDLE);
            hold(&rig.sim, "search", 0);
            hold(&rig.sim, "login", 0);
            let mark = rig.begin();
            wait_for_held(&rig.sim, held + 2);
            rig.sim.fault("search", "refuse-401", 0, 1);
            rig.sim.fault("reauth", "refuse-401", 0, 1);
            release(&rig.sim, "search");
            wait_for_held(&rig.sim, held + 3);
            queue(&rig.sim, kind, "search", 0);
            release(&rig.sim, "search");
            rig.sim.wait_until(|counts| counts.faults.values().sum::<u64>() >= hits + 3);
            release(&rig.sim, "login");
            mark
        }
    };
    let passed = rig.passed(mark);
    let renewed = rig.sim.counts().logins - logins;
    judge(&passed, kind, stage, renewed, &cell);
    let complete = &passed.complete;
    let proven = complete.truth("certified") && complete.number("held") == 0;
    rig.agree(proven, &cell);
}

/// Holds a pass against the table.
fn judge(passed: &Passed, kind: &Kind, stage: Stage, renewed: u64, cell: &str) {
    let mut told = passed.failed("search");
    if stage == Stage::Retry {
        let first = told.remove(0);
        assert_eq!(first, (1, "search failed: status 500".to_owned()), "{cell}");
    }
    let refused = passed.all("request refused").len() - usize::from(stage == Stage::Login);
    let complete = &passed.complete;
    let (pages, requests) = (complete.number("pages"), complete.number("requests"));
    let apart = u64::from(matches!(stage, Stage::Retry | Stage::Login));
    let expected = match kind.search {
        Search::By(places) => match stage {
            Stage::First => places[0],
            Stage::Last => places[2],
            _ => places[1],
        },
        everywhere => everywhere,
    };
    let (failures, refusals, doubted) = match expected {
        Search::Good => (vec![], 0, None),
        Search::Refused(_) => (vec![], 1, None),
        Search::Failed(words) => (vec![words], 0, None),
        Search::Doubted(doubted) => (vec![], 0, Some(doubted)),
        Search::Vanished => (vec![], 0, Some(Doubted { steps: 0, reason: None })),
        Search::By(_) => panic!("{cell}: a place has one outcome"),
        Search::Patience(why) | Search::Never(why) => panic!("{cell}: {why}"),
    };
    assert_eq!(told.len(), failures.len(), "{cell}: {told:?}");
    for ((attempt, error), words) in told.iter().zip(&failures) {
        assert_eq!(*attempt, 1 + u64::from(stage == Stage::Retry), "{cell}");
        assert!(error.starts_with(&format!("search failed: {words}")), "{cell}: {error}");
    }
    if let Search::Refused(words) = kind.search {
        let refused = passed.all("request refused");
        let words = format!("search refused: {words}");
        assert!(refused.iter().any(|it| it.text("error").starts_with(&words)), "{cell}");
    }
    assert_eq!(refused, refusals, "{cell}");
    // No login while the session is said to stand.
    let logins = u64::from(stage == Stage::Login);
    assert_eq!(renewed, logins, "{cell}");
    assert_eq!(passed.all("session renewed").len() as u64, logins, "{cell}");
    let failed = failures.len() as u64 + u64::from(stage == Stage::Retry);
    let back: Vec<u64> = passed.all("reconnected").iter().map(|it| it.number("failures")).collect();
    assert_eq!(back, if failed > 0 { vec![failed] } else { vec![] }, "{cell}");
    let again = failures.len() as u64 + refusals as u64 + apart;
    // Where a range is read again, or more is announced, requests may have been made in vain.
    let in_vain = if doubted.is_some() { PAGES } else { 0 };
    let sent = pages + again..=pages + again + in_vain;
    assert!(sent.contains(&requests), "{cell}: {}", complete.line);
    let Doubted { steps, reason } = doubted.unwrap_or(Doubted { steps: 0, reason: None });
    assert_eq!(complete.truth("certified"), reason.is_none(), "{cell}: {}", complete.line);
    if let Some(reason) = reason {
        assert!(complete.text("reason").starts_with(reason), "{cell}: {}", complete.line);
    }
    let stepped: Vec<&str> =
        passed.all("stepped back").iter().map(|it| it.text("reason")).collect();
    // Of pages side by side more than one may be read again.
    if stage != Stage::Login || doubted.is_none() {
        assert_eq!(stepped.len(), steps, "{cell}: {stepped:?} {}", complete.line);
    }
    assert_eq!(passed.all("panic").len() + passed.all("task failed").len(), 0, "{cell}");
    let number = |name: &str| complete.number(name);
    let held = passed.all("deletions held");
    if matches!(expected, Search::Vanished) {
        assert_eq!((number("items"), number("held")), (0, ITEMS as u64), "{cell}");
        assert_eq!((held.len(), held[0].level()), (1, "ERROR"), "{cell}");
    } else {
        assert!(held.is_empty(), "{cell}");
    }
    if doubted.is_none() {
        assert_eq!(pages, PAGES, "{cell}: {}", complete.line);
    }
    if complete.truth("certified") && !matches!(expected, Search::Vanished) {
        assert_eq!(number("items"), ITEMS as u64, "{cell}: {}", complete.line);
        assert_eq!(number("updated"), CHANGED as u64, "{cell}: {}", complete.line);
    }
    assert_eq!((number("created"), number("deleted")), (0, 0), "{cell}: {}", complete.line);
}
