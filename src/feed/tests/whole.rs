//! That a feed has the whole of what it is to have, and tells what it has not.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::delivering::{Delivering, DeliveryMemory, NextBatch};
use super::super::kept::KeptFeed;
use super::super::source::FeedSource;
use super::shop::{
    A_WHILE, Feed, ask, delete, drop_before, hold_no_longer, leave, parked, received, shop, state,
    with_a_pass, write, write_bodies,
};
use crate::domain::{RepositoryId, Sequence};
use crate::mirror::{FeedRequest, KeptModel, Lease, Mirror as _, ModelUpdate};
use crate::model::{Attribute, RepositoryModel};
use crate::task::Cancellation;
use crate::testing::Memory;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn items_behind_a_run_of_what_was_not_there_are_read_and_batches_are_filled() {
    let memory = with_a_pass().await;
    write(&memory, 1, &(1..=40).collect::<Vec<_>>()).await;
    delete(&memory, 9..=25).await;
    shop(|shop| shop.is_away = true);
    Feed::new("from = 'start'\nbatch = 4")
        .beside(&memory, async {
            sleep(10 * SECOND).await;
            // The instant is past by now.
            write(&memory, 2, &[1]).await;
            shop(|shop| {
                shop.is_away = false;
                shop.sizes.clear();
            });
            sleep(A_WHILE).await;
        })
        .await;
    let expected: Vec<i128> = (1..=8).chain(26..=40).chain([1]).collect();
    assert_eq!(shop(|shop| shop.items.clone()), expected);
    assert_eq!(shop(|shop| shop.sizes.clone()), [4, 4, 4, 4, 4, 3, 1]);
}

