//! The beginning of a pass, or of what is left of one.
//!
//! Guarantees: an interrupted pass is taken up only where it went through the same list and not too
//! long ago; the mirror and the progress know the number of a pass before its first page is read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Run;
use super::current_pass::{CurrentPass, pass_settings};
use super::proof::checkpoint::{self, ListId};
use super::proof::normalise::Before;
use super::proof::pass::Pass;
use super::request::unreadable::ReportedRecords;
use crate::client::Api;
use crate::config::RepositoryConfig;
use crate::mirror::{Interrupted, Mirror, PassStatistics};
use crate::progress::Activity;
use crate::task::clock;
use crate::telemetry::event;

impl<A: Api, M: Mirror> Run<A, M> {
    /// Begins a pass, or takes the interrupted one up; `None` if told to stop before.
    pub(super) async fn begin(
        &mut self,
        config: Arc<RepositoryConfig>,
        source: u64,
        interrupted: Option<Interrupted>,
    ) -> Option<CurrentPass> {
        let settings = pass_settings(&config.paging);
        let list = ListId::new(source, &config.search, &config.item_id);
        let statistics =
            interrupted.as_ref().map_or_else(PassStatistics::default, |it| it.statistics);
        let resumed = interrupted.and_then(|interrupted| {
            // A clock that was set back says as little about the age as one that was set forward.
            let age = Duration::from_millis(clock::now_ms().abs_diff(interrupted.saved_ms));
            let within = config.paging.resume_within;
            match checkpoint::resume(&interrupted, list, age, within, settings) {
                Ok(pass) => Some(pass),
                Err(reason) => {
                    event::pass_started_over(config.id, self.iteration, &reason);
                    None
                }
            }
        });
        let (pass, requests_then) = if let Some(pass) = resumed {
            event::pass_resumed(config.id, self.iteration, statistics.pages, pass.covered());
            (pass, statistics.requests)
        } else {
            self.store.begin_pass(self.iteration, clock::now_ms()).await?;
            (Pass::new(settings), 0)
        };
        // Before the first page, so that no other pass takes its number, even if a panic ends it.
        self.pager.progress.send_modify(|progress| {
            progress.activity = Activity::Paging;
            progress.iteration = self.iteration;
            (progress.pages, progress.covered) = (pass.counts().pages, pass.covered());
        });
        Some(CurrentPass {
            iteration: self.iteration,
            pass,
            list,
            conditions: Arc::new(config.search.clone()),
            config,
            begun: Instant::now(),
            next: None,
            landed: HashMap::new(),
            unreadable: None,
            before: Before::default(),
            before_begun: None,
            reported: ReportedRecords::default(),
            requests_then,
            requests_before: self.pager.fetcher.counts.requests.get(),
        })
    }
}
