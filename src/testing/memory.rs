//! A mirror in memory that meets the obligations of the trait, but for surviving the process.
//!
//! Compares bytes only: what the same item in another form is, the real mirror's tests say.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::domain::{IdSet, ItemId, Iteration, RepositoryId};
use crate::mirror::{
    ChangeCounts, EndOfPass, Interrupted, Mirror, MirrorError, PageOfItems, ResumePoint, Suspects,
};

/// The mirror.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<BTreeMap<RepositoryId, StoredRepository>>);

/// What is kept of a repository.
#[derive(Debug, Default)]
pub(crate) struct StoredRepository {
    pub(crate) items: BTreeMap<ItemId, Bytes>,
    pub(crate) suspects: Suspects,
    /// The pass begun last, and whether it has ended.
    pass: Option<(Iteration, bool)>,
    changed: ChangeCounts,
    pub(crate) interrupted: Option<Interrupted>,
    pub(crate) ends: Vec<EndOfPass>,
    /// `drop_changes` was called so.
    pub(crate) dropped: Vec<(i64, Duration)>,
}

impl Memory {
    /// Looks at what is kept of a repository, or changes it.
    pub(crate) fn with<T>(
        &self,
        repository: RepositoryId,
        look: impl FnOnce(&mut StoredRepository) -> T,
    ) -> T {
        look(self.lock().entry(repository).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RepositoryId, StoredRepository>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mirror for Memory {
    async fn load(&self, repository: RepositoryId) -> Result<ResumePoint, MirrorError> {
        Ok(self.with(repository, |kept| match kept.pass {
            None => ResumePoint { iteration: Iteration::FIRST, interrupted: None },
            Some((iteration, true)) => {
                ResumePoint { iteration: iteration.next(), interrupted: None }
            }
            Some((iteration, false)) => {
                ResumePoint { iteration, interrupted: kept.interrupted.clone() }
            }
        }))
    }

    async fn begin_pass(
        &self,
        repository: RepositoryId,
        iteration: Iteration,
        _: i64,
    ) -> Result<(), MirrorError> {
        self.with(repository, |kept| {
            kept.pass = Some((iteration, false));
            kept.interrupted = None;
            kept.changed = ChangeCounts::default();
        });
        Ok(())
    }

    async fn write_page(&self, page: Arc<PageOfItems>) -> Result<ChangeCounts, MirrorError> {
        Ok(self.with(page.repository, |kept| {
            let mut changed = ChangeCounts::default();
            for (item, first) in page.items.iter().zip(&page.newly_seen) {
                match kept.items.insert(item.id.clone(), item.bytes.clone()) {
                    None => changed.created += 1,
                    Some(old) if old != item.bytes => changed.updated += 1,
                    Some(_) => changed.unchanged += u64::from(*first),
                }
            }
            kept.changed.add(changed);
            let mut seen = kept.interrupted.take().map(|it| it.seen).unwrap_or_default();
            if !page.checkpoint.seen.is_empty() {
                seen.push(page.checkpoint.seen.clone());
            }
            kept.interrupted = Some(Interrupted {
                saved_ms: page.ts_ms,
                statistics: page.statistics,
                state: page.checkpoint.state.clone(),
                seen,
            });
            changed
        }))
    }

    async fn suspects(&self, repository: RepositoryId) -> Result<Suspects, MirrorError> {
        Ok(self.with(repository, |kept| Suspects {
            items: kept.items.len() as u64,
            ..kept.suspects.clone()
        }))
    }

    async fn unseen(
        &self,
        repository: RepositoryId,
        seen: Arc<IdSet>,
        after: Option<ItemId>,
        limit: usize,
    ) -> Result<Vec<ItemId>, MirrorError> {
        Ok(self.with(repository, |kept| {
            let ids = kept.items.keys().filter(|id| after.as_ref().is_none_or(|it| *id > it));
            ids.filter(|id| !seen.contains(id)).take(limit).cloned().collect()
        }))
    }

    async fn delete(
        &self,
        repository: RepositoryId,
        _: Iteration,
        _: i64,
        items: Vec<ItemId>,
    ) -> Result<u64, MirrorError> {
        Ok(self.with(repository, |kept| {
            let there = items.iter().filter(|id| kept.items.remove(id).is_some()).count() as u64;
            kept.changed.deleted += there;
            there
        }))
    }

    async fn end_pass(&self, end: EndOfPass) -> Result<ChangeCounts, MirrorError> {
        Ok(self.with(end.repository, |kept| {
            kept.pass = Some((end.iteration, true));
            kept.interrupted = None;
            kept.suspects.suspects = end.suspects.clone();
            let before = std::mem::replace(&mut kept.suspects.held, end.held.clone());
            if let (Some(held), Some(before)) = (&mut kept.suspects.held, before) {
                held.carry_over(&before);
            }
            kept.ends.push(end);
            kept.changed
        }))
    }

    async fn approved(&self, repository: RepositoryId) -> Result<bool, MirrorError> {
        let approved = |kept: &mut StoredRepository| {
            kept.suspects.held.as_ref().is_some_and(|it| !it.approved.is_empty())
        };
        Ok(self.with(repository, approved))
    }

    async fn drop_changes(&self, now_ms: i64, keep: Duration) -> Result<bool, MirrorError> {
        for kept in self.lock().values_mut() {
            kept.dropped.push((now_ms, keep));
        }
        Ok(false)
    }
}
