//! How much of the configuration holds.

use crate::config::{Config, MirrorConfig, QueryConfig, StatusListen};

/// What the configuration says, as far as it holds.
pub(super) enum ReadableConfig {
    All(Box<Config>),
    /// The parts that asking the mirror takes hold, others do not.
    Some(Box<QueryConfig>),
    Nothing,
}

impl ReadableConfig {
    pub(super) fn mirror(&self) -> Option<&MirrorConfig> {
        match self {
            Self::All(config) => Some(&config.mirror),
            Self::Some(config) => Some(&config.mirror),
            Self::Nothing => None,
        }
    }

    pub(super) fn status(&self) -> Option<&StatusListen> {
        match self {
            Self::All(config) => Some(&config.status.listen),
            Self::Some(config) => Some(&config.status),
            Self::Nothing => None,
        }
    }
}
