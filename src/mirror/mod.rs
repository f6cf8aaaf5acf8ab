//! Where pages go: the one wall between the pager and whatever keeps items.
//!
//! This version keeps nothing ([`Nothing`]); a database will stand behind the same trait.

use std::future::Future;

use crate::ids::{Iteration, RepositoryId};
use crate::item::Item;

/// One page of a pass, as the pager hands it on: in the order of the list, each exactly once.
#[derive(Clone, Debug)]
pub struct PageOfItems {
    /// The repository.
    pub repository: RepositoryId,
    /// The pass.
    pub iteration: Iteration,
    /// The items as received, in the server's order.
    pub items: Vec<Item>,
}

/// What a page, or a pass, changed in the mirror.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Items that were not there.
    pub created: u64,
    /// Items that were different.
    pub updated: u64,
    /// Items that are gone.
    pub deleted: u64,
    /// Items that were the same.
    pub unchanged: u64,
}

impl Tally {
    /// Adds another tally to this one.
    pub fn add(&mut self, other: Self) {
        self.created += other.created;
        self.updated += other.updated;
        self.deleted += other.deleted;
        self.unchanged += other.unchanged;
    }
}

/// A mirror that could not take a page.
#[derive(Debug, thiserror::Error)]
#[error("the mirror cannot be written")]
pub struct MirrorError {
    /// What the store said.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A keeper of items.
///
/// Obligations: a page is taken whole or not at all; once `write_page` has returned, a kill at any
/// instant loses nothing of it; and it may be handed the same page again after an error.
pub trait Mirror: Send + Sync + 'static {
    /// Takes one page.
    fn write_page(
        &self,
        page: PageOfItems,
    ) -> impl Future<Output = Result<Tally, MirrorError>> + Send;
}

/// `mirror.url = "none"`: pages are read and told of, and nothing is kept, so nothing is known to
/// be new or changed and all tallies are zero.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Mirror for Nothing {
    async fn write_page(&self, _page: PageOfItems) -> Result<Tally, MirrorError> {
        Ok(Tally::default())
    }
}
