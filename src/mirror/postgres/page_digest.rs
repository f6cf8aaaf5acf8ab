//! What pages and items are recognised by, without their bytes. Pure.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::domain::{Item, ItemId, Iteration};
use crate::json::JsonPointer;

/// In one pass of so many a page is compared with the database although it is known. Which pass that
/// is differs from page to page.
const COMPARED_EVERY: u64 = 16;

/// What a page is recognised by: its ids, the digests of its items, and how they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PageDigest(pub(super) u128);

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
    pub(super) fn is_due(self, iteration: Iteration) -> bool {
        let share = u128::from(iteration.0 % COMPARED_EVERY) + self.0 % u128::from(COMPARED_EVERY);
        share.is_multiple_of(u128::from(COMPARED_EVERY))
    }
}

fn add_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(text.len().to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// Hashes of ids, sorted.
pub(super) fn hashes<'a>(ids: impl Iterator<Item = &'a ItemId>) -> Box<[u32]> {
    let mut hashes: Box<[u32]> = ids.map(hash).collect();
    hashes.sort_unstable();
    hashes
}

/// A hash of an id.
pub(super) fn hash(id: &ItemId) -> u32 {
    let hash = match id {
        ItemId::Integer(number) => xxh3_64(&number.to_le_bytes()),
        ItemId::Text(text) => xxh3_64(text.as_bytes()),
    };
    // Half of a good hash is one, too.
    let [half @ .., _, _, _, _] = hash.to_le_bytes();
    u32::from_le_bytes(half)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;

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
}
