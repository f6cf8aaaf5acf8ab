//! The budget of requests that all repositories share. Pure.

use std::time::Duration;

use super::table::PagingConfig;
use super::values::{AutoOr, Rate};

/// The page interval of a repository for which none is set.
const PAGE_INTERVAL: Duration = Duration::from_secs(1);

/// What all repositories together may make a second where nothing is set: few enough for any server, and as many
/// as five repositories make at the default page interval.
const DEFAULT_RATE: Rate = Rate(5.0);

/// A budget of requests that several repositories share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SharedBudget {
    /// So many a second.
    pub rate: Rate,
    /// Whether it holds for every repository, or for those only whose page interval is not set.
    pub is_for_all: bool,
}

impl PagingConfig {
    /// The time between two page requests, also where it is not set.
    pub fn interval(&self) -> AutoOr<Duration> {
        self.page_interval.unwrap_or(AutoOr::Value(PAGE_INTERVAL))
    }
}

/// The budget of requests that repositories share: as it is set, or the default one for those without a page
/// interval of their own; `None` where there is no such repository.
pub(super) fn shared_budget<'a>(
    set: Option<Rate>,
    mut repositories: impl Iterator<Item = &'a PagingConfig>,
) -> Option<SharedBudget> {
    if let Some(rate) = set {
        return Some(SharedBudget { rate, is_for_all: true });
    }
    let is_default = repositories.any(|paging| paging.page_interval.is_none());
    is_default.then_some(SharedBudget { rate: DEFAULT_RATE, is_for_all: false })
}
