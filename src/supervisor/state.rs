//! What the supervisor keeps, and what it keeps for each repository.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::time::Instant;

use super::freshness::FreshnessWatch;
use super::host_check::HostCheck;
use super::leasing::Leasing;
use super::offered::Offer;
use super::reload::StartupSettings;
use super::restart::Restarts;
use super::running_feed::RunningFeed;
use super::supervision::Supervision;
use super::task_settings::{rules, source};
use super::tasks::Tasks;
use super::watchdog::Watchdog;
use crate::client::{Api, Instrumented};
use crate::config::RepositoryConfig;
use crate::domain::{FeedName, RepositoryId};
use crate::mirror::{Lease, Mirror};
use crate::model_refresher::{ModelDuties, ModelDuty};
use crate::pager::request::fetcher::Fetcher;
use crate::pager::{ChangeRetention, Limiter, Scheduler, SideBySide};
use crate::progress::{Activity, RepositoryCounts, RepositoryProgress, SignIn};
use crate::refresher::RefresherSettings;
use crate::refresher::denials::Denials;
use crate::session::SharedSession;
use crate::status::{ShownSettings, WatchedRepository};
use crate::task::{Cancellation, Outage};

/// The supervisor.
pub struct Supervisor<A, M> {
    pub(super) given: Supervision<A, M>,
    pub(super) api: Arc<Instrumented<A>>,
    pub(super) session: Arc<SharedSession>,
    pub(super) session_settings: watch::Sender<RefresherSettings>,
    /// Of logins; here, so that a refresher that is started anew knows of them.
    pub(super) denials: Arc<Denials>,
    /// What lets the requests of all repositories through.
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) repositories: BTreeMap<RepositoryId, RepositoryTask<Instrumented<A>>>,
    /// The same, for those who look on.
    pub(super) watched: watch::Sender<Vec<WatchedRepository>>,
    pub(super) rules: watch::Sender<ChangeRetention>,
    pub(super) shown: watch::Sender<ShownSettings>,
    pub(super) duties: watch::Sender<ModelDuties>,
    pub(super) wakes: watch::Sender<u64>,
    pub(super) source: watch::Sender<u64>,
    /// What is delivered, whether or not its task runs just now.
    pub(super) feeds: BTreeMap<FeedName, RunningFeed>,
    /// Where several daemons share the mirror: which of them has what.
    pub(super) leasing: Option<Leasing>,
    /// Stops every task.
    pub(super) cancellation: Cancellation,
    /// Stops the refresher alone.
    pub(super) refresher_cancellation: Cancellation,
    pub(super) tasks: Tasks,
    pub(super) restarts: Restarts,
    pub(super) watchdog: Watchdog,
    pub(super) host_check: HostCheck,
    /// With one pass, once all pagers are done: until when what follows the model is waited for.
    pub(super) models_until: Option<Instant>,
    /// What the server offers, where the configuration takes all of that.
    pub(super) offer: Offer,
    /// What the process started with.
    pub(super) fixed: StartupSettings,
    /// What the service manager was told last.
    pub(super) last_status_line: String,
    pub(super) sign_in: watch::Receiver<SignIn>,
    /// How signing in stands, and since when.
    pub(super) signing_in: (SignIn, Instant),
}

/// What the supervisor keeps for a repository, whether or not its pager runs just now.
pub(super) struct RepositoryTask<A> {
    pub(super) fetcher: Arc<Fetcher<A>>,
    pub(super) settings: watch::Sender<Arc<RepositoryConfig>>,
    pub(super) progress: watch::Sender<RepositoryProgress>,
    /// How it stood with `freshness`.
    pub(super) freshness: FreshnessWatch,
    /// Stops this pager alone.
    pub(super) cancellation: Cancellation,
}

