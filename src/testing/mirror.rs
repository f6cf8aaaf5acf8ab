//! A mirror that remembers what it was handed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Memory;
use crate::domain::{IdSet, ItemId, Iteration, RepositoryId};
use crate::mirror::{
    ChangeCounts, EndOfPass, Mirror, MirrorError, PageOfItems, ResumePoint, Suspects,
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
    pages: Mutex<Vec<Delivered>>,
    script: Mutex<VecDeque<Trouble>>,
    taken: watch::Sender<usize>,
}

impl WatchfulMirror {
    pub(crate) fn new() -> Self {
        Self {
            memory: Memory::default(),
            pages: Mutex::default(),
            script: Mutex::default(),
            taken: watch::Sender::new(0),
        }
    }

    /// What goes wrong with the next writes.
    pub(crate) fn script(&self, troubles: impl IntoIterator<Item = Trouble>) {
        locked(&self.script).extend(troubles);
    }

    /// The pages of a repository, in the order in which they came.
    pub(crate) fn pages(&self, repository: u64) -> Vec<Delivered> {
        let pages = locked(&self.pages);
        pages.iter().filter(|page| page.repository == repository).cloned().collect()
    }

    /// All pages.
    pub(crate) fn all(&self) -> Vec<Delivered> {
        locked(&self.pages).clone()
    }

    /// Waits until so many pages, of whatever repository, have come.
    pub(crate) async fn taken(&self, pages: usize) {
        self.taken.subscribe().wait_for(|taken| *taken >= pages).await.unwrap();
    }
}

impl Mirror for WatchfulMirror {
    async fn load(&self, repository: RepositoryId) -> Result<ResumePoint, MirrorError> {
        self.memory.load(repository).await
    }

    async fn begin_pass(
        &self,
        repository: RepositoryId,
        iteration: Iteration,
        ts_ms: i64,
    ) -> Result<(), MirrorError> {
        self.memory.begin_pass(repository, iteration, ts_ms).await
    }

    async fn suspects(&self, repository: RepositoryId) -> Result<Suspects, MirrorError> {
        self.memory.suspects(repository).await
    }

    async fn unseen(
        &self,
        repository: RepositoryId,
        seen: Arc<IdSet>,
        after: Option<ItemId>,
        limit: usize,
    ) -> Result<Vec<ItemId>, MirrorError> {
        self.memory.unseen(repository, seen, after, limit).await
    }

    async fn delete(
        &self,
        repository: RepositoryId,
        iteration: Iteration,
        ts_ms: i64,
        items: Vec<ItemId>,
    ) -> Result<u64, MirrorError> {
        self.memory.delete(repository, iteration, ts_ms, items).await
    }

    async fn end_pass(&self, end: EndOfPass) -> Result<ChangeCounts, MirrorError> {
        self.memory.end_pass(end).await
    }

    async fn approved(&self, repository: RepositoryId) -> Result<bool, MirrorError> {
        self.memory.approved(repository).await
    }

    async fn drop_changes(&self, now_ms: i64, keep: Duration) -> Result<bool, MirrorError> {
        self.memory.drop_changes(now_ms, keep).await
    }

    async fn write_page(&self, page: Arc<PageOfItems>) -> Result<ChangeCounts, MirrorError> {
        let trouble = locked(&self.script).pop_front();
        match trouble {
            Some(Trouble::Fail) => return Err(MirrorError::Store("disk full".into())),
            Some(Trouble::Slow(time)) => sleep(time).await,
            Some(Trouble::Panic) | None => {}
        }
        let RepositoryId(repository) = page.repository;
        let items = page.items.iter().map(|item| match &item.id {
            ItemId::Integer(number) => *number,
            ItemId::Text(text) => panic!("an id that the server has not: {text}"),
        });
        let delivered = Delivered {
            at: Instant::now(),
            repository,
            iteration: page.iteration.0,
            items: items.collect(),
        };
        locked(&self.pages).push(delivered);
        self.taken.send_modify(|taken| *taken += 1);
        // Taken, but the one who handed it over never learns of it.
        assert!(!matches!(trouble, Some(Trouble::Panic)), "scripted");
        self.memory.write_page(page).await
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
