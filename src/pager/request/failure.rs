//! What follows from a failure of a request: whom it is told, and what to wait for.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::endpoint::{INCREMENTAL, SEARCH, source};
use super::fetcher::Fetcher;
use crate::client::{Failure, Refusal, RefusalShape, RequestError};
use crate::domain::RepositoryId;
use crate::progress::problems::{ProblemReport, Reached};
use crate::progress::{ACCESS_REMEDY, AccessDenied};
use crate::session::{Credentials, RefusalOutcome, SessionSuspicion, SuspicionOutcome};
use crate::task::Backoff;
use crate::telemetry::event::{self, Chain, RequestFailed};

/// How many refusals of one request in a row may lead to one new session, where nobody can say whether
/// the session there is stands and no other request was served by it meanwhile. Only the first of them
/// does; the others make the refresher ask the server. A repository that this login may not read must
/// not renew, for ever, the session that others work with.
const REFUSALS_PER_LOGIN: u32 = 4;

/// How long a session that is said to stand and serves nothing is believed: a REST token that has died
/// unnoticed does not live longer (vendor: about 30 minutes), and only a login brings a new one.
const BELIEVED_FOR: Duration = Duration::from_secs(30 * 60);

/// What to do about a failure that tells no more than that it was one.
const FAILED_REMEDY: &str = "see in the server's own log why; ewmirror doctor looks from here";

/// What to do about a search for what changed lately that fails.
const INCREMENTAL_REMEDY: &str =
    "see whether the server takes what incremental.search asks for; whole passes go on";

/// What to do about a request that is refused with fresh tokens, too.
const REFUSED_REMEDY: &str = "check the repository's id and that this user may read it";

/// What to do about a request that is sent elsewhere while its session stands.
const REDIRECTED_REMEDY: &str = "set server.url to where the server really is";

/// How the tries of one request have gone.
#[derive(Debug)]
pub(super) struct Attempts {
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
    /// Whether it was asked whether the login may read the repository.
    asked_access: bool,
    /// The first refusal since the session was blamed last: which request, and when.
    first_refused: Option<(u64, Instant)>,
}

impl Attempts {
    pub(super) fn of(repository: RepositoryId, endpoint: &'static str) -> Self {
        Self {
            repository,
            endpoint,
            made: 0,
            failed: 0,
            refused: 0,
            superseded: 0,
            asked_access: false,
            first_refused: None,
        }
    }

    /// Whether it is to be asked now whether the login may read the repository: once, where a request
    /// is refused for the second time, so that the session is hardly to blame.
    pub(super) fn wants_access(&mut self, failure: &Failure) -> bool {
        let wanted =
            matches!(failure, Failure::Refused(_)) && self.refused > 0 && !self.asked_access;
        self.asked_access |= wanted;
        wanted
    }

    /// Whether none was made yet.
    pub(super) fn is_first(&self) -> bool {
        self.made == 0
    }

    /// Takes note of one more try.
    pub(super) fn begin<A>(&mut self, fetcher: &Fetcher<A>) {
        if self.made > 0 {
            fetcher.progress.retries.increment();
        }
        self.made = self.made.saturating_add(1);
    }

    /// Failures in a row, refusals of a fresh session included.
    pub(super) fn failed(&self) -> u32 {
        self.failed
    }

    /// The greater of failures in a row and of refusals, whatever else failed in between.
    pub(super) fn in_vain(&self) -> u32 {
        self.failed.max(self.refused)
    }
}

/// What to wait for before another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing but tokens that hold.
    AtOnce,
    /// A delay.
    After(Duration),
    /// The refresher's finding about a session that is suspected to have ended.
    Cleared(SessionSuspicion),
}

/// What follows from a failure.
pub(super) fn next_after<A>(
    fetcher: &Fetcher<A>,
    failure: &Failure,
    used: &Credentials,
    attempts: &mut Attempts,
) -> Next {
    match failure {
        Failure::Refused(refusal) => refused(fetcher, used, refusal, attempts),
        Failure::Denied(denial) => {
            Next::After(failed(fetcher, denial, attempts, FailureDetails::ANSWERED))
        }
        Failure::Failed(error) => {
            Next::After(failed(fetcher, error, attempts, FailureDetails::of(error)))
        }
    }
}

