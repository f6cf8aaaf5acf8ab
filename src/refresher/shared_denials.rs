//! Denied logins of all daemons that share a mirror: together they must not lock the account.
//!
//! Where the store cannot be asked, what this daemon knows by itself holds.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::denials::{Denials, TRIES, WINDOW};
use crate::mirror::contracts::MirrorFuture;
use crate::mirror::{Leases, LoginTry};
use crate::progress::problems::ProblemReport;
use crate::task::{Context, Stopped, Until};

/// How long a question to the store may take; a login can wait for it.
const WITHIN: Duration = Duration::from_secs(2);

/// Whether a login may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoginPermit {
    /// It may, and all daemons know of it.
    Counted(LoginTry),
    /// It may by what this daemon knows by itself: there are no others, or the store does not answer.
    NotCounted,
    /// Other daemons are trying as often as all may together.
    NotNow,
}

/// Where denials are counted together.
#[derive(Clone, Debug)]
pub struct SharedDenials {
    /// The store.
    pub leases: Arc<dyn Leases>,
    /// A hash of server and user, which is what is stored of them.
    pub source: watch::Receiver<u64>,
}

impl SharedDenials {
    /// Has `denials` hear of those of other daemons; returns what to tell where they are why nothing
    /// is tried yet.
    pub(super) async fn hear(
        &self,
        context: &Context,
        denials: &Denials,
    ) -> Result<Option<ProblemReport>, Stopped> {
        let asked = self.leases.denials(&self.login(), WINDOW);
        let Some(ages) = of_store(context, asked).await? else { return Ok(None) };
        let now = Instant::now();
        let before = denials.wait(now);
        denials.take_in(ages.iter().filter_map(|age| now.checked_sub(*age)).collect());
        let wait = denials.wait(now);
        Ok((wait > before).then(|| ProblemReport {
            error:
                "the login was denied to the daemons that share this mirror as often as is safe \
                    in 15 minutes"
                    .to_owned(),
            remedy: "check login.username and the password of each daemon".to_owned(),
            retry_in: Some(wait),
            halts: true,
        }))
    }

    /// Whether a login may be tried now; counts it, so that other daemons try the fewer meanwhile.
    pub(super) async fn claim(&self, context: &Context) -> Result<LoginPermit, Stopped> {
        let asked = self.leases.claim_try(&self.login(), WINDOW, TRIES);
        Ok(match of_store(context, asked).await? {
            Some(Some(tried)) => LoginPermit::Counted(tried),
            Some(None) => LoginPermit::NotNow,
            None => LoginPermit::NotCounted,
        })
    }

    /// What is told where again and again none may be tried.
    pub(super) fn contended(retry_in: Duration) -> ProblemReport {
        ProblemReport {
            error:
                "the daemons that share this mirror are trying the login, or were denied it, as \
                    often as is safe in 15 minutes"
                    .to_owned(),
            remedy: "check login.username and the password of each daemon".to_owned(),
            retry_in: Some(retry_in),
            halts: true,
        }
    }

    /// Counts a try no longer, which was no denial.
    pub(super) async fn withdraw(
        &self,
        context: &Context,
        permit: LoginPermit,
    ) -> Result<(), Stopped> {
        let LoginPermit::Counted(tried) = permit else { return Ok(()) };
        of_store(context, self.leases.withdraw_try(&self.login(), tried)).await.map(drop)
    }

    /// Counts a denial, or what may have been one.
    pub(super) async fn count(
        &self,
        context: &Context,
        permit: LoginPermit,
    ) -> Result<(), Stopped> {
        let tried = match permit {
            LoginPermit::Counted(tried) => Some(tried),
            LoginPermit::NotCounted | LoginPermit::NotNow => None,
        };
        of_store(context, self.leases.count_denial(&self.login(), tried)).await.map(drop)
    }

    /// Forgets all denials: a login succeeded, or what is tried has changed.
    pub(super) async fn forget(&self, context: &Context) {
        // A wish to stop is heard soon enough, and costs no session that has just begun.
        let _forgotten = of_store(context, self.leases.forget_denials(&self.login())).await;
    }

    fn login(&self) -> String {
        format!("{:016x}", *self.source.borrow())
    }
}

/// What the store says; `None` where it does not, which others tell of.
async fn of_store<T>(context: &Context, asked: MirrorFuture<'_, T>) -> Result<Option<T>, Stopped> {
    let answer = context.run(Until::Within(WITHIN), timeout(WITHIN, asked)).await?;
    Ok(answer.ok().and_then(Result::ok))
}
