//! Pages that the database has exactly: such a page needs no look at its items. Pure.
//!
//! The fence proves that nobody but its writer has written the repository since the last transaction of
//! that writer. So what a writer found in the database, or wrote there, is still so until it changes it
//! itself. The next writer takes over what this one knew as of some change, and the log tells it what has
//! changed since.
//!
//! Guarantees: no page is known that has an item which was updated or deleted since; a page that is
//! known is compared with the database all the same in one pass of sixteen, so that what somebody did to the
//! tables by hand is found; the memory is bounded by [`ROWS`], and some 4 MiB of what the writer before has
//! left, however large the repository; where that is not enough, the beginning of the list is known, as with
//! the fingerprints of answers.

use std::collections::HashMap;

use super::page_digest::{PageDigest, hashes};
use super::restored_pages::RestoredPages;
use crate::domain::{Item, ItemId, Iteration};

/// Rows known of one repository, of 4 bytes each: 5 MiB, as many rows as the pager has fingerprints of.
const ROWS: usize = 1_310_720;

/// The pages of one repository that the database has exactly.
#[derive(Debug, Default)]
pub(super) struct KnownPages {
    pages: HashMap<PageDigest, KnownPage>,
    rows: usize,
    restored: RestoredPages,
    /// Whether nothing has been lost since the writer loaded or a pass ended.
    is_whole: bool,
}

#[derive(Debug)]
struct KnownPage {
    /// Hashes of its ids, sorted. Where two ids have the same one, more is forgotten than need be.
    ids: Box<[u32]>,
    /// The last pass that had it.
    iteration: Iteration,
}

impl KnownPages {
    /// What an earlier writer knew, with the items that have changed since; nothing where the bytes are damaged
    /// or of another version.
    pub(super) fn restored(bytes: &[u8], changed: &[ItemId]) -> Self {
        let restored = RestoredPages::read(bytes, changed);
        Self { restored, is_whole: true, ..Self::default() }
    }

    /// What the next writer may begin with once this pass has ended; `None`: what is kept stays, because not all of
    /// it has come again, or what came again was lost.
    pub(super) fn to_keep(&self, iteration: Iteration) -> Option<Vec<u8>> {
        if !self.is_whole || !self.restored.have_come() {
            return None;
        }
        let of_pass = self.pages.iter().filter(|(_, page)| page.iteration == iteration);
        Some(RestoredPages::written(of_pass.map(|(digest, _)| *digest)))
    }

    /// Whether the database has this page exactly, and need not be asked in this pass.
    pub(super) fn has(
        &self,
        page: PageDigest,
        rows: &[(&Item, bool)],
        iteration: Iteration,
    ) -> bool {
        let is_known = self.pages.contains_key(&page) || self.restored.has(page, rows);
        is_known && !page.is_due(iteration)
    }

    /// Notes that the database has this page exactly, if there is room.
    pub(super) fn add(&mut self, page: PageDigest, rows: &[(&Item, bool)], iteration: Iteration) {
        if let Some(known) = self.pages.get_mut(&page) {
            known.iteration = iteration;
        } else if self.rows + rows.len() <= ROWS {
            self.rows += rows.len();
            let ids = hashes(rows.iter().map(|(item, _)| &item.id));
            self.pages.insert(page, KnownPage { ids, iteration });
            self.restored.came(page);
        }
    }

    /// Forgets the pages that have one of these items.
    pub(super) fn forget<'a>(&mut self, items: impl Iterator<Item = &'a ItemId>) {
        let items = hashes(items);
        if items.is_empty() {
            return;
        }
        self.restored.note_changed(&items);
        let rows = &mut self.rows;
        self.pages.retain(|_, page| {
            let stays = !have_common(&page.ids, &items);
            *rows -= if stays { 0 } else { page.ids.len() };
            stays
        });
    }

    /// Makes room after a pass: pages that it did not have will hardly come again.
    pub(super) fn end_pass(&mut self, iteration: Iteration) {
        self.pages.retain(|_, page| page.iteration == iteration);
        self.rows = self.pages.values().map(|page| page.ids.len()).sum();
        self.restored.end_pass();
        self.is_whole = true;
    }
}

