//! What the supervisor keeps of a feed.

use std::sync::Arc;

use crate::feed::FeedSettings;
use crate::task::Cancellation;

/// A feed that is delivered.
pub(super) struct RunningFeed {
    pub(super) settings: Arc<FeedSettings>,
    /// Stops its task alone.
    pub(super) cancellation: Cancellation,
}
