//! What the supervisor does about leases, where several daemons share the mirror: it starts the pager of
//! a repository when it has its lease, ends it when it has not, and is signed in while it has any.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::lease_book::LeaseChange;
use super::lease_task::{LeaseNews, POLL};
use super::leasing::LeaseEvent;
use super::restart;
use super::shutdown::{ExitReason, GiveUpReason, PAGERS_WITHIN, log_out};
use super::state::Supervisor;
use super::tasks::TaskName;
use crate::client::Api;
use crate::domain::RepositoryId;
use crate::mirror::{LeaseStanding, Mirror, MirrorError, Sharing};
use crate::model_refresher::OFFER;
use crate::pager::{LostLease, PassLimit};
use crate::progress::problems::{ProblemKind, ProblemReport, Scope, Source};
use crate::progress::{Activity, InstanceRole, SignIn};
use crate::telemetry::event::{self, Chain, RequestFailed};

/// The leases that cannot be asked.
const LEASES: Source = Source { scope: Scope::Mirror, repository: None, what: "leases" };

/// A repository that is read by no daemon.
const UNREAD: ProblemKind = ProblemKind { scope: Scope::Repository, what: "lease" };

const UNREAD_REMEDY: &str = "list the same repositories in the configuration of each daemon that shares the \
     mirror, or set instance.spread = true in all of them";

/// Why a lease is let go of.
const NOT_CONFIGURED: &str = "it is no longer configured";
const OTHERS_SHARE: &str = "it is another daemon's share";

impl<A: Api, M: Mirror> Supervisor<A, M> {
    /// Whether this daemon is the one to read a repository.
    pub(super) fn may_read(&self, repository: RepositoryId) -> bool {
        self.leasing.as_ref().is_none_or(|it| it.book.generation(repository).is_some())
    }

    /// Whether this daemon reads anything, or is still writing what it has read.
    fn reads_anything(&self) -> bool {
        let leases = self.leasing.as_ref();
        leases.is_none_or(|leasing| !leasing.book.is_empty())
            || self.tasks.running().iter().any(|name| matches!(name, TaskName::Pager(_)))
    }

    /// Does what follows from an event.
    pub(super) fn lease_event(&mut self, event: LeaseEvent) -> Option<ExitReason> {
        let now = Instant::now();
        let is_once = self.given.passes == PassLimit::One;
        let leasing = self.leasing.as_mut()?;
        let changes = match event {
            LeaseEvent::Due => leasing.book.expired(now),
            LeaseEvent::Lost(LostLease { repository, generation }) => {
                // How it stands is worth asking at once.
                leasing.wish.send_modify(|_| {});
                leasing.book.fenced(repository, generation).into_iter().collect()
            }
            LeaseEvent::News(LeaseNews { begun, released, standing }) => match standing {
                Err(error) => {
                    self.leases_failed(&error);
                    Vec::new()
                }
                Ok(standing) => {
                    if let Some(other) = standing.others.first().filter(|_| is_once) {
                        let owner = other.owner.clone();
                        return Some(ExitReason::GaveUp(GiveUpReason::InUse(owner)));
                    }
                    leasing.wish.send_if_modified(|wish| {
                        wish.let_go.retain(|id| !released.contains(id));
                        false
                    });
                    let until = begun + leasing.terms.ttl;
                    let changes = leasing.book.renewed(&released, &standing, until);
                    self.leases_stand(standing, now);
                    changes
                }
            },
        };
        for change in changes {
            if let (true, LeaseChange::Lost { reason, .. }) = (is_once, &change) {
                return Some(ExitReason::GaveUp(GiveUpReason::LeaseLost(reason.to_string())));
            }
            self.lease_changed(change, now);
        }
        self.end_late_pagers(now);
        self.see_to_leases();
        None
    }

