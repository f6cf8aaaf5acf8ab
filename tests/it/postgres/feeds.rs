//! Feeds whose cursor is in PostgreSQL: what befalls a daemon at each message that stores it, and daemons
//! that take a feed over from each other.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::sync::mpsc;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::kill::free;
use super::proxy::{Act, Place, Proxy, SAVES};
use super::{cluster, setup};
use crate::mirror::edit;
use crate::support::cluster::Cluster;
use crate::support::shop::{Delivery, Moment, SECRET, Shop, Signal, judge, sequences, signal};
use crate::support::{DEADLINE, Daemon, Setup, Sim, for_each, repositories, sampled, write_secret};

/// Enough for batches to be left in every round: each delivers a handful at most, whatever the machine's speed.
const ITEMS: usize = 400;

/// After so many deliveries a daemon is killed whose connection broke: it has gone on.
const BROKEN_FOR: usize = 3;

/// What is done at a message, and its name.
type NamedAct = (&'static str, fn(u32) -> Act);

const ACTS: [NamedAct; 4] = [
    ("killed before", Act::KillBefore),
    ("killed after", Act::KillAfter),
    ("broken before", |_| Act::BreakBefore),
    ("broken after", |_| Act::BreakAfter),
];

/// A mirror in a database of its own, and a shop that its feed delivers to.
struct Scene {
    cluster: Cluster,
    sim: Sim,
    shop: Shop,
    folder: TempDir,
}

impl Scene {
    /// One whose log has a change for each item.
    fn start(check: &str) -> Option<Self> {
        let cluster = cluster(check, &[])?;
        let sim = Sim::start(repositories(&[(1, ITEMS)]));
        sim.door("items-call", &json!({"mode": "honest"}));
        let folder = TempDir::new().expect("a directory for the test");
        let scene = Self { cluster, sim, shop: Shop::open(), folder };
        write_secret(&scene.secret(), SECRET);
        let mut first = setup(&scene.sim, &[scene.cluster.port()], "z");
        // A slow machine must not lose it.
        first.mirror = first.mirror.replace("'5s'", "'60s'");
        let ended = Daemon::start(&["once"], &first).finish();
        assert!(ended.status.success(), "{:?}", ended.events);
        Some(scene)
    }

    fn secret(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    /// A daemon of this name whose way to the database is this port.
    fn setup(&self, port: u16, name: &str, batch: u64) -> Setup {
        let mut setup = setup(&self.sim, &[port], name);
        "page_interval = '0s'\npass_interval = '50ms'".clone_into(&mut setup.paging);
        let feed = format!(
            "\n[[feed]]\nname = 'shop'\ntype = 'webhook'\nfrom = 0\nbatch = {batch}\n\
             url = 'http://127.0.0.1:{}/hooks/{name}'\nsecret_file = '{}'",
            self.shop.port,
            self.secret().display()
        );
        setup.mirror += &feed;
        setup
    }

    /// All changes.
    fn log(setup: &Setup) -> Vec<Value> {
        let ended = Daemon::start(&["changes"], setup).finish();
        assert!(ended.status.success(), "{:?}", ended.events);
        let lines = String::from_utf8(ended.stdout).expect("text");
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Waits until the shop has heard all that there is; at the end this is what it should have.
    fn complete(&self, daemon: &Daemon, setup: &Setup) -> (Vec<Delivery>, Vec<Value>) {
        edit(&self.sim, json!({"repository": 1, "insert": 2}));
        daemon.wait_for(|it| it.is("pass complete") && it.number("created") == 2);
        let log = Self::log(setup);
        let last = log.len() as u64;
        let is_last = |heard: &[Delivery]| sequences(heard).last() == Some(&last);
        (self.shop.wait_for(daemon, is_last), log)
    }
}

#[test]
fn whatever_befalls_the_message_that_stores_a_cursor_no_change_is_lost() {
    for_each(&ACTS, |&(name, act)| {
        let Some(scene) = Scene::start("a feed's cursor at each message") else { return };
        let proxy = Proxy::counting(SAVES, scene.cluster.port());
        let setup = {
            let mut setup = scene.setup(proxy.port(), "a", 4);
            // A slow machine must not lose it; what was killed is forgotten by hand.
            setup.mirror = setup.mirror.replace("'5s'", "'60s'");
            setup
        };
        // Of a batch the first stores what is to be sent, and the second that it has been delivered; where
        // a batch is stored already, the first is that.
        for write in 1..=3 {
            for message in sampled([b'B', b'E', b'S'], 2) {
                let what = format!("{name} {write} {}", char::from(message));
                // Nothing gets through before it is known which process it is.
                proxy.hold();
                let daemon = Daemon::run(&setup);
                proxy.at(Place::Write(write, message), act(daemon.process()));
                if name.starts_with("broken") {
                    let process = daemon.process();
                    let kill = move || signal(process, Signal::KILL);
                    scene.shop.at(Moment::Heard, BROKEN_FOR, kill);
                }
                proxy.heal();
                let ended = daemon.finish();
                assert_eq!(ended.status.signal(), Some(9), "{what}");
                assert!(ended.all("panic").is_empty(), "{what}");
                scene.shop.quiet();
                free(&scene.cluster);
            }
        }
        let daemon = Daemon::run(&setup);
        let (heard, log) = scene.complete(&daemon, &setup);
        daemon.stop();
        let repeats = judge(&heard, &log, name);
        println!("{name}: {} deliveries, {} of them again", heard.len(), repeats.again);
        // Of what gets through before a kill the rest does, too: then it is stored.
        assert!(repeats.again > 0 || name == "killed after", "{name}: {repeats:?}");
        assert_eq!(repeats.late, 0, "{name}");
    });
}

/// How the daemon that delivers goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Killed,
    Stopped,
    /// Woken only once another has delivered.
    Frozen,
}

impl End {
    fn signal(self) -> Signal {
        match self {
            Self::Killed => Signal::KILL,
            Self::Stopped => Signal::TERM,
            Self::Frozen => Signal::STOP,
        }
    }
}

#[test]
fn another_daemon_goes_on_with_the_batch_under_way_and_what_wakes_up_delivers_nothing() {
    let ends = [
        (End::Killed, Moment::Heard),
        (End::Killed, Moment::Connected),
        (End::Stopped, Moment::Heard),
        (End::Frozen, Moment::Connected),
        (End::Frozen, Moment::Heard),
        (End::Frozen, Moment::Answered),
    ];
    for_each(&ends, |(end, moment)| {
        let Some(scene) = Scene::start("feeds that are taken over") else { return };
        let what = format!("{end:?} at {moment:?}");
        let port = scene.cluster.port();
        let (end, moment) = (*end, *moment);
        let (sender, receiver) = mpsc::channel();
        let (reached, is_reached) = mpsc::channel();
        let (done, is_done) = mpsc::channel();
        let (go_on, goes_on) = mpsc::channel();
        scene.shop.at(moment, 5, move || {
            reached.send(()).expect("it is waited for");
            let process = receiver.recv().expect("it is told who it is");
            signal(process, end.signal());
            done.send(()).expect("it is waited for");
            goes_on.recv().expect("it is told when");
        });
        let (one_setup, setup) = (scene.setup(port, "a", 5), scene.setup(port, "b", 5));
        let one = Daemon::run(&one_setup);
        let is_there = is_reached.recv_timeout(DEADLINE);
        assert!(is_there.is_ok(), "{what}: it is not reached:\n{}", one.tail());
        let other = Daemon::run(&setup);
        other.wait_for(|it| it.is("standing by"));
        sender.send(one.process()).expect("it waits for it");
        let is_over = is_done.recv_timeout(DEADLINE);
        assert!(is_over.is_ok(), "{what}: it is not done:\n{}", one.tail());
        if end == End::Stopped {
            // On a busy machine it would deliver all before it hears of it.
            one.wait_for(|it| it.is("stopping"));
        }
        let before = scene.shop.heard().len();
        go_on.send(()).expect("it is waited for");
        // Its answer, which nobody has read where it was stopped before, is no answer to the other.
        let of_other = |heard: &[Delivery]| heard.iter().filter(|it| it.path == "/hooks/b").count();
        scene.shop.wait_for(&other, |heard| of_other(heard) > 3);
        if end == End::Frozen {
            let mark = one.mark();
            signal(one.process(), Signal::CONT);
            one.wait_from(mark, |it| it.is("lease lost") || it.is("standing by"));
        }
        let (heard, log) = scene.complete(&other, &setup);
        // One delivers at a time: of what nobody had heard before, the one that is gone delivers nothing,
        // but for what was on its way.
        let mut known: BTreeSet<&str> = heard[..before].iter().map(Delivery::id).collect();
        for (place, delivery) in heard[before..].iter().enumerate() {
            let is_new = known.insert(delivery.id());
            assert!(!is_new || delivery.path == "/hooks/b" || place == 0, "{what}: {heard:?}");
        }
        let repeats = judge(&heard, &log, &what);
        // What wakes up sends the batch that it had in hand, and no other.
        assert!(repeats.late <= usize::from(end == End::Frozen), "{what}: {repeats:?}");
        if moment == Moment::Heard && end != End::Stopped {
            assert_eq!(heard[before].id(), heard[before - 1].id(), "{what}: under the same id");
            assert_eq!(heard[before].path, "/hooks/b", "{what}");
        }
        other.stop();
        if end == End::Frozen {
            // It is there when it is needed.
            let (heard, log) = scene.complete(&one, &one_setup);
            judge(&heard, &log, &what);
            assert_eq!(heard.last().map(|it| it.path.as_str()), Some("/hooks/a"), "{what}");
            one.stop();
        }
    });
}
