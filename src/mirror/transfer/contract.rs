//! What a store must do to be the source or the target of a transfer.

use std::fmt::Debug;

use super::records::{
    ChangeRecord, ItemRecord, ItemRecords, MirrorExtent, StateRecords, TransferCursor,
    TransferOrigin,
};
use crate::domain::{ItemId, RepositoryId, Sequence};
use crate::mirror::contracts::MirrorFuture;

/// A mirror that nobody writes as long as this is held: what it holds can be read, record by record.
pub trait TransferSource: Debug + Send + Sync {
    /// Where it is, without any secret.
    fn place(&self) -> String;

    /// How much it holds.
    fn extent(&self) -> MirrorFuture<'_, MirrorExtent>;

    /// Some changes after this one, in the order of their sequences; none: there are no more.
    fn changes(&self, after: Sequence) -> MirrorFuture<'_, Vec<ChangeRecord>>;

    /// Some items of a repository from behind `after` on, those that were deleted and are remembered
    /// too.
    fn items(
        &self,
        repository: RepositoryId,
        after: Option<ItemId>,
    ) -> MirrorFuture<'_, ItemRecords>;

    /// All else.
    fn state(&self) -> MirrorFuture<'_, StateRecords>;

    /// Lets others in again, at once where the drop alone would have them wait.
    fn release(&self) -> MirrorFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// A store that is to become a mirror. Each call is one transaction, which also says how far the
/// transfer has come.
pub trait TransferTarget: TransferSource {
    /// Begins, or takes up what was begun from the same source; what has been written.
    ///
    /// Fails as `NotEmpty` where there is anything that no unfinished transfer from this source has
    /// written.
    fn begin(&self, origin: &TransferOrigin) -> MirrorFuture<'_, TransferCursor>;

    /// Writes the changes that come next.
    fn put_changes(&self, changes: Vec<ChangeRecord>) -> MirrorFuture<'_, ()>;

    /// Writes the items that come next; all changes are there.
    fn put_items(&self, repository: RepositoryId, items: Vec<ItemRecord>) -> MirrorFuture<'_, ()>;

    /// Writes all else, in place of what is there of it.
    fn put_state(&self, state: StateRecords) -> MirrorFuture<'_, ()>;

    /// Makes it a mirror. Durable once it returns.
    fn finish(&self) -> MirrorFuture<'_, ()>;
}
