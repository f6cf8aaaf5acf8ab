//! The refresher's own loop: what is due, and how the sessions of late have ended.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::denials::Denials;
use super::lifetimes::SessionLifetimes;
use super::schedule::{self, KnownSession, NextStep, RenewalReason};
use super::settings::RefresherSettings;
use super::shared_denials::SharedDenials;
use crate::client::Api;
use crate::progress::Progress;
use crate::progress::problems::{ProblemReport, Scope, Source};
use crate::session::SharedSession;
use crate::task::clock::Chance;
use crate::task::{Context, Outage, Stopped, Until};
use crate::telemetry::event;

/// What to do about sessions that somebody ends.
const CUT_SHORT_REMEDY: &str = "give ewmirror a user of its own, with which nobody else signs in";

/// Where it is told that sessions are cut short.
const SESSIONS: Source = Source { scope: Scope::Login, repository: None, what: "sessions" };

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
    /// Those of other daemons, where several share the mirror.
    pub shared_denials: Option<SharedDenials>,
    /// Jitter.
    pub chance: Arc<Chance>,
    /// Where it tells how it stands.
    pub progress: Arc<Progress>,
    /// When to end, and how long it waits.
    pub context: Context,
}

impl<A: Api> Refresher<A> {
    /// Keeps the session until told to stop.
    pub async fn run(mut self) {
        let Err(Stopped) = self.keep_session().await;
    }

    /// Does what is due, again and again.
    async fn keep_session(&mut self) -> Result<Infallible, Stopped> {
        let mut reports = self.session.reports();
        let mut outage = Outage::default();
        let mut lifetimes = SessionLifetimes::default();
        let mut logins = self.settings.borrow().logins;
        let mut signed = self.remembered();
        loop {
            // Read before the decision, so that a report made after it is a change.
            let heard = *reports.borrow_and_update();
            let settings = self.settings.borrow().clone();
            let now = Instant::now();
            if std::mem::replace(&mut logins, settings.logins) != settings.logins {
                // Another user's sessions end in their own ways.
                lifetimes = SessionLifetimes::default();
                self.progress.problems.over(SESSIONS);
            }
            match schedule::next_step(signed, heard, &settings.session, now) {
                NextStep::SignIn(reason) => {
                    self.judge(signed, reason, &mut lifetimes);
                    signed = Some(self.renew(reason, heard, lifetimes.pause()).await?);
                }
                NextStep::Ask => self.ask(&mut signed, heard, &mut outage).await?,
                NextStep::Wait(until) => {
                    let until = self.forget_outlived(signed, &mut lifetimes, until);
                    let limit = Until::Within(until.saturating_duration_since(now));
                    let due = async {
                        tokio::select! {
                            () = sleep_until(until) => Ok(()),
                            changed = reports.changed() => changed,
                            changed = self.settings.changed() => changed,
                        }
                    };
                    self.context.run(limit, due).await??;
                }
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
            checks: 0,
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
    fn forget_outlived(
        &self,
        signed: Option<KnownSession>,
        lifetimes: &mut SessionLifetimes,
        until: Instant,
    ) -> Instant {
        let Some(signed) = signed else { return until };
        if lifetimes.lasted(signed.at.elapsed()) {
            self.progress.problems.over(SESSIONS);
        }
        lifetimes.next_age().map_or(until, |age| until.min(signed.at + age))
    }
}
