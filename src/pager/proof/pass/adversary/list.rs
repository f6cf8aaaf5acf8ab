//! The list that the adversary moves.

use crate::domain::ItemId;
use crate::pager::proof::overlap::ItemDigest;
use crate::pager::proof::window::Window;

/// A list of ids with a count of their changes, and which of them have kept their places.
pub(super) struct AdversaryList {
    pub(super) list: Vec<(usize, u64)>,
    /// By id: whether the item was there from the beginning and neither went nor moved.
    pub(super) steady: Vec<bool>,
}

impl AdversaryList {
    pub(super) fn new(items: usize) -> Self {
        Self { list: (0..items).map(|id| (id, 0)).collect(), steady: vec![true; items] }
    }

    pub(super) fn insert(&mut self, at: usize) {
        let id = self.steady.len();
        self.steady.push(false);
        self.list.insert(at.min(self.list.len()), (id, 0));
    }

    pub(super) fn take_out(&mut self, at: usize) -> Option<(usize, u64)> {
        let at = at.min(self.list.len().checked_sub(1)?);
        let item = self.list.remove(at);
        self.steady[item.0] = false;
        Some(item)
    }

    pub(super) fn touch(&mut self, at: usize) {
        if let Some((id, changes)) = self.take_out(at) {
            self.list.insert(0, (id, changes + 1));
        }
    }

    pub(super) fn lift(&mut self, at: usize) {
        if let Some(item) = self.take_out(at) {
            self.list.insert(0, item);
        }
    }

    pub(super) fn sink(&mut self, at: usize) {
        if let Some((id, changes)) = self.take_out(at) {
            self.list.push((id, changes + 1));
        }
    }

    /// Other bytes in the same place.
    pub(super) fn edit(&mut self, at: usize) {
        if let Some(item) = self.list.get_mut(at) {
            item.1 += 1;
        }
    }

    pub(super) fn answer(&self, window: Window, cap: u32) -> (Vec<ItemDigest>, u64) {
        let window = Window { size: window.size.min(cap.max(1)), ..window };
        let len = self.list.len();
        let (from, to) = (position(window.start()).min(len), position(window.end()).min(len));
        let row =
            |&(id, digest): &(usize, u64)| ItemDigest { id: ItemId::Integer(id as i128), digest };
        (self.list[from..to].iter().map(row).collect(), len as u64)
    }
}

pub(super) fn position(at: u64) -> usize {
    usize::try_from(at).expect("a position in a list of this size")
}
