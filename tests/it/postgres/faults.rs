//! Each thing that can befall a database while pages are written to it: nothing is lost, nothing is
//! written twice, the daemon goes on by itself, and the log says what is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use ewmirror::simulator::Options;

use super::judge::{equals_server, judge};
use super::proxy::Proxy;
use super::{cluster, setup};
use crate::support::cluster::Cluster;
use crate::support::machine::Disk;
use crate::support::{Daemon, Event, Setup, Sim, pause, repositories};

const ITEMS: usize = 1200;

/// Longer than a lease lives, in these tests.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(7);

/// Pages that come one after the other, so that something can happen between them.
fn server() -> Sim {
    Sim::start(Options { latency: Duration::from_millis(20), ..repositories(&[(1, ITEMS)]) })
}

/// A daemon in the middle of its first pass.
fn under_way(setup: &Setup) -> Daemon {
    let daemon = Daemon::run(setup);
    daemon.wait_for(|it| it.is("page read") && it.number("page") >= 4);
    daemon
}

/// The first word of the fault since this place of the log.
fn told(daemon: &Daemon, place: usize, words: &[&str]) -> Event {
    let failed =
        daemon.wait_from(place, |it| it.is("request failed") && it.text("endpoint") == "mirror");
    let said = failed.line.to_lowercase();
    assert!(words.iter().any(|word| said.contains(word)), "{words:?}: {}", failed.line);
    failed
}

/// What is wrong is told once, and again ever more rarely as long as it lasts: not at each try.
#[expect(clippy::print_stdout, reason = "what was measured is shown")]
fn is_told_sparingly(events: &[Event], what: &str) {
    let mut told: BTreeMap<(&str, String), Vec<u64>> = BTreeMap::new();
    for event in events {
        let mirror = |it: &Event| {
            ["mirror", "leases"].into_iter().find(|endpoint| it.text("endpoint") == *endpoint)
        };
        if event.is("request failed") && event.level() != "DEBUG" {
            let Some(endpoint) = mirror(event) else { continue };
            let error = event.text("error").to_owned();
            assert!(!event.text("remedy").is_empty(), "{what}: {}", event.line);
            let attempt = event.number("attempt");
            assert!(attempt.is_power_of_two(), "{what}: {}", event.line);
            told.entry((endpoint, error)).or_default().push(attempt);
        }
    }
    for ((endpoint, error), attempts) in told {
        println!("{what} | {endpoint} | tries told {attempts:?} | {error}");
    }
}

/// It goes on by itself to the end of the pass, which is the whole truth.
fn goes_on(daemon: Daemon, cluster: &Cluster, sim: &Sim, what: &str) {
    let pass = daemon.wait_for(|it| it.is("pass complete") && it.truth("certified"));
    assert_eq!(pass.number("items"), ITEMS as u64, "{what}: {}", pass.line);
    let ended = daemon.stop();
    assert!(ended.all("panic").is_empty() && ended.all("task failed").is_empty(), "{what}");
    is_told_sparingly(&ended.events, what);
    let failed = |it: &&Event| it.is("request failed") && it.text("endpoint") == "mirror";
    let last = ended.events.iter().rfind(failed);
    if let Some(last) = last.filter(|it| it.level() != "DEBUG" || it.number("attempt") > 1) {
        // Its end is told, or the lease of the page in hand was lost meanwhile.
        let mut after = ended.events.iter().skip(last.index);
        let is_end = |it: &Event| it.is("reconnected") || it.is("lease lost");
        assert!(after.any(is_end), "{what}: {}", last.line);
    }
    assert_eq!(judge(cluster, what), ITEMS as u64, "{what}: each item came once");
    equals_server(cluster, sim, 1, what);
}

#[test]
fn a_database_that_is_restarted_is_waited_for() {
    for signal in ["INT", "QUIT"] {
        let what = format!("restarted by {signal}");
        let Some(mut cluster) = cluster(&what, &[]) else { return };
        let sim = server();
        let daemon = under_way(&setup(&sim, &[cluster.port()], "a"));
        let mark = daemon.mark();
        cluster.stop(signal);
        told(
            &daemon,
            mark,
            &["refused", "reset", "terminating", "closed", "starting", "shutting", "shut"],
        );
        cluster.resume();
        goes_on(daemon, &cluster, &sim, &what);
    }
}

#[test]
fn a_connection_that_is_killed_again_and_again_costs_nothing() {
    let what = "connections killed";
    let Some(cluster) = cluster(what, &[]) else { return };
    let sim = server();
    let daemon = under_way(&setup(&sim, &[cluster.port()], "a"));
    for _ in 0..20 {
        let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                      WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        cluster.sql(others).expect("an answer");
        pause(Duration::from_millis(fastrand::u64(5..60)));
    }
    goes_on(daemon, &cluster, &sim, what);
}

#[test]
fn a_database_that_is_read_only_for_a_while_is_told_of_and_waited_for() {
    let what = "read only";
    let Some(cluster) = cluster(what, &[]) else { return };
    let sim = server();
    let daemon = under_way(&setup(&sim, &[cluster.port()], "a"));
    let mark = daemon.mark();
    let switch = |value: &str| {
        cluster.sql(&format!("ALTER SYSTEM SET default_transaction_read_only = {value}")).unwrap();
        cluster.sql("SELECT pg_reload_conf()").unwrap();
    };
    switch("on");
    told(&daemon, mark, &["read only", "read-only"]);
    switch("off");
    goes_on(daemon, &cluster, &sim, what);
}

