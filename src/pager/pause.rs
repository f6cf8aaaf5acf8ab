//! The pause between two passes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch::error::RecvError;
use tokio::time::{Instant, sleep};

use super::finish::Unresolved;
use super::rate::pace::passed;
use super::retrying_mirror::RetryingMirror;
use super::task::Pager;
use crate::mirror::Mirror;
use crate::progress::problems;
use crate::task::{Stopped, Until};

/// How often the mirror is asked during the pause whether deletions that are held back have been
/// approved: the operator waits for it.
const ASK_FOR_APPROVAL: Duration = Duration::from_secs(1);

/// What may happen during the pause.
enum PauseEvent {
    Wake(Result<(), RecvError>),
    Settings(Result<(), RecvError>),
    Over,
    AskForApproval,
}

/// Waits until the next pass is due: after the rest, when the operator asks for it or approves deletions
/// that are held back, or with other settings where the last pass was cut short, so that who corrects what
/// it failed for need not ask as well.
pub(super) async fn pause<A, M: Mirror>(
    pager: &mut Pager<A, M>,
    mirror: &RetryingMirror<M>,
    unresolved: &Unresolved,
) -> Result<(), Stopped> {
    let begun = Instant::now();
    let part = first_rest(pager);
    loop {
        let current = Arc::clone(&pager.settings.borrow_and_update());
        // They may also have changed while the pass came to its end.
        if unresolved.cut_short.as_ref().is_some_and(|failed| !Arc::ptr_eq(failed, &current)) {
            return Ok(());
        }
        let pass_interval = current.paging.pass_interval.mul_f64(part);
        let left = pass_interval.saturating_sub(begun.elapsed());
        let Pager { context, wakes, settings, fetcher, .. } = &mut *pager;
        let event = async {
            tokio::select! {
                biased;
                woken = wakes.changed() => PauseEvent::Wake(woken),
                changed = settings.changed() => PauseEvent::Settings(changed),
                () = passed(begun, pass_interval) => PauseEvent::Over,
                () = sleep(ASK_FOR_APPROVAL), if unresolved.holds => PauseEvent::AskForApproval,
            }
        };
        match context.run(Until::Within(left), event).await? {
            PauseEvent::Wake(woken) => return woken.map_err(|_| Stopped),
            PauseEvent::Settings(changed) => changed.map_err(|_| Stopped)?,
            PauseEvent::Over => return Ok(()),
            PauseEvent::AskForApproval => {
                if mirror.any_approved(context).await? {
                    fetcher.progress.problems.over(problems::HELD.of(mirror.repository));
                    return Ok(());
                }
            }
        }
    }
}

/// What part of the rest is kept: where several repositories are read, the first one is shorter by chance, so that those
/// that began together do not go on in step.
fn first_rest<A, M>(pager: &Pager<A, M>) -> f64 {
    let is_first = pager.progress.borrow().passes <= 1;
    if is_first && !pager.fetcher.limiter.is_alone() {
        1.0 - pager.fetcher.chance.fraction() / 2.0
    } else {
        1.0
    }
}
