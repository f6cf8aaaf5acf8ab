//! The list that the properties move between any two requests.

use std::collections::HashSet;

use crate::domain::ItemId;
use crate::pager::proof::overlap::ItemDigest;
use crate::pager::proof::window::Window;

/// What happens to the list between two requests.
#[derive(Clone, Copy, Debug)]
pub(super) enum Move {
    /// A new item at this place (as a fraction of the length, in thousandths).
    Insert(u16),
    /// The item at this place goes.
    Delete(u16),
    /// The item at this place is changed and moves to the front, as in a list by last change.
    Touch(u16),
    /// The item at this place moves to the front with the bytes that it had.
    Lift(u16),
    /// The item at this place is changed and moves to the end.
    Sink(u16),
}

/// A list of ids with a count of their changes, and which of them have kept their places.
pub(super) struct MovingList {
    pub(super) list: Vec<(i128, u64)>,
    pub(super) steady: HashSet<i128>,
    /// Where a pass changes its page size on the way: the chance by which it does, and the least.
    pub(super) sizes: Option<(fastrand::Rng, u32)>,
    next: i128,
}

impl MovingList {
    pub(super) fn new(items: usize) -> Self {
        let list: Vec<_> = (0..items as i128).map(|id| (id, 0)).collect();
        let steady = list.iter().map(|item| item.0).collect();
        Self { steady, sizes: None, next: items as i128, list }
    }

    pub(super) fn apply(&mut self, change: Move) {
        let place = |thousandths: u16, len: usize| usize::from(thousandths) * len / 1000;
        match change {
            Move::Insert(at) => {
                let at = place(at, self.list.len() + 1);
                self.list.insert(at, (self.next, 0));
                self.next += 1;
            }
            Move::Delete(at) | Move::Touch(at) | Move::Lift(at) | Move::Sink(at) => {
                if self.list.is_empty() {
                    return;
                }
                let (id, changes) = self.list.remove(place(at, self.list.len()));
                self.steady.remove(&id);
                match change {
                    Move::Touch(_) => self.list.insert(0, (id, changes + 1)),
                    Move::Lift(_) => self.list.insert(0, (id, changes)),
                    Move::Sink(_) => self.list.push((id, changes + 1)),
                    Move::Insert(_) | Move::Delete(_) => {}
                }
            }
        }
    }

    pub(super) fn answer(&self, window: Window, cap: u32) -> (Vec<ItemDigest>, u64) {
        let size = window.size.min(cap);
        let window = Window { size, ..window };
        let from = usize::try_from(window.start()).unwrap().min(self.list.len());
        let to = usize::try_from(window.end()).unwrap().min(self.list.len());
        let rows = self.list[from..to]
            .iter()
            .map(|(id, changes)| ItemDigest { id: ItemId::Integer(*id), digest: *changes })
            .collect();
        (rows, self.list.len() as u64)
    }
}