    /// Notes how the leases stand.
    fn leases_stand(&mut self, standing: LeaseStanding, now: Instant) {
        let Some(leasing) = &mut self.leasing else { return };
        self.given.progress.problems.over(LEASES);
        if let Some(ended) = leasing.retries.succeeded(now) {
            event::reconnected(None, "leases", ended.duration, ended.failures);
        }
        leasing.state.is_known = true;
        leasing.state.daemons = standing.daemons;
        leasing.state.others =
            standing.others.into_iter().map(|lease| (lease.repository, lease.owner)).collect();
        let (stands_by, others) = (leasing.book.is_empty(), leasing.state.others.clone());
        if stands_by {
            self.take_leased(others.into_keys());
        }
        // What the leader has given up meanwhile this daemon wishes for no longer.
        let is_read = |id: &RepositoryId| self.repositories.contains_key(id);
        self.tell_unread(standing.unread.into_iter().filter(is_read).collect());
    }

    /// Tells of repositories of this daemon that nobody reads, because another daemon leads that is not
    /// configured to.
    fn tell_unread(&mut self, unread: BTreeSet<RepositoryId>) {
        let Some(leasing) = &mut self.leasing else { return };
        let problems = &self.given.progress.problems;
        for id in leasing.unread.difference(&unread) {
            problems.over(UNREAD.of(*id));
        }
        let leader = leasing.state.others.values().next().map_or("another daemon", String::as_str);
        for &id in &unread {
            if !leasing.unread.contains(&id) {
                event::repository_unread(id, leader, UNREAD_REMEDY);
            }
            let report = ProblemReport {
                error: format!("no daemon reads it: {leader} leads, and does not list it"),
                remedy: UNREAD_REMEDY.to_owned(),
                retry_in: None,
                halts: true,
            };
            problems.stands(UNREAD.of(id), report);
        }
        leasing.unread = unread;
    }

    /// Tells that the leases cannot be asked: aloud only where no pager tells of the same.
    fn leases_failed(&mut self, error: &MirrorError) {
        let Some(leasing) = &mut self.leasing else { return };
        if error.is_final() {
            return self.given.progress.lose_mirror(|| format!("{error}; {}", error.remedy()));
        }
        leasing.state.is_known = false;
        let retry = leasing.retries.failed(Instant::now(), 1.0, None);
        let problems = &self.given.progress.problems;
        let is_told = problems.told().iter().any(|problem| {
            problem.source.scope == Scope::Mirror
                && problem.source != LEASES
                && problem.report.halts
        });
        let report = ProblemReport {
            error: Chain(error).to_string(),
            remedy: error.remedy().to_owned(),
            retry_in: None,
            halts: leasing.book.is_empty(),
        };
        problems.failed(LEASES, report);
        let failure = RequestFailed {
            repository: None,
            endpoint: "leases",
            attempt: retry.attempt,
            retry_in: POLL,
            error,
            answer: None,
            remedy: Some(error.remedy()),
        };
        if retry.is_told && !is_told {
            event::request_failed_for_good(&failure);
        } else {
            event::request_failed_again(&failure);
        }
    }

    fn lease_changed(&mut self, change: LeaseChange, now: Instant) {
        match change {
            LeaseChange::Taken(lease) => {
                if is_one(lease.repository) {
                    event::lease_taken(lease.repository, lease.generation, lease.vacant);
                }
                if let Some(leasing) = &mut self.leasing {
                    leasing.has_led = true;
                }
                let cancellation = self.cancellation.child();
                if let Some(repository) = self.repositories.get_mut(&lease.repository) {
                    repository.cancellation = cancellation;
                }
                // The pager of an earlier lease may still be on its way: its end starts the new one.
                let name = TaskName::Pager(lease.repository);
                if !self.tasks.runs(name) {
                    self.start(name);
                }
            }
            LeaseChange::Lost { repository, generation, reason } => {
                if is_one(repository) {
                    event::lease_lost(repository, generation, &reason.to_string());
                }
                self.end_pager(repository, now);
            }
            LeaseChange::Excess { repository, generation } => {
                let is_there = self.repositories.contains_key(&repository);
                let reason = if is_there { OTHERS_SHARE } else { NOT_CONFIGURED };
                if is_one(repository) {
                    event::lease_given_up(repository, generation, reason);
                }
                self.end_pager(repository, now);
            }
        }
    }

    /// Has the pager of a repository end: pages under way come home as long as there is time.
    fn end_pager(&mut self, id: RepositoryId, now: Instant) {
        if let Some(repository) = self.repositories.get(&id) {
            repository.cancellation.cancel();
        }
        if let Some(leasing) = &mut self.leasing {
            leasing.ending_by.insert(id, now + PAGERS_WITHIN);
        }
    }

