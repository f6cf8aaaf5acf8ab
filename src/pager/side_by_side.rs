//! What the whole and the incremental passes of one repository share, beside the session and the limiter.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::incremental::FoundByWholePasses;
use super::readings::Readings;

/// What both kinds of passes share.
#[derive(Debug, Default)]
pub struct SideBySide {
    /// Keeps earlier answers from overwriting later ones.
    pub(super) readings: Arc<Readings>,
    /// How many records the longest answer had.
    longest: AtomicU64,
    /// Held for a few instructions an item, never across an await.
    found: Mutex<FoundByWholePasses>,
}

impl SideBySide {
    /// An answer had so many records.
    pub(super) fn note_answer(&self, records: u64) {
        self.longest.fetch_max(records, Ordering::Relaxed);
    }

    /// How many records the longest answer had so far.
    pub(super) fn longest_answer(&self) -> u64 {
        self.longest.load(Ordering::Relaxed)
    }

    /// What whole passes found.
    pub(super) fn found(&self) -> MutexGuard<'_, FoundByWholePasses> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A whole pass begins.
    pub(super) fn begin_pass(&self) {
        self.readings.begin_pass();
        self.found().begin_pass();
    }
}
