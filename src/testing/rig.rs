//! Everything under one supervisor, as in the daemon, but for the server and the mirror.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{Call, Delivered, Recorder, Server, WatchfulMirror};
use crate::config::{Config, Environment, load_text};
use crate::mirror::Sharing;
use crate::pager::PassLimit;
use crate::progress::Progress;
use crate::signals::Signal;
use crate::supervisor::{ExitReason, LeaseTerms, Supervision, Supervisor};
use crate::systemd::Notifier;
use crate::task::clock::Chance;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// No test means to wait longer for its daemon to end.
const AT_MOST: Duration = Duration::from_secs(3600);

/// A configuration with these repositories and these lines of `[paging]`.
pub(crate) fn configuration(repositories: &[u64], paging: &str) -> Config {
    configuration_with_mirror("none", repositories, paging)
}

/// One with the URL of a mirror, which a [`Rig`] does not open.
pub(crate) fn configuration_with_mirror(url: &str, repositories: &[u64], paging: &str) -> Config {
    let mut text = format!(
        "[server]\nurl = 'http://127.0.0.1:1'\n[login]\nusername = 'system'\n[mirror]\nurl = '{url}'\n\
         [model]\nrefresh_interval = 'off'\n[paging]\n{paging}\n"
    );
    for id in repositories {
        write!(text, "[[repository]]\nid = {id}\n").unwrap();
    }
    let environment = Environment::from_pairs([("EWMIRROR_LOGIN__PASSWORD", "p")]);
    load_text(&text, "test", &environment).unwrap_or_else(|faults| panic!("{faults}")).config
}

/// A daemon with everything around it.
pub(crate) struct Rig {
    pub(crate) server: Arc<Server>,
    pub(crate) mirror: Arc<WatchfulMirror>,
    pub(crate) events: Recorder,
    pub(crate) progress: Arc<Progress>,
    pub(crate) began: Instant,
    signals: mpsc::Sender<Signal>,
    reloads: Arc<Mutex<VecDeque<Result<Config, String>>>>,
    running: JoinSet<ExitReason>,
    prepared: Option<Supervision<Server, WatchfulMirror>>,
}

impl Rig {
    /// A daemon that has not started yet; what `server` is to do can still be scripted.
    pub(crate) fn new(server: Server, config: Config) -> Self {
        Self::with_mirror(server, Arc::new(WatchfulMirror::new()), config)
    }

    /// A daemon that is started again: it finds the mirror as another one left it.
    pub(crate) fn with_mirror(server: Server, mirror: Arc<WatchfulMirror>, config: Config) -> Self {
        Self::of(Arc::new(server), mirror, config, Recorder::start())
    }

    /// A daemon of this name that can share its mirror with others.
    pub(crate) fn shared(server: Server, config: Config, owner: &str) -> Self {
        Self::with_mirror(server, Arc::new(WatchfulMirror::shared(owner)), config)
    }

    /// Another daemon on the same server and the same mirror; both hear the events of both.
    pub(crate) fn beside(&self, config: Config, owner: &str) -> Self {
        let mirror = Arc::new(self.mirror.beside(owner));
        Self::of(Arc::clone(&self.server), mirror, config, self.events.another())
    }

    /// Another daemon after this one, which has ended: on the same server, and the mirror as it was left.
    pub(crate) fn again(self, config: Config) -> Self {
        Self::of(self.server, self.mirror, config, self.events)
    }

    fn of(
        server: Arc<Server>,
        mirror: Arc<WatchfulMirror>,
        config: Config,
        events: Recorder,
    ) -> Self {
        let progress = Arc::new(Progress::new());
        let (sender, signals) = mpsc::channel(16);
        let reloads = Arc::new(Mutex::new(VecDeque::new()));
        let queue = Arc::clone(&reloads);
        let prepared = Supervision {
            api: Arc::clone(&server),
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
            reload: Box::new(move |_| {
                let next: Option<Result<Config, String>> =
                    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                Ok(next.expect("a reload that no test asked for")?)
            }),
            progress: Arc::clone(&progress),
            chance: Arc::new(Chance::seeded(7)),
            environment: Environment::empty(),
        };
        Self {
            server,
            mirror,
            events,
            progress,
            began: Instant::now(),
            signals: sender,
            reloads,
            running: JoinSet::new(),
            prepared: Some(prepared),
        }
    }

