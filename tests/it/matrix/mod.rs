//! Everything the server can do: each kind of fault, at each call, at each stage of a pass.
//!
//! [`table`] says what the server does and what is expected of each call; the files beside it set
//! the stages and hold what the daemon did against the table: what is logged, what is asked again,
//! what becomes of the pass, and that mirror, log and server agree afterwards. A stage is never hit by
//! luck: faults are queued for the request that is meant, and requests are held where something else
//! is to happen first.
//!
//! Not here: the calls `count` and `repositories`, which a daemon never makes (each cell's server is
//! asked at the end), the OAuth token call, whose faults are judged as those of a login, and answers of
//! status 1xx, which are none yet: HTTP libraries send and skip them by themselves.

mod item;
mod rig;
mod search;
mod session;
mod shutdown;
mod table;

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use self::rig::Stage;
use self::table::{Item, KINDS, Kind, Login, Logout, Reauth, Search};
use crate::support::{for_each, is_thorough};

/// So many daemons at once: most of their time is waiting.
const SIDE_BY_SIDE: usize = 12;

/// The time-out of requests: met by what hangs alone, or soon.
const PATIENT: &str = "20s";
const IMPATIENT: &str = "2s";

/// The calls that a daemon makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Login,
    Reauth,
    Search,
    Item,
    Logout,
}

/// The stages at which a call can be hit.
const POSSIBLE: &[(Call, &[Stage])] = &[
    (Call::Search, &Stage::ALL),
    (
        Call::Login,
        &[Stage::Start, Stage::First, Stage::Middle, Stage::Last, Stage::Retry, Stage::Reload],
    ),
    (Call::Reauth, &[Stage::First, Stage::Middle, Stage::Last, Stage::Retry, Stage::Reload]),
    (Call::Item, &[Stage::Last, Stage::Retry, Stage::Login, Stage::Reload, Stage::Shutdown]),
    (Call::Logout, &[Stage::Shutdown]),
];

/// The others, and why they are none.
const IMPOSSIBLE: &[(Call, &[Stage], &str)] = &[
    (Call::Search, &[Stage::Start], "nothing is searched before a session is there"),
    (Call::Login, &[Stage::Login], "one login is made at a time"),
    (Call::Login, &[Stage::Shutdown], "a stop waits for no login, whatever it would be answered"),
    (Call::Reauth, &[Stage::Start], "before a session is there nothing is to be asked"),
    (Call::Reauth, &[Stage::Login], "who signs in asks nothing meanwhile"),
    (Call::Reauth, &[Stage::Shutdown], "a stop waits for no answer to the question"),
    (
        Call::Item,
        &[Stage::Start, Stage::First, Stage::Middle],
        "items are asked for after the last page",
    ),
    (
        Call::Logout,
        &[
            Stage::Start,
            Stage::First,
            Stage::Middle,
            Stage::Last,
            Stage::Retry,
            Stage::Login,
            Stage::Reload,
        ],
        "it is made once, at the end",
    ),
];

/// Why a kind is not asked of a call, where it is not.
fn never(kind: &Kind, call: Call, stage: Stage) -> Option<&'static str> {
    match (call, kind.search, kind.login, kind.reauth, kind.item, kind.logout) {
        (Call::Search, Search::Patience(_), ..) if stage != Stage::Shutdown => {
            Some("it is obeyed for five minutes, in which nothing but a stop is seen")
        }
        (Call::Search, Search::Never(why), ..)
        | (Call::Login, _, Login::Never(why), ..)
        | (Call::Reauth, _, _, Reauth::Never(why), ..)
        | (Call::Item, _, _, _, Item::Never(why), _)
        | (Call::Logout, _, _, _, _, Logout::Never(why)) => Some(why),
        _ => None,
    }
}

/// One of so many cells is gone through where not all are.
const ONE_OF: usize = 5;

