//! Signing in, again and again until it succeeds.
//!
//! While the server is away it waits with growing delays; a denied login waits as `denials` says, but
//! another one is tried at once.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::denials::LoginFailure;
use super::refusal_watch::noting_refusal;
use super::reporting::{DenialReport, LOGIN, denied, failed, report, request_failed, tell};
use super::schedule::{KnownSession, RenewalReason};
use super::settings::RefresherSettings;
use super::shared_denials::{LoginPermit, SharedDenials};
use super::task::Refresher;
use crate::client::{Api, Failure};
use crate::progress::SignIn;
use crate::progress::problems::Reached;
use crate::session::{SessionReports, Tokens};
use crate::task::{Backoff, Retries, Stopped, Until};
use crate::telemetry::event::{self, RequestFailed};

/// About how long a login waits while other daemons try theirs.
const CONTENDED: Duration = Duration::from_secs(2);

/// From so many such waits in a row on it is told: logins that other daemons were killed in the midst
/// of count for as long as denials.
const CONTENDED_IN_A_ROW: u32 = 5;

impl<A: Api> Refresher<A> {
    /// Signs in, not before `pause` is over, and announces the new session.
    pub(super) async fn renew(
        &mut self,
        reason: RenewalReason,
        heard: SessionReports,
        pause: Duration,
    ) -> Result<KnownSession, Stopped> {
        if !pause.is_zero() {
            let settings = self.settings.borrow_and_update().clone();
            self.pause(pause, heard, &settings).await?;
        }
        let (tokens, elapsed) = self.sign_in(heard).await?;
        let SessionReports { checks, suspicions, .. } = *self.session.reports().borrow();
        let with_rest_token = tokens.rest.is_some();
        let generation = self.session.replace(tokens);
        let now = Instant::now();
        self.progress.logins.increment();
        self.progress.session_began(with_rest_token);
        self.progress.set_sign_in(SignIn::SignedIn);
        match reason {
            RenewalReason::First => event::signed_in(generation, elapsed),
            RenewalReason::Aged | RenewalReason::Refused => {
                event::session_renewed(generation, reason.name(), elapsed);
            }
        }
        Ok(KnownSession { generation, at: now, asked: now, checks, suspicions })
    }

    /// Tries until a login succeeds; with how long it took.
    async fn sign_in(&mut self, heard: SessionReports) -> Result<(Tokens, Duration), Stopped> {
        let mut retries = Retries::new(Backoff::REQUESTS);
        let mut settings = self.settings.borrow_and_update().clone();
        let mut refused = 0_u32;
        loop {
            if let Some(shared) = &self.shared_denials
                && let Some(report) = shared.hear(&self.context, &self.denials).await?
            {
                self.progress.problems.stands(LOGIN, report);
            }
            let not_yet = self.denials.wait(Instant::now());
            if !not_yet.is_zero() {
                if self.pause(not_yet, heard, &settings).await? {
                    self.forget_denials().await;
                    settings = self.settings.borrow().clone();
                }
                continue;
            }
            let permit = match &self.shared_denials {
                Some(shared) => shared.claim(&self.context).await?,
                None => LoginPermit::NotCounted,
            };
            if permit == LoginPermit::NotNow {
                // Those who stand in each other's way come back one after the other.
                let delay = CONTENDED.mul_f64(0.5 + self.chance.fraction());
                refused = refused.saturating_add(1);
                if refused >= CONTENDED_IN_A_ROW {
                    self.progress.problems.stands(LOGIN, SharedDenials::contended(delay));
                }
                if self.pause(delay, heard, &settings).await? {
                    let now = self.settings.borrow().clone();
                    if now.logins != settings.logins {
                        self.forget_denials().await;
                    }
                    settings = now;
                }
                continue;
            }
            refused = 0;
            let begun = Instant::now();
            let login = async {
                tokio::select! {
                    biased;
                    // Under way as another user, or with another server: its session must not
                    // become the current one.
                    other = another_login(&mut self.settings, &settings) => Err(other),
                    result = self.api.login() => Ok(result),
                }
            };
            let login = noting_refusal(&self.session, &self.progress, heard, login);
            let result = match self.context.run(Until::Within(self.api.time_out()), login).await? {
                Ok(result) => result,
                Err(other) => {
                    settings = other?;
                    retries.start_over();
                    self.forget_denials().await;
                    continue;
                }
            };
            let now = Instant::now();
            let delay = match result {
                Ok(tokens) => {
                    self.forget_denials().await;
                    if let Some(ended) = retries.succeeded(now) {
                        event::reconnected(None, "login", ended.duration, ended.failures);
                    }
                    self.progress.problems.server_answered();
                    self.progress.problems.over(LOGIN);
                    return Ok((tokens, now - begun));
                }
                Err(failure) => {
                    match &self.shared_denials {
                        Some(shared) if may_be_denial(&failure) => {
                            shared.count(&self.context, permit).await?;
                        }
                        Some(shared) => shared.withdraw(&self.context, permit).await?,
                        None => {}
                    }
                    self.delay_after(failure, &mut retries, now)
                }
            };
            self.progress.failures.increment();
            if self.pause(delay, heard, &settings).await? {
                retries.start_over();
                let now = self.settings.borrow().clone();
                if now.logins != settings.logins {
                    self.forget_denials().await;
                }
                settings = now;
            }
            self.progress.retries.increment();
        }
    }

