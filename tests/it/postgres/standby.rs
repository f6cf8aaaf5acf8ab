//! What a leader and a standby say of themselves, wherever one looks.

use std::net::SocketAddr;

use super::{cluster, setup};
use crate::health::{Seen, Watched};
use crate::page::{between, shown};
use crate::support::{Sim, repositories, sim, skipped};

/// What stands in a line of the page on the terminal.
fn says(seen: &Seen, line: &str) -> bool {
    seen.text.lines().any(|it| it == line)
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    sim::request(address, "GET", path, "")
}

#[test]
fn leader_and_standby_say_which_they_are_wherever_one_looks() {
    let check = "what a standby says";
    let Some(cluster) = cluster(check, &[]) else { return };
    let sims = [(); 2].map(|()| Sim::start(repositories(&[(1, 300)])));
    let leader = Watched::start(setup(&sims[0], &[cluster.port()], "a"));
    leader.daemon.wait_for_pass(1, 1);
    let standby = Watched::start(setup(&sims[1], &[cluster.port()], "b"));
    standby.daemon.wait_for(|it| it.is("standing by"));

    let seen = leader.look_until(|it| says(it, "instance a: leader, of 2 daemons"));
    let instance = &seen.document["instance"];
    assert_eq!((&instance["name"], &instance["role"]), (&"a".into(), &"leader".into()));
    assert_eq!((&instance["leader"], &instance["daemons"]), (&"a".into(), &2.into()));
    assert_eq!(seen.metric("ewmirror_leader"), "1");
    assert_eq!(seen.metric("ewmirror_lease_held{repository=\"1\"}"), "1");
    assert_eq!(seen.ready, (200, "ready\n".to_owned()));

    let seen = standby.look_until(|it| says(it, "instance b: STANDBY, a reads, of 2 daemons"));
    let instance = &seen.document["instance"];
    assert_eq!((&instance["name"], &instance["role"]), (&"b".into(), &"standby".into()));
    assert_eq!((&instance["leader"], &instance["daemons"]), (&"a".into(), &2.into()));
    assert_eq!(seen.document["daemon"]["sign_in"], "standing by");
    assert_eq!(seen.document["daemon"]["signed_in"], false);
    let repository = &seen.document["repositories"][0];
    assert_eq!((&repository["state"], &repository["owner"]), (&"standby".into(), &"a".into()));
    // What is in the mirror is told by a standby, too.
    assert_eq!(repository["items"], 300, "{repository}");
    assert_eq!((seen.exit, seen.document["health"].as_str()), (Some(0), Some("ok")));
    assert_eq!(seen.metric("ewmirror_leader"), "0");
    assert_eq!(seen.metric("ewmirror_lease_held{repository=\"1\"}"), "0");
    assert_eq!(seen.ready, (200, "standby: a reads\n".to_owned()));
    assert_eq!(get(standby.address, "/healthz").0, 200);
    assert_eq!(get(standby.address, "/status").0, 200);
    standby.manager.wait_for(|it| it.starts_with("STATUS=standing by, a reads | 1: standing by"));
    match [leader.address, standby.address].map(|it| shown(&it.to_string())) {
        [Some(leads), Some(stands_by)] => {
            let line = |page: &str| between(page, "id=\"daemon\"", "</p>").to_owned();
            assert!(line(&leads).contains("a: leader") && line(&leads).contains("signed in"));
            let line = line(&stands_by);
            assert!(line.contains("b: standby, a reads · standing by · 0 logins"), "{line}");
        }
        _ => skipped(check, "there is no browser to show the page"),
    }
    let asked = sims[1].counts();
    assert_eq!((asked.requests, asked.logins), (0, 0), "a standby asks nothing of the server");

    // And when it leads, it says so.
    leader.daemon.stop();
    // What is served is a moment old.
    let seen = standby
        .look_until(|it| says(it, "instance b: leader") && it.metric("ewmirror_leader") == "1");
    assert_eq!(seen.document["instance"]["role"], "leader");
    standby.manager.wait_for(|it| it.starts_with("STATUS=1: "));
    standby.daemon.stop();
}
