//! Who is signed in: session tokens and the REST tokens behind them.
//!
//! Pure: every method is told the time. Several sessions are good at once, whatever their login.
//!
//! A session ends a fixed time after its login; nothing prolongs it (vendor: 24 hours). Its first
//! REST token comes with the login, as a cookie. Once a REST token is older than its lifetime, the
//! next search renews it and announces the new one. From then on the old one is stale, with one
//! grace for requests that were under way: it stays good until the new one has been used, or one
//! lifetime has passed. A client that sends no REST token at all is fine until a renewal has been
//! announced (vendor's example starts so), and is then treated as if it sent the first one.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use super::options::StaleRestToken;

/// The sessions of a server.
#[derive(Debug)]
pub(super) struct Sessions {
    session_ttl: Duration,
    rest_token_ttl: Duration,
    stale: StaleRestToken,
    by_token: HashMap<String, SimulatedSession>,
    /// Seeded by the operating system: tokens must not repeat from one server to the next, or a
    /// token of a server that was restarted might be good again.
    rng: Rng,
}

#[derive(Debug)]
struct SimulatedSession {
    started: Instant,
    /// None for an OAuth session: no broker stands behind it.
    rest: Option<RestTokens>,
}

#[derive(Debug)]
struct RestTokens {
    current: String,
    issued: Instant,
    /// Whether a request has carried the current one.
    used: bool,
    /// The one before the current one; None as long as there was no renewal.
    previous: Option<String>,
    /// Whether the next search renews, however young the current one is.
    renewal_asked: bool,
    /// All that were current once.
    spent: HashSet<String>,
}

/// The tokens of a new session.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) session: String,
    pub(super) rest: String,
}

/// What a request's tokens are worth.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TokenStatus {
    /// They are good.
    Good,
    /// They are good, and this REST token must be announced.
    Renewed(String),
    /// There is no such session, or it has ended.
    NoSession,
    /// The session is good, the REST token is not.
    StaleRestToken,
}

impl Sessions {
    pub(super) fn new(
        session_ttl: Duration,
        rest_token_ttl: Duration,
        stale: StaleRestToken,
    ) -> Self {
        let by_token = HashMap::new();
        Self { session_ttl, rest_token_ttl, stale, by_token, rng: Rng::new() }
    }

    /// Signs somebody in.
    pub(super) fn open(&mut self, now: Instant) -> Issued {
        let rest = rest_token(&mut self.rng);
        let tokens = RestTokens {
            current: rest.clone(),
            issued: now,
            used: false,
            previous: None,
            renewal_asked: false,
            spent: HashSet::new(),
        };
        Issued { session: self.add(now, Some(tokens)), rest }
    }

    /// Signs somebody in by the OAuth call: an access token, no REST token.
    pub(super) fn open_oauth(&mut self, now: Instant) -> String {
        self.add(now, None)
    }

    /// Whether there is such a session.
    pub(super) fn is_open(&mut self, token: Option<&str>, now: Instant) -> bool {
        self.find(token, now).is_some()
    }

    /// Ends a session; false if there is no such session.
    pub(super) fn close(&mut self, token: Option<&str>, now: Instant) -> bool {
        self.is_open(token, now) && token.is_some_and(|token| self.by_token.remove(token).is_some())
    }

    /// Ends all sessions and says how many there were.
    pub(super) fn close_all(&mut self) -> usize {
        let count = self.by_token.len();
        self.by_token.clear();
        count
    }

    /// Has every session's REST token renewed by its next search.
    pub(super) fn ask_renewals(&mut self) {
        for rest in self.by_token.values_mut().filter_map(|session| session.rest.as_mut()) {
            rest.renewal_asked = true;
        }
    }

