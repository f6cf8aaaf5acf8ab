//! Windows: which page request to make next, so that each begins inside the one before.
//!
//! Pure arithmetic over positions in a list that is counted from 0. What shares an item with its
//! neighbour misses nothing between the two; that proof itself is in [`super::overlap`].
//!
//! Always taking the window that reaches furthest is the best plan there is: from a position further
//! down no window reaches less far, so no choice of a nearer one ever pays off later. (Windows that
//! cover a line are the textbook case for being greedy.) Nothing is gained by planning ahead.
//!
//! A window of size `s` begins and ends at multiples of `s`. So no window of any size up to `s`
//! lies across a multiple of `lcm(1, ..., s)`, and there, for very small page sizes only (2520 at
//! 10, beyond 200 million at 20), no overlap can be had: the planner then goes on without one and
//! says so, instead of standing still.

use serde::{Deserialize, Serialize};

/// One page request: a page number and a page size, thus the positions `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The page number, counted from 1 (vendor).
    pub page: u64,
    /// The page size, at least 1.
    pub size: u32,
}

impl Window {
    /// The window of this size that holds this position.
    pub fn holding(position: u64, size: u32) -> Self {
        let size = size.max(1);
        Self { page: (position / u64::from(size)).saturating_add(1), size }
    }

    /// The first position asked for.
    pub fn start(self) -> u64 {
        self.page.saturating_sub(1).saturating_mul(u64::from(self.size))
    }

    /// The first position not asked for any more.
    pub fn end(self) -> u64 {
        self.page.saturating_mul(u64::from(self.size))
    }
}

/// What the planner found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextWindow {
    /// The window to ask for.
    pub window: Window,
    /// Whether it begins inside what is covered; false where no size up to the page size does, and
    /// for plain pages.
    pub overlaps: bool,
}

/// The window that covers most beyond `covered` and begins at least `overlap` positions before it;
/// where no size gives that much overlap and still gets on, with as much as can be had.
///
/// `overlap` counts positions and is at least 1. The first window of a list (nothing covered) is
/// the first whole page.
pub fn next_overlapping(covered: u64, page_size: u32, overlap: u64) -> NextWindow {
    if covered == 0 {
        return NextWindow { window: Window::holding(0, page_size), overlaps: true };
    }
    // A page size of N offers overlaps below N only; asking for more would never get on.
    let mut wanted = overlap.clamp(1, u64::from(page_size.max(2)) - 1).min(covered);
    loop {
        let found = furthest(covered - wanted, page_size).filter(|window| window.end() > covered);
        if let Some(window) = found {
            return NextWindow { window, overlaps: true };
        }
        if wanted == 1 {
            return NextWindow { window: plain_from(covered, page_size), overlaps: false };
        }
        wanted = (wanted / 2).max(1);
    }
}

/// The window to read again with after two neighbours shared nothing: it begins at least `overlap`
/// positions before `covered` and reaches as far as it can, even where that is nothing new.
pub fn step_back(covered: u64, page_size: u32, overlap: u64) -> Window {
    let position = covered.saturating_sub(overlap.max(1));
    furthest(position, page_size).unwrap_or_else(|| Window::holding(position, page_size))
}

/// The vendor's plain page that holds the first position not covered, or, where the page size has
/// changed on the way, the page that begins before it.
pub fn next_plain(covered: u64, page_size: u32) -> NextWindow {
    NextWindow { window: Window::holding(covered, page_size), overlaps: false }
}

/// Of all windows that hold `position`, the one that ends last; of several the smallest.
///
/// Sizes below half the page size need no look: the window of size `s` that holds a position ends
/// at most `s` beyond it, while some size in the upper half reaches at least as far, because the
/// doubled size holds the position too and ends no earlier.
fn furthest(position: u64, page_size: u32) -> Option<Window> {
    let smallest = page_size / 2 + 1;
    (smallest..=page_size)
        .map(|size| Window::holding(position, size))
        .max_by(|a, b| a.end().cmp(&b.end()).then(b.size.cmp(&a.size)))
}

