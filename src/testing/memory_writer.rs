//! What writes one repository of the mirror in memory.

use std::sync::Arc;

use super::memory::Memory;
use crate::domain::{IdSet, ItemId, Iteration, RepositoryId};
use crate::mirror::{
    ChangeCounts, EndOfPass, IncrementalPage, Knowledge, KnowledgeUpdate, Lease, MirrorFuture,
    PageOfItems, RepositoryWriter, ResumePoint, UnseenItems,
};

/// Writes one repository.
#[derive(Debug)]
pub(super) struct MemoryWriter {
    memory: Memory,
    repository: RepositoryId,
    lease: Lease,
}

impl MemoryWriter {
    /// Writes this repository under this lease.
    pub(super) fn new(memory: Memory, repository: RepositoryId, lease: Lease) -> Self {
        Self { memory, repository, lease }
    }

    /// Asks something of the mirror, or writes, as far as the daemon reaches it and may.
    fn ask<'a, T: Send + 'a>(
        &'a self,
        ask: impl FnOnce(&Memory) -> T + Send + 'a,
    ) -> MirrorFuture<'a, T> {
        Box::pin(async move {
            if let Some(leases) = &self.memory.leases {
                leases.pass().await?;
                leases.check(self.repository, &self.lease)?;
            }
            Ok(ask(&self.memory))
        })
    }
}

impl RepositoryWriter for MemoryWriter {
    fn load(&self) -> MirrorFuture<'_, ResumePoint> {
        self.ask(|memory| memory.load(self.repository))
    }

    fn begin_pass(&self, iteration: Iteration, ts_ms: i64) -> MirrorFuture<'_, ()> {
        self.ask(move |memory| memory.begin_pass(self.repository, iteration, ts_ms))
    }

    fn write_page(&self, page: Arc<PageOfItems>) -> MirrorFuture<'_, ChangeCounts> {
        self.ask(move |memory| memory.write_page(self.repository, &page))
    }

    fn write_incremental(&self, page: Arc<IncrementalPage>) -> MirrorFuture<'_, ChangeCounts> {
        self.ask(move |memory| memory.write_incremental(self.repository, &page))
    }

    fn suspects(&self) -> MirrorFuture<'_, UnseenItems> {
        self.ask(|memory| memory.suspects(self.repository))
    }

    fn unseen(
        &self,
        seen: Arc<IdSet>,
        after: Option<ItemId>,
        limit: usize,
    ) -> MirrorFuture<'_, Vec<ItemId>> {
        self.ask(move |memory| memory.unseen(self.repository, &seen, after.as_ref(), limit))
    }

    fn delete(
        &self,
        iteration: Iteration,
        ts_ms: i64,
        items: Vec<ItemId>,
    ) -> MirrorFuture<'_, u64> {
        self.ask(move |memory| memory.delete(self.repository, (iteration, ts_ms), items))
    }

    fn end_pass(&self, end: EndOfPass) -> MirrorFuture<'_, ChangeCounts> {
        self.ask(move |memory| memory.end_pass(self.repository, end))
    }

    fn any_approved(&self) -> MirrorFuture<'_, bool> {
        self.ask(|memory| {
            let held = memory.suspects(self.repository).held;
            held.is_some_and(|held| !held.approved.is_empty())
        })
    }

    fn knowledge(&self) -> MirrorFuture<'_, Knowledge> {
        self.ask(|memory| memory.with(self.repository, |kept| kept.knowledge.clone()))
    }

    fn keep_knowledge(&self, update: Arc<KnowledgeUpdate>) -> MirrorFuture<'_, ()> {
        self.ask(move |memory| memory.with(self.repository, |kept| kept.knowledge.take(&update)))
    }
}
