//! Writing: a writer for each repository, and the end of old changes.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use super::feeds::FeedWriter;
use super::future::MirrorFuture;
use super::leases::Leases;
use super::models::{KeptModel, ModelUpdate, RefusedView};
use crate::domain::{IdSet, ItemId, Iteration, RepositoryId};
use crate::mirror::disk::DiskSpace;
use crate::mirror::{
    ChangeCounts, DroppedChanges, EndOfPass, FeedHolds, IncrementalPage, Knowledge,
    KnowledgeUpdate, PageOfItems, ResumePoint, UnseenItems,
};

/// The right to write a repository: whose it is, and how often it has changed hands. A store that
/// several daemons share refuses a transaction under a generation that is no longer the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who writes.
    pub owner: Arc<str>,
    /// Counts up each time that another one takes over.
    pub generation: u64,
}

impl Lease {
    /// The lease of a store that one process alone can have open: held as long as it is open.
    pub fn sole() -> Self {
        Self { owner: Arc::from(""), generation: 0 }
    }
}

/// A mirror that is open to be written.
pub trait Mirror: Debug + Send + Sync + 'static {
    /// The writer of a repository. There is one at a time; a new one takes the place of the last.
    fn writer(&self, repository: RepositoryId, lease: &Lease) -> Arc<dyn RepositoryWriter>;

    /// Who may write what, where several daemons share the store; `None`: this process alone has it, and
    /// each of its leases is [`Lease::sole`].
    fn leases(&self) -> Option<Arc<dyn Leases>> {
        None
    }

    /// What writes what feeds have delivered; `None`: nothing is kept, and nothing to be delivered.
    fn feed_writer(&self) -> Option<Arc<dyn FeedWriter>> {
        None
    }

    /// Drops changes found longer than `keep` before `now_ms` (milliseconds since 1970, UTC), up to
    /// the first that is younger, or that a feed has not delivered and holds: some of them at a time; tells
    /// whether there may be more. [`RetentionCutoff`](crate::mirror::retention::RetentionCutoff) says
    /// which those are. What is dropped though a feed has not delivered it is told, in the same
    /// transaction the feed is set to go on after it (not one that is to begin again and has not yet), and
    /// what is parked of it is forgotten.
    ///
    /// Durable later: a power cut may undo it together with what came after, a kill does not.
    fn drop_changes(
        &self,
        now_ms: i64,
        keep: Duration,
        holds: &FeedHolds,
    ) -> MirrorFuture<'_, DroppedChanges>;

    /// The room that it takes, in bytes; without what is free inside it where the store can tell.
    fn used_bytes(&self) -> MirrorFuture<'_, u64>;

    /// What is known of a repository, as it was saved last.
    fn saved_model(&self, repository: RepositoryId) -> MirrorFuture<'_, Option<KeptModel>>;

    /// Keeps what is known of a repository from now on, in one transaction. Durable when it returns; may
    /// be repeated after an error, and comes beside the calls of the repository's writer. Then it makes
    /// the views that the models are read by; returns those that the store did not make, which the next
    /// call tries again.
    fn save_model(
        &self,
        repository: RepositoryId,
        lease: &Lease,
        update: Arc<ModelUpdate>,
    ) -> MirrorFuture<'_, Vec<RefusedView>>;

    /// What is left of the disk of this machine that it grows on; `None` where it grows elsewhere or
    /// nobody can tell. May wait for the disk.
    fn disk_space(&self) -> Option<DiskSpace> {
        None
    }
}

/// Writes one repository.
///
/// Obligations:
///
/// - a page is one transaction: its items, its changes, its checkpoint and the ledger are taken
///   whole or not at all. Once a call has returned, a kill at any instant loses nothing of it; a
///   power cut loses nothing of a call that gave out a sequence or ended a pass;
/// - so the fold of all changes is the copy, at every instant, and sequences neither repeat nor
///   skip, in the order of the commits;
/// - a call may be repeated after an error, and nothing else is called before that, but `load`: a
///   store that cannot tell what became of a call finds out when it comes again;
/// - the calls of one writer come one at a time; those of several may come at once.
pub trait RepositoryWriter: Debug + Send + Sync {
    /// Where the repository stands. Called once before anything else is asked, and again after a
    /// pager has failed.
    fn load(&self) -> MirrorFuture<'_, ResumePoint>;

    /// Begins a pass, or begins it over: any checkpoint is forgotten, and an earlier pass that never
    /// ended is closed in the ledger as given up.
    fn begin_pass(&self, iteration: Iteration, ts_ms: i64) -> MirrorFuture<'_, ()>;

    /// Takes one page.
    fn write_page(&self, page: Arc<PageOfItems>) -> MirrorFuture<'_, ChangeCounts>;

    /// Takes one page of an incremental pass, at any time between two other calls: also while a pass
    /// is under way, and before the first. Its changes, its mark and its entry in the ledger are one
    /// transaction. Each row counts, as unchanged where it is as it was; where an id stands twice, the
    /// later row alone.
    ///
    /// A power cut may undo a page that changed no item, with its mark and its entry, together with
    /// what came after; a kill does not.
    fn write_incremental(&self, page: Arc<IncrementalPage>) -> MirrorFuture<'_, ChangeCounts>;

    /// What is known of items that were not seen.
    fn suspects(&self) -> MirrorFuture<'_, UnseenItems>;

    /// The items of the copy that are not in `seen`, in the order of their ids: at most `limit` of
    /// those after `after`.
    fn unseen(
        &self,
        seen: Arc<IdSet>,
        after: Option<ItemId>,
        limit: usize,
    ) -> MirrorFuture<'_, Vec<ItemId>>;

    /// Deletes these items of the pass under way; returns how many were there.
    fn delete(&self, iteration: Iteration, ts_ms: i64, items: Vec<ItemId>)
    -> MirrorFuture<'_, u64>;

    /// Ends a pass: writes the ledger and forgets the checkpoint. Returns what the pass changed in
    /// all. What is held again stays approved where it was: the operator may have approved it while
    /// the pass ended ([`AnnouncedDeletions::at_end`](crate::mirror::deletions::AnnouncedDeletions)).
    fn end_pass(&self, end: EndOfPass) -> MirrorFuture<'_, ChangeCounts>;

    /// Whether the operator has approved any of the deletions that are held back.
    fn any_approved(&self) -> MirrorFuture<'_, bool>;

    /// What the pager has learnt of the server's answers, as far as it is kept.
    fn knowledge(&self) -> MirrorFuture<'_, Knowledge> {
        Box::pin(std::future::ready(Ok(Knowledge::default())))
    }

    /// Keeps what the pager has learnt, where anything is kept. It comes in parts, each of them whole or not
    /// there; no other call depends on it, and a power cut may undo it.
    fn keep_knowledge(&self, _: Arc<KnowledgeUpdate>) -> MirrorFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}
