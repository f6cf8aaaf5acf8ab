//! Reads what is next for a feed: from the log, or from the items as they are at one instant.
//!
//! Each call reads some pages, and holds nothing of the mirror once it has returned. What was read and not
//! taken is kept for the next call, as long as that begins where it ends.

use std::collections::VecDeque;
use std::sync::Arc;

use super::batch::FeedLine;
use super::cut::{BatchLimits, CutBatch, ParkedItems, cut};
use super::items::{ItemsSource, NextItems};
use super::place::{BatchContent, FeedReading};
use super::settings::FeedSettings;
use super::shown::ShownRepositories;
use crate::domain::{ItemId, RepositoryId, Sequence};
use crate::mirror::{ChangesPage, MirrorError, MirrorReader};

/// The fewest changes that are asked for at once; a store answers with fewer where they are large.
const PAGE: usize = 1000;

/// So many pages are read for one batch, however few of their changes belong to the feed.
const PAGES: usize = 20;

/// A batch that was stored may have so many times the bytes of a new one: how changes are written may be
/// another since.
const STORED_TIMES: usize = 4;

/// Reads for one feed.
#[derive(Debug)]
pub(super) struct FeedSource {
    reader: Arc<dyn MirrorReader>,
    shown: ShownRepositories,
    items: ItemsSource,
    /// What was read of the log and not taken.
    ahead: Option<ChangesAhead>,
}

/// Changes that were read and not taken.
#[derive(Debug)]
struct ChangesAhead {
    /// What they come after.
    after: Sequence,
    lines: VecDeque<FeedLine>,
    /// How far they reach.
    scanned: Sequence,
}

/// What there is of changes that are to be delivered again.
#[derive(Debug, Default)]
pub(super) struct ReleasedChanges {
    /// The first of them, as many as a batch may have.
    pub(super) lines: Vec<FeedLine>,
    /// Those up to there that the log has no longer.
    pub(super) gone: Vec<Sequence>,
}

impl FeedSource {
    pub(super) fn new(reader: Arc<dyn MirrorReader>, settings: Arc<FeedSettings>) -> Self {
        let shown = ShownRepositories::new(Arc::clone(&reader), settings);
        Self { items: ItemsSource::new(Arc::clone(&reader)), reader, shown, ahead: None }
    }

    /// The attributes that the feed is told of and that no repository of it has.
    pub(super) async fn unknown_attributes(&mut self) -> Result<Vec<String>, MirrorError> {
        self.shown.unknown_attributes().await
    }

    /// What is next of the log after this change.
    pub(super) async fn changes(
        &mut self,
        after: Sequence,
        parked: &ParkedItems,
        limits: BatchLimits,
    ) -> Result<CutBatch, MirrorError> {
        self.ahead.take_if(|ahead| ahead.after != after);
        let begin = || ChangesAhead { after, lines: VecDeque::new(), scanned: after };
        self.ahead.get_or_insert_with(begin);
        self.fill(limits).await?;
        let ahead = self.ahead.get_or_insert_with(begin);
        let batch = cut(&mut ahead.lines, ahead.scanned, parked, limits);
        ahead.after = batch.through;
        Ok(batch)
    }

    /// Reads on for the batch after the one that was cut last, while that is being delivered. What goes wrong
    /// is met again, and told, when that batch is asked for.
    pub(super) async fn read_ahead(&mut self, limits: BatchLimits) {
        // The error is met again.
        drop(self.fill(limits).await);
    }

    /// Reads on until there is enough for a batch, page by page: a call that is dropped loses the last.
    async fn fill(&mut self, limits: BatchLimits) -> Result<(), MirrorError> {
        let Self { reader, shown, ahead: Some(ahead), .. } = self else { return Ok(()) };
        let mut bytes: usize = ahead.lines.iter().map(|line| line.envelope.len()).sum();
        for _ in 0..PAGES {
            if ahead.lines.len() >= limits.count || bytes >= limits.bytes {
                break;
            }
            let only = shown.selection().only_repository();
            let most = limits.count.max(PAGE);
            let page = reader.changes(Some(ahead.scanned), only, most).await?;
            let ChangesPage { changes, scanned_through, last, .. } = page;
            let mut lines = Vec::with_capacity(changes.len());
            for change in changes {
                if let Some(line) = shown.line_of(change).await? {
                    bytes += line.envelope.len();
                    lines.push(line);
                }
            }
            ahead.lines.extend(lines);
            ahead.scanned = scanned_through;
            if scanned_through >= last {
                break;
            }
        }
        Ok(())
    }

