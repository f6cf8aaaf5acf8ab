//! The way of a mirror from one store to another. Reading the next records and writing the last ones go
//! on side by side.

use super::contract::{TransferSource, TransferTarget};
use super::error::TransferError;
use super::records::{ItemRecord, ItemRecords, MirrorExtent, TransferCursor, TransferOrigin};
use crate::domain::{ItemId, RepositoryId, Sequence};
use crate::mirror::{ItemsDigest, MirrorError};

/// How far a transfer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransferProgress {
    /// Changes and items to be written, about; those that are compared at the end count once more.
    pub total: u64,
    /// Those that are done.
    pub done: u64,
    /// Whether all is written, and compared now.
    pub is_compared: bool,
}

/// What a repository held on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryDigest {
    /// The repository.
    pub repository: RepositoryId,
    /// Its items.
    pub digest: ItemsDigest,
}

/// Takes over all that the source holds, or goes on with it; tells of each step. Returns what each
/// repository was found to hold on both sides.
///
/// # Errors
///
/// A store that fails, a target that holds something else, or one that is not the same in the end. The
/// source is as it was, and the target is refused by all who would open it, until this succeeds.
pub async fn transfer(
    source: &dyn TransferSource,
    target: &dyn TransferTarget,
    tell: &mut (dyn FnMut(TransferProgress) + Send),
) -> Result<Vec<RepositoryDigest>, TransferError> {
    let extent = source.extent().await.map_err(TransferError::Source)?;
    let MirrorExtent { last, dropped_through, dropped_ms, items, .. } = extent;
    let origin = TransferOrigin { place: source.place(), last, dropped_through, dropped_ms };
    let cursor = target.begin(&origin).await.map_err(TransferError::Target)?;
    let changes = last.0.saturating_sub(dropped_through.0);
    let total = changes.saturating_add(items.saturating_mul(3));
    let done = cursor.sequence.0.saturating_sub(dropped_through.0);
    let mut step = Step { progress: TransferProgress { total, done, is_compared: false }, tell };
    step.advance(0);
    changes_of(source, target, cursor.sequence, &mut step).await?;
    items_of(source, target, &extent, &cursor, &mut step).await?;
    let state = source.state().await.map_err(TransferError::Source)?;
    target.put_state(state).await.map_err(TransferError::Target)?;
    step.progress.is_compared = true;
    let found = compare(source, target, &extent, &mut step).await?;
    target.finish().await.map_err(TransferError::Target)?;
    Ok(found)
}

/// The way so far, and who is told of it.
struct Step<'a> {
    progress: TransferProgress,
    tell: &'a mut (dyn FnMut(TransferProgress) + Send),
}

impl Step<'_> {
    fn advance(&mut self, records: usize) {
        self.progress.done += records as u64;
        (self.tell)(self.progress);
    }
}

async fn changes_of(
    source: &dyn TransferSource,
    target: &dyn TransferTarget,
    after: Sequence,
    step: &mut Step<'_>,
) -> Result<(), TransferError> {
    let mut read = source.changes(after).await.map_err(TransferError::Source)?;
    while let Some(last) = read.last().map(|record| record.change.sequence) {
        let count = read.len();
        let (written, next) = tokio::join!(target.put_changes(read), source.changes(last));
        written.map_err(TransferError::Target)?;
        step.advance(count);
        read = next.map_err(TransferError::Source)?;
    }
    Ok(())
}

async fn items_of(
    source: &dyn TransferSource,
    target: &dyn TransferTarget,
    extent: &MirrorExtent,
    cursor: &TransferCursor,
    step: &mut Step<'_>,
) -> Result<(), TransferError> {
    for &repository in &extent.repositories {
        let mut after = None;
        match &cursor.item {
            Some((reached, _)) if *reached > repository => continue,
            Some((reached, item)) if *reached == repository => after = Some(item.clone()),
            _ => {}
        }
        let mut read = source.items(repository, after).await.map_err(TransferError::Source)?;
        loop {
            let ItemRecords { records, more } = read;
            let (count, last) = (records.len(), records.last().map(|record| record.id.clone()));
            let (written, next) = tokio::join!(
                put_items(target, repository, records),
                next_items(source, repository, last.filter(|_| more))
            );
            written.map_err(TransferError::Target)?;
            step.advance(count);
            match next.map_err(TransferError::Source)? {
                Some(next) => read = next,
                None => break,
            }
        }
    }
    Ok(())
}

async fn put_items(
    target: &dyn TransferTarget,
    repository: RepositoryId,
    records: Vec<ItemRecord>,
) -> Result<(), MirrorError> {
    if records.is_empty() { Ok(()) } else { target.put_items(repository, records).await }
}

async fn next_items(
    source: &dyn TransferSource,
    repository: RepositoryId,
    after: Option<ItemId>,
) -> Result<Option<ItemRecords>, MirrorError> {
    match after {
        Some(after) => source.items(repository, Some(after)).await.map(Some),
        None => Ok(None),
    }
}

/// Sees that the source is as it was, and that the target holds the same.
async fn compare(
    source: &dyn TransferSource,
    target: &dyn TransferTarget,
    extent: &MirrorExtent,
    step: &mut Step<'_>,
) -> Result<Vec<RepositoryDigest>, TransferError> {
    let mut found = Vec::new();
    for &repository in &extent.repositories {
        let expected = digest_of(source, repository, step).await.map_err(TransferError::Source)?;
        let digest = digest_of(target, repository, step).await.map_err(TransferError::Target)?;
        if digest != expected {
            return Err(TransferError::Different {
                repository,
                count: digest.count(),
                digest: digest.to_string(),
                expected_count: expected.count(),
                expected_digest: expected.to_string(),
            });
        }
        found.push(RepositoryDigest { repository, digest });
    }
    let now = source.extent().await.map_err(TransferError::Source)?;
    let (before, now) = (extent.last, now.last);
    if before != now {
        return Err(TransferError::Moved { before, now });
    }
    let there = target.extent().await.map_err(TransferError::Target)?;
    let changes = |extent: &MirrorExtent| extent.last.0.saturating_sub(extent.dropped_through.0);
    if (there.last, there.dropped_through) != (extent.last, extent.dropped_through) {
        return Err(TransferError::Log { found: changes(&there), expected: changes(extent) });
    }
    Ok(found)
}

async fn digest_of(
    store: &dyn TransferSource,
    repository: RepositoryId,
    step: &mut Step<'_>,
) -> Result<ItemsDigest, MirrorError> {
    let (mut digest, mut after) = (ItemsDigest::default(), None);
    loop {
        let ItemRecords { records, more } = store.items(repository, after).await?;
        for record in &records {
            if let Some(body) = &record.body {
                digest.add(&record.id, body);
            }
        }
        step.advance(records.len());
        after = records.into_iter().next_back().map(|record| record.id).filter(|_| more);
        if after.is_none() {
            return Ok(digest);
        }
    }
}