/// The largest window that begins exactly at `covered`; size 1 always does.
fn plain_from(covered: u64, page_size: u32) -> Window {
    let size = (1..=page_size.max(1)).rev().find(|size| covered.is_multiple_of(u64::from(*size)));
    Window::holding(covered, size.unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// How many requests a list of `total` positions takes, until one reaches past its end.
    fn requests(total: u64, page_size: u32) -> u64 {
        let (mut covered, mut count) = (0, 0);
        while covered <= total {
            let planned = next_overlapping(covered, page_size, 1);
            assert!(planned.window.end() > covered, "stands still at {covered}");
            covered = planned.window.end();
            count += 1;
        }
        count
    }

    #[test]
    fn a_page_size_of_ten_has_no_overlap_at_2520_and_gets_on_all_the_same() {
        let planned = next_overlapping(2520, 10, 1);
        assert!(!planned.overlaps);
        assert_eq!(planned.window, Window { page: 253, size: 10 });
        let across = (1..=10).any(|size| {
            let window = Window::holding(2519, size);
            window.end() > 2520
        });
        assert!(!across, "a window lies across 2520 after all");
    }

    #[test]
    fn positions_at_the_limit_of_their_type_overflow_nothing() {
        for covered in [u64::MAX, u64::MAX - 1, u64::MAX / 2] {
            for page_size in [1, 2, 1000] {
                for overlap in [1, u64::MAX] {
                    let _ = next_overlapping(covered, page_size, overlap);
                    let _ = step_back(covered, page_size, overlap);
                    let _ = next_plain(covered, page_size);
                }
            }
        }
    }

    #[test]
    fn overlap_costs_at_most_what_the_design_says() {
        for (page_size, most_percent) in [(1000, 4), (200, 10), (100, 15), (20, 39)] {
            let total = 100_000;
            let plain = total / u64::from(page_size);
            let overlapping = requests(total, page_size);
            println!("page size {page_size}: {overlapping} requests instead of {plain}");
            assert!(
                (overlapping - plain) * 100 <= plain * most_percent,
                "page size {page_size}: {overlapping} requests instead of {plain}"
            );
        }
    }

    /// How many requests the best of all plans takes, found by trying each window from each
    /// position.
    fn fewest_requests(total: u64, page_size: u32) -> Option<u64> {
        let mut reached = BTreeMap::from([(0, 0)]);
        while let Some((covered, count)) = reached.pop_first() {
            if covered > total {
                return Some(count);
            }
            for size in 1..=page_size {
                let end = Window::holding(covered.saturating_sub(1), size).end().min(total + 1);
                if end > covered {
                    let least = reached.entry(end).or_insert(u64::MAX);
                    *least = (*least).min(count + 1);
                }
            }
        }
        None
    }

    #[test]
    fn no_other_plan_takes_fewer_requests() {
        for (page_size, total) in [(7, 400), (10, 2500), (20, 10_000), (100, 5000), (200, 3000)] {
            assert_eq!(fewest_requests(total, page_size), Some(requests(total, page_size)));
        }
    }

    proptest! {
        #[test]
        fn each_window_begins_inside_what_is_covered_and_gets_on(
            page_size in 1_u32..1500, covered in 0_u64..2_000_000, overlap in 1_u64..3000,
        ) {
            let planned = next_overlapping(covered, page_size, overlap);
            prop_assert!(planned.window.size >= 1 && planned.window.size <= page_size);
            prop_assert!(planned.window.end() > covered);
            if covered > 0 && planned.overlaps {
                prop_assert!(planned.window.start() < covered);
                let wanted = overlap.min(u64::from(page_size.max(2)) - 1).min(covered);
                let exists = (1..=page_size)
                    .any(|size| Window::holding(covered - wanted, size).end() > covered);
                prop_assert!(!exists || planned.window.start() <= covered - wanted);
            } else {
                prop_assert_eq!(planned.window.start(), covered);
            }
        }

        #[test]
        fn an_overlap_is_missing_only_where_no_size_has_one(
            page_size in 1_u32..40, covered in 1_u64..100_000,
        ) {
            let exists = (1..=page_size).any(|size| {
                let window = Window::holding(covered - 1, size);
                window.end() > covered
            });
            prop_assert_eq!(next_overlapping(covered, page_size, 1).overlaps, exists);
        }

        #[test]
        fn no_other_window_with_an_overlap_reaches_further(
            page_size in 2_u32..300, covered in 1_u64..100_000,
        ) {
            let planned = next_overlapping(covered, page_size, 1);
            if planned.overlaps {
                let furthest =
                    (1..=page_size).map(|size| Window::holding(covered - 1, size).end()).max();
                prop_assert_eq!(Some(planned.window.end()), furthest);
            }
        }

        #[test]
        fn a_step_back_begins_before_the_overlap_that_was_too_narrow(
            page_size in 1_u32..1500, covered in 1_u64..100_000, overlap in 1_u64..3000,
        ) {
            let window = step_back(covered, page_size, overlap);
            prop_assert!(window.start() <= covered.saturating_sub(overlap));
            prop_assert!(window.end() > covered.saturating_sub(overlap));
        }

        #[test]
        fn plain_pages_hold_the_first_position_not_covered(
            page_size in 1_u32..1500, covered in 0_u64..100_000,
        ) {
            let window = next_plain(covered, page_size).window;
            prop_assert!(window.start() <= covered && window.end() > covered);
            prop_assert_eq!(window.size, page_size);
        }
    }
}
