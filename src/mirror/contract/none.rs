//! The obligations that a mirror without anything in it has.

use std::sync::Arc;

use crate::domain::{IdSet, Item, ItemId, Iteration, RepositoryId};
use crate::mirror::{
    ChangeCounts, Checkpoint, EndOfPass, FeedHolds, IncrementalEnd, IncrementalPage, Lease, Mirror,
    NoMirror, PageOfItems, PassStatistics, ResumePoint, UnseenItems,
};

#[tokio::test]
async fn a_mirror_that_keeps_nothing_takes_everything_and_knows_nothing() {
    let writer = NoMirror.writer(RepositoryId(1), &Lease::sole());
    let first = ResumePoint { iteration: Iteration::FIRST, interrupted: None, mark: None };
    let page = Arc::new(PageOfItems {
        iteration: Iteration::FIRST,
        ts_ms: 1,
        items: vec![Item::new(ItemId::Integer(1), "{}".into())],
        newly_seen: vec![true],
        ignore: Arc::new([]),
        member_changes: Arc::default(),
        statistics: PassStatistics::default(),
        checkpoint: Checkpoint::default(),
    });
    let incremental = Arc::new(IncrementalPage {
        iteration: Iteration::FIRST,
        ts_ms: 1,
        items: page.items.clone(),
        ignore: Arc::new([]),
        member_changes: Arc::default(),
        mark: Some(b"so far".to_vec()),
        end: Some(IncrementalEnd::default()),
    });
    let end = EndOfPass {
        iteration: Iteration::FIRST,
        ts_ms: 2,
        statistics: PassStatistics::default(),
        reason: None,
        suspects: IdSet::new(),
        held: None,
    };
    // Each call may be made again.
    for _ in 0..2 {
        assert_eq!(writer.load().await.unwrap(), first);
        writer.begin_pass(Iteration::FIRST, 1).await.unwrap();
        assert_eq!(writer.write_page(Arc::clone(&page)).await.unwrap(), ChangeCounts::default());
        let written = writer.write_incremental(Arc::clone(&incremental));
        assert_eq!(written.await.unwrap(), ChangeCounts::default());
        assert_eq!(writer.suspects().await.unwrap(), UnseenItems::default());
        assert_eq!(writer.unseen(Arc::default(), None, 10).await.unwrap(), []);
        let deleted = writer.delete(Iteration::FIRST, 2, vec![ItemId::Integer(1)]);
        assert_eq!(deleted.await.unwrap(), 0);
        assert_eq!(writer.end_pass(end.clone()).await.unwrap(), ChangeCounts::default());
        assert!(!writer.any_approved().await.unwrap());
        assert!(NoMirror.feed_writer().is_none());
        assert!(
            !NoMirror
                .drop_changes(3, std::time::Duration::ZERO, &FeedHolds::default())
                .await
                .unwrap()
                .more
        );
    }
}
