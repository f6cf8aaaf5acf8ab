//! The beginning of a pass, or of what is left of one.
//!
//! Guarantees: an interrupted pass is taken up only where it went through the same list and not too
//! long ago; the mirror and the progress know the number of a pass before its first page is read.

use std::sync::Arc;
use std::time::Duration;

use super::current_pass::{CurrentPass, RequestCount};
use super::proof::checkpoint::{self, ListId};
use super::proof::pass::{Pass, PassSettings};
use super::retrying_mirror::RetryingMirror;
use super::task::Pager;
use crate::config::RepositoryConfig;
use crate::domain::Iteration;
use crate::mirror::{Interrupted, Mirror, PassStatistics};
use crate::progress::Activity;
use crate::task::{Stopped, clock};
use crate::telemetry::event;

/// Begins the pass of this number, or takes the interrupted one up.
pub(super) async fn begin<A, M: Mirror>(
    pager: &Pager<A, M>,
    mirror: &RetryingMirror<M>,
    iteration: Iteration,
    config: Arc<RepositoryConfig>,
    (source, settings): (u64, PassSettings),
    interrupted: Option<Interrupted>,
) -> Result<CurrentPass, Stopped> {
    // Before the mirror has the pass: what an incremental pass writes from then on is seen during it.
    pager.fetcher.shared.begin_pass();
    let list = ListId::new(source, &config.search, &config.item_id);
    let statistics = interrupted.as_ref().map_or_else(PassStatistics::default, |it| it.statistics);
    let resumed = interrupted.and_then(|interrupted| {
        // A clock that was set back says as little about the age as one that was set forward.
        let age = Duration::from_millis(clock::now_ms().abs_diff(interrupted.saved_ms));
        let within = config.paging.resume_within;
        match checkpoint::resume(&interrupted, list, age, within, settings) {
            Ok(pass) => Some(pass),
            Err(reason) => {
                event::pass_started_over(config.id, iteration, &reason);
                None
            }
        }
    });
    let (pass, before) = if let Some(pass) = resumed {
        event::pass_resumed(config.id, iteration, statistics.pages, pass.covered());
        (pass, statistics.requests)
    } else {
        mirror.begin_pass(&pager.context, iteration, clock::now_ms()).await?;
        (Pass::new(settings), 0)
    };
    // Before the first page, so that no other pass takes its number, even if a panic ends it.
    pager.progress.send_modify(|progress| {
        progress.activity = Activity::Paging;
        progress.iteration = iteration;
        (progress.pages, progress.covered) = (pass.counts().pages, pass.covered());
    });
    // Asked each time: the model may have been learnt meanwhile.
    let last_updated = match &config.ignore {
        Some(_) => Vec::new(),
        None => mirror.model(&pager.context).await?.last_updated(),
    };
    let requests = RequestCount { before, counter_then: pager.requests() };
    Ok(CurrentPass::new(iteration, pass, list, (config, last_updated), requests))
}
