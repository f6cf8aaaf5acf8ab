//! Bytes as they outlive the process: after the version of their form and a hash of them. Pure.
//!
//! Guarantees: what is damaged, or was written in another version, is nothing; no bytes make it panic.

use xxhash_rust::xxh3::xxh3_64;

/// The bytes of the hash between the version and what it is of.
const HASH_BYTES: usize = 8;

/// These bytes in their stored form, of this version.
pub fn write(version: u8, bytes: &[u8]) -> Vec<u8> {
    [&[version][..], &xxh3_64(bytes).to_le_bytes(), bytes].concat()
}

/// The bytes of which this is the stored form; `None` where it is none of this version, or damaged.
pub fn read(version: u8, stored: &[u8]) -> Option<&[u8]> {
    // The version first: nothing after it is to be read in another one.
    let (_, hashed) = stored.split_first().filter(|(first, _)| **first == version)?;
    let (hash, bytes) = hashed.split_first_chunk::<HASH_BYTES>()?;
    (u64::from_le_bytes(*hash) == xxh3_64(bytes)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_what_earlier_versions_wrote() {
        let written = write(3, b"abc");
        assert_eq!(written[0], 3);
        assert_eq!(written[1..9], xxh3_64(b"abc").to_le_bytes());
        assert_eq!(&written[9..], b"abc");
    }

    proptest! {
        #[test]
        fn what_is_stored_is_read_back_and_nothing_else(
            version: u8, bytes in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let whole = write(version, &bytes);
            prop_assert_eq!(read(version, &whole), Some(&bytes[..]));
            prop_assert_eq!(read(version.wrapping_add(1), &whole), None);
            for at in 0..whole.len() {
                prop_assert_eq!(read(version, &whole[..at]), None);
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << (at % 8);
                prop_assert_eq!(read(version, &damaged), None);
            }
        }
    }
}
