//! How much a comparison may cost. Pure.
//!
//! A value is read again at each level above it where the two differ, so a text of megabytes that is
//! nested deeply, or made of tiny members, could take minutes and gigabytes. One comparison
//! must not hold up all repositories for that long.

/// Levels of nesting that are looked into: as many as most readers of JSON take.
pub(super) const DEEPEST: usize = 128;

/// So many times the text may be read: as often as it has levels, for a server that writes members
/// in another order on each of eight.
const READINGS: usize = 8;

/// What may be read of any text, however small: a small one costs nothing at any depth.
const AT_LEAST: usize = 256 * 1024;

/// Members and elements held in all, of both texts: some 15 MB. An item of half as many would be one
/// of megabytes.
const HELD: usize = 1 << 18;

/// What is left of it.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: usize,
    held: usize,
}

impl Budget {
    /// For comparing two texts. The smaller one counts: the other may be anything.
    pub(super) fn for_texts(a: &[u8], b: &[u8]) -> Self {
        let smaller = a.len().min(b.len());
        let bytes = smaller.saturating_mul(2 * READINGS).saturating_add(AT_LEAST);
        Self { bytes, held: HELD }
    }

    /// Whether a text may still be read.
    pub(super) fn reads(&mut self, text: &[u8]) -> bool {
        let left = self.bytes.checked_sub(text.len());
        self.bytes = left.unwrap_or(0);
        left.is_some()
    }

    /// Whether one more member or element may still be held.
    pub(super) fn holds_one(&mut self) -> bool {
        let left = self.held.checked_sub(1);
        self.held = left.unwrap_or(0);
        left.is_some()
    }
}
