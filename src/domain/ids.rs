//! The names of things: repositories, items, passes.
//!
//! Plain values without behaviour beyond parsing, ordering and printing, so that every layer can
//! use them. Nothing here knows where a name came from.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of a repository, as the vendor counts them (10149 in the vendor's example).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RepositoryId(pub u64);

impl RepositoryId {
    /// Stands for all that a server offers, where a repository is to be named: none has this number.
    pub const EVERY: Self = Self(0);
}

impl fmt::Display for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a pass over one repository, counted from 1 as in the vendor's example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Iteration(pub u64);

impl Iteration {
    /// The first pass.
    pub const FIRST: Self = Self(1);

    /// The pass after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Iteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of a change in the log of a mirror, counted from 1; it never repeats or skips.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The largest that a store can keep.
    pub const MOST: Self = Self(i64::MAX.cast_unsigned());
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The most bytes of an id that is text. No id is known to be longer than some dozens; one of
/// megabytes would be held in sets, logs and keys.
pub const LONGEST_ID: usize = 1024;

/// What tells one item of a repository from all others.
///
/// Which member of an item carries it is configuration, because the API page leaves it open; so is
/// its type. Integers are exact over the whole range of `i128`, far beyond the 2^53 at which a
/// floating-point reading would begin to confuse neighbours. The number 7 and the text "7" are two
/// different ids: the server may use both.
///
/// The order is that of exports: integers by their value, then texts by their bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ItemId {
    /// A JSON integer.
    Integer(i128),
    /// A JSON string, unescaped.
    Text(Box<str>),
}

impl ItemId {
    /// What a text given by a person may name: the integer that is written so, or else the text.
    pub fn meanings(text: &str) -> impl Iterator<Item = Self> {
        // Not of any spelling: 007 is a text.
        let integer = text.parse::<i128>().ok().filter(|number| number.to_string() == text);
        integer.map(Self::Integer).into_iter().chain([Self::Text(text.into())])
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}
