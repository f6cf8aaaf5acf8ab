//! The task of one feed: takes the right to deliver, delivers what is next, and puts down where it is.
//!
//! Whatever it does not expect (an error of the store, a word of the operator, another daemon that has
//! taken the feed) makes it read again what is kept, and go on from there. A receiver that is away costs
//! this task its time, and nobody else anything.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::delivering::{
    AfterStep, Delivering, DeliveryMemory, Interruption, LOOK_EVERY, RENEW_EVERY, STORE_WITHIN,
};
use super::file::FileReceiver;
#[cfg(feature = "kafka")]
use super::kafka::KafkaReceiver;
use super::kept::KeptFeed;
use super::place::FeedPlace;
use super::receiver::Receiver;
use super::reporting::FeedReporting;
use super::settings::FeedSettings;
use super::source::FeedSource;
use super::webhook::WebhookReceiver;
use crate::config::{FeedStart, FeedType};
use crate::domain::{FeedName, Op, Sequence};
use crate::mirror::{FeedLease, FeedWriter, MirrorError, MirrorReader};
use crate::progress::Progress;
use crate::task::clock::{self, Chance};
use crate::task::retry::Retry;
use crate::task::{Context, Until};
use crate::telemetry::event;

/// How long a receiver may take to end what runs beside its calls.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Makes what a feed delivers to, where it is; or says what is in the way.
pub type ReceiverMaker = fn(&FeedSettings, &FeedPlace) -> Result<Box<dyn Receiver>, String>;

/// The receiver that is configured.
///
/// # Errors
///
/// Something outside is in the way, such as a file of certificates that cannot be read.
pub fn configured_receiver(
    settings: &FeedSettings,
    place: &FeedPlace,
) -> Result<Box<dyn Receiver>, String> {
    Ok(match settings.config.feed_type {
        FeedType::File => Box::new(FileReceiver::new(settings.file(), place.receiver.as_deref())),
        #[cfg(feature = "kafka")]
        FeedType::Kafka => Box::new(KafkaReceiver::new(settings.kafka(&place.identity)?)),
        #[cfg(not(feature = "kafka"))]
        FeedType::Kafka => return Err("this build cannot deliver to Kafka".to_owned()),
        FeedType::Webhook => Box::new(settings.webhook().and_then(WebhookReceiver::new)?),
    })
}

/// What the task works with.
#[derive(Debug)]
pub struct FeedTask {
    /// What it is told.
    pub settings: Arc<FeedSettings>,
    /// The log and the items.
    pub reader: Arc<dyn MirrorReader>,
    /// Where the cursor is kept.
    pub writer: Arc<dyn FeedWriter>,
    /// Makes its receiver.
    pub receiver: ReceiverMaker,
    /// Where it is told how it stands.
    pub progress: Arc<Progress>,
    /// Jitter.
    pub chance: Arc<Chance>,
    /// When to end, and how long it waits.
    pub context: Context,
}

impl FeedTask {
    /// Delivers until told to stop.
    pub async fn run(self) {
        let feed_type = self.settings.config.feed_type;
        let reporting = FeedReporting::new(self.name(), feed_type, Arc::clone(&self.progress));
        let mut memory = DeliveryMemory::new();
        let mut lease = None;
        loop {
            match self.deliver(&reporting, &mut lease, &mut memory).await {
                Ok(()) => {}
                Err(Interruption::Stopped) => break,
                Err(Interruption::Store(error)) => {
                    let retry = memory.store.failed(Instant::now(), 1.0, None);
                    reporting.store_failed(&error, retry);
                    if self.context.sleep(retry.delay).await.is_err() {
                        break;
                    }
                }
            }
        }
        if let Some(lease) = lease {
            // It ends by itself where that cannot be told.
            let released = timeout(LOOK_EVERY, self.writer.release_feed(&lease));
            drop(self.context.wait(Until::Within(LOOK_EVERY), released).await);
        }
        reporting.ended();
    }

