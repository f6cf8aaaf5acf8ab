//! The digest of a set of items: the same for the same items, in whatever order they come, however
//! their members are ordered and their numbers spelt, and wherever they are kept.
//!
//! It is the sum, modulo 2^256, of a number for each item: the SHA-256, read as a number, of its id as
//! JSON, a line feed, and its [canonical form](canonical::form). Others compute it over copies of their
//! own, so it never changes.

use std::fmt;

use ring::digest::{Context, SHA256};

use super::MirrorError;
use super::contracts::ItemsSnapshot;
use crate::domain::{ItemId, RepositoryId};
use crate::json::canonical;

/// Bytes of a SHA-256.
const BYTES: usize = 32;

/// The digest of the items added so far, and their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ItemsDigest {
    /// The sum, its lowest byte first.
    sum: [u8; BYTES],
    count: u64,
}

impl ItemsDigest {
    /// Adds an item.
    pub fn add(&mut self, id: &ItemId, body: &[u8]) {
        let mut hash = Context::new(&SHA256);
        match id {
            ItemId::Integer(number) => hash.update(number.to_string().as_bytes()),
            ItemId::Text(text) => hash.update(&canonical::text_form(text)),
        }
        hash.update(b"\n");
        hash.update(&canonical::form(body));
        let mut carry = 0;
        for (sum, byte) in self.sum.iter_mut().zip(hash.finish().as_ref().iter().rev()) {
            let [low, high] = (u16::from(*sum) + u16::from(*byte) + carry).to_le_bytes();
            (*sum, carry) = (low, u16::from(high));
        }
        self.count += 1;
    }

    /// The digest of the items of a repository, some of them in memory at a time.
    ///
    /// # Errors
    ///
    /// The items cannot be read.
    pub async fn of(
        snapshot: &dyn ItemsSnapshot,
        repository: RepositoryId,
    ) -> Result<Self, MirrorError> {
        let (mut digest, mut after) = (Self::default(), None);
        loop {
            let page = snapshot.items(repository, after).await?;
            page.items.iter().for_each(|(id, body)| digest.add(id, body));
            after = page.scanned_through;
            if after.is_none() {
                return Ok(digest);
            }
        }
    }

    /// How many items were added.
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl fmt::Display for ItemsDigest {
    /// In hexadecimal, 64 lower-case digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sum.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(items: &[(ItemId, String)]) -> ItemsDigest {
        let mut digest = ItemsDigest::default();
        for (id, body) in items {
            digest.add(id, body.as_bytes());
        }
        digest
    }

    #[test]
    fn it_is_what_others_compute() {
        assert_eq!(of(&[]).to_string(), "0".repeat(64));
        let one = (ItemId::Integer(50), "{\"a\": 50}".to_owned());
        // printf '50\n{"a":5e1}' | sha256sum
        let sum = "c148797f5950f33ed235ee6c20219c10f4c173b324a4bc776357b4ada2e443cf";
        assert_eq!(of(std::slice::from_ref(&one)).to_string(), sum);
        // The sum of that and of: printf '"50"\n{"a":5e1}' | sha256sum
        let other = (ItemId::Text("50".into()), one.1.clone());
        let sum = "cc34400189bde10a8a557ecf6b537fa0de91422faf54eafa3ec37feba9535b96";
        let both = of(&[one, other]);
        assert_eq!((both.to_string().as_str(), both.count()), (sum, 2));
    }

    proptest! {
        #[test]
        fn neither_order_nor_spelling_matters_and_all_else_does(
            items in prop::collection::btree_map(any::<i128>(), any::<u32>(), 1..20),
            seed: u64,
            place: prop::sample::Index,
        ) {
            let item = |(id, value): (&i128, &u32)| {
                (ItemId::Integer(*id), format!("{{\"a\":{value},\"b\":[1]}}"))
            };
            let items: Vec<(ItemId, String)> = items.iter().map(item).collect();
            let mut others = items.clone();
            fastrand::Rng::with_seed(seed).shuffle(&mut others);
            for (_, body) in &mut others {
                *body = body.replace("\"a\":", "\"b\": [1.0], \"a\":").replace(",\"b\":[1]", "");
            }
            prop_assert_eq!(of(&others), of(&items));
            let place = place.index(others.len());
            others[place].1 = others[place].1.replace("[1.0]", "[1.5]");
            prop_assert_ne!(of(&others), of(&items));
            others.remove(place);
            prop_assert_ne!(of(&others), of(&items));
        }
    }
}
