//! Held deletions, and the operator's word on them.

use std::sync::Arc;

use super::{HandmadeMirror, ONE};
use crate::domain::{IdSet, ItemId};
use crate::mirror::ApprovalOutcome;
use crate::mirror::contracts::{Administration, Items};

pub(super) fn set(items: impl IntoIterator<Item = i128>) -> IdSet {
    let ids: Vec<ItemId> = items.into_iter().map(ItemId::Integer).collect();
    ids.iter().collect()
}

impl HandmadeMirror {
    /// Puts down that the deletions of these items of repository 1 are held back, since pass 4.
    pub(super) async fn hold(&self, items: &IdSet) {
        let client = self.pool.get().await.unwrap();
        let (bytes, count) = (items.to_bytes(), items.count().cast_signed());
        client
            .execute(
                "INSERT INTO suspects (repository, suspects, suspect_count, held, held_count, \
                 held_iteration, held_ms) VALUES (1, '', 3, $1, $2, 4, 5000)",
                &[&bytes, &count],
            )
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn held_deletions_are_shown_and_approved() {
    let Some(mut mirror) = HandmadeMirror::new().await else { return };
    for item in 0..6 {
        mirror.put(1, item, Some("{}")).await;
    }
    let reading = &mirror.reading;
    assert_eq!(reading.pending_deletions(ONE).await.unwrap(), None);
    assert_eq!(reading.approve(ONE, None).await.unwrap(), ApprovalOutcome::NothingHeld);
    mirror.hold(&set([1, 3, 4])).await;
    let pending = reading.pending_deletions(ONE).await.unwrap().unwrap();
    assert_eq!((&pending.items, pending.since_ms), (&set([1, 3, 4]), Some(5000)));
    let page = reading.items_in(ONE, Arc::new(pending.items), None).await.unwrap();
    let ids: Vec<ItemId> = page.items.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [1, 3, 4].map(ItemId::Integer));

    let named = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect());
    let outcome = reading.approve(ONE, named(&["3", "2"])).await.unwrap();
    assert_eq!(outcome, ApprovalOutcome::Unknown(vec!["2".to_owned()]));
    let outcome = reading.approve(ONE, named(&["3"])).await.unwrap();
    assert_eq!(outcome, ApprovalOutcome::Done { approved: 1, waiting: 2 });
    let summary = reading.summary().await.unwrap();
    let held = summary.repositories[0].held.clone().unwrap();
    assert_eq!((held.count, held.approved, held.since_ms), (3, 1, Some(5000)));
    assert_eq!(held.first, [1, 4].map(ItemId::Integer));
    assert_eq!(
        (summary.repositories[0].suspects, summary.repositories[0].held.is_some()),
        (3, true)
    );
    assert_eq!(summary.newest.len(), 6);
    assert!(summary.bytes_of("database").unwrap() > 100_000 && summary.bytes_of("wal").is_none());
    let outcome = reading.approve(ONE, None).await.unwrap();
    assert_eq!(outcome, ApprovalOutcome::Done { approved: 3, waiting: 0 });
    assert_eq!(reading.pending_deletions(ONE).await.unwrap(), None);
}

#[tokio::test]
async fn an_approval_waits_for_a_transaction_and_heeds_what_it_did() {
    let Some(mut mirror) = HandmadeMirror::new().await else { return };
    mirror.put(1, 1, Some("{}")).await;
    mirror.hold(&set([1, 2])).await;
    let mut client = mirror.pool.get().await.unwrap();
    let daemon = client.transaction().await.unwrap();
    // The end of a pass holds fewer back.
    let fewer = set([2]).to_bytes();
    daemon.execute("UPDATE suspects SET held = $1, held_count = 1", &[&fewer]).await.unwrap();
    let approve = mirror.reading.approve(ONE, None);
    let end = async {
        // It is of no use to the test if the other one has not begun to wait; it must hold then, too.
        let watcher = mirror.pool.get().await.unwrap();
        for _ in 0..600 {
            let waiting = watcher
                .query_one("SELECT count(*) FROM pg_locks WHERE NOT granted", &[])
                .await
                .unwrap();
            if waiting.get::<_, i64>(0) > 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        daemon.commit().await.unwrap();
    };
    let (approved, ()) = tokio::join!(approve, end);
    assert_eq!(approved.unwrap(), ApprovalOutcome::Done { approved: 1, waiting: 0 });
    let row = client.query_one("SELECT approved_items FROM suspects", &[]).await.unwrap();
    assert_eq!(row.get::<_, Vec<u8>>(0), set([2]).to_bytes());
}

#[tokio::test]
async fn items_in_a_set_come_in_pages_of_a_few_megabytes() {
    let Some(mut mirror) = HandmadeMirror::new().await else { return };
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    for item in 0..7 {
        mirror.put(1, item, Some(&large)).await;
    }
    let (wanted, mut found, mut after, mut pages) =
        (Arc::new(set([1, 2, 3, 4, 6])), vec![], None, 0);
    loop {
        let page = mirror.reading.items_in(ONE, Arc::clone(&wanted), after).await.unwrap();
        pages += 1;
        found.extend(page.items.into_iter().map(|(id, _)| id));
        after = page.scanned_through;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((found, pages), ([1, 2, 3, 4, 6].map(ItemId::Integer).to_vec(), 2));
}
