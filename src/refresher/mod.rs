//! The task that alone signs in.
//!
//! It makes the first session, renews it ahead of its end, asks on its own timer whether it still
//! stands, and makes a new one when requests are refused: one login, however many they are. While
//! the server is away it waits with growing delays; after a wrong password it waits much longer,
//! because accounts get locked, but a reloaded configuration is tried at once.
//!
//! It sends no page requests and never logs out: the old session may still carry requests that are
//! under way, and ends by itself.

pub mod schedule;

use std::convert::Infallible;
use std::future::pending;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use self::schedule::{Due, Signed, Why};
use crate::client::retry::{Backoff, denial_delay};
use crate::client::{Api, Failure, RequestError, Standing};
use crate::clock::Chance;
use crate::config::SessionConfig;
use crate::heartbeat::{Alive, Until};
use crate::outage::Outage;
use crate::progress::{Progress, SignIn};
use crate::session::{Complaints, SharedSession, Tokens};
use crate::stop::Stop;
use crate::telemetry::event::{self, RequestFailed};

/// What the refresher works with.
#[derive(Debug)]
pub struct Refresher<A> {
    /// The server.
    pub api: Arc<A>,
    /// The session that it keeps.
    pub session: Arc<SharedSession>,
    /// `[session]`; each sending, of whatever value, also ends the wait after a denied login.
    pub settings: watch::Receiver<SessionConfig>,
    /// Jitter.
    pub chance: Arc<Chance>,
    /// Where it tells how it stands.
    pub progress: Arc<Progress>,
    /// When to end.
    pub stop: Stop,
    /// Its signs of life.
    pub alive: Alive,
}

/// The end of the task.
type Stopped = ControlFlow<()>;

impl<A: Api> Refresher<A> {
    /// Keeps the session until told to stop.
    pub async fn run(mut self) {
        let mut complaints = self.session.complaints();
        let mut asking = Outage::default();
        let mut unproven = 0;
        let mut signed = self.remembered();
        loop {
            // Read before the decision, so that a complaint made after it is a change.
            let heard = *complaints.borrow_and_update();
            let settings = self.settings.borrow().clone();
            let step = match schedule::due(signed, heard, &settings, Instant::now()) {
                Due::SignIn(why) => {
                    unproven = self.count_unproven(signed, why, unproven);
                    self.renew(why, unproven, &mut signed).await
                }
                Due::Ask => self.ask(&mut signed, heard, &mut asking).await,
                Due::Wait(until) => {
                    let waits = until.saturating_duration_since(Instant::now());
                    tokio::select! {
                        () = self.stop.requested() => Stopped::Break(()),
                        () = sleep_until(until) => Stopped::Continue(()),
                        changed = complaints.changed() => or_stop(&changed),
                        changed = self.settings.changed() => or_stop(&changed),
                        never = self.alive.waits(Until::Within(waits)) => match never {},
                    }
                }
            };
            if step.is_break() {
                return;
            }
        }
    }

    /// The session that a refresher before this one left behind.
    fn remembered(&self) -> Option<Signed> {
        let now = Instant::now();
        self.session.current().map(|credentials| Signed {
            generation: credentials.generation,
            at: now,
            asked: now,
            doubts: 0,
        })
    }

    /// How many sessions in a row ended before any request succeeded with them.
    fn count_unproven(&self, signed: Option<Signed>, why: Why, before: u32) -> u32 {
        match signed {
            Some(signed) if why == Why::Refused && !self.session.is_proven(signed.generation) => {
                before.saturating_add(1)
            }
            _ => 0,
        }
    }

    /// Signs in and announces the new session.
    async fn renew(&mut self, why: Why, unproven: u32, signed: &mut Option<Signed>) -> Stopped {
        let pause = schedule::pause_after_unproven(unproven);
        if let Some(signed) = signed.filter(|_| !pause.is_zero()) {
            event::sign_in_delayed(signed.generation, pause);
            self.wait(pause).await?;
        }
        let (tokens, elapsed) = match self.sign_in().await {
            ControlFlow::Continue(done) => done,
            ControlFlow::Break(()) => return Stopped::Break(()),
        };
        let doubts = self.session.complaints().borrow().doubts;
        let with_rest_token = tokens.rest.is_some();
        let generation = self.session.replace(tokens);
        let now = Instant::now();
        *signed = Some(Signed { generation, at: now, asked: now, doubts });
        self.progress.logins.increment();
        self.progress.session_began(with_rest_token);
        self.progress.set_sign_in(SignIn::SignedIn);
        match why {
            Why::First => {
                event::signed_in(generation, elapsed);
            }
            Why::Aged | Why::Refused => {
                event::session_renewed(generation, why.reason(), elapsed);
            }
        }
        Stopped::Continue(())
    }

