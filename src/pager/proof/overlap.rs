//! The proof that two neighbouring answers missed nothing between them.
//!
//! An answer is one unbroken range of the list at one moment. If an item stands in both answers,
//! whatever stood between it and the end of the first was in the first, and whatever stood between
//! the beginning of the second and it was in the second. An item that kept its place relative to
//! the shared one is therefore in one of them, at whatever times and in whatever order the two
//! answers came.
//!
//! That holds only for a shared item that did not itself move meanwhile, so more than one equal id
//! is asked for:
//!
//! - one shared item at least is the same byte for byte: an item moves in the list because it was
//!   changed, or because it was deleted and made again;
//! - the shared items stand in the same order in both answers;
//! - they are the greater part of the range in which the answers overlap: a server without any
//!   stable order gives shared items by chance, with strangers in between.
//!
//! What cannot be shown here is an item that moves without any change to its bytes between two
//! answers read out of their order. Answers read one after the other are safe even from that, as
//! long as such items move to the front.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::domain::ItemId;

/// What the proof needs of one item of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemDigest {
    /// The item's id.
    pub id: ItemId,
    /// A hash of its bytes as received.
    pub digest: u64,
}

/// One answer: where its window began, and its rows in the order in which they came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RowRange {
    /// The position of the first row, as asked for.
    pub start: u64,
    /// The rows. One that could not be read (`None`) holds its position and proves nothing.
    pub rows: Vec<Option<ItemDigest>>,
}

impl RowRange {
    /// The position after the last row.
    pub fn end(&self) -> u64 {
        self.start + self.rows.len() as u64
    }

    /// Whether this answer begins just like another one, to a window that began elsewhere: a
    /// server that ignores the page number.
    pub fn repeats(&self, other: &Self) -> bool {
        self.start != other.start
            && !self.rows.is_empty()
            && !other.rows.is_empty()
            && self.rows.iter().zip(&other.rows).all(|(a, b)| same_id(a.as_ref(), b.as_ref()))
    }
}

/// Whether two rows may be of the same item: they have one id, or neither could be read.
fn same_id(a: Option<&ItemDigest>, b: Option<&ItemDigest>) -> bool {
    a.map(|row| &row.id) == b.map(|row| &row.id)
}

/// Whether two rows are of one item that could be read and did not change.
fn unchanged(a: Option<&ItemDigest>, b: Option<&ItemDigest>) -> bool {
    a.zip(b).is_some_and(|(a, b)| a == b)
}

/// A proven link between two neighbours, with the traces of what came and went between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// How far the shared items moved down the list, in positions; negative: up, because items
    /// before them went.
    pub displacement: i64,
    /// How many rows of the range that both answers cover are in only one of them.
    pub unmatched: u64,
}

/// Proves that nothing is missing between two neighbours; `None` where it cannot.
pub fn check(first: &RowRange, second: &RowRange) -> Option<Overlap> {
    undisturbed(first, second).or_else(|| disturbed(first, second))
}

/// The common case, without looking anything up: the end of the first answer is the beginning of
/// the second, id for id, just where the windows say.
fn undisturbed(first: &RowRange, second: &RowRange) -> Option<Overlap> {
    let overlap = usize::try_from(first.end().checked_sub(second.start)?).ok()?;
    let tail = first.rows.get(first.rows.len().checked_sub(overlap)?..)?;
    let head = second.rows.get(..overlap)?;
    let pairs = || tail.iter().zip(head).map(|(a, b)| (a.as_ref(), b.as_ref()));
    let same_ids = pairs().all(|(a, b)| same_id(a, b));
    let same_bytes = pairs().any(|(a, b)| unchanged(a, b));
    (same_ids && same_bytes).then_some(Overlap { displacement: 0, unmatched: 0 })
}

/// The rows that could be read, each with its place in the answer.
fn read(range: &RowRange) -> impl Iterator<Item = (usize, &ItemDigest)> {
    let rows = range.rows.iter().enumerate();
    rows.filter_map(|(place, row)| row.as_ref().map(|row| (place, row)))
}

