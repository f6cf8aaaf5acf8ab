//! A daemon in a network of its own, with a cable to the database and to the look-alike that can be
//! pulled, and on which answers can be lost.
//!
//! The test itself runs in a network of its own, too, so that the cables lead there and nothing of the
//! machine's is touched.

use std::process::Command;

use crate::support::machine::{Network, is_root, system};
use crate::support::{Daemon, Setup, skipped};

/// Says to a test that it runs in a network of its own.
const APART: &str = "EWMIRROR_TEST_APART";

/// Where all daemons are.
pub(super) const NETWORK: &str = "192.0.2.0/24";

/// A cable between the test's network and the daemon's, which has no loopback of its own: 127.0.0.1 is
/// at the other end.
const OUR_SIDE: &str = "
    ip link add cableN type veth peer name cable netns PEER
    ip address add 192.0.2.OURS/30 dev cableN
    echo 1 > /proc/sys/net/ipv4/conf/cableN/route_localnet
    ip link set cableN up";
const DAEMON_SIDE: &str = "
    ip address add 192.0.2.THEIRS/30 dev cable
    echo 1 > /proc/sys/net/ipv4/conf/cable/route_localnet
    ip link set cable up
    ip route add 127.0.0.1/32 dev cable src 192.0.2.THEIRS";

#[expect(clippy::disallowed_methods, reason = "a word from the test that runs this one")]
fn is_apart() -> bool {
    std::env::var_os(APART).is_some()
}

/// Whether this test is the one in a network of its own; if not, runs it there to its end. Where the
/// kernel gives none, says so.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what the test says within is said without"
)]
pub(super) fn apart(check: &str, test: &str) -> bool {
    if is_apart() {
        return true;
    }
    if !is_root(check) {
        return false;
    }
    if let Err(why) = system(&["unshare", "--net", "ip", "link", "set", "lo", "up"]) {
        skipped(check, &why);
        return false;
    }
    let own = std::env::current_exe().expect("this program has a path");
    let within = "ip link set lo up && exec \"$@\"";
    let done = Command::new("unshare")
        .args(["--net", "sh", "-ec", within, "sh"])
        .arg(own)
        .args(["--exact", test, "--nocapture"])
        .env(APART, "1")
        .output()
        .expect("unshare runs");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    print!("{said}");
    eprint!("{}", String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && said.contains("1 passed"), "{check}: {}", done.status);
    false
}

/// A cable.
#[derive(Debug)]
pub(super) struct Cable {
    network: Network,
    name: String,
    theirs: String,
}

impl Cable {
    /// The n-th cable of the test, from 0; `None`, and said so, where the kernel gives none.
    pub(super) fn lay(check: &str, n: u8) -> Option<Self> {
        let network = Network::new(check)?;
        let (ours, theirs) = (4 * n + 1, 4 * n + 2);
        let laid = OUR_SIDE
            .replace("cableN", &format!("cable{n}"))
            .replace("PEER", &network.holder())
            .replace("OURS", &ours.to_string());
        let laid = system(&["sh", "-ec", &laid]);
        let laid =
            laid.and_then(|_| network.shell(&DAEMON_SIDE.replace("THEIRS", &theirs.to_string())));
        if let Err(why) = laid {
            skipped(check, &why);
            return None;
        }
        Some(Self { network, name: format!("cable{n}"), theirs: format!("192.0.2.{theirs}/32") })
    }

    /// A daemon at the other end.
    pub(super) fn run(&self, setup: &Setup) -> Daemon {
        let [enter, network] = self.network.enter();
        Daemon::run_by(&[&enter, &network], setup)
    }

    /// Nothing gets through, and nobody is told.
    pub(super) fn pull(&self) {
        system(&["ip", "link", "set", &self.name, "down"]).expect("it can be pulled");
    }

    /// What the daemon says gets through, and no answer does.
    pub(super) fn lose_answers(&self) {
        system(&["ip", "route", "replace", "blackhole", &self.theirs]).expect("it is a route");
    }

    /// All gets through again.
    pub(super) fn heal(&self) {
        // There may be no such route.
        drop(system(&["ip", "route", "del", "blackhole", &self.theirs]));
        system(&["ip", "link", "set", &self.name, "up"]).expect("it can be put back");
    }
}
