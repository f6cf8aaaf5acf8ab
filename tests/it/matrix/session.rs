//! Faults of a login and of the question whether the session stands, while a pass is under way.

use super::rig::{CHANGED, MIDDLE, PAGES, Passed, Rig, Stage, hold, queue, release, wait_for_held};
use super::shutdown::Passer;
use super::table::{Kind, Login, Reauth};
use super::{Call, run, run_with};
use crate::support::{Daemon, Event};

#[test]
fn each_fault_of_a_renewal_at_each_stage_of_a_pass_ends_as_stated() {
    let stages = [Stage::First, Stage::Middle, Stage::Last, Stage::Retry, Stage::Reload];
    run(Call::Login, &stages, login);
}

/// A search is refused, since the session has ended, and the login that follows meets the fault.
fn login(rig: &mut Rig, kind: &Kind, stage: Stage) {
    let cell = format!("{} at a login, stage {stage:?}", kind.name);
    rig.work();
    let counts = rig.sim.counts();
    let refused = match stage {
        Stage::First => 0,
        Stage::Last => PAGES - 1,
        _ => MIDDLE,
    };
    rig.sim.fault("search", "refuse-401", refused, 1);
    rig.sim.fault("reauth", "refuse-401", 0, 1);
    if stage == Stage::Retry {
        rig.sim.fault("login", "e500", 0, 1);
    }
    if stage == Stage::Reload {
        hold(&rig.sim, "login", 0);
    }
    queue(&rig.sim, kind, "login", 0);
    let mark = rig.begin();
    if stage == Stage::Reload {
        wait_for_held(&rig.sim, counts.held + 1);
        // It is the same user's as before: the one that is held goes on, and meets the fault.
        rig.reload();
        release(&rig.sim, "login");
    }
    let before = usize::from(stage == Stage::Retry);
    if matches!(kind.login, Login::Patience(_)) {
        let waits = |it: &Event| it.is("request failed") && it.number("retry_in_ms") >= 5000;
        rig.daemon.wait_from(mark, waits);
        // Nothing but another way to the server ends a wait as long as that.
        rig.reload_with_another_way();
    }
    let passed = rig.passed(mark);
    let complete = &passed.complete;
    assert!(complete.truth("certified"), "{cell}: {}", complete.line);
    assert_eq!(complete.number("updated"), CHANGED as u64, "{cell}: {}", complete.line);
    assert_eq!(complete.number("requests"), PAGES + 1, "{cell}: {}", complete.line);
    assert!(passed.failed("search").is_empty(), "{cell}");
    assert_eq!(passed.all("request refused").len(), 1, "{cell}");
    let renewed = passed.all("session renewed");
    assert_eq!(renewed.len(), 1, "{cell}");
    assert_eq!(renewed[0].text("reason"), "refused", "{cell}");
    judge_login(&passed, kind, before, &cell);
    // What was worked on and not answered, or not understood, may have made a session as well.
    let made = rig.sim.counts().logins - counts.logins;
    assert!((1..=2).contains(&made), "{cell}: {made} logins");
    rig.agree(true, &cell);
}

#[test]
fn each_fault_of_the_first_login_ends_as_stated() {
    run(Call::Login, &[Stage::Start], |passer: &mut Passer, kind, _| {
        let cell = format!("{} at the first login", kind.name);
        queue(&passer.sim, kind, "login", 0);
        let daemon = Daemon::run(&passer.setup);
        if matches!(kind.login, Login::Patience(_)) {
            daemon.wait_for(|it| it.is("request failed"));
            let mut setup = passer.setup.clone();
            setup.server += "\nidle_timeout = '29s'";
            daemon.reload(&setup);
        }
        let complete = daemon.wait_for_pass(1, 1);
        assert!(complete.truth("certified"), "{cell}: {}", complete.line);
        let events = daemon.stop().events;
        let passed = Passed { complete, events };
        let signed_in = passed.all("signed in");
        assert_eq!((signed_in.len(), signed_in[0].number("generation")), (1, 1), "{cell}");
        assert!(passed.all("session renewed").is_empty(), "{cell}");
        judge_login(&passed, kind, 0, &cell);
    });
}

