//! The outlines of the answers of the latest passes, so that the next pass need not read again what
//! has not changed. Pure.
//!
//! Guarantees: they take no more memory than [`ROWS`] rows, however large the repository; where that
//! is not enough, the outlines of the beginning of the list are kept, since a pass that goes through
//! them in their order would find none of those that a cache of the latest keeps.

use std::collections::HashMap;
use std::sync::Arc;

use super::window::Window;
use crate::client::Fingerprints;
use crate::domain::Iteration;

/// Rows kept for one repository, of 16 bytes each: 20 MiB, enough for a million items in pages of
/// some hundreds with their overlaps.
const ROWS: usize = 1_310_720;

/// The outlines of one repository, by the window that was asked for.
#[derive(Debug, Default)]
pub(super) struct Outlines {
    kept: HashMap<Window, Kept>,
    rows: usize,
}

#[derive(Debug)]
struct Kept {
    fingerprints: Arc<Fingerprints>,
    /// The pass that saw it last.
    iteration: Iteration,
}

impl Outlines {
    /// What the answer to this window was like.
    pub(super) fn of(&self, window: Window) -> Option<Arc<Fingerprints>> {
        self.kept.get(&window).map(|kept| Arc::clone(&kept.fingerprints))
    }

    /// Keeps what the answer to this window was like in this pass, if there is room.
    pub(super) fn keep(
        &mut self,
        window: Window,
        fingerprints: Arc<Fingerprints>,
        iteration: Iteration,
    ) {
        if let Some(old) = self.kept.remove(&window) {
            self.rows -= old.fingerprints.len();
        }
        if self.rows + fingerprints.len() <= ROWS {
            self.rows += fingerprints.len();
            self.kept.insert(window, Kept { fingerprints, iteration });
        }
    }

    /// Makes room after a pass: windows that it did not ask for will hardly be asked for again.
    pub(super) fn end_pass(&mut self, iteration: Iteration) {
        self.kept.retain(|_, kept| kept.iteration == iteration);
        self.rows = self.kept.values().map(|kept| kept.fingerprints.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outline of an answer with this many items.
    fn fingerprints(rows: usize) -> Arc<Fingerprints> {
        Arc::new(Fingerprints::of_rows(rows))
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for_and_the_beginning_stays() {
        let mut outlines = Outlines::default();
        for page in 1..=100 {
            outlines.keep(Window { page, size: 1000 }, fingerprints(ROWS / 10), Iteration::FIRST);
        }
        assert_eq!(outlines.rows, ROWS);
        assert!(outlines.of(Window { page: 10, size: 1000 }).is_some());
        assert!(outlines.of(Window { page: 11, size: 1000 }).is_none());
    }

    #[test]
    fn a_newer_outline_takes_the_place_of_the_older() {
        let mut outlines = Outlines::default();
        let window = Window { page: 1, size: 10 };
        for rows in [10, 7, 9] {
            outlines.keep(window, fingerprints(rows), Iteration::FIRST);
            assert_eq!((outlines.rows, outlines.of(window).unwrap().len()), (rows, rows));
        }
    }

    #[test]
    fn what_a_pass_did_not_ask_for_is_dropped_at_its_end() {
        let mut outlines = Outlines::default();
        let (first, second) = (Window { page: 1, size: 10 }, Window { page: 2, size: 10 });
        outlines.keep(first, fingerprints(10), Iteration::FIRST);
        outlines.keep(second, fingerprints(10), Iteration::FIRST);
        outlines.keep(second, fingerprints(8), Iteration::FIRST.next());
        outlines.end_pass(Iteration::FIRST.next());
        assert!(outlines.of(first).is_none());
        assert_eq!(outlines.rows, 8);
    }
}