    /// The changes of a batch that was stored; what is no longer in the log is left out. `None`: they are
    /// far more than a batch may have by now.
    pub(super) async fn stored(
        &mut self,
        content: &BatchContent,
        reading: Option<&FeedReading>,
        limits: BatchLimits,
    ) -> Result<Option<Vec<FeedLine>>, MirrorError> {
        let most = limits.bytes.saturating_mul(STORED_TIMES);
        let mut lines = Vec::new();
        match content {
            BatchContent::Changes { .. } => {
                let Some((first, last)) = content.bounds() else { return Ok(Some(lines)) };
                let mut after = Sequence(first.0.saturating_sub(1));
                let mut bytes = 0_usize;
                while after < last {
                    let page = self.reader.changes(Some(after), None, PAGE).await?;
                    if page.scanned_through <= after {
                        break;
                    }
                    after = page.scanned_through;
                    let own = page.changes.into_iter().filter(|it| content.holds(it.sequence));
                    for change in own {
                        let line = self.shown.line(change).await?;
                        bytes = bytes.saturating_add(line.envelope.len());
                        lines.push(line);
                        if bytes > most && lines.len() > 1 {
                            return Ok(None);
                        }
                    }
                }
            }
            BatchContent::Released { sequences } => {
                let limits = BatchLimits { count: usize::MAX, bytes: most };
                let released = self.released(sequences, limits).await?;
                let is_whole = released.lines.len() + released.gone.len() == sequences.len();
                return Ok(is_whole.then_some(released.lines));
            }
            BatchContent::Items { repository, after, through, .. } => {
                let Some(reading) = reading else { return Ok(Some(lines)) };
                let repository = RepositoryId(*repository);
                let between = (after.as_ref(), through);
                let Self { items, shown, .. } = self;
                return items.stored(repository, between, reading, most, shown).await;
            }
        }
        Ok(Some(lines))
    }

    /// The first of these changes, which are to be delivered again: as many as fit, and one at least.
    pub(super) async fn released(
        &mut self,
        sequences: &[Sequence],
        limits: BatchLimits,
    ) -> Result<ReleasedChanges, MirrorError> {
        let (mut released, mut bytes) = (ReleasedChanges::default(), 0_usize);
        for sequence in sequences {
            let Some(change) = self.reader.change(*sequence).await? else {
                released.gone.push(*sequence);
                continue;
            };
            let line = self.shown.line(change).await?;
            bytes = bytes.saturating_add(line.envelope.len());
            let is_full = released.lines.len() >= limits.count || bytes > limits.bytes;
            if is_full && !released.lines.is_empty() {
                break;
            }
            released.lines.push(line);
        }
        Ok(released)
    }

    /// What is next of the reading of all items.
    pub(super) async fn items(
        &mut self,
        reading: &FeedReading,
        limits: BatchLimits,
    ) -> Result<NextItems, MirrorError> {
        self.items.next(reading, limits, &mut self.shown).await
    }

    /// What a change is parked under that the reading of all items showed: the one that made the item what
    /// it was then. `None`: the log has it no longer.
    pub(super) async fn change_behind(
        &mut self,
        repository: RepositoryId,
        item: &ItemId,
        at: Sequence,
    ) -> Result<Option<Sequence>, MirrorError> {
        let history = self.reader.history(repository, item).await?;
        let sequences = history.map(|history| history.sequences).unwrap_or_default();
        Ok(sequences.into_iter().rfind(|sequence| *sequence <= at))
    }
}
