//! The contracts of reading, kept by connections that are made as they are needed.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::Client;

use super::comparison::PostgresComparison;
use super::error::PostgresReadError;
use super::news::LogNews;
use super::snapshot::PostgresSnapshot;
use super::{bounds, changes, feeds, held, history, log_time, open, summary};
use crate::domain::{Change, IdSet, ItemId, RepositoryId, Sequence};
use crate::mirror::LogBounds;
use crate::mirror::contracts::{
    Administration, ChangeLog, ChangesPage, FeedRequest, FeedState, Feeds, ItemHistory, Items,
    ItemsComparison, ItemsPage, ItemsSnapshot, KeptModel, MirrorFuture, ModelChange, Models,
    ParkedChange,
};
use crate::mirror::postgres::numbers::signed;
use crate::mirror::postgres::{PostgresPool, models, published};
use crate::mirror::{
    ApprovalOutcome, IncrementalPass, LedgerEntry, LogTime, MirrorError, MirrorSummary,
    PendingDeletions,
};
use crate::model::RawAnswer;
use crate::model::shape::MirrorShape;

/// How long one who waits for news trusts that he would be told. Then he looks by himself, and learns
/// whether the database can be asked at all.
const TRUST_FOR: Duration = Duration::from_secs(30);

/// How often a question is asked before a broken connection is told of: once for each connection that
/// may lie about, and once more.
const TRIES: usize = 8;

/// Asks the mirror in a PostgreSQL database.
#[derive(Debug)]
pub(crate) struct PostgresReading {
    pool: PostgresPool,
    news: LogNews,
}

/// What the database answers.
type ReadAnswer<'a, T> = Pin<Box<dyn Future<Output = Result<T, PostgresReadError>> + Send + 'a>>;

impl PostgresReading {
    /// Reads by these connections, if there is a mirror of this version.
    ///
    /// # Errors
    ///
    /// There is none, it is of another version, this role may not read it, or the database cannot be
    /// reached.
    pub(crate) async fn open(pool: PostgresPool) -> Result<Self, MirrorError> {
        let reading = Self::new(pool);
        let check = reading.ask(|client| {
            let schema = reading.pool.address().schema.clone();
            Box::pin(async move { open::check(client, &schema).await })
        });
        check.await?;
        Ok(reading)
    }

    /// Reads by these connections what is known to be there.
    pub(crate) fn new(pool: PostgresPool) -> Self {
        Self { pool, news: LogNews::new() }
    }

    /// Asks the database something, and again while the connection turns out to be broken: those of
    /// the pool may all have lain about for long.
    async fn ask<T>(
        &self,
        question: impl for<'a> Fn(&'a mut Client) -> ReadAnswer<'a, T> + Send,
    ) -> Result<T, PostgresReadError> {
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let answer = match self.pool.get().await {
                Ok(mut connection) => question(&mut connection).await,
                Err(error) => Err(error.into()),
            };
            match answer {
                Err(error) if error.is_of_connection() && tries > 0 => {}
                answer => return answer,
            }
        }
    }

    async fn look(&self) -> Result<LogBounds, PostgresReadError> {
        self.ask(|client| Box::pin(async move { Ok(bounds::of(&bounds::row(client).await?)?) }))
            .await
    }
}