#[test]
fn a_database_that_is_full_is_told_of_and_waited_for() {
    let what = "full";
    let Some(disk) = Disk::in_memory(what, 24 << 20) else { return };
    let Some(cluster) = cluster(what, &[]) else { return };
    // Only what the mirror keeps is there: without room for its own log the server ends.
    fs::set_permissions(disk.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let space = disk.path().join("space");
    fs::create_dir(&space).unwrap();
    let space = space.to_str().unwrap();
    crate::support::machine::system(&["chown", "postgres", space]).unwrap();
    cluster.sql(&format!("CREATE TABLESPACE small LOCATION '{space}'")).unwrap();
    cluster.sql("ALTER DATABASE postgres SET default_tablespace = 'small'").expect("an answer");
    let sim = server();
    let daemon = under_way(&setup(&sim, &[cluster.port()], "a"));
    let mark = daemon.mark();
    let ballast = disk.fill();
    told(&daemon, mark, &["no space", "could not extend", "full"]);
    fs::remove_file(ballast).unwrap();
    goes_on(daemon, &cluster, &sim, what);
}

#[test]
fn a_database_that_gives_no_connection_is_waited_for() {
    let what = "out of connections";
    let Some(cluster) = cluster(what, &[]) else { return };
    cluster
        .sql("CREATE ROLE daemon LOGIN; GRANT CREATE ON DATABASE postgres TO daemon")
        .expect("an answer");
    let sim = server();
    let mut setup = setup(&sim, &[cluster.port()], "a");
    setup.mirror = setup.mirror.replace("postgres@", "daemon@");
    let daemon = under_way(&setup);
    let mark = daemon.mark();
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE usename = 'daemon'";
    cluster.sql("ALTER ROLE daemon CONNECTION LIMIT 0").expect("an answer");
    cluster.sql(end).expect("an answer");
    daemon.wait_from(mark, |it| {
        let is_mirror = it.is("request failed") && it.text("endpoint") == "mirror";
        is_mirror && it.line.contains("too many connections")
    });
    cluster.sql("ALTER ROLE daemon CONNECTION LIMIT -1").expect("an answer");
    goes_on(daemon, &cluster, &sim, what);
}

#[test]
fn a_database_that_is_slow_is_waited_for() {
    let what = "slow";
    let Some(cluster) = cluster(what, &[]) else { return };
    let sim = server();
    let proxy = Proxy::start(cluster.port());
    let daemon = under_way(&setup(&sim, &[proxy.port()], "a"));
    proxy.delay(Duration::from_millis(30));
    goes_on(daemon, &cluster, &sim, what);
}

#[test]
fn a_database_that_is_cut_off_for_longer_than_a_lease_is_waited_for() {
    for held in [true, false] {
        let what = format!("cut off, held: {held}");
        let Some(cluster) = cluster(&what, &[]) else { return };
        let sim = server();
        let proxy = Proxy::start(cluster.port());
        let daemon = under_way(&setup(&sim, &[proxy.port()], "a"));
        if held {
            proxy.hold();
        } else {
            proxy.cut();
        }
        // Nothing announces the end of a lease that nobody can ask about.
        pause(LONGER_THAN_A_LEASE);
        let lost = daemon.wait_for(|it| it.is("lease lost"));
        assert_eq!((lost.level(), lost.text("reason")), ("WARN", "it was not renewed in time"));
        let alone = daemon.wait_from(lost.index, |it| it.is("standing by"));
        assert!(alone.field("leader").is_none(), "nobody can say who: {}", alone.line);
        proxy.heal();
        let taken = daemon.wait_from(lost.index, |it| it.is("lease taken"));
        assert_eq!(taken.number("generation"), 2, "{}", taken.line);
        goes_on(daemon, &cluster, &sim, &what);
    }
}

#[test]
fn a_standby_that_takes_over_is_found_and_what_it_lacks_is_read_again() {
    for synchronous in [true, false] {
        let what = format!("failed over, synchronous: {synchronous}");
        let Some(mut primary) = cluster(&what, &[]) else { return };
        let standby = primary.standby(&std::env::temp_dir(), &["fsync=off"]);
        let streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
        while primary.sql(streaming).unwrap() != "1" {
            pause(Duration::from_millis(20));
        }
        if synchronous {
            primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'").unwrap();
            primary.sql("SELECT pg_reload_conf()").unwrap();
        }
        let sim = server();
        let daemon = under_way(&setup(&sim, &[primary.port(), standby.port()], "a"));
        let mark = daemon.mark();
        if !synchronous {
            // What is committed from now on never gets there.
            standby.sql("ALTER SYSTEM SET primary_conninfo = ''").unwrap();
            standby.sql("SELECT pg_reload_conf()").unwrap();
            while primary.sql(streaming).unwrap() != "0" {
                pause(Duration::from_millis(20));
            }
            let mark = daemon.mark();
            daemon.wait_from(mark, |it| it.is("page read"));
        }
        primary.stop("QUIT");
        told(&daemon, mark, &["refused", "closed", "terminating", "reset", "no connection"]);
        standby.sql("SELECT pg_promote()").unwrap();
        goes_on(daemon, &standby, &sim, &what);
    }
}
