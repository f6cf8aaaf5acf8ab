//! Durations as they leave the process.

use std::time::Duration;

/// A duration in whole milliseconds, as logs carry it.
pub fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
