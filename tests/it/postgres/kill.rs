//! Daemons and sessions of the database killed at each message of a pass, and at random; a daemon
//! stopped with a page in hand while another takes its place.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use ewmirror::simulator::Options;
use fastrand::Rng;
use serde_json::json;

use super::judge::{SCHEMA, equals_server, judge, one_writer, watch};
use super::proxy::{Act, Place, Proxy};
use super::{cluster, setup};
use crate::mirror::{edit, ids};
use crate::support::cluster::Cluster;
use crate::support::editor::Editor;
use crate::support::{
    Daemon, Ended, Setup, Sim, eventually, for_each, is_thorough, oracle, pause, repositories,
    sampled,
};

/// Few enough for every message of a pass to be tried, and several pages.
const ITEMS: usize = 12;

/// Of the messages one in so many is tried, and all where this is 1: another one each time.
const STEP: &str = "EWMIRROR_KILL_STEP";

/// What is done at a message, and its name.
type NamedAct = (&'static str, fn(u32) -> Act);

/// Random kills of one daemon after the other.
const KILLS: usize = 20;

/// How many of them where not everything is tried.
const FEWER_KILLS: usize = 8;

#[expect(clippy::disallowed_methods, reason = "a knob of this test alone")]
fn step() -> u64 {
    let default = if is_thorough() { 64 } else { 256 };
    std::env::var(STEP).ok().and_then(|step| step.parse().ok()).unwrap_or(default)
}

fn server() -> Sim {
    let sim = Sim::start(Options { seed: 5, ..repositories(&[(1, ITEMS)]) });
    sim.door("items-call", &json!({"mode": "honest"}));
    sim
}

/// What a daemon that was killed has is free for the next: as if its lease had ended.
pub(super) fn free(cluster: &Cluster) {
    let there = "SELECT to_regclass('ewmirror.instance') IS NOT NULL";
    if cluster.sql(there).expect("it is asked") == "t" {
        cluster
            .sql("UPDATE ewmirror.instance SET expires_at = clock_timestamp()")
            .expect("the daemon is forgotten");
    }
}

fn once(setup: &Setup) -> Ended {
    Daemon::start(&["once"], setup).finish()
}

/// A mirror in a database of its own, which is taken to two states: without anything, and before a pass
/// that creates, updates and deletes.
struct Rig {
    cluster: Cluster,
    sim: Sim,
    proxy: Proxy,
    setup: Setup,
    /// Messages, and statements that write, of a pass from each state that nothing befalls.
    undisturbed: [(u64, u64); 2],
}

impl Rig {
    #[expect(clippy::print_stdout, reason = "what was measured is shown")]
    fn start(check: &str, page_size: usize) -> Option<Self> {
        let cluster = cluster(check, &["restart_after_crash=on"])?;
        let sim = server();
        let proxy = Proxy::start(cluster.port());
        let mut setup = setup(&sim, &[proxy.port()], "a");
        // A slow machine must not lose it; what was killed is forgotten by hand.
        setup.mirror = setup.mirror.replace("'5s'", "'60s'");
        setup.paging = format!("page_size = {page_size}\nin_flight = 1\npage_interval = '0s'");
        assert!(once(&setup).status.success());
        let first = (proxy.messages(), proxy.writes());
        cluster.save(SCHEMA);
        let there = ids(&sim);
        let (delete, update) = (&there[3..5], [there[0], there[7], there[11]]);
        edit(&sim, json!({"insert": 3, "delete": delete, "update": update}));
        let ended = once(&setup);
        let pass = ended.all("pass complete")[0];
        let counts = ["created", "updated", "deleted"].map(|it| pass.number(it));
        assert_eq!(counts, [3, 3, 2], "{}", pass.line);
        let second = (proxy.messages() - first.0, proxy.writes() - first.1);
        println!("{page_size} items a page: {first:?} and {second:?} messages and writes");
        Some(Self { cluster, sim, proxy, setup, undisturbed: [first, second] })
    }

    /// Has something befall a pass from this state, and sees that the next one makes all good; whether
    /// the daemon ended by itself.
    fn befall(&mut self, state: usize, place: Place, (name, act): NamedAct) -> bool {
        let what = format!("{name} {place:?} from state {state}");
        match state {
            0 => {
                drop(
                    self.cluster.sql("DROP SCHEMA IF EXISTS ewmirror CASCADE").expect("an answer"),
                );
            }
            _ => self.cluster.restore(SCHEMA),
        }
        let before = judge(&self.cluster, &what);
        // Nothing gets through before it is known which process it is.
        self.proxy.hold();
        let daemon = Daemon::start(&["once"], &self.setup);
        self.proxy.at(place, act(daemon.process()));
        self.proxy.heal();
        let killed = daemon.finish().status.signal() == Some(9);
        // Not every pass has as many messages; what was not due in this one must not befall the next.
        self.proxy.forget();
        await_server(&mut self.cluster);
        let between = judge(&self.cluster, &what);
        assert!(between >= before, "{what}: {before}, then {between}");
        free(&self.cluster);
        let again = once(&self.setup);
        assert!(again.status.success(), "{what}: {:?}", again.events.last());
        let after = judge(&self.cluster, &what);
        equals_server(&self.cluster, &self.sim, 1, &what);
        // Each change is logged once, whatever was tried again.
        let expected = if state == 0 { ITEMS + 1 } else { ITEMS + 8 };
        assert_eq!(after, expected as u64, "{what}: the last sequence");
        !killed
    }
}

/// What is done at a message; the process is the daemon's.
const ACTS: [NamedAct; 5] = [
    ("killed before", Act::KillBefore),
    ("killed after", Act::KillAfter),
    ("broken before", |_| Act::BreakBefore),
    ("broken after", |_| Act::BreakAfter),
    ("server killed after", |_| Act::KillServer),
];

#[test]
fn a_kill_at_any_message_to_the_database_loses_nothing_and_invents_nothing() {
    for_each(&ACTS, |act| {
        let Some(mut rig) = Rig::start("kills at each message", 5) else { return };
        let mut ended = Vec::new();
        for (state, (messages, _)) in rig.undisturbed.into_iter().enumerate() {
            let places = 1 + fastrand::u64(..step())..=messages;
            for message in places.step_by(usize::try_from(step()).unwrap()) {
                ended.push(rig.befall(state, Place::Message(message), *act));
            }
        }
        let by_itself = ended.iter().filter(|it| **it).count();
        println!("{}: {} runs, {by_itself} of them ended by themselves", act.0, ended.len());
    });
}

#[test]
fn a_kill_at_any_message_of_a_page_that_changes_something_loses_nothing_and_invents_nothing() {
    for_each(&ACTS, |act| {
        // One page has all that is created and updated.
        let Some(mut rig) = Rig::start("kills within a page", 20) else { return };
        let [_, (_, writes)] = rig.undisturbed;
        assert!(writes >= 4, "a beginning, a page, deletions and an end");
        let places = (1..=writes).flat_map(|write| [b'B', b'E', b'S'].map(|it| (write, it)));
        // Not a multiple of three, so that each of the three has its turn.
        for (write, message) in sampled(places, 11) {
            let ended_by_itself = rig.befall(1, Place::Write(write, message), *act);
            let is_kill = act.0.starts_with("killed");
            assert_eq!(ended_by_itself, !is_kill, "{} write {write}", act.0);
        }
    });
}

/// After a session of it was killed the server starts all others anew.
fn await_server(cluster: &mut Cluster) {
    eventually(|| cluster.sql("SELECT 1"));
}

#[test]
fn random_kills_lose_nothing_and_invent_nothing() {
    let Some(cluster) = cluster("random kills", &[]) else { return };
    let mut rng = Rng::new();
    println!("seed {}", rng.get_seed());
    let sim = Sim::start(repositories(&[(1, 400)]));
    sim.door("items-call", &json!({"mode": "honest"}));
    let mut setup = setup(&sim, &[cluster.port()], "a");
    setup.paging =
        "page_size = 37\nin_flight = 2\npage_interval = '0s'\npass_interval = '0s'".into();
    let mut editor = Editor::new(&sim, 1, false);
    for kill in 0..if is_thorough() { KILLS } else { FEWER_KILLS } {
        let daemon = Daemon::run(&setup);
        let lines = rng.usize(..60);
        daemon.wait_for(|it| it.index >= lines / 2);
        editor.edit(&sim, &mut rng);
        daemon.wait_for(|it| it.index >= lines);
        pause(Duration::from_micros(rng.u64(..5000)));
        daemon.kill();
        judge(&cluster, &format!("kill {kill}"));
        free(&cluster);
    }
    let daemon = Daemon::run(&setup);
    oracle::wait_for_certified_pass(&daemon, 1);
    daemon.stop();
    judge(&cluster, "the end");
    equals_server(&cluster, &sim, 1, "the end");
}

#[test]
fn a_daemon_that_is_stopped_with_a_page_in_hand_writes_nothing_when_it_wakes() {
    let Some(cluster) = cluster("a leader that is stopped", &[]) else { return };
    for round in 0..3 {
        let what = format!("round {round}");
        cluster.sql("DROP SCHEMA IF EXISTS ewmirror CASCADE").expect("an answer");
        cluster.sql("DROP SCHEMA IF EXISTS probe CASCADE").expect("an answer");
        let options = Options { latency: Duration::from_millis(10), ..repositories(&[(1, 1500)]) };
        let sim = Sim::start(options);
        let proxy = Proxy::start(cluster.port());
        let leader = Daemon::run(&setup(&sim, &[proxy.port()], "a"));
        leader.wait_for(|it| it.is("page read") && it.number("page") >= 3);
        watch(&cluster);
        let other = Daemon::run(&setup(&sim, &[cluster.port()], "b"));
        other.wait_for(|it| it.is("standing by"));
        assert!(other.all("signed in").is_empty(), "{what}: a standby does not sign in");
        let mark = leader.mark();
        proxy.at(Place::Message(1 + round * 2), Act::Stop(leader.process()));
        // A session that waits for its client in the middle of a transaction is ended by the server.
        let taken = other.wait_for(|it| it.is("lease taken"));
        println!("{}", taken.line);
        other.wait_for(|it| it.is("page read"));
        let before = judge(&cluster, &what);
        leader.signal("CONT");
        proxy.heal();
        leader.wait_from(mark, |it| it.is("standing by") || it.is("lease lost"));
        other.wait_for(|it| it.is("pass complete") && it.truth("certified"));
        assert!(judge(&cluster, &what) >= before, "{what}");
        one_writer(&cluster, &what);
        equals_server(&cluster, &sim, 1, &what);
        assert!(leader.all("task failed").is_empty(), "{what}");
        leader.stop();
        other.stop();
    }
}
