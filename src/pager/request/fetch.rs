//! One page request, from the first try until there is an answer.
//!
//! Guarantees: each try is signed afresh; a refused request waits for a newer session and is sent
//! again, so that a token that ends costs no page; a failed one waits with growing delays; a wish
//! to stop ends every wait at once, but not a request that is under way; and each wait says how long
//! it may take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::blame::Blame;
use super::outcome::{FetchOutcome, Fetched, Unanswered};
use crate::client::{
    Api, Failure, ItemRequest, Presence, Refusal, RefusalShape, RequestError, SearchAnswer,
    SearchRequest,
};
use crate::domain::RepositoryId;
use crate::pager::rate::{Limiter, Permit};
use crate::progress::problems::{ProblemReport, Reached, Scope, Source};
use crate::progress::{Progress, RepositoryCounts};
use crate::session::{
    Credentials, RefusalOutcome, SessionSuspicion, SharedSession, SuspicionOutcome,
};
use crate::task::clock::Chance;
use crate::task::{Backoff, Context, Outage, Stopped, Until};
use crate::telemetry::event::{self, Chain, RequestFailed};

/// Of so many refusals of one request in a row the first may lead to a new session where nobody can
/// say whether the one there is stands, unless it has served another request meanwhile. The others
/// only make the refresher ask: a repository that this login may not read must not renew, for ever,
/// the session that others work with.
const REFUSALS_PER_LOGIN: u32 = 4;

/// For so long a session is believed that is said to stand and serves nothing: a REST token that has
/// died unnoticed does not live longer (vendor: about 30 minutes), and only a login brings a new one.
const BELIEVED_FOR: Duration = Duration::from_secs(30 * 60);

/// So many times an item is asked for whose answer fails or is refused.
const ASKED_AT_MOST: u32 = 5;

/// The calls, by their names in the log.
const SEARCH: &str = "search";
const ITEM: &str = "item";

/// What to do about a failure that tells no more than that it was one.
const FAILED_REMEDY: &str = "see in the server's own log why; ewmirror doctor looks from here";

/// What to do about a request that is refused with fresh tokens, too.
const REFUSED_REMEDY: &str = "check the repository's id and that this user may read it";

/// What to do about a request that is sent elsewhere while its session stands.
const REDIRECTED_REMEDY: &str = "set server.url to where the server really is";

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
}

/// How the tries of one request have gone.
#[derive(Debug)]
struct Attempts {
    repository: RepositoryId,
    endpoint: &'static str,
    /// How many were made.
    made: u32,
    /// Failures in a row, refusals of a fresh session included.
    failed: u32,
    /// Refusals, whatever else failed in between.
    refused: u32,
    /// Tries in a row that were overtaken by a change of tokens.
    superseded: u32,
    /// The first refusal since the session was blamed last: which request, and when.
    first_refused: Option<(u64, Instant)>,
}

impl Attempts {
    fn of(repository: RepositoryId, endpoint: &'static str) -> Self {
        Self {
            repository,
            endpoint,
            made: 0,
            failed: 0,
            refused: 0,
            superseded: 0,
            first_refused: None,
        }
    }
}

/// What to wait for before another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// For no more than tokens that hold.
    AtOnce,
    /// For so long.
    After(Duration),
    /// For what comes of a suspicion.
    Cleared(SessionSuspicion),
}

impl<A: Api> Fetcher<A> {
    /// Makes the request until it is answered, or until it is known that it never will be, because
    /// the server answers the top of the same list (see `blame`).
    ///
    /// # Errors
    ///
    /// [`Stopped`] where the task is to stop before.
    pub async fn fetch(
        &self,
        request: &SearchRequest,
        context: &Context,
    ) -> Result<FetchOutcome, Stopped> {
        let mut attempts = Attempts::of(request.repository, SEARCH);
        let top = SearchRequest { page: 1, page_size: 1, fingerprints: None, ..request.clone() };
        let mut blame = Blame::default();
        loop {
            let (credentials, permit) = self.let_through(context).await?;
            self.trying(&mut attempts);
            let begun = Instant::now();
            self.progress.requests.increment();
            self.counts.requests.increment();
            let until = Until::Within(self.api.time_out());
            let asked = if blame.asks_for_top() { &top } else { request };
            match context.wait(until, self.api.search(&credentials, asked)).await {
                Ok(answer) if blame.asks_for_top() => {
                    // One item says nothing of how fast pages come, nor that this window does.
                    drop(permit);
                    self.proved(&credentials);
                    self.adopt(request.repository, &credentials, &answer);
                    self.progress.problems.server_answered();
                    blame.top_answered(answer.total);
                }
                Ok(answer) => {
                    permit.answered(answer.items.len());
                    self.succeeded(request.repository, &credentials, &answer);
                    let elapsed = begun.elapsed();
                    return Ok(FetchOutcome::Answered(Fetched { answer, begun, elapsed }));
                }
                Err(failure) => {
                    match &failure {
                        Failure::Failed(_) => permit.failed(),
                        Failure::Refused(_) | Failure::Denied(_) => drop(permit),
                    }
                    let failed = attempts.failed;
                    let next = self.next_after(&failure, &credentials, &mut attempts);
                    if attempts.failed > failed && !asks_for_patience(&failure) {
                        blame.failed();
                    }
                    if let Some(total) = blame.verdict() {
                        // The server is there, and the window is told of as what it is.
                        self.outage().forget();
                        self.progress.problems.over(source(request.repository, SEARCH));
                        return Ok(FetchOutcome::Unanswered(Unanswered { failure, total, begun }));
                    }
                    self.wait(next, context).await?;
                }
            }
        }
    }

