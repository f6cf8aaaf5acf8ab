//! One change of an item, as the log keeps it.

use crate::domain::{ItemId, Iteration, RepositoryId, Sequence};

/// What happened to an item. The letters are Debezium's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// First seen before any pass over the repository was complete: it may have been there long.
    Read,
    /// It was not there, or had been deleted.
    Create,
    /// It was another.
    Update,
    /// It is gone.
    Delete,
}

impl Op {
    /// `r`, `c`, `u` or `d`.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::Create => "c",
            Self::Update => "u",
            Self::Delete => "d",
        }
    }

    /// The operation of this letter.
    pub fn of_letter(letter: &str) -> Option<Self> {
        [Self::Read, Self::Create, Self::Update, Self::Delete]
            .into_iter()
            .find(|op| op.letter() == letter)
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its place in the log.
    pub sequence: Sequence,
    /// The repository.
    pub repository: RepositoryId,
    /// The item.
    pub item: ItemId,
    /// What happened.
    pub op: Op,
    /// The pass that found it.
    pub iteration: Iteration,
    /// When it was found, in milliseconds since 1970 (UTC).
    pub ts_ms: i64,
    /// The item before, as received; of updates and deletions.
    pub before: Option<Vec<u8>>,
    /// The item after, as received; of all but deletions.
    pub after: Option<Vec<u8>>,
}
