//! One item as the server sent it.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memchr2_iter;
use xxhash_rust::xxh3::xxh3_64;

use crate::domain::ItemId;

/// An item: its id and its bytes exactly as they came, never re-serialised or re-ordered.
///
/// The bytes are a view into the answer that carried them, so a page's items cost no copy. Code
/// that keeps one item for long should copy it out, or the item keeps the whole answer alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The item's id, read at the configured place.
    pub id: ItemId,
    /// The JSON object as received.
    pub bytes: Bytes,
    /// [`digest`] of the bytes.
    pub digest: u64,
}

impl Item {
    /// An item with its digest taken.
    pub fn new(id: ItemId, bytes: Bytes) -> Self {
        let digest = digest(&bytes);
        Self { id, bytes, digest }
    }
}

/// Levels of nesting that an item may have, its own included: as many as most readers of JSON take,
/// those of databases among them.
pub const DEEPEST: usize = 128;

/// Whether JSON is nested more deeply than an item may be. Without recursion.
pub fn is_too_deep(json: &[u8]) -> bool {
    // Most have not so many brackets in all.
    memchr2_iter(b'{', b'[', json).nth(DEEPEST).is_some() && is_nested_too_deep(json)
}

/// The same, by one look at each byte.
fn is_nested_too_deep(json: &[u8]) -> bool {
    let (mut level, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                level += 1;
                if level > DEEPEST {
                    return true;
                }
            }
            b'}' | b']' => level = level.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// A hash of bytes as received (XXH3, 64 bits); equal bytes have equal hashes.
pub fn digest(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// An item as received but on one line: without line ends between its members. Those inside its
/// texts are escaped, as JSON wants it, and stay.
pub fn one_line(item: &[u8]) -> Cow<'_, [u8]> {
    // Searched for one after the other, which looks at many bytes at a time.
    if item.contains(&b'\n') || item.contains(&b'\r') {
        item.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect()
    } else {
        Cow::Borrowed(item)
    }
}
