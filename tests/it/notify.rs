//! What the service manager is told by the built binary.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::shop::{Signal, signal};
use crate::support::{DEADLINE, Daemon, Setup, Sim, pause, repositories, sim};

/// The manager gives the process up after so long; short, so that the tests are.
const WATCHDOG: Duration = Duration::from_millis(900);

/// A service manager's end of the socket.
pub(crate) struct Manager {
    socket: UnixDatagram,
    address: String,
    _directory: TempDir,
}

impl Manager {
    pub(crate) fn start() -> Self {
        let directory = TempDir::new().expect("a directory for the test");
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("the socket can be bound");
        let address = path.to_str().expect("our paths are plain").to_owned();
        Self { socket, address, _directory: directory }
    }

    fn start_abstract() -> Self {
        let directory = TempDir::new().expect("a directory for the test");
        // A name that nobody else has.
        let name = directory.path().to_str().expect("our paths are plain").to_owned();
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let socket = UnixDatagram::bind_addr(&address).expect("the socket can be bound");
        Self { socket, address: format!("@{name}"), _directory: directory }
    }

    /// Has a command tell this manager, and be watched by it.
    pub(crate) fn watch(&self, command: &mut Command) {
        command.env("NOTIFY_SOCKET", &self.address);
        command.env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
    }

    fn run(&self, setup: &Setup) -> Daemon {
        Daemon::start_with(&["run"], setup, |command| self.watch(command))
    }

    /// The next message, if one comes in time.
    fn next(&self, within: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(within)).expect("a time-out can be set");
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..length].to_vec()).expect("messages are text"))
    }

    /// Waits for a message.
    pub(crate) fn wait_for(&self, what: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE {
            match self.next(Duration::from_secs(1)) {
                Some(message) if what(&message) => return message,
                _ => {}
            }
        }
        panic!("the message did not come")
    }

    /// What has come until now.
    fn drain(&self) -> Vec<String> {
        std::iter::from_fn(|| self.next(Duration::from_millis(1))).collect()
    }
}

fn is_alive(message: &str) -> bool {
    message == "WATCHDOG=1"
}

pub(crate) fn is_status(message: &str) -> bool {
    message.starts_with("STATUS=")
}

#[test]
fn the_life_of_a_unit_is_told_from_ready_to_stopping() {
    for manager in [Manager::start(), Manager::start_abstract()] {
        let sim = Sim::start(repositories(&[(1, 100)]));
        let daemon = manager.run(&Setup::new(sim.url()));
        assert_eq!(manager.next(DEADLINE).as_deref(), Some("READY=1"));
        manager.wait_for(is_alive);
        daemon.wait_for_pass(1, 1);
        let resting = manager.wait_for(|it| is_status(it) && it.contains("resting"));
        assert!(
            resting.starts_with("STATUS=1: resting after pass 1; last certified pass ")
                && resting.contains(" s ago; signed in "),
            "{resting}"
        );
        daemon.stop();
        let left: Vec<_> = manager.drain().into_iter().filter(|it| !is_alive(it)).collect();
        let last = left.iter().rposition(|it| it == "STOPPING=1").expect("it says so");
        assert_eq!(left[last..], ["STOPPING=1", "STATUS=stopping"]);
    }
}

#[test]
fn a_reload_is_told_with_the_monotonic_time_and_its_end_also_where_the_file_is_faulty() {
    let sim = Sim::start(repositories(&[(1, 100)]));
    let setup = Setup::new(sim.url());
    let manager = Manager::start();
    let daemon = manager.run(&setup);
    assert_eq!(manager.wait_for(|it| it == "READY=1"), "READY=1");
    let mut before = 0;
    for (text, outcome) in
        [(setup.toml(), "configuration reloaded"), ("[server".to_owned(), "configuration rejected")]
    {
        daemon.configure_with(&text);
        let mark = daemon.mark();
        daemon.signal("HUP");
        let reloading = manager.wait_for(|it| it.starts_with("RELOADING=1"));
        let at = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("both in one");
        let at: u64 = at.parse().expect("a number");
        assert!(at > before, "{at} after {before}");
        before = at;
        manager.wait_for(|it| it == "READY=1");
        daemon.wait_from(mark, |it| it.is(outcome));
    }
    daemon.stop();
}

#[test]
fn a_server_that_is_away_at_the_start_fails_nothing() {
    let manager = Manager::start();
    let daemon = manager.run(&Setup::new(format!("http://127.0.0.1:{}", sim::free_port())));
    assert_eq!(manager.next(DEADLINE).as_deref(), Some("READY=1"));
    manager.wait_for(|it| it.starts_with("STATUS=login failed: no connection: 127.0.0.1:"));
    manager.wait_for(is_alive);
    daemon.stop();
}

#[test]
fn a_process_that_stands_still_is_silent_and_speaks_again_once_it_goes_on() {
    let sim = Sim::start(repositories(&[(1, 100)]));
    let manager = Manager::start();
    let daemon = manager.run(&Setup::new(sim.url()));
    for _ in 0..5 {
        manager.wait_for(is_alive);
    }
    // It has stopped once this returns.
    signal(daemon.process(), Signal::STOP);
    manager.drain();
    assert_eq!(manager.next(2 * WATCHDOG), None);
    daemon.signal("CONT");
    manager.wait_for(is_alive);
    assert!(daemon.stop().all("task hangs").is_empty());
}

#[test]
fn a_watchdog_for_another_process_is_not_fed_and_once_tells_nothing() {
    let sim = Sim::start(repositories(&[(1, 100)]));
    let manager = Manager::start();
    let daemon = Daemon::start_with(&["run"], &Setup::new(sim.url()), |command| {
        manager.watch(command);
        command.env("WATCHDOG_PID", "1");
    });
    daemon.wait_for_pass(1, 1);
    pause(2 * WATCHDOG);
    daemon.stop();
    let messages = manager.drain();
    assert!(messages.contains(&"READY=1".to_owned()), "{messages:?}");
    assert!(!messages.iter().any(|message| is_alive(message)), "{messages:?}");

    let once = Daemon::start_with(&["once"], &Setup::new(sim.url()), |it| manager.watch(it));
    assert!(once.finish().status.success());
    assert_eq!(manager.drain(), [""; 0]);
}
