//! Reading the configuration again, and handing each task what changed for it.

use std::sync::Arc;

use super::reload;
use super::state::Supervisor;
use super::task_settings::{rules, source};
use super::tasks::TaskName;
use crate::client::Api;
use crate::mirror::Mirror;
use crate::status::ShownSettings;
use crate::telemetry::event;

impl<A: Api, M: Mirror> Supervisor<A, M> {
    /// Reads the configuration again; a faulty one changes nothing.
    pub(super) fn reload(&mut self) {
        let new = match (self.given.reload)(&self.given.config) {
            Ok(new) => new,
            Err(error) => return event::configuration_rejected(error.as_ref()),
        };
        let old = std::mem::replace(&mut self.given.config, new);
        let new = &self.given.config;
        let changes = reload::changes(&self.fixed, &old, new);
        self.note_restart_needed(&changes.need_restart);
        let to_be_ended = self.session.current().filter(|_| changes.signs_in_anew);
        if changes.starts_over {
            self.source.send_replace(source(new));
        }
        self.rate_limit.set(new.max_requests_per_second);
        self.rules.send_replace(rules(new));
        self.shown.send_replace(ShownSettings::of(new));
        self.session_settings.send_modify(|settings| {
            settings.session = new.session.clone();
            settings.logins += u64::from(changes.other_login);
            settings.ways += u64::from(changes.other_way);
        });
        // Not before the refresher can know why: it would begin a login by the old settings, and another
        // one when it hears of the new.
        if let Some(credentials) = to_be_ended {
            self.session.end(credentials.generation);
        }
        for id in &changes.removed {
            self.restarts.forget(TaskName::Pager(*id));
            self.given.progress.problems.forget(*id);
            if let Some(repository) = self.repositories.remove(id) {
                repository.cancellation.cancel();
            }
        }
        for config in &changes.changed {
            if let Some(repository) = self.repositories.get(&config.id) {
                repository.settings.send_replace(Arc::new(config.clone()));
            }
        }
        for config in changes.added {
            let name = TaskName::Pager(config.id);
            self.add(config);
            // The pager of the same repository that a reload before this one took out may still be
            // on its way: its end starts the new one.
            if !self.tasks.runs(name) {
                self.start(name);
            }
        }
        self.announce();
        event::configuration_reloaded(&changes.keys.join(", "));
    }
}
