//! Fingerprints as they outlive the process. Pure.
//!
//! They say what bytes were once read as items, which nothing that happens to the mirror or to the server
//! makes untrue. So they need no stamp of a state: where an answer is another one now, they do not
//! fit, and it is read from scratch. What can be wrong with them is damage and another reader, and both
//! are looked for.
//!
//! Guarantees: bytes that are damaged, or were written by a version that reads items by other rules, are
//! none; no bytes make it panic or take more room than they do.

use serde::{Deserialize, Serialize};

use crate::domain::stored_form;

/// Counts up with every change of the stored form, of the digest of items, and of what is taken for an
/// item: how deep one may be nested, what its id may be.
const FORMAT: u8 = 1;

/// One item: the digest as it is, since a number of eight random bytes is longest as a number of
/// any length; the others are small, and short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredFingerprint {
    pub(super) digest: [u8; 8],
    pub(super) length: u32,
    pub(super) id_at: u32,
}

/// The stored form of those of items that carry their ids at `pointer`: some 11 bytes an item.
pub(super) fn written(pointer: &str, rows: &[StoredFingerprint]) -> Vec<u8> {
    let stored = postcard::to_allocvec(&(pointer, rows)).expect("it has a stored form");
    stored_form::write(FORMAT, &stored)
}

/// Reads the stored form of those of items that carry their ids there; `None` where it is none.
pub(super) fn read(bytes: &[u8], pointer: &str) -> Option<Vec<StoredFingerprint>> {
    let stored = stored_form::read(FORMAT, bytes)?;
    let (place, rows): (&str, Vec<StoredFingerprint>) = postcard::from_bytes(stored).ok()?;
    (place == pointer).then_some(rows)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(rows: &[(u64, u32, u32)]) -> Vec<StoredFingerprint> {
        let row = |&(digest, length, id_at): &(u64, u32, u32)| StoredFingerprint {
            digest: digest.to_le_bytes(),
            length,
            id_at,
        };
        rows.iter().map(row).collect()
    }

    #[test]
    fn what_is_damaged_or_of_another_form_or_place_is_none() {
        let whole = written("/itemId", &rows(&[(1, 2, 3), (u64::MAX, 300, 70)]));
        assert!(read(&whole, "/itemId").is_some());
        assert_eq!(read(&whole, "/id"), None);
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                assert_eq!(read(&damaged, "/itemId"), None, "bit {bit} of byte {at}");
            }
            assert_eq!(read(&whole[..at], "/itemId"), None);
        }
    }

    #[test]
    fn an_item_takes_eleven_bytes() {
        let bytes = written("/itemId", &rows(&vec![(u64::MAX, 2000, 10); 1000]));
        assert!(bytes.len() < 11 * 1000 + 30, "{}", bytes.len());
    }

    proptest! {
        #[test]
        fn what_is_stored_is_read_back(all in prop::collection::vec(any::<(u64, u32, u32)>(), 0..50)) {
            let rows = rows(&all);
            prop_assert_eq!(read(&written("/a~1b", &rows), "/a~1b"), Some(rows));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            // Beyond the hash, too, which random bytes never have.
            let hashed = stored_form::write(FORMAT, &bytes);
            for bytes in [bytes, hashed] {
                drop(read(&bytes, "/itemId"));
            }
        }
    }
}
