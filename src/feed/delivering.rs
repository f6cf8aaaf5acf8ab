//! The state of a feed's task while it has the right to deliver, and what ends a step of it.

use std::time::Duration;

use tokio::time::Instant;

use super::batch::Batch;
use super::kept::KeptFeed;
use super::receiver::Receiver;
use super::source::FeedSource;
use crate::domain::Sequence;
use crate::mirror::{MirrorError, ParkedChange};
use crate::task::outage::Outage;
use crate::task::retry::Jitter;
use crate::task::{Backoff, Retries, Stopped, Until};

/// How a delivery is tried again: without end, and at most so far apart.
pub(super) const DELIVERIES: Backoff = Backoff {
    base: Duration::from_secs(1),
    cap: Duration::from_secs(5 * 60),
    jitter: Jitter::Full,
};

/// How a store that fails is asked again.
const STORE: Backoff = Backoff::steady(Duration::from_secs(1), Duration::from_secs(60));

/// The least part of such a delay: what fails at once is not tried in a tight loop.
pub(super) const LEAST_FRACTION: f64 = 0.5;

/// How often it is looked whether the operator has said something, where nothing else is done.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often the right to deliver is renewed, and asked for where another daemon has it.
pub(super) const RENEW_EVERY: Duration = Duration::from_secs(3);

/// How often a cursor is put down that passes changes which are not the feed's own.
pub(super) const SAVE_EVERY: Duration = Duration::from_secs(5);

/// How long it is read ahead beside a delivery; the next one waits for it.
pub(super) const AHEAD_WITHIN: Duration = Duration::from_secs(5);

/// How long a call to the store may take.
pub(super) const STORE_WITHIN: Until = Until::Within(Duration::from_secs(60));

/// After so long a delivery counts as failed, whatever keeps it.
pub(super) const DELIVERY_ENDS: Duration = Duration::from_secs(6 * 60);

/// How long a delivery may take: it ends before.
pub(super) const DELIVERY_WITHIN: Until = Until::Within(Duration::from_secs(10 * 60));

/// How long it takes to send a half of a batch that was refused.
pub(super) const HALVING_PAUSE: Duration = Duration::from_millis(100);

/// How long it takes to send anything once a change has been parked.
pub(super) const PARKING_PAUSE: Duration = Duration::from_secs(1);

/// With so many changes parked one after the other, and none delivered between, the receiver refuses
/// everything: no other is parked.
pub(super) const MOST_REFUSED: u32 = 20;

/// How often it is looked whether the attributes that a feed is told of are there.
pub(super) const ATTRIBUTES_EVERY: Duration = Duration::from_secs(60);

/// Why the task no longer goes on as it did.
pub(super) enum Interruption {
    Stopped,
    Store(MirrorError),
}

impl From<Stopped> for Interruption {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<MirrorError> for Interruption {
    fn from(error: MirrorError) -> Self {
        Self::Store(error)
    }
}

/// What follows from a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterStep {
    Next,
    /// What is kept is to be read again.
    Reload,
}

/// What is next.
pub(super) enum NextBatch {
    Batch(Batch),
    /// Nothing, up to this change, which is the last.
    Nothing(Sequence),
    /// What there was needed no delivery.
    Passed,
    /// So much is parked that nothing is looked at.
    Full,
    /// Somebody else has written the feed.
    Reload,
}

/// What the task knows as long as it runs, whatever makes it read again what is kept.
pub(super) struct DeliveryMemory {
    /// Of deliveries, and of what else keeps it from delivering.
    pub(super) retries: Retries,
    /// Of the store.
    pub(super) store: Retries,
    /// Which writing of the feed it has read or written last.
    pub(super) revision: u64,
    /// The receiver wants nothing before.
    pub(super) not_before: Option<Instant>,
    /// Changes that were parked since the last delivery that succeeded.
    pub(super) refusals: Outage,
    /// How many of these there are since the operator has last said a word.
    pub(super) refused: u32,
    /// The pause that has been told.
    pub(super) told_pause: Option<String>,
    /// When it was last looked whether the feed's attributes are there.
    pub(super) attributes_looked: Option<Instant>,
}

impl DeliveryMemory {
    pub(super) fn new() -> Self {
        Self {
            retries: Retries::new(DELIVERIES),
            store: Retries::new(STORE),
            revision: 0,
            not_before: None,
            refusals: Outage::default(),
            refused: 0,
            told_pause: None,
            attributes_looked: None,
        }
    }
}

/// The task while it has the right to deliver.
pub(super) struct Delivering<'a> {
    pub(super) kept: KeptFeed,
    pub(super) source: FeedSource,
    /// `None`: it is to be made.
    pub(super) receiver: Option<Box<dyn Receiver>>,
    pub(super) memory: &'a mut DeliveryMemory,
    /// What is held and not put down yet.
    pub(super) held: Vec<ParkedChange>,
    pub(super) renewed: Instant,
    /// When it was last put down where it is.
    pub(super) saved: Instant,
}
