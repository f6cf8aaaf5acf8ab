//! Three daemons that share a mirror, each with a way of its own to the database: killed, stopped,
//! woken, cut off and let in again at random. Whatever happens, one writes at a time, and what is
//! there is one instant of the mirror.
//!
//! The way is a proxy in one test, which cuts off the database alone and breaks connections; in the
//! other it is a network, whose cable is pulled, or loses what is answered.

use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::json;

use super::cable::{Cable, NETWORK, apart};
use super::judge::{equals_server, judge, one_writer, watch};
use super::proxy::Proxy;
use super::{cluster, setup};
use crate::support::cluster::Cluster;
use crate::support::editor::Editor;
use crate::support::{Daemon, Setup, Sim, eventually, is_so, is_thorough, pause, repositories};

/// Says how often something happens in each test.
const VARIABLE: &str = "EWMIRROR_ROUNDS";

/// The longest time between two things that happen: longer than a lease lives at times.
const LONGEST_MS: u64 = 6000;

/// What leads from a daemon to the database.
enum Link {
    Proxy(Proxy),
    Cable(Cable),
}

impl Link {
    fn run(&self, setup: &Setup) -> Daemon {
        match self {
            Self::Proxy(_) => Daemon::run(setup),
            Self::Cable(cable) => cable.run(setup),
        }
    }

    fn hold(&self) -> &'static str {
        match self {
            Self::Proxy(proxy) => {
                proxy.hold();
                "held off"
            }
            Self::Cable(cable) => {
                cable.pull();
                "unplugged"
            }
        }
    }

    fn cut(&self) -> &'static str {
        match self {
            Self::Proxy(proxy) => {
                proxy.cut();
                "cut off"
            }
            Self::Cable(cable) => {
                cable.lose_answers();
                "without answers"
            }
        }
    }

    fn heal(&self) {
        match self {
            Self::Proxy(proxy) => proxy.heal(),
            Self::Cable(cable) => cable.heal(),
        }
    }
}

/// A daemon, its place in the network, and what is done to it now.
struct Member {
    setup: Setup,
    link: Link,
    daemon: Option<Daemon>,
    is_stopped: bool,
    is_apart: bool,
}

impl Member {
    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("it runs")
    }

    /// Something happens to it; what.
    fn befall(&mut self, rng: &mut Rng) -> &'static str {
        if self.daemon.is_none() {
            self.daemon = Some(self.link.run(&self.setup));
            return "started";
        }
        if self.is_stopped && rng.bool() {
            self.daemon().signal("CONT");
            self.is_stopped = false;
            return "woken";
        }
        if self.is_apart && rng.bool() {
            self.link.heal();
            self.is_apart = false;
            return "let in";
        }
        match rng.u8(..5) {
            0 => {
                drop(self.daemon.take().map(Daemon::kill));
                self.is_stopped = false;
                "killed"
            }
            1 | 2 => {
                self.daemon().signal("STOP");
                self.is_stopped = true;
                "stopped"
            }
            3 => {
                self.is_apart = true;
                self.link.hold()
            }
            _ => {
                self.is_apart = true;
                self.link.cut()
            }
        }
    }

    /// It runs and is let in.
    fn restore(&mut self) {
        self.link.heal();
        match &self.daemon {
            None => self.daemon = Some(self.link.run(&self.setup)),
            Some(daemon) if self.is_stopped => daemon.signal("CONT"),
            Some(_) => {}
        }
        (self.is_stopped, self.is_apart) = (false, false);
    }

    /// Certified passes without suspects since this place of its log.
    fn passes_since(&self, mark: usize) -> usize {
        let events = self.daemon().events();
        let whole = events.iter().skip(mark).filter(|it| {
            it.is("pass complete") && it.truth("certified") && it.number("suspects") == 0
        });
        whole.count()
    }
}

