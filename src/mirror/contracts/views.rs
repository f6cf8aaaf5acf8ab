//! The four views, which others may read in the store itself, read row by row.

use std::ops::ControlFlow;

/// One of the views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MirrorView {
    /// The items that are there.
    Items,
    /// The log.
    Changes,
    /// The versions of each item.
    History,
    /// The ledger.
    Passes,
}

/// What a column of a view holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewColumnKind {
    /// A whole number.
    Number,
    /// A text.
    Text,
    /// A time as a text, such as `2026-11-24T14:09:35.791Z`.
    Time,
    /// 0 or 1.
    Truth,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewValue {
    /// None.
    Null,
    /// A number.
    Number(i64),
    /// A text, in UTF-8 unless an item that is not has come from the server.
    Text(Vec<u8>),
}

/// Takes rows, some at a time, and says whether there may be more of them.
pub type RowTaker<'a> = &'a mut (dyn FnMut(Vec<Vec<ViewValue>>) -> ControlFlow<()> + Send);

impl MirrorView {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Items, Self::Changes, Self::History, Self::Passes];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Changes => "changes",
            Self::History => "history",
            Self::Passes => "passes",
        }
    }

    /// Its columns, in their order, but for `json`: that is the body over again.
    pub fn columns(self) -> &'static [(&'static str, ViewColumnKind)] {
        use ViewColumnKind::{Number, Text, Time, Truth};
        match self {
            Self::Items => &[
                ("repository", Number),
                ("id", Text),
                ("body", Text),
                ("sequence", Number),
                ("changed_at", Time),
            ],
            Self::Changes => &[
                ("sequence", Number),
                ("repository", Number),
                ("id", Text),
                ("op", Text),
                ("iteration", Number),
                ("changed_at", Time),
                ("before", Text),
                ("after", Text),
            ],
            Self::History => &[
                ("repository", Number),
                ("id", Text),
                ("body", Text),
                ("valid_from", Time),
                ("valid_to", Time),
                ("from_sequence", Number),
                ("to_sequence", Number),
            ],
            Self::Passes => &[
                ("repository", Number),
                ("iteration", Number),
                ("started_at", Time),
                ("ended_at", Time),
                ("pages", Number),
                ("requests", Number),
                ("items", Number),
                ("created", Number),
                ("updated", Number),
                ("deleted", Number),
                ("unchanged", Number),
                ("certified", Truth),
                ("reason", Text),
                ("kind", Text),
            ],
        }
    }
}
