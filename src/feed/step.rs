//! One step of a feed's task: what is next is sent, and what the receiver answers has its consequence.

use tokio::time::{Instant, timeout};

use super::batch::Batch;
use super::delivering::{
    AHEAD_WITHIN, ATTRIBUTES_EVERY, AfterStep, DELIVERY_ENDS, DELIVERY_WITHIN, Delivering,
    Interruption, LEAST_FRACTION, LOOK_EVERY, NextBatch, RENEW_EVERY, SAVE_EVERY, STORE_WITHIN,
};
use super::kept::KeptFeed;
use super::place::BatchContent;
use super::receiver::{DeliveryFuture, DeliveryRefusal, Receiver};
use super::reporting::FeedReporting;
use super::task::FeedTask;
use crate::progress::FeedActivity;
use crate::task::{Until, clock};
use crate::telemetry::event;

/// So many changes that are held are put down at once.
const MOST_HELD: usize = 1000;

/// What came of sending a batch.
enum SendOutcome {
    /// It is delivered; where the receiver is now, if it keeps that.
    Delivered(Option<String>),
    /// Somebody else has written the feed, or delivers it.
    NotOurs,
    Refused(DeliveryRefusal),
}

impl FeedTask {
    /// Delivers the next batch, or waits for what may come.
    pub(super) async fn step(
        &self,
        reporting: &FeedReporting,
        it: &mut Delivering<'_>,
    ) -> Result<AfterStep, Interruption> {
        if it.renewed.elapsed() >= RENEW_EVERY && !self.is_still_ours(it).await? {
            return Ok(AfterStep::Reload);
        }
        if let Some(reason) = &it.kept.state.paused {
            if it.memory.told_pause.as_ref() != Some(reason) {
                event::feed_paused(self.name(), reason);
                it.memory.told_pause = Some(reason.clone());
            }
            let behind = self.context.run(STORE_WITHIN, it.kept.found_next()).await??;
            reporting.stands_still(&it.kept, behind);
            it.memory.store.succeeded(Instant::now());
            return self.pause_for(&it.kept, LOOK_EVERY).await;
        }
        it.memory.told_pause = None;
        self.look_at_attributes(reporting, it).await?;
        let next = self.context.run(STORE_WITHIN, self.next(it)).await??;
        let batch = match next {
            NextBatch::Reload => return Ok(AfterStep::Reload),
            NextBatch::Passed => {
                let is_due = it.saved.elapsed() >= SAVE_EVERY || it.held.len() >= MOST_HELD;
                let is_ours = !is_due || self.save_progress(it).await?;
                return Ok(if is_ours { AfterStep::Next } else { AfterStep::Reload });
            }
            NextBatch::Full => {
                let behind = self.context.run(STORE_WITHIN, it.kept.found_next()).await??;
                reporting.stands(&it.kept, FeedActivity::Retrying, behind);
                return self.stand_full(reporting, it).await;
            }
            NextBatch::Nothing(last) => {
                // What passes by without being the feed's own is put down now and then.
                let is_due = !it.held.is_empty() || it.saved.elapsed() >= SAVE_EVERY;
                if is_due && !self.save_progress(it).await? {
                    return Ok(AfterStep::Reload);
                }
                reporting.stands(&it.kept, FeedActivity::Waiting, None);
                it.memory.store.succeeded(Instant::now());
                let news = timeout(LOOK_EVERY, self.reader.wait_for_news(last));
                if let Ok(news) = self.context.run(STORE_WITHIN, news).await? {
                    news?;
                    return Ok(AfterStep::Next);
                }
                return self.look(&it.kept).await;
            }
            NextBatch::Batch(batch) => batch,
        };
        let behind = match it.kept.cursor.place.batch.as_ref().map(|stored| &stored.content) {
            Some(BatchContent::Changes { .. } | BatchContent::Items { .. }) => {
                batch.lines.first().map(|line| line.ts_ms)
            }
            _ => self.context.run(STORE_WITHIN, it.kept.found_next()).await??,
        };
        reporting.stands(&it.kept, FeedActivity::Delivering, behind);
        if let Some(until) = it.memory.not_before
            && self.pause_until(&it.kept, until).await? == AfterStep::Reload
        {
            return Ok(AfterStep::Reload);
        }
        let begun = Instant::now();
        match self.send_and_read(reporting, it, (&batch, begun)).await? {
            Ok(after) => Ok(after),
            Err(DeliveryRefusal::Later { reason, after }) => {
                let fraction = self.chance.fraction().max(LEAST_FRACTION);
                let now = Instant::now();
                let retry = it.memory.retries.failed(now, fraction, after);
                it.memory.not_before = after.map(|after| now + after.min(retry.delay));
                reporting.refused(&it.kept, &reason, retry);
                self.pause_until(&it.kept, now + retry.delay).await
            }
            Err(DeliveryRefusal::Gone { reason }) => {
                reporting.counts().gone.increment();
                self.pause(it, reason).await
            }
            Err(DeliveryRefusal::Unfit { reason }) => {
                reporting.counts().unfit.increment();
                self.unfit(reporting, it, &batch, reason).await
            }
        }
    }

