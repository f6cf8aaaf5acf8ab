//! Waits that may have no end, each of which can be dropped and made anew; and how long pages may
//! be waited for.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::config::{Chosen, Config, Rate};
use crate::pager::rate::adaptive::LONGEST_PAUSE;

/// Waits for this moment; for ever where there is none.
pub(super) async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Waits for so long; for ever where it is not said how long.
pub(super) async fn after(duration: Option<Duration>) {
    match duration {
        Some(duration) => sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// The longest time from one page request to the next that the configuration asks for.
pub(super) fn between_pages(config: &Config) -> Duration {
    let each = |rate: Option<Rate>| rate.map_or(Duration::ZERO, Rate::interval);
    let own = config.repositories.iter().map(|repository| {
        let paging = &repository.paging;
        let interval = match paging.page_interval {
            Chosen::Fixed(interval) => interval,
            Chosen::Auto => LONGEST_PAUSE,
        };
        interval.max(each(paging.max_requests_per_second))
    });
    // The repositories take turns.
    let repositories = u32::try_from(config.repositories.len()).unwrap_or(u32::MAX);
    let shared = each(config.max_requests_per_second) * repositories;
    own.max().unwrap_or_default() + shared
}
