//! The whole claim at once: whatever happens to list, requests and daemon, and in whatever order,
//! the mirror of a server at rest equals it, the log folds to the mirror, and no deletion was false.

use std::sync::Mutex;
use std::time::Duration;

use ewmirror::simulator::{ConditionTreatment, Options, Order, SimulatedCondition};
use fastrand::Rng;
use serde_json::json;

use crate::support::editor::Editor;
use crate::support::oracle::{self, Fold};
use crate::support::{
    Daemon, Kept, Setup, Sim, for_each, is_thorough, pause, repositories, sampled,
};

/// A failure names its seed, which repeats what is done, though not when.
const SEEDS: [u64; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/// Steps of each seed, and how many where not everything is tried.
const STEPS: usize = 200;
const FEWER_STEPS: usize = 80;

const REPOSITORIES: [u64; 2] = [1, 2];
/// Those that neither slow a test down for seconds each, nor are meant to.
const FAULTS: [&str; 10] =
    ["drop", "truncate", "garbage", "e500", "e502", "short", "cap", "repeat", "refuse", "hang"];

#[test]
fn whatever_happens_the_mirror_is_exact_once_the_server_rests() {
    let told = Mutex::new(Vec::new());
    let steps = if is_thorough() { STEPS } else { FEWER_STEPS };
    // Else one for each order of the list.
    for_each(&sampled(SEEDS, 5), |seed| {
        let mut world = World::new(*seed);
        for _ in 0..steps {
            world.step();
        }
        let came = world.rest();
        told.lock().unwrap().push(came);
    });
    println!("{}", told.into_inner().unwrap().join("\n"));
    println!("{steps} steps each");
}

#[test]
fn new_settings_in_the_middle_of_a_pass_do_not_stop_it() {
    let sim = Sim::start(repositories(&[(1, 2000)]));
    let mut setup = Setup::new(sim.url());
    let mut rng = Rng::with_seed(1);
    let daemon = Daemon::run(&setup);
    daemon.wait_for(|it| it.is("starting"));
    for _ in 0..60 {
        let (size, in_flight) = (rng.u32(17..=200), rng.u32(1..=4));
        setup.paging = format!(
            "page_size = {size}\nin_flight = {in_flight}\npage_interval = '0s'\n\
             pass_interval = '20ms'"
        );
        daemon.reload(&setup);
        let mark = daemon.mark();
        daemon.wait_from(mark, |it| it.is("page read"));
        pause(Duration::from_millis(rng.u64(..30)));
    }
    daemon.stop();
}

/// Incremental passes of a seed, or none.
fn incremental(seed: u64) -> &'static str {
    match seed % 6 {
        // The order of these lists is that of last change.
        0 | 3 => {
            "incremental = { interval = '10ms', mode = 'newest_first', cursor = '/modifiedOn' }"
        }
        1 | 5 => {
            "incremental = { interval = '10ms', mode = 'since', search = { modifiedSince = '{since}' }, \
             cursor = '/modifiedOn', lookback = '1s' }"
        }
        _ => "",
    }
}

