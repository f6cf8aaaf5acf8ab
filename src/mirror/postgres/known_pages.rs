//! Pages that the database has exactly: such a page needs no look at its items. Pure.
//!
//! The fence proves that nobody but its writer has written the repository since the last transaction of
//! that writer. So what a writer found in the database, or wrote there, is still so until it changes it
//! itself. The next writer takes over what this one knew as of some change, and the log tells it what has
//! changed since.
//!
//! Guarantees: no page is known that has an item which was updated or deleted since; a page that is
//! known is compared with the database all the same in one pass of [`COMPARED_EVERY`], so that what
//! somebody did to the tables by hand is found; the memory is bounded by [`ROWS`], however large the
//! repository, and where that is not enough, the beginning of the list is known, as with the fingerprints
//! of answers.

use std::collections::{HashMap, HashSet};

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::domain::{Item, ItemId, Iteration};
use crate::json::JsonPointer;

/// Rows known of one repository, of 4 bytes each: 5 MiB, as many rows as the pager has fingerprints of.
const ROWS: usize = 1_310_720;

/// In one pass of so many a page is compared with the database although it is known. Which pass that
/// is differs from page to page.
const COMPARED_EVERY: u64 = 16;

/// Pages, whichever, that are kept of one repository for the next writer, of 16 bytes each.
const KEPT: usize = 65_536;

/// Changed items that are remembered of those that the next writer has to look at.
const MOST_CHANGED: usize = 1 << 17;

/// Counts up with every change of the stored form, of the digests of items and pages, and of what is taken for the
/// same item.
const FORMAT: u8 = 1;

/// The bytes of the hash between the format and what it is of.
const HASH_BYTES: usize = 8;

/// What a page is recognised by: its ids, the digests of its items, and how they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    restored: RestoredPages,
    /// Whether nothing has been lost since the writer loaded or a pass ended.
    is_whole: bool,
}

/// The pages that an earlier writer knew and this one has not had yet. Which items they have shows when they
/// come.
#[derive(Debug, Default)]
struct RestoredPages {
    pages: HashSet<PageDigest>,
    /// Hashes of the ids of items that have changed since.
    changed: HashSet<u32>,
    /// Whether a pass has ended meanwhile. It may be one of which the earlier writer had the beginning.
    outlived_pass: bool,
}

impl RestoredPages {
    fn has(&self, page: PageDigest, rows: &[(&Item, bool)]) -> bool {
        self.pages.contains(&page)
            && (self.changed.is_empty()
                || !rows.iter().any(|(item, _)| self.changed.contains(&hash(&item.id))))
    }

    fn note_changed(&mut self, items: &[u32]) {
        if self.pages.is_empty() {
            return;
        }
        self.changed.extend(items);
        if self.changed.len() > MOST_CHANGED {
            *self = Self::default();
        }
    }
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
        let mut restored = RestoredPages { pages: read(bytes), ..RestoredPages::default() };
        restored.note_changed(&hashes(changed.iter()));
        Self { restored, is_whole: true, ..Self::default() }
    }

    /// What the next writer may begin with once this pass has ended; `None`: what is kept stays, because not all of
    /// it has come again, or what came again was lost.
    pub(super) fn to_keep(&self, iteration: Iteration) -> Option<Vec<u8>> {
        let Self { pages, restored, is_whole, .. } = self;
        let all_came = restored.pages.is_empty() || restored.outlived_pass;
        if !is_whole || !all_came {
            return None;
        }
        let of_pass = pages.iter().filter(|(_, page)| page.iteration == iteration);
        let mut digests: Vec<PageDigest> = of_pass.map(|(digest, _)| *digest).collect();
        digests.sort_unstable();
        digests.truncate(KEPT);
        Some(written(&digests))
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
            self.restored.pages.remove(&page);
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
        if self.restored.outlived_pass {
            self.restored = RestoredPages::default();
        }
        self.restored.outlived_pass = true;
        self.is_whole = true;
    }
}

fn written(digests: &[PageDigest]) -> Vec<u8> {
    let bytes: Vec<u8> = digests.iter().flat_map(|digest| digest.0.to_le_bytes()).collect();
    [&[FORMAT][..], &xxh3_64(&bytes).to_le_bytes(), &bytes].concat()
}

/// None where they are not of this form.
fn read(bytes: &[u8]) -> HashSet<PageDigest> {
    let whole = || {
        // The format first: nothing after it is to be read in another one.
        let (&FORMAT, hashed) = bytes.split_first()? else { return None };
        let (hash, digests) = hashed.split_first_chunk::<HASH_BYTES>()?;
        let (digests, rest) = digests.as_chunks::<16>();
        let is_whole =
            rest.is_empty() && u64::from_le_bytes(*hash) == xxh3_64(digests.as_flattened());
        is_whole.then(|| digests.iter().map(|it| PageDigest(u128::from_le_bytes(*it))).collect())
    };
    whole().unwrap_or_default()
}

/// Hashes of ids, sorted.
fn hashes<'a>(ids: impl Iterator<Item = &'a ItemId>) -> Box<[u32]> {
    let mut hashes: Box<[u32]> = ids.map(hash).collect();
    hashes.sort_unstable();
    hashes
}

fn hash(id: &ItemId) -> u32 {
    let hash = match id {
        ItemId::Integer(number) => xxh3_64(&number.to_le_bytes()),
        ItemId::Text(text) => xxh3_64(text.as_bytes()),
    };
    // Half of a good hash is one, too.
    let [half @ .., _, _, _, _] = hash.to_le_bytes();
    u32::from_le_bytes(half)
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

    #[test]
    fn what_is_damaged_or_of_another_form_is_nothing() {
        let digests: Vec<PageDigest> = (0..3).map(|id| digest(&items([id], "{}"))).collect();
        let whole = written(&digests);
        assert_eq!(read(&whole), digests.into_iter().collect());
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                assert_eq!(read(&damaged), HashSet::new(), "bit {bit} of byte {at}");
            }
            assert_eq!(read(&whole[..at]), HashSet::new());
        }
    }

    #[test]
    fn what_an_earlier_writer_knew_is_kept_until_a_whole_pass_has_shown_what_has_come_again() {
        let pages = [0, 1].map(|page| items((page * 10)..(page + 1) * 10, "{}"));
        // What was lost in the middle of a pass is no reason to lose what is kept.
        let mut known = KnownPages::default();
        assert_eq!(known.to_keep(Iteration(1)), None);
        known.end_pass(Iteration(1));
        assert_eq!(known.to_keep(Iteration(2)), Some(written(&[])));
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
        assert_eq!(read(&kept), [digest(&pages[1])].into());
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
