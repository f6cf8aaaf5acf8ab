//! When what is known of an item was asked for: what keeps an answer that was asked for earlier from
//! overwriting what one that was asked for later has written.
//!
//! Whole and incremental passes read side by side, and answers overtake each other. Guarantees: of two
//! answers that show an item the one that was asked for later counts, in whichever order they are
//! written; an item that was deleted is not brought back by an answer that was asked for before; and
//! what incremental passes have seen since a whole pass began is known to the end of that pass. Kept is
//! only what an answer that is still out could undo, and ids of items that the mirror has.
//!
//! [`ReadingRegister`] is pure: the time is an argument.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::domain::{IdSet, ItemId};

/// A request that is out: when it was made, at the latest, and which of that moment it is.
type ReadingTicket = (Instant, u64);

/// Who has read what, and when, as far as it still matters.
#[derive(Debug, Default)]
pub(super) struct ReadingRegister {
    out: BTreeSet<ReadingTicket>,
    made: u64,
    /// When the answer was asked for that an item was written by last, or when it was deleted; of items
    /// that an earlier answer, which is still out, may show.
    latest: HashMap<ItemId, Instant>,
    /// What incremental passes have seen since the whole pass under way began.
    sighted: IdSet,
}

impl ReadingRegister {
    /// A request is made.
    pub(super) fn begin(&mut self, now: Instant) -> ReadingTicket {
        self.made += 1;
        let ticket = (now, self.made);
        self.out.insert(ticket);
        ticket
    }

    /// What a request brought has been written, or never will be.
    pub(super) fn end(&mut self, ticket: ReadingTicket) {
        let was_oldest = self.out.first() == Some(&ticket);
        self.out.remove(&ticket);
        match self.out.first() {
            None => self.latest.clear(),
            Some((oldest, _)) if was_oldest => self.latest.retain(|_, read| *read > *oldest),
            Some(_) => {}
        }
    }

    /// Whether this item was written by an answer that was asked for later than `begun`, or deleted
    /// since.
    pub(super) fn is_overtaken(&self, id: &ItemId, begun: Instant) -> bool {
        self.latest.get(id).is_some_and(|read| *read > begun)
    }

    /// These items are written as an answer shows them that was asked for at `begun`.
    pub(super) fn note<'a>(
        &mut self,
        ticket: Option<ReadingTicket>,
        begun: Instant,
        ids: impl IntoIterator<Item = &'a ItemId>,
    ) {
        let is_older = |other: &ReadingTicket| Some(*other) != ticket && other.0 <= begun;
        if !self.out.iter().take(2).any(is_older) {
            return;
        }
        for id in ids {
            let read = self.latest.entry(id.clone()).or_insert(begun);
            *read = begun.max(*read);
        }
    }
}

/// The register as all lanes of a pager share it.
#[derive(Debug, Default)]
pub struct Readings(Mutex<ReadingRegister>);

impl Readings {
    /// A request is made: before it is sent.
    pub(super) fn begin(self: &Arc<Self>) -> Reading {
        let ticket = self.register().begin(Instant::now());
        Reading { readings: Arc::clone(self), ticket }
    }

    /// These items are deleted.
    pub(super) fn deleted(&self, ids: &[ItemId]) {
        self.register().note(None, Instant::now(), ids);
    }

    /// A whole pass begins.
    pub(super) fn begin_pass(&self) {
        self.register().sighted = IdSet::new();
    }

    /// An incremental pass has seen these items.
    pub(super) fn sighted<'a>(&self, ids: impl IntoIterator<Item = &'a ItemId>) {
        let mut register = self.register();
        for id in ids {
            register.sighted.insert(id);
        }
    }

    /// Takes out of these what an incremental pass has seen since the whole pass began.
    pub(super) fn retain_unsighted(&self, ids: &mut Vec<ItemId>) {
        let register = self.register();
        ids.retain(|id| !register.sighted.contains(id));
    }

    /// Takes out of this set what an incremental pass has seen since the whole pass began.
    pub(super) fn subtract_sighted(&self, ids: &mut IdSet) {
        ids.subtract(&self.register().sighted);
    }

    /// Held for a few instructions an item, never across an await.
    fn register(&self) -> MutexGuard<'_, ReadingRegister> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is out, until this is dropped: once what it brought is written, or nobody wants it any
