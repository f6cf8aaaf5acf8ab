//! Months of the daemon on a paused clock: all its tasks and the real mirror, against a server
//! whose items come and go between any two pages, whose requests go wrong in every way, which is
//! away for hours, and whose tokens end as the vendor's do.
//!
//! The suite runs two days. `EWMIRROR_SOAK_DAYS=30 cargo test --release --lib soak -- --nocapture`
//! runs a month, prints what it looked at, and, being alone in its process then, also holds memory,
//! files and threads against what they were.

mod follower;
mod look;
mod world;

use std::panic;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use self::follower::Follower;
use self::look::{Look, Looks};
use self::world::World;
use super::{ExitReason, Signal};
use crate::config::{Config, Environment};
use crate::pager::PassLimit;
use crate::progress::Progress;
use crate::supervisor::{LeaseTerms, Supervision, Supervisor};
use crate::systemd::Notifier;
use crate::task::clock::{self, Chance};
use crate::testing::{Call, HOUR, Recorder, Server, SqliteInTime, configuration};

/// Of the suite.
const DAYS: u32 = 2;

/// The daemon is stopped and started again in between.
const LIVES: u32 = 2;

/// The age at which it renews its session, in hours.
const MAX_AGE_HOURS: u32 = 23;

/// How long the world is at rest at the end: time for several passes, also after a failure.
const AT_REST: u32 = 3;

const PAGING: &str = "page_size = 60\npage_interval = '1s'\npass_interval = '5m'";

/// A daemon.
struct Daemon {
    mirror: Arc<SqliteInTime>,
    signals: mpsc::Sender<Signal>,
    running: JoinSet<ExitReason>,
}

impl Daemon {
    fn start(server: &Arc<Server>, mirror: SqliteInTime, config: Config) -> Self {
        let mirror = Arc::new(mirror);
        let (sender, signals) = mpsc::channel(1);
        let supervisor = Supervisor::new(Supervision {
            api: Arc::clone(server),
            mirror: Arc::clone(&mirror),
            reader: None,
            lease_terms: LeaseTerms::of(&config.instance),
            config,
            passes: PassLimit::Endless,
            patience: None,
            run_for: None,
            status: None,
            notifier: Notifier::nobody(),
            signals,
            reload: Box::new(|_| Err("nobody reloads".into())),
            progress: Arc::new(Progress::new()),
            chance: Arc::new(Chance::seeded(7)),
            environment: Environment::empty(),
        });
        let mut running = JoinSet::new();
        running.spawn(supervisor.run());
        Self { mirror, signals: sender, running }
    }

    async fn stop(mut self) {
        self.signals.send(Signal::Terminate).await.unwrap();
        assert_eq!(self.running.join_next().await.unwrap().unwrap(), ExitReason::Asked);
        assert_eq!(self.mirror.false_deletions(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn days_of_churn_and_faults_lose_nothing_invent_nothing_and_grow_nothing() {
    let (days, alone) = days();
    if alone {
        // A backtrace takes more memory, and keeps it, than the daemon.
        panic::set_hook(Box::new(|info| eprintln!("{info}")));
    }
    let hours = days * 24;
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("mirror.db");
    let mut config = configuration(&world::REPOSITORIES, PAGING);
    for repository in &mut config.repositories {
        repository.deletes.max_fraction = 0.5;
    }
    config.changes.keep = Some(hours * HOUR / 10);
    let anchor = (Instant::now(), clock::now_ms());
    let events = Recorder::start();
    let world = World::new();
    let mut follower = Follower::new(&database);
    let mut looks = Looks::new(alone);

    for life in 0..LIVES {
        world.set_life(life);
        let mirror = SqliteInTime::open(&database, anchor, Arc::clone(&world.server));
        let daemon = Daemon::start(&world.server, mirror, config.clone());
        for _ in 0..hours / LIVES {
            sleep(HOUR).await;
            follower.catch_up();
            looks.hear(&events.take());
            looks.add(Look::at(anchor.0, &database, alone));
        }
        if life == LIVES - 1 {
            world.rest();
            sleep(AT_REST * HOUR).await;
        }
        daemon.stop().await;
    }

    follower.catch_up();
    looks.hear(&events.take());
    for repository in world::REPOSITORIES {
        let there = world.items(repository);
        assert_eq!(follower.mirror(repository), there, "the mirror of {repository} is another");
        assert_eq!(follower.items(repository), there, "the changes of {repository} lead elsewhere");
    }
    looks.print();
    let by_age = u64::from(LIVES * (hours / LIVES).div_ceil(MAX_AGE_HOURS));
    let (lost, hit) = (world.sessions_lost(), world.logins_hit());
    let (sessions, logins) = (looks.sessions(), world.server.sent(Call::Login));
    println!("sessions: {sessions}; by age: {by_age}, lost: {lost}; logins: {logins}, hit: {hit}");
    assert!(sessions >= by_age, "{sessions} sessions do not last for {hours} hours");
    assert!(sessions <= by_age + lost, "{sessions} sessions, where {by_age} and {lost} would do");
    assert!(logins <= sessions + hit, "{logins} logins for {sessions} sessions");
    looks.judge(days);
}

/// How many days, and whether nothing else runs in this process.
#[expect(clippy::disallowed_methods, reason = "a setting of the test's, not of the program's")]
fn days() -> (u32, bool) {
    std::env::var("EWMIRROR_SOAK_DAYS").map_or((DAYS, false), |days| (days.parse().unwrap(), true))
}
