//! What becomes of the old session while a new one is on its way.

use std::future::{Future, pending};
use std::pin::pin;

use crate::progress::{Progress, SignIn};
use crate::session::{Generation, SessionReports, SharedSession};

/// Waits for `login`, a login or the wait for one. If the session that it is to replace is refused
/// meanwhile, nobody is signed in any more: nobody asks, so a suspicion is believed. What a denial
/// said stays the last word.
pub(super) async fn noting_refusal<F: Future>(
    session: &SharedSession,
    progress: &Progress,
    heard: SessionReports,
    login: F,
) -> F::Output {
    let mut login = pin!(login);
    tokio::select! {
        biased;
        output = &mut login => return output,
        refused = refused(session, heard) => {
            session.end(refused);
            if *progress.sign_in().borrow() == SignIn::SignedIn {
                progress.set_sign_in(SignIn::Renewing);
            }
        }
    }
    login.await
}

/// The session, once it is refused or suspected; never where there is none.
async fn refused(session: &SharedSession, heard: SessionReports) -> Generation {
    let Some(current) = session.current().map(|current| current.generation) else {
        return pending().await;
    };
    let is_refused =
        |now: &SessionReports| now.refused >= current || now.suspicions > heard.suspicions;
    if session.reports().wait_for(is_refused).await.is_err() {
        // The sender lives in the session; should that ever change, waiting is right.
        return pending().await;
    }
    current
}