fn judge_login(passed: &Passed, kind: &Kind, before: usize, cell: &str) {
    let failed = passed.all("request failed");
    let failed: Vec<_> = failed.into_iter().filter(|it| it.text("endpoint") == "login").collect();
    assert!(failed.iter().all(|it| it.field("repository").is_none()), "{cell}");
    let (words, level, attempt, waits) = match kind.login {
        Login::Good => {
            assert_eq!(failed.len(), before, "{cell}");
            return;
        }
        // A denial is counted apart from failures, and waits for seconds.
        Login::Denied => ("denied", "ERROR", 1, 5000..=5000),
        Login::Failed(words) => (words, "WARN", 1 + before as u64, 0..=4000),
        Login::Patience(words) => (words, "WARN", 1 + before as u64, 300_000..=300_000),
        Login::Never(why) => panic!("{cell}: {why}"),
    };
    assert_eq!(failed.len(), before + 1, "{cell}");
    let last = failed[before];
    let verb = if level == "ERROR" { "" } else { "failed: " };
    let words = format!("login {verb}{words}");
    assert!(last.text("error").starts_with(&words), "{cell}: {}", last.line);
    assert_eq!((last.level(), last.number("attempt")), (level, attempt), "{cell}: {}", last.line);
    assert!(waits.contains(&last.number("retry_in_ms")), "{cell}: {}", last.line);
    let back: Vec<u64> = passed.all("reconnected").iter().map(|it| it.number("failures")).collect();
    // A server that denies is there.
    let expected = if level == "ERROR" { vec![] } else { vec![before as u64 + 1] };
    assert_eq!(back, expected, "{cell}");
}

#[test]
fn each_fault_of_the_question_whether_the_session_stands_at_each_stage_of_a_pass_ends_as_stated() {
    let stages = [Stage::First, Stage::Middle, Stage::Last, Stage::Retry, Stage::Reload];
    let start = |timeout: &str| {
        Rig::with(timeout, |setup| {
            setup.session = "reauth_interval = '20ms'".to_owned();
        })
    };
    run_with(Call::Reauth, &stages, start, reauth);
}

/// A search is held until the question has met its fault.
fn reauth(rig: &mut Rig, kind: &Kind, stage: Stage) {
    let cell = format!("{} at a question, stage {stage:?}", kind.name);
    rig.work();
    let counts = rig.sim.counts();
    let hits = rig.hits();
    let held = match stage {
        Stage::First => 0,
        Stage::Last => PAGES - 1,
        _ => MIDDLE,
    };
    hold(&rig.sim, "search", held);
    let mark = rig.begin();
    wait_for_held(&rig.sim, counts.held + 1);
    let before = usize::from(stage == Stage::Retry);
    if stage == Stage::Reload {
        hold(&rig.sim, "reauth", 0);
        wait_for_held(&rig.sim, counts.held + 2);
        queue(&rig.sim, kind, "reauth", 0);
        rig.reload();
        release(&rig.sim, "reauth");
    } else if stage == Stage::Retry {
        rig.sim.fault("reauth", "e500", 0, 1);
        queue(&rig.sim, kind, "reauth", 0);
    } else {
        queue(&rig.sim, kind, "reauth", 0);
    }
    rig.sim.wait_until(|it| it.faults.values().sum::<u64>() > hits + before as u64);
    // A search that is held as long as the question hangs would fail with it.
    let hangs = kind.name == "hang";
    if hangs {
        release(&rig.sim, "search");
    }
    // What came of it is known once the session is renewed, or the next question answered.
    match kind.reauth {
        Reauth::Ended => {
            rig.daemon.wait_from(mark, |it| it.is("session renewed"));
        }
        Reauth::Failed(_) => {
            rig.daemon.wait_from(mark, |it| it.is("reconnected"));
        }
        _ => {}
    }
    if !hangs {
        release(&rig.sim, "search");
    }
    let passed = rig.passed(mark);
    let complete = &passed.complete;
    assert!(complete.truth("certified"), "{cell}: {}", complete.line);
    assert_eq!(complete.number("updated"), CHANGED as u64, "{cell}: {}", complete.line);
    // A question costs no page, whatever its answer is.
    assert_eq!(complete.number("requests"), PAGES, "{cell}: {}", complete.line);
    let renewed = u64::from(matches!(kind.reauth, Reauth::Ended));
    assert_eq!(passed.all("session renewed").len() as u64, renewed, "{cell}");
    assert_eq!(rig.sim.counts().logins - counts.logins, renewed, "{cell}");
    let told = passed.failed("reauth");
    let words: Vec<&str> = match kind.reauth {
        Reauth::Failed(words) => vec![words],
        _ => vec![],
    };
    let words: Vec<&str> = ["status 500"].into_iter().take(before).chain(words).collect();
    assert_eq!(told.len(), words.len(), "{cell}: {told:?}");
    for ((attempt, error), words) in told.iter().zip(&words) {
        assert_eq!(*attempt, 1, "{cell}: it is asked when its time comes, and not again before");
        assert!(error.starts_with(&format!("reauth failed: {words}")), "{cell}: {error}");
    }
    assert!(passed.all("request refused").is_empty(), "{cell}");
    rig.agree(true, &cell);
}
