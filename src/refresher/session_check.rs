//! Asking the server whether the session still stands.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::reporting::{REAUTH, failed, report, request_failed, tell};
use super::schedule::KnownSession;
use super::task::Refresher;
use crate::client::{Api, Failure, SessionStatus};
use crate::progress::problems::ProblemReport;
use crate::session::SessionReports;
use crate::task::{Outage, Stopped, Until};
use crate::telemetry::event;

/// How long the server may take to say whether a session stands that is suspected to have ended:
/// after that a login is quicker, and only the request that was refused has waited.
const SUSPECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a question came to.
enum CheckOutcome {
    /// What was refused meanwhile has answered it, or asks for a quicker answer.
    Overtaken,
    /// No answer came to a question that could not wait.
    TimedOut,
    /// The server said something, or failed.
    Answered(Result<SessionStatus, Failure>),
}

impl<A: Api> Refresher<A> {
    /// Asks whether the session still stands.
    pub(super) async fn ask(
        &mut self,
        signed: &mut Option<KnownSession>,
        heard: SessionReports,
        outage: &mut Outage,
    ) -> Result<(), Stopped> {
        let Some(credentials) = self.session.current() else { return Ok(()) };
        let suspected = signed.is_none_or(|signed| heard.suspicions > signed.suspicions);
        let limit = Until::Within(self.api.time_out().max(SUSPECT_TIMEOUT));
        let mut reports = self.session.reports();
        let other_news = reports.wait_for(|now| {
            // What was refused meanwhile has answered the question, or asks for a quicker answer.
            now.refused >= credentials.generation
                || (!suspected && now.suspicions > heard.suspicions)
        });
        let asked = async {
            tokio::select! {
                _ = other_news => CheckOutcome::Overtaken,
                () = sleep(SUSPECT_TIMEOUT), if suspected => CheckOutcome::TimedOut,
                result = self.api.reauth(&credentials) => CheckOutcome::Answered(result),
            }
        };
        let result = match self.context.run(limit, asked).await? {
            CheckOutcome::Overtaken => return Ok(()),
            CheckOutcome::TimedOut => None,
            CheckOutcome::Answered(result) => Some(result),
        };
        let now = Instant::now();
        if let Some(signed) = signed {
            (signed.asked, signed.checks) = (now, heard.checks);
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
                let problem =
                    ProblemReport { halts: false, ..report(&error, error.remedy(), delay) };
                request_failed(&self.progress, REAUTH, &error, problem);
                tell(outage.failed(now), &failed(&error, 1, delay));
                !suspected
            }
            None => false,
        };
        if stands {
            self.session.clear(heard.checks);
        } else {
            self.session.end(credentials.generation);
        }
        Ok(())
    }
}
