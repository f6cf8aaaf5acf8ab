//! The bytes of pages in hand: asked for, waiting for their turn, or being written. Pure.
//!
//! Guarantees: what is asked for fits into what is left, by what is expected of it; what comes larger counts
//! as it is. Nothing stands still for want of bytes: where nothing is in hand any page fits, however large;
//! and one page at a time may go beyond what is left, of those whose turn it is in their pass. Such a page is
//! written as soon as it is there, and so what it took comes back; a page that would wait for
//! another one may not, or two passes could wait for one another for ever.

/// How a page gets its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// There is room.
    Room,
    /// As the one page that may go beyond.
    Beyond,
}

/// The bytes that are kept for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    bytes: u64,
    fit: Fit,
}

#[derive(Debug)]
pub(super) struct Bytes {
    most: u64,
    used: u64,
    /// Whether a page has gone beyond.
    is_beyond: bool,
}

impl Bytes {
    pub(super) fn new(most: u64) -> Self {
        Self { most, used: 0, is_beyond: false }
    }

    pub(super) fn set_most(&mut self, most: u64) {
        self.most = most;
    }

    /// Whether a page has gone beyond what is left, so that no other one may.
    pub(super) fn is_beyond(&self) -> bool {
        self.is_beyond
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// How so many bytes can be had now, if they can; `is_awaited` says whether the page is one whose turn it is.
    pub(super) fn fit(&self, bytes: u64, is_awaited: bool) -> Option<Fit> {
        if self.used == 0 || self.used.saturating_add(bytes) <= self.most || bytes == 0 {
            Some(Fit::Room)
        } else {
            (is_awaited && !self.is_beyond).then_some(Fit::Beyond)
        }
    }

    pub(super) fn take(&mut self, bytes: u64, fit: Fit) -> Held {
        self.used = self.used.saturating_add(bytes);
        self.is_beyond |= fit == Fit::Beyond;
        Held { bytes, fit }
    }

    pub(super) fn resize(&mut self, held: &mut Held, bytes: u64) {
        self.used = self.used.saturating_sub(held.bytes).saturating_add(bytes);
        held.bytes = bytes;
    }

    pub(super) fn give_back(&mut self, held: Held) {
        self.used = self.used.saturating_sub(held.bytes);
        if held.fit == Fit::Beyond {
            self.is_beyond = false;
        }
    }
}
