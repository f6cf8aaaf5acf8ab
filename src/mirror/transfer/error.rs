//! Why a transfer did not come to its end.

use crate::domain::{RepositoryId, Sequence};
use crate::mirror::MirrorError;

/// A transfer that did not come to its end. The source is as it was.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The source cannot be read.
    #[error("the source cannot be read")]
    Source(#[source] MirrorError),
    /// The target cannot be written, or is none.
    #[error("the target cannot be written")]
    Target(#[source] MirrorError),
    /// The source did not stay as it was.
    #[error("the source was written meanwhile: its last change is {now}, and was {before}")]
    Moved {
        /// Its last change at the beginning.
        before: Sequence,
        /// Its last change now.
        now: Sequence,
    },
    /// What was written is not what was read.
    #[error(
        "repository {repository} is not the same in the target: {count} items with digest {digest}, \
         where the source has {expected_count} with {expected_digest}"
    )]
    Different {
        /// Which.
        repository: RepositoryId,
        /// The items of the target.
        count: u64,
        /// Their digest.
        digest: String,
        /// The items of the source.
        expected_count: u64,
        /// Their digest.
        expected_digest: String,
    },
    /// The log of the target does not end where that of the source does.
    #[error("the log of the target has {found} changes, and that of the source {expected}")]
    Log {
        /// In the target.
        found: u64,
        /// In the source.
        expected: u64,
    },
}

impl TransferError {
    /// Whether the same may succeed in a while: a store said no, or did not answer.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Source(error) | Self::Target(error) if error.may_pass())
    }

    /// What the operator can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Source(error) | Self::Target(error) => error.remedy(),
            Self::Moved { .. } => "see that no daemon writes it, empty the target, and begin again",
            Self::Different { .. } | Self::Log { .. } => {
                "the target is not used by any daemon; empty it, and begin again"
            }
        }
    }
}
