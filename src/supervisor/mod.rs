//! The one task that starts, watches and ends the others.
//!
//! Start: 1. the token refresher, which signs in; 2. a pager for each repository, which waits for
//! the session by itself; 3. the status endpoint, where there is one; 4. the service manager is told
//! that the daemon is ready, whether or not its server is there.
//!
//! Stop, within [`STOP_WITHIN`] whatever the server does: 1. no more pages are asked for, and every
//! wait ends; 2. pages under way come home and are written, as long as [`shutdown::PAGERS_WITHIN`]
//! allows; 3. whoever is late is named and ended; 4. the session is logged out.
//!
//! A task that panics is started again, ever later, and counted. A pager begins a new pass then:
//! what a defect left of the old one is not to be trusted. One that hangs is told of, and from then
//! on the service manager is no longer told that the daemon is alive.

mod health_check;
mod host_check;
pub mod reload;
pub mod restart;
mod shutdown;
pub mod status_line;
mod task_settings;
pub mod tasks;
mod timers;
pub mod watchdog;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use self::host_check::HostCheck;
use self::reload::StartupSettings;
use self::restart::Restarts;
pub use self::shutdown::{ExitReason, GiveUpReason};
use self::task_settings::{rules, source};
use self::tasks::{TaskEnd, TaskName, Tasks};
use self::timers::{after, at};
use self::watchdog::Watchdog;
use crate::client::{Api, Instrumented};
use crate::config::{Config, RepositoryConfig};
use crate::domain::RepositoryId;
use crate::mirror::Mirror;
use crate::pager::request::fetch::Fetcher;
use crate::pager::{ChangeRetention, Limiter, Pager, PassLimit, RateLimit};
use crate::progress::{Activity, Progress, RepositoryCounts, RepositoryProgress, SignIn};
use crate::refresher::denials::Denials;
use crate::refresher::{Refresher, RefresherSettings};
use crate::session::SharedSession;
use crate::signals::Signal;
use crate::status::{self, LiveState, ShownSettings, StatusEndpoint, WatchedRepository};
use crate::systemd::Notifier;
use crate::task::clock::Chance;
use crate::task::heartbeat::{Heartbeat, Lane};
use crate::task::{Outage, Stop, Stopper};
use crate::telemetry::event;

/// The longest that a stop takes.
pub const STOP_WITHIN: Duration = Duration::from_secs(5);

/// What a reload gives the supervisor: the configuration that holds from now on.
pub type ReloadConfig =
    Box<dyn FnMut(&Config) -> Result<Config, Box<dyn Error + Send + Sync>> + Send>;

/// What is to be supervised.
#[expect(missing_debug_implementations, reason = "holds a closure, and nobody prints it")]
pub struct Supervision<A, M> {
    /// The server.
    pub api: Arc<A>,
    /// Where pages go.
    pub mirror: Arc<M>,
    /// The configuration to start with.
    pub config: Config,
    /// How long pagers run.
    pub passes: PassLimit,
    /// Gives up at once on a wrong password, and where no page comes for so long, not counting
    /// that pages are asked for only so often; `None`: never.
    pub patience: Option<Duration>,
    /// Ends in order after so long; `None`: never.
    pub run_for: Option<Duration>,
    /// The status endpoint; `None`: there is none.
    pub status: Option<Arc<StatusEndpoint>>,
    /// Tells the service manager.
    pub notifier: Notifier,
    /// Signals, from wherever they come.
    pub signals: mpsc::Receiver<Signal>,
    /// Reads the configuration again and applies what the supervisor does not.
    pub reload: ReloadConfig,
    /// What the process has done.
    pub progress: Arc<Progress>,
    /// Jitter.
    pub chance: Arc<Chance>,
}

