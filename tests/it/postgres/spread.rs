//! Repositories that daemons share out.

use serde_json::json;

use super::judge::{equals_server, judge, one_writer, watch};
use super::{cluster, setup};
use crate::support::cluster::Cluster;
use crate::support::{Daemon, Setup, Sim, eventually, is_so, repositories};

const IDS: [u64; 3] = [1, 2, 3];

/// How many leases each live daemon has, by its name.
fn shares(cluster: &Cluster) -> String {
    let question = "
        SELECT string_agg(name || count, ' ' ORDER BY name) FROM (
            SELECT i.name, count(l.repository) FROM ewmirror.instance i
            LEFT JOIN ewmirror.lease l ON l.owner = i.owner
            WHERE i.expires_at > clock_timestamp() GROUP BY i.name) AS it (name, count)";
    cluster.sql(question).expect("an answer")
}

fn wait_for_shares(cluster: &Cluster, daemons: &[&Daemon], wanted: &[&str]) {
    eventually(|| {
        let now = shares(cluster);
        is_so(wanted.contains(&now.as_str()), || {
            let tails: Vec<_> = daemons.iter().map(|it| it.tail()).collect();
            format!("{now}, not {wanted:?}:\n{}", tails.join("\n\n"))
        })
    });
}

fn spread(sim: &Sim, cluster: &Cluster, name: &str) -> Setup {
    let mut setup = setup(sim, &[cluster.port()], name);
    setup.mirror = setup.mirror.replace("lease_ttl", "spread = true\nlease_ttl");
    setup.repositories = IDS.map(|id| format!("id = {id}")).into();
    setup.paging = setup.paging.replace("'1h'", "'10ms'");
    setup
}

/// Each repository is read by its owner, and a pass of it comes to its end.
fn each_is_read(cluster: &Cluster, daemons: &[&Daemon]) {
    let marks: Vec<usize> = daemons.iter().map(|it| it.mark()).collect();
    for id in IDS {
        let owner = format!(
            "SELECT i.name FROM ewmirror.lease l JOIN ewmirror.instance i USING (owner) \
             WHERE l.repository = {id}"
        );
        let owner = cluster.sql(&owner).expect("an answer");
        let reads = |it: &&(usize, &&Daemon)| {
            it.1.all("lease taken").iter().any(|it| it.is_of("lease taken", id))
        };
        let owners: Vec<_> = daemons.iter().enumerate().collect();
        let (place, daemon) = owners
            .iter()
            .filter(reads)
            .find(|(place, _)| ["a", "b", "c"][*place] == owner)
            .unwrap_or_else(|| panic!("{owner} has {id} and has not said so"));
        daemon
            .wait_from(marks[*place], |it| it.is_of("pass complete", id) && it.truth("certified"));
    }
}

#[test]
fn repositories_are_shared_out_and_follow_when_a_daemon_comes_or_goes() {
    let Some(cluster) = cluster("repositories that are shared out", &[]) else { return };
    let sim = Sim::start(repositories(&IDS.map(|id| (id, 400))));
    let run = |name| Daemon::run(&spread(&sim, &cluster, name));
    let a = run("a");
    a.wait_for(|it| it.is("page read"));
    watch(&cluster);
    let b = run("b");
    wait_for_shares(&cluster, &[&a, &b], &["a2 b1"]);
    each_is_read(&cluster, &[&a, &b]);
    let c = run("c");
    wait_for_shares(&cluster, &[&a, &b, &c], &["a1 b1 c1"]);
    each_is_read(&cluster, &[&a, &b, &c]);
    // What is let go of by itself is no loss to warn of.
    let lost = a.all("lease lost");
    assert_eq!(lost.len(), 2, "{lost:?}");
    for lost in lost {
        assert_eq!((lost.level(), lost.text("reason")), ("INFO", "it is another daemon's share"));
    }
    // One is killed, and one stops in order.
    c.kill();
    wait_for_shares(&cluster, &[&a, &b], &["a2 b1", "a1 b2"]);
    each_is_read(&cluster, &[&a, &b]);
    let ended = b.stop();
    assert!(ended.all("task failed").is_empty() && ended.all("panic").is_empty());
    wait_for_shares(&cluster, &[&a], &["a3"]);
    each_is_read(&cluster, &[&a]);
    let ended = a.stop();
    assert!(ended.all("pass started over").is_empty(), "a pass goes on where it was");
    assert!(ended.all("task failed").is_empty() && ended.all("panic").is_empty());
    judge(&cluster, "the end");
    one_writer(&cluster, "the end");
    for id in IDS {
        equals_server(&cluster, &sim, id, "the end");
    }
}

#[test]
fn all_repositories_that_the_server_offers_are_shared_out_and_one_that_comes_later_too() {
    let Some(cluster) = cluster("all repositories, shared out", &[]) else { return };
    let sim = Sim::start(repositories(&IDS.map(|id| (id, 400))));
    let late = IDS[2];
    sim.door("offer", &json!({"repository": late, "listed": false}));
    let run = |name| {
        let mut setup = spread(&sim, &cluster, name);
        setup.repositories = vec!["id = 'all'".to_owned()];
        setup.model = "refresh_interval = '1s'".to_owned();
        Daemon::run(&setup)
    };
    let a = run("a");
    a.wait_for(|it| it.is("page read"));
    let b = run("b");
    // To ask for the list is a share, too.
    wait_for_shares(&cluster, &[&a, &b], &["a2 b1", "a1 b2"]);
    sim.door("offer", &json!({"repository": late, "listed": true}));
    wait_for_shares(&cluster, &[&a, &b], &["a2 b2"]);
    each_is_read(&cluster, &[&a, &b]);
    a.kill();
    wait_for_shares(&cluster, &[&b], &["b4"]);
    let mark = b.mark();
    for id in IDS {
        b.wait_from(mark, |it| it.is_of("pass complete", id) && it.truth("certified"));
    }
    sim.door("offer", &json!({"repository": late, "listed": false}));
    b.wait_from(mark, |it| it.is_of("repository no longer offered", late));
    let ended = b.stop();
    assert!(ended.all("task failed").is_empty() && ended.all("panic").is_empty());
    judge(&cluster, "the end");
    for id in IDS {
        equals_server(&cluster, &sim, id, "the end");
    }
}
