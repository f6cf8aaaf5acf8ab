//! What is next for a feed: the batch that was sent before, what was released, items, or changes.

use super::batch::{Batch, batch_id};
use super::cut::BatchLimits;
use super::delivering::{Delivering, NextBatch};
use super::items::NextItems;
use super::kept::MOST_PARKED;
use super::place::{BatchContent, FeedReading, StoredBatch};
use super::task::FeedTask;
use crate::domain::Sequence;
use crate::mirror::MirrorError;
use crate::telemetry::event;

impl FeedTask {
    /// What is next. It is the stored batch from here on.
    pub(super) async fn next(&self, it: &mut Delivering<'_>) -> Result<NextBatch, MirrorError> {
        let limits = it.kept.cursor.limits(self.settings.limits());
        if let Some(stored) = it.kept.cursor.place.batch.clone() {
            return self.stored(it, stored, limits).await;
        }
        let Delivering { kept, source, held, .. } = it;
        let sequences = kept.cursor.released(limits.count);
        let (lines, content) = if !sequences.is_empty() {
            let released = source.released(&sequences, limits).await?;
            if !released.gone.is_empty() {
                return self.forget_parked(it, released.gone).await;
            }
            let sequences = released.lines.iter().map(|line| line.sequence).collect();
            (released.lines, BatchContent::Released { sequences })
        } else if let Some(reading) = kept.cursor.place.reading.clone() {
            match source.items(&reading, limits).await? {
                NextItems::Batch { lines, content } => (lines, content),
                NextItems::Passed(repository, after) => {
                    kept.cursor.place.reading =
                        Some(FeedReading { repository: repository.0, after, ..reading });
                    return Ok(NextBatch::Passed);
                }
                NextItems::RepositoryEnds(repository) => {
                    kept.cursor.place.reading =
                        Some(FeedReading { repository: repository.0, ..reading });
                    kept.cursor.end_repository();
                    return Ok(NextBatch::Passed);
                }
                NextItems::Ends => {
                    kept.cursor.end_reading();
                    return Ok(NextBatch::Passed);
                }
            }
        } else {
            if kept.cursor.holds_no_more(MOST_PARKED) {
                return Ok(NextBatch::Full);
            }
            let after = kept.cursor.through;
            let cut = source.changes(after, &kept.cursor.parked, limits).await?;
            kept.cursor.hold(&cut.held);
            held.extend(kept.held_rows(&cut.held));
            if cut.lines.is_empty() {
                kept.cursor.pass(cut.through);
                let is_end = cut.through == after;
                return Ok(if is_end { NextBatch::Nothing(after) } else { NextBatch::Passed });
            }
            let content = BatchContent::of_changes(&cut.lines, cut.through);
            (cut.lines, content)
        };
        let is_reading = matches!(content, BatchContent::Items { .. });
        let named = (&*self.settings.server, self.name().as_str(), &*kept.cursor.place.identity);
        let id = batch_id(named, &lines, is_reading);
        kept.cursor.store(StoredBatch { id: id.clone(), content });
        Ok(NextBatch::Batch(Batch { id, lines }))
    }

    /// The batch that was stored, as far as it is still there.
    async fn stored(
        &self,
        it: &mut Delivering<'_>,
        stored: StoredBatch,
        limits: BatchLimits,
    ) -> Result<NextBatch, MirrorError> {
        let Delivering { kept, source, .. } = it;
        let reading = kept.cursor.place.reading.as_ref();
        let Some(lines) = source.stored(&stored.content, reading, limits).await? else {
            // As it would be written now it is too large to be held: others are made of it.
            kept.cursor.place.batch = None;
            return Ok(NextBatch::Passed);
        };
        if let BatchContent::Released { sequences } = &stored.content {
            let is_gone = |it: &&Sequence| !lines.iter().any(|line| line.sequence == **it);
            let gone: Vec<_> = sequences.iter().filter(is_gone).copied().collect();
            if !gone.is_empty() {
                return self.forget_parked(it, gone).await;
            }
        }
        if lines.is_empty() {
            kept.cursor.delivered(0, kept.cursor.place.receiver.clone());
            return Ok(NextBatch::Passed);
        }
        Ok(NextBatch::Batch(Batch { id: stored.id, lines }))
    }

    /// Gives up parked changes that the log has no longer.
    async fn forget_parked(
        &self,
        it: &mut Delivering<'_>,
        gone: Vec<Sequence>,
    ) -> Result<NextBatch, MirrorError> {
        let held = std::mem::take(&mut it.held);
        let kept = &mut it.kept;
        let before = kept.cursor.parked.count();
        kept.cursor.parked.unpark(&gone);
        // Those that were not parked any more have been counted by who took note of that.
        let missed = (before - kept.cursor.parked.count()) as u64;
        kept.miss(missed);
        kept.cursor.place.batch = None;
        if !kept.save(held, gone).await? {
            return Ok(NextBatch::Reload);
        }
        if missed > 0 {
            event::feed_fell_behind(self.name(), missed, kept.cursor.through);
        }
        Ok(NextBatch::Passed)
    }
}