/// The supervisor.
#[expect(missing_debug_implementations, reason = "holds a closure, and nobody prints it")]
pub struct Supervisor<A, M> {
    given: Supervision<A, M>,
    api: Arc<Instrumented<A>>,
    session: Arc<SharedSession>,
    session_settings: watch::Sender<RefresherSettings>,
    /// Of logins; here, so that a refresher that is started anew knows of them.
    denials: Arc<Denials>,
    /// The bound on requests of all repositories together.
    rate_limit: Arc<RateLimit>,
    repositories: BTreeMap<RepositoryId, RepositoryTask<Instrumented<A>>>,
    /// The same, for those who look on.
    watched: watch::Sender<Vec<WatchedRepository>>,
    rules: watch::Sender<ChangeRetention>,
    shown: watch::Sender<ShownSettings>,
    wakes: watch::Sender<u64>,
    source: watch::Sender<u64>,
    stopper: Stopper,
    stop: Stop,
    tasks: Tasks,
    restarts: Restarts,
    /// Of the tasks that run, but for the status endpoint: nobody has to ask it anything.
    heartbeats: BTreeMap<TaskName, Heartbeat>,
    watchdog: Watchdog,
    host_check: HostCheck,
    /// What the process started with.
    fixed: StartupSettings,
    /// What the service manager was told last.
    told: String,
    sign_in: watch::Receiver<SignIn>,
    /// How signing in stands, and since when.
    signing_in: (SignIn, Instant),
}

/// What the supervisor keeps for a repository, whether or not its pager runs just now.
struct RepositoryTask<A> {
    fetcher: Arc<Fetcher<A>>,
    settings: watch::Sender<Arc<RepositoryConfig>>,
    progress: watch::Sender<RepositoryProgress>,
    stopper: Stopper,
    stop: Stop,
}

impl<A: Api, M: Mirror> Supervisor<A, M> {
    /// Prepares everything; nothing runs yet.
    pub fn new(given: Supervision<A, M>) -> Self {
        let (stopper, stop) = Stopper::new();
        let sign_in = given.progress.sign_in();
        let calls = Arc::clone(&given.progress.calls);
        let mut supervisor = Self {
            api: Arc::new(Instrumented::new(Arc::clone(&given.api), calls)),
            session: Arc::new(SharedSession::new()),
            session_settings: watch::Sender::new(RefresherSettings::first(
                given.config.session.clone(),
            )),
            denials: Arc::default(),
            rate_limit: Arc::new(RateLimit::new(given.config.max_requests_per_second)),
            repositories: BTreeMap::new(),
            rules: watch::Sender::new(rules(&given.config)),
            shown: watch::Sender::new(ShownSettings::of(&given.config)),
            watched: watch::Sender::default(),
            wakes: watch::Sender::new(0),
            source: watch::Sender::new(source(&given.config)),
            stopper,
            stop,
            tasks: Tasks::default(),
            restarts: Restarts::default(),
            heartbeats: BTreeMap::new(),
            watchdog: Watchdog::default(),
            host_check: HostCheck::default(),
            fixed: StartupSettings::of(&given.config),
            told: String::new(),
            sign_in,
            signing_in: (SignIn::Trying, Instant::now()),
            given,
        };
        for config in supervisor.given.config.repositories.clone() {
            supervisor.add(config);
        }
        supervisor.announce();
        supervisor
    }

    /// How far each repository is, as it changes.
    pub fn repositories(&self) -> Vec<(RepositoryId, watch::Receiver<RepositoryProgress>)> {
        self.repositories
            .iter()
            .map(|(id, repository)| (*id, repository.progress.subscribe()))
            .collect()
    }

    /// Runs until something ends it, then stops everything in order.
    pub async fn run(mut self) -> ExitReason {
        self.start(TaskName::Refresher);
        for id in self.repositories.keys().copied().collect::<Vec<_>>() {
            self.start(TaskName::Pager(id));
        }
        self.start(TaskName::Status);
        self.given.notifier.ready();
        let end = self.supervise().await;
        self.stop().await;
        end
    }

