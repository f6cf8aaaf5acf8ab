//! The contracts of reading, kept by a thread with a connection that cannot write.
//!
//! A database that this process writes too is opened anew for each question, so that one which has
//! been moved or replaced meanwhile is noticed; else the first connection serves them all.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::error::OpenError;
use super::read::{self, ReadError, SqliteComparison, SqliteReader, SqliteSnapshot};
use super::worker::Worker;
use super::{models, published};
use crate::domain::{Change, IdSet, ItemId, RepositoryId, Sequence};
#[cfg(test)]
use crate::mirror::LogBounds;
use crate::mirror::contracts::{
    Administration, ChangeLog, ChangesPage, ComparedPage, FeedRequest, FeedState, Feeds,
    ItemHistory, Items, ItemsComparison, ItemsPage, ItemsSnapshot, KeptModel, MirrorFuture,
    MirrorView, MirroredRepository, ModelChange, Models, ParkedChange, RowTaker,
};
use crate::mirror::{
    ApprovalOutcome, IncrementalPass, LedgerEntry, LogTime, MirrorError, MirrorSummary,
    PendingDeletions,
};
use crate::model::RawAnswer;
use crate::model::shape::MirrorShape;

/// How often a follower in another process looks for news: a change is told well within a second.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Asks the mirror in a SQLite database.
#[derive(Debug)]
pub(crate) struct SqliteReading {
    worker: Worker<Connector>,
    path: PathBuf,
    /// The last change, where this process writes it.
    told: Option<watch::Receiver<Sequence>>,
}

/// Opens the database, or keeps it open.
#[derive(Debug)]
struct Connector {
    path: PathBuf,
    is_beside_writer: bool,
    kept: Option<SqliteReader>,
}

impl SqliteReading {
    /// Opens the database of a mirror, of which this is to be the only user in this process. Waits
    /// for the disk.
    ///
    /// # Errors
    ///
    /// A file that is not there, is not ours, or is of another schema version.
    pub(crate) fn open(path: &Path) -> Result<Self, MirrorError> {
        let kept = Some(SqliteReader::open(path)?);
        Self::start(Connector { path: path.to_owned(), is_beside_writer: false, kept }, None)
    }

    /// Reads a database that this process writes.
    pub(super) fn beside_writer(
        path: &Path,
        told: watch::Receiver<Sequence>,
    ) -> Result<Self, MirrorError> {
        let connector = Connector { path: path.to_owned(), is_beside_writer: true, kept: None };
        Self::start(connector, Some(told))
    }

    fn start(
        connector: Connector,
        told: Option<watch::Receiver<Sequence>>,
    ) -> Result<Self, MirrorError> {
        let path = connector.path.clone();
        let worker = Worker::start_detached("mirror-reader", connector)
            .map_err(|source| OpenError::Thread { path: path.clone(), source })?;
        Ok(Self { worker, path, told })
    }

    /// Asks the database something.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut SqliteReader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, MirrorError> {
        Ok(self.worker.run(|connector| connector.ask(question)).await??)
    }

    /// Waits until another process has written since it was seen to be at this version.
    async fn written_since(&self, version: i64) -> Result<(), MirrorError> {
        loop {
            sleep(LOOK_EVERY).await;
            if self.ask(|reader| reader.data_version()).await? != version {
                return Ok(());
            }
        }
    }
}

impl Connector {
    fn ask<T>(
        &mut self,
        question: impl FnOnce(&mut SqliteReader) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        if self.is_beside_writer {
            return question(&mut SqliteReader::beside_writer(&self.path)?);
        }
        let reader = match self.kept.take() {
            Some(reader) => reader,
            None => SqliteReader::open(&self.path)?,
        };
        question(self.kept.insert(reader))
    }

    fn approve(
        &mut self,
        repository: RepositoryId,
        named: Option<&[String]>,
    ) -> Result<ApprovalOutcome, ReadError> {
        if self.is_beside_writer {
            return read::approve_beside_writer(&self.path, repository, named);
        }
        // It looks at the file itself first.
        self.kept = None;
        read::approve(&self.path, repository, named)
    }

    fn change_feed(&mut self, feed: &str, request: &FeedRequest) -> Result<bool, ReadError> {
        if self.is_beside_writer {
            return read::change_feed_beside_writer(&self.path, feed, request);
        }
        self.kept = None;
        read::change_feed(&self.path, feed, request)
    }

    fn remove_feed(&mut self, feed: &str) -> Result<(), ReadError> {
        if self.is_beside_writer {
            return read::remove_feed_beside_writer(&self.path, feed);
        }
        self.kept = None;
        read::remove_feed(&self.path, feed)
    }
}

