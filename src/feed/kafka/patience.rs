//! How long a thread waits for librdkafka, and that it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A call of librdkafka waits no longer at once, so that it is soon known that it is to end.
pub(super) const SLICE: Duration = Duration::from_millis(200);

/// How long somebody waits.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    until: Instant,
    stop: Arc<AtomicBool>,
}

impl Patience {
    pub(super) fn new(time: Duration, stop: Arc<AtomicBool>) -> Self {
        Self { until: Instant::now() + time, stop }
    }

    /// One that nobody stops.
    pub(super) fn unstopped(time: Duration) -> Self {
        Self::new(time, Arc::default())
    }

    /// The same for another time.
    pub(super) fn again(&self, time: Duration) -> Self {
        Self::new(time, Arc::clone(&self.stop))
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// How long a call may wait; `None`: it is over.
    pub(super) fn slice(&self) -> Option<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        (!left.is_zero() && !self.is_stopped()).then(|| left.min(SLICE))
    }
}
