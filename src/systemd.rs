//! What the service manager is told: ready, reloading, stopping, a line of status, and that the
//! daemon is alive.
//!
//! The protocol of `sd_notify(3)`: one datagram a message, to the socket that `$NOTIFY_SOCKET`
//! names. Without it nobody listens, and every call does nothing.
//!
//! Guarantees: no call waits and none fails; a message that nobody takes is lost, but for
//! readiness, without which the unit would never start: [`Notifier::retry`] says it again.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::config::Environment;

/// Tells the service manager, where there is one.
#[derive(Debug, Default)]
pub struct Notifier {
    manager: Option<Manager>,
    watchdog: Option<Duration>,
    /// Readiness could not be sent, because the manager had no room.
    ready_is_owed: bool,
}

#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Notifier {
    /// One that tells nobody.
    pub fn nobody() -> Self {
        Self::default()
    }

    /// One that tells the service manager that started this process, where there is one.
    pub fn of(environment: &Environment) -> Self {
        let Some(manager) = environment.get("NOTIFY_SOCKET").and_then(|it| Manager::at(it).ok())
        else {
            return Self::nobody();
        };
        Self { manager: Some(manager), watchdog: watchdog(environment), ready_is_owed: false }
    }

    /// Whether anybody is told.
    pub fn is_heard(&self) -> bool {
        self.manager.is_some()
    }

    /// How long the manager waits for a heartbeat before it takes the process for dead.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The daemon is up, or a reload is over.
    pub fn ready(&mut self) {
        self.ready_is_owed = self.send("READY=1").is_err_and(|error| no_room(&error));
    }

    /// Says that the daemon is ready where that could not be said before.
    pub fn retry(&mut self) {
        if self.ready_is_owed {
            self.ready();
        }
    }

    /// The configuration is being read again; [`Notifier::ready`] ends it.
    pub fn reloading(&mut self) {
        self.ready_is_owed = false;
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_usec()));
    }

    /// The daemon is about to end.
    pub fn stopping(&mut self) {
        self.ready_is_owed = false;
        self.say("STOPPING=1");
    }

    /// What the daemon is doing, in one line; returns whether the manager has taken it.
    pub fn status(&self, line: &str) -> bool {
        // A line break would begin another message.
        self.send(&format!("STATUS={}", line.replace(['\n', '\r'], " "))).is_ok()
    }

    /// The daemon is alive; said to a manager that watches.
    pub fn alive(&self) {
        if self.watchdog.is_some() {
            self.say("WATCHDOG=1");
        }
    }

    fn say(&self, message: &str) {
        // Who does not listen misses it.
        drop(self.send(message));
    }

    fn send(&self, message: &str) -> io::Result<()> {
        let Some(Manager { socket, address }) = &self.manager else { return Ok(()) };
        socket.send_to_addr(message.as_bytes(), address).map(drop)
    }
}

impl Manager {
    /// A path, or a name in the abstract namespace after an `@`.
    fn at(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address })
    }
}

/// `WATCHDOG_USEC`, unless it is meant for another process.
fn watchdog(environment: &Environment) -> Option<Duration> {
    let number = |name: &str| environment.get(name).map(|value| value.to_str()?.parse().ok());
    let for_us = match number("WATCHDOG_PID") {
        None => true,
        Some(pid) => pid == Some(u64::from(std::process::id())),
    };
    let period = number("WATCHDOG_USEC").flatten().map(Duration::from_micros);
    period.filter(|period| for_us && !period.is_zero())
}

fn no_room(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// `CLOCK_MONOTONIC` in microseconds, by which the manager knows this reload from an older one.
fn monotonic_usec() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let microseconds = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
    u64::try_from(microseconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A manager's socket at a path.
    fn listening() -> (TempDir, UnixDatagram, Environment) {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let variables = [("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "30000000".into())];
        (directory, socket, Environment::from_pairs(variables))
    }

    fn heard(socket: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 4096];
        let mut messages = Vec::new();
        while let Ok(length) = socket.recv(&mut buffer) {
            messages.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        messages
    }

    #[test]
    fn each_message_is_one_datagram() {
        let (_directory, socket, environment) = listening();
        let mut notifier = Notifier::of(&environment);
        notifier.ready();
        assert!(notifier.status("one\ntwo\r\nthree"));
        notifier.alive();
        notifier.stopping();
        let messages = heard(&socket);
        assert_eq!(messages, ["READY=1", "STATUS=one two  three", "WATCHDOG=1", "STOPPING=1"]);
        let before = monotonic_usec();
        notifier.reloading();
        let reloading = heard(&socket).remove(0);
        let at = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!((before..=monotonic_usec()).contains(&at.parse().unwrap()), "{reloading}");
    }

    #[test]
    fn a_name_in_the_abstract_namespace_is_one() {
        let name = format!("ewmirror-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket.set_nonblocking(true).unwrap();
        let environment = Environment::from_pairs([("NOTIFY_SOCKET", format!("@{name}"))]);
        Notifier::of(&environment).ready();
        assert_eq!(heard(&socket), ["READY=1"]);
    }

    #[test]
    fn nobody_who_listens_is_no_failure() {
        let mut nobody = Notifier::of(&Environment::empty());
        nobody.ready();
        assert!(!nobody.is_heard() && nobody.watchdog().is_none());
        let (directory, socket, environment) = listening();
        let mut gone = Notifier::of(&environment);
        drop((socket, directory));
        gone.ready();
        gone.retry();
        assert!(!gone.status("still here"));
        let too_long = "x".repeat(200);
        assert!(!Notifier::of(&Environment::from_pairs([("NOTIFY_SOCKET", too_long)])).is_heard());
    }

    #[test]
    fn a_full_socket_holds_nobody_up_and_readiness_is_said_again() {
        let (_directory, socket, environment) = listening();
        let mut notifier = Notifier::of(&environment);
        // More than the kernel keeps for anybody.
        for _ in 0..10_000 {
            notifier.alive();
        }
        notifier.ready();
        assert!(!notifier.status("lost"));
        assert!(!heard(&socket).contains(&"READY=1".to_owned()));
        notifier.retry();
        notifier.retry();
        assert_eq!(heard(&socket), ["READY=1"]);
    }

    #[test]
    fn the_watchdog_is_ours_where_no_other_process_is_named() {
        let (_directory, _socket, environment) = listening();
        let socket = environment.get("NOTIFY_SOCKET").unwrap().to_str().unwrap();
        let us = std::process::id().to_string();
        let cases = [
            (vec![("WATCHDOG_USEC", "30000000")], Some(30)),
            (vec![("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", us.as_str())], Some(30)),
            (vec![("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "1")], None),
            (vec![("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "?")], None),
            (vec![("WATCHDOG_USEC", "0")], None),
            (vec![("WATCHDOG_USEC", "soon")], None),
            (vec![], None),
        ];
        for (mut variables, seconds) in cases {
            variables.push(("NOTIFY_SOCKET", socket));
            let notifier = Notifier::of(&Environment::from_pairs(variables.clone()));
            assert_eq!(notifier.watchdog(), seconds.map(Duration::from_secs), "{variables:?}");
        }
    }
}
