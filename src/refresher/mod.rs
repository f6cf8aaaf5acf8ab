//! The task that alone signs in.
//!
//! It makes the first session, renews it ahead of its end, asks on its own timer whether it still
//! stands, and makes a new one when it has ended: one login, however many requests were refused. It
//! asks before it believes that a refusal is the session's end: a repository that this user may not
//! read costs no login. While the server is away it waits with growing delays; after a wrong password
//! it waits much longer, because accounts get locked, but another one is tried at once; and where
//! sessions end soon after they began it waits, too, because somebody else signs in with the same
//! user.
//!
//! It sends no page requests and never logs out: the old session may still carry requests that are
//! under way, and ends by itself.

pub mod denials;
pub mod lifetimes;
mod reporting;
pub mod schedule;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use self::denials::{Denials, LoginFailure};
use self::lifetimes::SessionLifetimes;
use self::reporting::{LOGIN, REAUTH, failed, report, tell, told_of_refusal};
use self::schedule::{KnownSession, NextStep, RenewalReason};
use crate::client::{Api, Failure, SessionStatus};
use crate::config::SessionConfig;
use crate::progress::problems::{ProblemReport, Reached, Scope, Source};
use crate::progress::{Progress, SignIn};
use crate::session::{SessionReports, SharedSession, Tokens};
use crate::task::clock::Chance;
use crate::task::heartbeat::{Lane, Until};
use crate::task::retry::Backoff;
use crate::task::{Outage, Stop};
use crate::telemetry::event::{self, RequestFailed};

/// What the refresher works with.
#[derive(Debug)]
pub struct Refresher<A> {
    /// The server.
    pub api: Arc<A>,
    /// The session that it keeps.
    pub session: Arc<SharedSession>,
    /// What it is to keep.
    pub settings: watch::Receiver<RefresherSettings>,
    /// Of its logins and those of a refresher before it.
    pub denials: Arc<Denials>,
    /// Jitter.
    pub chance: Arc<Chance>,
    /// Where it tells how it stands.
    pub progress: Arc<Progress>,
    /// When to end.
    pub stop: Stop,
    /// Its lane.
    pub lane: Lane,
}

/// What there is to keep, as of the last reload.
#[derive(Clone, Debug)]
pub struct RefresherSettings {
    /// `[session]`.
    pub session: SessionConfig,
    /// Counts the changes of what a login is made with: after one, the next is another.
    pub logins: u64,
    /// Counts the changes of how the server is reached: after one, nothing waits for it.
    pub ways: u64,
}

impl RefresherSettings {
    /// What holds from the start.
    pub fn first(session: SessionConfig) -> Self {
        Self { session, logins: 0, ways: 0 }
    }
}

/// How long the server may take to say whether a session stands that is suspected to have ended:
/// after that a login is quicker, and only whoever was refused has waited.
const SUSPENSE: Duration = Duration::from_secs(5);

/// What to do about sessions that somebody ends.
const CUT_SHORT_REMEDY: &str = "give ewmirror a user of its own, with which nobody else signs in";

/// Where it is told that sessions are cut short.
const SESSIONS: Source = Source { scope: Scope::Login, repository: None, what: "sessions" };

/// The end of the task.
type Stopped = ControlFlow<()>;