impl ChangeLog for SqliteReading {
    #[cfg(test)]
    fn bounds(&self) -> MirrorFuture<'_, LogBounds> {
        Box::pin(self.ask(SqliteReader::bounds))
    }

    fn changes(
        &self,
        after: Option<Sequence>,
        repository: Option<RepositoryId>,
        limit: usize,
    ) -> MirrorFuture<'_, ChangesPage> {
        Box::pin(self.ask(move |reader| reader.changes(after, repository, limit)))
    }

    fn history(
        &self,
        repository: RepositoryId,
        item: &ItemId,
    ) -> MirrorFuture<'_, Option<ItemHistory>> {
        let item = item.clone();
        Box::pin(self.ask(move |reader| reader.history(repository, &item)))
    }

    fn change(&self, sequence: Sequence) -> MirrorFuture<'_, Option<Change>> {
        Box::pin(self.ask(move |reader| reader.change(sequence)))
    }

    fn at_time(&self, ts_ms: i64, now_ms: i64) -> MirrorFuture<'_, LogTime> {
        Box::pin(self.ask(move |reader| reader.at_time(ts_ms, now_ms)))
    }

    fn wait_for_news(&self, after: Sequence) -> MirrorFuture<'_, Sequence> {
        Box::pin(async move {
            if let Some(mut told) = self.told.clone() {
                // The writer tells of what it has written, and not of what was there before.
                let last = self.ask(SqliteReader::bounds).await?.last;
                if last > after {
                    return Ok(last);
                }
                // The writer has ended, and nothing comes any more.
                let Ok(last) = told.wait_for(|last| *last > after).await else {
                    return std::future::pending().await;
                };
                return Ok(*last);
            }
            loop {
                // Asked before the log is read, so that what comes meanwhile is news afterwards.
                let version = self.ask(|reader| reader.data_version()).await?;
                let last = self.ask(SqliteReader::bounds).await?.last;
                if last > after {
                    return Ok(last);
                }
                self.written_since(version).await?;
            }
        })
    }
}

impl Items for SqliteReading {
    fn knows(&self, repository: RepositoryId) -> MirrorFuture<'_, bool> {
        Box::pin(self.ask(move |reader| reader.knows(repository)))
    }

    fn snapshot(&self, as_of: Option<Sequence>) -> MirrorFuture<'_, Box<dyn ItemsSnapshot>> {
        Box::pin(async move {
            let path = self.path.clone();
            let taken = self.worker.run(move |_| {
                // A connection of its own, and this reader has one already.
                SqliteSnapshot::take(SqliteReader::beside_writer(&path)?, as_of)
            });
            let snapshot = taken.await??;
            let sequence = snapshot.sequence();
            let worker = Worker::start_detached("mirror-snapshot", snapshot)
                .map_err(|source| OpenError::Thread { path: self.path.clone(), source })?;
            Ok(Box::new(HeldSnapshot { worker, sequence }) as Box<dyn ItemsSnapshot>)
        })
    }

    fn comparison(
        &self,
        from: Sequence,
        to: Option<Sequence>,
    ) -> MirrorFuture<'_, Box<dyn ItemsComparison>> {
        Box::pin(async move {
            let path = self.path.clone();
            let taken = self.worker.run(move |_| {
                SqliteComparison::take(SqliteReader::beside_writer(&path)?, from, to)
            });
            let comparison = taken.await??;
            let sequences = comparison.sequences();
            let worker = Worker::start_detached("mirror-snapshot", comparison)
                .map_err(|source| OpenError::Thread { path: self.path.clone(), source })?;
            Ok(Box::new(HeldComparison { worker, sequences }) as Box<dyn ItemsComparison>)
        })
    }

    fn item(&self, repository: RepositoryId, item: &ItemId) -> MirrorFuture<'_, Option<Vec<u8>>> {
        let item = item.clone();
        Box::pin(self.ask(move |reader| reader.item(repository, &item)))
    }

    fn items_in(
        &self,
        repository: RepositoryId,
        set: Arc<IdSet>,
        after: Option<ItemId>,
    ) -> MirrorFuture<'_, ItemsPage> {
        Box::pin(self.ask(move |reader| reader.items_in(repository, &set, after.as_ref())))
    }
}

impl Models for SqliteReading {
    fn model(&self, repository: RepositoryId) -> MirrorFuture<'_, Option<KeptModel>> {
        Box::pin(self.ask(move |reader| Ok(models::model(reader.connection(), repository)?)))
    }

    fn model_answers(&self, repository: RepositoryId) -> MirrorFuture<'_, Vec<RawAnswer>> {
        let id = repository.0.cast_signed();
        Box::pin(self.ask(move |reader| Ok(models::answers(reader.connection(), id)?)))
    }

    fn model_changes(&self, repository: RepositoryId) -> MirrorFuture<'_, Vec<ModelChange>> {
        let id = repository.0.cast_signed();
        Box::pin(self.ask(move |reader| Ok(models::changes(reader.connection(), id)?)))
    }

    fn shape(&self) -> MirrorFuture<'_, MirrorShape> {
        Box::pin(self.ask(|reader| Ok(published::shape(reader.connection())?)))
    }
}