/// A kind and a stage each, all of one call.
type Cells = Vec<(&'static Kind, Stage)>;

/// What cells are gone through with, one after the other.
trait Serve {
    /// Begins, with this time-out of requests.
    fn start(timeout: &str) -> Self;
    /// Ends in order.
    fn stop(self);
}

/// Goes through the cells of a call at these stages, some side by side, and fails with all that
/// failed. What a cell failed in serves no other.
fn run<T: Serve>(call: Call, stages: &[Stage], check: impl Fn(&mut T, &Kind, Stage) + Sync) {
    run_with(call, stages, T::start, check);
}

/// The same, begun otherwise.
fn run_with<T: Serve>(
    call: Call,
    stages: &[Stage],
    start: impl Fn(&str) -> T + Sync,
    check: impl Fn(&mut T, &Kind, Stage) + Sync,
) {
    let (_, possible) = POSSIBLE.iter().find(|(it, _)| *it == call).expect("all calls are there");
    assert!(stages.iter().all(|stage| possible.contains(stage)), "{call:?} at {stages:?}");
    let mut cells = Cells::new();
    for (row, kind) in KINDS.iter().enumerate() {
        for (column, stage) in stages.iter().enumerate() {
            // Else a diagonal in so many: each stage, and of a call at one stage other kinds than of another.
            let is_tried = is_thorough() || (row + column + call as usize).is_multiple_of(ONE_OF);
            if is_tried && never(kind, call, *stage).is_none() {
                cells.push((kind, *stage));
            }
        }
    }
    let (hang, others): (Cells, Cells) =
        cells.iter().copied().partition(|(kind, _)| kind.name == "hang");
    let mut shares: Vec<(&str, Cells)> =
        hang.into_iter().map(|cell| (IMPATIENT, vec![cell])).collect();
    for share in 0..SIDE_BY_SIDE {
        let share = others.iter().skip(share).step_by(SIDE_BY_SIDE).copied();
        shares.push((PATIENT, share.collect()));
    }
    shares.retain(|(_, share)| !share.is_empty());
    let failed = Mutex::new(Vec::new());
    for_each(&shares, |(timeout, share)| {
        let mut serves = start(timeout);
        for (index, (kind, stage)) in share.iter().enumerate() {
            if call == Call::Login && index > 0 && index.is_multiple_of(2) {
                // A daemon whose sessions end again and again as soon as they began signs in ever
                // more rarely; here it is the test that ends them.
                std::mem::replace(&mut serves, start(timeout)).stop();
            }
            if catch_unwind(AssertUnwindSafe(|| check(&mut serves, kind, *stage))).is_err() {
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.push(format!("{} at stage {stage:?}", kind.name));
                drop(failed);
                serves = start(timeout);
            }
        }
        serves.stop();
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(failed.is_empty(), "{call:?}: these cells did not end as stated: {failed:?}");
    // Past whatever keeps the words of tests that pass.
    let count = cells.len();
    writeln!(std::io::stderr(), "{call:?} at {stages:?}: {count} cells")
        .expect("stderr can be written");
}

#[test]
fn every_cell_of_the_matrix_is_gone_through_or_said_to_be_impossible() {
    let (mut covered, mut impossible, mut reasons) = (0, 0, Vec::new());
    for (call, possible) in POSSIBLE {
        for stage in Stage::ALL.into_iter().chain([Stage::Start]) {
            let none = IMPOSSIBLE.iter().find(|(it, at, _)| it == call && at.contains(&stage));
            assert_ne!(possible.contains(&stage), none.is_some(), "{call:?} at {stage:?}");
            for kind in KINDS {
                let why = none.map(|(_, _, why)| *why).or_else(|| never(kind, *call, stage));
                match why {
                    None => covered += 1,
                    Some(why) => {
                        impossible += 1;
                        reasons.push(format!("{call:?}: {why}"));
                    }
                }
            }
        }
    }
    reasons.sort_unstable();
    reasons.dedup();
    println!("{covered} cells are gone through; {impossible} are impossible:");
    println!("{}", reasons.join("\n"));
    assert!(covered >= 700, "{covered} cells");
}