    /// Asks whether the server still has an item, until it says something, but not for ever: a
    /// pass must end also where a server has no good answer to this.
    ///
    /// # Errors
    ///
    /// [`Stopped`] where the task is to stop before.
    pub async fn ask(&self, request: &ItemRequest, context: &Context) -> Result<Presence, Stopped> {
        let mut attempts = Attempts::of(request.repository, ITEM);
        while attempts.failed < ASKED_AT_MOST && attempts.refused < ASKED_AT_MOST {
            let (credentials, permit) = self.let_through(context).await?;
            self.trying(&mut attempts);
            let until = Until::Within(self.api.time_out());
            let asked = context.wait(until, self.api.item(&credentials, request)).await;
            // An item is no page: how long it took says nothing of pages.
            drop(permit);
            match asked {
                Ok(presence) => {
                    self.proved(&credentials);
                    self.reconnected(request.repository, ITEM);
                    return Ok(presence);
                }
                Err(failure) => {
                    let next = self.next_after(&failure, &credentials, &mut attempts);
                    self.wait(next, context).await?;
                }
            }
        }
        // It is asked no more, and a second pass decides.
        self.progress.problems.over(source(request.repository, ITEM));
        Ok(Presence::Unknown)
    }

    async fn wait(&self, next: Next, context: &Context) -> Result<(), Stopped> {
        match next {
            Next::AtOnce => Ok(()),
            Next::After(delay) => context.sleep(delay).await,
            Next::Cleared(suspicion) => {
                context.run(Until::Session, self.session.cleared(suspicion)).await.map(drop)
            }
        }
    }

    /// Waits until a request may be sent; with the tokens of that moment.
    async fn let_through(&self, context: &Context) -> Result<(Credentials, Permit<'_>), Stopped> {
        loop {
            // Not before there is a session: what the limiter has let through is sent at once.
            context.run(Until::Session, self.session.credentials()).await?;
            let permit = self.limiter.acquire(context).await?;
            if self.session.standing().is_some()
                && let Some(credentials) = self.session.current()
            {
                return Ok((credentials, permit));
            }
        }
    }

    fn trying(&self, attempts: &mut Attempts) {
        if attempts.made > 0 {
            self.progress.retries.increment();
        }
        attempts.made = attempts.made.saturating_add(1);
    }

    fn succeeded(&self, repository: RepositoryId, used: &Credentials, answer: &SearchAnswer) {
        self.proved(used);
        self.progress.page_came();
        self.adopt(repository, used, answer);
        self.reconnected(repository, SEARCH);
    }

    /// Takes the REST token that an answer brought.
    fn adopt(&self, repository: RepositoryId, used: &Credentials, answer: &SearchAnswer) {
        if let Some(token) = &answer.rest_token
            && self.session.adopt_rest_token(used, token.clone())
        {
            self.progress.rest_tokens.increment();
            self.progress.rest_token_came();
            event::rest_token_renewed(repository, used.generation);
        }
    }

    fn proved(&self, used: &Credentials) {
        self.session.prove(used);
        self.served.fetch_max(used.generation.number(), Ordering::Relaxed);
    }

    fn reconnected(&self, repository: RepositoryId, endpoint: &'static str) {
        self.progress.problems.server_answered();
        self.progress.problems.over(source(repository, endpoint));
        if let Some(ended) = self.outage().succeeded(Instant::now()) {
            event::reconnected(Some(repository), endpoint, ended.duration, ended.failures);
        }
    }

    /// What follows from a failure.
    fn next_after(&self, failure: &Failure, used: &Credentials, attempts: &mut Attempts) -> Next {
        match failure {
            Failure::Refused(refusal) => self.refused(used, refusal, attempts),
            Failure::Denied(denial) => {
                Next::After(self.failed(denial, attempts, FailureDetails::ANSWERED))
            }
            Failure::Failed(error) => {
                Next::After(self.failed(error, attempts, FailureDetails::of(error)))
            }
        }
    }

