//! The fingerprints of the answers of the latest passes, so that the next pass need not read again what
//! has not changed. Pure.
//!
//! They outlive the process: after each pass the mirror is handed those that are new, and one that begins
//! takes them from there.
//!
//! Guarantees: they take no more memory than [`ROWS`] rows, however large the repository, and less than
//! that in the mirror; where that is not enough, the fingerprints of the beginning of the list are kept, since
//! a pass that goes through them in their order would find none of those that a cache of the latest keeps.
//! After a pass in which nothing changed nothing is handed over.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::client::Fingerprints;
use crate::domain::Iteration;
use crate::json::JsonPointer;
use crate::mirror::{KnowledgeUpdate, KnownAnswer};
use crate::pager::proof::window::Window;

/// Rows kept for one repository, of 16 bytes each: 20 MiB, enough for a million items in pages of
/// some hundreds with their overlaps.
const ROWS: usize = 1_310_720;

/// What the mirror is handed at once, in bytes, and one answer more: little enough for a page of another
/// repository to wait for it.
const HANDED_OVER_AT_ONCE: usize = 512 << 10;

/// So many answers at most are forgotten at once.
const FORGOTTEN_AT_ONCE: usize = 4096;

/// The fingerprints of one repository, by the window that was asked for.
#[derive(Debug, Default)]
pub(crate) struct FingerprintCache {
    cached: HashMap<Window, CachedFingerprints>,
    rows: usize,
    /// The windows of which the mirror has any.
    in_mirror: HashSet<Window>,
}

#[derive(Debug)]
struct CachedFingerprints {
    fingerprints: Arc<Fingerprints>,
    /// The pass that saw it last.
    iteration: Iteration,
    /// Whether the mirror has just these.
    is_kept: bool,
}

