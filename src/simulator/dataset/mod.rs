//! The repositories: which items there are, in which order, at which revision.
//!
//! Per item it keeps sixteen bytes: a record of revision, last change and its time, found by the item's slot
//! (its running number), and the slot's place in the list. The list is a plain vector of 4-byte
//! slots: a deep window is a slice, and an insertion or deletion moves at most four megabytes in
//! a repository of a million items, which is a fraction of a millisecond. What an item looks like
//! is the catalog's business.
//!
//! Item ids are unique over all repositories, since the vendor's call for one item names no
//! repository; they ascend with gaps, as ids of real servers do, and are never used again.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;

use crate::simulator::catalog::mix;
use crate::simulator::churn::{Churn, ChurnEvent, Rates};
use crate::simulator::conditions::Wanted;
use crate::simulator::item::SimulatedItem;
use crate::simulator::options::{Order, RepositoryOptions};
use crate::task::clock;

/// The first item id of the first repository.
const FIRST_ITEM_ID: u64 = 5_000_000;
/// Each repository's ids lie in a block of this many.
const IDS_PER_REPOSITORY: u64 = 100_000_000;
/// Ids are spread so that on average one in this many is in use.
const ID_GAP: u64 = 3;
/// When change number 0 was, of those before the start: 2024-01-01T00:00:00Z, in seconds since 1970. Each
/// of these is one second later, whatever the clock says: the same seed gives the same bytes.
const FIRST_STAMP: u64 = 1_704_067_200;
/// A repository takes no insertion beyond this many items ever made.
const MOST_SLOTS: usize = 33_000_000;

#[derive(Clone, Copy, Debug)]
struct SimulatedRecord {
    /// 0 once the item is gone.
    revision: u32,
    change: u32,
    /// When that was, in milliseconds since the start; 0: before.
    at_ms: u32,
}

/// One repository.
#[derive(Debug)]
pub(super) struct SimulatedRepository {
    pub(super) id: u64,
    pub(super) name: String,
    order: Order,
    /// The repository's place among the repositories: where its block of item ids begins.
    first_item_id: u64,
    records: Vec<SimulatedRecord>,
    list: Vec<u32>,
    last_change: u32,
    /// When the repository began, in milliseconds since 1970.
    started_ms: u64,
    /// How long after that what happens happens.
    now: Duration,
    /// How much later changes claim to be.
    pub(super) ahead: Duration,
    rng: Rng,
    churn: Churn,
    /// Ids of items that no search shows.
    hidden: BTreeSet<u64>,
    /// Whether searches show none at all.
    pub(super) looks_empty: bool,
    /// What happened since the start.
    pub(super) history: ChurnCounts,
    /// The last window answered, for the fault that repeats it.
    pub(super) last_window: (usize, usize),
}

/// How many items came, went and changed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ChurnCounts {
    pub(super) inserted: u64,
    pub(super) deleted: u64,
    pub(super) updated: u64,
}

/// Why an edit could not be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum EditError {
    /// A place was named where the order decides.
    #[error("only a shuffled repository lets a place be chosen")]
    PlaceIsFixed,
    /// The item does not exist, or no longer.
    #[error("there is no item {0}")]
    NoSuchItem(u64),
    /// The block of item ids is used up.
    #[error("the repository has used up its item ids")]
    Full,
}

impl SimulatedRepository {
    /// The repository at its start; `index` is its place among the repositories.
    pub(super) fn new(
        options: &RepositoryOptions,
        index: usize,
        order: Order,
        rates: Rates,
        seed: u64,
    ) -> Self {
        let mut rng = Rng::with_seed(mix(seed ^ mix(options.id)));
        let count = u32::try_from(options.items.min(MOST_SLOTS)).unwrap_or(u32::MAX);
        let mut list: Vec<u32> = (0..count).collect();
        rng.shuffle(&mut list);
        let mut records = vec![SimulatedRecord { revision: 1, change: 0, at_ms: 0 }; list.len()];
        // The shuffled list is the order of last change, newest first.
        for (change, slot) in (1..=count).rev().zip(&list) {
            if let Some(record) = records.get_mut(position(*slot)) {
                record.change = change;
            }
        }
        if order == Order::Id {
            list = (0..count).collect();
        }
        Self {
            id: options.id,
            name: match options.id {
                // As in the vendor's example, and in the demo.
                10_149 => "Products".to_owned(),
                10_150 => "Brands".to_owned(),
                id => format!("Products {id}"),
            },
            order,
            first_item_id: FIRST_ITEM_ID + (index as u64) * IDS_PER_REPOSITORY,
            records,
            list,
            last_change: count,
            started_ms: u64::try_from(clock::now_ms()).unwrap_or(0),
            now: Duration::ZERO,
            ahead: Duration::ZERO,
            rng,
            churn: Churn::new(rates, Duration::ZERO),
            hidden: BTreeSet::new(),
            looks_empty: false,
            history: ChurnCounts::default(),
            last_window: (0, 0),
        }
    }

