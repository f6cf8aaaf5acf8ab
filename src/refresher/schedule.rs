//! When to sign in and when to ask whether the session still stands.
//!
//! Pure: the time and the reports are arguments.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::SessionConfig;
use crate::session::{Generation, SessionReports};

/// The least time between two checks that refused requests ask for.
const CHECK_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// A session as the refresher remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownSession {
    /// Its generation.
    pub generation: Generation,
    /// When it was made.
    pub at: Instant,
    /// When the server was last asked whether it stands, or when it was made.
    pub asked: Instant,
    /// How many checks had been asked for by then.
    pub checks: u64,
    /// How many suspicions.
    pub suspicions: u64,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Sign in.
    SignIn(RenewalReason),
    /// Ask `reauth`.
    Ask,
    /// Nothing before this instant, unless something is complained of.
    Wait(Instant),
}

/// Why a login is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewalReason {
    /// There has been no session yet.
    First,
    /// The session nears the end that the server gives it.
    Aged,
    /// A request was refused, or the server said that the session has ended.
    Refused,
}

impl RenewalReason {
    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Aged => "expiring",
            Self::Refused => "refused",
        }
    }
}

/// What is due, given the session and what is complained of.
pub fn next_step(
    signed: Option<KnownSession>,
    reports: SessionReports,
    settings: &SessionConfig,
    now: Instant,
) -> NextStep {
    let Some(signed) = signed else { return NextStep::SignIn(RenewalReason::First) };
    if reports.refused >= signed.generation {
        return NextStep::SignIn(RenewalReason::Refused);
    }
    let renewal = signed.at + settings.max_age;
    if now >= renewal {
        return NextStep::SignIn(RenewalReason::Aged);
    }
    let is_asked_for = reports.checks > signed.checks;
    let patience = if is_asked_for {
        CHECK_INTERVAL_MIN.min(settings.reauth_interval)
    } else {
        settings.reauth_interval
    };
    let question = signed.asked + patience;
    if now >= question { NextStep::Ask } else { NextStep::Wait(question.min(renewal)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Transport;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3600);

    fn settings() -> SessionConfig {
        SessionConfig { transport: Transport::Headers, reauth_interval: MINUTE, max_age: 23 * HOUR }
    }

    fn first() -> Generation {
        let session = crate::session::SharedSession::new();
        session.replace(crate::session::Tokens::new(crate::config::Secret::new("token"), None))
    }

    fn signed(now: Instant) -> KnownSession {
        KnownSession { generation: first(), at: now, asked: now, checks: 0, suspicions: 0 }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_session_a_login_is_due() {
        let due = next_step(None, SessionReports::default(), &settings(), Instant::now());
        assert_eq!(due, NextStep::SignIn(RenewalReason::First));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_asked_about_renewed_and_otherwise_left_alone() {
        let now = Instant::now();
        let (signed, calm) = (signed(now), SessionReports::default());
        let at = |age: Duration| next_step(Some(signed), calm, &settings(), now + age);
        assert_eq!(at(Duration::ZERO), NextStep::Wait(now + MINUTE));
        assert_eq!(at(MINUTE), NextStep::Ask);
        assert_eq!(at(23 * HOUR), NextStep::SignIn(RenewalReason::Aged));
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_refusal_of_this_generation_leads_to_a_login() {
        let now = Instant::now();
        let signed = signed(now);
        let refused = SessionReports { refused: signed.generation, ..SessionReports::default() };
        assert_eq!(
            next_step(Some(signed), refused, &settings(), now),
            NextStep::SignIn(RenewalReason::Refused)
        );
        let older = SessionReports { refused: Generation::NONE, ..SessionReports::default() };
        assert_eq!(next_step(Some(signed), older, &settings(), now), NextStep::Wait(now + MINUTE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_for_a_check_brings_it_forward_but_no_more_than_once_a_second() {
        let now = Instant::now();
        let reports = SessionReports { checks: 1, ..SessionReports::default() };
        let signed = signed(now);
        let soon = now + Duration::from_secs(1);
        assert_eq!(next_step(Some(signed), reports, &settings(), now), NextStep::Wait(soon));
        assert_eq!(next_step(Some(signed), reports, &settings(), soon), NextStep::Ask);
        let asked = KnownSession { asked: soon, checks: 1, ..signed };
        assert_eq!(
            next_step(Some(asked), reports, &settings(), soon),
            NextStep::Wait(soon + MINUTE)
        );
    }
}