impl<A: Api> Refresher<A> {
    /// Keeps the session until told to stop.
    pub async fn run(mut self) {
        let mut reports = self.session.reports();
        let mut asking = Outage::default();
        let mut lifetimes = SessionLifetimes::default();
        let mut logins = self.settings.borrow().logins;
        let mut signed = self.remembered();
        loop {
            // Read before the decision, so that a complaint made after it is a change.
            let heard = *reports.borrow_and_update();
            let settings = self.settings.borrow().clone();
            let now = Instant::now();
            if std::mem::replace(&mut logins, settings.logins) != settings.logins {
                // Another user's sessions end in their own ways.
                lifetimes = SessionLifetimes::default();
                self.progress.problems.over(SESSIONS);
            }
            let step = match schedule::next_step(signed, heard, &settings.session, now) {
                NextStep::SignIn(reason) => {
                    self.judge(signed, reason, &mut lifetimes);
                    self.renew(reason, heard, lifetimes.pause(), &mut signed).await
                }
                NextStep::Ask => self.ask(&mut signed, heard, &mut asking).await,
                NextStep::Wait(until) => {
                    let until = self.settle(signed, &mut lifetimes, until);
                    let waits = until.saturating_duration_since(now);
                    tokio::select! {
                        () = self.stop.requested() => Stopped::Break(()),
                        () = sleep_until(until) => Stopped::Continue(()),
                        changed = reports.changed() => or_stop(&changed),
                        changed = self.settings.changed() => or_stop(&changed),
                        never = self.lane.waits(Until::Within(waits)) => match never {},
                    }
                }
            };
            if step.is_break() {
                return;
            }
        }
    }

    /// The session that a refresher before this one left behind.
    fn remembered(&self) -> Option<KnownSession> {
        let now = Instant::now();
        self.session.current().map(|credentials| KnownSession {
            generation: credentials.generation,
            at: now,
            asked: now,
            doubts: 0,
            suspicions: 0,
        })
    }

    /// Judges how the last session ended.
    fn judge(
        &self,
        signed: Option<KnownSession>,
        reason: RenewalReason,
        lifetimes: &mut SessionLifetimes,
    ) {
        let Some(signed) = signed.filter(|_| reason == RenewalReason::Refused) else {
            *lifetimes = SessionLifetimes::default();
            self.progress.problems.over(SESSIONS);
            return;
        };
        let lived = signed.at.elapsed();
        lifetimes.refused(lived, self.session.is_proven(signed.generation));
        let (count, pause) = (lifetimes.in_a_row(), lifetimes.pause());
        if lifetimes.is_told() {
            if lifetimes.is_news() {
                let told = (count, lived, pause, CUT_SHORT_REMEDY);
                event::sessions_cut_short(signed.generation, told);
            }
            let error = format!(
                "{count} sessions in a row ended soon after they began, the last one after {} s: \
                 somebody else signs in with the same user",
                lived.as_secs()
            );
            let remedy = CUT_SHORT_REMEDY.to_owned();
            let report = ProblemReport { error, remedy, retry_in: Some(pause), halts: false };
            self.progress.problems.stands(SESSIONS, report);
        } else if !pause.is_zero() {
            event::sign_in_delayed(signed.generation, pause);
        }
    }

    /// Forgets what a session has outlived; returns when to look again.
    fn settle(
        &self,
        signed: Option<KnownSession>,
        lifetimes: &mut SessionLifetimes,
        until: Instant,
    ) -> Instant {
        let Some(signed) = signed else { return until };
        if lifetimes.settle(signed.at.elapsed()) {
            self.progress.problems.over(SESSIONS);
        }
        lifetimes.next_age().map_or(until, |age| until.min(signed.at + age))
    }

    /// Signs in and announces the new session.
    async fn renew(
        &mut self,
        reason: RenewalReason,
        heard: SessionReports,
        pause: Duration,
        signed: &mut Option<KnownSession>,
    ) -> Stopped {
        if !pause.is_zero() {
            let settings = self.settings.borrow_and_update().clone();
            self.wait(pause, heard, &settings).await?;
        }
        let (tokens, elapsed) = match self.sign_in(heard).await {
            ControlFlow::Continue(done) => done,
            ControlFlow::Break(()) => return Stopped::Break(()),
        };
        let SessionReports { doubts, suspicions, .. } = *self.session.reports().borrow();
        let with_rest_token = tokens.rest.is_some();
        let generation = self.session.replace(tokens);
        let now = Instant::now();
        *signed = Some(KnownSession { generation, at: now, asked: now, doubts, suspicions });
        self.progress.logins.increment();
        self.progress.session_began(with_rest_token);
        self.progress.set_sign_in(SignIn::SignedIn);
        match reason {
            RenewalReason::First => {
                event::signed_in(generation, elapsed);
            }
            RenewalReason::Aged | RenewalReason::Refused => {
                event::session_renewed(generation, reason.reason(), elapsed);
            }
        }
        Stopped::Continue(())
    }

