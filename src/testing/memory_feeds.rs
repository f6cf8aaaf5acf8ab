//! What feeds have delivered, in the mirror in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::memory::{Memory, MemoryContent};
use crate::domain::Sequence;
use crate::mirror::retention::RetentionFloor;
use crate::mirror::{
    FEED_PROGRESS_BYTES, FeedLease, FeedRequest, FeedState, FeedWriter, Feeds, Leases, MirrorError,
    MirrorErrorKind, MirrorFuture, ParkedChange, UndeliveredChanges,
};

/// Who delivers where nobody else could.
const SOLE: &str = "sole";

/// The feeds, and who delivers them.
#[derive(Debug, Default)]
pub(super) struct StoredFeeds {
    pub(super) feeds: BTreeMap<String, StoredFeed>,
    leases: BTreeMap<String, FeedLeaseRow>,
}

/// What is kept of a feed.
#[derive(Debug, Default)]
pub(super) struct StoredFeed {
    pub(super) state: FeedState,
    pub(super) parked: BTreeMap<Sequence, ParkedChange>,
}

#[derive(Debug, Default)]
struct FeedLeaseRow {
    owner: String,
    /// What that one had arrived as when it took the feed.
    arrival: u64,
    term: u64,
}

impl StoredFeeds {
    /// What feeds have not delivered is to be held.
    pub(super) fn heed(&self, floor: &mut RetentionFloor<'_>) {
        for (name, StoredFeed { state, parked }) in &self.feeds {
            floor.heed(name, state.delivered_through, parked.keys().copied());
        }
    }

    /// Changes up to this one were dropped, these among them.
    pub(super) fn drop_through(&mut self, last: Sequence, undelivered: &[UndeliveredChanges]) {
        for (name, StoredFeed { state, parked }) in &mut self.feeds {
            parked.retain(|sequence, _| *sequence > last);
            let has_begun = !state.progress.is_empty();
            if has_begun && undelivered.iter().any(|it| it.feed == *name) {
                state.delivered_through = state.delivered_through.max(last);
                state.revision += 1;
            }
        }
    }
}

impl Memory {
    /// Who delivers, as the store knows it.
    fn feed_owner(&self) -> &str {
        self.leases.as_ref().map_or(SOLE, |leases| leases.owner())
    }

    /// What a daemon has arrived as, and whether it is there.
    fn arrival(&self, owner: &str) -> Option<(u64, bool)> {
        self.leases.as_ref().map_or(Some((0, true)), |leases| leases.arrival(owner))
    }

    async fn pass(&self) -> Result<(), MirrorError> {
        match &self.leases {
            Some(leases) => leases.pass().await,
            None => Ok(()),
        }
    }
}

impl MemoryContent {
    fn change_feed(&mut self, feed: &str, request: FeedRequest) -> bool {
        let Some(StoredFeed { state, parked }) = self.feeds.feeds.get_mut(feed) else {
            return false;
        };
        match request {
            FeedRequest::Pause { reason } => state.paused = Some(reason),
            FeedRequest::Resume => state.paused = None,
            FeedRequest::Replay { after } => {
                parked.retain(|sequence, _| *sequence <= after);
                state.delivered_through = after.min(Sequence::MOST);
                state.progress.clear();
            }
            FeedRequest::Unpark { sequence: None } => {
                for change in parked.values_mut() {
                    change.released = true;
                }
            }
            FeedRequest::Unpark { sequence: Some(sequence) } => {
                let Some(named) = parked.get(&sequence).cloned() else { return false };
                let is_same = |it: &&mut ParkedChange| {
                    (it.repository, &it.item) == (named.repository, &named.item)
                };
                for change in parked.values_mut().filter(is_same) {
                    change.released = true;
                }
            }
        }
        state.revision += 1;
        true
    }
}

