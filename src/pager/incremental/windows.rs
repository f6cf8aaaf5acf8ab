//! Which windows an incremental pass asks for, one after the other.
//!
//! Pure. Each begins inside the one before, as those of a whole pass do: an item that goes meanwhile
//! pushes no other one out of sight. It proves nothing: where neighbours share nothing it steps back a few
//! times and then goes on. Guarantees: the pass ends,
//! whatever the answers are, and says whether it came to the end of the list.

use std::collections::HashSet;

use crate::domain::{IdSet, ItemId};
use crate::pager::proof::pass::PassSettings;
use crate::pager::proof::window::{Window, next_overlapping, next_plain, step_back};

/// How often in a row a window is read again because it shared nothing with the one before.
const STEP_BACKS: u32 = 3;

/// A page of so few rows is believed to be the last one.
const SURELY_NOT_CUT: u64 = 2;

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// There is more to ask for.
    More,
    /// The list ends here.
    End,
    /// The answers lead nowhere.
    Stuck,
}

/// The windows of one pass.
#[derive(Debug)]
pub(super) struct IncrementalWindows {
    page_size: u32,
    overlap: bool,
    /// The longest answer that the server is known to give.
    longest: u64,
    covered: u64,
    previous: HashSet<ItemId>,
    seen: IdSet,
    stepped_back: u32,
    next: Window,
}

impl IncrementalWindows {
    /// From the top. `longest` is the longest answer that the server is known to have given.
    pub(super) fn new(settings: PassSettings, longest: u64) -> Self {
        let page_size = settings.page_size.max(1);
        Self {
            page_size,
            overlap: settings.overlap,
            longest,
            covered: 0,
            previous: HashSet::new(),
            seen: IdSet::new(),
            stepped_back: 0,
            next: Window::holding(0, page_size),
        }
    }

    /// The window to ask for.
    pub(super) fn next(&self) -> Window {
        self.next
    }