    /// Has it take its share of the repositories.
    pub(crate) fn spread(mut self) -> Self {
        self.prepared.as_mut().unwrap().lease_terms.sharing = Sharing::Spread;
        self
    }

    /// Has it deliver the feeds of its configuration.
    pub(crate) fn with_feeds(mut self) -> Self {
        self.prepared.as_mut().unwrap().reader = Some(Arc::new(self.mirror.memory.clone()));
        self
    }

    /// Makes it a daemon for one pass over each repository.
    pub(crate) fn once(mut self, patience: Duration) -> Self {
        let prepared = self.prepared.as_mut().unwrap();
        (prepared.passes, prepared.patience) = (PassLimit::One, Some(patience));
        self
    }

    /// Has it tell a service manager.
    pub(crate) fn told_to(mut self, notifier: Notifier) -> Self {
        self.prepared.as_mut().unwrap().notifier = notifier;
        self
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Self {
        let supervisor = Supervisor::new(self.prepared.take().unwrap());
        self.running.spawn(supervisor.run());
        self
    }

    /// The supervisor before it runs, which reads these configurations one after the other.
    pub(crate) fn into_supervisor(
        mut self,
        reloads: impl IntoIterator<Item = Config>,
    ) -> Supervisor<Server, WatchfulMirror> {
        let mut queue = self.reloads.lock().unwrap_or_else(PoisonError::into_inner);
        queue.extend(reloads.into_iter().map(Ok));
        drop(queue);
        Supervisor::new(self.prepared.take().unwrap())
    }

    /// Lets it run for so long.
    pub(crate) async fn run_for(&self, time: Duration) {
        sleep(time).await;
    }

    pub(crate) async fn signal(&self, signal: Signal) {
        self.signals.send(signal).await.unwrap();
    }

    /// Reloads this configuration, or a faulty one.
    pub(crate) async fn reload(&self, config: Result<Config, String>) {
        self.reloads.lock().unwrap_or_else(PoisonError::into_inner).push_back(config);
        self.signal(Signal::Reload).await;
    }

    /// Waits for it to end by itself, or as asked before; tells how long that took.
    pub(crate) async fn ended(&mut self) -> (ExitReason, Duration) {
        let begun = Instant::now();
        let joined = timeout(AT_MOST, self.running.join_next()).await;
        let end = joined.expect("it does not end").expect("it has ended before").unwrap();
        (end, begun.elapsed())
    }

    /// Ends it without a word, as `kill -9` does.
    pub(crate) async fn kill(&mut self) {
        self.running.shutdown().await;
    }

    /// Ends it by signal; tells how long that took.
    pub(crate) async fn stop(&mut self) -> Duration {
        self.signal(Signal::Terminate).await;
        let (end, took) = self.ended().await;
        assert_eq!(end, ExitReason::Asked);
        took
    }

    pub(crate) fn logins(&self) -> usize {
        self.server.count(Call::Login)
    }

    /// The passes of a repository that were completed, as the pages delivered for each; the one
    /// under way is left out.
    pub(crate) fn completed(&self, repository: u64) -> Vec<Vec<Delivered>> {
        let complete: Vec<u64> = self
            .events
            .named("pass complete")
            .iter()
            .filter(|event| event.is_of(repository))
            .map(|event| event.number("iteration"))
            .collect();
        let mut passes: BTreeMap<u64, Vec<Delivered>> = BTreeMap::new();
        for page in self.mirror.pages(repository) {
            passes.entry(page.iteration).or_default().push(page);
        }
        let of = |iteration| passes.remove(&iteration).unwrap_or_default();
        complete.into_iter().map(of).collect()
    }
}
