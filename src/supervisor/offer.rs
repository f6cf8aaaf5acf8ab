//! `id = "all"`: the repositories that the server offers are read as if they were listed.
//!
//! Guarantees: a list with more repositories than are allowed changes nothing, and so does an empty one, or
//! one that does not come; what is gone from two lists in a row is read no longer, and its mirror stays.

use std::collections::BTreeSet;

use tokio::sync::watch;

use super::reload;
use super::state::Supervisor;
use super::tasks::TaskName;
use crate::client::{Api, RepositoryList};
use crate::config::{Config, UnfitOffer};
use crate::domain::RepositoryId;
use crate::mirror::Mirror;
use crate::model_refresher::OFFER;
use crate::progress::ACCESS_REMEDY;
use crate::progress::problems::ProblemReport;
use crate::telemetry::event;

impl<A: Api, M: Mirror> Supervisor<A, M> {
    /// Takes a list of the server's.
    pub(super) fn take_offer(&mut self, list: &RepositoryList) {
        let offered = || list.repositories.iter().map(|it| (it.id, it.can_read));
        self.given.progress.access.note(offered());
        let Some(every) = &self.given.config.every else { return };
        self.offer.is_known = true;
        let chosen = match every.choose(offered(), &self.offer.taken) {
            Ok(chosen) => chosen,
            Err(unfit) => return self.tell_unfit(unfit),
        };
        self.offer.told = None;
        self.given.progress.problems.over(OFFER);
        let name = |id: RepositoryId| {
            list.repositories.iter().find(|it| it.id == id).and_then(|it| it.name.as_deref())
        };
        for id in chosen.unreadable.difference(&self.offer.left_out) {
            event::repository_not_readable(*id, name(*id), ACCESS_REMEDY);
        }
        let taken = self.offer.reconcile(&chosen, list.skipped == 0, every.most());
        self.offer.left_out = chosen.unreadable;
        for id in taken.iter().filter(|id| !self.offer.taken.contains(id)) {
            event::repository_taken(*id, name(*id));
        }
        for id in self.offer.taken.iter().filter(|id| !taken.contains(id)) {
            event::repository_no_longer_offered(*id);
        }
        self.take(taken);
    }

    /// Of a daemon that stands by, and so cannot ask: takes what the others read.
    pub(super) fn take_leased(&mut self, leased: impl IntoIterator<Item = RepositoryId>) {
        let Some(every) = &self.given.config.every else { return };
        let leased: BTreeSet<RepositoryId> = leased.into_iter().collect();
        // Where nobody has the lease of the list, nobody says what is read.
        if !leased.contains(&RepositoryId::EVERY) {
            return;
        }
        let is_taken = |id: &RepositoryId| *id != RepositoryId::EVERY && !every.lists(*id);
        let taken: Vec<RepositoryId> = leased.into_iter().filter(is_taken).collect();
        self.offer.lacking.clear();
        if taken != self.offer.taken {
            self.take(taken);
        }
    }

    /// Has a configuration that was read again go on with what is read now, until the next list says
    /// otherwise; with nothing, where that is of another server or user.
    pub(super) fn with_offer(&mut self, mut config: Config) -> Config {
        let changes = reload::changes(&self.fixed, &self.given.config, &config);
        let read = self.repositories.keys().copied();
        let goes_on = |id: &RepositoryId| {
            !changes.starts_over && config.every.as_ref().is_some_and(|every| !every.lists(*id))
        };
        self.offer.taken = read.filter(goes_on).collect();
        self.offer.lacking.clear();
        if changes.starts_over {
            self.offer.left_out.clear();
        }
        config.take_offered(&self.offer.taken);
        config
    }

    /// Has the list asked for anew, or no longer.
    pub(super) fn ask_offer_anew(&mut self) {
        self.offer.cancellation.cancel();
        // A question that is under way may still be answered, by another server perhaps.
        (self.offer.latest, self.offer.news) = watch::channel(None);
        self.offer.told = None;
        self.given.progress.problems.over(OFFER);
        // Where it runs, its end starts it again.
        self.start(TaskName::Offer);
    }

    /// Whether one pass has been made over every repository that there is.
    pub(super) fn has_read_every(&self) -> bool {
        let read = || self.repositories.values().all(|it| it.progress.borrow().passes > 0);
        self.given.config.every.is_none() || (self.offer.is_known && read())
    }

    fn take(&mut self, taken: Vec<RepositoryId>) {
        self.offer.taken = taken;
        let mut new = self.given.config.clone();
        new.take_offered(&self.offer.taken);
        let old = std::mem::replace(&mut self.given.config, new);
        let changes = reload::changes(&self.fixed, &old, &self.given.config);
        self.change_repositories(changes);
        self.announce();
    }

    /// Tells of a list that is not taken: aloud once.
    fn tell_unfit(&mut self, unfit: UnfitOffer) {
        let (error, remedy) = (unfit.to_string(), unfit.remedy());
        let report = ProblemReport {
            error: error.clone(),
            remedy: remedy.to_owned(),
            retry_in: None,
            // What is listed by its number, or was taken before, is read on.
            halts: self.repositories.is_empty(),
        };
        self.given.progress.problems.stands(OFFER, report);
        if self.offer.told.as_ref() != Some(&error) {
            event::repositories_not_taken(&error, remedy);
            self.offer.told = Some(error);
        }
    }
}