    /// Forgets all denials: a login succeeded, or what is tried has changed.
    async fn forget_denials(&self) {
        self.denials.forget();
        if let Some(shared) = &self.shared_denials {
            shared.forget(&self.context).await;
        }
    }

    /// Tells of a failed login; returns how long to wait.
    fn delay_after(&self, failure: Failure, retries: &mut Retries, now: Instant) -> Duration {
        match failure {
            Failure::Denied(denial) => {
                // The server is there, whatever it says.
                retries.answered();
                let denial_report = DenialReport {
                    counted: self.denials.denied(now),
                    endpoint: denial.endpoint.name(),
                    error: &denial,
                    answer: None,
                    remedy: denial.remedy(),
                    words: denial.reason.clone().unwrap_or_else(|| denial.to_string()),
                };
                denied(&self.progress, denial_report)
            }
            Failure::Refused(refusal) => {
                let retry = retries.failed(now, self.chance.fraction(), None);
                let problem = report(&refusal, None, retry.delay);
                self.progress.problems.request_failed(LOGIN, Reached::Answered, problem);
                let failure = RequestFailed {
                    repository: None,
                    endpoint: refusal.endpoint.name(),
                    attempt: retry.attempt,
                    retry_in: retry.delay,
                    error: &refusal,
                    answer: None,
                    remedy: None,
                };
                tell(retry.is_told, &failure);
                retry.delay
            }
            Failure::Failed(error) => {
                let counted =
                    error.possible_denial().map(|words| self.denials.suspected(&words, now));
                let least = match counted {
                    Some(LoginFailure::Denial(counted)) => {
                        retries.answered();
                        let denial_report = DenialReport {
                            counted,
                            endpoint: error.endpoint.name(),
                            error: &error,
                            answer: error.beginning.as_deref(),
                            remedy: error.remedy(),
                            words: error.beginning.clone().unwrap_or_else(|| error.to_string()),
                        };
                        return denied(&self.progress, denial_report);
                    }
                    Some(LoginFailure::Failure(least)) => least,
                    None => Duration::ZERO,
                };
                let retry = retries.failed(now, self.chance.fraction(), error.retry_after);
                let delay = retry.delay.max(least);
                let problem = report(&error, error.remedy(), delay);
                request_failed(&self.progress, LOGIN, &error, problem);
                tell(retry.is_told, &failed(&error, retry.attempt, delay));
                delay
            }
        }
    }

    /// Waits; true where a change of settings cut the wait short. After a denial only another login
    /// does: a reload by itself makes no password right.
    async fn pause(
        &mut self,
        delay: Duration,
        heard: SessionReports,
        before: &RefresherSettings,
    ) -> Result<bool, Stopped> {
        let denied = !self.denials.wait(Instant::now()).is_zero();
        let other = async {
            let is_other = |now: &RefresherSettings| {
                now.logins != before.logins || (now.ways != before.ways && !denied)
            };
            self.settings.wait_for(is_other).await.map(drop)
        };
        let other = noting_refusal(&self.session, &self.progress, heard, other);
        match self.context.run(Until::Within(delay), timeout(delay, other)).await? {
            Ok(changed) => Ok(changed.map(|()| true)?),
            Err(_elapsed) => Ok(false),
        }
    }
}

/// Whether a failed login counts among the tries that may lock the account.
fn may_be_denial(failure: &Failure) -> bool {
    match failure {
        Failure::Denied(_) => true,
        Failure::Failed(error) => error.possible_denial().is_some(),
        Failure::Refused(_) => false,
    }
}

/// What is to be kept once a login would be another one than with these settings.
async fn another_login(
    settings: &mut watch::Receiver<RefresherSettings>,
    known: &RefresherSettings,
) -> Result<RefresherSettings, Stopped> {
    let now = settings.wait_for(|now| now.logins != known.logins).await?;
    Ok(now.clone())
}