/// more.
#[derive(Debug)]
pub struct Reading {
    readings: Arc<Readings>,
    ticket: ReadingTicket,
}

impl Reading {
    /// For each of these ids of an answer that was asked for at `begun` whether it is overtaken; those that
    /// are not are taken for written.
    pub(super) fn take<'a>(
        &self,
        begun: Instant,
        ids: impl Iterator<Item = &'a ItemId> + Clone,
    ) -> Vec<bool> {
        let mut register = self.readings.register();
        let overtaken: Vec<bool> = ids.clone().map(|id| register.is_overtaken(id, begun)).collect();
        let written = ids.zip(&overtaken).filter(|(_, overtaken)| !**overtaken).map(|(id, _)| id);
        register.note(Some(self.ticket), begun, written);
        overtaken
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.readings.register().end(self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// What may happen to one of the requests.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// Another request is made.
        Ask,
        /// One of those that are out is answered and written: which, counted from the oldest.
        Write(usize),
        /// The answer of one is not wanted any more.
        Drop(usize),
        /// An item is deleted.
        Delete(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Ask),
            4 => any::<usize>().prop_map(Step::Write),
            1 => any::<usize>().prop_map(Step::Drop),
            1 => (0_u8..4).prop_map(Step::Delete),
        ]
    }

    proptest! {
        #[test]
        fn what_was_asked_for_later_stands_in_whichever_order_answers_are_written(
            steps in proptest::collection::vec(step(), 0..60),
        ) {
            let start = Instant::now();
            let mut register = ReadingRegister::default();
            let mut out: Vec<ReadingTicket> = Vec::new();
            // What each item was read, or deleted, at last by the mirror, and what is right.
            let mut mirror: HashMap<u8, Instant> = HashMap::new();
            let mut right: HashMap<u8, Instant> = HashMap::new();
            for (number, step) in steps.into_iter().enumerate() {
                let now = start + Duration::from_secs(number as u64);
                match step {
                    Step::Ask => out.push(register.begin(now)),
                    Step::Write(which) if !out.is_empty() => {
                        let ticket = out.remove(which % out.len());
                        // Each answer shows all four items but one.
                        for id in (0..4).filter(|id| u64::from(*id) != ticket.1 % 4) {
                            let item = ItemId::Integer(id.into());
                            if !register.is_overtaken(&item, ticket.0) {
                                register.note(Some(ticket), ticket.0, [&item]);
                                mirror.insert(id, ticket.0);
                            }
                            let known = right.entry(id).or_insert(ticket.0);
                            *known = ticket.0.max(*known);
                        }
                        register.end(ticket);
                    }
                    Step::Drop(which) if !out.is_empty() => {
                        register.end(out.remove(which % out.len()));
                    }
                    Step::Delete(id) => {
                        register.note(None, now, [&ItemId::Integer(id.into())]);
                        mirror.insert(id, now);
                        right.insert(id, now);
                    }
                    Step::Write(_) | Step::Drop(_) => {}
                }
                prop_assert_eq!(&mirror, &right);
                prop_assert!(!out.is_empty() || register.latest.is_empty(), "it keeps too much");
            }
        }
    }

    #[test]
    fn what_was_seen_is_known_until_the_next_whole_pass_begins() {
        let readings = Arc::new(Readings::default());
        let ids = [ItemId::Integer(1), ItemId::Integer(2)];
        readings.sighted(&ids[..1]);
        let left = |readings: &Readings| {
            let mut left = ids.to_vec();
            readings.retain_unsighted(&mut left);
            left.len()
        };
        assert_eq!(left(&readings), 1);
        readings.begin_pass();
        assert_eq!(left(&readings), 2);
    }
}