#[expect(clippy::disallowed_methods, reason = "a knob of this test alone")]
fn rounds() -> usize {
    let default = if is_thorough() { 12 } else { 4 };
    std::env::var(VARIABLE).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
}

const NAMES: [&str; 3] = ["a", "b", "c"];

#[test]
fn three_daemons_that_are_killed_stopped_and_cut_off_never_write_beside_each_other() {
    let Some(cluster) = cluster("three daemons on one mirror", &[]) else { return };
    go_round(&cluster, NAMES.map(|_| Link::Proxy(Proxy::start(cluster.port()))));
}

#[test]
fn three_daemons_whose_cables_are_pulled_never_write_beside_each_other() {
    let check = "three daemons whose cables are pulled";
    let test = "postgres::rounds::\
                three_daemons_whose_cables_are_pulled_never_write_beside_each_other";
    if !apart(check, test) {
        return;
    }
    let Some(cluster) = cluster(check, &[]) else { return };
    cluster.admit(NETWORK);
    let [Some(a), Some(b), Some(c)] = [0, 1, 2].map(|n| Cable::lay(check, n)) else { return };
    go_round(&cluster, [a, b, c].map(Link::Cable));
}

#[expect(clippy::print_stdout, reason = "what was measured is shown")]
fn go_round(cluster: &Cluster, links: [Link; 3]) {
    let rounds = rounds();
    let mut rng = Rng::new();
    println!("seed {}", rng.get_seed());
    let sim = Sim::start(repositories(&[(1, 400)]));
    sim.door("items-call", &json!({"mode": "honest"}));
    let mut editor = Editor::new(&sim, 1, false);
    let mut members: Vec<Member> = NAMES
        .into_iter()
        .zip(links)
        .map(|(name, link)| {
            let port = match &link {
                Link::Proxy(proxy) => proxy.port(),
                Link::Cable(_) => cluster.port(),
            };
            let mut setup = setup(&sim, &[port], name);
            setup.paging =
                "page_size = 37\nin_flight = 2\npage_interval = '10ms'\npass_interval = '0s'"
                    .into();
            setup.server.clear();
            setup.server += "connect_timeout = '1s'\nrequest_timeout = '5s'";
            Member { setup, link, daemon: None, is_stopped: false, is_apart: false }
        })
        .collect();
    members[0].restore();
    members[0].daemon().wait_for(|it| it.is("page read"));
    watch(cluster);
    for member in &mut members {
        member.restore();
    }
    for round in 0..rounds {
        let member = rng.usize(..members.len());
        let befell = members[member].befall(&mut rng);
        let what = format!("round {round}: {} {befell}", NAMES[member]);
        println!("{what}");
        editor.edit(&sim, &mut rng);
        let until = Instant::now() + Duration::from_millis(rng.u64(..LONGEST_MS));
        while Instant::now() < until {
            judge(cluster, &what);
            one_writer(cluster, &what);
            pause(Duration::from_millis(100));
        }
    }
    for member in &mut members {
        member.restore();
    }
    let marks: Vec<usize> = members.iter().map(|it| it.daemon().mark()).collect();
    // The second one that ends has begun later than the last edit.
    eventually(|| {
        judge(cluster, "the end");
        let goes_on = members.iter().zip(&marks).any(|(it, mark)| it.passes_since(*mark) >= 2);
        is_so(goes_on, || {
            let tails: Vec<_> = members.iter().map(|it| it.daemon().tail()).collect();
            format!("nobody goes on:\n{}", tails.join("\n\n"))
        })
    });
    for member in members {
        let ended = member.daemon.expect("it runs").stop();
        assert!(ended.all("panic").is_empty() && ended.all("task failed").is_empty());
    }
    judge(cluster, "the end");
    one_writer(cluster, "the end");
    equals_server(cluster, &sim, 1, "the end");
    let generations = "SELECT max(generation) FROM ewmirror.lease";
    println!("{} generations", cluster.sql(generations).expect("an answer"));
}
