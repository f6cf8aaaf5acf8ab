//! Tests of the WAL's bounds, and of calls that go wrong.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::*;
use crate::domain::{Item, ItemId, Iteration, RepositoryId};
use crate::mirror::{
    ChangeCounts, Checkpoint, Lease, Mirror, MirrorErrorKind, PageOfItems, PassStatistics,
};

const LIMIT: u64 = 1 << 20;

/// Page number `number` of a pass: one item of 10 KB that no other page has.
fn page(number: i128) -> Arc<PageOfItems> {
    let body = format!("{{\"text\":\"{}\"}}", "x".repeat(10_000));
    Arc::new(PageOfItems {
        iteration: Iteration::FIRST,
        ts_ms: 1,
        items: vec![Item::new(ItemId::Integer(number), body.into())],
        newly_seen: vec![true],
        ignore: Arc::new([]),
        member_changes: Arc::default(),
        statistics: PassStatistics::default(),
        checkpoint: Checkpoint::default(),
    })
}

#[tokio::test]
async fn a_reader_that_stays_stops_the_writing_before_the_wal_fills_the_disk() {
    let place = Place::new();
    let mirror = SqliteMirror::open(&place.file(), SqliteOptions { wal_limit: LIMIT }).unwrap();
    let writer = mirror.writer(RepositoryId(1), &Lease::sole());
    writer.write_page(page(0)).await.unwrap();
    let reader = Connection::open(place.file()).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM item;").unwrap();

    let mut written = 0;
    let error = loop {
        written += 1;
        match writer.write_page(page(written)).await {
            Ok(_) => assert!(written < 200, "nobody stops the writing"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), MirrorErrorKind::Blocked, "{error}");
    for _ in 0..20 {
        writer.write_page(page(written)).await.unwrap_err();
    }
    let bytes = fs::metadata(place.beside("-wal")).unwrap().len();
    assert!((LIMIT..LIMIT + LIMIT / 8).contains(&bytes), "{bytes}");
    assert!(writer.load().await.is_ok(), "it can still be read");

    reader.execute_batch("COMMIT").unwrap();
    let changed = writer.write_page(page(written)).await.unwrap();
    assert_eq!(changed, ChangeCounts { created: 1, ..ChangeCounts::default() });
    let bytes = fs::metadata(place.beside("-wal")).unwrap().len();
    assert!(bytes < LIMIT / 4, "{bytes}");
}

#[tokio::test]
async fn a_call_that_panics_is_undone_and_the_next_one_works() {
    let place = Place::new();
    let mirror = place.open();
    let writer = mirror.writer(RepositoryId(1), &Lease::sole());
    writer.write_page(page(0)).await.unwrap();
    let error = mirror
        .run(|store| {
            store.write(super::super::store::Durability::Synced, |transaction| {
                transaction.execute("DELETE FROM item", [])?;
                panic!("in the middle of it");
                #[expect(unreachable_code, reason = "gives the closure its type")]
                Ok(())
            })
        })
        .await
        .unwrap_err();
    assert!(format!("{error:?}").contains("in the middle of it"), "{error:?}");
    assert_eq!(writer.suspects().await.unwrap().items, 1);
    assert_eq!(writer.write_page(page(0)).await.unwrap().unchanged, 1);
}

#[tokio::test]
async fn a_connection_that_can_only_read_any_more_is_made_anew() {
    let place = Place::new();
    let mirror = place.open();
    let writer = mirror.writer(RepositoryId(1), &Lease::sole());
    writer.write_page(page(0)).await.unwrap();
    // What SQLite says then is what it says where it could not open a file to write.
    let only_read = "PRAGMA query_only = on";
    let told = mirror.run(|it| it.read(|transaction| Ok(transaction.execute_batch(only_read)?)));
    told.await.unwrap();
    let error = writer.write_page(page(1)).await.unwrap_err();
    assert!(format!("{error:?}").contains("readonly"), "{error:?}");
    let changed = writer.write_page(page(1)).await.unwrap();
    assert_eq!(changed, ChangeCounts { created: 1, ..ChangeCounts::default() });
    assert_eq!(writer.suspects().await.unwrap().items, 2);
}

#[tokio::test]
async fn a_call_whose_caller_is_gone_before_its_turn_is_not_made() {
    let place = Place::new();
    let mirror = Arc::new(place.open());
    let writer = mirror.writer(RepositoryId(1), &Lease::sole());
    let (go, turn) = std::sync::mpsc::channel::<()>();
    let busy = mirror.run(move |_| {
        turn.recv_timeout(Duration::from_secs(60)).unwrap();
        Ok(())
    });
    let abandoned = async {
        let write = writer.write_page(page(0));
        assert!(tokio::time::timeout(Duration::from_millis(20), write).await.is_err());
        go.send(()).unwrap();
    };
    let (held_up, ()) = tokio::join!(busy, abandoned);
    held_up.unwrap();
    assert_eq!(writer.suspects().await.unwrap().items, 0);
}