    /// Judges the tokens of a request; `can_announce` if its answer can carry a new REST token.
    pub(super) fn judge(
        &mut self,
        session: Option<&str>,
        presented: Option<&str>,
        can_announce: bool,
        now: Instant,
    ) -> TokenStatus {
        let (ttl, stale) = (self.rest_token_ttl, self.stale);
        // Drawn before the session is borrowed; one that is not needed costs nothing.
        let next = rest_token(&mut self.rng);
        let Some(session) = self.find(session, now) else { return TokenStatus::NoSession };
        let Some(rest) = session.rest.as_mut() else { return TokenStatus::Good };
        let age = now.saturating_duration_since(rest.issued);
        let is_current = match presented {
            Some(token) => token == rest.current,
            None => rest.previous.is_none(),
        };
        let renew = if is_current {
            rest.used |= presented.is_some();
            age >= ttl || rest.renewal_asked
        } else {
            let ours = presented.is_none_or(|token| rest.spent.contains(token));
            let is_previous = match presented {
                Some(token) => rest.previous.as_deref() == Some(token),
                None => rest.spent.len() == 1,
            };
            if is_previous && !rest.used && age < ttl {
                return TokenStatus::Good;
            }
            if !ours || stale == StaleRestToken::Refuse {
                return TokenStatus::StaleRestToken;
            }
            true
        };
        if !(renew && can_announce) {
            return TokenStatus::Good;
        }
        let old = std::mem::replace(&mut rest.current, next.clone());
        rest.spent.insert(old.clone());
        rest.previous = Some(old);
        rest.issued = now;
        rest.used = false;
        rest.renewal_asked = false;
        TokenStatus::Renewed(next)
    }

    fn add(&mut self, now: Instant, rest: Option<RestTokens>) -> String {
        let ttl = self.session_ttl;
        self.by_token.retain(|_, session| is_alive(session, ttl, now));
        let token = session_token(&mut self.rng);
        self.by_token.insert(token.clone(), SimulatedSession { started: now, rest });
        token
    }

    fn find(&mut self, token: Option<&str>, now: Instant) -> Option<&mut SimulatedSession> {
        let ttl = self.session_ttl;
        self.by_token.get_mut(token?).filter(|session| is_alive(session, ttl, now))
    }
}

fn is_alive(session: &SimulatedSession, ttl: Duration, now: Instant) -> bool {
    now.saturating_duration_since(session.started) < ttl
}

/// 64 letters and digits; what a real one looks like is open.
fn session_token(rng: &mut Rng) -> String {
    (0..64).map(|_| rng.alphanumeric()).collect()
}

