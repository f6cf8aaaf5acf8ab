//! The supervisor's own loop: it starts everything, waits for what may happen, and says how it ended.

use std::time::Duration;

use tokio::time::Instant;

use super::leasing::next_of;
use super::shutdown::{ExitReason, GiveUpReason};
use super::state::Supervisor;
use super::task_settings::between_pages;
use super::tasks::TaskName;
use super::{health_check, restart};
use crate::client::Api;
use crate::mirror::Mirror;
use crate::pager::PassLimit;
use crate::progress::SignIn;
use crate::signals::Signal;
use crate::task::context::at;
use crate::telemetry::event;

/// How long one pass waits at its end for what follows the model.
const MODELS_WITHIN: Duration = Duration::from_secs(30);

impl<A: Api, M: Mirror> Supervisor<A, M> {
    /// Runs until something ends it, then stops everything in order.
    pub async fn run(mut self) -> ExitReason {
        if self.leasing.is_none() {
            self.start(TaskName::Refresher);
            for id in self.repositories.keys().copied().collect::<Vec<_>>() {
                self.start(TaskName::Pager(id));
            }
        } else {
            self.see_to_leases();
            self.start(TaskName::Leases);
        }
        self.start(TaskName::Status);
        self.start(TaskName::Offer);
        self.start(TaskName::Model);
        self.change_feeds();
        self.given.notifier.ready();
        let end = self.supervise().await;
        self.stop().await;
        end
    }

    async fn supervise(&mut self) -> ExitReason {
        let (begun, mut lost) = (Instant::now(), self.given.progress.mirror_lost());
        let mut models = self.given.progress.models.seen();
        let (mut check, mut status) = (self.check_every(), health_check::status_every());
        let mut sums = health_check::sums_every();
        loop {
            let deadline = self.given.run_for.and_then(|run_for| begun.checked_add(run_for));
            let due = self.restarts.next_due();
            let out_of_patience =
                self.patience_left().and_then(|left| Instant::now().checked_add(left));
            tokio::select! {
                Some(signal) = self.given.signals.recv() => match signal {
                    Signal::Terminate | Signal::Interrupt => {
                        self.begin_stop(signal.name());
                        return ExitReason::Asked;
                    }
                    Signal::Reload => {
                        self.given.notifier.reloading();
                        self.reload();
                        self.given.notifier.ready();
                        if self.is_finished() {
                            return ExitReason::Finished;
                        }
                    }
                    Signal::NextPass => {
                        event::pass_requested();
                        self.wakes.send_modify(|wakes| *wakes += 1);
                    }
                },
                Some((name, end)) = self.tasks.next_end() => {
                    self.task_ended(name, end);
                    if self.is_finished() {
                        return ExitReason::Finished;
                    }
                }
                Ok(()) = models.changed(), if self.given.passes == PassLimit::One => {
                    if self.is_finished() {
                        return ExitReason::Finished;
                    }
                }
                () = at(self.models_until) => return ExitReason::Finished,
                Ok(()) = self.offer.news.changed() => {
                    let offered = self.offer.news.borrow_and_update().clone();
                    if let Some(offered) = offered {
                        self.take_offer(&offered);
                    }
                    if self.is_finished() {
                        return ExitReason::Finished;
                    }
                }
                event = next_of(&mut self.leasing) => {
                    if let Some(end) = self.lease_event(event) {
                        return end;
                    }
                }
                () = at(due) => {
                    while let Some(name) = self.restarts.take_due(Instant::now()) {
                        self.given.progress.restarts.increment();
                        self.given.progress.problems.over(restart::source(name));
                        self.start(name);
                    }
                }
                _ = check.tick() => self.check_health(),
                _ = status.tick(), if self.given.notifier.is_heard() => self.report_status(),
                _ = sums.tick(), if self.given.progress.is_of_many() => self.tell_sums(),
                () = at(deadline) => {
                    self.begin_stop("time is up");
                    return ExitReason::Asked;
                }
                Ok(()) = self.sign_in.changed() => {
                    self.note_sign_in();
                    let state = &self.signing_in.0;
                    if let (Some(_), SignIn::Denied(words)) = (self.given.patience, state) {
                        return ExitReason::GaveUp(GiveUpReason::Denied(words.clone()));
                    }
                }
                Ok(lost) = lost.wait_for(Option::is_some) => {
                    self.begin_stop("the mirror is lost");
                    return ExitReason::MirrorLost(lost.clone().unwrap_or_default());
                }
                () = at(out_of_patience) => {
                    if self.patience_left() == Some(Duration::ZERO) {
                        return ExitReason::GaveUp(self.unanswered());
                    }
                }
            }
        }
    }

    /// How long from now on no page may come. Only pages count: a server that signs us in and then
    /// refuses every page is not one to wait for.
    fn patience_left(&self) -> Option<Duration> {
        if self.models_until.is_some() {
            return None;
        }
        let since = self.given.progress.since_page();
        let not_due = between_pages(&self.given.config);
        self.given.patience.map(|patience| (patience + not_due).saturating_sub(since))
    }

    /// Whether all is done: no pager runs or waits to be started again, and what follows the model has
    /// seen to each repository. It is waited for only so long: a pass is not worse for it.
    fn is_finished(&mut self) -> bool {
        if !self.has_read() {
            return false;
        }
        let models = &self.given.progress.models;
        if self.repositories.keys().all(|id| models.of(*id).is_some()) {
            return true;
        }
        self.models_until.get_or_insert_with(|| Instant::now() + MODELS_WITHIN);
        false
    }

    /// Whether no pager runs or waits to be started again.
    fn has_read(&self) -> bool {
        self.given.passes == PassLimit::One
            && self.restarts.next_due().is_none()
            && self.leasing.as_ref().is_none_or(|leasing| leasing.has_led)
            && !self.repositories.keys().any(|id| self.tasks.runs(TaskName::Pager(*id)))
            && self.has_read_every()
    }
}
