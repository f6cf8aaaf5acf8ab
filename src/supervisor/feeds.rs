//! Feeds: one task each, as the configuration has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::restart;
use super::running_feed::RunningFeed;
use super::state::Supervisor;
use super::tasks::TaskName;
use crate::client::Api;
use crate::domain::FeedName;
use crate::feed::{self, FeedSettings, FeedTask, configured_receiver};
use crate::mirror::Mirror;
use crate::pager::PassLimit;

impl<A: Api, M: Mirror> Supervisor<A, M> {
    /// Has feeds begin and end as the configuration says. One that is told anything else than before ends,
    /// and begins anew when it has ended.
    pub(super) fn change_feeds(&mut self) {
        let wanted = self.wanted_feeds();
        let is_other = |it: &(&FeedName, &RunningFeed)| wanted.get(it.0) != Some(&it.1.settings);
        let ended: Vec<FeedName> = self.feeds.iter().filter(is_other).map(|it| *it.0).collect();
        for name in ended {
            // To drop its cancellation is to stop it.
            self.feeds.remove(&name);
            self.restarts.forget(TaskName::Feed(name));
            self.given.progress.problems.over(restart::source(TaskName::Feed(name)));
            if !wanted.contains_key(&name) {
                feed::forget(&self.given.progress, name);
            }
        }
        for (name, settings) in wanted {
            if self.feeds.contains_key(&name) {
                continue;
            }
            let cancellation = self.cancellation.child();
            self.feeds.insert(name, RunningFeed { settings, cancellation });
            if !self.tasks.runs(TaskName::Feed(name)) {
                self.start(TaskName::Feed(name));
            }
        }
    }

    /// Starts the task of a feed, if it is still to be delivered.
    pub(super) fn start_feed(&mut self, name: FeedName) {
        let Some(running) = self.feeds.get(&name) else { return };
        let (Some(reader), Some(writer)) = (&self.given.reader, self.given.mirror.feed_writer())
        else {
            return;
        };
        let context = running.cancellation.task();
        let heartbeat = context.heartbeat();
        let task = FeedTask {
            settings: Arc::clone(&running.settings),
            reader: Arc::clone(reader),
            writer,
            receiver: configured_receiver,
            progress: Arc::clone(&self.given.progress),
            chance: Arc::clone(&self.given.chance),
            context,
        };
        self.tasks.start(TaskName::Feed(name), Some(heartbeat), task.run());
    }

    /// What is to be known of a feed whose task has ended.
    pub(super) fn feed_ended(&mut self, name: FeedName) {
        if self.feeds.contains_key(&name) {
            self.start_feed(name);
        } else {
            // Its last words.
            feed::forget(&self.given.progress, name);
        }
    }

    fn wanted_feeds(&self) -> BTreeMap<FeedName, Arc<FeedSettings>> {
        if self.given.passes == PassLimit::One || self.given.reader.is_none() {
            return BTreeMap::new();
        }
        let config = &self.given.config;
        let repositories: Vec<_> = config.repositories.iter().cloned().map(Arc::new).collect();
        let settings = config.feeds.iter().map(|feed| {
            let settings =
                FeedSettings::new(feed, (&config.server, &self.given.environment), &repositories);
            (feed.name, Arc::new(settings))
        });
        settings.collect()
    }
}