    /// What the feed is called.
    pub(super) fn name(&self) -> FeedName {
        self.settings.name()
    }

    /// Reads what it is to deliver.
    pub(super) fn source(&self) -> FeedSource {
        FeedSource::new(Arc::clone(&self.reader), Arc::clone(&self.settings))
    }

    /// Delivers until what is kept is to be read again.
    async fn deliver(
        &self,
        reporting: &FeedReporting,
        lease: &mut Option<FeedLease>,
        memory: &mut DeliveryMemory,
    ) -> Result<(), Interruption> {
        let taken = self.writer.take_feed(self.name().as_str());
        *lease = self.context.run(STORE_WITHIN, taken).await??;
        let Some(lease) = lease.clone() else {
            reporting.stands_by();
            memory.store.succeeded(Instant::now());
            return Ok(self.context.sleep(RENEW_EVERY).await?);
        };
        let loaded = KeptFeed::load(Arc::clone(&self.reader), Arc::clone(&self.writer), lease);
        let mut kept = self.context.run(STORE_WITHIN, loaded).await??;
        if let Some(fault) = &kept.fault {
            // To begin anywhere would be to give something up, or to deliver everything twice.
            let retry = memory.retries.failed(Instant::now(), 1.0, None);
            reporting.unreadable(fault, Retry { delay: RENEW_EVERY, ..retry });
            memory.store.succeeded(Instant::now());
            return Ok(self.context.sleep(RENEW_EVERY).await?);
        }
        let dropped = kept.dropped_since();
        if kept.state.revision != memory.revision && dropped == 0 {
            // Who has written it, if not the retention of the log, is the operator; or this task itself, where the
            // answer was lost.
            memory.refused = 0;
        }
        let is_ours = if kept.is_to_begin() {
            self.begin(&mut kept).await?
        } else {
            self.note_what_was_dropped(&mut kept, dropped).await?
        };
        memory.revision = kept.state.revision;
        if !is_ours {
            return Ok(());
        }
        let mut delivering = Delivering {
            kept,
            source: self.source(),
            receiver: None,
            memory,
            held: Vec::new(),
            renewed: Instant::now(),
            saved: Instant::now(),
        };
        let ended = self.deliver_on(reporting, &mut delivering).await;
        if let Some(mut receiver) = delivering.receiver.take() {
            // It ends by itself where it takes longer.
            let closed = timeout(CLOSE_WITHIN, receiver.close());
            drop(self.context.wait(Until::Within(CLOSE_WITHIN + LOOK_EVERY), closed).await);
        }
        ended
    }

    /// Delivers until what is kept is to be read again.
    async fn deliver_on(
        &self,
        reporting: &FeedReporting,
        delivering: &mut Delivering<'_>,
    ) -> Result<(), Interruption> {
        loop {
            let step = self.step(reporting, delivering).await;
            delivering.memory.revision = delivering.kept.state.revision;
            let step = match step {
                Err(Interruption::Store(error)) if error.is_dropped() => {
                    self.fell_behind(delivering).await?;
                    delivering.memory.revision = delivering.kept.state.revision;
                    AfterStep::Reload
                }
                other => other?,
            };
            if step == AfterStep::Reload {
                return Ok(());
            }
        }
    }

    /// Puts a feed that has delivered nothing where it begins; false: somebody else has written it.
    async fn begin(&self, kept: &mut KeptFeed) -> Result<bool, Interruption> {
        let mut unparked = Vec::new();
        match self.settings.config.from {
            _ if kept.state.revision > 0 => unparked = self.begin_reading(kept).await?,
            FeedStart::Start => unparked = self.begin_reading(kept).await?,
            FeedStart::Now => {
                let last = self.context.run(STORE_WITHIN, self.last()).await??;
                kept.cursor.pass(last);
            }
            FeedStart::After(Sequence(0)) => {
                // What went before the beginning of the log is nothing that the feed has missed.
                let dropped = self.context.run(STORE_WITHIN, self.dropped_through()).await??;
                kept.cursor.pass(dropped);
            }
            FeedStart::After(sequence) => kept.cursor.pass(sequence),
        }
        Ok(self.context.wait(STORE_WITHIN, kept.save(Vec::new(), unparked)).await?)
    }