impl ChangeLog for PostgresReading {
    #[cfg(test)]
    fn bounds(&self) -> MirrorFuture<'_, LogBounds> {
        Box::pin(async move { Ok(self.look().await?) })
    }

    fn changes(
        &self,
        after: Option<Sequence>,
        repository: Option<RepositoryId>,
        limit: usize,
    ) -> MirrorFuture<'_, ChangesPage> {
        Box::pin(async move {
            let page = self.ask(|it| Box::pin(changes::changes(it, after, repository, limit)));
            Ok(page.await?)
        })
    }

    fn history(
        &self,
        repository: RepositoryId,
        item: &ItemId,
    ) -> MirrorFuture<'_, Option<ItemHistory>> {
        let item = item.clone();
        Box::pin(async move {
            let history = self.ask(|client| {
                let item = item.clone();
                Box::pin(async move { history::history(client, repository, &item).await })
            });
            Ok(history.await?)
        })
    }

    fn change(&self, sequence: Sequence) -> MirrorFuture<'_, Option<Change>> {
        Box::pin(async move {
            Ok(self.ask(|client| Box::pin(changes::change(client, sequence))).await?)
        })
    }

    fn at_time(&self, ts_ms: i64, now_ms: i64) -> MirrorFuture<'_, LogTime> {
        Box::pin(async move {
            let time = self.ask(|client| Box::pin(log_time::at_time(client, ts_ms, now_ms)));
            Ok(time.await?)
        })
    }

    fn wait_for_news(&self, after: Sequence) -> MirrorFuture<'_, Sequence> {
        Box::pin(async move {
            let mut told = self.news.subscribe(&self.pool);
            loop {
                let last = self.look().await?.last;
                if last > after {
                    return Ok(last);
                }
                let news = timeout(TRUST_FOR, told.wait_for(|last| *last > after)).await;
                if let Ok(Ok(last)) = news {
                    return Ok(*last);
                }
            }
        })
    }
}

impl Items for PostgresReading {
    fn knows(&self, repository: RepositoryId) -> MirrorFuture<'_, bool> {
        Box::pin(async move {
            Ok(self.ask(|client| Box::pin(summary::knows(client, repository))).await?)
        })
    }

    fn snapshot(&self, as_of: Option<Sequence>) -> MirrorFuture<'_, Box<dyn ItemsSnapshot>> {
        Box::pin(async move {
            let snapshot = PostgresSnapshot::take(&self.pool, as_of).await?;
            Ok(Box::new(snapshot) as Box<dyn ItemsSnapshot>)
        })
    }

    fn comparison(
        &self,
        from: Sequence,
        to: Option<Sequence>,
    ) -> MirrorFuture<'_, Box<dyn ItemsComparison>> {
        Box::pin(async move {
            let comparison = PostgresComparison::take(&self.pool, from, to).await?;
            Ok(Box::new(comparison) as Box<dyn ItemsComparison>)
        })
    }

    fn item(&self, repository: RepositoryId, item: &ItemId) -> MirrorFuture<'_, Option<Vec<u8>>> {
        let item = item.clone();
        Box::pin(async move {
            let body = self.ask(|client| {
                let item = item.clone();
                Box::pin(async move { held::item(client, repository, &item).await })
            });
            Ok(body.await?)
        })
    }

    fn items_in(
        &self,
        repository: RepositoryId,
        set: Arc<IdSet>,
        after: Option<ItemId>,
    ) -> MirrorFuture<'_, ItemsPage> {
        Box::pin(async move {
            let page = self.ask(|client| {
                let (set, after) = (Arc::clone(&set), after.clone());
                Box::pin(
                    async move { held::items_in(client, repository, &set, after.as_ref()).await },
                )
            });
            Ok(page.await?)
        })
    }
}

impl Models for PostgresReading {
    fn model(&self, repository: RepositoryId) -> MirrorFuture<'_, Option<KeptModel>> {
        Box::pin(async move {
            let model = self.ask(|client| {
                Box::pin(async move { Ok(models::model(client, repository).await?) })
            });
            Ok(model.await?)
        })
    }

    fn model_answers(&self, repository: RepositoryId) -> MirrorFuture<'_, Vec<RawAnswer>> {
        let id = signed(repository.0);
        Box::pin(async move {
            let answers =
                self.ask(|client| Box::pin(async move { Ok(models::answers(client, id).await?) }));
            Ok(answers.await?)
        })
    }

    fn model_changes(&self, repository: RepositoryId) -> MirrorFuture<'_, Vec<ModelChange>> {
        let id = signed(repository.0);
        Box::pin(async move {
            let changes =
                self.ask(|client| Box::pin(async move { Ok(models::changes(client, id).await?) }));
            Ok(changes.await?)
        })
    }

    fn shape(&self) -> MirrorFuture<'_, MirrorShape> {
        Box::pin(async move {
            let shape =
                self.ask(|client| Box::pin(async move { Ok(published::shape(client).await?) }));
            Ok(shape.await?)
        })
    }
}

