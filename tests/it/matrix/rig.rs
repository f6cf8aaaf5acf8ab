//! What the cells share: a daemon at rest beside a mirror, and one pass at a time.

use serde_json::{Value, json};

use super::Serve;
use super::table::{Do, Kind};
use crate::mirror::{edit, ids};
use crate::support::oracle::{self, Fold};
use crate::support::{Daemon, Event, Kept, Setup, Sim, repositories};

use std::collections::BTreeSet;
use std::time::Duration;

use ewmirror::simulator::{Options, SimulatedEndpoint};

/// Four pages of the size that [`settings`] sets.
pub(super) const ITEMS: usize = 120;
/// How many of them each pass finds changed.
pub(super) const CHANGED: usize = 4;

/// How many pages they are, and which request is the one in the middle; the first is number 0.
pub(super) const PAGES: u64 = 4;
pub(super) const MIDDLE: u64 = 1;

/// Where in a pass a fault comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before everything else.
    Start,
    /// At the first page, or at what comes before it.
    First,
    /// In the middle.
    Middle,
    /// At the last page, or at what comes after it.
    Last,
    /// When a request is made again that has just failed.
    Retry,
    /// While a login is under way.
    Login,
    /// After a SIGHUP that came while the request was under way.
    Reload,
    /// After a SIGTERM that came while the request was under way.
    Shutdown,
}

impl Stage {
    /// The stages of a pass.
    pub(super) const ALL: [Self; 7] = [
        Self::First,
        Self::Middle,
        Self::Last,
        Self::Retry,
        Self::Login,
        Self::Reload,
        Self::Shutdown,
    ];
}

/// A server with a mirror of it and the daemon that keeps it, between two passes.
pub(super) struct Rig {
    pub(super) sim: Sim,
    pub(super) kept: Kept,
    pub(super) daemon: Daemon,
    setup: Setup,
    fold: Fold,
    /// The items that are gone for good.
    pub(super) gone: BTreeSet<u64>,
    reloads: u32,
}

/// What one pass came to.
pub(super) struct Passed {
    pub(super) complete: Event,
    /// All events from its beginning to now.
    pub(super) events: Vec<Event>,
}

impl Passed {
    pub(super) fn all(&self, message: &str) -> Vec<&Event> {
        self.events.iter().filter(|event| event.is(message)).collect()
    }

    /// The failures of a call, in order: attempt and error.
    pub(super) fn failed(&self, endpoint: &str) -> Vec<(u64, String)> {
        let failed = self.all("request failed");
        let of_call = failed.into_iter().filter(|it| it.text("endpoint") == endpoint);
        of_call.map(|it| (it.number("attempt"), it.text("error").to_owned())).collect()
    }
}

/// The server of the cells.
pub(super) fn server() -> Options {
    Options { slow: Duration::from_millis(20), ..repositories(&[(1, ITEMS)]) }
}

/// The settings of the cells: a pass when it is asked for, and this time-out.
pub(super) fn settings(setup: Setup, timeout: &str) -> Setup {
    Setup {
        server: format!("request_timeout = '{timeout}'\nmax_response_size = '1MiB'"),
        session: "reauth_interval = '1h'".to_owned(),
        paging: "page_size = 40\npage_interval = '0s'\npass_interval = '1h'".to_owned(),
        ..setup
    }
}

impl Rig {
    /// A mirror that has read its server once, with other settings.
    pub(super) fn with(timeout: &str, change: impl FnOnce(&mut Setup)) -> Self {
        let sim = Sim::start(server());
        let kept = Kept::new(&sim);
        let mut setup = settings(kept.setup(), timeout);
        change(&mut setup);
        let daemon = Daemon::run(&setup);
        let pass = daemon.wait_for_pass(1, 1);
        assert_eq!((pass.number("pages"), pass.truth("certified")), (PAGES, true), "{}", pass.line);
        Self { sim, kept, daemon, setup, fold: Fold::default(), gone: BTreeSet::new(), reloads: 0 }
    }

