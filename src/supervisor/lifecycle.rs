//! How each task begins, and what follows from its end.

use std::sync::Arc;

use tokio::time::Instant;

use super::restart;
use super::state::Supervisor;
use super::tasks::{TaskEnd, TaskName};
use crate::client::Api;
use crate::mirror::{Lease, Mirror};
use crate::model_refresher::{ModelRefresher, OFFER, OfferRefresher};
use crate::pager::{self, Pager, PassLimit};
use crate::progress::Activity;
use crate::refresher::{Refresher, SharedDenials};
use crate::status::{self, LiveState};
use crate::telemetry::event;

impl<A: Api, M: Mirror> Supervisor<A, M> {
    /// Starts a task, if what it is for is still there.
    pub(super) fn start(&mut self, name: TaskName) {
        match name {
            TaskName::Refresher => {
                let context = self.refresher_cancellation.task();
                let heartbeat = context.heartbeat();
                let refresher = Refresher {
                    api: Arc::clone(&self.api),
                    session: Arc::clone(&self.session),
                    settings: self.session_settings.subscribe(),
                    denials: Arc::clone(&self.denials),
                    shared_denials: self.leasing.as_ref().map(|leasing| SharedDenials {
                        leases: Arc::clone(&leasing.leases),
                        source: self.source.subscribe(),
                    }),
                    chance: Arc::clone(&self.given.chance),
                    progress: Arc::clone(&self.given.progress),
                    context,
                };
                self.tasks.start(name, Some(heartbeat), refresher.run());
            }
            TaskName::Pager(id) => {
                let Some(repository) = self.repositories.get(&id) else { return };
                let (lease, lost_leases) = match &self.leasing {
                    None => (Lease::sole(), None),
                    Some(leasing) => match leasing.lease(id) {
                        Some(lease) => (lease, Some(leasing.reports())),
                        None => return,
                    },
                };
                let context = repository.cancellation.task();
                let heartbeat = context.heartbeat();
                let pager = Pager {
                    fetcher: Arc::clone(&repository.fetcher),
                    mirror: Arc::clone(&self.given.mirror),
                    lease,
                    lost_leases,
                    settings: repository.settings.subscribe(),
                    retention: self.rules.subscribe(),
                    wakes: self.wakes.subscribe(),
                    source: self.source.subscribe(),
                    progress: repository.progress.clone(),
                    passes: self.given.passes,
                    context,
                };
                self.tasks.start(name, Some(heartbeat), pager::run(pager));
            }
            TaskName::Leases => {
                let Some(leasing) = &self.leasing else { return };
                let context = self.cancellation.task();
                let heartbeat = context.heartbeat();
                self.tasks.start(name, Some(heartbeat), leasing.task(context).run());
            }
            TaskName::Model => {
                let context = self.cancellation.task();
                let heartbeat = context.heartbeat();
                let refresher = ModelRefresher {
                    api: Arc::clone(&self.api),
                    session: Arc::clone(&self.session),
                    scheduler: Arc::clone(&self.scheduler),
                    progress: Arc::clone(&self.given.progress),
                    passes: self.given.passes,
                    mirror: Arc::clone(&self.given.mirror),
                    duties: self.duties.subscribe(),
                    context,
                };
                self.tasks.start(name, Some(heartbeat), refresher.run());
            }
            TaskName::Offer => {
                let Some(every) = &self.given.config.every else { return };
                if self.tasks.runs(name) {
                    return;
                }
                self.offer.cancellation = self.cancellation.child();
                let context = self.offer.cancellation.task();
                let heartbeat = context.heartbeat();
                let refresher = OfferRefresher {
                    api: Arc::clone(&self.api),
                    session: Arc::clone(&self.session),
                    scheduler: Arc::clone(&self.scheduler),
                    progress: Arc::clone(&self.given.progress),
                    duties: self.duties.subscribe(),
                    passes: self.given.passes,
                    lists_some: every.lists_some(),
                    read: self.offer.taken.iter().copied().collect(),
                    lists: self.offer.latest.clone(),
                    context,
                };
                self.tasks.start(name, Some(heartbeat), refresher.run());
            }
            TaskName::Feed(feed) => self.start_feed(feed),
            // It begins with the end of a session, and is not begun again.
            TaskName::SignOut => {}
            TaskName::Status => {
                let Some(serving) = &self.given.status else { return };
                let live = LiveState {
                    progress: Arc::clone(&self.given.progress),
                    repositories: self.watched.subscribe(),
                    shown: self.shown.subscribe(),
                };
                let serving = Arc::clone(serving);
                let serve = status::http::serve(serving, live, self.cancellation.task());
                // Nobody has to ask it anything, so that it has no heartbeat.
                self.tasks.start(name, None, serve);
            }
        }
    }

    /// Sees to what follows from the end of a task.
    pub(super) fn task_ended(&mut self, name: TaskName, end: TaskEnd) {
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
            // A reload ended it.
            (TaskName::Offer, _) => {
                if self.given.config.every.is_none() {
                    self.given.progress.problems.over(OFFER);
                } else if self.given.passes == PassLimit::Endless || !self.offer.is_known {
                    self.start(name);
                }
            }
            (TaskName::Feed(feed), _) => self.feed_ended(feed),
            // A repository taken out by a reload and put back by another, before its pager ended.
            (TaskName::Pager(id), _)
                if self.given.passes == PassLimit::Endless
                    && self.repositories.contains_key(&id)
                    && self.may_read(id) =>
            {
                self.start(name);
            }
            // Its last words about a repository that is no longer read, or not by this daemon.
            (TaskName::Pager(id), _)
                if !self.repositories.contains_key(&id) || !self.may_read(id) =>
            {
                self.pager_rests(id);
            }
            _ => {}
        }
        self.see_to_leases();
    }
}
