//! Pages that an earlier writer knew the database to have, as they are kept for the next one. Pure.

use std::collections::HashSet;

use super::page_digest::{PageDigest, hash, hashes};
use crate::domain::{Item, ItemId, stored_form};

/// Pages, whichever, that are kept of one repository for the next writer, of 16 bytes each.
const KEPT: usize = 65_536;

/// Changed items that are remembered of those that the next writer has to look at.
const MOST_CHANGED: usize = 1 << 17;

/// Counts up with every change of the stored form, of the digests of items and pages, and of what is taken for the
/// same item.
const FORMAT: u8 = 1;

/// The bytes of a digest.
const DIGEST_BYTES: usize = 16;

/// The pages that an earlier writer knew and this one has not had yet. Which items they have shows when they
/// come.
#[derive(Debug, Default)]
pub(super) struct RestoredPages {
    pages: HashSet<PageDigest>,
    /// Hashes of the ids of items that have changed since.
    changed: HashSet<u32>,
    /// Whether a pass has ended meanwhile. It may be one of which the earlier writer had the beginning.
    outlived_pass: bool,
}

impl RestoredPages {
    /// Those of these bytes, with the items that have changed since; none where the bytes are damaged or of
    /// another version.
    pub(super) fn read(bytes: &[u8], changed: &[ItemId]) -> Self {
        let digests = stored_form::read(FORMAT, bytes).unwrap_or_default();
        let (digests, _) = digests.as_chunks::<DIGEST_BYTES>();
        let pages = digests.iter().map(|it| PageDigest(u128::from_le_bytes(*it))).collect();
        let mut restored = Self { pages, ..Self::default() };
        restored.note_changed(&hashes(changed.iter()));
        restored
    }

    /// The stored form of these, in any order.
    pub(super) fn written(pages: impl Iterator<Item = PageDigest>) -> Vec<u8> {
        let mut pages: Vec<PageDigest> = pages.collect();
        // So that the same pages are the same bytes.
        pages.sort_unstable();
        pages.truncate(KEPT);
        let bytes: Vec<u8> = pages.iter().flat_map(|page| page.0.to_le_bytes()).collect();
        stored_form::write(FORMAT, &bytes)
    }

    /// Whether the database has this page exactly.
    pub(super) fn has(&self, page: PageDigest, rows: &[(&Item, bool)]) -> bool {
        self.pages.contains(&page)
            && (self.changed.is_empty()
                || !rows.iter().any(|(item, _)| self.changed.contains(&hash(&item.id))))
    }

    /// Whether each has come, or has had a whole pass to do so.
    pub(super) fn have_come(&self) -> bool {
        self.pages.is_empty() || self.outlived_pass
    }

    /// Takes out one that has come.
    pub(super) fn came(&mut self, page: PageDigest) {
        self.pages.remove(&page);
    }

    /// Notes hashes of items that have changed.
    pub(super) fn note_changed(&mut self, items: &[u32]) {
        if self.pages.is_empty() {
            return;
        }
        self.changed.extend(items);
        if self.changed.len() > MOST_CHANGED {
            *self = Self::default();
        }
    }

    /// After a pass: what has not come in a whole one will hardly come any more.
    pub(super) fn end_pass(&mut self) {
        if self.outlived_pass {
            *self = Self::default();
        }
        self.outlived_pass = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_or_of_another_form_is_none() {
        let pages: HashSet<PageDigest> = [3, u128::MAX, 0].map(PageDigest).into();
        let whole = RestoredPages::written(pages.iter().copied());
        assert_eq!(RestoredPages::read(&whole, &[]).pages, pages);
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                let read = RestoredPages::read(&damaged, &[]);
                assert!(read.pages.is_empty(), "bit {bit} of byte {at}");
            }
            assert!(RestoredPages::read(&whole[..at], &[]).pages.is_empty());
        }
    }

    #[test]
    fn more_changes_than_are_remembered_leave_none() {
        let page = PageDigest(1);
        let mut restored = RestoredPages::read(&RestoredPages::written([page].into_iter()), &[]);
        let changed: Vec<u32> = (0..=u32::try_from(MOST_CHANGED).unwrap()).collect();
        restored.note_changed(&changed[1..]);
        assert!(restored.has(page, &[]));
        restored.note_changed(&changed);
        assert!(!restored.has(page, &[]));
    }
}