    /// Tries until a login succeeds.
    async fn sign_in(&mut self) -> ControlFlow<(), (Tokens, Duration)> {
        let mut outage = Outage::default();
        let (mut denials, mut attempt) = (0_u32, 0_u32);
        loop {
            let begun = Instant::now();
            let until = Until::Within(self.api.time_out());
            let result = tokio::select! {
                biased;
                () = self.stop.requested() => return ControlFlow::Break(()),
                // Under way as another user, or with another server, perhaps: its session must
                // not become the current one.
                changed = self.settings.changed() => match changed {
                    Ok(()) => {
                        (denials, attempt) = (0, 0);
                        continue;
                    }
                    Err(_) => return ControlFlow::Break(()),
                },
                result = self.alive.during(until, self.api.login()) => result,
                never = told_of_refusal(&self.session, &self.progress) => match never {},
            };
            let now = Instant::now();
            attempt = attempt.saturating_add(1);
            let delay = match result {
                Ok(tokens) => {
                    if let Some(ended) = outage.succeeded(now) {
                        event::reconnected(None, "login", ended.away, ended.failures);
                    }
                    self.progress.set_login_away(None);
                    return ControlFlow::Continue((tokens, now - begun));
                }
                Err(Failure::Denied(denial)) => {
                    denials = denials.saturating_add(1);
                    let delay = denial_delay(denials);
                    // The server is there, whatever it says.
                    outage = Outage::default();
                    event::request_failed_for_good(&RequestFailed {
                        repository: None,
                        endpoint: denial.endpoint.name(),
                        attempt: denials,
                        retry_in: delay,
                        error: &denial,
                        answer: None,
                        remedy: Some("check login.username and the password, then reload"),
                    });
                    let words = denial.reason.clone().unwrap_or_else(|| denial.to_string());
                    self.progress.set_sign_in(SignIn::Denied(words));
                    delay
                }
                Err(Failure::Refused(refusal)) => {
                    let delay = self.backoff(attempt, None);
                    tell(
                        &mut outage,
                        now,
                        &RequestFailed {
                            repository: None,
                            endpoint: refusal.endpoint.name(),
                            attempt,
                            retry_in: delay,
                            error: &refusal,
                            answer: None,
                            remedy: None,
                        },
                    );
                    delay
                }
                Err(Failure::Failed(error)) => {
                    let delay = self.backoff(attempt, error.retry_after);
                    tell(&mut outage, now, &failed(&error, attempt, delay));
                    delay
                }
            };
            self.progress.failures.increment();
            self.progress.set_login_away(outage.since());
            let reloaded = self.wait(delay).await?;
            self.progress.retries.increment();
            if reloaded {
                (denials, attempt) = (0, 0);
            }
        }
    }

    /// Waits; true where new settings cut the wait short.
    async fn wait(&mut self, delay: Duration) -> ControlFlow<(), bool> {
        tokio::select! {
            () = self.stop.requested() => ControlFlow::Break(()),
            () = sleep(delay) => ControlFlow::Continue(false),
            never = self.alive.waits(Until::Within(delay)) => match never {},
            never = told_of_refusal(&self.session, &self.progress) => match never {},
            changed = self.settings.changed() => match changed {
                Ok(()) => ControlFlow::Continue(true),
                Err(_) => ControlFlow::Break(()),
            },
        }
    }

    /// Asks whether the session still stands.
    async fn ask(
        &mut self,
        signed: &mut Option<Signed>,
        heard: Complaints,
        outage: &mut Outage,
    ) -> Stopped {
        let Some(credentials) = self.session.current() else { return Stopped::Continue(()) };
        let mut complaints = self.session.complaints();
        let until = Until::Within(self.api.time_out());
        let refused = complaints.wait_for(|heard| heard.refused >= credentials.generation);
        let result = tokio::select! {
            () = self.stop.requested() => return Stopped::Break(()),
            // A request that was refused meanwhile has answered the question.
            _ = refused => return Stopped::Continue(()),
            result = self.alive.during(until, self.api.reauth(&credentials)) => result,
        };
        let now = Instant::now();
        if let Some(signed) = signed {
            (signed.asked, signed.doubts) = (now, heard.doubts);
        }
        match result {
            Ok(standing) => {
                if let Some(ended) = outage.succeeded(now) {
                    event::reconnected(None, "reauth", ended.away, ended.failures);
                }
                if standing == Standing::Ended {
                    self.session.end(credentials.generation);
                }
            }
            Err(Failure::Refused(_) | Failure::Denied(_)) => {
                self.session.end(credentials.generation);
            }
            Err(Failure::Failed(error)) => {
                self.progress.failures.increment();
                let delay = self.settings.borrow().reauth_interval;
                tell(outage, now, &failed(&error, 1, delay));
            }
        }
        Stopped::Continue(())
    }

    fn backoff(&self, attempt: u32, retry_after: Option<Duration>) -> Duration {
        Backoff::for_requests().delay(attempt, self.chance.fraction(), retry_after)
    }
}

/// For as long as a login is under way or waited for: once the session is refused that it is to
/// replace, nobody is signed in any more. What a denial said stays the last word.
async fn told_of_refusal(session: &SharedSession, progress: &Progress) -> Infallible {
    let mut complaints = session.complaints();
    let current = session.current().map(|current| current.generation);
    // Before the first session there is none to be refused.
    if let Some(current) = current
        && complaints.wait_for(|heard| heard.refused >= current).await.is_ok()
        && *progress.sign_in().borrow() == SignIn::SignedIn
    {
        progress.set_sign_in(SignIn::Renewing);
    }
    pending().await
}

fn failed(error: &RequestError, attempt: u32, retry_in: Duration) -> RequestFailed<'_> {
    RequestFailed {
        repository: None,
        endpoint: error.endpoint.name(),
        attempt,
        retry_in,
        error,
        answer: error.beginning.as_deref(),
        remedy: error.remedy(),
    }
}

/// Tells of a failure as loudly as the outage that it belongs to allows.
fn tell(outage: &mut Outage, now: Instant, failure: &RequestFailed<'_>) {
    if outage.failed(now) {
        event::request_failed(failure);
    } else {
        event::request_failed_again(failure);
    }
}

/// A channel that has lost its sender belongs to a supervisor that is gone.
fn or_stop(changed: &Result<(), watch::error::RecvError>) -> Stopped {
    if changed.is_ok() { Stopped::Continue(()) } else { Stopped::Break(()) }
}

#[cfg(test)]
mod tests;
