//! The parts of the log: begun, dropped, and never in the way of those who write.

use std::time::Duration;

use tokio::runtime::Handle;

use super::place::{OWNER, Place, lease, page};
use crate::domain::{ItemId, Iteration, RepositoryId, Sequence};
use crate::mirror::postgres::PostgresFeedWriter;
use crate::mirror::{FeedHolds, FeedState, FeedWriter as _, Mirror, ParkedChange};

#[tokio::test]
async fn whole_parts_are_dropped_and_a_long_export_holds_up_nobody_who_writes() {
    let Some(place) = Place::new() else { return };
    let mirror = place.mirror();
    let writer = mirror.writer(RepositoryId(1), &lease());
    writer.load().await.unwrap();
    let client = place.client().await;
    let parts = || async {
        let row = client
            .query_one(
                "SELECT array_agg(inhrelid::regclass::text ORDER BY inhrelid) FROM pg_inherits
                WHERE inhparent = 'change'::regclass",
                &[],
            )
            .await
            .unwrap();
        row.get::<_, Vec<String>>(0)
    };
    let roll_over = || client.execute("SELECT roll_over('0', 1)", &[]);
    // Each part has a change; the deletion is in the first.
    writer.write_page(page(1, &[(1, "{}"), (2, "{}")])).await.unwrap();
    writer.delete(Iteration(1), 101, vec![ItemId::Integer(2)]).await.unwrap();
    assert_eq!(place.content().await.tombstones.len(), 1);
    roll_over().await.unwrap();
    writer.write_page(page(2, &[(1, "[]")])).await.unwrap();
    roll_over().await.unwrap();
    // With nothing in it, a part lasts for ever.
    roll_over().await.unwrap();
    writer.write_page(page(3, &[(1, "{}")])).await.unwrap();
    assert_eq!(parts().await, ["change_1", "change_2", "change_3", "change_4"]);

    let export = place.client().await;
    export.batch_execute("BEGIN; SELECT count(*) FROM changes").await.unwrap();
    // Pages were found at 101, 102 and 103.
    let keep = Duration::from_millis(1);
    assert!(!mirror.drop_changes(103, keep, &FeedHolds::default()).await.unwrap().more);
    let content = place.content().await;
    let sequences: Vec<u64> = content.changes.iter().map(|change| change.sequence.0).collect();
    assert_eq!(sequences, [4, 5]);
    assert!(content.tombstones.is_empty());
    assert_eq!(parts().await.len(), 4, "the export reads it");
    writer.write_page(page(4, &[(1, "[1]"), (2, "{}")])).await.unwrap();
    export.batch_execute("COMMIT").await.unwrap();

    assert!(!mirror.drop_changes(103, keep, &FeedHolds::default()).await.unwrap().more);
    assert_eq!(parts().await, ["change_2", "change_3", "change_4"]);
    assert!(!mirror.drop_changes(1000, keep, &FeedHolds::default()).await.unwrap().more);
    assert_eq!(parts().await, ["change_3", "change_4"], "the part that is written stays");
    writer.write_page(page(5, &[(1, "[2]")])).await.unwrap();
    let content = place.content().await;
    assert_eq!((content.changes.len(), content.changes[0].sequence.0), (1, 8));
    assert_eq!(content.items.len(), 2);
}

#[tokio::test]
async fn who_writes_a_feed_and_who_drops_changes_lock_its_rows_in_one_order() {
    let Some(place) = Place::new() else { return };
    let mirror = place.mirror();
    let writer = mirror.writer(RepositoryId(1), &lease());
    writer.load().await.unwrap();
    writer.write_page(page(1, &[(1, "{}"), (2, "{}")])).await.unwrap();
    place.daemon_is_there(OWNER).await;
    let feeds = PostgresFeedWriter::new(place.pool(), OWNER);
    let held = feeds.take_feed("shop").await.unwrap().unwrap();
    let parked = ParkedChange {
        sequence: Sequence(1),
        repository: RepositoryId(1),
        item: ItemId::Integer(1),
        reason: String::new(),
        parked_at_ms: 0,
        behind: None,
        released: false,
    };
    let state = FeedState { delivered_through: Sequence(2), ..FeedState::default() };
    let saved = feeds.save_feed(&held, &state, vec![parked], Vec::new()).await;
    assert_eq!(saved.unwrap(), Some(1));

    // Half of what a save does; meanwhile changes are dropped, which has to wait for the other half.
    let (client, looking) = (place.client().await, place.client().await);
    let lock = "BEGIN; UPDATE feed SET revision = revision + 1 WHERE name = 'shop'";
    client.batch_execute(lock).await.unwrap();
    let process: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let dropping = Handle::current().spawn(async move {
        mirror.drop_changes(1000, Duration::from_millis(1), &FeedHolds::default()).await
    });
    let waits =
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))";
    while !looking.query_one(waits, &[&process]).await.unwrap().get::<_, bool>(0) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(!dropping.is_finished(), "it did not wait");
    }
    client.batch_execute("UPDATE feed_parked SET released = true; COMMIT").await.unwrap();
    assert!(!dropping.await.unwrap().unwrap().more);
    let parked: i64 =
        looking.query_one("SELECT count(*) FROM feed_parked", &[]).await.unwrap().get(0);
    assert_eq!(parked, 0);
}
