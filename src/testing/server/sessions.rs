//! The sessions and REST tokens that the server has handed out, and which of them it takes.

use tokio::time::Instant;

use super::{State, refusal};
use crate::client::Failure;
use crate::config::Secret;
use crate::session::{Credentials, Tokens};
use crate::testing::{Call, StaleRest};

/// A session as the server keeps it.
pub(super) struct ServerSession {
    ends: Instant,
    rest: Rest,
}

struct Rest {
    current: Option<String>,
    /// How many tokens had been issued before the newest one that a request has carried.
    used: u64,
    renewed: Instant,
}

impl State {
    fn token(&mut self, what: &str) -> String {
        self.issued += 1;
        format!("{what}-{}", self.issued)
    }

    pub(super) fn sign_in(&mut self, now: Instant) -> Tokens {
        if self.one_session {
            self.sessions.clear();
        }
        let token = self.token("session");
        let rest = Rest { current: None, used: 0, renewed: now };
        let session = ServerSession { ends: now + self.session_ttl, rest };
        self.sessions.insert(token.clone(), session);
        Tokens::new(Secret::new(token), None)
    }

    pub(super) fn stands(&self, credentials: &Credentials, now: Instant) -> bool {
        let token = credentials.tokens.session.expose();
        self.sessions.get(token).is_some_and(|session| session.ends > now)
    }

    /// The new REST token, where one is due; a refusal, where the tokens are not good.
    pub(super) fn admit(
        &mut self,
        credentials: &Credentials,
        now: Instant,
    ) -> Result<Option<Secret>, Failure> {
        let refused = refusal(Call::Search);
        if !self.stands(credentials, now) {
            return Err(refused);
        }
        let fresh = self.token("rest");
        let token = credentials.tokens.session.expose();
        let Some(session) = self.sessions.get_mut(token) else { return Err(refused) };
        let rest = &mut session.rest;
        let sent = credentials.tokens.rest.as_ref().map(Secret::expose);
        if sent != rest.current.as_deref() {
            return match self.stale_rest {
                StaleRest::RefusedAfter(grace) if now > rest.renewed + grace => Err(refused),
                // Within the grace nothing is said; only the answer that renewed it carried it.
                StaleRest::RefusedAfter(_) => Ok(None),
                StaleRest::Renewed => Ok(rest.current.as_deref().map(Secret::new)),
                StaleRest::Another if place(sent) >= rest.used => {
                    rest.used = place(sent);
                    rest.current = Some(fresh.clone());
                    Ok(Some(Secret::new(fresh)))
                }
                StaleRest::Another => Err(refused),
            };
        }
        rest.used = place(sent);
        if now >= rest.renewed + self.rest_ttl {
            *rest = Rest { current: Some(fresh.clone()), used: rest.used, renewed: now };
            return Ok(Some(Secret::new(fresh)));
        }
        Ok(None)
    }
}

/// How many tokens had been issued before this one, which is named by its number.
fn place(token: Option<&str>) -> u64 {
    token.and_then(|token| token.rsplit('-').next()?.parse().ok()).unwrap_or_default()
}
