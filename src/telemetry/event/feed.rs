//! Feeds: what was delivered, and what was not.

use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::target::TARGET;
use crate::domain::{FeedName, RepositoryId, Sequence};
use crate::progress::whole_millis;

/// A change that a receiver does not take.
#[derive(Clone, Copy, Debug)]
pub struct ChangeParked<'a> {
    /// The feed.
    pub feed: FeedName,
    /// The change.
    pub sequence: Sequence,
    /// The repository of its item.
    pub repository: RepositoryId,
    /// What the receiver said.
    pub reason: &'a str,
}

/// A batch was delivered.
pub fn feed_delivered(feed: FeedName, changes: usize, through: Sequence, elapsed: Duration) {
    debug!(
        target: TARGET,
        feed = feed.as_str(),
        changes,
        through = through.0,
        elapsed_ms = whole_millis(elapsed),
        "feed delivered"
    );
}

/// librdkafka, which delivers to Kafka, says something; nothing of a login is in it.
#[cfg(any(test, feature = "kafka"))]
pub fn kafka_client_said(feed: FeedName, severity: &str, facility: &str, text: &str) {
    debug!(
        target: TARGET,
        feed = feed.as_str(),
        severity,
        facility,
        text,
        "kafka client said"
    );
}

/// A delivery failed, which is tried again.
pub fn feed_failed(feed: FeedName, error: &str, attempt: u32, retry_in: Duration) {
    warn!(
        target: TARGET,
        feed = feed.as_str(),
        error,
        attempt,
        retry_in_ms = whole_millis(retry_in),
        "feed failed"
    );
}

/// The first delivery that succeeded after some that did not.
pub fn feed_delivers_again(feed: FeedName, outage: Duration, failures: u64) {
    let outage_ms = whole_millis(outage);
    info!(target: TARGET, feed = feed.as_str(), outage_ms, failures, "feed delivers again");
}

/// A feed stands still until it is resumed.
pub fn feed_paused(feed: FeedName, reason: &str) {
    warn!(target: TARGET, feed = feed.as_str(), reason, "feed paused");
}

/// A change was put aside, and with it later ones of the same item.
pub fn change_parked(it: ChangeParked<'_>) {
    warn!(
        target: TARGET,
        feed = it.feed.as_str(),
        repository = it.repository.0,
        sequence = it.sequence.0,
        reason = it.reason,
        "change parked"
    );
}

/// The log has dropped changes that a feed had not delivered.
pub fn feed_fell_behind(feed: FeedName, missed: u64, through: Sequence) {
    error!(
        target: TARGET,
        feed = feed.as_str(),
        missed,
        through = through.0,
        "feed fell behind the log"
    );
}
