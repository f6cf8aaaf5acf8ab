//! The daemon is killed, or stopped and woken, at each step of a delivery: before it is sent, sent and not
//! answered, answered and the cursor not stored.
//!
//! The receiver sees these steps, and does it itself: nothing here is hit by luck, but for the last rounds,
//! which kill at random moments after an answer.

use std::os::unix::process::ExitStatusExt as _;
use std::sync::mpsc;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use super::site::Site;
use crate::mirror::{edit, ids};
use crate::support::shop::{Delivery, Moment, Signal, judge, sequences, signal};
use crate::support::{Daemon, Setup, pause};

/// Enough for batches to be left in every round: each delivers a handful at most, whatever the machine's speed.
const ITEMS: usize = 500;

/// What is done to a daemon at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// `kill -9` at this moment.
    Kill(Moment),
    /// Stopped before the answer, and killed once that has been sent: it never reads it.
    KillUnread,
    /// Stopped at this moment, and woken a little later.
    Wake(Moment),
    /// Stopped before the answer, and woken once that has been sent.
    WakeUnread,
    /// Killed so many microseconds after the answer.
    KillAfter(u64),
}

const DEEDS: [Deed; 8] = [
    Deed::Kill(Moment::Connected),
    Deed::Kill(Moment::Heard),
    Deed::Kill(Moment::Answered),
    Deed::KillUnread,
    Deed::Wake(Moment::Connected),
    Deed::Wake(Moment::Heard),
    Deed::Wake(Moment::Answered),
    Deed::WakeUnread,
];

/// Kills at random moments after an answer.
const KILLS: usize = 12;

/// After so many deliveries a daemon is killed that was stopped and woken.
const WOKEN_FOR: usize = 3;

/// How long a daemon is stopped that is woken.
const NAP: Duration = Duration::from_millis(100);

/// Does something to a process.
type Act = Box<dyn FnOnce(u32) + Send>;

fn kill() -> Act {
    Box::new(|process| signal(process, Signal::KILL))
}

fn stop() -> Act {
    Box::new(|process| signal(process, Signal::STOP))
}

fn wake() -> Act {
    Box::new(|process| {
        pause(NAP);
        signal(process, Signal::CONT);
    })
}

/// Does it to the daemon of this setup, after so many deliveries that nothing befalls; what was heard
/// meanwhile.
fn befall(site: &Site, setup: &Setup, deed: Deed, after: usize) -> Vec<Delivery> {
    let before = site.shop.heard().len();
    let mut acts: Vec<(Moment, usize, Act)> = Vec::new();
    let woken = (Moment::Heard, after + WOKEN_FOR, kill());
    match deed {
        Deed::Kill(moment) => acts.push((moment, after, kill())),
        Deed::KillUnread => {
            acts.extend([(Moment::Heard, after, stop()), (Moment::Answered, after, kill())]);
        }
        Deed::Wake(moment) => {
            let nap: Act = Box::new(|process| {
                signal(process, Signal::STOP);
                wake()(process);
            });
            acts.extend([(moment, after, nap), woken]);
        }
        Deed::WakeUnread => {
            acts.extend([(Moment::Heard, after, stop()), (Moment::Answered, after, wake()), woken]);
        }
        Deed::KillAfter(micros) => {
            // Who comes next is heard once it is done: a slow kill does not let all others through.
            let (done, is_done) = mpsc::channel::<()>();
            let kill: Act = Box::new(move |process| {
                pause(Duration::from_micros(micros));
                signal(process, Signal::KILL);
                drop(done);
            });
            let wait: Act = Box::new(move |_| assert!(is_done.recv().is_err()));
            acts.extend([(Moment::Answered, after, kill), (Moment::Connected, after + 1, wait)]);
        }
    }
    // Which process it is is known once it has started, and it may deliver by then.
    let mut senders = Vec::new();
    for (moment, after, act) in acts {
        let (sender, receiver) = mpsc::channel();
        senders.push(sender);
        site.shop.at(moment, after, move || act(receiver.recv().expect("it has started")));
    }
    let daemon = Daemon::run(setup);
    for sender in senders {
        sender.send(daemon.process()).expect("the shop waits for it");
    }
    assert_eq!(daemon.finish().status.signal(), Some(9), "{deed:?}");
    // What it sent last may be heard after it is gone.
    site.shop.quiet();
    site.shop.heard()[before..].to_vec()
}

