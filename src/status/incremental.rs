//! How the incremental passes of a repository stand, in the status document.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::progress::{IncrementalProgress, whole_millis};
use crate::settings::choice::Choice as _;

/// The incremental passes of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IncrementalStatus {
    /// `since` or `newest_first`.
    pub mode: String,
    /// The latest change that is known; null in the mode `newest_first`.
    pub mark_at_ms: Option<i64>,
    /// The time that an item claims and that lies in the future, which holds the mark back; null: none.
    pub held_back_at_ms: Option<i64>,
    /// What keeps them from being of use: `failing`, `ignored` or `out_of_order`; null: nothing.
    pub obstacle: Option<String>,
    /// Whether the list is not in the order of last change, as the mode `newest_first` takes it to be.
    pub out_of_order: bool,
    /// Passes since the start.
    pub passes: u64,
    /// How long ago the last one ended; null: there is none yet.
    pub last_age_ms: Option<u64>,
    /// What it read: pages.
    pub pages: u64,
    /// Items.
    pub items: u64,
    /// Items that the mirror did not have.
    pub created: u64,
    /// Items that were different in the mirror.
    pub updated: u64,
}

impl From<IncrementalProgress> for IncrementalStatus {
    fn from(it: IncrementalProgress) -> Self {
        let obstacle = it.obstacle.map(|obstacle| obstacle.word().to_owned());
        let age = |ended: Instant| whole_millis(Instant::now().saturating_duration_since(ended));
        let figure = |figure: Option<u64>| figure.unwrap_or_default();
        Self {
            mode: it.mode.word().to_owned(),
            mark_at_ms: it.mark_ms,
            held_back_at_ms: it.held_back_ms,
            out_of_order: obstacle.as_deref() == Some("out_of_order"),
            obstacle,
            passes: it.passes,
            last_age_ms: it.last.map(|last| age(last.ended)),
            pages: figure(it.last.map(|last| last.pages)),
            items: figure(it.last.map(|last| last.items)),
            created: figure(it.last.map(|last| last.created)),
            updated: figure(it.last.map(|last| last.updated)),
        }
    }
}
