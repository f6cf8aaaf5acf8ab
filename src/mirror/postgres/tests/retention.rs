//! The parts of the log: begun, dropped, and never in the way of those who write.

use std::time::Duration;

use super::place::{Place, lease, page};
use crate::domain::{ItemId, Iteration, RepositoryId};
use crate::mirror::Mirror;

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
    assert!(!mirror.drop_changes(103, keep).await.unwrap());
    let content = place.content().await;
    let sequences: Vec<u64> = content.changes.iter().map(|change| change.sequence.0).collect();
    assert_eq!(sequences, [4, 5]);
    assert!(content.tombstones.is_empty());
    assert_eq!(parts().await.len(), 4, "the export reads it");
    writer.write_page(page(4, &[(1, "[1]"), (2, "{}")])).await.unwrap();
    export.batch_execute("COMMIT").await.unwrap();

    assert!(!mirror.drop_changes(103, keep).await.unwrap());
    assert_eq!(parts().await, ["change_2", "change_3", "change_4"]);
    assert!(!mirror.drop_changes(1000, keep).await.unwrap());
    assert_eq!(parts().await, ["change_3", "change_4"], "the part that is written stays");
    writer.write_page(page(5, &[(1, "[2]")])).await.unwrap();
    let content = place.content().await;
    assert_eq!((content.changes.len(), content.changes[0].sequence.0), (1, 8));
    assert_eq!(content.items.len(), 2);
}