/// Whether two sorted lists have anything in common.
fn have_common(one: &[u32], other: &[u32]) -> bool {
    let (few, many) = if one.len() < other.len() { (one, other) } else { (other, one) };
    // A walk along both looks at each of the many, a search at a few of them for each of the few.
    let looks = many.len().checked_ilog2().unwrap_or(0) as usize + 1;
    if few.len().saturating_mul(looks) < many.len() {
        return few.iter().any(|hash| many.binary_search(hash).is_ok());
    }
    let mut many = many.iter().peekable();
    few.iter().any(|hash| {
        while many.next_if(|it| *it < hash).is_some() {}
        many.peek() == Some(&hash)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn items(ids: impl IntoIterator<Item = i128>, body: &'static str) -> Vec<Item> {
        let item = |id| Item::new(ItemId::Integer(id), Bytes::from_static(body.as_bytes()));
        ids.into_iter().map(item).collect()
    }

    fn rows(items: &[Item]) -> Vec<(&Item, bool)> {
        items.iter().map(|item| (item, false)).collect()
    }

    fn digest(items: &[Item]) -> PageDigest {
        PageDigest::of(&rows(items), &[])
    }

    #[test]
    fn no_more_is_known_than_there_is_room_for_and_the_beginning_stays() {
        let mut known = KnownPages::default();
        let pages = [0, 1, 2].map(|page| items((page * 1000)..(page + 1) * 1000, "{}"));
        known.rows = ROWS - 2000;
        for page in &pages {
            known.add(digest(page), &rows(page), Iteration(1));
            known.add(digest(page), &rows(page), Iteration(1));
        }
        assert_eq!((known.rows, known.pages.len()), (ROWS, 2));
        assert!(!known.pages.contains_key(&digest(&pages[2])));
        known.add(digest(&pages[1]), &rows(&pages[1]), Iteration(2));
        known.end_pass(Iteration(2));
        assert_eq!((known.rows, known.pages.len()), (1000, 1));
    }

    #[test]
    fn what_an_earlier_writer_knew_is_kept_until_a_whole_pass_has_shown_what_has_come_again() {
        let pages = [0, 1].map(|page| items((page * 10)..(page + 1) * 10, "{}"));
        // What was lost in the middle of a pass is no reason to lose what is kept.
        let mut known = KnownPages::default();
        assert_eq!(known.to_keep(Iteration(1)), None);
        known.end_pass(Iteration(1));
        assert_eq!(known.to_keep(Iteration(2)), Some(RestoredPages::written([].into_iter())));
        let mut known = KnownPages::restored(&[], &[]);
        for page in &pages {
            known.add(digest(page), &rows(page), Iteration(1));
        }
        let kept = known.to_keep(Iteration(1)).unwrap();
        // The next writer goes on in the middle of a pass.
        let mut known = KnownPages::restored(&kept, &[]);
        known.add(digest(&pages[1]), &rows(&pages[1]), Iteration(2));
        assert_eq!(known.to_keep(Iteration(2)), None);
        known.end_pass(Iteration(2));
        let is_known = |known: &KnownPages| {
            (3..5).any(|pass| known.has(digest(&pages[0]), &rows(&pages[0]), Iteration(pass)))
        };
        assert!(is_known(&known));
        known.add(digest(&pages[1]), &rows(&pages[1]), Iteration(3));
        let kept = known.to_keep(Iteration(3)).unwrap();
        assert_eq!(kept, RestoredPages::written([digest(&pages[1])].into_iter()));
        known.end_pass(Iteration(3));
        assert!(!is_known(&known));
    }

    proptest! {
        #[test]
        fn the_next_writer_knows_the_pages_of_which_no_item_has_changed(
            pages in prop::collection::vec(prop::collection::btree_set(0_i128..60, 1..30), 1..8),
            before in prop::collection::btree_set(0_i128..60, 0..5),
            after in prop::collection::btree_set(0_i128..60, 0..5),
        ) {
            let mut known = KnownPages::restored(&[], &[]);
            for page in &pages {
                let page = items(page.iter().copied(), "{}");
                known.add(digest(&page), &rows(&page), Iteration(1));
            }
            let ids = |ids: &BTreeSet<i128>| -> Vec<ItemId> {
                ids.iter().copied().map(ItemId::Integer).collect()
            };
            let mut next = KnownPages::restored(&known.to_keep(Iteration(1)).unwrap(), &ids(&before));
            next.forget(ids(&after).iter());
            for ids in &pages {
                let page = items(ids.iter().copied(), "{}");
                let stays = ids.is_disjoint(&before) && ids.is_disjoint(&after);
                let is_known = (2..4).any(|pass| next.has(digest(&page), &rows(&page), Iteration(pass)));
                prop_assert_eq!(is_known, stays);
            }
        }

        #[test]
        fn a_page_is_known_until_one_of_its_items_changes(
            pages in prop::collection::vec(prop::collection::btree_set(0_i128..60, 0..30), 0..8),
            changed in prop::collection::btree_set(0_i128..60, 0..10),
        ) {
            let mut known = KnownPages::default();
            for page in &pages {
                let page = items(page.iter().copied(), "{}");
                known.add(digest(&page), &rows(&page), Iteration(1));
            }
            let ids: Vec<ItemId> = changed.iter().copied().map(ItemId::Integer).collect();
            known.forget(ids.iter());
            let mut count = 0;
            for ids in pages.iter().collect::<BTreeSet<_>>() {
                let page = items(ids.iter().copied(), "{}");
                let stays = ids.is_disjoint(&changed);
                prop_assert_eq!(known.pages.contains_key(&digest(&page)), stays);
                count += if stays { ids.len() } else { 0 };
            }
            prop_assert_eq!(known.rows, count);
        }
    }
}
