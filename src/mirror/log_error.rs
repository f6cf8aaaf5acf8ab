//! What may be wrong with a question about the log, or with the log itself, in whatever store it is.

use super::MirrorErrorKind;
use crate::domain::Sequence;

/// A question about the log that has no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LogError {
    /// Changes were asked for that are no longer there.
    #[error(
        "the changes after {after} up to {dropped_through} have been dropped: the first that can \
         be asked for is --after {dropped_through}"
    )]
    Dropped {
        /// After which.
        after: Sequence,
        /// The last that is gone.
        dropped_through: Sequence,
    },
    /// Changes were asked for that come after one which has not come.
    #[error("there is no change {after} yet: the last one is {last}")]
    Ahead {
        /// After which.
        after: Sequence,
        /// The last that there is.
        last: Sequence,
    },
    /// The log contradicts itself.
    #[error("change {sequence} is damaged: {what}")]
    Damaged {
        /// Which.
        sequence: Sequence,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl LogError {
    /// What kind of failure it is.
    pub(crate) fn kind(&self) -> MirrorErrorKind {
        match self {
            Self::Dropped { .. } => MirrorErrorKind::Dropped,
            Self::Ahead { .. } => MirrorErrorKind::Ahead,
            Self::Damaged { .. } => MirrorErrorKind::Damaged,
        }
    }

    /// What the operator can do.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::Dropped { .. } => {
                "begin with an export, which holds what they did, and go on from there"
            }
            Self::Ahead { .. } => {
                "begin anew if the mirror has been made anew: its changes count from 1 again"
            }
            Self::Damaged { .. } => {
                "restore the database from a backup, or move it away to have it made anew"
            }
        }
    }
}
