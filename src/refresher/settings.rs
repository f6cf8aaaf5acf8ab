//! What the refresher is to keep.

use crate::config::SessionConfig;

/// What there is to keep, as of the last reload.
#[derive(Clone, Debug)]
pub struct RefresherSettings {
    /// `[session]`.
    pub session: SessionConfig,
    /// Counts the changes of what a login is made with: after one, the next is another.
    pub logins: u64,
    /// Counts the changes of how the server is reached: after one, nothing waits for it.
    pub ways: u64,
}

impl RefresherSettings {
    /// What holds from the start.
    pub fn first(session: SessionConfig) -> Self {
        Self { session, logins: 0, ways: 0 }
    }
}
