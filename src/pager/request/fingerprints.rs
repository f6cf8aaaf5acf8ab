//! The fingerprints of the answers of the latest passes, so that the next pass need not read again what
//! has not changed. Pure.
//!
//! Guarantees: they take no more memory than [`ROWS`] rows, however large the repository; where that
//! is not enough, the fingerprints of the beginning of the list are kept, since a pass that goes through
//! them in their order would find none of those that a cache of the latest keeps.

use std::collections::HashMap;
use std::sync::Arc;

use crate::client::Fingerprints;
use crate::domain::Iteration;
use crate::pager::proof::window::Window;

/// Rows kept for one repository, of 16 bytes each: 20 MiB, enough for a million items in pages of
/// some hundreds with their overlaps.
const ROWS: usize = 1_310_720;

/// The fingerprints of one repository, by the window that was asked for.
#[derive(Debug, Default)]
pub(crate) struct FingerprintCache {
    cached: HashMap<Window, CachedFingerprints>,
    rows: usize,
}

#[derive(Debug)]
struct CachedFingerprints {
    fingerprints: Arc<Fingerprints>,
    /// The pass that saw it last.
    iteration: Iteration,
}

impl FingerprintCache {
    /// What the answer to this window was like.
    pub(crate) fn of(&self, window: Window) -> Option<Arc<Fingerprints>> {
        self.cached.get(&window).map(|cached| Arc::clone(&cached.fingerprints))
    }

    /// Keeps what the answer to this window was like in this pass, if there is room.
    pub(crate) fn keep(
        &mut self,
        window: Window,
        fingerprints: Arc<Fingerprints>,
        iteration: Iteration,
    ) {
        if let Some(old) = self.cached.remove(&window) {
            self.rows -= old.fingerprints.len();
        }
        if self.rows + fingerprints.len() <= ROWS {
            self.rows += fingerprints.len();
            self.cached.insert(window, CachedFingerprints { fingerprints, iteration });
        }
    }

    /// Makes room after a pass: windows that it did not ask for will hardly be asked for again.
    pub(crate) fn end_pass(&mut self, iteration: Iteration) {
        self.cached.retain(|_, cached| cached.iteration == iteration);
        self.rows = self.cached.values().map(|cached| cached.fingerprints.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fingerprints of an answer with this many items.
    fn fingerprints(rows: usize) -> Arc<Fingerprints> {
        Arc::new(Fingerprints::of_rows(rows))
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for_and_the_beginning_stays() {
        let mut cache = FingerprintCache::default();
        for page in 1..=100 {
            cache.keep(Window { page, size: 1000 }, fingerprints(ROWS / 10), Iteration::FIRST);
        }
        assert_eq!(cache.rows, ROWS);
        assert!(cache.of(Window { page: 10, size: 1000 }).is_some());
        assert!(cache.of(Window { page: 11, size: 1000 }).is_none());
    }

    #[test]
    fn newer_fingerprints_take_the_place_of_the_older() {
        let mut cache = FingerprintCache::default();
        let window = Window { page: 1, size: 10 };
        for rows in [10, 7, 9] {
            cache.keep(window, fingerprints(rows), Iteration::FIRST);
            assert_eq!((cache.rows, cache.of(window).unwrap().len()), (rows, rows));
        }
    }

    #[test]
    fn what_a_pass_did_not_ask_for_is_dropped_at_its_end() {
        let mut cache = FingerprintCache::default();
        let (first, second) = (Window { page: 1, size: 10 }, Window { page: 2, size: 10 });
        cache.keep(first, fingerprints(10), Iteration::FIRST);
        cache.keep(second, fingerprints(10), Iteration::FIRST);
        cache.keep(second, fingerprints(8), Iteration::FIRST.next());
        cache.end_pass(Iteration::FIRST.next());
        assert!(cache.of(first).is_none());
        assert_eq!(cache.rows, 8);
    }
}
