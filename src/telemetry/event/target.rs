//! The target of all events.

/// What the events of this program are told from those of libraries by.
pub const TARGET: &str = "ewmirror";
