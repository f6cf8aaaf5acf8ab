//! Where a feed is, and what an answer of its receiver means for that. Pure.
//!
//! A batch is stored before it is first sent, and stays stored until it is delivered, halved or parked: so
//! the daemon that takes the feed over sends the same batch under the same id.

use serde::{Deserialize, Serialize};

use super::batch::FeedLine;
use super::cut::{BatchLimits, ParkedItems};
use crate::domain::{ItemId, RepositoryId, Sequence};

/// What is kept with the cursor of a feed, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FeedPlace {
    /// Drawn when the feed began, here and now: what is delivered after it was replayed, or from a mirror that
    /// was made anew, has other ids, although the sequences are the same.
    pub identity: String,
    /// The reading of all items that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reading: Option<FeedReading>,
    /// The batch that has been sent or may have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<StoredBatch>,
    /// While a change is looked for that the receiver does not take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub narrowed: Option<NarrowedBatches>,
    /// The cursor when this was written; it has been moved since where the log has dropped what comes
    /// after it. `None`: an earlier version wrote this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_through: Option<Sequence>,
    /// How many changes up to there were parked then; there are fewer where the log has dropped some.
    pub parked: u64,
    /// The last change that was held behind a parked one.
    pub held_through: Sequence,
    /// How many changes the log dropped before they were delivered.
    pub missed: u64,
    /// Where the receiver is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
}

/// A reading of all items as they are at one instant: how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedReading {
    /// The instant.
    pub at: Sequence,
    /// When it began, in milliseconds since 1970 (UTC): the time that its envelopes tell.
    pub begun_ms: i64,
    /// The number of the repository that is read; those with lower ones are through.
    pub repository: u64,
    /// Its last item that is through; `None`: none is.
    pub after: Option<ItemId>,
}

/// A batch as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBatch {
    /// What it is called.
    pub id: String,
    /// What is in it.
    pub content: BatchContent,
}

/// What is in a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BatchContent {
    /// Changes.
    Changes {
        /// Their sequences: runs of neighbours, each its first and how many they are.
        runs: Vec<(u64, u64)>,
        /// The cursor once they are delivered.
        through: Sequence,
    },
    /// Items of the reading.
    Items {
        /// Of which repository.
        repository: u64,
        /// From behind this one on.
        after: Option<ItemId>,
        /// Up to this one.
        through: ItemId,
        /// Whether that is the repository's last.
        ends_repository: bool,
    },
    /// Changes that were parked and are delivered again.
    Released {
        /// Which.
        sequences: Vec<Sequence>,
    },
}

/// How large batches may be while a change is looked for that the receiver does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NarrowedBatches {
    /// The most changes of a batch.
    pub count: usize,
    /// Among so many of those that are next it is.
    pub left: usize,
}

/// Where a feed is, in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedCursor {
    /// Nothing is left to be done up to this change but for what is parked.
    pub through: Sequence,
    /// What is kept with that.
    pub place: FeedPlace,
    /// What is parked.
    pub parked: ParkedItems,
}

impl FeedCursor {
    /// How large the next batch may be.
    pub fn limits(&self, configured: BatchLimits) -> BatchLimits {
        match self.place.narrowed {
            None => configured,
            Some(narrowed) => {
                let count = configured.count.min(narrowed.count).min(narrowed.left).max(1);
                BatchLimits { count, ..configured }
            }
        }
    }

    /// Takes note of the batch that is next: from now on it is this one and no other.
    pub fn store(&mut self, batch: StoredBatch) {
        self.place.batch = Some(batch);
    }

    /// Takes note of what is held behind parked changes.
    pub fn hold(&mut self, held: &[(FeedLine, Sequence)]) {
        for (line, _) in held {
            self.parked.park(line.repository, line.item.clone(), line.sequence);
            self.place.held_through = self.place.held_through.max(line.sequence);
        }
    }

    /// The first of what was parked and is to be delivered again. Nothing is before the cursor has passed all
    /// that is held: it would come again there.
    pub fn released(&self, limit: usize) -> Vec<Sequence> {
        if self.through < self.place.held_through {
            return Vec::new();
        }
        self.parked.released(limit)
    }

    /// Whether so many changes are parked that no other is to be looked at. What comes up to the last that
    /// is held has been counted.
    pub fn holds_no_more(&self, most: usize) -> bool {
        self.parked.count() >= most && self.through >= self.place.held_through
    }

    /// Takes note that there is nothing to be sent up to this change.
    pub fn pass(&mut self, through: Sequence) {
        self.through = self.through.max(through);
    }

    /// Takes note that the stored batch, of so many changes, is delivered; returns those that are not
    /// parked any more.
    pub fn delivered(&mut self, count: usize, receiver: Option<String>) -> Vec<Sequence> {
        let unparked = self.advance();
        self.parked.unpark(&unparked);
        self.place.receiver = receiver;
        self.place.narrowed = self.place.narrowed.and_then(|narrowed| {
            let left = narrowed.left.saturating_sub(count);
            (left > 0).then_some(NarrowedBatches { left, ..narrowed })
        });
        unparked
    }

