//! The calls that a pager makes, by their names in the log.

use crate::domain::RepositoryId;
use crate::progress::problems::{Scope, Source};

/// The call for one page.
pub(super) const SEARCH: &str = "search";

/// The call for one page of an incremental pass.
pub(super) const INCREMENTAL: &str = "incremental search";

/// The call for one item.
pub(super) const ITEM: &str = "item";

/// The place of a problem with these requests.
pub(super) fn source(repository: RepositoryId, endpoint: &'static str) -> Source {
    Source { scope: Scope::Repository, repository: Some(repository), what: endpoint }
}