    /// Sees to it that a newer session comes, if it is the session's fault.
    fn refused(&self, used: &Credentials, refusal: &Refusal, attempts: &mut Attempts) -> Next {
        self.progress.refusals.increment();
        event::request_refused(attempts.repository, used.generation, refusal);
        let (first, since) = *attempts.first_refused.get_or_insert((used.number, Instant::now()));
        // The first refusal is what the end of a session looks like, however often it has served.
        let suspects = attempts.refused == 0
            || attempts.refused.is_multiple_of(REFUSALS_PER_LOGIN)
                && !self.session.is_proven(used.generation);
        let served_here = self.served.load(Ordering::Relaxed) == used.generation.number();
        // A session that is said to stand does not where it served this repository, is refused again
        // and again, and has served nobody since; or nobody for as long as it may be believed. But
        // a redirect to elsewhere is what a server that moved looks like, also one that served us.
        let broke_off = served_here && refusal.shape != RefusalShape::ForeignRedirect;
        let believed = since.elapsed() < BELIEVED_FOR && !broke_off;
        let to_blame = attempts.refused > 0 && !believed && !self.session.served_since(first);
        let suspected = if to_blame {
            attempts.first_refused = None;
            match self.session.refused(used) {
                RefusalOutcome::Superseded => Some(SuspicionOutcome::Superseded),
                RefusalOutcome::Reported => None,
            }
        } else if suspects {
            Some(self.session.suspected(used))
        } else {
            self.session.doubted();
            Some(SuspicionOutcome::Stands)
        };
        if suspected == Some(SuspicionOutcome::Superseded)
            && attempts.superseded < REFUSALS_PER_LOGIN
        {
            attempts.superseded += 1;
            return Next::AtOnce;
        }
        attempts.superseded = 0;
        attempts.refused += 1;
        match suspected {
            // The end of a session is no failure.
            None => return Next::AtOnce,
            Some(SuspicionOutcome::Reported(suspicion)) if attempts.refused == 1 => {
                return Next::Cleared(suspicion);
            }
            Some(SuspicionOutcome::Stands) if attempts.refused == 1 => return Next::AtOnce,
            _ => {}
        }
        let remedy = match refusal.shape {
            RefusalShape::ForeignRedirect => REDIRECTED_REMEDY,
            _ => REFUSED_REMEDY,
        };
        let details = FailureDetails { remedy: Some(remedy), ..FailureDetails::ANSWERED };
        Next::After(self.failed(refusal, attempts, details))
    }

    /// Tells of a failure; returns how long to wait.
    fn failed(
        &self,
        error: &dyn std::error::Error,
        attempts: &mut Attempts,
        details: FailureDetails<'_>,
    ) -> Duration {
        attempts.failed = attempts.failed.saturating_add(1);
        self.progress.failures.increment();
        let fraction = self.chance.fraction();
        let delay = Backoff::REQUESTS.delay(attempts.failed, fraction, details.retry_after);
        let failure = RequestFailed {
            repository: Some(attempts.repository),
            endpoint: attempts.endpoint,
            attempt: attempts.failed,
            retry_in: delay,
            error,
            answer: details.answer,
            remedy: details.remedy,
        };
        let report = ProblemReport {
            error: Chain(error).to_string(),
            remedy: details.remedy.unwrap_or(FAILED_REMEDY).to_owned(),
            retry_in: Some(delay),
            // An item that cannot be asked for stays as it is; without its pages a list stands.
            halts: attempts.endpoint == SEARCH,
        };
        let from = source(attempts.repository, attempts.endpoint);
        self.progress.problems.request_failed(from, details.reached, report);
        let aloud = self.outage().failed(Instant::now());
        if aloud {
            event::request_failed(&failure);
        } else {
            event::request_failed_again(&failure);
        }
        delay
    }

    fn outage(&self) -> std::sync::MutexGuard<'_, Outage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a problem with these requests.
fn source(repository: RepositoryId, endpoint: &'static str) -> Source {
    Source { scope: Scope::Repository, repository: Some(repository), what: endpoint }
}

/// Whether a server that failed a request asks no more than to be asked less often.
fn asks_for_patience(failure: &Failure) -> bool {
    matches!(failure, Failure::Failed(error)
        if error.retry_after.is_some() || error.status == Some(429))
}

/// What only some errors have to say.
#[derive(Clone, Copy)]
struct FailureDetails<'a> {
    reached: Reached,
    answer: Option<&'a str>,
    remedy: Option<&'a str>,
    retry_after: Option<Duration>,
}

impl<'a> FailureDetails<'a> {
    /// Of an answer without more than its meaning.
    const ANSWERED: Self =
        Self { reached: Reached::Answered, answer: None, remedy: None, retry_after: None };

    fn of(error: &'a RequestError) -> Self {
        Self {
            reached: error.reached(),
            answer: error.beginning.as_deref(),
            remedy: error.remedy(),
            retry_after: error.retry_after,
        }
    }
}