/// 36 characters in the form of a UUID; what a real one looks like is open.
fn rest_token(rng: &mut Rng) -> String {
    let digits = rng.u128(..);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        digits >> 96,
        (digits >> 80) & 0xffff,
        (digits >> 64) & 0xffff,
        (digits >> 48) & 0xffff,
        digits & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const HALF_HOUR: Duration = Duration::from_mins(30);
    const MINUTE: Duration = Duration::from_mins(1);

    fn sessions(stale: StaleRestToken) -> (Sessions, Issued, Instant) {
        let mut sessions = Sessions::new(24 * HOUR, HALF_HOUR, stale);
        let now = Instant::now();
        let issued = sessions.open(now);
        (sessions, issued, now)
    }

    fn renewed(standing: TokenStatus) -> String {
        match standing {
            TokenStatus::Renewed(token) => token,
            other => panic!("expected a renewal, got {other:?}"),
        }
    }

    #[test]
    fn a_session_ends_a_fixed_time_after_its_login() {
        let (mut sessions, issued, start) = sessions(StaleRestToken::Refuse);
        let token = Some(issued.session.as_str());
        assert!(sessions.is_open(token, start + 24 * HOUR - MINUTE));
        assert!(!sessions.is_open(token, start + 24 * HOUR));
        assert!(!sessions.is_open(None, start));
        let verdict = sessions.judge(token, Some(&issued.rest), true, start + 24 * HOUR);
        assert_eq!(verdict, TokenStatus::NoSession);
    }

    #[test]
    fn several_sessions_are_good_at_once_and_end_one_by_one() {
        let (mut sessions, first, start) = sessions(StaleRestToken::Refuse);
        let second = sessions.open(start);
        assert!(sessions.close(Some(&first.session), start));
        assert!(!sessions.close(Some(&first.session), start));
        assert!(sessions.is_open(Some(&second.session), start));
    }

    #[test]
    fn an_old_rest_token_is_renewed_by_a_search_only() {
        let (mut sessions, issued, start) = sessions(StaleRestToken::Refuse);
        let (session, rest) = (Some(issued.session.as_str()), Some(issued.rest.as_str()));
        let good = sessions.judge(session, rest, true, start + HALF_HOUR - MINUTE);
        assert_eq!(good, TokenStatus::Good);
        assert_eq!(sessions.judge(session, rest, false, start + HALF_HOUR), TokenStatus::Good);
        let token = renewed(sessions.judge(session, rest, true, start + HALF_HOUR));
        assert_ne!(token, issued.rest);
    }

    #[test]
    fn the_old_rest_token_is_good_until_the_new_one_was_used() {
        let (mut sessions, issued, start) = sessions(StaleRestToken::Refuse);
        let (session, old) = (Some(issued.session.as_str()), Some(issued.rest.as_str()));
        let now = start + HALF_HOUR;
        let new = renewed(sessions.judge(session, old, true, now));
        assert_eq!(sessions.judge(session, old, true, now), TokenStatus::Good);
        assert_eq!(sessions.judge(session, Some(&new), true, now), TokenStatus::Good);
        assert_eq!(sessions.judge(session, old, true, now), TokenStatus::StaleRestToken);
    }

    #[test]
    fn the_old_rest_token_is_good_for_one_lifetime_if_the_new_one_is_never_used() {
        let (mut sessions, issued, start) = sessions(StaleRestToken::Refuse);
        let (session, old) = (Some(issued.session.as_str()), Some(issued.rest.as_str()));
        renewed(sessions.judge(session, old, true, start + HALF_HOUR));
        let late = start + HOUR;
        assert_eq!(sessions.judge(session, old, true, late - MINUTE), TokenStatus::Good);
        assert_eq!(sessions.judge(session, old, true, late), TokenStatus::StaleRestToken);
    }

    #[test]
    fn a_client_without_a_rest_token_is_fine_until_one_was_announced() {
        let (mut sessions, issued, start) = sessions(StaleRestToken::Refuse);
        let session = Some(issued.session.as_str());
        assert_eq!(sessions.judge(session, None, true, start), TokenStatus::Good);
        let new = renewed(sessions.judge(session, None, true, start + HALF_HOUR));
        assert_eq!(sessions.judge(session, None, true, start + HALF_HOUR), TokenStatus::Good);
        assert_eq!(sessions.judge(session, Some(&new), true, start + HALF_HOUR), TokenStatus::Good);
        let late = sessions.judge(session, None, true, start + HALF_HOUR);
        assert_eq!(late, TokenStatus::StaleRestToken);
    }

    #[test]
    fn a_stale_rest_token_is_renewed_where_the_server_is_that_kind() {
        let (mut sessions, issued, start) = sessions(StaleRestToken::Renew);
        let (session, old) = (Some(issued.session.as_str()), Some(issued.rest.as_str()));
        let now = start + HALF_HOUR;
        let second = renewed(sessions.judge(session, old, true, now));
        assert_eq!(sessions.judge(session, Some(&second), true, now), TokenStatus::Good);
        let third = renewed(sessions.judge(session, old, true, now));
        assert_ne!(second, third);
    }

    #[test]
    fn a_rest_token_of_another_session_is_stale_everywhere() {
        for stale in [StaleRestToken::Refuse, StaleRestToken::Renew] {
            let (mut sessions, first, start) = sessions(stale);
            let second = sessions.open(start);
            let verdict = sessions.judge(Some(&second.session), Some(&first.rest), true, start);
            assert_eq!(verdict, TokenStatus::StaleRestToken);
        }
    }

    #[test]
    fn an_oauth_session_has_no_rest_token() {
        let (mut sessions, _, start) = sessions(StaleRestToken::Refuse);
        let token = sessions.open_oauth(start);
        let verdict = sessions.judge(Some(&token), None, true, start + 20 * HOUR);
        assert_eq!(verdict, TokenStatus::Good);
    }
}
