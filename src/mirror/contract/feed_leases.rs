//! What every store that several daemons share must do about the right to deliver a feed.

use std::sync::Arc;
use std::time::Duration;

use super::leases::{SharedStore, TTL};
use crate::domain::{ItemId, RepositoryId, Sequence};
use crate::mirror::{
    FeedLease, FeedRequest, FeedState, FeedWriter, Feeds, LeaseRequest, Leases, Mirror,
    MirrorFuture, ParkedChange, Sharing,
};
use crate::testing::Memory;

const FEED: &str = "shop";

/// A shared store that has feeds.
pub(in crate::mirror) trait SharedFeeds: SharedStore {
    /// What writes feeds as this daemon.
    fn feed_writer(&self, daemon: &Arc<dyn Leases>) -> Arc<dyn FeedWriter>;

    /// What can be asked, by whomever.
    fn feeds(&self) -> Arc<dyn Feeds>;
}

/// A daemon, and its feeds.
struct Daemon {
    leases: Arc<dyn Leases>,
    writer: Arc<dyn FeedWriter>,
}

impl Daemon {
    fn new(store: &impl SharedFeeds, name: &str) -> Self {
        let leases = store.daemon(name);
        let writer = store.feed_writer(&leases);
        Self { leases, writer }
    }

    async fn renew(&self) {
        let repositories = vec![RepositoryId(1)];
        let request = LeaseRequest { repositories, sharing: Sharing::Leader, ttl: TTL };
        self.leases.renew(request).await.unwrap();
    }

    fn take(&self) -> MirrorFuture<'_, Option<FeedLease>> {
        self.writer.take_feed(FEED)
    }

    async fn term(&self) -> Option<u64> {
        self.take().await.unwrap().map(|lease| lease.term)
    }

    async fn save(&self, lease: &FeedLease, through: u64, revision: u64) -> Option<u64> {
        let delivered_through = Sequence(through);
        let state = FeedState { delivered_through, revision, ..FeedState::default() };
        let parked = ParkedChange {
            sequence: delivered_through,
            repository: RepositoryId(1),
            item: ItemId::Integer(7),
            reason: "refused\0".to_owned(),
            parked_at_ms: 5,
            behind: None,
            released: false,
        };
        self.writer.save_feed(lease, &state, vec![parked], Vec::new()).await.unwrap()
    }
}

/// Runs all of it.
pub(in crate::mirror) async fn a_feed_is_one_daemons_at_a_time(store: &impl SharedFeeds) {
    let (a, b) = (Daemon::new(store, "a"), Daemon::new(store, "b"));
    let through = async || {
        let feeds = store.feeds().feeds().await.unwrap();
        feeds.into_iter().map(|(_, state)| (state.delivered_through.0, state.revision)).next()
    };
    assert_eq!(a.take().await.unwrap(), None, "it has not said yet that it is there");
    a.renew().await;
    b.renew().await;
    let first = a.take().await.unwrap().unwrap();
    assert_eq!((first.term, b.term().await, a.term().await), (1, None, Some(1)));
    assert_eq!(a.save(&first, 10, 0).await, Some(1));
    // Who has never had it saves nothing, whatever he calls it.
    assert_eq!(b.save(&first, 11, 1).await, None);

    // What is renewed holds on; what is not is free, and is not lost before another takes it.
    store.pass(TTL / 2).await.unwrap();
    a.renew().await;
    store.pass(TTL * 3 / 4).await.unwrap();
    b.renew().await;
    assert_eq!(b.term().await, None);
    store.pass(TTL / 2).await.unwrap();
    let second = b.take().await.unwrap().unwrap();
    assert_eq!(second.term, 2);

    // The first one was stopped for as long, and wakes up in the midst of a delivery.
    assert_eq!(a.save(&first, 12, 1).await, None);
    a.writer.release_feed(&first).await.unwrap();
    assert_eq!(a.term().await, None);
    a.renew().await;
    assert_eq!(a.term().await, None);
    assert_eq!((through().await, b.save(&second, 13, 1).await), (Some((10, 1)), Some(2)));

    // Let go of, it is free at once; and so it is where its daemon has left.
    b.writer.release_feed(&second).await.unwrap();
    let third = a.take().await.unwrap().unwrap();
    assert_eq!((third.term, b.save(&second, 14, 2).await), (3, None));
    a.leases.leave().await.unwrap();
    assert_eq!(
        (a.save(&third, 14, 2).await, a.term().await, b.term().await),
        (None, None, Some(4))
    );

    // A daemon whose time has passed takes it anew, also where nobody had it meanwhile.
    store.pass(TTL * 2).await.unwrap();
    assert_eq!(b.term().await, None);
    b.renew().await;
    let fifth = b.take().await.unwrap().unwrap();
    assert_eq!((fifth.term, through().await), (5, Some((13, 2))));

    // A command is heard by any daemon that delivers, and who removes the feed takes it from all.
    let feeds = store.feeds();
    let unpark = FeedRequest::Unpark { sequence: Some(Sequence(13)) };
    assert!(feeds.change_feed(FEED, unpark).await.unwrap());
    assert_eq!(b.save(&fifth, 15, 2).await, None);
    let parked = feeds.parked(FEED, Sequence(0), 9).await.unwrap();
    let parked: Vec<_> = parked.iter().map(|it| (it.sequence.0, it.released)).collect();
    assert_eq!(parked, [(10, true), (13, true)]);
    feeds.remove_feed(FEED).await.unwrap();
    assert_eq!((b.save(&fifth, 15, 3).await, b.save(&fifth, 15, 0).await), (None, None));
    assert_eq!((feeds.feeds().await.unwrap(), b.term().await), (Vec::new(), Some(6)));
    b.leases.leave().await.unwrap();
}

/// Many who ask at the same moment.
pub(in crate::mirror) async fn of_many_who_ask_at_once_one_gets_the_feed(store: &impl SharedFeeds) {
    let daemons = ["a", "b", "c", "d"].map(|name| Daemon::new(store, name));
    for _ in 0..5 {
        for daemon in &daemons {
            daemon.renew().await;
        }
        let [a, b, c, d] = &daemons;
        let asked = tokio::join!(a.term(), b.term(), c.term(), d.term());
        let terms: Vec<_> = [asked.0, asked.1, asked.2, asked.3].into_iter().flatten().collect();
        assert_eq!(terms.len(), 1, "{asked:?}");
        store.pass(TTL + Duration::from_secs(1)).await.unwrap();
    }
}

/// The mirror in memory, and each daemon that shares it.
struct SharedMemory(Memory);

impl SharedStore for SharedMemory {
    fn daemon(&self, name: &str) -> Arc<dyn Leases> {
        let owner = format!("{name}-{}", fastrand::u32(..));
        self.0.beside(&owner).leases().expect("it is shared")
    }

    fn pass(&self, time: Duration) -> MirrorFuture<'_, ()> {
        Box::pin(async move {
            tokio::time::advance(time).await;
            Ok(())
        })
    }
}

impl SharedFeeds for SharedMemory {
    fn feed_writer(&self, daemon: &Arc<dyn Leases>) -> Arc<dyn FeedWriter> {
        self.0.beside(daemon.owner()).feed_writer().expect("it keeps something")
    }

    fn feeds(&self) -> Arc<dyn Feeds> {
        Arc::new(self.0.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn a_feed_in_memory_is_one_daemons_at_a_time() {
    a_feed_is_one_daemons_at_a_time(&SharedMemory(Memory::shared("first"))).await;
    let store = SharedMemory(Memory::shared("first"));
    of_many_who_ask_at_once_one_gets_the_feed(&store).await;
}
