//! The session that all requests share, and who knows that it has ended.
//!
//! Guarantees: every login makes a new [`Generation`]; a refusal counts only if it names the
//! current generation, so however many requests are refused at one moment, one login follows; a
//! REST token found in an answer is taken only if the session that asked is still the current one,
//! and only if no request that was signed later has brought another: answers overtake each other.
//!
//! It knows no HTTP: the client reads [`Credentials`] and reports, the refresher alone replaces
//! the session.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use tokio::sync::watch;

use crate::config::Secret;
use crate::http::cookies::Cookies;

/// Which login a session came from: 0 before the first, then 1, 2, 3 ...
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u64);

impl Generation {
    /// Before the first login.
    pub const NONE: Self = Self(0);

    /// The number itself, for logs.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The tokens that a login yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The session token, `ewtoken`, good for 24 hours (vendor), or the OAuth access token.
    pub session: Secret,
    /// The REST token, `epimresttoken`, good for about 30 minutes (vendor); absent until the
    /// server hands one out.
    pub rest: Option<Secret>,
    /// The other cookies that the server has given to this session. All copies share them, so that
    /// what an answer sets holds for the next request; a new login begins new ones.
    pub cookies: Cookies,
}

impl Tokens {
    /// Tokens of a session that has no other cookies yet.
    pub fn new(session: Secret, rest: Option<Secret>) -> Self {
        Self { session, rest, cookies: Cookies::default() }
    }
}

/// A copy of the session to sign one request with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The login that the tokens come from.
    pub generation: Generation,
    /// Counts every change of a token, so that a request refused with tokens that have been
    /// replaced meanwhile is known to need no new login.
    pub revision: u64,
    /// Counts the copies that were handed out, and so the requests in the order in which they were
    /// signed.
    pub number: u64,
    /// The tokens.
    pub tokens: Tokens,
}

/// The session as it is stored.
#[derive(Debug)]
struct StoredSession {
    generation: Generation,
    revision: u64,
    tokens: Tokens,
    /// The number of the request whose answer brought the REST token; 0: the login did.
    rest_from: u64,
}

/// What a report of a refusal leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalOutcome {
    /// The tokens have been replaced since the request was signed: send it again.
    Superseded,
    /// The refresher has been told; wait for a newer generation and send it again.
    Reported,
}

/// What a refusal says of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuspicionOutcome {
    /// The tokens have been replaced since the request was signed: send it again.
    Superseded,
    /// Nothing: requests that were signed later were served with the same session.
    Stands,
    /// The refresher asks whether it stands: wait for [`SharedSession::cleared`].
    Reported(SessionSuspicion),
}

/// What the refresher is told. Naming the same generation twice, or an older one, changes nothing:
/// that is what makes many refusals one login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionReports {
    /// The newest generation that a request was refused with.
    pub refused: Generation,
    /// How many checks of the session were asked for, because a request was refused that may have
    /// been refused for another reason: ask the server before signing in again.
    pub checks: u64,
    /// How many of these are answered by a login where nobody can say whether it stands.
    pub suspicions: u64,
}

/// A suspicion that has been reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSuspicion {
    generation: Generation,
    check: u64,
}

/// The one session of the process.
#[derive(Debug)]
pub struct SharedSession {
    /// A plain lock, not tokio's: it is held for copying a few pointers, never across an await.
    current: RwLock<Option<StoredSession>>,
    /// How many copies were handed out.
    signed: AtomicU64,
    /// The newest generation of which a request succeeded, and the latest signed one of those that
    /// did.
    proven: AtomicU64,
    served: AtomicU64,
    /// Up to which check it is known that the session stands.
    cleared: watch::Sender<u64>,
    announced: watch::Sender<Generation>,
    reports: watch::Sender<SessionReports>,
}

impl SharedSession {
    /// Before the first login.
    pub fn new() -> Self {
        Self {
            current: RwLock::new(None),
            signed: AtomicU64::new(0),
            proven: AtomicU64::new(0),
            served: AtomicU64::new(0),
            cleared: watch::Sender::new(0),
            announced: watch::Sender::new(Generation::NONE),
            reports: watch::Sender::new(SessionReports::default()),
        }
    }

