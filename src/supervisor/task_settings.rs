//! What the tasks are handed of a configuration, where that is not a part of it as it stands. Pure.

use xxhash_rust::xxh3::xxh3_64;

use crate::config::Config;
use crate::pager::ChangeRetention;

/// What of the configuration holds for all mirrors.
pub(super) fn rules(config: &Config) -> ChangeRetention {
    ChangeRetention { keep: config.changes.keep }
}

/// Whose list is read: a hash of the server and the user.
pub(super) fn source(config: &Config) -> u64 {
    xxh3_64(format!("{}\n{}", config.server.url, config.login.username).as_bytes())
}
