//! A leader that goes: killed, stopped in order, frozen with a page in hand. The daemon that stands by
//! takes its place and goes on with its pass; what comes back writes nothing and stands by.
//!
//! How long that took is said by the clock of the database, and printed.

use std::time::Duration;

use ewmirror::simulator::Options;
use serde_json::json;

use super::judge::{equals_server, judge, one_writer, watch};
use super::{cluster, setup};
use crate::support::cluster::Cluster;
use crate::support::{Daemon, Event, Setup, Sim, repositories};

/// Many pages of 50: what is done to a leader in the middle of a pass comes before its end.
const ITEMS: usize = 3000;

/// Pages that are read before there is a standby.
const BEFORE: u64 = 5;

/// How often each is tried; `EWMIRROR_TAKEOVERS` says otherwise.
const ROUNDS: usize = 1;
const VARIABLE: &str = "EWMIRROR_TAKEOVERS";

/// What a standby may take on a machine that is busy with other things. It is said to take 5 s, and 2 s
/// after an orderly stop.
const LATEST_MS: i64 = 25_000;

#[test]
fn a_standby_of_every_repository_takes_over_what_the_leader_had_found() {
    let Some(cluster) = cluster("leases of every repository", &[]) else { return };
    let sim = Sim::start(repositories(&[(1, 300), (2, 300), (3, 300)]));
    let place = |name| {
        let repositories = vec!["id = 'all'".to_owned()];
        Setup { repositories, ..setup(&sim, &[cluster.port()], name) }
    };
    let leader = Daemon::run(&place("a"));
    (1..=3).for_each(|id| drop(leader.wait_for_pass(id, 1)));
    let standby = Daemon::run(&place("b"));
    standby.wait_for(|it| it.is("standing by"));
    assert_eq!(sim.counts().logins, 1, "a standby does not sign in");
    leader.kill();
    for id in 1..=3 {
        standby.wait_for(|it| it.is_of("lease taken", id));
        assert!(standby.wait_for_pass(id, 2).truth("certified"));
    }
    let ended = standby.stop();
    assert_eq!(ended.all("lease taken").len(), 3, "the lease of the list is nobody's business");
}

/// Of two daemons, "a" leads and is in the middle of its first pass, and "b" stands by.
struct Pair {
    cluster: Cluster,
    sim: Sim,
    standby: Daemon,
}

impl Pair {
    /// It, and the leader.
    fn start(what: &str, lease_ttl: &str) -> Option<(Self, Daemon)> {
        let cluster = cluster(what, &[])?;
        let latency = Duration::from_millis(20);
        let sim = Sim::start(Options { latency, ..repositories(&[(1, ITEMS)]) });
        let place = |name| {
            let mut setup = setup(&sim, &[cluster.port()], name);
            setup.mirror = setup.mirror.replace("'5s'", &format!("'{lease_ttl}'"));
            setup.paging.clear();
            setup.paging += "page_size = 50\nin_flight = 1\npage_interval = '0s'\n\
                            pass_interval = '1h'";
            setup
        };
        sim.door("hold", &json!({"endpoint": "search", "after": BEFORE}));
        let leader = Daemon::run(&place("a"));
        sim.wait_until(|counts| counts.held == 1);
        watch(&cluster);
        let standby = Daemon::run(&place("b"));
        let told = standby.wait_for(|it| it.is("standing by"));
        assert_eq!((told.level(), told.text("leader")), ("INFO", "a"), "{}", told.line);
        assert_eq!(sim.counts().logins, 1, "{what}: a standby does not sign in");
        sim.door("release", &json!({"endpoint": "search"}));
        Some((Self { cluster, sim, standby }, leader))
    }

    /// Now, by the clock of the database, in milliseconds.
    fn now(&self) -> i64 {
        self.number("SELECT extract(epoch FROM clock_timestamp()) * 1000")
    }

    /// How long after this moment the lease was taken that is held now.
    fn taken_after(&self, moment: i64) -> i64 {
        self.number("SELECT extract(epoch FROM since) * 1000 FROM ewmirror.lease") - moment
    }

    fn number(&self, question: &str) -> i64 {
        let rounded = format!("SELECT round(number)::bigint FROM ({question}) AS it (number)");
        self.cluster.sql(&rounded).expect("an answer").parse().expect("a number")
    }

    /// The standby reads, and goes on with the pass after what the leader had written of it.
    fn goes_on(&self, read_by_leader: u64, what: &str) {
        let standby = &self.standby;
        let taken = standby.wait_for(|it| it.is("lease taken"));
        assert_eq!((taken.level(), taken.number("generation")), ("INFO", 2), "{}", taken.line);
        let resumed = standby.wait_for(|it| it.is("pass resumed"));
        assert_eq!(resumed.number("iteration"), 1, "{what}: {}", resumed.line);
        let pages = resumed.number("pages");
        // A page is written before or after it is told of.
        assert!(pages.abs_diff(read_by_leader) <= 1, "{what}: {pages}, not {read_by_leader}");
        let first = standby.wait_for(|it| it.is("page read"));
        assert_eq!(first.number("page"), pages + 1, "{what}: {}", first.line);
        let pass = standby.wait_for(|it| it.is("pass complete"));
        assert!(pass.truth("certified") && pass.number("iteration") == 1, "{what}: {}", pass.line);
        assert_eq!(pass.number("created"), ITEMS as u64, "{what}: {}", pass.line);
        let asked = self.sim.counts();
        // Each page once, but for those under way at the end, and where it overlaps.
        assert!(asked.searches <= pass.number("pages") + 3, "{what}: {asked:?}");
        assert_eq!(asked.logins, 2, "{what}: {asked:?}");
        assert_eq!(judge(&self.cluster, what), ITEMS as u64, "{what}: each item came once");
        one_writer(&self.cluster, what);
        equals_server(&self.cluster, &self.sim, 1, what);
    }
}