impl Administration for SqliteReading {
    fn summary(&self) -> MirrorFuture<'_, MirrorSummary> {
        Box::pin(self.ask(SqliteReader::summary))
    }

    fn ledger(&self, repository: RepositoryId) -> MirrorFuture<'_, Vec<LedgerEntry>> {
        Box::pin(self.ask(move |reader| reader.ledger(repository)))
    }

    fn incremental_ledger(
        &self,
        repository: RepositoryId,
    ) -> MirrorFuture<'_, Vec<IncrementalPass>> {
        Box::pin(self.ask(move |reader| reader.incremental_ledger(repository)))
    }

    fn pending_deletions(
        &self,
        repository: RepositoryId,
    ) -> MirrorFuture<'_, Option<PendingDeletions>> {
        Box::pin(self.ask(move |reader| reader.pending_deletions(repository)))
    }

    fn approve(
        &self,
        repository: RepositoryId,
        named: Option<Vec<String>>,
    ) -> MirrorFuture<'_, ApprovalOutcome> {
        Box::pin(async move {
            let approved =
                self.worker.run(move |connector| connector.approve(repository, named.as_deref()));
            Ok(approved.await??)
        })
    }
}

impl Feeds for SqliteReading {
    fn feeds(&self) -> MirrorFuture<'_, Vec<(String, FeedState)>> {
        Box::pin(self.ask(SqliteReader::feeds))
    }

    fn feed_revision(&self, feed: &str) -> MirrorFuture<'_, u64> {
        let feed = feed.to_owned();
        Box::pin(self.ask(move |reader| reader.feed_revision(&feed)))
    }

    fn parked(
        &self,
        feed: &str,
        after: Sequence,
        limit: usize,
    ) -> MirrorFuture<'_, Vec<ParkedChange>> {
        let feed = feed.to_owned();
        Box::pin(self.ask(move |reader| reader.parked(&feed, after, limit)))
    }

    fn change_feed(&self, feed: &str, request: FeedRequest) -> MirrorFuture<'_, bool> {
        let feed = feed.to_owned();
        Box::pin(async move {
            Ok(self.worker.run(move |connector| connector.change_feed(&feed, &request)).await??)
        })
    }

    fn remove_feed(&self, feed: &str) -> MirrorFuture<'_, ()> {
        let feed = feed.to_owned();
        Box::pin(async move {
            Ok(self.worker.run(move |connector| connector.remove_feed(&feed)).await??)
        })
    }
}

/// A snapshot on a thread of its own. Its transaction ends when it is dropped.
#[derive(Debug)]
struct HeldSnapshot {
    worker: Worker<SqliteSnapshot>,
    sequence: Sequence,
}

impl ItemsSnapshot for HeldSnapshot {
    fn sequence(&self) -> Sequence {
        self.sequence
    }

    fn items(
        &self,
        repository: RepositoryId,
        after: Option<ItemId>,
    ) -> MirrorFuture<'_, ItemsPage> {
        Box::pin(async move {
            let page = self.worker.run(move |snapshot| snapshot.items(repository, after.as_ref()));
            Ok(page.await??)
        })
    }

    fn repositories(&self) -> MirrorFuture<'_, Vec<MirroredRepository>> {
        Box::pin(async { Ok(self.worker.run(|snapshot| snapshot.repositories()).await??) })
    }

    fn rows<'a>(&'a self, view: MirrorView, take: RowTaker<'a>) -> MirrorFuture<'a, ()> {
        Box::pin(async move {
            // The thread reads some rows while the ones before them are taken.
            let (pages, mut read) = mpsc::channel(1);
            let reading = self
                .worker
                .run(move |snapshot| snapshot.rows(view, |page| pages.blocking_send(page).is_ok()));
            let taking = async move {
                while let Some(page) = read.recv().await {
                    if take(page).is_break() {
                        return;
                    }
                }
            };
            let (read, ()) = tokio::join!(biased; reading, taking);
            Ok(read??)
        })
    }
}

/// The same of two states.
#[derive(Debug)]
struct HeldComparison {
    worker: Worker<SqliteComparison>,
    sequences: (Sequence, Sequence),
}

impl ItemsComparison for HeldComparison {
    fn sequences(&self) -> (Sequence, Sequence) {
        self.sequences
    }

    fn items(
        &self,
        repository: RepositoryId,
        after: Option<ItemId>,
    ) -> MirrorFuture<'_, ComparedPage> {
        Box::pin(async move {
            let page = self.worker.run(move |both| both.items(repository, after.as_ref()));
            Ok(page.await??)
        })
    }
}