struct World {
    seed: u64,
    rng: Rng,
    sim: Sim,
    kept: Kept,
    editors: Vec<Editor>,
    setup: Setup,
    daemon: Option<Daemon>,
    fold: Fold,
    edits: usize,
    starts: usize,
    reordered: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        // Where the server cannot be asked for an item, one that moves could be overlooked twice:
        // nothing moves there.
        let can_be_asked = !seed.is_multiple_of(4);
        let order = match seed % 3 {
            0 if can_be_asked => Order::Modified,
            1 if can_be_asked => Order::Shuffled,
            _ => Order::Id,
        };
        let items = REPOSITORIES.map(|repository| (repository, rng.usize(0..800)));
        // Some changes are left out of what the condition shows.
        let conditions = vec![(SimulatedCondition::Since, ConditionTreatment::Lies)];
        let sim = Sim::start(Options { order, seed, conditions, ..repositories(&items) });
        if !can_be_asked {
            sim.door("items-call", &json!({"mode": "not-found"}));
        }
        let editor = |repository: &u64| Editor::new(&sim, *repository, order == Order::Shuffled);
        let editors = REPOSITORIES.iter().map(editor).collect();
        let kept = Kept::new(&sim);
        let mut setup = kept.setup();
        setup.server = String::from("connect_timeout = '2s'\nrequest_timeout = '500ms'");
        setup.mirror += "\n[deletes]\nmax_fraction = 1.0";
        let mut world = Self {
            seed,
            rng,
            sim,
            kept,
            editors,
            setup,
            daemon: None,
            fold: Fold::default(),
            edits: 0,
            starts: 0,
            reordered: false,
        };
        world.start();
        world
    }

    fn step(&mut self) {
        match self.rng.u32(..20) {
            0..=9 => self.edit(),
            10 | 11 => pause(Duration::from_millis(self.rng.u64(..100))),
            12 => self.wait_for_pages(),
            13 => self.wait_for_pass(),
            14 => {
                let fault = FAULTS[self.rng.usize(..FAULTS.len())];
                self.sim.odds(fault, 0.2 * self.rng.f64());
            }
            15 => self.sim.heal(),
            16 => {
                let door = ["end-sessions", "renew-rest-tokens"][self.rng.usize(..2)];
                self.sim.door(door, &json!({}));
            }
            17 => {
                self.settings();
                let daemon = self.running();
                // Before it listens for signals, this one would end it.
                daemon.wait_for(|it| it.is("starting"));
                daemon.reload(&self.setup);
            }
            18 => {
                self.reordered = !self.reordered;
                self.sim.door("reorder", &json!({"on": self.reordered}));
            }
            _ => {
                self.end();
                self.start();
            }
        }
    }

    fn edit(&mut self) {
        let editor = self.rng.usize(..self.editors.len());
        for _ in 0..=self.rng.usize(..4) {
            self.editors[editor].edit(&self.sim, &mut self.rng);
            self.edits += 1;
        }
    }

    fn wait_for_pages(&self) {
        let daemon = self.running();
        let mark = daemon.mark();
        daemon.wait_from(mark, |it| it.is("page read"));
    }

    fn wait_for_pass(&self) {
        let daemon = self.running();
        let mark = daemon.mark();
        daemon.wait_from(mark, |it| it.is("pass complete"));
    }

    fn running(&self) -> &Daemon {
        self.daemon.as_ref().expect("it runs between two steps")
    }

    fn start(&mut self) {
        self.settings();
        self.daemon = Some(Daemon::run(&self.setup));
        self.starts += 1;
    }

    fn settings(&mut self) {
        let mut paging = || {
            let (size, in_flight) = (self.rng.u32(17..=200), self.rng.u32(1..=4));
            format!("page_size = {size}\nin_flight = {in_flight}")
        };
        self.setup.repositories = REPOSITORIES
            .iter()
            .map(|repository| {
                format!("id = {repository}\n{}\n{}", paging(), incremental(self.seed))
            })
            .collect();
        self.setup.paging = String::from("page_interval = '0s'\npass_interval = '20ms'");
    }

    /// Ends the daemon, in order or not, and looks at what it leaves.
    fn end(&mut self) {
        let Some(daemon) = self.daemon.take() else { return };
        let ended = if self.rng.bool() { daemon.kill() } else { daemon.stop_with("TERM").0 };
        if ended.all("page read").is_empty() && self.fold.told.is_empty() {
            return;
        }
        self.check(&[]);
    }

    fn check(&mut self, repositories: &[u64]) {
        self.fold.check(&self.kept, repositories);
        let deleted = self.fold.deleted();
        for id in &deleted {
            let vouched = self.editors.iter().any(|editor| editor.has_taken_away(*id));
            assert!(vouched, "seed {}: {id} is told to be gone and is there", self.seed);
        }
    }

    /// The server comes to rest, and the mirror is what it is. Returns what came of all that, in a
    /// line.
    fn rest(mut self) -> String {
        self.sim.heal();
        self.sim.door("reorder", &json!({"on": false}));
        for repository in REPOSITORIES {
            oracle::wait_for_certified_pass(self.running(), repository);
        }
        self.running().signal("TERM");
        self.end();
        self.check(&REPOSITORIES);
        for repository in REPOSITORIES {
            // What was read in another order of its members is kept so: compared by meaning.
            oracle::means_the_same(&self.kept, &self.sim, repository);
        }
        let Self { seed, edits, starts, fold, .. } = self;
        format!(
            "seed {seed}: {edits} edits, {starts} starts, {} changes, {} of them deletions",
            fold.told.len(),
            fold.count("d"),
        )
    }
}