#[expect(clippy::disallowed_methods, reason = "a knob of this test alone")]
fn rounds() -> usize {
    std::env::var(VARIABLE).ok().and_then(|it| it.parse().ok()).unwrap_or(ROUNDS)
}

/// Pages that this daemon says it has read.
fn pages(events: &[Event]) -> u64 {
    events.iter().filter(|it| it.is("page read")).count() as u64
}

#[test]
fn a_leader_that_is_killed_is_followed_once_its_lease_has_ended() {
    for round in 0..rounds() {
        let what = format!("killed, round {round}");
        let Some((pair, leader)) = Pair::start(&what, "5s") else { return };
        let killed = pair.now();
        let ended = leader.kill();
        pair.goes_on(pages(&ended.events), &what);
        let end = "SELECT extract(epoch FROM expires_at) * 1000 FROM ewmirror.instance \
                   WHERE name = 'a'";
        let late = pair.taken_after(pair.number(end));
        let took = pair.taken_after(killed);
        println!("{what}: lease_ttl 5 s, taken over after {took} ms, {late} ms after its end");
        assert!((0..LATEST_MS).contains(&late), "{what}: {late} ms");
        pair.standby.stop();
    }
}

#[test]
fn a_leader_that_stops_in_order_is_followed_at_once() {
    for round in 0..rounds() {
        let what = format!("stopped, round {round}");
        // It is not the end of the lease that is waited for.
        let Some((pair, leader)) = Pair::start(&what, "60s") else { return };
        let told = pair.now();
        let ended = leader.stop();
        pair.goes_on(pages(&ended.events), &what);
        let took = pair.taken_after(told);
        let taken = pair.standby.wait_for(|it| it.is("lease taken"));
        let vacant = taken.number("vacant_ms");
        println!("{what}: lease_ttl 60 s, taken over {took} ms after SIGTERM, vacant {vacant} ms");
        assert!((0..LATEST_MS).contains(&took), "{what}: {took} ms");
        // What `vacant_ms` counts from is when it was let go of, which is later.
        assert!(i64::try_from(vacant).is_ok_and(|it| it <= took), "{what}: {}", taken.line);
        assert_eq!(pair.sim.counts().logouts, 1, "{what}");
        pair.standby.stop();
    }
}

#[test]
fn a_leader_that_freezes_with_a_page_in_hand_writes_nothing_and_stands_by() {
    for round in 0..rounds() {
        let what = format!("frozen, round {round}");
        let Some((pair, leader)) = Pair::start(&what, "5s") else { return };
        let own = &pair.sim;
        let held = own.counts().held;
        own.door("hold", &json!({"endpoint": "search"}));
        own.wait_until(|counts| counts.held > held);
        let frozen = pair.now();
        leader.signal("STOP");
        own.door("release", &json!({"endpoint": "search"}));
        let read = pages(&leader.events());
        pair.goes_on(read, &what);
        let took = pair.taken_after(frozen);
        println!("{what}: lease_ttl 5 s, taken over after {took} ms");

        // The answer has long been there for it to read.
        let state = "SELECT row(l.*), (SELECT last FROM ewmirror.log),
            (SELECT count(*) FROM ewmirror.passes) FROM ewmirror.lease l";
        let (before, mark) = (pair.cluster.sql(state).expect("an answer"), leader.mark());
        leader.signal("CONT");
        let lost = leader.wait_from(mark, |it| it.is("lease lost"));
        assert_eq!((lost.level(), lost.number("generation")), ("WARN", 1), "{}", lost.line);
        assert!(!lost.text("reason").is_empty(), "{}", lost.line);
        let told = leader.wait_from(lost.index, |it| {
            it.is("standing by") && it.field("leader").is_some_and(|it| it == "b")
        });
        assert_eq!(told.level(), "INFO", "{}", told.line);
        // Nobody needs its session any more.
        own.wait_until(|counts| counts.logouts == 1);
        assert_eq!(pair.cluster.sql(state).expect("an answer"), before, "{what}: it has written");
        one_writer(&pair.cluster, &what);
        assert!(leader.all("lease lost").len() == 1, "{what}: {}", leader.tail());

        // It is there when it is needed.
        let mark = leader.mark();
        pair.standby.stop();
        let taken = leader.wait_from(mark, |it| it.is("lease taken"));
        assert_eq!(taken.number("generation"), 3, "{}", taken.line);
        own.wait_until(|counts| counts.logins == 3);
        let ended = leader.stop();
        assert!(ended.all("task failed").is_empty() && ended.all("panic").is_empty(), "{what}");
        one_writer(&pair.cluster, &what);
    }
}