    async fn supervise(&mut self) -> ExitReason {
        let (begun, mut lost) = (Instant::now(), self.given.progress.mirror_lost());
        let (mut check, mut tell) = (self.check_every(), health_check::tell_every());
        loop {
            let deadline = self.given.run_for.map(|run_for| begun + run_for);
            let due = self.restarts.next_due();
            let out_of_patience = self.patience_left();
            tokio::select! {
                Some(signal) = self.given.signals.recv() => match signal {
                    Signal::Terminate | Signal::Interrupt => {
                        event::stopping(signal.name());
                        return ExitReason::Asked;
                    }
                    Signal::Reload => {
                        self.given.notifier.reloading();
                        self.reload();
                        self.given.notifier.ready();
                        if self.is_finished() {
                            return ExitReason::Finished;
                        }
                    }
                    Signal::NextPass => {
                        event::pass_requested();
                        self.wakes.send_modify(|wakes| *wakes += 1);
                    }
                },
                Some((name, end)) = self.tasks.next_end() => {
                    self.ended(name, end);
                    if self.is_finished() {
                        return ExitReason::Finished;
                    }
                }
                () = at(due) => {
                    while let Some(name) = self.restarts.take_due(Instant::now()) {
                        self.given.progress.restarts.increment();
                        self.given.progress.problems.over(restart::source(name));
                        self.start(name);
                    }
                }
                _ = check.tick() => self.check_health(),
                _ = tell.tick(), if self.given.notifier.is_heard() => self.tell(),
                () = at(deadline) => {
                    event::stopping("time is up");
                    return ExitReason::Asked;
                }
                Ok(()) = self.sign_in.changed() => {
                    self.note_sign_in();
                    let state = &self.signing_in.0;
                    if let (Some(_), SignIn::Denied(words)) = (self.given.patience, state) {
                        return ExitReason::GaveUp(GiveUpReason::Denied(words.clone()));
                    }
                }
                Ok(lost) = lost.wait_for(Option::is_some) => {
                    event::stopping("the mirror is lost");
                    return ExitReason::MirrorLost(lost.clone().unwrap_or_default());
                }
                () = after(out_of_patience) => {
                    if self.patience_left() == Some(Duration::ZERO) {
                        return ExitReason::GaveUp(self.unanswered());
                    }
                }
            }
        }
    }

    /// How long from now on no page may come. Only pages count: a server that signs us in and then
    /// refuses every page is not one to wait for.
    fn patience_left(&self) -> Option<Duration> {
        let since = self.given.progress.since_page();
        let not_due = timers::between_pages(&self.given.config);
        self.given.patience.map(|patience| (patience + not_due).saturating_sub(since))
    }

    /// Takes a repository on.
    fn add(&mut self, config: RepositoryConfig) {
        let id = config.id;
        let fetcher = Arc::new(Fetcher {
            api: Arc::clone(&self.api),
            session: Arc::clone(&self.session),
            chance: Arc::clone(&self.given.chance),
            progress: Arc::clone(&self.given.progress),
            counts: Arc::new(RepositoryCounts::new()),
            limiter: Limiter::new(&config.paging, Arc::clone(&self.rate_limit)),
            outage: Mutex::new(Outage::default()),
            served: AtomicU64::new(0),
        });
        let (stopper, stop) = Stopper::new();
        let repository = RepositoryTask {
            fetcher,
            settings: watch::Sender::new(Arc::new(config)),
            progress: watch::Sender::new(RepositoryProgress::START),
            stopper,
            stop,
        };
        self.repositories.insert(id, repository);
    }

    fn start(&mut self, name: TaskName) {
        let lane = Lane::new();
        let heartbeat = lane.heartbeat();
        match name {
            TaskName::Refresher => {
                let refresher = Refresher {
                    api: Arc::clone(&self.api),
                    session: Arc::clone(&self.session),
                    settings: self.session_settings.subscribe(),
                    denials: Arc::clone(&self.denials),
                    chance: Arc::clone(&self.given.chance),
                    progress: Arc::clone(&self.given.progress),
                    stop: self.stop.clone(),
                    lane,
                };
                self.tasks.start(name, refresher.run());
                self.heartbeats.insert(name, heartbeat);
            }
            TaskName::Pager(id) => {
                let Some(repository) = self.repositories.get(&id) else { return };
                let pager = Pager {
                    fetcher: Arc::clone(&repository.fetcher),
                    mirror: Arc::clone(&self.given.mirror),
                    settings: repository.settings.subscribe(),
                    rules: self.rules.subscribe(),
                    wakes: self.wakes.subscribe(),
                    source: self.source.subscribe(),
                    progress: repository.progress.clone(),
                    passes: self.given.passes,
                    stop: repository.stop.clone(),
                    lane: Arc::new(lane),
                };
                self.tasks.start(name, pager.run());
                self.heartbeats.insert(name, heartbeat);
            }
            TaskName::Status => {
                let Some(serving) = &self.given.status else { return };
                let live = LiveState {
                    progress: Arc::clone(&self.given.progress),
                    repositories: self.watched.subscribe(),
                    shown: self.shown.subscribe(),
                };
                let serving = Arc::clone(serving);
                self.tasks.start(name, status::http::serve(serving, live, self.stop.clone()));
            }
        }
    }