/// Sees to it that a newer session comes, if it is the session's fault.
fn refused<A>(
    fetcher: &Fetcher<A>,
    used: &Credentials,
    refusal: &Refusal,
    attempts: &mut Attempts,
) -> Next {
    fetcher.progress.refusals.increment();
    event::request_refused(attempts.repository, used.generation, refusal);
    let (first, since) = *attempts.first_refused.get_or_insert((used.number, Instant::now()));
    // The first refusal is what the end of a session looks like, however often it has served.
    let suspects = attempts.refused == 0
        || attempts.refused.is_multiple_of(REFUSALS_PER_LOGIN)
            && !fetcher.session.is_proven(used.generation);
    let served_here = fetcher.served.load(Ordering::Relaxed) == used.generation.number();
    // A session that is said to stand has ended all the same if it served this repository, is refused
    // again and again and has served no request since, or if it has served none for `BELIEVED_FOR`.
    // A redirect to another host is no such sign: a server that has moved answers like that, too.
    let broke_off = served_here && refusal.shape != RefusalShape::ForeignRedirect;
    let believed = since.elapsed() < BELIEVED_FOR && !broke_off;
    let to_blame = attempts.refused > 0 && !believed && !fetcher.session.served_since(first);
    let suspected = if to_blame {
        attempts.first_refused = None;
        match fetcher.session.refused(used) {
            RefusalOutcome::Superseded => Some(SuspicionOutcome::Superseded),
            RefusalOutcome::Reported => None,
        }
    } else if suspects {
        Some(fetcher.session.suspected(used))
    } else {
        fetcher.session.request_check();
        Some(SuspicionOutcome::Stands)
    };
    if suspected == Some(SuspicionOutcome::Superseded) && attempts.superseded < REFUSALS_PER_LOGIN {
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
    let details = |remedy| FailureDetails { remedy: Some(remedy), ..FailureDetails::ANSWERED };
    if let Some(denied) = fetcher.progress.access.denied(attempts.repository) {
        let error = UnreadableRepository { denied, refusal: refusal.clone() };
        return Next::After(failed(fetcher, &error, attempts, details(ACCESS_REMEDY)));
    }
    let remedy = match refusal.shape {
        RefusalShape::ForeignRedirect => REDIRECTED_REMEDY,
        _ => REFUSED_REMEDY,
    };
    Next::After(failed(fetcher, refusal, attempts, details(remedy)))
}

/// A refusal whose reason is known.
#[derive(Debug, thiserror::Error)]
#[error("{denied}")]
struct UnreadableRepository {
    denied: AccessDenied,
    #[source]
    refusal: Refusal,
}

/// Tells of a failure; returns how long to wait.
fn failed<A>(
    fetcher: &Fetcher<A>,
    error: &dyn std::error::Error,
    attempts: &mut Attempts,
    details: FailureDetails<'_>,
) -> Duration {
    attempts.failed = attempts.failed.saturating_add(1);
    fetcher.progress.failures.increment();
    let fraction = fetcher.chance.fraction();
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
    let is_incremental = attempts.endpoint == INCREMENTAL;
    let remedy = if is_incremental { INCREMENTAL_REMEDY } else { FAILED_REMEDY };
    let report = ProblemReport {
        error: Chain(error).to_string(),
        remedy: details.remedy.unwrap_or(remedy).to_owned(),
        retry_in: Some(delay),
        // An item that cannot be asked for stays as it is; without its pages a list stands.
        halts: attempts.endpoint == SEARCH,
    };
    let from = source(attempts.repository, attempts.endpoint);
    fetcher.progress.problems.request_failed(from, details.reached, report);
    // What the server says to an incremental pass says nothing of its other answers; who makes the pass
    // tells what comes of it.
    let aloud = !is_incremental && fetcher.outage().failed(Instant::now());
    if aloud {
        event::request_failed(&failure);
    } else {
        event::request_failed_again(&failure);
    }
    delay
}

/// Whether a server that failed a request asks no more than to be asked less often.
pub(super) fn asks_for_patience(failure: &Failure) -> bool {
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
