//! A receiver that refuses, hangs or cannot be made: what is sent meanwhile, what is told, and that it goes
//! on once that is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::kept::KeptFeed;
use super::super::reporting::FeedReporting;
use super::shop::{
    A_WHILE, Feed, ask, drop_before, hold_no_longer, leave, parked, received, shop, state,
    with_a_pass, write,
};
use crate::config::FeedType;
use crate::domain::{FeedName, Sequence};
use crate::mirror::{FeedRequest, Feeds as _, Mirror as _};
use crate::progress::Progress;
use crate::task::{Backoff, Retries};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_receiver_that_refuses_everything_is_not_sent_everything_and_gets_it_once_it_does_not() {
    let memory = with_a_pass().await;
    write(&memory, 1, &(1..=90).collect::<Vec<_>>()).await;
    shop(|shop| shop.takes_nothing = true);
    let feed = Feed::of_changes();
    feed.beside(&memory, async {
        sleep(A_WHILE).await;
        assert_eq!(parked(&memory).await.len(), 20);
        assert!(feed.tells("its receiver refuses everything"));
        let times: Vec<_> = shop(|shop| shop.times.iter().copied().collect());
        assert!(times.len() < 120, "{} tries", times.len());
        assert!(times.windows(2).all(|it| it[1] - it[0] >= SECOND / 10), "{times:?}");
        // The operator has it go on: as many more.
        ask(&memory, FeedRequest::Resume).await;
        sleep(A_WHILE).await;
        assert_eq!(parked(&memory).await.len(), 40);
        shop(|shop| shop.takes_nothing = false);
        sleep(A_WHILE).await;
        assert_eq!(received(), (41..=90).collect::<Vec<_>>());
        assert!(!feed.tells("feed shop"));
        ask(&memory, FeedRequest::Unpark { sequence: None }).await;
        sleep(A_WHILE).await;
        assert_eq!(received().len(), 90);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn however_much_is_parked_can_be_delivered_and_no_more_is_parked_until_then() {
    const MOST: u64 = 10_000;
    let memory = with_a_pass().await;
    write(&memory, 1, &(1..=i128::from(MOST) + 9).collect::<Vec<_>>()).await;
    let rows: Vec<_> = (1..=MOST).map(|it| (it, it.into(), false)).collect();
    leave(&memory, MOST, "", &rows).await;
    let feed = Feed::new("from = 0\nbatch = 1000");
    feed.beside(&memory, async {
        sleep(A_WHILE).await;
        assert_eq!(received(), Vec::<u64>::new());
        assert!(feed.tells("10000 changes are parked, and no more may be"));
        assert!(feed.tells("feeds unpark shop"));
        assert_eq!(state(&memory).await.paused, None);
        ask(&memory, FeedRequest::Unpark { sequence: None }).await;
        sleep(A_WHILE).await;
        assert_eq!(received(), (1..=MOST + 9).collect::<Vec<_>>());
        assert!(!feed.tells("feed shop"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_refused_and_whose_change_is_dropped_is_told_and_does_not_stop_the_feed() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2, 3, 4, 5, 6]).await;
    write(&memory, 3, &[7]).await;
    drop_before(&memory, 2).await;
    shop(|shop| shop.unfit_items.insert(3));
    let feed = Feed::new("from = 'start'\nbatch = 4");
    feed.beside(&memory, async {
        sleep(A_WHILE).await;
        assert_eq!(shop(|shop| shop.items.clone()), [1, 2, 4, 5, 6, 7]);
        assert_eq!((state(&memory).await.paused, parked(&memory).await), (None, vec![]));
        assert!(feed.tells("has missed 1 changes"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_retention_drops_has_no_more_parked_and_is_told_as_missed() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2, 3, 4]).await;
    shop(|shop| shop.unfit.extend([2, 3]));
    let feed = Feed::of_changes();
    feed.beside(&memory, async {
        sleep(A_WHILE).await;
        assert_eq!(received(), [1, 4]);
        assert_eq!(parked(&memory).await.len(), 2);
        write(&memory, 3, &[5]).await;
        sleep(A_WHILE).await;
        hold_no_longer(&memory, 2).await;
        sleep(A_WHILE).await;
        assert_eq!(parked(&memory).await, vec![]);
        assert!(feed.tells("has missed 2 changes"));
        write(&memory, 4, &[2]).await;
        sleep(A_WHILE).await;
        // Nothing waits behind what is no more.
        assert_eq!(received(), [1, 4, 5, 6]);
        assert!(feed.tells("has missed 2 changes"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_while_it_is_delivered_again_is_missed_once() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2, 3, 4]).await;
    shop(|shop| shop.unfit.extend([2, 3]));
    let feed = Feed::of_changes();
    feed.beside(&memory, async {
        sleep(A_WHILE).await;
        assert_eq!(parked(&memory).await.len(), 2);
        write(&memory, 3, &[5]).await;
        sleep(A_WHILE).await;
        shop(|shop| shop.is_away = true);
        ask(&memory, FeedRequest::Unpark { sequence: None }).await;
        sleep(A_WHILE).await;
        hold_no_longer(&memory, 2).await;
        sleep(A_WHILE).await;
        shop(|shop| shop.is_away = false);
        sleep(A_WHILE).await;
        assert_eq!((received(), parked(&memory).await), (vec![1, 4, 5], vec![]));
        assert!(feed.tells("has missed 2 changes"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_version_has_parked_is_missed_where_it_is_dropped() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2]).await;
    write(&memory, 3, &[3]).await;
    let progress = r#"{"identity":"a","written_through":3,"held_through":0,"missed":0}"#;
    leave(&memory, 3, progress, &[(1, 1, false), (2, 2, false)]).await;
    let feed = Feed::of_changes();
    feed.beside(&memory, async {
        sleep(A_WHILE).await;
        hold_no_longer(&memory, 2).await;
        sleep(A_WHILE).await;
        assert!(feed.tells("has missed 2 changes"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn retention_is_not_taken_for_a_word_of_the_operator() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2, 3]).await;
    write(&memory, 3, &(4..=90).collect::<Vec<_>>()).await;
    shop(|shop| shop.takes_nothing = true);
    let feed = Feed::of_changes();
    feed.beside(&memory, async {
        sleep(A_WHILE).await;
        assert_eq!(parked(&memory).await.len(), 20);
        hold_no_longer(&memory, 2).await;
        sleep(A_WHILE).await;
        assert_eq!(parked(&memory).await.len(), 17, "no others are parked");
        assert!(feed.tells("its receiver refuses everything"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_a_receiver_asks_for_and_how_often_it_failed_outlives_an_operators_word() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1]).await;
    shop(|shop| (shop.is_away, shop.after) = (true, Some(100 * SECOND)));
    Feed::of_changes()
        .beside(&memory, async {
            sleep(10 * SECOND).await;
            ask(&memory, FeedRequest::Resume).await;
            sleep(80 * SECOND).await;
            assert_eq!(shop(|shop| shop.tries.len()), 1, "it wanted 100 s");
            shop(|shop| shop.after = None);
            sleep(A_WHILE).await;
            // By now it is tried every few minutes; a word has it tried at once, and no more.
            let tries = shop(|shop| shop.tries.len());
            ask(&memory, FeedRequest::Resume).await;
            sleep(60 * SECOND).await;
            let more = shop(|shop| shop.tries.len()) - tries;
            assert!((1..=2).contains(&more), "{more} tries");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_cannot_be_made_is_made_at_the_next_try() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2]).await;
    shop(|shop| shop.is_broken = true);
    let feed = Feed::of_changes();
    feed.beside(&memory, async {
        sleep(60 * SECOND).await;
        assert!(feed.tells("it cannot be made"));
        shop(|shop| shop.is_broken = false);
        sleep(A_WHILE).await;
        assert_eq!(received(), [1, 2]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_never_ends_counts_as_failed() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2]).await;
    shop(|shop| shop.hangs = true);
    let feed = Feed::of_changes();
    feed.beside(&memory, async {
        sleep(7 * 60 * SECOND).await;
        assert!(feed.tells("no answer within 6 minutes"));
        shop(|shop| shop.hangs = false);
        sleep(A_WHILE).await;
        assert_eq!(received(), [1, 2]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_feed_tells_how_far_behind_it_is() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2]).await;
    let feed = Feed::of_changes();
    feed.beside(&memory, async {
        sleep(10 * SECOND).await;
        let behind = || feed.progress.feeds.all()[0].1.behind_since_ms;
        let pause = FeedRequest::Pause { reason: "the move".to_owned() };
        ask(&memory, pause).await;
        sleep(10 * SECOND).await;
        assert_eq!(behind(), None);
        write(&memory, 2, &[1]).await;
        sleep(10 * SECOND).await;
        assert_eq!(behind(), Some(2));
    })
    .await;
    assert_eq!(memory.parked("shop", Sequence(0), 9).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn what_to_do_is_told_for_the_receiver_that_a_feed_has() {
    let memory = with_a_pass().await;
    let writer = memory.feed_writer().unwrap();
    let lease = writer.take_feed("shop").await.unwrap().unwrap();
    let kept = KeptFeed::load(Arc::new(memory.clone()), writer, lease).await.unwrap();
    for (feed_type, own, other) in [
        (FeedType::File, "ReadWritePaths=", "allow_addresses"),
        (FeedType::Webhook, "allow_addresses", "ReadWritePaths="),
        (FeedType::Kafka, "brokers", "ReadWritePaths="),
    ] {
        let progress: Arc<Progress> = Arc::default();
        let reporting = FeedReporting::new(FeedName::of("shop"), feed_type, Arc::clone(&progress));
        let mut retries = Retries::new(Backoff::REQUESTS);
        for _ in 0..5 {
            let retry = retries.failed(Instant::now(), 1.0, None);
            reporting.refused(&kept, "status 503", retry);
            sleep(60 * SECOND).await;
        }
        let told = format!("{:?}", progress.problems.told());
        assert!(told.contains(own) && !told.contains(other), "{told}");
    }
}
