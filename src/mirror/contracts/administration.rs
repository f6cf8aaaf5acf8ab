//! What an operator sees and says.

use super::future::MirrorFuture;
use crate::domain::RepositoryId;
use crate::mirror::{
    ApprovalOutcome, IncrementalPass, LedgerEntry, MirrorSummary, PendingDeletions,
};

/// Tells how a mirror stands, and takes the operator's word.
pub trait Administration: Send + Sync {
    /// The mirror in figures, as of one moment but for the room that it takes.
    fn summary(&self) -> MirrorFuture<'_, MirrorSummary>;

    /// The whole passes of a repository, the newest first: all that the ledger keeps, a thousand or
    /// fewer.
    fn ledger(&self, repository: RepositoryId) -> MirrorFuture<'_, Vec<LedgerEntry>>;

    /// Its incremental passes that have ended, likewise.
    fn incremental_ledger(
        &self,
        repository: RepositoryId,
    ) -> MirrorFuture<'_, Vec<IncrementalPass>>;

    /// The deletions of a repository that wait for the operator; `None` where none do.
    fn pending_deletions(
        &self,
        repository: RepositoryId,
    ) -> MirrorFuture<'_, Option<PendingDeletions>>;

    /// Approves the deletions of a repository that the guard has held back: all, or those of these
    /// items if all of these are held. It deletes nothing: the next certified pass does. Durable when
    /// it returns, and waits for no more than the transaction that the daemon has in hand.
    fn approve(
        &self,
        repository: RepositoryId,
        named: Option<Vec<String>>,
    ) -> MirrorFuture<'_, ApprovalOutcome>;
}