    /// Renews the right to deliver; false: it is no longer the one that the feed was read under.
    async fn is_still_ours(&self, it: &mut Delivering<'_>) -> Result<bool, Interruption> {
        let taken = self.writer.take_feed(self.name().as_str());
        let taken = self.context.run(STORE_WITHIN, taken).await??;
        it.renewed = Instant::now();
        Ok(taken.as_ref() == Some(&it.kept.lease))
    }

    /// Whether somebody else has written the feed.
    async fn look(&self, kept: &KeptFeed) -> Result<AfterStep, Interruption> {
        let is_current = self.context.run(STORE_WITHIN, kept.is_current()).await??;
        Ok(if is_current { AfterStep::Next } else { AfterStep::Reload })
    }

    /// Sends a batch and puts down that it is delivered, while what comes after it is read.
    async fn send_and_read(
        &self,
        reporting: &FeedReporting,
        it: &mut Delivering<'_>,
        (batch, begun): (&Batch, Instant),
    ) -> Result<Result<AfterStep, DeliveryRefusal>, Interruption> {
        let limits = it.kept.cursor.limits(self.settings.limits());
        let mut source = std::mem::replace(&mut it.source, self.source());
        let lane = self.context.lane();
        let reading = timeout(AHEAD_WITHIN, source.read_ahead(limits));
        let reading = lane.run(Until::Within(2 * AHEAD_WITHIN), reading);
        let sending = async {
            match self.send(it, batch).await? {
                SendOutcome::Delivered(place) => {
                    self.delivered(reporting, it, batch, (place, begun)).await.map(Ok)
                }
                SendOutcome::NotOurs => Ok(Ok(AfterStep::Reload)),
                SendOutcome::Refused(refusal) => Ok(Err(refusal)),
            }
        };
        let (sent, _) = tokio::join!(sending, reading);
        if matches!(sent, Ok(Ok(AfterStep::Next))) {
            it.source = source;
        }
        // Else it may take long until that is sent, and names may be others by then.
        sent
    }

    /// Sends a batch, which is put down before.
    async fn send(
        &self,
        it: &mut Delivering<'_>,
        batch: &Batch,
    ) -> Result<SendOutcome, Interruption> {
        let made = it
            .receiver
            .take()
            .map_or_else(|| (self.receiver)(&self.settings, &it.kept.cursor.place), Ok);
        let mut receiver = match made {
            Ok(receiver) => receiver,
            // It is made anew at each try: what is in its way may be seen to meanwhile.
            Err(reason) => {
                return Ok(SendOutcome::Refused(DeliveryRefusal::Later { reason, after: None }));
            }
        };
        let answer = self.send_to(&mut *receiver, it, batch).await;
        it.receiver = Some(receiver);
        answer
    }

    async fn send_to(
        &self,
        receiver: &mut dyn Receiver,
        it: &mut Delivering<'_>,
        batch: &Batch,
    ) -> Result<SendOutcome, Interruption> {
        let place = match self.answer(receiver.prepare(batch)).await? {
            Ok(place) => place,
            Err(refusal) => return Ok(SendOutcome::Refused(refusal)),
        };
        if receiver.has_shut_out() && !self.is_still_ours(it).await? {
            return Ok(SendOutcome::NotOurs);
        }
        let is_news = place.is_some() && place != it.kept.cursor.place.receiver;
        if is_news {
            it.kept.cursor.place.receiver = place;
        }
        if (is_news || receiver.needs_stored_batch()) && !self.save_progress(it).await? {
            return Ok(SendOutcome::NotOurs);
        }
        Ok(match self.answer(receiver.deliver(batch)).await? {
            Ok(place) => SendOutcome::Delivered(place),
            Err(refusal) => SendOutcome::Refused(refusal),
        })
    }