fn disturbed(first: &RowRange, second: &RowRange) -> Option<Overlap> {
    let places: HashMap<&ItemId, usize> =
        read(first).map(|(place, row)| (&row.id, place)).collect();
    let shared: Vec<(usize, usize)> = read(second)
        .filter_map(|(there, row)| places.get(&row.id).map(|here| (*here, there)))
        .collect();
    let (&top, &bottom) = (shared.first()?, shared.last()?);
    let same_order = shared.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let same_bytes = shared
        .iter()
        .any(|(here, there)| unchanged(first.rows[*here].as_ref(), second.rows[*there].as_ref()));
    // Before anything is counted: only a strict order makes the rows of each side distinct.
    if !same_order || !same_bytes {
        return None;
    }
    // The range that both cover: between the first and the last shared row, and on either side
    // as far as the answer goes that ends first there. (One that is read again may begin before
    // the other, and end before its end.)
    let inside = (bottom.0 - top.0) + (bottom.1 - top.1) + 2 - 2 * shared.len();
    let before = top.0.min(top.1);
    let after = (first.rows.len() - 1 - bottom.0).min(second.rows.len() - 1 - bottom.1);
    let unmatched = inside + before + after;
    if unmatched >= shared.len() {
        return None;
    }
    let before = first.start + bottom.0 as u64;
    let after = second.start + bottom.1 as u64;
    Some(Overlap {
        displacement: i64::try_from(after).ok()? - i64::try_from(before).ok()?,
        unmatched: unmatched as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, ids: &[i128]) -> RowRange {
        let row = |id: &i128| {
            (*id != UNREAD).then_some(ItemDigest { id: ItemId::Integer(*id), digest: 0 })
        };
        RowRange { start, rows: ids.iter().map(row).collect() }
    }

    /// Stands for a row that could not be read.
    const UNREAD: i128 = -1;

    #[test]
    fn a_row_that_could_not_be_read_proves_nothing_and_holds_its_position() {
        assert_eq!(check(&range(0, &[1, 2, UNREAD]), &range(2, &[UNREAD, 4, 5])), None);
        let calm = Some(Overlap { displacement: 0, unmatched: 0 });
        assert_eq!(check(&range(0, &[1, 2, UNREAD]), &range(1, &[2, UNREAD, 4])), calm);
        // Read in one answer and not in the other: like one that went and another that came.
        let overlap = check(&range(0, &[1, 2, 3, 4, 5, 6]), &range(2, &[3, UNREAD, 5, 6, 7]));
        assert_eq!(overlap, Some(Overlap { displacement: 0, unmatched: 2 }));
        assert!(!range(0, &[1, UNREAD]).repeats(&range(2, &[3, UNREAD])));
        assert!(range(0, &[1, UNREAD]).repeats(&range(2, &[1, UNREAD])));
    }

    #[test]
    fn one_shared_item_in_its_place_is_a_proof() {
        let overlap = check(&range(0, &[1, 2, 3]), &range(2, &[3, 4, 5]));
        assert_eq!(overlap, Some(Overlap { displacement: 0, unmatched: 0 }));
    }

    #[test]
    fn neighbours_that_share_nothing_prove_nothing() {
        assert_eq!(check(&range(0, &[1, 2, 3]), &range(2, &[4, 5, 6])), None);
    }

    #[test]
    fn an_insertion_before_the_overlap_shows_as_displacement() {
        let overlap = check(&range(0, &[1, 2, 3, 4]), &range(2, &[2, 3, 4, 5]));
        assert_eq!(overlap, Some(Overlap { displacement: 1, unmatched: 0 }));
    }

    #[test]
    fn a_deletion_before_the_overlap_shows_as_negative_displacement() {
        let overlap = check(&range(0, &[1, 2, 3, 4]), &range(2, &[4, 5, 6, 7]));
        assert_eq!(overlap, Some(Overlap { displacement: -1, unmatched: 0 }));
    }

    #[test]
    fn what_came_and_went_inside_the_overlap_is_counted() {
        let overlap = check(&range(0, &[1, 2, 3, 4, 5, 6]), &range(2, &[3, 9, 5, 6, 7]));
        assert_eq!(overlap, Some(Overlap { displacement: 0, unmatched: 2 }));
    }

    #[test]
    fn a_shared_item_whose_bytes_changed_is_no_proof() {
        let mut second = range(2, &[3, 4, 5]);
        second.rows[0].as_mut().unwrap().digest = 1;
        assert_eq!(check(&range(0, &[1, 2, 3]), &second), None);
    }

    #[test]
    fn an_answer_read_again_from_before_the_other_to_within_it_is_a_proof() {
        let first = range(10, &[10, 11, 12, 13, 14]);
        let second = range(3, &[3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(check(&first, &second), Some(Overlap { displacement: 0, unmatched: 0 }));
    }

    #[test]
    fn shared_items_in_another_order_are_no_proof() {
        assert_eq!(check(&range(0, &[1, 2, 3]), &range(1, &[3, 2, 4])), None);
    }

    #[test]
    fn an_overlap_that_lists_an_item_over_and_over_is_no_proof() {
        assert_eq!(check(&range(0, &[1, 2, 3]), &range(1, &[3, 3, 3, 3])), None);
        assert_eq!(check(&range(0, &[3, 3, 3]), &range(1, &[4, 3, 3, 3])), None);
    }

    #[test]
    fn a_moved_item_among_strangers_is_no_proof() {
        // Read out of order: 5 stood behind 1 to 4 when the second answer came, then it was moved
        // to the front with others, and the first answer shows it there.
        assert_eq!(check(&range(0, &[90, 91, 92, 93, 5]), &range(4, &[4, 5, 6])), None);
    }

    #[test]
    fn an_answer_to_another_window_with_the_same_ids_is_a_repetition() {
        assert!(range(0, &[1, 2]).repeats(&range(2, &[1, 2])));
        assert!(range(0, &[1, 2, 3]).repeats(&range(2, &[1, 2])));
        assert!(!range(0, &[1, 2]).repeats(&range(0, &[1, 2])));
        assert!(!range(0, &[1, 2]).repeats(&range(2, &[3, 4])));
        assert!(!range(0, &[]).repeats(&range(2, &[])));
    }
}
