//! One view of a shape. Pure.

use std::collections::HashMap;

use crate::domain::RepositoryId;

/// One view, or table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapedView {
    /// What it is called: 1 to 63 bytes, another than all others whatever the case.
    pub name: String,
    /// The repository whose it is; of a link, the one that it was first known of.
    pub repository: RepositoryId,
    /// What the repository was called when it came; of a code set or a link, empty.
    pub base: String,
    /// What is in it.
    pub part: ShapedPart,
    /// Of a main or language view: its columns behind [`INTERNAL_RECORD_ID`](super::INTERNAL_RECORD_ID), at most 1,500.
    pub columns: Vec<ShapedColumn>,
}

/// What is in a view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShapedPart {
    /// The items, and their attributes as columns.
    Main,
    /// Attributes in one language, of those that come in several. The attribute without a language, or in
    /// the language that most attributes have, is in the main view.
    Language(String),
    /// Attributes without a column, as keys and values.
    KeyValues,
    /// The code set of this name.
    CodeSet(String),
    /// The link of this id.
    Link(String),
}

/// One column of a main or language view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapedColumn {
    /// What it is called: 1 to 63 bytes, another than all others of the view whatever the case.
    pub name: String,
    /// The attribute whose values it has: the name of an item's member, any text.
    pub field_id: String,
    /// What the attribute was called when the column came.
    pub called: String,
}

impl ShapedView {
    /// Which attributes have a column, each once: by field id, and by what they were called when it came;
    /// and as which column, counted from 0.
    pub(super) fn attributes(&self) -> HashMap<(&str, &str), usize> {
        let columns = self.columns.iter().enumerate();
        columns.map(|(place, it)| ((it.field_id.as_str(), it.called.as_str()), place)).collect()
    }

    /// Whether it is the view of this part of a repository that was called so.
    pub(super) fn is(&self, repository: RepositoryId, base: &str, part: &ShapedPart) -> bool {
        let is_same = self.base == base && self.part == *part;
        // Both repositories of a link tell of it.
        is_same && (self.repository == repository || matches!(part, ShapedPart::Link(_)))
    }
}
