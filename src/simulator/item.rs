//! One item at one moment.

/// One item at one moment: all that is needed to render it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SimulatedItem {
    /// The item's id.
    pub(super) id: u64,
    /// 1 for a new item, one more with each change.
    pub(super) revision: u32,
    /// The number of the repository's change that made this revision.
    pub(super) change: u32,
    /// When that was, in milliseconds since 1970: the modification stamp.
    pub(super) changed_ms: u64,
}
