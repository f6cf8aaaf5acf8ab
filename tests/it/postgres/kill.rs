//! Daemons and sessions of the database killed at each message of a pass, and at random; a daemon
//! stopped with a page in hand while another takes its place.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use ewmirror::simulator::Options;
use fastrand::Rng;
use serde_json::json;

use super::judge::{equals_server, judge, one_writer, watch};
use super::proxy::{Act, Proxy};
use super::{cluster, setup};
use crate::mirror::{edit, ids};
use crate::support::cluster::Cluster;
use crate::support::editor::Editor;
use crate::support::{Daemon, Ended, Setup, Sim, oracle, pause, repositories};

/// Few enough for every message of a pass to be tried, and several pages.
const ITEMS: usize = 12;

/// Of the messages one in so many is tried, and all where this is 1: another one each time.
const STEP: &str = "EWMIRROR_KILL_STEP";
const DEFAULT_STEP: u64 = 24;

/// What is done at a message, and its name.
type NamedAct = (&'static str, fn(u32) -> Act);

/// Random kills of one daemon after the other.
const KILLS: usize = 20;

#[expect(clippy::disallowed_methods, reason = "a knob of this test alone")]
fn step() -> u64 {
    std::env::var(STEP).ok().and_then(|step| step.parse().ok()).unwrap_or(DEFAULT_STEP)
}

fn server() -> Sim {
    let sim = Sim::start(Options { seed: 5, ..repositories(&[(1, ITEMS)]) });
    sim.door("items-call", &json!({"mode": "honest"}));
    sim
}

/// What a daemon that was killed has is free for the next: as if its lease had ended.
fn free(cluster: &Cluster) {
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

/// Runs `once` with something done at a message of it.
fn once_with(setup: &Setup, proxy: &Proxy, message: u64, act: impl Fn(u32) -> Act) -> Ended {
    // Nothing gets through before it is known which process it is.
    proxy.hold();
    let daemon = Daemon::start(&["once"], setup);
    proxy.at(message, act(daemon.process()));
    proxy.heal();
    daemon.finish()
}

#[test]
fn a_kill_at_any_message_to_the_database_loses_nothing_and_invents_nothing() {
    let Some(mut cluster) = cluster("kills at each message", &["restart_after_crash=on"]) else {
        return;
    };
    let sim = server();
    let proxy = Proxy::start(cluster.port());
    let mut setup = setup(&sim, &[proxy.port()], "a");
    setup.paging = "page_size = 5\nin_flight = 1\npage_interval = '0s'".to_owned();

    // Two passes: one that makes everything, and one that finds something of each kind.
    assert!(once(&setup).status.success());
    let first = proxy.messages();
    let there = ids(&sim);
    let (delete, update) = (&there[3..5], [there[0], there[7], there[11]]);
    edit(&sim, json!({"insert": 3, "delete": delete, "update": update}));
    assert!(once(&setup).status.success());
    let second = proxy.messages() - first;
    let length = first.max(second);
    println!("{first} and {second} messages");

    let acts: [NamedAct; 5] = [
        ("killed before", Act::KillBefore),
        ("killed after", Act::KillAfter),
        ("broken before", |_| Act::BreakBefore),
        ("broken after", |_| Act::BreakAfter),
        ("server killed after", |_| Act::KillServer),
    ];
    let (mut tried, mut survived) = (0, 0);
    for message in (1 + fastrand::u64(..step())..=length).step_by(usize::try_from(step()).unwrap())
    {
        for (name, act) in acts {
            let what = format!("{name} message {message}");
            cluster.sql("DROP SCHEMA IF EXISTS ewmirror CASCADE").unwrap();
            let ended = once_with(&setup, &proxy, message, act);
            let killed = ended.status.signal() == Some(9);
            survived += usize::from(!killed);
            tried += 1;
            await_server(&mut cluster);
            judge(&cluster, &what);
            free(&cluster);
            let again = once(&setup);
            assert!(again.status.success(), "{what}: {:?}", again.events.last());
            judge(&cluster, &what);
            equals_server(&cluster, &sim, 1, &what);
        }
    }
    println!("{tried} runs, {survived} of them ended by themselves");
}

/// After a session of it was killed the server starts all others anew.
fn await_server(cluster: &mut Cluster) {
    while cluster.sql("SELECT 1").is_err() {
        pause(Duration::from_millis(20));
    }
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
    for kill in 0..KILLS {
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
        cluster.sql("DROP SCHEMA IF EXISTS ewmirror CASCADE").unwrap();
        cluster.sql("DROP SCHEMA IF EXISTS probe CASCADE").unwrap();
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
        proxy.at(1 + round * 2, Act::Stop(leader.process()));
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
