//! What every mirror must keep for feeds that have not delivered it.

use std::sync::Arc;
use std::time::Duration;

use super::ImplementationUnderTest;
use crate::domain::{Item, ItemId, Iteration, RepositoryId, Sequence};
use crate::mirror::{
    Checkpoint, DroppedChanges, FeedHolds, FeedRequest, FeedState, FeedWriter, Mirror,
    MirrorReader, PageOfItems, ParkedChange, PassStatistics,
};

const ONE: RepositoryId = RepositoryId(1);

/// A feed as it is to be at first.
async fn save(writer: &dyn FeedWriter, feed: &str, through: u64, parked: &[u64]) {
    let lease = writer.take_feed(feed).await.unwrap().unwrap();
    let parked = parked.iter().map(|sequence| ParkedChange {
        sequence: Sequence(*sequence),
        repository: ONE,
        item: ItemId::Integer(i128::from(*sequence)),
        reason: String::new(),
        parked_at_ms: 0,
        behind: None,
        released: false,
    });
    let progress = "{}".to_owned();
    let state =
        FeedState { delivered_through: Sequence(through), progress, ..FeedState::default() };
    let saved = writer.save_feed(&lease, &state, parked.collect(), Vec::new()).await;
    assert_eq!(saved.unwrap(), Some(1));
}

/// Up to which sequence changes are dropped, and of each feed up to which it has delivered, what is
/// parked, and its revision.
async fn standing(reader: &dyn MirrorReader) -> (u64, Vec<(u64, Vec<u64>, u64)>) {
    let mut feeds = Vec::new();
    for (name, state) in reader.feeds().await.unwrap() {
        let parked = reader.parked(&name, Sequence(0), 99).await.unwrap();
        let parked = parked.iter().map(|it| it.sequence.0).collect();
        feeds.push((state.delivered_through.0, parked, state.revision));
    }
    (reader.bounds().await.unwrap().dropped_through.0, feeds)
}

/// What a feed has not delivered is kept for it, for as long as it holds and no longer.
pub(in crate::mirror) fn feeds_hold_what_they_have_not_delivered<K: ImplementationUnderTest>(
    kind: &K,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mirror = kind.open();
    let (feeds, reader) = (kind.feed_writer(&mirror), kind.reader(&mirror));
    runtime.block_on(async {
        let writer = mirror.writer(ONE, &kind.lease(ONE));
        writer.load().await.unwrap();
        writer.begin_pass(Iteration(1), 0).await.unwrap();
        // The change n was found at 10 n.
        for number in 1..=8 {
            let page = PageOfItems {
                iteration: Iteration(1),
                ts_ms: 10 * number,
                items: vec![Item::new(ItemId::Integer(i128::from(number)), "{}".into())],
                newly_seen: vec![true],
                ignore: Arc::new([]),
                member_changes: Arc::default(),
                statistics: PassStatistics::default(),
                checkpoint: Checkpoint::default(),
            };
            writer.write_page(Arc::new(page)).await.unwrap();
        }
        save(&*feeds, "a", 3, &[2]).await;
        save(&*feeds, "b", 5, &[]).await;
        save(&*feeds, "removed from the configuration", 0, &[1, 8]).await;
        let holds: FeedHolds = [("a", 50), ("b", 30), ("never saved", 1000)]
            .map(|(name, hold)| (name.to_owned(), Duration::from_millis(hold)))
            .into_iter()
            .collect();
        let drop = async |now_ms| {
            let DroppedChanges { more, undelivered } =
                mirror.drop_changes(now_ms, Duration::from_millis(5), &holds).await.unwrap();
            assert!(!more);
            let lost = undelivered.into_iter().map(|it| (it.feed, it.changes, it.through.0));
            lost.collect::<Vec<_>>()
        };
        let gone = |parked: &[u64]| (0, parked.to_vec(), 1);

        // All old enough, and the second is parked.
        assert_eq!(drop(70).await, []);
        let held = vec![(3, vec![2], 1), (5, vec![], 1), gone(&[8])];
        assert_eq!(standing(&*reader).await, (1, held));
        // It is held no longer; what one feed has delivered and the other has not, is.
        let lost = |feed: &str, changes, through| (feed.to_owned(), changes, through);
        assert_eq!(drop(75).await, [lost("a", 1, 2)]);
        let held = vec![(3, vec![], 2), (5, vec![], 1), gone(&[8])];
        assert_eq!(standing(&*reader).await, (3, held.clone()));
        assert_eq!(drop(90).await, []);
        assert_eq!(standing(&*reader).await, (3, held));
        // Both go on after what neither may hold.
        assert_eq!(drop(111).await, [lost("a", 3, 6), lost("b", 1, 6)]);
        assert_eq!(standing(&*reader).await, (6, vec![(6, vec![], 3), (6, vec![], 2), gone(&[8])]));
        // Each is told once, and what was not dropped is there.
        assert_eq!(drop(111).await, []);
        let page = reader.changes(Some(Sequence(6)), None, 99).await.unwrap();
        assert_eq!(page.changes.len(), 2);
        assert!(mirror.used_bytes().await.unwrap() > 0);
        // Without feeds it goes as it ever did.
        let none = FeedHolds::default();
        let dropped = mirror.drop_changes(85, Duration::from_millis(10), &none).await.unwrap();
        assert_eq!((dropped, standing(&*reader).await.0), (DroppedChanges::default(), 7));
        // One that is to begin again begins as it was told, whatever is dropped before it has heard.
        let replay = FeedRequest::Replay { after: Sequence(0) };
        assert!(reader.change_feed("b", replay).await.unwrap());
        assert_eq!(drop(200).await, [lost("a", 1, 8), lost("b", 1, 8)]);
        assert_eq!(standing(&*reader).await, (8, vec![(8, vec![], 4), (0, vec![], 3), gone(&[])]));
    });
}
