//! Sets of item ids, compactly.
//!
//! Whole numbers, and texts that are plain whole numbers, live in compressed bitmaps: a million
//! neighbouring ids take some hundred kilobytes, a million scattered ones a few megabytes. Any
//! other id is kept as a 128-bit hash, which two different ids share with a chance below 10^-26
//! for a million of them.

use std::collections::HashSet;
use std::io;

use roaring::RoaringTreemap;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::domain::ItemId;

/// The bytes of one hash in the stored form.
const HASH_BYTES: usize = 16;

/// A set of item ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IdSet {
    integers: RoaringTreemap,
    numerals: RoaringTreemap,
    others: HashSet<u128>,
}

impl IdSet {
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

    /// Whether an id is in.
    pub fn contains(&self, id: &ItemId) -> bool {
        match place_of(id) {
            Place::Integer(number) => self.integers.contains(number),
            Place::Numeral(number) => self.numerals.contains(number),
            Place::Other(hash) => self.others.contains(&hash),
        }
    }

    /// Those of the ids that are whole numbers or texts of such, in this order: at most so many.
    pub fn numbers(&self, most: usize) -> Vec<ItemId> {
        let integers = self.integers.iter().map(|number| ItemId::Integer(number.into()));
        let numerals = self.numerals.iter().map(|number| ItemId::Text(number.to_string().into()));
        integers.chain(numerals).take(most).collect()
    }

    /// Those of the ids that these names mean.
    ///
    /// # Errors
    ///
    /// The names that mean none of them.
    pub fn named(&self, names: &[String]) -> Result<Self, Vec<String>> {
        let (mut meant, mut unknown) = (Self::new(), Vec::new());
        for name in names {
            match ItemId::meanings(name).find(|id| self.contains(id)) {
                Some(id) => drop(meant.insert(&id)),
                None => unknown.push(name.clone()),
            }
        }
        if unknown.is_empty() { Ok(meant) } else { Err(unknown) }
    }

    /// How many ids are in.
    pub fn count(&self) -> u64 {
        self.integers.len() + self.numerals.len() + self.others.len() as u64
    }

    /// Whether none is in.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Whether all its ids are in another set.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.integers.is_subset(&other.integers)
            && self.numerals.is_subset(&other.numerals)
            && self.others.is_subset(&other.others)
    }

    /// Takes over all ids of another set.
    pub fn unite(&mut self, other: Self) {
        self.integers |= other.integers;
        self.numerals |= other.numerals;
        self.others.extend(other.others);
    }

    /// Takes out all ids of another set.
    pub fn subtract(&mut self, other: &Self) {
        self.integers -= &other.integers;
        self.numerals -= &other.numerals;
        self.others.retain(|hash| !other.others.contains(hash));
    }

    /// Takes out all ids that are not in another set.
    pub fn intersect(&mut self, other: &Self) {
        self.integers &= &other.integers;
        self.numerals &= &other.numerals;
        self.others.retain(|hash| other.others.contains(hash));
    }

    /// The stored form: the two bitmaps in the format of the Roaring project, then the hashes,
    /// sorted. Equal sets have the same one.
    ///
    /// # Panics
    ///
    /// Never: memory takes any bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let size = self.integers.serialized_size() + self.numerals.serialized_size();
        let mut bytes = Vec::with_capacity(size + self.others.len() * HASH_BYTES);
        for bitmap in [&self.integers, &self.numerals] {
            bitmap.serialize_into(&mut bytes).expect("a vector takes any bytes");
        }
        let mut hashes: Vec<&u128> = self.others.iter().collect();
        hashes.sort_unstable();
        for hash in hashes {
            bytes.extend_from_slice(&hash.to_le_bytes());
        }
        bytes
    }

    /// Reads the stored form.
    ///
    /// # Errors
    ///
    /// Bytes that are none.
    pub fn from_bytes(mut bytes: &[u8]) -> io::Result<Self> {
        let integers = RoaringTreemap::deserialize_from(&mut bytes)?;
        let numerals = RoaringTreemap::deserialize_from(&mut bytes)?;
        let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
        if !rest.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "half a hash at the end"));
        }
        let others = hashes.iter().map(|hash| u128::from_le_bytes(*hash)).collect();
        Ok(Self { integers, numerals, others })
    }
}

