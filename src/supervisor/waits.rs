//! Waits that may have no end. Each can be dropped and made anew.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

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