    /// Tries until a login succeeds.
    async fn sign_in(&mut self, heard: SessionReports) -> ControlFlow<(), (Tokens, Duration)> {
        let mut outage = Outage::default();
        let mut attempt = 0_u32;
        let mut settings = self.settings.borrow_and_update().clone();
        let not_yet = self.denials.wait(Instant::now());
        if !not_yet.is_zero() && self.wait(not_yet, heard, &settings).await? {
            self.denials.forget();
            settings = self.settings.borrow().clone();
        }
        loop {
            let begun = Instant::now();
            let until = Until::Within(self.api.time_out());
            let result = tokio::select! {
                biased;
                () = self.stop.requested() => return ControlFlow::Break(()),
                // Under way as another user, or with another server: its session must not become
                // the current one.
                other = another_login(&mut self.settings, &settings) => {
                    settings = other?;
                    attempt = 0;
                    self.denials.forget();
                    continue;
                }
                result = self.lane.wait(until, self.api.login()) => result,
                never = told_of_refusal(&self.session, &self.progress, heard) => match never {},
            };
            let now = Instant::now();
            attempt = attempt.saturating_add(1);
            let delay = match result {
                Ok(tokens) => {
                    self.denials.forget();
                    if let Some(ended) = outage.succeeded(now) {
                        event::reconnected(None, "login", ended.duration, ended.failures);
                    }
                    self.progress.problems.server_answered();
                    self.progress.problems.over(LOGIN);
                    return ControlFlow::Continue((tokens, now - begun));
                }
                Err(Failure::Denied(denial)) => {
                    let words = denial.reason.clone().unwrap_or_else(|| denial.to_string());
                    let denied = self.denials.denied(now);
                    self.denied(denied, denial.endpoint.name(), &denial, (None, None), words);
                    // The server is there, whatever it says.
                    outage = Outage::default();
                    denied.wait
                }
                Err(Failure::Refused(refusal)) => {
                    let delay = self.backoff(attempt, None);
                    let report = report(&refusal, None, delay);
                    self.progress.problems.request_failed(LOGIN, Reached::Answered, report);
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
                    match error.doubt().map(|words| self.denials.doubted(&words, now)) {
                        Some(LoginFailure::Denial(denied)) => {
                            let words =
                                error.beginning.clone().unwrap_or_else(|| error.to_string());
                            let told = (error.beginning.as_deref(), error.remedy());
                            self.denied(denied, error.endpoint.name(), &error, told, words);
                            outage = Outage::default();
                            denied.wait
                        }
                        counted => {
                            let delay = match counted {
                                Some(LoginFailure::Failure(least)) => delay.max(least),
                                _ => delay,
                            };
                            self.note(LOGIN, &error, report(&error, error.remedy(), delay));
                            tell(&mut outage, now, &failed(&error, attempt, delay));
                            delay
                        }
                    }
                }
            };
            self.progress.failures.increment();
            if self.wait(delay, heard, &settings).await? {
                attempt = 0;
                let now = self.settings.borrow().clone();
                if now.logins != settings.logins {
                    self.denials.forget();
                }
                settings = now;
            }
            self.progress.retries.increment();
        }
    }

