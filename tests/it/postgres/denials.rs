//! Logins that are denied to daemons that share a mirror: together they must not lock the account.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ewmirror::simulator::Options;
use serde_json::json;
use tempfile::TempDir;

use super::{cluster, setup};
use crate::support::cluster::Cluster;
use crate::support::{Daemon, Sim, pause, repositories};

/// Longer than the wait after a first denial; nothing announces that nobody tries.
const LONGER_THAN_A_WAIT: Duration = Duration::from_secs(8);

/// A daemon that reads one of two repositories, with the password in this file.
fn run(sim: &Sim, cluster: &Cluster, password: &Path, name: &str) -> Daemon {
    let mut setup = setup(sim, &[cluster.port()], name);
    setup.mirror = setup.mirror.replace("lease_ttl", "spread = true\nlease_ttl");
    setup.repositories = ["id = 1", "id = 2"].map(str::to_owned).into();
    setup.login = format!("{}\npassword_file = '{}'", setup.login, password.display());
    Daemon::start_with(&["run"], &setup, |command| {
        command.env_remove("EWMIRROR_LOGIN__PASSWORD");
    })
}

#[test]
fn a_wrong_password_is_tried_three_times_by_all_daemons_together() {
    let Some(cluster) = cluster("denials that are counted together", &[]) else { return };
    // Each answer takes a while, so that daemons may ask whether to try while another one is trying.
    let latency = Duration::from_millis(700);
    let sim = Sim::start(Options { latency, ..repositories(&[(1, 20), (2, 20)]) });
    // The first tries of both are denied at the same moment, and so the next ones are due together.
    for _ in 0..2 {
        sim.door("hold", &json!({"endpoint": "login"}));
    }
    let folder = TempDir::new().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "not the password").unwrap();
    let daemons = ["a", "b"].map(|name| run(&sim, &cluster, &password, name));
    sim.wait_until(|counts| counts.held == 2);
    for _ in 0..2 {
        sim.door("release", &json!({"endpoint": "login"}));
    }
    sim.wait_until(|counts| counts.failed_logins >= 3);
    pause(LONGER_THAN_A_WAIT);
    assert_eq!(sim.counts().failed_logins, 3, "tries within 15 minutes");
    // One that comes new takes part in the count.
    let other = run(&sim, &cluster, &password, "c");
    other.wait_for(|it| it.is("lease taken") || it.is("standing by"));
    pause(LONGER_THAN_A_WAIT);
    assert_eq!(sim.counts().failed_logins, 3, "tries within 15 minutes, with another daemon");
    // The password is put right, and a daemon told so.
    fs::write(&password, "system").unwrap();
    daemons[0].signal("HUP");
    daemons[0].wait_for(|it| it.is("signed in"));
    assert_eq!(sim.counts().failed_logins, 3);
    for daemon in daemons.into_iter().chain([other]) {
        daemon.stop();
    }
}
