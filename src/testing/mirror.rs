//! A mirror that remembers what it was handed.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Memory;
use crate::domain::{IdSet, Item, ItemId, Iteration, RepositoryId, Sequence};
use crate::mirror::{
    ChangeCounts, DroppedChanges, EndOfPass, FeedHolds, FeedLease, FeedState, FeedWriter,
    IncrementalPage, KeptModel, Knowledge, KnowledgeUpdate, Lease, Leases, Mirror, MirrorError,
    MirrorErrorKind, MirrorFuture, ModelUpdate, PageOfItems, ParkedChange, RefusedView,
    RepositoryWriter, ResumePoint, UnseenItems,
};

/// One page as it was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) at: Instant,
    pub(crate) repository: u64,
    pub(crate) iteration: u64,
    /// The numbers of its items.
    pub(crate) items: Vec<i128>,
}

impl Delivered {
    fn new(RepositoryId(repository): RepositoryId, iteration: Iteration, items: &[Item]) -> Self {
        let items = items.iter().map(|item| match &item.id {
            ItemId::Integer(number) => *number,
            ItemId::Text(text) => panic!("an id that the server has not: {text}"),
        });
        Self { at: Instant::now(), repository, iteration: iteration.0, items: items.collect() }
    }
}

/// What goes wrong with one write.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    Fail,
    Slow(Duration),
    Panic,
}

/// The mirror.
#[derive(Debug)]
pub(crate) struct WatchfulMirror {
    /// What it keeps.
    pub(crate) memory: Memory,
    watch: Arc<Watch>,
}

/// What it remembers of being written.
#[derive(Debug)]
struct Watch {
    pages: Mutex<Vec<Delivered>>,
    incremental: Mutex<Vec<Delivered>>,
    script: Mutex<VecDeque<Trouble>>,
    taken: watch::Sender<usize>,
    panicking_feeds: Mutex<BTreeSet<&'static str>>,
    incremental_taken: watch::Sender<usize>,
}

impl Watch {
    /// What goes wrong with this write; an error where that is all that becomes of it.
    async fn trouble(&self) -> Result<Option<Trouble>, MirrorError> {
        let trouble = locked(&self.script).pop_front();
        match trouble {
            Some(Trouble::Fail) => {
                return Err(MirrorError::new(
                    MirrorErrorKind::Unavailable,
                    "make room",
                    "disk full",
                ));
            }
            Some(Trouble::Slow(time)) => sleep(time).await,
            Some(Trouble::Panic) | None => {}
        }
        Ok(trouble)
    }
}

impl WatchfulMirror {
    pub(crate) fn new() -> Self {
        Self::of(Memory::default())
    }

    /// One that several daemons can share, as the first of them has it.
    pub(crate) fn shared(owner: &str) -> Self {
        Self::of(Memory::shared(owner))
    }

    /// The same as another daemon has it; it remembers what that one alone wrote.
    pub(crate) fn beside(&self, owner: &str) -> Self {
        Self::of(self.memory.beside(owner))
    }

    fn of(memory: Memory) -> Self {
        let watch = Watch {
            pages: Mutex::default(),
            incremental: Mutex::default(),
            script: Mutex::default(),
            taken: watch::Sender::new(0),
            incremental_taken: watch::Sender::new(0),
            panicking_feeds: Mutex::default(),
        };
        Self { memory, watch: Arc::new(watch) }
    }

    /// What goes wrong with the next writes.
    pub(crate) fn script(&self, troubles: impl IntoIterator<Item = Trouble>) {
        locked(&self.watch.script).extend(troubles);
    }

    /// These feeds, and no others, panic whenever they begin.
    pub(crate) fn panic_at_feeds(&self, feeds: &[&'static str]) {
        *locked(&self.watch.panicking_feeds) = feeds.iter().copied().collect();
    }

    /// The pages of a repository, in the order in which they came.
    pub(crate) fn pages(&self, repository: u64) -> Vec<Delivered> {
        let pages = locked(&self.watch.pages);
        pages.iter().filter(|page| page.repository == repository).cloned().collect()
    }

    /// The pages of incremental passes of a repository, in the order in which they came.
    #[expect(dead_code, reason = "for the tests of incremental passes")]
    pub(crate) fn incremental(&self, repository: u64) -> Vec<Delivered> {
        let pages = locked(&self.watch.incremental);
        pages.iter().filter(|page| page.repository == repository).cloned().collect()
    }

    /// Waits until so many pages of incremental passes, of whatever repository, have come.
    #[expect(dead_code, reason = "for the tests of incremental passes")]
    pub(crate) async fn incremental_taken(&self, pages: usize) {
        let mut taken = self.watch.incremental_taken.subscribe();
        taken.wait_for(|taken| *taken >= pages).await.unwrap();
    }

    /// All pages.
    pub(crate) fn all(&self) -> Vec<Delivered> {
        locked(&self.watch.pages).clone()
    }

    /// Waits until so many pages, of whatever repository, have come.
    pub(crate) async fn taken(&self, pages: usize) {
        self.watch.taken.subscribe().wait_for(|taken| *taken >= pages).await.unwrap();
    }
}

impl Mirror for WatchfulMirror {
    fn writer(&self, repository: RepositoryId, lease: &Lease) -> Arc<dyn RepositoryWriter> {
        let writer = self.memory.writer(repository, lease);
        Arc::new(WatchfulWriter { writer, repository, watch: Arc::clone(&self.watch) })
    }