    /// Tells those who look on which repositories there are.
    fn announce(&self) {
        let watched = self.repositories.values().map(|repository| WatchedRepository {
            settings: repository.settings.subscribe(),
            progress: repository.progress.subscribe(),
            counts: Arc::clone(&repository.fetcher.counts),
        });
        self.watched.send_replace(watched.collect());
    }

    fn ended(&mut self, name: TaskName, end: TaskEnd) {
        self.heartbeats.remove(&name);
        match (name, end) {
            (_, TaskEnd::Panicked) => {
                if let TaskName::Pager(id) = name
                    && let Some(repository) = self.repositories.get(&id)
                {
                    repository.progress.send_modify(|progress| {
                        progress.activity = Activity::Waiting;
                        progress.iteration = progress.iteration.next();
                    });
                }
                let restart = self.restarts.failed(name, Instant::now());
                let (times, report) = (restart.failures.into(), restart.report(name));
                self.given.progress.problems.repeated(restart::source(name), times, report);
                event::task_failed(&name.to_string(), restart.failures, restart.after);
            }
            // A repository taken out by a reload and put back by another, before its pager ended.
            (TaskName::Pager(id), _)
                if self.given.passes == PassLimit::Endless
                    && self.repositories.contains_key(&id) =>
            {
                self.start(name);
            }
            // Its last words about a repository that is no longer read.
            (TaskName::Pager(id), _) if !self.repositories.contains_key(&id) => {
                self.given.progress.problems.forget(id);
            }
            _ => {}
        }
    }

    /// Whether no pager runs or waits to be started again.
    fn is_finished(&self) -> bool {
        self.given.passes == PassLimit::One
            && self.restarts.next_due().is_none()
            && !self.repositories.keys().any(|id| self.tasks.runs(TaskName::Pager(*id)))
    }

    /// Reads the configuration again; a faulty one changes nothing.
    fn reload(&mut self) {
        let new = match (self.given.reload)(&self.given.config) {
            Ok(new) => new,
            Err(error) => return event::configuration_rejected(error.as_ref()),
        };
        let old = std::mem::replace(&mut self.given.config, new);
        let new = &self.given.config;
        let changes = reload::changes(&self.fixed, &old, new);
        self.note_waiting(&changes.need_restart);
        if changes.signs_in_anew
            && let Some(credentials) = self.session.current()
        {
            self.session.end(credentials.generation);
        }
        if changes.starts_over {
            self.source.send_replace(source(new));
        }
        self.rate_limit.set(new.max_requests_per_second);
        self.rules.send_replace(rules(new));
        self.shown.send_replace(ShownSettings::of(new));
        self.session_settings.send_modify(|settings| {
            settings.session = new.session.clone();
            settings.logins += u64::from(changes.other_login);
            settings.ways += u64::from(changes.other_way);
        });
        for id in &changes.removed {
            self.restarts.forget(TaskName::Pager(*id));
            self.given.progress.problems.forget(*id);
            if let Some(repository) = self.repositories.remove(id) {
                repository.stopper.stop();
            }
        }
        for config in &changes.changed {
            if let Some(repository) = self.repositories.get(&config.id) {
                repository.settings.send_replace(Arc::new(config.clone()));
            }
        }
        for config in changes.added {
            let name = TaskName::Pager(config.id);
            self.add(config);
            // The pager of the same repository that a reload before this one took out may still be
            // on its way: its end starts the new one.
            if !self.tasks.runs(name) {
                self.start(name);
            }
        }
        self.announce();
        event::configuration_reloaded(&changes.keys.join(", "));
    }
}

#[cfg(test)]
mod tests;
