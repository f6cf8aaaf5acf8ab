//! What the status document says of deletions that are held back. Pure.
//!
//! Which items these are is told by their ids alone: the document is for everybody who reaches the
//! endpoint, and has no item data in it.

use serde::{Deserialize, Serialize};

use crate::domain::ItemId;
use crate::mirror::HeldSummary;

/// How many characters of an item's id are told: a server may send ids of any length.
const SHOWN_OF_ID: usize = 100;

/// Deletions that are held back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeldStatus {
    /// How many were announced.
    pub count: u64,
    /// The pass that announced them.
    pub iteration: Option<u64>,
    /// When it did.
    pub since_at_ms: Option<i64>,
    /// Whether the operator has approved all of them.
    pub approved: bool,
    /// How many wait for the operator.
    pub waiting: u64,
    /// The first of these, some of them: the beginning of the id where that is long.
    pub first: Vec<String>,
}

impl From<&HeldSummary> for HeldStatus {
    fn from(held: &HeldSummary) -> Self {
        Self {
            count: held.count,
            iteration: held.iteration.map(|iteration| iteration.0),
            since_at_ms: held.since_ms,
            approved: held.approved >= held.count,
            waiting: held.count.saturating_sub(held.approved),
            first: held.first.iter().map(shown).collect(),
        }
    }
}

/// An id, or the beginning of a long one.
pub(super) fn shown(id: &ItemId) -> String {
    let id = id.to_string();
    match id.char_indices().nth(SHOWN_OF_ID) {
        Some(_) => id.chars().take(SHOWN_OF_ID).chain(['…']).collect(),
        None => id,
    }
}
