//! What the store keeps of a feed, while its task has the right to deliver it.

use std::fmt;
use std::sync::Arc;

use super::batch::FeedLine;
use super::cut::ParkedItems;
use super::place::{FeedCursor, FeedPlace};
use crate::domain::Sequence;
use crate::mirror::{FeedLease, FeedState, FeedWriter, MirrorError, MirrorReader, ParkedChange};
use crate::task::clock;

/// With so many changes parked a feed stands still: each is held in memory.
pub(super) const MOST_PARKED: usize = 10_000;

/// How many are read at once.
const PAGE: usize = 1000;

/// What is kept, and where the feed is.
pub(super) struct KeptFeed {
    reader: Arc<dyn MirrorReader>,
    writer: Arc<dyn FeedWriter>,
    /// What it is written under.
    pub(super) lease: FeedLease,
    /// As it was read or written last, but for the cursor.
    pub(super) state: FeedState,
    /// Why nobody knows where the feed is: what its task has noted cannot be read.
    pub(super) fault: Option<String>,
    /// Where the feed is.
    pub(super) cursor: FeedCursor,
    /// What was written last of that, or read.
    written: (Sequence, FeedPlace),
}

impl fmt::Debug for KeptFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptFeed").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl KeptFeed {
    /// Reads it.
    pub(super) async fn load(
        reader: Arc<dyn MirrorReader>,
        writer: Arc<dyn FeedWriter>,
        lease: FeedLease,
    ) -> Result<Self, MirrorError> {
        let feeds = reader.feeds().await?;
        let found = feeds.into_iter().find(|(name, _)| *name == lease.feed);
        let state = found.map(|(_, state)| state).unwrap_or_default();
        let noted = match state.progress.as_str() {
            "" => Ok(FeedPlace::default()),
            progress => serde_json::from_str(progress),
        };
        let fault = noted.as_ref().err().map(ToString::to_string);
        let mut place: FeedPlace = noted.unwrap_or_default();
        // What is made out below is news, until it is written.
        let written = (state.delivered_through, place.clone());
        if place.identity.is_empty() {
            place.identity = format!("{:016x}", fastrand::u64(..));
        }
        let through = state.delivered_through;
        let first = place.batch.as_ref().and_then(|stored| stored.content.bounds());
        if first.is_some_and(|(first, _)| first <= through) {
            // The log has dropped some of it.
            (place.batch, place.narrowed) = (None, None);
        }
        let mut parked = ParkedItems::default();
        let mut after = Sequence(0);
        loop {
            let page = reader.parked(&lease.feed, after, PAGE).await?;
            let is_last = page.len() < PAGE;
            for change in page {
                after = change.sequence;
                parked.park(change.repository, change.item.clone(), change.sequence);
                if change.released {
                    parked.release(change.repository, &change.item);
                }
            }
            if is_last {
                break;
            }
        }
        if let Some(written) = place.written_through {
            // An earlier version did not count them.
            place.parked = place.parked.max(parked.count_through(written));
        }
        let cursor = FeedCursor { through, place, parked };
        Ok(Self { reader, writer, lease, state, fault, cursor, written })
    }

    /// Whether it has delivered nothing and noted nothing, or is to deliver everything again.
    pub(super) fn is_to_begin(&self) -> bool {
        self.state.progress.is_empty()
            && (self.state.revision == 0 || self.state.delivered_through == Sequence(0))
    }

    /// How many changes the log has dropped since the feed was written, which were not delivered; those
    /// included that are not the feed's own. The cursor was moved, and what was parked of them was
    /// forgotten, by the daemon that dropped them.
    pub(super) fn dropped_since(&self) -> u64 {
        let FeedPlace { written_through, parked, .. } = self.cursor.place;
        let Some(written) = written_through else { return 0 };
        let passed = self.state.delivered_through.0.saturating_sub(written.0);
        // Those behind where the cursor was are among the ones that it has passed.
        let left = self.cursor.parked.count_through(written);
        passed.saturating_add(parked.saturating_sub(left))
    }

    /// Takes note of changes that were dropped before they were delivered.
    pub(super) fn miss(&mut self, changes: u64) {
        let missed = &mut self.cursor.place.missed;
        *missed = missed.saturating_add(changes);
    }

    /// Whether the feed is elsewhere than was written last.
    pub(super) fn is_news(&self) -> bool {
        self.written.0 != self.cursor.through || self.written.1 != self.cursor.place
    }

    /// Whether nobody else has written it since.
    pub(super) async fn is_current(&self) -> Result<bool, MirrorError> {
        Ok(self.reader.feed_revision(&self.lease.feed).await? == self.state.revision)
    }

    /// Puts down where it is; false: somebody else has written it, or has the right to, and it is to be read
    /// again.
    pub(super) async fn save(
        &mut self,
        parked: Vec<ParkedChange>,
        unparked: Vec<Sequence>,
    ) -> Result<bool, MirrorError> {
        self.state.delivered_through = self.cursor.through;
        self.cursor.place.written_through = Some(self.cursor.through);
        self.cursor.place.parked = self.cursor.parked.count_through(self.cursor.through);
        self.state.progress =
            serde_json::to_string(&self.cursor.place).expect("plain fields become JSON");
        let saved = self.writer.save_feed(&self.lease, &self.state, parked, unparked).await?;
        if let Some(revision) = saved {
            self.state.revision = revision;
            self.written = (self.cursor.through, self.cursor.place.clone());
        }
        Ok(saved.is_some())
    }

    /// When the first change was found that is not delivered, in milliseconds since 1970 (UTC).
    pub(super) async fn found_next(&self) -> Result<Option<i64>, MirrorError> {
        let next = Sequence(self.cursor.through.0.saturating_add(1));
        Ok(self.reader.change(next).await?.map(|change| change.ts_ms))
    }

    /// What is put down of changes that are held behind parked ones.
    pub(super) fn held_rows(&self, held: &[(FeedLine, Sequence)]) -> Vec<ParkedChange> {
        let row = |(line, behind): &(FeedLine, Sequence)| ParkedChange {
            sequence: line.sequence,
            repository: line.repository,
            item: line.item.clone(),
            reason: format!("waits behind change {behind} of the same item"),
            parked_at_ms: clock::now_ms(),
            behind: Some(*behind),
            released: self.cursor.parked.is_released(line.repository, &line.item),
        };
        held.iter().map(row).collect()
    }

    /// What is put down of a change that was refused: itself, and that nothing more of its item is to be
    /// delivered again for now.
    pub(super) async fn parked_rows(
        &mut self,
        line: &FeedLine,
        reason: String,
    ) -> Result<Vec<ParkedChange>, MirrorError> {
        let mut rows = vec![ParkedChange {
            sequence: line.sequence,
            repository: line.repository,
            item: line.item.clone(),
            reason,
            parked_at_ms: clock::now_ms(),
            behind: None,
            released: false,
        }];
        for sequence in self.cursor.parked.refuse(line.repository, &line.item) {
            if sequence == line.sequence {
                continue;
            }
            let before = Sequence(sequence.0.saturating_sub(1));
            let found = self.reader.parked(&self.lease.feed, before, 1).await?;
            let found = found.into_iter().filter(|it| it.sequence == sequence);
            rows.extend(found.map(|it| ParkedChange { released: false, ..it }));
        }
        Ok(rows)
    }
}
