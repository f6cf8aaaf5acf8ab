//! The items of a repository, as of one instant: now, or an earlier one.

use std::sync::Arc;

use super::future::MirrorFuture;
use super::models::KeptModel;
use super::views::{MirrorView, RowTaker};
use crate::domain::{IdSet, ItemId, RepositoryId, Sequence};
use crate::mirror::ComparedItem;

/// Some items, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemsPage {
    /// The items: each id and the body as received. There may be none although others come: of an
    /// earlier instant as many are looked at that were not there then.
    pub items: Vec<(ItemId, Vec<u8>)>,
    /// Go on after this one; `None` at the end.
    pub scanned_through: Option<ItemId>,
}

/// Some items that are not what they were, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedPage {
    /// The items.
    pub items: Vec<ComparedItem>,
    /// Go on after this one; `None` at the end.
    pub scanned_through: Option<ItemId>,
}

/// A repository that has been paged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirroredRepository {
    /// Which.
    pub id: RepositoryId,
    /// How many items are there.
    pub items: u64,
    /// What is known of it; `None`: nothing was ever kept.
    pub model: Option<KeptModel>,
}

/// Reads items.
pub trait Items: Send + Sync {
    /// Whether the mirror has ever paged this repository.
    fn knows(&self, repository: RepositoryId) -> MirrorFuture<'_, bool>;

    /// The mirror as it is now, or as it was once this change had been made; for as long as it is
    /// held.
    ///
    /// Fails as `Dropped` where later changes than that have been dropped, and as `Ahead` where it has
    /// not come yet.
    fn snapshot(&self, as_of: Option<Sequence>) -> MirrorFuture<'_, Box<dyn ItemsSnapshot>>;

    /// The mirror as it was once the change `from` had been made beside what it was once `to` had, or
    /// is now; for as long as it is held.
    ///
    /// Fails as [`Items::snapshot`] does, and as `Ahead` where `from` comes after `to`.
    fn comparison(
        &self,
        from: Sequence,
        to: Option<Sequence>,
    ) -> MirrorFuture<'_, Box<dyn ItemsComparison>>;

    /// The body of an item as it is now; `None`: there is none of this id. Found by its key, however many
    /// others there are.
    fn item(&self, repository: RepositoryId, item: &ItemId) -> MirrorFuture<'_, Option<Vec<u8>>>;

    /// The items of a repository that are in this set, from behind `after` on: as many as one short
    /// transaction finds, as they are now.
    fn items_in(
        &self,
        repository: RepositoryId,
        set: Arc<IdSet>,
        after: Option<ItemId>,
    ) -> MirrorFuture<'_, ItemsPage>;
}

/// One state of a mirror. While it is held a store may have to keep what has changed since: who
/// takes one must not wait for anybody while it lasts.
pub trait ItemsSnapshot: Send + Sync {
    /// The last change that is in it; 0: there was none yet.
    fn sequence(&self) -> Sequence;

    /// The items of a repository in the order of their ids, from behind `after` on: a bounded number
    /// of bytes at a time, and one item more. However often it is asked, the answer is the same.
    fn items(&self, repository: RepositoryId, after: Option<ItemId>)
    -> MirrorFuture<'_, ItemsPage>;

    /// The repositories that have ever been paged, by id; of an earlier instant, too, as they were when
    /// the snapshot was taken.
    fn repositories(&self) -> MirrorFuture<'_, Vec<MirroredRepository>>;

    /// Hands over the rows of a view in any order, some in memory at a time, until `take` wants no more;
    /// of an earlier instant, too, as they were when the snapshot was taken. Nothing else can be asked
    /// meanwhile.
    fn rows<'a>(&'a self, view: MirrorView, take: RowTaker<'a>) -> MirrorFuture<'a, ()>;
}

/// Two states of a mirror, the earlier and the later one. What holds of an [`ItemsSnapshot`] holds of
/// it.
pub trait ItemsComparison: Send + Sync {
    /// The last change that is in the earlier state, and in the later one.
    fn sequences(&self) -> (Sequence, Sequence);

    /// The items of a repository whose bytes are not the same in both, in the order of their ids, from
    /// behind `after` on: a bounded number of bytes at a time, and one item more.
    fn items(
        &self,
        repository: RepositoryId,
        after: Option<ItemId>,
    ) -> MirrorFuture<'_, ComparedPage>;
}
