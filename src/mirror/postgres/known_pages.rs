//! Pages that the database has exactly: such a page needs no look at its items. Pure.
//!
//! The fence proves that nobody but its writer has written the repository since the last transaction of
//! that writer. So what a writer found in the database, or wrote there, is still so until it changes it
//! itself.
//!
//! Guarantees: no page is known that has an item which was updated or deleted since; a page that is
//! known is compared with the database all the same in one pass of [`COMPARED_EVERY`], so that what
//! somebody did to the tables by hand is found; the memory is bounded by [`ROWS`], however large the
//! repository, and where that is not enough, the beginning of the list is known, as with the fingerprints
//! of answers.

use std::collections::HashMap;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::domain::{Item, ItemId, Iteration};
use crate::json::JsonPointer;

/// Rows known of one repository, of 4 bytes each: 5 MiB, as many rows as the pager has fingerprints of.
const ROWS: usize = 1_310_720;

/// In one pass of so many a page is compared with the database although it is known. Which pass that
/// is differs from page to page.
const COMPARED_EVERY: u64 = 16;

/// What a page is recognised by: its ids, the digests of its items, and how they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PageDigest(u128);

impl PageDigest {
    /// That of these rows.
    pub(super) fn of(rows: &[(&Item, bool)], ignore: &[JsonPointer]) -> Self {
        let mut bytes = Vec::with_capacity(rows.len() * 32);
        for (item, _) in rows {
            match &item.id {
                ItemId::Integer(number) => {
                    bytes.push(0);
                    bytes.extend(number.to_le_bytes());
                }
                ItemId::Text(text) => {
                    bytes.push(1);
                    add_text(&mut bytes, text);
                }
            }
            bytes.extend(item.digest.to_le_bytes());
        }
        for pointer in ignore {
            bytes.push(2);
            add_text(&mut bytes, &pointer.to_string());
        }
        Self(xxh3_128(&bytes))
    }

    /// Whether this page is to be compared in this pass in any case.
    fn is_due(self, iteration: Iteration) -> bool {
        let share = u128::from(iteration.0 % COMPARED_EVERY) + self.0 % u128::from(COMPARED_EVERY);
        share.is_multiple_of(u128::from(COMPARED_EVERY))
    }
}

fn add_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(text.len().to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// The pages of one repository that the database has exactly.
#[derive(Debug, Default)]
pub(super) struct KnownPages {
    pages: HashMap<PageDigest, KnownPage>,
    rows: usize,
}

#[derive(Debug)]
struct KnownPage {
    /// Hashes of its ids, sorted. Where two ids have the same one, more is forgotten than need be.
    ids: Box<[u32]>,
    /// The last pass that had it.
    iteration: Iteration,
}

impl KnownPages {
    /// Whether the database has this page exactly, and need not be asked in this pass.
    pub(super) fn has(&self, page: PageDigest, iteration: Iteration) -> bool {
        self.pages.contains_key(&page) && !page.is_due(iteration)
    }

    /// Notes that the database has this page exactly, if there is room.
    pub(super) fn add(&mut self, page: PageDigest, rows: &[(&Item, bool)], iteration: Iteration) {
        if let Some(known) = self.pages.get_mut(&page) {
            known.iteration = iteration;
        } else if self.rows + rows.len() <= ROWS {
            self.rows += rows.len();
            let ids = hashes(rows.iter().map(|(item, _)| &item.id));
            self.pages.insert(page, KnownPage { ids, iteration });
        }
    }

    /// Forgets the pages that have one of these items.
    pub(super) fn forget<'a>(&mut self, items: impl Iterator<Item = &'a ItemId>) {
        let items = hashes(items);
        if items.is_empty() {
            return;
        }
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
    }
}

/// Hashes of ids, sorted.
fn hashes<'a>(ids: impl Iterator<Item = &'a ItemId>) -> Box<[u32]> {
    let hash = |id: &ItemId| {
        let hash = match id {
            ItemId::Integer(number) => xxh3_64(&number.to_le_bytes()),
            ItemId::Text(text) => xxh3_64(text.as_bytes()),
        };
        // Half of a good hash is one, too.
        let [half @ .., _, _, _, _] = hash.to_le_bytes();
        u32::from_le_bytes(half)
    };
    let mut hashes: Box<[u32]> = ids.map(hash).collect();
    hashes.sort_unstable();
    hashes
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
    fn a_page_is_recognised_by_all_that_its_comparison_depends_on() {
        let one = items([1, 2], "{}");
        assert_eq!(digest(&one), digest(&items([1, 2], "{}")));
        for other in
            [items([1, 3], "{}"), items([1, 2], "[]"), items([2, 1], "{}"), items([1], "{}")]
        {
            assert_ne!(digest(&one), digest(&other));
        }
        let text = Item::new(ItemId::Text("1".into()), Bytes::from_static(b"{}"));
        assert_ne!(digest(&[text]), digest(&items([1], "{}")));
        let ignored = PageDigest::of(&rows(&one), &["/a".parse().unwrap()]);
        assert_ne!(digest(&one), ignored);
        // What a page sees for the first time is no matter of what the database has.
        let seen: Vec<(&Item, bool)> = one.iter().map(|item| (item, true)).collect();
        assert_eq!(digest(&one), PageDigest::of(&seen, &[]));
    }

    #[test]
    fn each_page_is_compared_in_one_pass_of_sixteen_and_not_all_in_the_same() {
        let mut due = BTreeSet::new();
        for id in 0..100 {
            let page = digest(&items([id], "{}"));
            let passes: Vec<u64> = (1..33).filter(|pass| page.is_due(Iteration(*pass))).collect();
            assert_eq!((passes.len(), passes[1] - passes[0]), (2, COMPARED_EVERY));
            due.insert(passes[0]);
        }
        assert!(due.len() > 8, "{due:?}");
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

    proptest! {
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
