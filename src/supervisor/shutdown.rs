//! How it can end; and the end itself, in order and within five seconds.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::state::Supervisor;
use crate::client::{Api, Failure};
use crate::config::LoginMethod;
use crate::mirror::Mirror;
use crate::session::Credentials;
use crate::telemetry::event;

/// The longest that a stop takes.
#[cfg(test)]
pub const STOP_WITHIN: Duration = Duration::from_secs(5);

/// How long pages under way may take to come home once a stop is asked for.
pub(super) const PAGERS_WITHIN: Duration = Duration::from_secs(3);

/// How long the logout may take. With the above it leaves half a second for everything else.
pub(super) const LOGOUT_WITHIN: Duration = Duration::from_millis(1500);

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// As asked for by a signal, or because its time was up.
    Asked,
    /// Every pager has done its passes.
    Finished,
    /// Patience ran out.
    GaveUp(GiveUpReason),
    /// The mirror cannot be used any more; the text says why, and what to do.
    MirrorLost(String),
}

/// Why patience ran out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GiveUpReason {
    /// The server did not accept the name or the password.
    #[error("the server did not accept the login: {0}")]
    Denied(String),
    /// Another daemon reads and writes.
    #[error(
        "the daemon {0} has the leases of these repositories: let it make the pass, or stop it first"
    )]
    InUse(String),
    /// The lease of a repository was lost on the way.
    #[error("the lease of a repository was lost: {0}")]
    LeaseLost(String),
    /// No page came for so long.
    #[error("no page came for {} s: {what}", .since.as_secs())]
    Unanswered {
        /// How long.
        since: Duration,
        /// What is wrong, or else which repositories have not been read.
        what: String,
    },
}

impl<A: Api, M: Mirror> Supervisor<A, M> {
    /// Why no page comes.
    pub(super) fn unanswered(&self) -> GiveUpReason {
        let problems = self.given.progress.problems.told();
        let mut what: Vec<_> = problems.iter().map(ToString::to_string).collect();
        if what.is_empty() {
            let unread = self.repositories.iter().filter(|it| it.1.progress.borrow().passes == 0);
            what = unread.map(|(id, _)| format!("repository {id} was not read")).collect();
        }
        GiveUpReason::Unanswered { since: self.given.progress.since_page(), what: what.join("; ") }
    }

    /// Has every task stop, and tells why. In this order: once it is told, no more requests are sent.
    pub(super) fn begin_stop(&self, why: &str) {
        self.cancellation.cancel();
        event::stopping(why);
    }

    /// Stops every task, and logs out.
    pub(super) async fn stop(mut self) {
        self.cancellation.cancel();
        self.given.notifier.stopping();
        self.given.notifier.status("stopping");
        let all_ended = async { while self.tasks.next_end().await.is_some() {} };
        if timeout(PAGERS_WITHIN, all_ended).await.is_err() {
            for name in self.tasks.running() {
                event::task_late(&name.to_string());
            }
            self.tasks.abort().await;
        }
        self.tell_last_sums();
        let (api, credentials) = (Arc::clone(&self.api), self.session_to_end());
        let leases = self.leasing.as_ref().map(|leasing| Arc::clone(&leasing.leases));
        let sign_out = async {
            if let Some(credentials) = credentials {
                log_out(&*api, &credentials).await;
            }
        };
        // Others need not wait for the server to say goodbye.
        let leave = async {
            if let Some(leases) = leases {
                // They end by themselves where that cannot be told.
                drop(timeout(LOGOUT_WITHIN, leases.leave()).await);
            }
        };
        tokio::join!(leave, sign_out);
        event::stopped(self.given.progress.uptime());
    }

    /// The session, where it is one that can be ended. With OAuth there is no such call (the token ends
    /// by itself), so nothing is said of one.
    pub(super) fn session_to_end(&self) -> Option<Credentials> {
        let can_sign_out = self.given.config.login.method == LoginMethod::EnableApi;
        self.session.current().filter(|_| can_sign_out)
    }
}

/// Ends a session, if the server answers in time.
pub(super) async fn log_out(api: &impl Api, credentials: &Credentials) {
    match timeout(LOGOUT_WITHIN, api.logout(credentials)).await {
        // A session that had ended before needs no more.
        Ok(Ok(()) | Err(Failure::Refused(_))) => event::signed_out(credentials.generation),
        Ok(Err(error)) => event::sign_out_failed(&error),
        Err(elapsed) => event::sign_out_failed(&elapsed),
    }
}
