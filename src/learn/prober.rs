//! One request after the other, at most one a second, with a session that is renewed where it has ended.

use std::time::{Duration, Instant};

use tokio::time::{Interval, MissedTickBehavior, interval};

use super::report::{AnswerFacts, AnswerKind, KnownCall};
use super::shape::Shape;
use crate::client::{Api, Client, Failure, ProbeAnswer, ProbeRequest, SessionStatus};
use crate::session::{SharedSession, Tokens};

/// A session that ended is renewed so often; accounts get locked.
const MOST_LOGINS: u64 = 3;

/// Asks a server.
pub(super) struct Prober<'a> {
    client: &'a Client,
    session: &'a SharedSession,
    pace: Interval,
    /// How many requests were made.
    pub(super) requests: u64,
    /// How often an answer brought a new REST token.
    pub(super) renewed: u64,
    /// How often the session was found ended.
    pub(super) ended: u64,
}

impl<'a> Prober<'a> {
    pub(super) fn new(client: &'a Client, session: &'a SharedSession, pace: Duration) -> Self {
        // An interval of nothing cannot be.
        let mut pace = interval(pace.max(Duration::from_millis(1)));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { client, session, pace, requests: 0, renewed: 0, ended: 0 }
    }

    /// Asks; `None` where no answer came, or none that the client could take.
    pub(super) async fn ask(&mut self, request: &ProbeRequest) -> Option<ProbeAnswer> {
        let answer = self.once(request).await?;
        if !answer.refused || !self.renew_if_ended().await {
            return Some(answer);
        }
        self.once(request).await
    }

    async fn once(&mut self, request: &ProbeRequest) -> Option<ProbeAnswer> {
        self.turn().await;
        let credentials = self.session.credentials().await;
        let answer = self.client.probe(&credentials.tokens, request).await.ok()?;
        if let Some(token) = answer.rest_token.clone()
            && self.session.adopt_rest_token(&credentials, token)
        {
            self.renewed += 1;
        }
        Some(answer)
    }

    /// Asks with other tokens than the session's.
    pub(super) async fn ask_as(
        &mut self,
        tokens: &Tokens,
        request: &ProbeRequest,
    ) -> Option<ProbeAnswer> {
        self.turn().await;
        self.client.probe(tokens, request).await.ok()
    }

    /// Signs in a second time; with how long it took.
    pub(super) async fn second_login(&mut self) -> Result<(Tokens, Duration), Failure> {
        self.turn().await;
        let begun = Instant::now();
        Ok((self.client.login().await?, begun.elapsed()))
    }

    /// Whether the session stands, as the server says; `None` where it does not say.
    pub(super) async fn stands(&mut self) -> Option<bool> {
        self.turn().await;
        match self.client.reauth(&self.session.credentials().await).await {
            Ok(SessionStatus::Valid) => Some(true),
            Ok(SessionStatus::Ended) => Some(false),
            Ok(SessionStatus::Unknown) | Err(_) => None,
        }
    }

    /// Signs in again where the session has ended; whether it did.
    async fn renew_if_ended(&mut self) -> bool {
        if self.ended >= MOST_LOGINS || self.stands().await != Some(false) {
            return false;
        }
        self.ended += 1;
        self.turn().await;
        let Ok(tokens) = self.client.login().await else { return false };
        self.session.replace(tokens);
        true
    }

    /// Waits until another request may be made, and counts it.
    pub(super) async fn turn(&mut self) {
        self.pace.tick().await;
        self.requests += 1;
    }
}

/// An answer as the report has it.
pub(super) fn facts(answer: Option<&ProbeAnswer>) -> AnswerFacts {
    let Some(answer) = answer else {
        let (kind, status, shape) = (AnswerKind::None, None, None);
        return AnswerFacts { kind, status, refused: false, elapsed_ms: 0, bytes: 0, shape };
    };
    let shape = Shape::of(&answer.body);
    let kind = match (answer.redirected, &shape) {
        (Some(true), _) => AnswerKind::RedirectToSignIn,
        (Some(false), _) => AnswerKind::RedirectElsewhere,
        (None, Some(_)) => AnswerKind::Json,
        (None, None) if answer.body.is_empty() => AnswerKind::Empty,
        (None, None) if answer.is_page => AnswerKind::Page,
        (None, None) => AnswerKind::Other,
    };
    AnswerFacts {
        kind,
        status: Some(answer.status),
        refused: answer.refused,
        elapsed_ms: ms(answer.elapsed),
        bytes: count(answer.body.len()),
        shape,
    }
}

/// Whether a call was answered with what it was asked for, as far as that can be told.
pub(super) fn is_answered(call: KnownCall, facts: &AnswerFacts) -> bool {
    let success = facts.status.is_some_and(|status| (200..300).contains(&status));
    let is_list_or_object = facts.shape.as_ref().is_some_and(|shape| shape.object + shape.list > 0);
    // A count may be a bare number.
    success && !facts.refused && (is_list_or_object || call == KnownCall::Count)
}

/// Milliseconds.
pub(super) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A length as a number.
pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
