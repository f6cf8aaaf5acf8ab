//! What the status endpoint serves, and at which addresses.

use super::endpoint::ListenAddress;
use super::listener::RetryingListener;
use super::pull::PullApi;
use super::summary::SummaryReader;

/// What the endpoint serves, and where, for as long as the daemon runs.
pub struct StatusEndpoint {
    /// Where. They outlive the task that serves there, so that the task can be started again.
    pub(super) listeners: Vec<RetryingListener>,
    /// `mirror.url`, with its passwords masked.
    pub(super) mirror_url: String,
    /// What reads the mirror's figures; `None` where nothing is kept.
    pub(super) summary: Option<SummaryReader>,
    /// What tells items and changes; `None` where nothing is kept.
    pub(super) pull: Option<PullApi>,
}

impl StatusEndpoint {
    /// Listens at these addresses, as far as that goes at once; the others are tried again while it
    /// serves. Needs a runtime.
    pub async fn at(
        addresses: impl IntoIterator<Item = ListenAddress>,
        mirror_url: String,
        summary: Option<SummaryReader>,
        pull: Option<PullApi>,
    ) -> Self {
        let mut listeners = Vec::new();
        for address in addresses {
            listeners.push(RetryingListener::new(address).await);
        }
        Self { listeners, mirror_url, summary, pull }
    }
}