    fn leases(&self) -> Option<Arc<dyn Leases>> {
        self.memory.leases()
    }

    fn feed_writer(&self) -> Option<Arc<dyn FeedWriter>> {
        let writer = self.memory.feed_writer()?;
        Some(Arc::new(WatchfulFeedWriter { writer, watch: Arc::clone(&self.watch) }))
    }

    fn drop_changes(
        &self,
        now_ms: i64,
        keep: Duration,
        holds: &FeedHolds,
    ) -> MirrorFuture<'_, DroppedChanges> {
        Mirror::drop_changes(&self.memory, now_ms, keep, holds)
    }

    fn used_bytes(&self) -> MirrorFuture<'_, u64> {
        self.memory.used_bytes()
    }

    fn saved_model(&self, repository: RepositoryId) -> MirrorFuture<'_, Option<KeptModel>> {
        self.memory.saved_model(repository)
    }

    fn save_model(
        &self,
        repository: RepositoryId,
        lease: &Lease,
        update: Arc<ModelUpdate>,
    ) -> MirrorFuture<'_, Vec<RefusedView>> {
        self.memory.save_model(repository, lease, update)
    }
}

/// Its writer of one repository.
#[derive(Debug)]
struct WatchfulWriter {
    writer: Arc<dyn RepositoryWriter>,
    repository: RepositoryId,
    watch: Arc<Watch>,
}

impl RepositoryWriter for WatchfulWriter {
    fn load(&self) -> MirrorFuture<'_, ResumePoint> {
        self.writer.load()
    }

    fn begin_pass(&self, iteration: Iteration, ts_ms: i64) -> MirrorFuture<'_, ()> {
        self.writer.begin_pass(iteration, ts_ms)
    }

    fn suspects(&self) -> MirrorFuture<'_, UnseenItems> {
        self.writer.suspects()
    }

    fn unseen(
        &self,
        seen: Arc<IdSet>,
        after: Option<ItemId>,
        limit: usize,
    ) -> MirrorFuture<'_, Vec<ItemId>> {
        self.writer.unseen(seen, after, limit)
    }

    fn delete(
        &self,
        iteration: Iteration,
        ts_ms: i64,
        items: Vec<ItemId>,
    ) -> MirrorFuture<'_, u64> {
        self.writer.delete(iteration, ts_ms, items)
    }

    fn end_pass(&self, end: EndOfPass) -> MirrorFuture<'_, ChangeCounts> {
        self.writer.end_pass(end)
    }

    fn any_approved(&self) -> MirrorFuture<'_, bool> {
        self.writer.any_approved()
    }

    fn knowledge(&self) -> MirrorFuture<'_, Knowledge> {
        self.writer.knowledge()
    }

    fn keep_knowledge(&self, update: Arc<KnowledgeUpdate>) -> MirrorFuture<'_, ()> {
        self.writer.keep_knowledge(update)
    }

    fn write_page(&self, page: Arc<PageOfItems>) -> MirrorFuture<'_, ChangeCounts> {
        Box::pin(async move {
            let trouble = self.watch.trouble().await?;
            let delivered = Delivered::new(self.repository, page.iteration, &page.items);
            let written = self.writer.write_page(page).await;
            if written.is_ok() {
                locked(&self.watch.pages).push(delivered);
                self.watch.taken.send_modify(|taken| *taken += 1);
            }
            // Taken, but the one who handed it over never learns of it.
            assert!(!matches!(trouble, Some(Trouble::Panic)), "scripted");
            written
        })
    }

    fn write_incremental(&self, page: Arc<IncrementalPage>) -> MirrorFuture<'_, ChangeCounts> {
        Box::pin(async move {
            let trouble = self.watch.trouble().await?;
            let delivered = Delivered::new(self.repository, page.iteration, &page.items);
            let written = self.writer.write_incremental(page).await;
            if written.is_ok() {
                locked(&self.watch.incremental).push(delivered);
                self.watch.incremental_taken.send_modify(|taken| *taken += 1);
            }
            assert!(!matches!(trouble, Some(Trouble::Panic)), "scripted");
            written
        })
    }
}

/// What it is told of feeds.
#[derive(Debug)]
struct WatchfulFeedWriter {
    writer: Arc<dyn FeedWriter>,
    watch: Arc<Watch>,
}

impl FeedWriter for WatchfulFeedWriter {
    fn take_feed(&self, feed: &str) -> MirrorFuture<'_, Option<FeedLease>> {
        let panics = locked(&self.watch.panicking_feeds).contains(feed);
        assert!(!panics, "scripted");
        self.writer.take_feed(feed)
    }

    fn release_feed(&self, lease: &FeedLease) -> MirrorFuture<'_, ()> {
        self.writer.release_feed(lease)
    }

    fn save_feed(
        &self,
        lease: &FeedLease,
        state: &FeedState,
        parked: Vec<ParkedChange>,
        unparked: Vec<Sequence>,
    ) -> MirrorFuture<'_, Option<u64>> {
        self.writer.save_feed(lease, state, parked, unparked)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