    /// Ends the pagers that do not end by themselves: a page that hangs cannot be written any more.
    fn end_late_pagers(&mut self, now: Instant) {
        let Some(leasing) = &mut self.leasing else { return };
        let late: Vec<_> =
            leasing.ending_by.iter().filter(|(_, by)| **by <= now).map(|(id, _)| *id).collect();
        for id in late {
            leasing.ending_by.remove(&id);
            let name = TaskName::Pager(id);
            if self.tasks.abort_one(name) {
                event::task_late(&name.to_string());
            }
        }
    }

    /// Notes that the pager of a repository has ended that is not started again.
    pub(super) fn pager_rests(&mut self, id: RepositoryId) {
        if let Some(leasing) = &mut self.leasing {
            leasing.ending_by.remove(&id);
        }
        self.given.progress.problems.forget(id);
        if let Some(repository) = self.repositories.get(&id) {
            repository.progress.send_modify(|progress| progress.activity = Activity::StandingBy);
        }
    }

    /// Lets go of what is no longer written, is signed in or not, and tells how it stands.
    pub(super) fn see_to_leases(&mut self) {
        let reads_anything = self.reads_anything();
        let signs_in = self.tasks.runs(TaskName::Refresher);
        let Some(leasing) = &mut self.leasing else { return };
        let unwritten = |id: &RepositoryId| !self.tasks.runs(TaskName::Pager(*id));
        let let_go: Vec<_> = leasing.book.ending().into_iter().filter(unwritten).collect();
        leasing.wish.send_if_modified(|wish| {
            let before = wish.let_go.len();
            wish.let_go.extend(let_go);
            wish.let_go.len() > before
        });
        let held = leasing.book.held();
        let holds_any = !held.is_empty();
        leasing.state.held = held.into_iter().filter(|(id, _)| is_one(*id)).collect();
        leasing.state.role = match leasing.terms.sharing {
            _ if !holds_any => InstanceRole::Standby,
            Sharing::Leader => InstanceRole::Leader,
            Sharing::Spread => InstanceRole::Sharing,
        };
        let now = (leasing.state.role, leasing.state.leader().map(str::to_owned));
        let is_news = leasing.told.as_ref().is_none_or(|told| {
            told.0 != now.0
                || (now.0 == InstanceRole::Standby && now.1.is_some() && told.1 != now.1)
        });
        if is_news
            && (leasing.state.is_known || leasing.told.is_some() || now.0 != InstanceRole::Standby)
        {
            if now.0 == InstanceRole::Standby {
                event::standing_by(now.1.as_deref());
            }
            leasing.told = Some(now);
        }
        self.given.progress.set_instance(leasing.state.clone());
        self.note_duties();
        if reads_anything && !signs_in && !self.restarts.waits(TaskName::Refresher) {
            self.given.progress.set_sign_in(SignIn::Trying);
            self.refresher_cancellation = self.cancellation.child();
            self.start(TaskName::Refresher);
        } else if !reads_anything && signs_in {
            self.refresher_cancellation.cancel();
        } else if !reads_anything && !signs_in {
            self.leave_session();
        }
    }

    /// Ends the session of a daemon that stands by: nobody needs it.
    fn leave_session(&mut self) {
        let problems = &self.given.progress.problems;
        self.restarts.forget(TaskName::Refresher);
        for scope in [Scope::Server, Scope::Login] {
            problems.forget_scope(scope);
        }
        problems.over(restart::source(TaskName::Refresher));
        problems.over(OFFER);
        self.offer.told = None;
        self.given.progress.set_sign_in(SignIn::StandingBy);
        let Some(credentials) = self.session_to_end() else { return };
        self.session.forget();
        let api = Arc::clone(&self.api);
        self.tasks.start(TaskName::SignOut, None, async move {
            log_out(&*api, &credentials).await;
        });
    }
}

/// Whether a lease is of one repository, and not of the list of all.
fn is_one(repository: RepositoryId) -> bool {
    repository != RepositoryId::EVERY
}