async fn know(memory: &Memory, name: &str) {
    let mut model = RepositoryModel::default();
    model.add_attribute(Attribute { name: Some(name.to_owned()), ..Attribute::of("F_1") });
    let kept = KeptModel { model, server_ms: Some(1), ..KeptModel::default() };
    let update = Arc::new(ModelUpdate { kept, answers: None, change: None });
    memory.save_model(RepositoryId(1), &Lease::sole(), update).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn updates_come_until_it_is_known_what_an_attribute_is_called_and_a_wrong_name_is_told() {
    let memory = with_a_pass().await;
    write_bodies(&memory, 1, &[1], r#"{"F_1":1,"F_2":1}"#).await;
    let feed = Feed::new("from = 0\nbatch = 4\nattributes = ['Price']");
    feed.beside(&memory, async {
        sleep(10 * SECOND).await;
        write_bodies(&memory, 1, &[1], r#"{"F_1":2,"F_2":"Price"}"#).await;
        sleep(A_WHILE).await;
        assert_eq!(received(), [1, 2], "nobody knows yet what Price is, whatever a value says");
        assert!(!feed.tells("feed shop"));
        know(&memory, "Weight").await;
        sleep(A_WHILE).await;
        assert!(feed.tells("feed shop is to deliver updates of Price, which no repository"));
        know(&memory, "Price").await;
        sleep(A_WHILE).await;
        assert!(!feed.tells("feed shop"));
        write_bodies(&memory, 1, &[1], r#"{"F_1":2,"F_2":2}"#).await;
        write_bodies(&memory, 1, &[1], r#"{"F_1":3,"F_2":2}"#).await;
        sleep(A_WHILE).await;
        assert_eq!(received(), [1, 2, 4]);
    })
    .await;
    // What items have is known, whatever models say.
    let feed = Feed::new("from = 0\nbatch = 4\nattributes = ['F_2']");
    ask(&memory, FeedRequest::Replay { after: Sequence(1) }).await;
    shop(|shop| shop.received.clear());
    feed.beside(&memory, async {
        sleep(A_WHILE).await;
        assert!(!feed.tells("feed shop"));
        assert_eq!(received(), [2, 3]);
    })
    .await;
    // So it is where the log has nothing new to show it by.
    feed.beside(&memory, async {
        sleep(SECOND).await;
        assert!(!feed.tells("feed shop"));
        assert_eq!(received(), [2, 3]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_replay_of_a_feed_that_takes_no_items_delivers_the_log_again() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2]).await;
    write(&memory, 2, &[1]).await;
    let feed = Feed::new("from = 0\noperations = ['u']");
    feed.beside(&memory, async {
        sleep(A_WHILE).await;
        assert_eq!(received(), [3]);
        ask(&memory, FeedRequest::Replay { after: Sequence(0) }).await;
        sleep(A_WHILE).await;
        assert_eq!(received(), [3, 3]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_dropped_is_counted_once_and_what_another_delivered_is_not() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2, 3, 4, 5, 6]).await;
    let feed = Feed::of_changes();
    let missed = || feed.progress.feeds.all()[0].1.missed;
    shop(|shop| shop.is_away = true);
    feed.beside(&memory, async {
        sleep(10 * SECOND).await;
        // Another daemon delivers while this one sleeps.
        let writer = memory.feed_writer().unwrap();
        let lease = writer.take_feed("shop").await.unwrap().unwrap();
        let mut told = state(&memory).await;
        told.delivered_through = Sequence(2);
        told.progress = "{\"written_through\":2}".to_owned();
        assert!(writer.save_feed(&lease, &told, vec![], vec![]).await.unwrap().is_some());
        sleep(A_WHILE).await;
        assert_eq!(missed(), 0);
        write(&memory, 3, &[7]).await;
        drop_before(&memory, 2).await;
        sleep(A_WHILE).await;
        shop(|shop| shop.is_away = false);
        sleep(A_WHILE).await;
        assert_eq!((received(), missed()), (vec![7], 4));
        ask(&memory, FeedRequest::Resume).await;
        sleep(A_WHILE).await;
        assert_eq!(missed(), 4);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_begins_anew_forgets_what_was_parked_before() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2]).await;
    write(&memory, 2, &[1]).await;
    let notes = r#"{"reading":{"at":2,"begun_ms":1,"repository":0,"after":null}}"#;
    leave(&memory, 3, notes, &[(1, 1, false)]).await;
    let feed = Feed::of_changes();
    feed.beside(&memory, async {
        sleep(A_WHILE).await;
        assert_eq!((received(), parked(&memory).await), (vec![3, 3], vec![]));
        ask(&memory, FeedRequest::Unpark { sequence: None }).await;
        sleep(A_WHILE).await;
        assert_eq!(received(), [3, 3], "an older version than it has");
        assert!(!feed.tells("missed"), "the reading gives it all");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn notes_that_nobody_can_read_give_nothing_up() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2, 3]).await;
    leave(&memory, 2, r#"{"reading":7}"#, &[]).await;
    let feed = Feed::of_changes();
    feed.beside(&memory, async {
        sleep(A_WHILE).await;
        assert_eq!((received(), state(&memory).await.revision), (vec![], 1));
        assert!(feed.tells("cannot be read") && feed.tells("feeds replay shop"));
        ask(&memory, FeedRequest::Replay { after: Sequence(0) }).await;
        sleep(A_WHILE).await;
        assert_eq!(shop(|shop| shop.items.clone()), [1, 2, 3]);
        assert!(!feed.tells("feed shop"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_released_comes_in_batches_that_are_no_larger_than_others() {
    let memory = with_a_pass().await;
    let body = format!("{{\"text\":\"{}\"}}", "x".repeat(1_500_000));
    write_bodies(&memory, 1, &[1, 2, 3, 4], &body).await;
    let rows: Vec<_> = (1..=4).map(|it| (it, it.into(), true)).collect();
    leave(&memory, 4, "", &rows).await;
    let feed = Feed::new("from = 0\nbatch = 4\nmax_size = '4MiB'");
    feed.beside(&memory, sleep(A_WHILE)).await;
    assert_eq!((received(), shop(|shop| shop.sizes.clone())), (vec![1, 2, 3, 4], vec![2, 2]));
    assert_eq!(parked(&memory).await, []);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_kept_also_where_something_parked_is_given_up() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2, 3, 4, 5]).await;
    write(&memory, 2, &[3]).await;
    write(&memory, 3, &[3]).await;
    drop_before(&memory, 2).await;
    leave(&memory, 5, r#"{"held_through":6}"#, &[(3, 3, true), (6, 3, true)]).await;
    let (feed, cancellation, mut known) =
        (Feed::of_changes(), Cancellation::new(), DeliveryMemory::new());
    let task = feed.task(&memory, &cancellation);
    let lease = task.writer.take_feed("shop").await.unwrap().unwrap();
    let (reader, writer) = (Arc::clone(&task.reader), Arc::clone(&task.writer));
    let mut delivering = Delivering {
        kept: KeptFeed::load(reader, writer, lease).await.unwrap(),
        source: FeedSource::new(Arc::clone(&task.reader), Arc::clone(&task.settings)),
        receiver: None,
        memory: &mut known,
        held: Vec::new(),
        renewed: Instant::now(),
        saved: Instant::now(),
    };
    // The last one is held; then it turns out that the first is gone.
    for _ in 0..2 {
        assert!(matches!(task.next(&mut delivering).await.unwrap(), NextBatch::Passed));
    }
    let rows: Vec<_> = parked(&memory).await.into_iter().map(|it| it.0).collect();
    assert_eq!((rows, state(&memory).await.delivered_through), (vec![6, 7], Sequence(7)));
}

#[tokio::test(start_paused = true)]
async fn a_feed_from_the_beginning_misses_nothing_of_what_went_before() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2]).await;
    write(&memory, 3, &[3]).await;
    drop_before(&memory, 2).await;
    let feed = Feed::of_changes();
    feed.beside(&memory, sleep(A_WHILE)).await;
    assert_eq!(received(), [3]);
    assert!(!feed.tells("missed"));
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_was_set_to_another_sequence_and_is_paused_sees_what_is_dropped() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2, 3]).await;
    write(&memory, 3, &[4]).await;
    let feed = Feed::of_changes();
    feed.beside(&memory, async {
        sleep(10 * SECOND).await;
        ask(&memory, FeedRequest::Pause { reason: "the move".to_owned() }).await;
        ask(&memory, FeedRequest::Replay { after: Sequence(1) }).await;
        sleep(10 * SECOND).await;
        hold_no_longer(&memory, 2).await;
        sleep(10 * SECOND).await;
        ask(&memory, FeedRequest::Resume).await;
        sleep(A_WHILE).await;
        assert_eq!(received(), [1, 2, 3, 4, 4]);
        assert!(feed.tells("has missed 2 changes"));
    })
    .await;
}
