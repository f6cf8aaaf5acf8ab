//! Networks that are cut, and names that lead nowhere or elsewhere.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::machine::{self, Network};
use crate::support::oracle::{self, Fold};
use crate::support::servers::Relay;
use crate::support::sim::free_port;
use crate::support::{Daemon, Kept, Sim, pause, repositories, skipped};

/// The server's session; its REST token lives for less.
const SESSION_TTL: Duration = Duration::from_secs(5);

/// A cable between two networks. The look-alike listens on 127.0.0.1 only, so that the address leads
/// over the cable in the daemon's network, which has no loopback of its own.
const SERVER_SIDE: &str = "
    ip link add cable type veth peer name cable netns PEER
    ip link set lo up
    ip address add 192.0.2.1/24 dev cable
    echo 1 > /proc/sys/net/ipv4/conf/cable/route_localnet
    ip link set cable up";
const CLIENT_SIDE: &str = "
    ip address add 192.0.2.2/24 dev cable
    echo 1 > /proc/sys/net/ipv4/conf/cable/route_localnet
    ip link set cable up
    ip route add 127.0.0.1/32 dev cable src 192.0.2.2";

#[test]
fn a_network_that_is_cut_for_longer_than_a_session_lives_costs_one_login_and_no_page() {
    let check = "a network that is cut";
    let (Some(theirs), Some(ours)) = (Network::new(check), Network::new(check)) else { return };
    let laid = theirs.shell(&SERVER_SIDE.replace("PEER", &ours.holder()));
    if let Err(why) = laid.and_then(|_| ours.shell(CLIENT_SIDE)) {
        return skipped(check, &why);
    }
    // What the look-alike in there has, because it is made from the same seed.
    let twin = Sim::start(repositories(&[(1, 2000)]));
    let [enter, network] = theirs.enter();
    let words = "simulate --port 8090 --repository 1:2000 --seed 1 --latency 50ms --session-ttl 5s \
                 --rest-token-ttl 2s";
    let folder = TempDir::new().unwrap();
    let _server = Daemon::by(&[&enter, &network], words.split_whitespace(), folder);
    let kept = Kept::new(&twin);
    let mut setup = kept.setup();
    setup.url = "http://127.0.0.1:8090".to_owned();
    setup.server = "connect_timeout = '1s'\nrequest_timeout = '1s'".to_owned();
    let [enter, network] = ours.enter();
    let daemon = Daemon::run_by(&[&enter, &network], &setup);
    daemon.wait_for(|it| it.is("page read") && it.number("page") == 5);

    theirs.shell("ip link set cable down").unwrap();
    let mark = daemon.mark();
    daemon.wait_from(mark, |it| it.is("request failed") && it.field("repository").is_some());
    // Nothing announces the end of a session that nobody can ask about.
    pause(SESSION_TTL);
    theirs.shell("ip link set cable up").unwrap();
    daemon.wait_from(mark, |it| it.is("reconnected") && it.field("repository").is_some());
    let next = daemon.wait_from(mark, |it| it.is("page read") && it.number("page") > 6);
    let logins = daemon.events();
    let logins = logins.iter().take(next.index).skip(mark);
    assert_eq!(logins.filter(|it| it.is("session renewed")).count(), 1, "{}", daemon.tail());
    let pass = daemon.wait_for_pass(1, 1);
    assert!(pass.truth("certified"), "{}", pass.line);
    daemon.stop();
    Fold::default().check(&kept, &[1]);
    oracle::equals_server(&kept, &twin, 1);
    kept.assert_sound();
}

#[test]
fn a_name_that_leads_nowhere_is_waited_for_and_followed_to_another_address() {
    let check = "a name that leads nowhere and then elsewhere";
    if !machine::is_root(check) {
        return;
    }
    if let Err(why) = machine::system(&["unshare", "--mount", "true"]) {
        return skipped(check, &why);
    }
    let sim = Sim::start(repositories(&[(1, 500)]));
    let port = free_port();
    let folder = TempDir::new().unwrap();
    let [hosts, switch] = ["hosts", "nsswitch.conf"].map(|name| folder.path().join(name));
    let resolve = |line: &str| fs::write(&hosts, line).unwrap();
    resolve("");
    fs::write(&switch, "hosts: files\n").unwrap();
    let kept = Kept::new(&sim);
    let mut setup = kept.setup();
    setup.url = format!("http://pim.test:{port}");
    setup.paging = setup.paging.replace("'1h'", "'1ms'");
    // Only this process sees these files in place of the system's.
    let folder = folder.path().display();
    let mount = format!(
        "mount --bind {folder}/hosts /etc/hosts && \
         mount --bind {folder}/nsswitch.conf /etc/nsswitch.conf && exec \"$@\""
    );
    let daemon = Daemon::run_by(&["unshare", "--mount", "sh", "-c", &mount, "sh"], &setup);
    let failed = daemon.wait_for(|it| it.is("request failed"));
    assert!(failed.text("error").contains("lookup"), "{}", failed.line);

    let first = Relay::start(([127, 0, 0, 1], port).into(), sim.address());
    resolve("127.0.0.1 pim.test\n");
    daemon.wait_for_pass(1, 1);
    let mark = daemon.mark();
    resolve("");
    first.cut();
    daemon.wait_from(mark, |it| it.is("request failed") && it.text("error").contains("lookup"));
    let _second = Relay::start(([127, 0, 0, 2], port).into(), sim.address());
    resolve("127.0.0.2 pim.test\n");
    daemon.wait_from(mark, |it| it.is("reconnected") && it.field("repository").is_some());
    oracle::wait_for_certified_pass(&daemon, 1);
    daemon.stop();
    assert_eq!(sim.counts().logins, 1);
    Fold::default().check(&kept, &[1]);
    oracle::equals_server(&kept, &sim, 1);
}