impl FingerprintCache {
    /// Takes those that an earlier process has kept, of items that carry their ids there, as if this pass
    /// had seen them: it may be one that was interrupted, and that has seen them indeed.
    pub(crate) fn restore(
        &mut self,
        answers: Vec<KnownAnswer>,
        pointer: &JsonPointer,
        iteration: Iteration,
    ) {
        for KnownAnswer { page, size, bytes } in answers {
            let window = Window { page, size };
            self.in_mirror.insert(window);
            // What cannot be read is forgotten after the pass, or replaced.
            if let Some(fingerprints) = Fingerprints::from_bytes(&bytes, pointer) {
                self.put(window, Arc::new(fingerprints), iteration, true);
            }
        }
    }

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
        let old = self.cached.remove(&window);
        let is_kept = old.is_some_and(|old| {
            self.rows -= old.fingerprints.len();
            old.is_kept && old.fingerprints == fingerprints
        });
        self.put(window, fingerprints, iteration, is_kept);
    }

    fn put(
        &mut self,
        window: Window,
        fingerprints: Arc<Fingerprints>,
        iteration: Iteration,
        is_kept: bool,
    ) {
        if self.rows + fingerprints.len() <= ROWS {
            self.rows += fingerprints.len();
            self.cached.insert(window, CachedFingerprints { fingerprints, iteration, is_kept });
        }
    }

    /// Makes room after a pass: windows that it did not ask for will hardly be asked for again. Returns what
    /// the mirror is to be told, in parts.
    pub(crate) fn end_pass(&mut self, iteration: Iteration) -> Vec<KnowledgeUpdate> {
        self.cached.retain(|_, cached| cached.iteration == iteration);
        self.rows = self.cached.values().map(|cached| cached.fingerprints.len()).sum();
        let mut forgotten: Vec<Window> =
            self.in_mirror.iter().filter(|it| !self.cached.contains_key(*it)).copied().collect();
        // In an order, so that neighbours come to lie beside each other.
        forgotten.sort_unstable_by_key(|window| (window.size, window.page));
        let mut updates: Vec<KnowledgeUpdate> = forgotten
            .chunks(FORGOTTEN_AT_ONCE)
            .map(|windows| KnowledgeUpdate {
                forgotten: windows.iter().map(|window| (window.page, window.size)).collect(),
                ..KnowledgeUpdate::default()
            })
            .collect();
        let mut new: Vec<(&Window, &mut CachedFingerprints)> =
            self.cached.iter_mut().filter(|(_, cached)| !cached.is_kept).collect();
        new.sort_unstable_by_key(|(window, _)| (window.size, window.page));
        let (mut known, mut bytes) = (Vec::new(), 0);
        for (&Window { page, size }, cached) in new {
            cached.is_kept = true;
            let answer = KnownAnswer { page, size, bytes: cached.fingerprints.to_bytes() };
            bytes += answer.bytes.len();
            known.push(answer);
            if bytes >= HANDED_OVER_AT_ONCE {
                bytes = 0;
                let known = std::mem::take(&mut known);
                updates.push(KnowledgeUpdate { known, ..KnowledgeUpdate::default() });
            }
        }
        updates.push(KnowledgeUpdate { known, ..KnowledgeUpdate::default() });
        updates.retain(|update| !update.is_empty());
        self.in_mirror = self.cached.keys().copied().collect();
        updates
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

    /// What the mirror has after these updates, by window.
    fn kept(updates: Vec<KnowledgeUpdate>, before: &[KnownAnswer]) -> Vec<KnownAnswer> {
        let mut kept = before.to_vec();
        for KnowledgeUpdate { habits, known, forgotten } in updates {
            assert_eq!(habits, None);
            let names = |it: &KnownAnswer| (it.page, it.size);
            kept.retain(|it| {
                !forgotten.contains(&names(it)) && !known.iter().any(|new| names(new) == names(it))
            });
            kept.extend(known);
        }
        kept.sort_by_key(|it| (it.size, it.page));
        kept
    }

    fn pointer() -> JsonPointer {
        "/itemId".parse().unwrap()
    }

    #[test]
    fn the_mirror_is_told_of_what_is_new_and_of_nothing_after_a_pass_without_changes() {
        let mut cache = FingerprintCache::default();
        let window = |page| Window { page, size: 10 };
        let (first, second, third) =
            (Iteration::FIRST, Iteration::FIRST.next(), Iteration::FIRST.next().next());
        for page in 1..4 {
            cache.keep(window(page), fingerprints(10), first);
        }
        let kept_first = kept(cache.end_pass(first), &[]);
        assert_eq!(kept_first.iter().map(|it| it.page).collect::<Vec<_>>(), [1, 2, 3]);
        for page in 1..4 {
            cache.keep(window(page), fingerprints(10), second);
        }
        assert_eq!(cache.end_pass(second), []);
        cache.keep(window(1), fingerprints(10), third);
        cache.keep(window(2), fingerprints(9), third);
        let updates = cache.end_pass(third);
        let forgotten: Vec<_> = updates.iter().flat_map(|it| it.forgotten.clone()).collect();
        let known: Vec<_> = updates.iter().flat_map(|it| &it.known).map(|it| it.page).collect();
        assert_eq!((forgotten, known), (vec![(3, 10)], vec![2]));
    }

    #[test]
    fn what_an_earlier_process_kept_is_there_and_what_is_damaged_goes() {
        let mut cache = FingerprintCache::default();
        for page in 1..4 {
            cache.keep(Window { page, size: 10 }, fingerprints(10), Iteration::FIRST);
        }
        let mut kept_before = kept(cache.end_pass(Iteration::FIRST), &[]);
        kept_before[1].bytes[20] ^= 1;
        let mut next = FingerprintCache::default();
        next.restore(kept_before.clone(), &pointer(), Iteration(7));
        let is_known =
            |cache: &FingerprintCache, page| cache.of(Window { page, size: 10 }).is_some();
        assert_eq!([1, 2, 3].map(|page| is_known(&next, page)), [true, false, true]);
        assert_eq!(next.rows, 20);
        // The first pass may be one that was interrupted: what it has seen before then stays.
        let after = kept(next.end_pass(Iteration(7)), &kept_before);
        assert_eq!(after.iter().map(|it| it.page).collect::<Vec<_>>(), [1, 3]);
        next.keep(Window { page: 3, size: 10 }, fingerprints(10), Iteration(8));
        let after = kept(next.end_pass(Iteration(8)), &after);
        assert_eq!(after.iter().map(|it| it.page).collect::<Vec<_>>(), [3]);
        // Of items that carry their ids elsewhere nothing is known.
        let mut other = FingerprintCache::default();
        other.restore(after, &"/id".parse().unwrap(), Iteration(9));
        assert_eq!(other.rows, 0);
    }

    #[test]
    fn what_the_mirror_is_handed_at_once_is_bounded() {
        let mut cache = FingerprintCache::default();
        for page in 1..=200 {
            cache.keep(Window { page, size: 1000 }, fingerprints(1000), Iteration::FIRST);
        }
        let updates = cache.end_pass(Iteration::FIRST);
        assert!(updates.len() > 1);
        let size = |update: &KnowledgeUpdate| update.known.iter().map(|it| it.bytes.len()).sum();
        let sizes: Vec<usize> = updates.iter().map(size).collect();
        assert!(sizes.iter().all(|size| *size < HANDED_OVER_AT_ONCE + (20 << 10)), "{sizes:?}");
        assert_eq!(updates.iter().map(|it| it.known.len()).sum::<usize>(), 200);
    }
}
