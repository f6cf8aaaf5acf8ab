//! `kill -9` at random moments: what is in the database then is one instant of the mirror, and the
//! next start goes on from there.

use std::sync::Mutex;
use std::time::Duration;

use ewmirror::simulator::{Options, Order};
use fastrand::Rng;
use serde_json::json;

use crate::support::editor::Editor;
use crate::support::oracle::{self, Fold};
use crate::support::{Daemon, Ended, Kept, Sim, for_each, is_thorough, pause, repositories};

/// How often each of the servers below sees its daemon killed.
fn kills() -> usize {
    if is_thorough() { 50 } else { 15 }
}

/// Few enough for a pass to take a fraction of a second, and many more than a page holds.
const ITEMS: usize = 400;
/// Half of the kills come within this time after the start.
const SOON_MS: u64 = 120;
/// The other half when the log has so many lines, however long that takes.
const LINES: usize = 80;
const MOST_EDITS: usize = 3;

struct Case {
    order: Order,
    paging: &'static str,
    items_call: &'static str,
}

#[test]
fn kills_at_random_moments_lose_nothing_and_invent_nothing() {
    let cases = [
        (Order::Id, "page_size = 37\nin_flight = 1", "honest"),
        (Order::Id, "page_size = 23\nin_flight = 3", "not-found"),
        (Order::Modified, "page_size = 61\nin_flight = 2", "honest"),
        (Order::Shuffled, "page_size = 100\nin_flight = 4", "honest"),
    ];
    let cases = cases.map(|(order, paging, items_call)| Case { order, paging, items_call });
    let told = Mutex::new(Vec::new());
    for_each(&cases, |case| {
        let came = kill_and_kill_again(case);
        told.lock().unwrap().push(came);
    });
    println!("{}", told.into_inner().unwrap().join("\n"));
}

/// Returns what came of it, in a line.
fn kill_and_kill_again(case: &Case) -> String {
    let mut rng = Rng::with_seed(case.paging.len() as u64 + case.order as u64);
    let sim = Sim::start(Options { order: case.order, ..repositories(&[(1, ITEMS)]) });
    sim.door("items-call", &json!({"mode": case.items_call}));
    let kept = Kept::new(&sim);
    let mut setup = kept.setup();
    setup.paging = format!("{}\npage_interval = '0s'\npass_interval = '0s'", case.paging);
    setup.mirror += "\n[deletes]\nmax_fraction = 1.0";
    let mut editor = Editor::new(&sim, 1, case.order == Order::Shuffled);
    let (mut fold, mut lives) = (Fold::default(), Lives::default());
    let kills = kills();
    for _ in 0..kills {
        let daemon = Daemon::run(&setup);
        let length = rng.usize(..LINES);
        let edit = |editor: &mut Editor, rng: &mut Rng| {
            for _ in 0..rng.usize(..=MOST_EDITS) {
                editor.edit(&sim, rng);
            }
        };
        if rng.bool() {
            daemon.wait_for(|it| it.index >= length / 2);
            edit(&mut editor, &mut rng);
            daemon.wait_for(|it| it.index >= length);
            pause(Duration::from_micros(rng.u64(..3000)));
        } else {
            let soon = Duration::from_millis(rng.u64(..SOON_MS));
            pause(soon / 2);
            edit(&mut editor, &mut rng);
            pause(soon / 2);
        }
        lives.take(&daemon.kill());
        if kept.is_made() {
            fold.check(&kept, &[]);
            if lives.pages > 0 {
                fold.check(&kept, &[1]);
            }
            editor.vouch_for(&fold.deleted());
        }
    }
    assert!(lives.resumed > kills / if is_thorough() { 5 } else { 8 }, "{lives:?}");

    let daemon = Daemon::run(&setup);
    oracle::wait_for_certified_pass(&daemon, 1);
    lives.take(&daemon.stop());
    fold.check(&kept, &[1]);
    editor.vouch_for(&fold.deleted());
    oracle::equals_server(&kept, &sim, 1);
    assert_eq!(kept.export(1).len(), editor.len());
    // And all of it at once.
    Fold::default().check(&kept, &[1]);
    let (changes, deletions) = (fold.told.len(), fold.deleted().len());
    format!("{kills} kills, {changes} changes, {deletions} of them deletions: {lives:?}")
}

/// What the log of one daemon after the other has told.
#[derive(Debug, Default)]
struct Lives {
    /// The pass under way, or the last.
    iteration: u64,
    /// Whether it was told to be complete.
    complete: bool,
    pages: usize,
    passes: usize,
    resumed: usize,
}

impl Lives {
    /// The next one took up the pass where the one before was killed, or began the one after.
    fn take(&mut self, ended: &Ended) {
        let mut first = true;
        for event in &ended.events {
            let [page, pass, resumed] =
                ["page read", "pass complete", "pass resumed"].map(|message| event.is(message));
            if !(page || pass || resumed) {
                continue;
            }
            let iteration = event.number("iteration");
            let next = self.iteration + 1;
            let expected = if self.complete { next..=next } else { self.iteration..=next };
            assert!(!first || expected.contains(&iteration), "not {expected:?}: {}", event.line);
            first = false;
            (self.iteration, self.complete) = (iteration, pass);
            self.pages += usize::from(page);
            self.passes += usize::from(pass);
            self.resumed += usize::from(resumed);
        }
    }
}