impl<A: Api, M: Mirror> Supervisor<A, M> {
    /// Prepares everything; nothing runs yet.
    pub fn new(given: Supervision<A, M>) -> Self {
        let sign_in = given.progress.sign_in();
        let calls = Arc::clone(&given.progress.calls);
        let cancellation = Cancellation::new();
        let mut supervisor = Self {
            api: Arc::new(Instrumented::new(Arc::clone(&given.api), calls)),
            session: Arc::new(SharedSession::new()),
            session_settings: watch::Sender::new(RefresherSettings::first(
                given.config.session.clone(),
            )),
            denials: Arc::default(),
            scheduler: Arc::new(Scheduler::new(
                given.config.shared_budget(),
                given.config.server.page_memory,
            )),
            repositories: BTreeMap::new(),
            feeds: BTreeMap::new(),
            rules: watch::Sender::new(rules(&given.config)),
            shown: watch::Sender::new(ShownSettings::of(&given.config)),
            watched: watch::Sender::default(),
            duties: watch::Sender::default(),
            wakes: watch::Sender::new(0),
            source: watch::Sender::new(source(&given.config)),
            leasing: given
                .mirror
                .leases()
                .map(|it| Leasing::new(it, given.lease_terms, given.passes)),
            refresher_cancellation: cancellation.child(),
            cancellation,
            tasks: Tasks::default(),
            restarts: Restarts::default(),
            watchdog: Watchdog::default(),
            host_check: HostCheck::default(),
            models_until: None,
            offer: Offer::new(),
            fixed: StartupSettings::of(&given.config),
            last_status_line: String::new(),
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

    /// The repositories that there are, each with how far it is, as that changes.
    pub fn watched(&self) -> watch::Receiver<Vec<WatchedRepository>> {
        self.watched.subscribe()
    }

    /// Takes a repository on.
    pub(super) fn add(&mut self, config: RepositoryConfig) {
        let id = config.id;
        let fetcher = Arc::new(Fetcher {
            api: Arc::clone(&self.api),
            session: Arc::clone(&self.session),
            chance: Arc::clone(&self.given.chance),
            progress: Arc::clone(&self.given.progress),
            counts: Arc::new(RepositoryCounts::new()),
            limiter: Limiter::new(&config.paging, Arc::clone(&self.scheduler)),
            shared: SideBySide::default(),
            outage: Mutex::new(Outage::default()),
            served: AtomicU64::new(0),
        });
        let activity =
            if self.leasing.is_some() { Activity::StandingBy } else { Activity::Waiting };
        let progress = RepositoryProgress { activity, ..RepositoryProgress::START };
        let repository = RepositoryTask {
            fetcher,
            settings: watch::Sender::new(Arc::new(config)),
            progress: watch::Sender::new(progress),
            freshness: FreshnessWatch::default(),
            cancellation: self.cancellation.child(),
        };
        self.repositories.insert(id, repository);
    }

    /// Tells what follows the model which repositories this daemon reads, and under what.
    pub(super) fn note_duties(&self) {
        let duty = |(id, repository): (&RepositoryId, &RepositoryTask<_>)| {
            let lease = match &self.leasing {
                None => Lease::sole(),
                Some(leasing) => leasing.lease(*id)?,
            };
            let settings = repository.settings.borrow();
            let names = settings.names_file.as_ref().map(|file| Arc::clone(&file.rows));
            Some(ModelDuty { repository: *id, lease, names })
        };
        let repositories = self.repositories.iter().filter_map(duty).collect();
        let interval = self.given.config.model.refresh_interval.0;
        self.duties.send_if_modified(|duties| {
            let new = ModelDuties { interval, repositories };
            let is_news = *duties != new;
            *duties = new;
            is_news
        });
    }

    /// Tells those who look on which repositories there are, and who shares the mirror.
    pub(super) fn announce(&self) {
        if let Some(leasing) = &self.leasing {
            // The list of all repositories has a lease of its own: a daemon that has no other signs in for it, and can ask.
            let every = self.given.config.every.as_ref().map(|_| RepositoryId::EVERY);
            leasing.wish_for(every.into_iter().chain(self.repositories.keys().copied()).collect());
        }
        let watched = self.repositories.values().map(|repository| WatchedRepository {
            settings: repository.settings.subscribe(),
            progress: repository.progress.subscribe(),
            counts: Arc::clone(&repository.fetcher.counts),
        });
        self.given.progress.set_repositories(self.repositories.len());
        self.watched.send_replace(watched.collect());
        self.note_duties();
    }
}