    /// Waits; true where a change of settings cut the wait short. After a denial only another login
    /// does: a reload by itself makes no password right.
    async fn wait(
        &mut self,
        delay: Duration,
        heard: SessionReports,
        before: &RefresherSettings,
    ) -> ControlFlow<(), bool> {
        let until = Instant::now() + delay;
        let denied = !self.denials.wait(Instant::now()).is_zero();
        let other = self
            .settings
            .wait_for(|now| now.logins != before.logins || (now.ways != before.ways && !denied));
        tokio::select! {
            () = self.stop.requested() => ControlFlow::Break(()),
            () = sleep_until(until) => ControlFlow::Continue(false),
            never = self.lane.waits(Until::Within(delay)) => match never {},
            never = told_of_refusal(&self.session, &self.progress, heard) => match never {},
            changed = other => match changed {
                Ok(_) => ControlFlow::Continue(true),
                Err(_) => ControlFlow::Break(()),
            },
        }
    }

    /// Asks whether the session still stands.
    async fn ask(
        &mut self,
        signed: &mut Option<KnownSession>,
        heard: SessionReports,
        outage: &mut Outage,
    ) -> Stopped {
        let Some(credentials) = self.session.current() else { return Stopped::Continue(()) };
        let suspected = signed.is_none_or(|signed| heard.suspicions > signed.suspicions);
        let until = Until::Within(self.api.time_out().max(SUSPENSE));
        let mut reports = self.session.reports();
        let other_news = reports.wait_for(|now| {
            // What was refused meanwhile has answered the question, or asks for a quicker answer.
            now.refused >= credentials.generation
                || (!suspected && now.suspicions > heard.suspicions)
        });
        let result = tokio::select! {
            () = self.stop.requested() => return Stopped::Break(()),
            _ = other_news => return Stopped::Continue(()),
            () = sleep(SUSPENSE), if suspected => None,
            result = self.lane.wait(until, self.api.reauth(&credentials)) => Some(result),
        };
        let now = Instant::now();
        if let Some(signed) = signed {
            (signed.asked, signed.doubts) = (now, heard.doubts);
            signed.suspicions = heard.suspicions;
        }
        let stands = match result {
            Some(Ok(standing)) => {
                self.progress.problems.server_answered();
                self.progress.problems.over(REAUTH);
                if let Some(ended) = outage.succeeded(now) {
                    event::reconnected(None, "reauth", ended.duration, ended.failures);
                }
                match standing {
                    SessionStatus::Valid => true,
                    SessionStatus::Ended => false,
                    SessionStatus::Unknown => !suspected,
                }
            }
            Some(Err(Failure::Refused(_) | Failure::Denied(_))) => {
                self.progress.problems.server_answered();
                self.progress.problems.over(REAUTH);
                false
            }
            Some(Err(Failure::Failed(error))) => {
                self.progress.failures.increment();
                let delay = self.settings.borrow().session.reauth_interval;
                let report = report(&error, error.remedy(), delay);
                self.note(REAUTH, &error, ProblemReport { halts: false, ..report });
                tell(outage, now, &failed(&error, 1, delay));
                !suspected
            }
            None => false,
        };
        if stands {
            self.session.clear(heard.doubts);
        } else {
            self.session.end(credentials.generation);
        }
        Stopped::Continue(())
    }

    fn backoff(&self, attempt: u32, retry_after: Option<Duration>) -> Duration {
        Backoff::REQUESTS.delay(attempt, self.chance.fraction(), retry_after)
    }
}

/// What is to be kept once a login would be another one than with these settings.
async fn another_login(
    settings: &mut watch::Receiver<RefresherSettings>,
    known: &RefresherSettings,
) -> ControlFlow<(), RefresherSettings> {
    match settings.wait_for(|now| now.logins != known.logins).await {
        Ok(now) => ControlFlow::Continue(now.clone()),
        Err(_) => ControlFlow::Break(()),
    }
}

/// A channel that has lost its sender belongs to a supervisor that is gone.
fn or_stop(changed: &Result<(), watch::error::RecvError>) -> Stopped {
    if changed.is_ok() { Stopped::Continue(()) } else { Stopped::Break(()) }
}

#[cfg(test)]
mod tests;
