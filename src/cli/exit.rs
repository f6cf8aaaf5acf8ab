//! How a command ends.

/// What a command says whose thread has panicked, of which the log has told.
pub(crate) const PANICKED: &str = "a thread of this program has panicked: report this";

/// How a command ended.
pub(crate) enum Exit {
    /// 0.
    Done,
    /// 1, with what failed.
    Failed(String),
    /// 2, with what is wrong.
    Wrong(String),
}