    /// What a receiver answers; that it does not in time, where something keeps it.
    async fn answer(
        &self,
        call: DeliveryFuture<'_>,
    ) -> Result<Result<Option<String>, DeliveryRefusal>, Interruption> {
        let answer = self.context.run(DELIVERY_WITHIN, timeout(DELIVERY_ENDS, call)).await?;
        Ok(answer.unwrap_or_else(|_| {
            let reason = format!("no answer within {} minutes", DELIVERY_ENDS.as_secs() / 60);
            Err(DeliveryRefusal::Later { reason, after: None })
        }))
    }

    /// Puts down where the feed is; false: somebody else has written it.
    pub(super) async fn save_progress(
        &self,
        it: &mut Delivering<'_>,
    ) -> Result<bool, Interruption> {
        it.saved = Instant::now();
        if it.held.is_empty() && !it.kept.is_news() {
            return Ok(true);
        }
        let held = std::mem::take(&mut it.held);
        let saved = self.context.wait(STORE_WITHIN, it.kept.save(held, Vec::new())).await?;
        it.memory.store.succeeded(Instant::now());
        Ok(saved)
    }

    async fn delivered(
        &self,
        reporting: &FeedReporting,
        it: &mut Delivering<'_>,
        batch: &Batch,
        (place, begun): (Option<String>, Instant),
    ) -> Result<AfterStep, Interruption> {
        let changes = batch.lines.len();
        let place = place.or_else(|| it.kept.cursor.place.receiver.clone());
        let unparked = it.kept.cursor.delivered(changes, place);
        it.kept.state.delivered = it.kept.state.delivered.saturating_add(changes as u64);
        it.kept.state.last_success_ms = Some(clock::now_ms());
        let held = std::mem::take(&mut it.held);
        let saved = self.context.wait(STORE_WITHIN, it.kept.save(held, unparked)).await?;
        let now = Instant::now();
        (it.memory.refused, it.memory.not_before) = (0, None);
        it.memory.store.succeeded(now);
        it.memory.refusals.succeeded(now);
        reporting.delivered(changes, it.memory.retries.succeeded(now));
        event::feed_delivered(self.name(), changes, it.kept.cursor.through, begun.elapsed());
        Ok(if saved { AfterStep::Next } else { AfterStep::Reload })
    }

    /// Pauses the feed until the operator resumes it.
    async fn pause(
        &self,
        it: &mut Delivering<'_>,
        reason: String,
    ) -> Result<AfterStep, Interruption> {
        it.kept.state.paused = Some(reason);
        let held = std::mem::take(&mut it.held);
        let saved = self.context.wait(STORE_WITHIN, it.kept.save(held, Vec::new())).await?;
        Ok(if saved { AfterStep::Next } else { AfterStep::Reload })
    }

    /// Waits until then, or until somebody else has written the feed.
    pub(super) async fn pause_until(
        &self,
        kept: &KeptFeed,
        until: Instant,
    ) -> Result<AfterStep, Interruption> {
        while Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            self.context.sleep(left.min(LOOK_EVERY)).await?;
            if left >= LOOK_EVERY / 2 && self.look(kept).await? == AfterStep::Reload {
                return Ok(AfterStep::Reload);
            }
        }
        Ok(AfterStep::Next)
    }

    /// Sees now and then that the attributes which the feed is told of are there.
    async fn look_at_attributes(
        &self,
        reporting: &FeedReporting,
        it: &mut Delivering<'_>,
    ) -> Result<(), Interruption> {
        let looked = it.memory.attributes_looked;
        let is_due = looked.is_none_or(|looked| looked.elapsed() >= ATTRIBUTES_EVERY);
        if self.settings.config.attributes.is_none() || !is_due {
            return Ok(());
        }
        it.memory.attributes_looked = Some(Instant::now());
        let unknown = self.context.run(STORE_WITHIN, it.source.unknown_attributes()).await??;
        reporting.unknown_attributes(&unknown);
        Ok(())
    }
}