    /// Takes note of what the log has dropped since the feed was written; false: somebody else has written
    /// it. That it was dropped has been told by the one that did.
    async fn note_what_was_dropped(
        &self,
        kept: &mut KeptFeed,
        dropped: u64,
    ) -> Result<bool, Interruption> {
        let lost = kept.cursor.place.reading.clone().filter(|it| it.at < kept.cursor.through);
        let Some(reading) = lost else {
            kept.miss(dropped);
            // Also who it is, where it was set to another sequence: so what is dropped from now on is seen.
            let is_saved = !kept.is_news()
                || self.context.wait(STORE_WITHIN, kept.save(Vec::new(), Vec::new())).await?;
            return Ok(is_saved);
        };
        // Who has some of the items gets all again, and what was deleted meanwhile is not told.
        kept.miss(if reading.has_delivered() { dropped } else { 0 });
        let unparked = self.begin_reading(kept).await?;
        Ok(self.context.wait(STORE_WITHIN, kept.save(Vec::new(), unparked)).await?)
    }

    /// Begins to read all items as they are now; returns what is not parked any more.
    async fn begin_reading(&self, kept: &mut KeptFeed) -> Result<Vec<Sequence>, Interruption> {
        let operations = self.settings.config.operations.as_ref();
        if kept.state.revision > 0 && operations.is_some_and(|it| !it.contains(&Op::Read)) {
            // No item is to be read: what the log has is all that can come again.
            let dropped = self.context.run(STORE_WITHIN, self.dropped_through()).await??;
            return Ok(kept.cursor.begin_log(dropped));
        }
        let last = self.context.run(STORE_WITHIN, self.last()).await??;
        Ok(kept.cursor.begin_reading(last, clock::now_ms()))
    }

    /// The last change that there is.
    async fn last(&self) -> Result<Sequence, MirrorError> {
        Ok(self.reader.snapshot(None).await?.sequence())
    }

    /// The last change that the log has dropped.
    async fn dropped_through(&self) -> Result<Sequence, MirrorError> {
        Ok(self.reader.changes(None, None, 1).await?.dropped_through)
    }

    /// Goes on behind what the log has dropped.
    async fn fell_behind(&self, it: &mut Delivering<'_>) -> Result<(), Interruption> {
        let through = self.context.run(STORE_WITHIN, self.dropped_through()).await??;
        let (mut held, kept) = (std::mem::take(&mut it.held), &mut it.kept);
        let passed = through.0.saturating_sub(kept.cursor.through.0);
        // What is parked behind where the cursor is was among the ones that it passes now.
        let parked = kept.cursor.parked.count_through(through.min(kept.cursor.through));
        let mut missed = passed.saturating_add(parked).max(1);
        held.retain(|change| change.sequence > through);
        kept.cursor.parked.drop_through(through);
        let place = &mut kept.cursor.place;
        (place.batch, place.narrowed) = (None, None);
        let mut unparked = Vec::new();
        match place.reading.take() {
            None => kept.cursor.pass(through),
            Some(reading) => {
                // Who has some of the items gets all again, and what was deleted meanwhile is not told.
                missed = if reading.has_delivered() { missed } else { 0 };
                held.clear();
                unparked = self.begin_reading(kept).await?;
            }
        }
        kept.miss(missed);
        if self.context.wait(STORE_WITHIN, kept.save(held, unparked)).await? && missed > 0 {
            event::feed_fell_behind(self.name(), missed, kept.cursor.through);
        }
        Ok(())
    }
}
