//! What all requests of one repository share, and what each answer means for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::endpoint::{SEARCH, source};
use crate::client::SearchAnswer;
use crate::domain::RepositoryId;
use crate::pager::rate::Limiter;
use crate::pager::side_by_side::SideBySide;
use crate::progress::{Progress, RepositoryCounts};
use crate::session::{Credentials, SharedSession};
use crate::task::Outage;
use crate::task::clock::Chance;
use crate::telemetry::event;

/// What all requests of one repository share.
#[derive(Debug)]
pub struct Fetcher<A> {
    /// The server.
    pub api: Arc<A>,
    /// Where tokens come from.
    pub session: Arc<SharedSession>,
    /// Jitter.
    pub chance: Arc<Chance>,
    /// Counters of the process.
    pub progress: Arc<Progress>,
    /// Counters of this repository.
    pub counts: Arc<RepositoryCounts>,
    /// What each request has to pass.
    pub limiter: Limiter,
    /// Whether the server is away, as far as this repository knows. Held for a few instructions.
    pub outage: Mutex<Outage>,
    /// The newest generation that has served this repository.
    pub served: AtomicU64,
    /// What whole and incremental passes share.
    pub shared: SideBySide,
}

impl<A> Fetcher<A> {
    pub(super) fn succeeded(
        &self,
        repository: RepositoryId,
        used: &Credentials,
        answer: &SearchAnswer,
    ) {
        self.page_came(repository, used, answer);
        self.reconnected(repository, SEARCH);
    }

    /// A page came, of whichever kind of pass.
    pub(super) fn page_came(
        &self,
        repository: RepositoryId,
        used: &Credentials,
        answer: &SearchAnswer,
    ) {
        self.proved(used);
        self.progress.page_came();
        self.adopt(repository, used, answer);
        self.shared.note_answer((answer.items.len() + answer.unreadable.len()) as u64);
    }

    /// Takes the REST token that an answer brought.
    pub(super) fn adopt(
        &self,
        repository: RepositoryId,
        used: &Credentials,
        answer: &SearchAnswer,
    ) {
        if let Some(token) = &answer.rest_token
            && self.session.adopt_rest_token(used, token.clone())
        {
            self.progress.rest_tokens.increment();
            self.progress.rest_token_came();
            event::rest_token_renewed(repository, used.generation);
        }
    }

    pub(super) fn proved(&self, used: &Credentials) {
        self.session.prove(used);
        self.served.fetch_max(used.generation.number(), Ordering::Relaxed);
    }

    pub(super) fn reconnected(&self, repository: RepositoryId, endpoint: &'static str) {
        self.progress.problems.server_answered();
        self.progress.problems.over(source(repository, endpoint));
        if let Some(ended) = self.outage().succeeded(Instant::now()) {
            event::reconnected(Some(repository), endpoint, ended.duration, ended.failures);
        }
    }

    pub(super) fn outage(&self) -> MutexGuard<'_, Outage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