/// What a feed is to deliver that began with all items there were at an instant: these, and the changes
/// after that.
fn items_and_changes(site: &Site, heard: &[Delivery]) -> Vec<Value> {
    let first = &heard[0].changes()[0];
    let (at, begun) = (first["source"]["sequence"].as_u64().expect("a sequence"), &first["ts_ms"]);
    let export = site.kept.lines(&["export", "--repository", "1", "--as-of", &at.to_string()]);
    let shown = |line: &String| {
        let after: Value = serde_json::from_str(line).expect("JSON");
        let mut envelope = first.clone();
        envelope["source"]["item"] = after["itemId"].clone();
        envelope["source"]["ts_ms"] = begun.clone();
        envelope["after"] = after;
        envelope
    };
    let changes = site.log().into_iter();
    let after = changes.filter(|it| it["source"]["sequence"].as_u64() > Some(at));
    export.iter().map(shown).chain(after).collect()
}

/// Every deed at every moment, and what came of it.
#[expect(clippy::print_stdout, reason = "what was measured is shown")]
fn matrix(site: &Site, keys: &str, expected: impl Fn(&[Delivery]) -> Vec<Value>) {
    let mut plain = site.setup("");
    // There is a log before there is a feed.
    plain.mirror = site.kept.setup().mirror;
    let daemon = Daemon::run(&plain);
    daemon.wait_for_pass(1, 1);
    daemon.stop();
    let there = ids(&site.sim);
    let setup = site.setup(keys);
    for (round, deed) in DEEDS.into_iter().cycle().take(2 * DEEDS.len()).enumerate() {
        let item = there[round];
        edit(&site.sim, json!({"repository": 1, "update": [item], "delete": [there[100 + round]]}));
        let last = site.shop.heard().last().cloned();
        // At once, and after one that nothing befalls.
        let after = round / DEEDS.len();
        let heard = befall(site, &setup, deed, after);
        let what = format!("{keys}, round {round}: {deed:?}");
        let all: Vec<_> = last.iter().chain(&heard).map(Delivery::id).collect();
        match deed {
            Deed::Kill(Moment::Connected) => assert!(heard.len() <= after + 1, "{what}: {all:?}"),
            Deed::Kill(_) | Deed::KillUnread | Deed::KillAfter(_) => {
                assert!((1..=after + 2).contains(&heard.len()), "{what}: {all:?}");
            }
            Deed::Wake(_) | Deed::WakeUnread => {
                // It goes on with what comes after.
                assert_eq!(heard.len(), after + WOKEN_FOR + 1, "{what}: {all:?}");
                // What was asleep hears the answer when it wakes, and nothing comes again because of it.
                let mut ids: Vec<_> = heard.iter().map(Delivery::id).collect();
                ids.dedup();
                assert_eq!(ids.len(), heard.len(), "{what}: {all:?}");
            }
        }
        if round > 0
            && matches!(
                DEEDS[(round - 1) % DEEDS.len()],
                Deed::Kill(Moment::Heard) | Deed::KillUnread | Deed::Wake(_) | Deed::WakeUnread
            )
        {
            // It had no answer, or had not read it.
            assert_eq!(all[0], all[1], "{what}: what was not known to be delivered comes again");
        }
    }
    let mut rng = Rng::new();
    println!("seed {}", rng.get_seed());
    for _ in 0..KILLS {
        befall(site, &setup, Deed::KillAfter(rng.u64(..4000)), rng.usize(..2));
    }
    edit(&site.sim, json!({"repository": 1, "insert": 2}));
    let daemon = Daemon::run(&setup);
    daemon.wait_for(|it| it.is("pass complete") && it.number("created") == 2);
    let last = site.log().len() as u64;
    let heard = site.shop.wait_for(&daemon, |heard| sequences(heard).last() == Some(&last));
    daemon.stop();
    let repeats = judge(&heard, &expected(&heard), keys);
    println!("{keys}: {} deliveries, {} of them again", heard.len(), repeats.again);
    assert!(repeats.again >= 4 && repeats.late == 0, "{keys}: {repeats:?}");
}

#[test]
fn a_kill_at_any_step_of_a_delivery_loses_no_change_and_sends_whole_batches_again() {
    let site = Site::new(ITEMS);
    matrix(&site, "from = 0\nbatch = 4", |_| site.log());
}

#[test]
fn a_kill_at_any_step_of_the_delivery_of_all_items_does_not_either() {
    let site = Site::new(ITEMS);
    matrix(&site, "batch = 3", |heard| items_and_changes(&site, heard));
}