    /// Takes note that the receiver finds the stored batch unfit, of so many changes: a half of it is next.
    pub fn halve(&mut self, left: usize) {
        self.place.narrowed = Some(NarrowedBatches { count: left.div_ceil(2), left });
        self.place.batch = None;
    }

    /// Takes note that the receiver finds the one change of the stored batch unfit: it is parked under its
    /// sequence.
    pub fn park(&mut self, only: &FeedLine) {
        if !self.advance().is_empty() {
            self.parked.refuse(only.repository, &only.item);
        }
        self.place.narrowed = None;
        self.parked.park(only.repository, only.item.clone(), only.sequence);
    }

    /// Takes note that the one change of the stored batch is given up.
    pub fn give_up(&mut self) {
        self.advance();
        self.place.narrowed = None;
        self.place.missed = self.place.missed.saturating_add(1);
    }

    /// Begins a reading of all items, or goes on behind this change where there is none. What was parked
    /// is not any more: the reading has later versions of it. Returns it.
    pub fn begin_reading(&mut self, at: Sequence, now_ms: i64) -> Vec<Sequence> {
        let unparked = self.begin_log(at);
        // Where there has been no change there is no item.
        self.place.reading = (at > Sequence(0)).then(|| FeedReading::new(at, now_ms));
        unparked
    }

    /// Begins with the log behind what it has dropped; returns what is not parked any more.
    pub fn begin_log(&mut self, dropped_through: Sequence) -> Vec<Sequence> {
        self.pass(dropped_through);
        let place = &mut self.place;
        (place.batch, place.narrowed, place.reading) = (None, None, None);
        place.held_through = Sequence(0);
        self.parked.take_all()
    }

    /// Takes note that a repository has no item left to be read.
    pub fn end_repository(&mut self) {
        if let Some(reading) = &mut self.place.reading {
            reading.repository = reading.repository.saturating_add(1);
            reading.after = None;
        }
    }

    /// Takes note that all items are read: the changes after that instant are next.
    pub fn end_reading(&mut self) {
        if let Some(reading) = self.place.reading.take() {
            self.pass(reading.at);
        }
    }

    /// Returns the changes of the stored batch that were parked.
    fn advance(&mut self) -> Vec<Sequence> {
        match self.place.batch.take().map(|batch| batch.content) {
            Some(BatchContent::Changes { through, .. }) => self.pass(through),
            Some(BatchContent::Items { repository, through, ends_repository, .. }) => {
                if let Some(reading) = &mut self.place.reading {
                    reading.repository = repository;
                    reading.after = Some(through);
                }
                if ends_repository {
                    self.end_repository();
                }
            }
            Some(BatchContent::Released { sequences }) => return sequences,
            None => {}
        }
        Vec::new()
    }
}

impl FeedReading {
    /// One that begins.
    pub fn new(at: Sequence, begun_ms: i64) -> Self {
        Self { at, begun_ms, repository: 0, after: None }
    }

    /// Whether anything of it may have been delivered.
    pub fn has_delivered(&self) -> bool {
        self.repository > 0 || self.after.is_some()
    }

    /// The first of these repositories that is not through, and its last item that is.
    pub fn next(
        &self,
        repositories: impl IntoIterator<Item = RepositoryId>,
    ) -> Option<(RepositoryId, Option<&ItemId>)> {
        let left = repositories.into_iter().filter(|it| it.0 >= self.repository);
        let next = left.min()?;
        Some((next, self.after.as_ref().filter(|_| next.0 == self.repository)))
    }
}

impl BatchContent {
    /// That of a batch of changes.
    pub fn of_changes(lines: &[FeedLine], through: Sequence) -> Self {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for Sequence(sequence) in lines.iter().map(|line| line.sequence) {
            match runs.last_mut() {
                Some((first, many)) if first.saturating_add(*many) == sequence => *many += 1,
                _ => runs.push((sequence, 1)),
            }
        }
        Self::Changes { runs, through }
    }

    /// The first and the last sequence; `None` of items.
    pub fn bounds(&self) -> Option<(Sequence, Sequence)> {
        let Self::Changes { runs, .. } = self else { return None };
        let ((first, _), (last, many)) = (runs.first()?, runs.last()?);
        Some((Sequence(*first), Sequence(last.saturating_add(many.saturating_sub(1)))))
    }

    /// Whether a change of the log is in it.
    pub fn holds(&self, sequence: Sequence) -> bool {
        let Self::Changes { runs, .. } = self else { return false };
        let place = runs.partition_point(|(first, _)| *first <= sequence.0);
        let run = place.checked_sub(1).and_then(|place| runs.get(place));
        run.is_some_and(|(first, many)| sequence.0 - first < *many)
    }
}
