//! What a pass can be asked.

use super::{Pass, PassCounts, PassVerdict};
use crate::domain::{IdSet, ItemId};

impl Pass {
    /// The verdict, once the pass has ended.
    pub fn verdict(&self) -> Option<PassVerdict> {
        self.verdict
    }

    /// What has been counted so far.
    pub fn counts(&self) -> PassCounts {
        PassCounts { distinct: self.seen.count(), ..self.counts }
    }

    /// For each row of the answer that was taken last and could be read whether its id was new to
    /// the pass.
    pub fn newly_seen(&self) -> &[bool] {
        &self.newly_seen
    }

    /// Whether the answer that was taken last is the one with which the next must share an item.
    pub fn latest_is_previous(&self) -> bool {
        self.latest_is_previous
    }

    /// The ids seen, for the reconciliation of what is missing. Leaves none behind.
    pub fn take_seen(&mut self) -> IdSet {
        std::mem::take(&mut self.seen)
    }

    /// Some items that the server had a moment ago: of the answer accepted last.
    pub fn probes(&self) -> impl Iterator<Item = &ItemId> {
        self.previous.iter().flat_map(|range| range.rows.iter().flatten().map(|row| &row.id))
    }

    /// Takes note of an item that an answer showed, but not in a form that can be read.
    pub fn sighted(&mut self, id: &ItemId) {
        self.seen.insert(id);
    }

    /// The positions before this one are read.
    pub fn covered(&self) -> u64 {
        self.covered
    }
}