impl<'a> FromIterator<&'a ItemId> for IdSet {
    fn from_iter<T: IntoIterator<Item = &'a ItemId>>(ids: T) -> Self {
        let mut set = Self::new();
        for id in ids {
            set.insert(id);
        }
        set
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

    fn any_ids() -> impl Strategy<Value = Vec<ItemId>> {
        prop::collection::vec(any_id(), 0..200)
    }

    proptest! {
        #[test]
        fn it_counts_like_a_set_of_the_ids_themselves(ids in any_ids()) {
            let (mut set, mut model) = (IdSet::new(), HashSet::new());
            for id in ids {
                prop_assert_eq!(set.contains(&id), model.contains(&id));
                prop_assert_eq!(set.insert(&id), model.insert(id));
            }
            prop_assert_eq!(set.count(), model.len() as u64);
        }

        #[test]
        fn sets_are_united_and_subtracted_like_any(ours in any_ids(), theirs in any_ids()) {
            let (a, b): (HashSet<_>, HashSet<_>) = (ours.iter().collect(), theirs.iter().collect());
            let (ours, theirs): (IdSet, IdSet) =
                (ours.iter().collect(), theirs.iter().collect());
            prop_assert_eq!(ours.is_subset(&theirs), a.is_subset(&b));
            let mut united = ours.clone();
            united.unite(theirs.clone());
            prop_assert!(ours.is_subset(&united) && theirs.is_subset(&united));
            prop_assert_eq!(united, a.union(&b).copied().collect::<IdSet>());
            let mut left = ours.clone();
            left.subtract(&theirs);
            prop_assert_eq!(left, a.difference(&b).copied().collect::<IdSet>());
            let mut common = ours;
            common.intersect(&theirs);
            prop_assert_eq!(common, a.intersection(&b).copied().collect::<IdSet>());
        }

        #[test]
        fn what_is_stored_is_read_back(ids in any_ids()) {
            let set: IdSet = ids.iter().collect();
            prop_assert_eq!(IdSet::from_bytes(&set.to_bytes()).unwrap(), set.clone());
            let again: IdSet = ids.iter().rev().collect();
            prop_assert_eq!(again.to_bytes(), set.to_bytes());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(IdSet::from_bytes(&bytes));
        }
    }

    #[test]
    fn a_million_scattered_ids_take_a_few_megabytes() {
        let ids = (0..1_000_000_i128).map(|number| ItemId::Integer(5_000_000 + number * 7));
        let mut set = IdSet::new();
        for id in ids {
            set.insert(&id);
        }
        assert!(set.to_bytes().len() < 3 << 20, "{}", set.to_bytes().len());
    }

    #[test]
    fn whole_numbers_are_told_in_their_order_and_other_ids_are_not() {
        let texts = ["x", "10", "9", "007"].map(|text| ItemId::Text(text.into()));
        let ids = [ItemId::Integer(12), ItemId::Integer(3), ItemId::Integer(-1)];
        let set: IdSet = ids.iter().chain(&texts).collect();
        let told = |most| {
            set.numbers(most).iter().map(|id| format!("{id:?}")).collect::<Vec<_>>().join(" ")
        };
        let all = "Integer(3) Integer(12) Text(\"9\") Text(\"10\")";
        assert_eq!((told(9).as_str(), told(2).as_str()), (all, "Integer(3) Integer(12)"));
    }

    #[test]
    fn texts_that_are_whole_numbers_take_little_as_well() {
        let set: IdSet = (0..10_000_u64)
            .map(|number| ItemId::Text(number.to_string().into()))
            .collect::<Vec<_>>()
            .iter()
            .collect();
        assert!(set.to_bytes().len() < 10_000 * HASH_BYTES / 4, "{}", set.to_bytes().len());
    }
}
