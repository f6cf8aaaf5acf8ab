//! Items that two answers carry in different bytes, though they are the same.
//!
//! Pure. The proof between neighbours (see [`super::overlap`]) rests on a shared item that did not
//! change, and knows items by the digests of their bytes only. A server that writes members in
//! another order with each answer, or an attribute that differs with each reading and is left out
//! of the comparison (`ignore`), would deny it every such item. So the digest of an item that is
//! the same as in the answer before is taken from there.

use std::collections::HashMap;

use bytes::Bytes;

use super::overlap::ItemDigest;
use crate::domain::{Item, ItemId};
use crate::json::{JsonPointer, canonical};

/// Of an answer the bytes of its last items are kept, up to so many in all: whatever neighbours share has the last
/// of them in it, unless that one changed or went between two requests. The rest of its bytes would stay in memory as
/// long as any of them, for each repository that is being read. Items further up are known by their own digests.
const KEPT: usize = 32 * 1024;

/// So many are kept, however large they are.
const FEWEST_KEPT: usize = 4;

/// Items of so many bytes in all are compared: more than the overlap of any page has, and little
/// enough for the thread that others wait for. Beyond it items are known by their own digests.
const COMPARED: usize = 8 * 1024 * 1024;

/// An answer as the one after it is compared with.
#[derive(Debug, Default)]
pub(crate) struct PreviousAnswer {
    /// In its order.
    ids: Vec<ItemId>,
    /// What the proof knows each of them by.
    digests: Vec<u64>,
    /// The last of its items, each copied out of the answer.
    last: Vec<Item>,
}

impl PreviousAnswer {
    pub(crate) fn new(items: &[Item], digests: Vec<u64>) -> Self {
        let mut bytes = 0;
        let is_kept = |(place, item): &(usize, &Item)| {
            bytes += item.bytes.len();
            *place < FEWEST_KEPT || bytes <= KEPT
        };
        let kept = items.iter().rev().enumerate().take_while(is_kept).count();
        let last = items.get(items.len() - kept..).unwrap_or_default();
        let copied =
            |item: &Item| Item { bytes: Bytes::copy_from_slice(&item.bytes), ..item.clone() };
        let ids = items.iter().map(|item| item.id.clone()).collect();
        Self { ids, digests, last: last.iter().map(copied).collect() }
    }

    /// The rows of an answer, known by the digests of the answer before where they are the same.
    pub(crate) fn rows(&self, items: &[Item], ignore: &[JsonPointer]) -> Vec<ItemDigest> {
        let mut rows: Vec<ItemDigest> = items
            .iter()
            .map(|item| ItemDigest { id: item.id.clone(), digest: item.digest })
            .collect();
        // One is enough for the proof, and as a rule it is the first row.
        let first = rows.first().and_then(|first| self.digest_of(&first.id));
        if self.ids.is_empty() || first == rows.first().map(|first| first.digest) {
            return rows;
        }
        let places: HashMap<&ItemId, usize> =
            self.ids.iter().enumerate().map(|(place, id)| (id, place)).collect();
        let above = self.ids.len() - self.last.len();
        let mut compared = 0;
        for (row, item) in rows.iter_mut().zip(items) {
            if compared > COMPARED {
                break;
            }
            let Some(&place) = places.get(&item.id) else { continue };
            let Some(before) = place.checked_sub(above).and_then(|place| self.last.get(place))
            else {
                continue;
            };
            if before.digest != item.digest {
                compared += item.bytes.len();
                if !canonical::same(&before.bytes, &item.bytes, ignore) {
                    continue;
                }
            }
            row.digest = self.digests[place];
        }
        rows
    }

    /// Whether it has this item.
    pub(crate) fn has(&self, id: &ItemId) -> bool {
        self.ids.contains(id)
    }

    fn digest_of(&self, id: &ItemId) -> Option<u64> {
        let place = self.ids.iter().rposition(|known| known == id)?;
        self.digests.get(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(bodies: &[&'static str]) -> Vec<Item> {
        let item = |(id, body): (usize, &&'static str)| {
            Item::new(ItemId::Integer(id as i128), (*body).into())
        };
        bodies.iter().enumerate().map(item).collect()
    }

    fn digests(items: &[Item]) -> Vec<u64> {
        items.iter().map(|item| item.digest).collect()
    }

    fn rows(before: &[&'static str], now: &[&'static str], ignore: &str) -> Vec<bool> {
        let (before, now) = (items(before), items(now));
        let known = digests(&before);
        let ignore: Vec<JsonPointer> =
            ignore.split_whitespace().map(|it| it.parse().unwrap()).collect();
        let rows = PreviousAnswer::new(&before, known.clone()).rows(&now, &ignore);
        rows.iter().zip(known).map(|(row, known)| row.digest == known).collect()
    }

    #[test]
    fn an_item_written_in_another_order_is_known_by_the_digest_of_before() {
        let before = [r#"{"a":1,"b":2}"#, r#"{"a":3,"b":4}"#];
        let now = [r#"{"b":2,"a":1}"#, r#"{"b":4,"a":5}"#];
        assert_eq!(rows(&before, &now, ""), [true, false]);
    }

    #[test]
    fn members_left_out_of_the_comparison_do_not_count() {
        let before = [r#"{"a":1,"t":2}"#, r#"{"a":1,"t":2}"#];
        let now = [r#"{"a":1,"t":3}"#, r#"{"a":2,"t":3}"#];
        assert_eq!(rows(&before, &now, "/t"), [true, false]);
        assert_eq!(rows(&before, &now, ""), [false, false]);
    }

    #[test]
    fn a_digest_is_handed_on_from_answer_to_answer() {
        let (first, second) = (items(&[r#"{"a":1,"b":2}"#]), items(&[r#"{"b":2,"a":1}"#]));
        let known = digests(&first);
        let rows = PreviousAnswer::new(&first, known.clone()).rows(&second, &[]);
        let third = items(&[r#"{"a":1, "b":2}"#]);
        let handed_on = rows.iter().map(|row| row.digest).collect();
        let rows = PreviousAnswer::new(&second, handed_on).rows(&third, &[]);
        assert_eq!(rows[0].digest, known[0]);
    }

    #[test]
    fn strangers_and_the_first_answer_are_known_by_their_own_digests() {
        let now = items(&["{}", "[]"]);
        let rows = PreviousAnswer::default().rows(&now, &[]);
        assert_eq!(rows.iter().map(|row| row.digest).collect::<Vec<_>>(), digests(&now));
    }

    #[test]
    fn no_item_is_compared_where_the_first_is_the_same_byte_for_byte() {
        let before = ["{}", r#"{"a":1,"b":2}"#];
        assert_eq!(rows(&before, &["{}", r#"{"b":2,"a":1}"#], ""), [true, false]);
    }

    #[test]
    fn the_last_items_of_an_answer_are_kept_and_no_more_bytes_than_are_needed() {
        for (size, kept) in [(100, KEPT / 100), (KEPT, FEWEST_KEPT)] {
            let body = |id: i128| Item::new(ItemId::Integer(id), vec![b' '; size].into());
            let items: Vec<Item> = (0..1000).map(body).collect();
            let answer = PreviousAnswer::new(&items, digests(&items));
            assert_eq!(answer.last, items[1000 - kept..]);
            assert_eq!(answer.ids.len(), 1000);
        }
    }

    #[test]
    fn an_answer_has_its_own_items_only() {
        let before = PreviousAnswer::new(&items(&["{}"]), vec![0]);
        assert!(before.has(&ItemId::Integer(0)) && !before.has(&ItemId::Integer(1)));
    }
}
