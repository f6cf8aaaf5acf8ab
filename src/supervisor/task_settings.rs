//! What the tasks are handed of a configuration, where that is not a part of it as it stands. Pure.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use crate::config::{AutoOr, Config, Rate};
use crate::mirror::FeedHolds;
use crate::pager::ChangeRetention;
use crate::pager::rate::adaptive::LONGEST_PAUSE;

/// What of the configuration holds for all mirrors.
pub(super) fn rules(config: &Config) -> ChangeRetention {
    let holds: FeedHolds =
        config.feeds.iter().map(|feed| (feed.name.to_string(), feed.hold)).collect();
    ChangeRetention { keep: config.changes.keep, holds, hold_size: config.changes.hold_size }
}

/// Whose list is read: a hash of the server and the user.
pub(super) fn source(config: &Config) -> u64 {
    xxh3_64(format!("{}\n{}", config.server.url, config.login.username).as_bytes())
}

/// The longest time from one page request to the next that the configuration asks for.
pub(super) fn between_pages(config: &Config) -> Duration {
    let each = |rate: Option<Rate>| rate.map_or(Duration::ZERO, Rate::interval);
    let own = config.repositories.iter().map(|repository| {
        let paging = &repository.paging;
        let interval = match paging.interval() {
            AutoOr::Value(interval) => interval,
            AutoOr::Auto => LONGEST_PAUSE,
        };
        interval.max(each(paging.max_requests_per_second))
    });
    // The repositories take turns.
    let repositories = u32::try_from(config.repositories.len()).unwrap_or(u32::MAX);
    let shared = config.shared_budget().map_or(Duration::ZERO, |budget| budget.rate.interval());
    let shared = shared * repositories;
    own.max().unwrap_or_default() + shared
}
