//! How many items a page usually has: latencies of pages of other sizes are not to be compared. Pure.

use std::ops::RangeInclusive;

/// Pages within these parts of the usual number of items are alike; smaller ones are too quick to
/// compare, as is the last page of a list.
const ALIKE: RangeInclusive<f64> = 0.75..=1.34;

/// How many pages in a row of another size make that size the usual one.
const NEW_SIZE: u32 = 8;

/// The usual number of items of a page.
#[derive(Debug, Default)]
pub(super) struct UsualSize {
    items: Option<usize>,
    /// Pages in a row of another size.
    unusual: u32,
}

/// What the size of a page is beside the usual one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SizeComparison {
    /// Much the same.
    Alike,
    /// Another.
    Unusual,
    /// Another, and the usual one from now on.
    NewUsual,
}

impl UsualSize {
    /// Takes a page of so many items.
    pub(super) fn compare(&mut self, items: usize) -> SizeComparison {
        let Some(usual) = self.items else {
            self.items = (items > 0).then_some(items);
            return if items > 0 { SizeComparison::Alike } else { SizeComparison::Unusual };
        };
        if ALIKE.contains(&(items as f64 / usual as f64)) {
            self.unusual = 0;
            return SizeComparison::Alike;
        }
        self.unusual += 1;
        if self.unusual < NEW_SIZE || items == 0 {
            return SizeComparison::Unusual;
        }
        *self = Self { items: Some(items), unusual: 0 };
        SizeComparison::NewUsual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_comes_again_and_again_becomes_the_usual_one() {
        let mut usual = UsualSize::default();
        assert_eq!(usual.compare(0), SizeComparison::Unusual, "an empty page is no measure");
        for alike in [200, 200, 160, 260] {
            assert_eq!(usual.compare(alike), SizeComparison::Alike);
        }
        for _ in 1..NEW_SIZE {
            assert_eq!(usual.compare(50), SizeComparison::Unusual);
        }
        assert_eq!(usual.compare(200), SizeComparison::Alike, "they were not in a row");
        for _ in 1..NEW_SIZE {
            assert_eq!(usual.compare(50), SizeComparison::Unusual);
        }
        assert_eq!(usual.compare(50), SizeComparison::NewUsual);
        assert_eq!(usual.compare(50), SizeComparison::Alike);
        assert_eq!(usual.compare(200), SizeComparison::Unusual);
    }
}
