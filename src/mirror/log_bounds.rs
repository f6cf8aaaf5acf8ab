//! Where the log begins and ends. Pure.

use super::log_error::LogError;
use crate::domain::Sequence;

/// Where the log begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBounds {
    /// Changes up to this one have been dropped; 0: none.
    pub dropped_through: Sequence,
    /// The last change; 0: there was none yet.
    pub last: Sequence,
}

impl LogBounds {
    /// Sees that all that came after this change is there, and that it has come itself.
    pub(in crate::mirror) fn expect(self, after: Sequence) -> Result<(), LogError> {
        let Self { dropped_through, last } = self;
        if after < dropped_through {
            return Err(LogError::Dropped { after, dropped_through });
        }
        if after > last {
            return Err(LogError::Ahead { after, last });
        }
        Ok(())
    }
}
