//! Reading the configuration again, and handing each task what changed for it.

use std::sync::Arc;

use super::reload::{self, ConfigChanges};
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
            Ok(new) => self.with_offer(new),
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
        self.scheduler.set(new.shared_budget(), new.server.page_memory);
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
        let keys = changes.keys.join(", ");
        self.change_repositories(changes);
        self.ask_offer_anew();
        self.announce();
        event::configuration_reloaded(&keys);
    }

    /// Has repositories begin and end, and hands the others what changed for them.
    pub(super) fn change_repositories(&mut self, changes: ConfigChanges) {
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
        // What they call attributes depends on their repositories.
        self.change_feeds();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::config::Secret;
    use crate::session::Tokens;
    use crate::testing::{Rig, Server, configuration};

    /// The refresher runs on another thread, and looks whenever it likes.
    #[tokio::test]
    async fn what_sees_the_session_end_knows_of_the_new_login() {
        const RELOADS: u64 = 500;
        const LOOKED_FOR: Duration = Duration::from_secs(60);
        let with_user = |user: u64| {
            let mut config = configuration(&[1], "");
            config.login.username = user.to_string();
            config
        };
        let rig = Rig::new(Server::new(&[(1, 1)]), with_user(0));
        let mut supervisor = rig.into_supervisor((1..=RELOADS).map(with_user));
        let session = std::sync::Arc::clone(&supervisor.session);
        let settings = supervisor.session_settings.subscribe();
        for reload in 1..=RELOADS {
            session.replace(Tokens::new(Secret::new("token"), None));
            std::thread::scope(|scope| {
                let looking = scope.spawn(|| {
                    let begun = Instant::now();
                    while session.standing().is_some() {
                        assert!(begun.elapsed() < LOOKED_FOR, "the session goes on");
                        std::hint::spin_loop();
                    }
                    settings.borrow().logins
                });
                supervisor.reload();
                assert_eq!(looking.join().unwrap(), reload, "it signs in as the old user");
            });
        }
    }
}