    /// Credentials that are not known to be refused; waits for the refresher where there are none.
    pub async fn credentials(&self) -> Credentials {
        let mut announced = self.announced.subscribe();
        loop {
            // Marked as seen before looking, so that a login between the two is not slept through.
            announced.borrow_and_update();
            let refused = self.reports.borrow().refused;
            if let Some(current) = self.current().filter(|current| current.generation > refused) {
                return current;
            }
            if announced.changed().await.is_err() {
                // The sender lives in `self`; should that ever change, waiting is right.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Forgets the session: this process needs none any more, or not now.
    pub fn forget(&self) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The generation of the session where it is not known to be refused.
    pub fn standing(&self) -> Option<Generation> {
        let refused = self.reports.borrow().refused;
        self.current().map(|current| current.generation).filter(|current| *current > refused)
    }

    /// The session as it is now, good or not, to sign one request with.
    pub fn current(&self) -> Option<Credentials> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|stored| Credentials {
            generation: stored.generation,
            revision: stored.revision,
            number: self.signed.fetch_add(1, Ordering::Relaxed).saturating_add(1),
            tokens: stored.tokens.clone(),
        })
    }

    /// Reports that a request signed with these credentials was refused.
    pub fn refused(&self, used: &Credentials) -> RefusalOutcome {
        if self.current().is_none_or(|current| current.revision != used.revision) {
            return RefusalOutcome::Superseded;
        }
        self.end(used.generation);
        RefusalOutcome::Reported
    }

    /// Reports that a request was refused although it had been signed anew after a refusal, so that
    /// the refresher should ask the server whether the session still stands.
    pub fn request_check(&self) {
        self.reports.send_modify(|reports| reports.checks += 1);
    }

    /// Reports that a request signed with these credentials was refused, as it is when a session has
    /// ended, and when one may not do what one asked for: the refresher finds out which.
    pub fn suspected(&self, used: &Credentials) -> SuspicionOutcome {
        if self.current().is_none_or(|current| current.revision != used.revision) {
            return SuspicionOutcome::Superseded;
        }
        if self.served_since(used.number) {
            return SuspicionOutcome::Stands;
        }
        let mut check = 0;
        self.reports.send_modify(|reports| {
            reports.suspicions += 1;
            reports.checks += 1;
            check = reports.checks;
        });
        SuspicionOutcome::Reported(SessionSuspicion { generation: used.generation, check })
    }

    /// Waits until it is known what a suspicion is about: true where the session stands, false where
    /// another one has taken its place.
    pub async fn cleared(&self, suspicion: SessionSuspicion) -> bool {
        let mut announced = self.announced.subscribe();
        let mut cleared = self.cleared.subscribe();
        tokio::select! {
            _ = announced.wait_for(|newest| *newest > suspicion.generation) => false,
            _ = cleared.wait_for(|checks| *checks >= suspicion.check) => true,
        }
    }

    /// Tells that the session stands after so many checks. For the refresher alone.
    pub fn clear(&self, checks: u64) {
        self.cleared.send_if_modified(|cleared| {
            let news = checks > *cleared;
            *cleared = checks.max(*cleared);
            news
        });
    }

    /// Whether a request has been served that was signed after the one of this number.
    pub fn served_since(&self, number: u64) -> bool {
        self.served.load(Ordering::Relaxed) > number
    }

    /// Takes the REST token found in the answer to a request signed with these credentials; false
    /// where the session has been replaced since, has this token already, or got the one that it has
    /// from a request that was signed later.
    pub fn adopt_rest_token(&self, used: &Credentials, token: Secret) -> bool {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let Some(stored) = current.as_mut().filter(|stored| {
            stored.generation == used.generation && stored.rest_from < used.number
        }) else {
            return false;
        };
        stored.rest_from = used.number;
        let news = stored.tokens.rest.as_ref() != Some(&token);
        if news {
            stored.tokens.rest = Some(token);
            stored.revision += 1;
        }
        news
    }

    /// Notes that a request signed with these credentials succeeded.
    pub fn prove(&self, used: &Credentials) {
        self.proven.fetch_max(used.generation.0, Ordering::Relaxed);
        self.served.fetch_max(used.number, Ordering::Relaxed);
    }

    /// Whether any request of this generation has succeeded.
    pub fn is_proven(&self, generation: Generation) -> bool {
        self.proven.load(Ordering::Relaxed) >= generation.0
    }

    /// Replaces the session after a login, and with it both tokens. For the refresher alone.
    pub fn replace(&self, tokens: Tokens) -> Generation {
        let generation = {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            let (generation, revision) = match current.as_ref() {
                Some(old) => (Generation(old.generation.0 + 1), old.revision + 1),
                None => (Generation(1), 1),
            };
            *current = Some(StoredSession { generation, revision, tokens, rest_from: 0 });
            generation
        };
        self.announced.send_replace(generation);
        generation
    }

    /// Marks a generation as ended, so that nothing more is sent with it and the refresher signs in.
    pub fn end(&self, generation: Generation) {
        self.reports.send_if_modified(|reports| {
            let news = generation > reports.refused;
            reports.refused = reports.refused.max(generation);
            news
        });
    }

    /// What has been complained of, as it changes.
    pub fn reports(&self) -> watch::Receiver<SessionReports> {
        self.reports.subscribe()
    }
}

impl Default for SharedSession {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
