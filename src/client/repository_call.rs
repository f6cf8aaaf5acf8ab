//! What the call for repositories answers.

use crate::domain::RepositoryId;

/// The repositories that a server offers to a login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryList {
    /// In the server's order.
    pub repositories: Vec<ListedRepository>,
    /// How many entries of its list have no id that we can find.
    pub skipped: usize,
}

/// One repository that a server offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRepository {
    /// Its number.
    pub id: RepositoryId,
    /// What the server calls it, as it came.
    pub name: Option<String>,
    /// Whether this login may read it, where the server says so: its `canRead` (vendor).
    pub can_read: Option<bool>,
}
