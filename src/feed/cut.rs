//! Which of the changes that are next make a batch. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::batch::FeedLine;
use crate::domain::{ItemId, RepositoryId, Sequence};

/// The most runs of neighbouring sequences in a batch, so that what is kept of one stays far below the room
/// that a store has for it.
pub const MOST_RUNS: usize = 2000;

/// How large a batch may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// The most changes.
    pub count: usize,
    /// The most bytes of envelopes, unless it is one change alone.
    pub bytes: usize,
}

/// What is parked of a feed, or held behind what is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParkedItems {
    items: BTreeMap<(RepositoryId, ItemId), ParkedItem>,
    count: usize,
}

/// What is parked of an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ParkedItem {
    sequences: BTreeSet<Sequence>,
    /// Whether all of that is to be delivered again, what comes to be held meanwhile included.
    is_released: bool,
}

/// What is done with the changes that are next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CutBatch {
    /// These are sent.
    pub lines: Vec<FeedLine>,
    /// These are held behind the change that is named.
    pub held: Vec<(FeedLine, Sequence)>,
    /// Up to this one nothing is left to be done once these are.
    pub through: Sequence,
}

impl ParkedItems {
    /// Takes note of a change that is parked or held.
    pub fn park(&mut self, repository: RepositoryId, item: ItemId, sequence: Sequence) {
        let parked = self.items.entry((repository, item)).or_default();
        self.count += usize::from(parked.sequences.insert(sequence));
    }

    /// Takes note that what is parked of an item is to be delivered again.
    pub fn release(&mut self, repository: RepositoryId, item: &ItemId) {
        if let Some(parked) = self.items.get_mut(&(repository, item.clone())) {
            parked.is_released = true;
        }
    }

    /// Takes note that it is not, because it was refused again; returns all that is parked of the item.
    pub fn refuse(&mut self, repository: RepositoryId, item: &ItemId) -> Vec<Sequence> {
        let Some(parked) = self.items.get_mut(&(repository, item.clone())) else {
            return Vec::new();
        };
        parked.is_released = false;
        parked.sequences.iter().copied().collect()
    }

    /// Takes note that these are not parked any more.
    pub fn unpark(&mut self, sequences: &[Sequence]) {
        let gone: BTreeSet<&Sequence> = sequences.iter().collect();
        self.keep(|sequence| !gone.contains(sequence));
    }

    /// Takes note that nothing is; returns what was.
    pub fn take_all(&mut self) -> Vec<Sequence> {
        let items = std::mem::take(self).items;
        items.into_values().flat_map(|parked| parked.sequences).collect()
    }

    /// The first of what is to be delivered again, in the order of sequences.
    pub fn released(&self, limit: usize) -> Vec<Sequence> {
        let released = self.items.values().filter(|parked| parked.is_released);
        let mut sequences: Vec<_> =
            released.flat_map(|parked| &parked.sequences).copied().collect();
        sequences.sort_unstable();
        sequences.truncate(limit.min(MOST_RUNS));
        sequences
    }

    /// The change that later ones of an item are held behind.
    pub fn first(&self, repository: RepositoryId, item: &ItemId) -> Option<Sequence> {
        // Almost always there is none, and no key needs to be made.
        if self.items.is_empty() {
            return None;
        }
        self.items.get(&(repository, item.clone()))?.sequences.first().copied()
    }

    /// Whether what is parked of an item is to be delivered again.
    pub fn is_released(&self, repository: RepositoryId, item: &ItemId) -> bool {
        let parked = self.items.get(&(repository, item.clone()));
        parked.is_some_and(|parked| parked.is_released)
    }

    /// Whether this very change is parked or held.
    fn holds(&self, line: &FeedLine) -> bool {
        let parked = self.items.get(&(line.repository, line.item.clone()));
        parked.is_some_and(|parked| parked.sequences.contains(&line.sequence))
    }

    /// How many changes up to this one are.
    pub fn count_through(&self, last: Sequence) -> u64 {
        let count = |parked: &ParkedItem| parked.sequences.range(..=last).count() as u64;
        self.items.values().map(count).sum()
    }

    /// Takes note that what is parked up to this change is no more.
    pub fn drop_through(&mut self, last: Sequence) {
        self.keep(|sequence| *sequence > last);
    }

    /// Forgets all others.
    fn keep(&mut self, is_kept: impl Fn(&Sequence) -> bool) {
        for parked in self.items.values_mut() {
            let before = parked.sequences.len();
            parked.sequences.retain(&is_kept);
            self.count -= before - parked.sequences.len();
        }
        self.items.retain(|_, parked| !parked.sequences.is_empty());
    }

    /// How many changes are.
    pub fn count(&self) -> usize {
        self.count
    }
}

/// Cuts a batch off the front of `lines`, which are all that belong to the feed up to `scanned_through`, in
/// the order of their sequence. At least one is taken, whatever its size; what is not taken stays.
pub fn cut(
    lines: &mut VecDeque<FeedLine>,
    scanned_through: Sequence,
    parked: &ParkedItems,
    limits: BatchLimits,
) -> CutBatch {
    let mut batch = CutBatch { through: scanned_through, ..CutBatch::default() };
    let (mut bytes, mut runs, mut next) = (0_usize, 0_usize, None);
    while let Some(line) = lines.pop_front() {
        if let Some(first) = parked.first(line.repository, &line.item) {
            if !parked.holds(&line) {
                batch.held.push((line, first));
            }
            continue;
        }
        let starts_run = next != Some(line.sequence);
        let is_full = batch.lines.len() >= limits.count.max(1)
            || bytes.saturating_add(line.envelope.len()) > limits.bytes
            || (starts_run && runs >= MOST_RUNS);
        if is_full && !batch.lines.is_empty() {
            batch.through = Sequence(line.sequence.0.saturating_sub(1));
            lines.push_front(line);
            break;
        }
        bytes = bytes.saturating_add(line.envelope.len());
        runs += usize::from(starts_run);
        next = Some(Sequence(line.sequence.0.saturating_add(1)));
        batch.lines.push(line);
    }
    batch
}
