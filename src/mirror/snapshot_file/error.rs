//! Why a snapshot could not be written.

use crate::domain::ItemId;

/// A snapshot that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFileError {
    /// SQLite said no.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// An item is no JSON object.
    #[error("item {item} does not fit in a table")]
    Item {
        /// Which.
        item: ItemId,
        /// Why.
        source: serde_json::Error,
    },
}

impl SnapshotFileError {
    /// What the operator can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => {
                "see that there is room in the folder, and in that of temporary files (TMPDIR, else \
                 /var/tmp), and that no limit on the size of files is in the way"
            }
            Self::Item { .. } => "look at it with `ewmirror history`",
        }
    }

    /// Whether it was ended by who watches the writing.
    pub fn is_interrupt(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted)
    }
}
