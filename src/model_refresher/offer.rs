//! The task that asks which repositories the server offers, where the configuration takes all of them:
//! once there is a session, and again as often as the model is read.
//!
//! It decides nothing: each list goes to the supervisor. A server that does not answer is asked again,
//! ever later, and that is a problem until it has answered.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::duty::ModelDuties;
use super::interview::{Interviewer, NoAnswer};
use crate::client::{Api, RepositoryList};
use crate::domain::RepositoryId;
use crate::pager::{PassLimit, Scheduler};
use crate::progress::Progress;
use crate::progress::problems::{ProblemReport, Scope, Source};
use crate::session::SharedSession;
use crate::task::{Backoff, Context, Stopped, Until};
use crate::telemetry::event;

/// Where a list that does not come, or cannot be taken, is a problem.
pub const OFFER: Source = Source { scope: Scope::Repository, repository: None, what: "offer" };

/// How a server that does not answer is asked again.
const AGAIN: Backoff = Backoff::steady(Duration::from_secs(1), Duration::from_secs(60));

/// After so long a list is asked for again that lacks what the one before had: only what two in a row lack
/// is given up.
const SOON: Duration = Duration::from_secs(60);

/// What to do where there is no list.
const REMEDY: &str = "see that GET webcm/rest/api/repositories answers this user, or list the repositories \
                      by their numbers in place of id = \"all\"";

/// What the task works with.
#[derive(Debug)]
pub struct OfferRefresher<A> {
    /// The server.
    pub api: Arc<A>,
    /// Where tokens come from.
    pub session: Arc<SharedSession>,
    /// What lets the requests of all repositories through.
    pub scheduler: Arc<Scheduler>,
    /// Where it is told that no list comes.
    pub progress: Arc<Progress>,
    /// How often it is asked, as that changes.
    pub duties: watch::Receiver<ModelDuties>,
    /// With one pass one list is enough.
    pub passes: PassLimit,
    /// Whether repositories are listed by their numbers: these are read whatever the server offers.
    pub lists_some: bool,
    /// What is read by an earlier list.
    pub read: BTreeSet<RepositoryId>,
    /// Where the latest list goes.
    pub lists: watch::Sender<Option<Arc<RepositoryList>>>,
    /// When to end, and how long it waits.
    pub context: Context,
}

impl<A: Api> OfferRefresher<A> {
    /// Asks until told to stop; with one pass, until there is a list.
    pub async fn run(mut self) {
        if self.passes == PassLimit::One {
            // A wish to stop ends it as well.
            drop(self.next_list().await);
        } else {
            let Err(Stopped) = self.follow().await;
        }
    }

    async fn follow(&mut self) -> Result<Infallible, Stopped> {
        loop {
            let offered = self.next_list().await?;
            let asked = Instant::now();
            let is_short = !offered.is_superset(&self.read);
            self.read = offered;
            loop {
                let interval = self.duties.borrow_and_update().interval;
                let interval =
                    if is_short { Some(interval.unwrap_or(SOON).min(SOON)) } else { interval };
                let rest = interval.map(|interval| interval.saturating_sub(asked.elapsed()));
                let rest = rest.unwrap_or(Duration::from_secs(3600));
                let changed = async {
                    tokio::select! {
                        () = tokio::time::sleep(rest) => Ok(false),
                        changed = self.duties.changed() => changed.map(|()| true),
                    }
                };
                let changed = self.context.run(Until::Within(rest), changed).await??;
                if !changed && interval.is_some() {
                    break;
                }
            }
        }
    }

    /// Asks until there is a list; returns what is in it.
    async fn next_list(&mut self) -> Result<BTreeSet<RepositoryId>, Stopped> {
        let mut failures = 0_u32;
        loop {
            let interviewer = Interviewer {
                api: &self.api,
                session: &self.session,
                scheduler: &self.scheduler,
                context: &self.context,
            };
            let why = match interviewer.list().await? {
                Ok(list) => {
                    let offered = list.repositories.iter().map(|it| it.id).collect();
                    // Whether it is taken, and all is well, is for the supervisor to say.
                    self.lists.send_replace(Some(Arc::new(list)));
                    return Ok(offered);
                }
                Err(NoAnswer::For(reason)) => reason,
                Err(NoAnswer::Now) => "the server does not answer".to_owned(),
            };
            failures = failures.saturating_add(1);
            let delay = AGAIN.delay(failures, 1.0, None);
            let error = format!("the repositories of id = \"all\" are not known: {why}");
            if failures == 1 {
                event::repositories_not_taken(&error, REMEDY);
            }
            let report = ProblemReport {
                error,
                remedy: REMEDY.to_owned(),
                retry_in: Some(delay),
                halts: self.read.is_empty() && !self.lists_some,
            };
            self.progress.problems.failed(OFFER, report);
            self.context.sleep(delay).await?;
        }
    }
}
