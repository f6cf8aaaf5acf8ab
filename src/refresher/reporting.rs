//! What the refresher says of what failed: to the log, and to whoever looks.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use tokio::time::Instant;

use super::Refresher;
use super::denials::CountedDenial;
use crate::client::{Api, RequestError};
use crate::progress::problems::{ProblemReport, Reached, Scope, Source};
use crate::progress::{Progress, SignIn};
use crate::session::{SessionReports, SharedSession};
use crate::task::Outage;
use crate::telemetry::event::{self, Chain, RequestFailed};

/// What to do about a login that is denied.
const DENIED_REMEDY: &str = "check login.username and the password, then reload; where it was put \
                             right on the server alone, restart";

/// What to do about a failure that tells no more than that it was one.
const FAILED_REMEDY: &str = "see in the server's own log why; ewmirror doctor looks from here";

/// Where problems come from: signing in, and asking whether the session stands.
pub(super) const LOGIN: Source = Source { scope: Scope::Login, repository: None, what: "login" };
pub(super) const REAUTH: Source = Source { scope: Scope::Login, repository: None, what: "reauth" };

impl<A: Api> Refresher<A> {
    /// Tells that a login was denied, with the beginning of the answer and the remedy where there
    /// are some.
    pub(super) fn denied(
        &self,
        denied: CountedDenial,
        endpoint: &'static str,
        error: &dyn std::error::Error,
        (answer, remedy): (Option<&str>, Option<&'static str>),
        words: String,
    ) {
        event::request_failed_for_good(&RequestFailed {
            repository: None,
            endpoint,
            attempt: denied.number,
            retry_in: denied.wait,
            error,
            answer,
            remedy: remedy.or(Some(DENIED_REMEDY)),
        });
        let report = report(error, remedy.or(Some(DENIED_REMEDY)), denied.wait);
        self.progress.problems.server_answered();
        self.progress.problems.repeated(LOGIN, denied.number.into(), report);
        self.progress.set_sign_in(SignIn::Denied(words));
    }

    /// Notes a failure. These calls cost a server next to nothing: where no answer comes to them,
    /// it is the server that is away.
    pub(super) fn note(&self, source: Source, error: &RequestError, report: ProblemReport) {
        let reached = match error.reached() {
            Reached::Answered => Reached::Answered,
            Reached::Connected | Reached::Nobody => Reached::Nobody,
        };
        self.progress.problems.request_failed(source, reached, report);
    }
}

/// What is to be said of an answer that is none.
pub(super) fn report(
    error: &dyn std::error::Error,
    remedy: Option<&str>,
    retry_in: Duration,
) -> ProblemReport {
    ProblemReport {
        error: Chain(error).to_string(),
        remedy: remedy.unwrap_or(FAILED_REMEDY).to_owned(),
        retry_in: Some(retry_in),
        halts: true,
    }
}

pub(super) fn failed(error: &RequestError, attempt: u32, retry_in: Duration) -> RequestFailed<'_> {
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
pub(super) fn tell(outage: &mut Outage, now: Instant, failure: &RequestFailed<'_>) {
    if outage.failed(now) {
        event::request_failed(failure);
    } else {
        event::request_failed_again(failure);
    }
}

/// For as long as a login is under way or waited for: once the session is refused that it is to
/// replace, nobody is signed in any more. Nobody asks meanwhile, so a suspicion is believed. What a
/// denial said stays the last word.
pub(super) async fn told_of_refusal(
    session: &SharedSession,
    progress: &Progress,
    heard: SessionReports,
) -> Infallible {
    let mut reports = session.reports();
    let current = session.current().map(|current| current.generation);
    // Before the first session there is none to be refused.
    if let Some(current) = current {
        let news =
            |now: &SessionReports| now.refused >= current || now.suspicions > heard.suspicions;
        if reports.wait_for(news).await.is_ok() {
            session.end(current);
            if *progress.sign_in().borrow() == SignIn::SignedIn {
                progress.set_sign_in(SignIn::Renewing);
            }
        }
    }
    pending().await
}