    /// Gives the next pass something to find: on each page an item that has changed.
    pub(super) fn work(&self) {
        let ids = ids(&self.sim);
        let changed: Vec<u64> = ids.chunks(ids.len() / CHANGED).map(|page| page[0]).collect();
        edit(&self.sim, json!({"update": changed}));
    }

    /// How many requests the faults have hit in all.
    pub(super) fn hits(&self) -> u64 {
        self.sim.counts().faults.values().sum()
    }

    /// Asks for a pass; the place in the log where it begins.
    pub(super) fn begin(&self) -> usize {
        let mark = self.daemon.mark();
        self.daemon.signal("USR1");
        mark
    }

    /// Waits until the pass has ended that began here.
    pub(super) fn passed(&self, mark: usize) -> Passed {
        let complete = self.daemon.wait_from(mark, |it| it.is_of("pass complete", 1));
        let events = self.daemon.events();
        let events = events[mark..].to_vec();
        Passed { complete, events }
    }

    /// Reads the configuration again, with another value of a key that no pass takes note of.
    pub(super) fn reload(&mut self) {
        self.reloads += 1;
        let mut setup = self.setup.clone();
        let fraction = if self.reloads.is_multiple_of(2) { "0.3" } else { "0.4" };
        setup.mirror += "\n[deletes]\nmax_fraction = ";
        setup.mirror += fraction;
        self.daemon.reload(&setup);
    }

    /// A reload that changes how the server is reached.
    pub(super) fn reload_with_another_way(&mut self) {
        let (before, _) =
            self.setup.server.split_once("\nidle").unwrap_or((&self.setup.server, ""));
        self.setup.server = format!("{before}\nidle_timeout = '{}s'", 100 + self.reloads);
        self.reload();
    }

    /// Mirror, log and server agree, after another pass where the one before proved nothing; and
    /// nothing is said to be gone but what is.
    pub(super) fn agree(&mut self, certified: bool, cell: &str) {
        if !certified {
            let healed = self.passed(self.begin());
            assert!(healed.complete.truth("certified"), "{cell}: {}", healed.complete.line);
        }
        oracle::equals_server(&self.kept, &self.sim, 1);
        self.fold.check(&self.kept, &[1]);
        assert_eq!(self.fold.deleted(), self.gone, "{cell}");
    }
}

impl Serve for Rig {
    fn start(timeout: &str) -> Self {
        Self::with(timeout, |_| {})
    }

    fn stop(self) {
        self.daemon.stop();
        // The list of repositories is asked for where a search is refused twice, or finds nothing.
        for never in [SimulatedEndpoint::Count, SimulatedEndpoint::Token] {
            assert_eq!(calls(&self.sim, never), 0, "{never:?}");
        }
    }
}

/// Queues what the server does for a request of this call, after so many.
pub(super) fn queue(sim: &Sim, kind: &Kind, endpoint: &str, after: u64) {
    match kind.does {
        Do::Fault(name) => sim.fault(endpoint, name, after, 1),
        Do::Answer(status, header, body) => {
            let headers: Value = header.into_iter().collect();
            let answer = json!({"status": status, "headers": headers, "body": body});
            sim.door(
                "faults",
                &json!([{
                    "endpoint": endpoint, "kind": "canned", "after": after, "answer": answer
                }]),
            );
        }
    }
}

/// Holds a request of this call, after so many.
pub(super) fn hold(sim: &Sim, endpoint: &str, after: u64) {
    sim.door("hold", &json!({"endpoint": endpoint, "after": after}));
}

/// Waits until so many requests have been held in all.
pub(super) fn wait_for_held(sim: &Sim, held: u64) {
    sim.wait_until(|counts| counts.held >= held);
}

/// Lets go of the request of this call that was held first.
pub(super) fn release(sim: &Sim, endpoint: &str) {
    let released = sim.door("release", &json!({"endpoint": endpoint}));
    assert_eq!(released["released"], true, "no {endpoint} was held");
}

/// How many requests of a call there were.
pub(super) fn calls(sim: &Sim, endpoint: SimulatedEndpoint) -> u64 {
    sim.counts().calls.get(&endpoint).copied().unwrap_or_default()
}