impl Feeds for Memory {
    fn feeds(&self) -> MirrorFuture<'_, Vec<(String, FeedState)>> {
        Box::pin(async move {
            self.pass().await?;
            let content = self.content();
            let feeds = content.feeds.feeds.iter();
            Ok(feeds.map(|(name, feed)| (name.clone(), feed.state.clone())).collect())
        })
    }

    fn feed_revision(&self, feed: &str) -> MirrorFuture<'_, u64> {
        let feed = feed.to_owned();
        Box::pin(async move {
            self.pass().await?;
            let content = self.content();
            Ok(content.feeds.feeds.get(&feed).map_or(0, |feed| feed.state.revision))
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
            self.pass().await?;
            let content = self.content();
            let parked = content.feeds.feeds.get(&feed).map(|feed| feed.parked.values());
            let later = parked.into_iter().flatten().filter(|change| change.sequence > after);
            Ok(later.take(limit).cloned().collect())
        })
    }

    fn change_feed(&self, feed: &str, request: FeedRequest) -> MirrorFuture<'_, bool> {
        let feed = feed.to_owned();
        Box::pin(async move {
            self.pass().await?;
            Ok(self.content().change_feed(&feed, request))
        })
    }

    fn remove_feed(&self, feed: &str) -> MirrorFuture<'_, ()> {
        let feed = feed.to_owned();
        Box::pin(async move {
            self.pass().await?;
            let feeds = &mut self.content().feeds;
            feeds.feeds.remove(&feed);
            if let Some(row) = feeds.leases.get_mut(&feed) {
                row.owner.clear();
            }
            Ok(())
        })
    }
}

/// Writes what feeds have delivered.
#[derive(Debug)]
struct MemoryFeedWriter(Memory);

impl Memory {
    /// What writes it for this daemon.
    pub(super) fn writer_of_feeds(&self) -> Arc<dyn FeedWriter> {
        Arc::new(MemoryFeedWriter(self.clone()))
    }

    fn has_feed(&self, content: &MemoryContent, lease: &FeedLease) -> bool {
        let row = content.feeds.leases.get(&lease.feed);
        let arrival = self.arrival(self.feed_owner()).map(|(arrival, _)| arrival);
        row.is_some_and(|row| {
            let is_ours = row.owner == self.feed_owner() && Some(row.arrival) == arrival;
            is_ours && row.term == lease.term
        })
    }
}

impl FeedWriter for MemoryFeedWriter {
    fn take_feed(&self, feed: &str) -> MirrorFuture<'_, Option<FeedLease>> {
        let feed = feed.to_owned();
        Box::pin(async move {
            self.0.pass().await?;
            let owner = self.0.feed_owner();
            let mut content = self.0.content();
            let row = content.feeds.leases.entry(feed.clone()).or_default();
            let Some((arrival, true)) = self.0.arrival(owner) else { return Ok(None) };
            if row.owner != owner || row.arrival != arrival {
                if self.0.arrival(&row.owner) == Some((row.arrival, true)) && !row.owner.is_empty()
                {
                    return Ok(None);
                }
                owner.clone_into(&mut row.owner);
                row.arrival = arrival;
                row.term += 1;
            }
            Ok(Some(FeedLease { feed, term: row.term }))
        })
    }

    fn release_feed(&self, lease: &FeedLease) -> MirrorFuture<'_, ()> {
        let lease = lease.clone();
        Box::pin(async move {
            self.0.pass().await?;
            let mut content = self.0.content();
            if self.0.has_feed(&content, &lease)
                && let Some(row) = content.feeds.leases.get_mut(&lease.feed)
            {
                row.owner.clear();
            }
            Ok(())
        })
    }

    fn save_feed(
        &self,
        lease: &FeedLease,
        state: &FeedState,
        parked: Vec<ParkedChange>,
        unparked: Vec<Sequence>,
    ) -> MirrorFuture<'_, Option<u64>> {
        let (lease, mut state) = (lease.clone(), state.clone());
        Box::pin(async move {
            self.0.pass().await?;
            if state.progress.len() > FEED_PROGRESS_BYTES {
                let kind = MirrorErrorKind::Unavailable;
                return Err(MirrorError::new(kind, "", "more than a feed may note"));
            }
            let mut content = self.0.content();
            if !self.0.has_feed(&content, &lease) {
                return Ok(None);
            }
            let feeds = &mut content.feeds.feeds;
            let revision = feeds.get(&lease.feed).map_or(0, |feed| feed.state.revision);
            if state.revision != revision {
                return Ok(None);
            }
            state.revision += 1;
            state.delivered_through = state.delivered_through.min(Sequence::MOST);
            let feed = feeds.entry(lease.feed).or_default();
            feed.state = state;
            feed.parked.retain(|sequence, _| !unparked.contains(sequence));
            feed.parked.extend(parked.into_iter().map(|change| (change.sequence, change)));
            Ok(Some(feed.state.revision))
        })
    }
}
