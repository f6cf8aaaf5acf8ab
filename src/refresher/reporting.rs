//! What the refresher says of what failed: to the log, and in the list of problems.

use std::time::Duration;

use super::denials::CountedDenial;
use crate::client::RequestError;
use crate::progress::problems::{ProblemReport, Reached, Scope, Source};
use crate::progress::{Progress, SignIn};
use crate::telemetry::event::{self, Chain, RequestFailed};

/// What to do about a login that is denied.
const DENIED_REMEDY: &str = "check login.username and the password, then reload; where it was put \
                             right on the server alone, restart";

/// What to do about a failure that tells no more than that it was one.
const FAILED_REMEDY: &str = "see in the server's own log why; ewmirror doctor looks from here";

/// Where problems come from: signing in, and asking whether the session stands.
pub(super) const LOGIN: Source = Source { scope: Scope::Login, repository: None, what: "login" };
pub(super) const REAUTH: Source = Source { scope: Scope::Login, repository: None, what: "reauth" };

/// A login that was denied, as it is told.
pub(super) struct DenialReport<'a> {
    /// Which denial it is, and how long nothing is tried.
    pub(super) counted: CountedDenial,
    /// The call.
    pub(super) endpoint: &'static str,
    /// What is said of it.
    pub(super) error: &'a dyn std::error::Error,
    /// The beginning of the answer, where it says more.
    pub(super) answer: Option<&'a str>,
    /// What to do, where that is known better than in general.
    pub(super) remedy: Option<&'static str>,
    /// The server's own words, or else ours.
    pub(super) words: String,
}

/// Tells that a login was denied; returns how long to wait.
pub(super) fn denied(progress: &Progress, denial: DenialReport<'_>) -> Duration {
    let DenialReport { counted, endpoint, error, answer, remedy, words } = denial;
    let remedy = remedy.or(Some(DENIED_REMEDY));
    event::request_failed_for_good(&RequestFailed {
        repository: None,
        endpoint,
        attempt: counted.number,
        retry_in: counted.wait,
        error,
        answer,
        remedy,
    });
    let report = report(error, remedy, counted.wait);
    progress.problems.server_answered();
    progress.problems.repeated(LOGIN, counted.number.into(), report);
    progress.set_sign_in(SignIn::Denied(words));
    counted.wait
}

/// Notes a failure. These calls cost a server next to nothing: where no answer comes to them, it is
/// the server that is away.
pub(super) fn request_failed(
    progress: &Progress,
    source: Source,
    error: &RequestError,
    report: ProblemReport,
) {
    let reached = match error.reached() {
        Reached::Answered => Reached::Answered,
        Reached::Connected | Reached::Nobody => Reached::Nobody,
    };
    progress.problems.request_failed(source, reached, report);
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

/// Tells of a failure: aloud where its outage allows that.
pub(super) fn tell(is_told: bool, failure: &RequestFailed<'_>) {
    if is_told {
        event::request_failed(failure);
    } else {
        event::request_failed_again(failure);
    }
}
