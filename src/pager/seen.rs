//! The ids that a pass has seen, compactly.
//!
//! Whole numbers, and texts that are plain whole numbers, live in compressed bitmaps: a million
//! neighbouring ids take some hundred kilobytes, a million scattered ones a few megabytes. Any
//! other id is kept as a 128-bit hash, which two different ids share with a chance below 10^-26
//! for a million of them.

use std::collections::HashSet;

use roaring::RoaringTreemap;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::ids::ItemId;

/// A set of item ids that only grows.
#[derive(Debug, Default)]
pub struct Seen {
    integers: RoaringTreemap,
    numerals: RoaringTreemap,
    others: HashSet<u128>,
}

impl Seen {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an id in; true where it was not in yet.
    pub fn insert(&mut self, id: &ItemId) -> bool {
        match place_of(id) {
            Place::Integer(number) => self.integers.insert(number),
            Place::Numeral(number) => self.numerals.insert(number),
            Place::Other(hash) => self.others.insert(hash),
        }
    }

    /// How many ids are in.
    pub fn count(&self) -> u64 {
        self.integers.len() + self.numerals.len() + self.others.len() as u64
    }
}

enum Place {
    Integer(u64),
    Numeral(u64),
    Other(u128),
}

fn place_of(id: &ItemId) -> Place {
    match id {
        ItemId::Integer(number) => match u64::try_from(*number) {
            Ok(number) => Place::Integer(number),
            Err(_) => Place::Other(xxh3_128_with_seed(&number.to_le_bytes(), 1)),
        },
        ItemId::Text(text) => match text.parse::<u64>() {
            // "007" and "+7" parse as well, but they are other ids than "7".
            Ok(number) if !text.starts_with(['0', '+']) => Place::Numeral(number),
            _ => Place::Other(xxh3_128_with_seed(text.as_bytes(), 2)),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn any_id() -> impl Strategy<Value = ItemId> {
        prop_oneof![
            any::<i128>().prop_map(ItemId::Integer),
            (-5_i128..50).prop_map(ItemId::Integer),
            (0_u64..50).prop_map(|number| ItemId::Text(number.to_string().into())),
            (0_u64..50).prop_map(|number| ItemId::Text(format!("0{number}").into())),
            (0_u64..50).prop_map(|number| ItemId::Text(format!("+{number}").into())),
            "[a-c]{0,2}".prop_map(|text| ItemId::Text(text.into())),
        ]
    }

    proptest! {
        #[test]
        fn it_counts_like_a_set_of_the_ids_themselves(ids in prop::collection::vec(any_id(), 0..200)) {
            let (mut seen, mut model) = (Seen::new(), HashSet::new());
            for id in ids {
                prop_assert_eq!(seen.insert(&id), model.insert(id));
            }
            prop_assert_eq!(seen.count(), model.len() as u64);
        }
    }
}
