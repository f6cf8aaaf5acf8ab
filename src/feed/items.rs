//! Reads the items of a feed's repositories as they are at one instant.
//!
//! A snapshot is held for as long as one batch is read, and never while anything is sent or shown. What was
//! read and not taken is kept for the next call, as long as that begins where it ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::batch::FeedLine;
use super::cut::{BatchLimits, ParkedItems, cut};
use super::place::{BatchContent, FeedReading};
use super::shown::ShownRepositories;
use crate::domain::{Change, ItemId, Iteration, Op, RepositoryId, Sequence};
use crate::mirror::{ItemsSnapshot, MirrorError, MirrorReader};

/// So many pages are read for one batch, however few items they have: of an earlier instant a page can be
/// empty although others come after it.
const PAGES: usize = 20;

/// No snapshot is held longer than this and one page more.
const HELD_FOR: Duration = Duration::from_secs(10);

/// The pass that is told of an item as it is at one instant: none found it.
const NO_PASS: Iteration = Iteration(0);

/// Reads the items.
#[derive(Debug)]
pub(super) struct ItemsSource {
    reader: Arc<dyn MirrorReader>,
    /// The feed's repositories in the reading of that instant: they need to be looked for once.
    repositories: Option<(Sequence, Vec<RepositoryId>)>,
    /// What was read and not taken.
    ahead: Option<ItemsAhead>,
}

/// Items of a repository that were read and not taken.
#[derive(Debug)]
struct ItemsAhead {
    /// Of which repository, and what they come after.
    after: (RepositoryId, Option<ItemId>),
    lines: VecDeque<FeedLine>,
    /// Go on reading after this one; `None`: at the first.
    scanned: Option<ItemId>,
    /// Whether the repository has no others.
    is_end: bool,
}

/// What is next of the items.
#[derive(Debug)]
pub(super) enum NextItems {
    /// These.
    Batch {
        /// The lines.
        lines: Vec<FeedLine>,
        /// Of which repository, from behind which item on, up to which, and whether that is its last.
        content: BatchContent,
    },
    /// None up to here, and there may be others.
    Passed(RepositoryId, Option<ItemId>),
    /// This repository has none left.
    RepositoryEnds(RepositoryId),
    /// No repository has.
    Ends,
}

impl ItemsSource {
    pub(super) fn new(reader: Arc<dyn MirrorReader>) -> Self {
        Self { reader, repositories: None, ahead: None }
    }

    /// What is next of a reading.
    pub(super) async fn next(
        &mut self,
        reading: &FeedReading,
        limits: BatchLimits,
        shown: &mut ShownRepositories,
    ) -> Result<NextItems, MirrorError> {
        if !shown.selection().takes_operation(Op::Read) {
            return Ok(NextItems::Ends);
        }
        let mut snapshot = None;
        if self.repositories.as_ref().is_none_or(|(at, _)| *at != reading.at) {
            let taken = self.reader.snapshot(Some(reading.at)).await?;
            let all = taken.repositories().await?.into_iter().map(|it| it.id);
            let own = all.filter(|id| shown.selection().takes_repository(*id)).collect();
            self.repositories = Some((reading.at, own));
            snapshot = Some(taken);
        }
        let own = self.repositories.iter().flat_map(|(_, own)| own).copied();
        let Some((repository, after)) = reading.next(own) else { return Ok(NextItems::Ends) };
        let key = (repository, after.cloned());
        let mut ahead = match self.ahead.take() {
            Some(ahead) if ahead.after == key => ahead,
            _ => ItemsAhead::new(key.clone()),
        };
        let items = self.read(&mut ahead, reading.at, limits, snapshot).await?;
        for (item, body) in items {
            let line = shown.line(first_seen(repository, item, body, reading)).await?;
            ahead.lines.push_back(line);
        }
        let batch = cut(&mut ahead.lines, reading.at, &ParkedItems::default(), limits);
        let Some(through) = batch.lines.last().map(|line| line.item.clone()) else {
            if ahead.is_end {
                return Ok(NextItems::RepositoryEnds(repository));
            }
            ahead.after.1.clone_from(&ahead.scanned);
            let passed = ahead.scanned.clone();
            self.ahead = Some(ahead);
            return Ok(NextItems::Passed(repository, passed));
        };
        let ends_repository = ahead.lines.is_empty() && ahead.is_end;
        ahead.after.1 = Some(through.clone());
        self.ahead = Some(ahead);
        let content = BatchContent::Items {
            repository: repository.0,
            after: key.1,
            through,
            ends_repository,
        };
        Ok(NextItems::Batch { lines: batch.lines, content })
    }

    /// Reads on until there is enough for a batch.
    async fn read(
        &self,
        ahead: &mut ItemsAhead,
        at: Sequence,
        limits: BatchLimits,
        mut snapshot: Option<Box<dyn ItemsSnapshot>>,
    ) -> Result<Vec<(ItemId, Vec<u8>)>, MirrorError> {
        let mut items = Vec::new();
        let mut bytes: usize = ahead.lines.iter().map(|line| line.envelope.len()).sum();
        let begun = Instant::now();
        for _ in 0..PAGES {
            let count = ahead.lines.len() + items.len();
            if ahead.is_end || count >= limits.count.max(1) || bytes >= limits.bytes.max(1) {
                break;
            }
            if begun.elapsed() >= HELD_FOR {
                break;
            }
            let held = match snapshot.take() {
                Some(held) => held,
                None => self.reader.snapshot(Some(at)).await?,
            };
            let page = held.items(ahead.after.0, ahead.scanned.clone()).await?;
            snapshot = Some(held);
            bytes += page.items.iter().map(|(_, body)| body.len()).sum::<usize>();
            items.extend(page.items);
            match page.scanned_through {
                Some(scanned) => ahead.scanned = Some(scanned),
                None => ahead.is_end = true,
            }
        }
        Ok(items)
    }

    /// The items of a batch that was stored: of this repository, from behind the one item on, up to the
    /// other. `None`: they have more bytes than `most`, and are not all read.
    pub(super) async fn stored(
        &self,
        repository: RepositoryId,
        (after, through): (Option<&ItemId>, &ItemId),
        reading: &FeedReading,
        most: usize,
        shown: &mut ShownRepositories,
    ) -> Result<Option<Vec<FeedLine>>, MirrorError> {
        let snapshot = self.reader.snapshot(Some(reading.at)).await?;
        let (mut lines, mut bytes, mut after) = (Vec::new(), 0_usize, after.cloned());
        loop {
            let page = snapshot.items(repository, after).await?;
            for (item, body) in page.items.into_iter().filter(|(item, _)| item <= through) {
                let line = shown.line(first_seen(repository, item, body, reading)).await?;
                bytes = bytes.saturating_add(line.envelope.len());
                lines.push(line);
                if bytes > most && lines.len() > 1 {
                    return Ok(None);
                }
            }
            match page.scanned_through {
                Some(scanned) if scanned < *through => after = Some(scanned),
                _ => return Ok(Some(lines)),
            }
        }
    }
}

impl ItemsAhead {
    fn new(after: (RepositoryId, Option<ItemId>)) -> Self {
        let scanned = after.1.clone();
        Self { after, lines: VecDeque::new(), scanned, is_end: false }
    }
}

/// The `r` of an item as it is at an instant.
fn first_seen(
    repository: RepositoryId,
    item: ItemId,
    body: Vec<u8>,
    reading: &FeedReading,
) -> Change {
    Change {
        sequence: reading.at,
        repository,
        item,
        op: Op::Read,
        iteration: NO_PASS,
        ts_ms: reading.begun_ms,
        before: None,
        after: Some(body),
    }
}