    /// Lets everything happen that has fallen due up to `now` (time since the start).
    pub(super) fn advance(&mut self, now: Duration) {
        for (event, due) in self.churn.take_due(now) {
            self.now = due;
            let place = if self.list.is_empty() { 0 } else { self.rng.usize(..self.list.len()) };
            match event {
                // A repository that is full takes no more; nobody waits for an answer here.
                ChurnEvent::Insert => drop(self.insert(None)),
                ChurnEvent::Delete => self.delete_at(place),
                ChurnEvent::Update => self.update_at(place),
            }
        }
        self.now = now;
    }

    /// The rates of change in force.
    pub(super) fn rates(&self) -> Rates {
        self.churn.rates()
    }

    /// Replaces the rates of change from `now` (time since the start) on.
    pub(super) fn set_rates(&mut self, rates: Rates, now: Duration) {
        self.churn.set(rates, now);
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// How many items a search shows.
    pub(super) fn shown(&self) -> usize {
        if self.looks_empty { 0 } else { self.list.len() - self.hidden.len() }
    }

    /// The items at the places `[start, start + length)` of the list as a search shows it.
    pub(super) fn search(&self, start: usize, length: usize) -> Vec<SimulatedItem> {
        if self.looks_empty {
            return Vec::new();
        }
        if self.hidden.is_empty() {
            return self.window(start, length);
        }
        let entries = self.list.iter().filter_map(|slot| self.entry(*slot));
        let shown = entries.filter(|entry| !self.hidden.contains(&entry.id));
        shown.skip(start).take(length).collect()
    }

    /// Those at such places of the items that are wanted, and how many are.
    pub(super) fn select(
        &self,
        wanted: &Wanted,
        start: usize,
        length: usize,
    ) -> (Vec<SimulatedItem>, usize) {
        if wanted.is_all() || self.looks_empty {
            return (self.search(start, length), self.shown());
        }
        let entries = self.list.iter().filter_map(|slot| self.entry(*slot));
        let all = wanted.of_all(entries.filter(|entry| !self.hidden.contains(&entry.id)));
        (all.iter().skip(start).take(length).copied().collect(), all.len())
    }

    /// The items at the places `[start, start + length)` of the list, fewer where it ends before.
    pub(super) fn window(&self, start: usize, length: usize) -> Vec<SimulatedItem> {
        let start = start.min(self.list.len());
        let end = start.saturating_add(length).min(self.list.len());
        self.list[start..end].iter().filter_map(|slot| self.entry(*slot)).collect()
    }

    /// The item of this id, if it is there.
    pub(super) fn item(&self, id: u64) -> Option<SimulatedItem> {
        self.slot(id).and_then(|slot| self.entry(slot))
    }

    /// Adds a new item where the order wants it, or in a shuffled repository at `place`.
    pub(super) fn insert(&mut self, place: Option<usize>) -> Result<u64, EditError> {
        if place.is_some() && self.order != Order::Shuffled {
            return Err(EditError::PlaceIsFixed);
        }
        if self.records.len() >= MOST_SLOTS {
            return Err(EditError::Full);
        }
        let slot = u32::try_from(self.records.len()).map_err(|_| EditError::Full)?;
        self.last_change += 1;
        let at_ms = self.now_ms();
        self.records.push(SimulatedRecord { revision: 1, change: self.last_change, at_ms });
        let place = match (self.order, place) {
            (Order::Id, _) => self.list.len(),
            (Order::Modified, _) => 0,
            (Order::Shuffled, Some(place)) => place.min(self.list.len()),
            (Order::Shuffled, None) => self.rng.usize(..=self.list.len()),
        };
        self.list.insert(place, slot);
        self.history.inserted += 1;
        Ok(self.item_id(slot))
    }

    /// Keeps an item from searches; it is still there.
    pub(super) fn hide(&mut self, id: u64) -> Result<(), EditError> {
        self.item(id).ok_or(EditError::NoSuchItem(id))?;
        self.hidden.insert(id);
        Ok(())
    }

    /// Lets searches show a hidden item again.
    pub(super) fn show(&mut self, id: u64) -> Result<(), EditError> {
        self.hidden.remove(&id).then_some(()).ok_or(EditError::NoSuchItem(id))
    }

    /// Lets searches show all items again.
    pub(super) fn show_all(&mut self) {
        self.hidden.clear();
    }

    /// Takes the first items of the list away at once.
    pub(super) fn clear(&mut self, count: usize) {
        let slots: Vec<u32> = self.list.drain(..count.min(self.list.len())).collect();
        for slot in slots {
            self.forget(slot);
        }
    }

    /// Takes an item away.
    pub(super) fn delete(&mut self, id: u64) -> Result<(), EditError> {
        let place = self.place(id)?;
        self.delete_at(place);
        Ok(())
    }

    /// Gives an item a new revision.
    pub(super) fn update(&mut self, id: u64) -> Result<(), EditError> {
        let place = self.place(id)?;
        self.update_at(place);
        Ok(())
    }

    /// Moves an item of a shuffled repository to another place, without a new revision.
    pub(super) fn move_to(&mut self, id: u64, place: usize) -> Result<(), EditError> {
        if self.order != Order::Shuffled {
            return Err(EditError::PlaceIsFixed);
        }
        let from = self.place(id)?;
        let slot = self.list.remove(from);
        self.list.insert(place.min(self.list.len()), slot);
        Ok(())
    }

    fn delete_at(&mut self, place: usize) {
        if place >= self.list.len() {
            return;
        }
        let slot = self.list.remove(place);
        self.forget(slot);
    }

    /// Makes a slot that has left the list that of an item that is gone.
    fn forget(&mut self, slot: u32) {
        if let Some(record) = self.records.get_mut(position(slot)) {
            record.revision = 0;
        }
        self.hidden.remove(&self.item_id(slot));
        self.history.deleted += 1;
    }

    fn update_at(&mut self, place: usize) {
        let Some(slot) = self.list.get(place).copied() else { return };
        self.last_change += 1;
        let at_ms = self.now_ms();
        if let Some(record) = self.records.get_mut(position(slot)) {
            record.revision += 1;
            record.change = self.last_change;
            record.at_ms = at_ms;
        }
        if self.order == Order::Modified {
            // One move of what stood before it, instead of a removal and an insertion.
            self.list[..=place].rotate_right(1);
        }
        self.history.updated += 1;
    }

    /// Where in the list an item stands.
    fn place(&self, id: u64) -> Result<usize, EditError> {
        let gone = EditError::NoSuchItem(id);
        let Some(slot) = self.slot(id) else { return Err(gone) };
        let Some(entry) = self.entry(slot) else { return Err(gone) };
        let place = match self.order {
            Order::Id => self.list.binary_search(&slot).ok(),
            Order::Modified => self
                .list
                .binary_search_by(|other| {
                    let change = self.entry(*other).map_or(0, |entry| entry.change);
                    entry.change.cmp(&change)
                })
                .ok(),
            Order::Shuffled => self.list.iter().position(|other| *other == slot),
        };
        place.ok_or(gone)
    }

    fn entry(&self, slot: u32) -> Option<SimulatedItem> {
        let record = self.records.get(position(slot))?;
        (record.revision > 0).then(|| SimulatedItem {
            id: self.item_id(slot),
            revision: record.revision,
            change: record.change,
            changed_ms: match record.at_ms {
                0 => (FIRST_STAMP + u64::from(record.change)) * 1000,
                at_ms => self.started_ms + u64::from(at_ms),
            },
        })
    }

    /// How long after the start it is, in milliseconds; at least one.
    fn now_ms(&self) -> u32 {
        u32::try_from((self.now + self.ahead).as_millis()).unwrap_or(u32::MAX).max(1)
    }

    fn item_id(&self, slot: u32) -> u64 {
        let slot = u64::from(slot);
        self.first_item_id + slot * ID_GAP + mix(slot) % ID_GAP
    }

    fn slot(&self, id: u64) -> Option<u32> {
        let slot = u32::try_from(id.checked_sub(self.first_item_id)? / ID_GAP).ok()?;
        (self.item_id(slot) == id).then_some(slot)
    }
}

/// A slot as an index. Slots are made from indices, so it always fits.
fn position(slot: u32) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