impl Administration for PostgresReading {
    fn summary(&self) -> MirrorFuture<'_, MirrorSummary> {
        Box::pin(async move {
            let summary = self.ask(|client| {
                let schema = self.pool.address().schema.clone();
                Box::pin(async move { summary::summary(client, &schema).await })
            });
            Ok(summary.await?)
        })
    }

    fn ledger(&self, repository: RepositoryId) -> MirrorFuture<'_, Vec<LedgerEntry>> {
        Box::pin(async move {
            Ok(self.ask(|client| Box::pin(summary::ledger(client, repository))).await?)
        })
    }

    fn incremental_ledger(
        &self,
        repository: RepositoryId,
    ) -> MirrorFuture<'_, Vec<IncrementalPass>> {
        Box::pin(async move {
            Ok(self.ask(|client| Box::pin(summary::incremental_ledger(client, repository))).await?)
        })
    }

    fn pending_deletions(
        &self,
        repository: RepositoryId,
    ) -> MirrorFuture<'_, Option<PendingDeletions>> {
        Box::pin(async move {
            Ok(self.ask(|client| Box::pin(held::pending_deletions(client, repository))).await?)
        })
    }

    fn approve(
        &self,
        repository: RepositoryId,
        named: Option<Vec<String>>,
    ) -> MirrorFuture<'_, ApprovalOutcome> {
        Box::pin(async move {
            let approved = self.ask(|client| {
                let named = named.clone();
                Box::pin(async move { held::approve(client, repository, named.as_deref()).await })
            });
            Ok(approved.await?)
        })
    }
}

impl Feeds for PostgresReading {
    fn feeds(&self) -> MirrorFuture<'_, Vec<(String, FeedState)>> {
        Box::pin(async move { Ok(self.ask(|client| Box::pin(feeds::feeds(client))).await?) })
    }

    fn feed_revision(&self, feed: &str) -> MirrorFuture<'_, u64> {
        let feed = feed.to_owned();
        Box::pin(async move {
            let revision = self.ask(|client| {
                let feed = feed.clone();
                Box::pin(async move { feeds::revision(client, &feed).await })
            });
            Ok(revision.await?)
        })
    }

    fn parked(
        &self,
        feed: &str,
        after: Sequence,
        limit: usize,
    ) -> MirrorFuture<'_, Vec<ParkedChange>> {
        let feed = feed.to_owned();
        Box::pin(async move {
            let parked = self.ask(|client| {
                let feed = feed.clone();
                Box::pin(async move { feeds::parked(client, &feed, after, limit).await })
            });
            Ok(parked.await?)
        })
    }

    fn change_feed(&self, feed: &str, request: FeedRequest) -> MirrorFuture<'_, bool> {
        let feed = feed.to_owned();
        Box::pin(async move {
            let changed = self.ask(|client| {
                let (feed, request) = (feed.clone(), request.clone());
                Box::pin(async move { feeds::change_feed(client, &feed, &request).await })
            });
            Ok(changed.await?)
        })
    }

    fn remove_feed(&self, feed: &str) -> MirrorFuture<'_, ()> {
        let feed = feed.to_owned();
        Box::pin(async move {
            let removed = self.ask(|client| {
                let feed = feed.clone();
                Box::pin(async move { feeds::remove_feed(client, &feed).await })
            });
            Ok(removed.await?)
        })
    }
}
