//! The session that all requests share, and who knows that it has ended.
//!
//! Guarantees: every login makes a new [`Generation`]; a refusal counts only if it names the
//! current generation, so however many requests are refused at one moment, one login follows; a
//! REST token found in an answer is taken only if the session that asked is still the current one.
//!
//! It knows no HTTP: the client reads [`Credentials`] and reports, the refresher alone replaces
//! the session.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use tokio::sync::watch;

use crate::config::Secret;

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
}

/// A copy of the session to sign one request with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The login that the tokens come from.
    pub generation: Generation,
    /// Counts every change of a token, so that a request refused with tokens that have been
    /// replaced meanwhile is known to need no new login.
    pub revision: u64,
    /// The tokens.
    pub tokens: Tokens,
}
