//! What follows from a batch that the receiver finds unfit: it is halved, or the one change is parked.

use std::time::Duration;

use tokio::time::Instant;

use super::batch::{Batch, FeedLine};
use super::delivering::{
    AfterStep, Delivering, HALVING_PAUSE, Interruption, LEAST_FRACTION, MOST_REFUSED,
    PARKING_PAUSE, STORE_WITHIN,
};
use super::kept::{KeptFeed, MOST_PARKED};
use super::place::BatchContent;
use super::reporting::FeedReporting;
use super::task::FeedTask;
use crate::mirror::ParkedChange;
use crate::telemetry::event::{self, ChangeParked};

impl FeedTask {
    pub(super) async fn unfit(
        &self,
        reporting: &FeedReporting,
        it: &mut Delivering<'_>,
        batch: &Batch,
        reason: String,
    ) -> Result<AfterStep, Interruption> {
        let [only] = batch.lines.as_slice() else {
            it.kept.cursor.halve(batch.lines.len());
            return self.pause_for(&it.kept, HALVING_PAUSE).await;
        };
        if it.memory.refused >= MOST_REFUSED {
            let fraction = self.chance.fraction().max(LEAST_FRACTION);
            let retry = it.memory.retries.failed(Instant::now(), fraction, None);
            reporting.refused_everything(&it.kept, &reason, retry);
            return self.pause_for(&it.kept, retry.delay).await;
        }
        let content = it.kept.cursor.place.batch.as_ref().map(|stored| &stored.content);
        let is_parked = matches!(content, Some(BatchContent::Released { .. }));
        let is_item = matches!(content, Some(BatchContent::Items { .. }));
        if !is_parked && it.kept.cursor.parked.count() >= MOST_PARKED {
            // What is released goes first; this one is made anew, under the same id.
            it.kept.cursor.place.batch = None;
            return self.stand_full(reporting, it).await;
        }
        let reading = it.kept.cursor.place.reading.as_ref().map(|reading| reading.at);
        let sequence = match reading.filter(|_| is_item) {
            None => Some(only.sequence),
            Some(at) => {
                let found = it.source.change_behind(only.repository, &only.item, at);
                self.context.run(STORE_WITHIN, found).await??
            }
        };
        let is_told = it.memory.refusals.failed(Instant::now());
        let mut parked = std::mem::take(&mut it.held);
        if let Some(sequence) = sequence {
            let line = FeedLine { sequence, ..only.clone() };
            it.kept.cursor.park(&line);
            if is_told {
                event::change_parked(ChangeParked {
                    feed: self.name(),
                    sequence: line.sequence,
                    repository: line.repository,
                    reason: &reason,
                });
            }
            let rows = it.kept.parked_rows(&line, reason);
            let rows = self.context.run(STORE_WITHIN, rows).await??;
            let is_same =
                |it: &&mut ParkedChange| (it.repository, &it.item) == (line.repository, &line.item);
            parked.iter_mut().filter(is_same).for_each(|held| held.released = false);
            parked.extend(rows);
        } else {
            // There is nothing to be delivered later: the log has its change no longer.
            it.kept.cursor.give_up();
            event::feed_fell_behind(self.name(), 1, it.kept.cursor.through);
        }
        it.memory.retries.start_over();
        if !self.context.wait(STORE_WITHIN, it.kept.save(parked, Vec::new())).await? {
            return Ok(AfterStep::Reload);
        }
        it.memory.refused += 1;
        self.pause_for(&it.kept, PARKING_PAUSE).await
    }

    /// So much is parked that nothing else may be: waits for what the operator says.
    pub(super) async fn stand_full(
        &self,
        reporting: &FeedReporting,
        it: &mut Delivering<'_>,
    ) -> Result<AfterStep, Interruption> {
        if !self.save_progress(it).await? {
            return Ok(AfterStep::Reload);
        }
        let fraction = self.chance.fraction().max(LEAST_FRACTION);
        let retry = it.memory.retries.failed(Instant::now(), fraction, None);
        reporting.full(&it.kept, retry);
        self.pause_for(&it.kept, retry.delay).await
    }

    /// Waits for so long, or until somebody else has written the feed.
    pub(super) async fn pause_for(
        &self,
        kept: &KeptFeed,
        time: Duration,
    ) -> Result<AfterStep, Interruption> {
        self.pause_until(kept, Instant::now() + time).await
    }
}