    /// Takes the answer to that window: its ids, how many rows it has in all, and the total that it
    /// announces.
    pub(super) fn take(&mut self, ids: HashSet<ItemId>, rows: u64, total: u64) -> Taken {
        let window = self.next;
        let overlaps = self.overlap && self.covered > 0 && window.start() < self.covered;
        if overlaps && self.previous.is_disjoint(&ids) && self.stepped_back < STEP_BACKS {
            self.stepped_back += 1;
            let back = u64::from(self.page_size / 4).max(1) << self.stepped_back;
            // The list may have become shorter than where the window began.
            self.next = step_back(self.covered.min(total), self.page_size, back);
            return Taken::More;
        }
        if rows == 0 {
            return Taken::End;
        }
        let (before, full) = (self.covered, rows >= u64::from(window.size));
        self.covered = self.covered.max(window.start().saturating_add(rows));
        for id in &ids {
            self.seen.insert(id);
        }
        // A server whose lists never end goes over the same items again and again.
        let is_new = self.seen.count() >= self.covered / 2;
        let gets_on = self.covered > before && is_new && !ids.is_subset(&self.previous);
        self.previous = ids;
        let at_end = !full && self.covered >= total;
        if at_end && (rows <= SURELY_NOT_CUT || rows < self.longest) {
            return Taken::End;
        }
        self.longest = self.longest.max(rows);
        let read_again = self.stepped_back > 0 && is_new && self.stepped_back < 2 * STEP_BACKS;
        if gets_on {
            self.stepped_back = 0;
        } else if read_again && self.covered < total {
            // What was read again reaches no further; the next one begins inside it.
            self.stepped_back += 1;
        } else {
            // A page over again behind all that was announced is no more than that.
            return if self.covered >= total { Taken::End } else { Taken::Stuck };
        }
        if !full && let Ok(rows) = u32::try_from(rows) {
            // The server cuts its pages: smaller ones it does not cut.
            self.page_size = self.page_size.min(rows);
        }
        self.next = if self.overlap {
            next_overlapping(self.covered, self.page_size, 1).window
        } else {
            next_plain(self.covered, self.page_size).window
        };
        Taken::More
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn ids(window: Window, list: &[u64], most: u64) -> HashSet<ItemId> {
        let at = |place: u64| usize::try_from(place).unwrap().min(list.len());
        let end = window.end().min(window.start().saturating_add(most));
        let rows = &list[at(window.start())..at(end)];
        rows.iter().map(|id| ItemId::Integer((*id).into())).collect()
    }

    /// Reads a list to its end; `moves` are made one before each request.
    fn read(
        page_size: u32,
        most: u64,
        mut list: Vec<u64>,
        moves: impl IntoIterator<Item = usize>,
    ) -> (HashSet<ItemId>, Vec<u64>, usize, Taken) {
        let settings = PassSettings { page_size, overlap: true };
        let mut windows = IncrementalWindows::new(settings, most.min(u64::from(page_size)));
        let (mut moves, mut seen, mut asked) = (moves.into_iter(), HashSet::new(), 0);
        loop {
            if let Some(place) = moves.next()
                && place < list.len()
            {
                list.remove(place);
            }
            let found = ids(windows.next(), &list, most);
            let rows = found.len() as u64;
            seen.extend(found.clone());
            asked += 1;
            match windows.take(found, rows, list.len() as u64) {
                Taken::More => assert!(asked < 10_000, "it does not end"),
                end => return (seen, list, asked, end),
            }
        }
    }

    #[test]
    fn what_fits_into_one_page_takes_one_request() {
        for items in [0, 1, 5, 99] {
            let (seen, _, asked, end) = read(100, 100, (0..items).collect(), []);
            assert_eq!((seen.len() as u64, asked, end), (items, 1, Taken::End), "{items}");
        }
    }

    #[test]
    fn a_server_that_cuts_its_pages_is_read_to_the_end() {
        for most in [1, 7, 50, 99] {
            let (seen, _, _, end) = read(100, most, (0..500).collect(), []);
            assert_eq!((seen.len(), end), (500, Taken::End), "at most {most}");
        }
    }

    #[test]
    fn a_server_that_answers_one_page_for_all_ends_the_pass() {
        let settings = PassSettings { page_size: 10, overlap: true };
        let mut windows = IncrementalWindows::new(settings, 10);
        let page: HashSet<ItemId> = (0..10).map(ItemId::Integer).collect();
        assert_eq!(windows.take(page.clone(), 10, 1000), Taken::More);
        assert_eq!(windows.take(page, 10, 1000), Taken::Stuck);
    }

    proptest! {
        #[test]
        fn what_stays_is_read_while_items_go(
            page_size in 20_u32..60, items in 0_u64..400,
            gone in proptest::collection::vec(0_usize..400, 0..12),
        ) {
            let (seen, left, _, end) = read(page_size, u64::MAX, (0..items).collect(), gone);
            prop_assert_eq!(end, Taken::End);
            for id in left {
                prop_assert!(seen.contains(&ItemId::Integer(id.into())), "{} was missed", id);
            }
        }

        #[test]
        fn any_answers_at_all_end_a_pass(
            page_size in 1_u32..30, overlap: bool, longest in 0_u64..30,
            answers in proptest::collection::vec((0_u64..40, 0_u64..400, 0_i128..60), 1..20),
        ) {
            let settings = PassSettings { page_size, overlap };
            let mut windows = IncrementalWindows::new(settings, longest);
            let mut asked = 0;
            for (rows, total, first) in answers.iter().cycle() {
                let ids = (*first..*first + i128::from(*rows)).map(ItemId::Integer).collect();
                if windows.take(ids, *rows, *total) != Taken::More {
                    break;
                }
                asked += 1;
                prop_assert!(asked < 5000, "it does not end");
            }
        }
    }
}
