//! The task, with a receiver that says whatever a test wants.

use std::time::Duration;

use tokio::time::sleep;

use super::shop::{A_WHILE, ask, beside, parked, received, shop, state, with_a_pass, write};
use crate::domain::Sequence;
use crate::mirror::{FeedRequest, Feeds as _};

#[tokio::test(start_paused = true)]
async fn a_change_that_is_not_taken_is_parked_with_later_ones_of_its_item_until_it_is_released() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2, 3, 4, 5]).await;
    shop(|shop| shop.unfit.insert(3));
    beside(&memory, async {
        sleep(A_WHILE).await;
        assert_eq!(received(), [1, 2, 4, 5]);
        assert_eq!(parked(&memory).await, [(3, None, false)]);
        write(&memory, 2, &[3, 4]).await;
        sleep(A_WHILE).await;
        assert_eq!(received(), [1, 2, 4, 5, 7]);
        assert_eq!(parked(&memory).await, [(3, None, false), (6, Some(3), false)]);
        // It is refused again, and stays with what is behind it.
        ask(&memory, FeedRequest::Unpark { sequence: None }).await;
        sleep(A_WHILE).await;
        assert_eq!(parked(&memory).await, [(3, None, false), (6, Some(3), false)]);
        shop(|shop| shop.unfit.clear());
        ask(&memory, FeedRequest::Unpark { sequence: Some(Sequence(3)) }).await;
        sleep(A_WHILE).await;
        assert_eq!(received(), [1, 2, 4, 5, 7, 3, 6]);
        assert_eq!(parked(&memory).await, []);
        write(&memory, 3, &[3]).await;
        sleep(A_WHILE).await;
        assert_eq!(received().last(), Some(&8));
    })
    .await;
    assert_eq!(state(&memory).await.delivered, 8);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_gone_pauses_the_feed_and_one_that_is_away_gets_the_same_batch_again() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2, 3]).await;
    shop(|shop| shop.is_away = true);
    beside(&memory, sleep(A_WHILE)).await;
    let tries = shop(|shop| std::mem::take(&mut shop.tries));
    assert!((4..40).contains(&tries.len()), "{} tries", tries.len());
    // More has come, and another life has begun: what was sent before comes first, as it was.
    write(&memory, 2, &[1, 2, 3]).await;
    shop(|shop| (shop.is_away, shop.is_gone) = (false, true));
    beside(&memory, async {
        sleep(A_WHILE).await;
        assert_eq!(state(&memory).await.paused.as_deref(), Some("not now"));
        assert_eq!(shop(|shop| shop.tries.len()), 1, "it is asked although it is gone");
        shop(|shop| shop.is_gone = false);
        ask(&memory, FeedRequest::Resume).await;
        sleep(A_WHILE).await;
    })
    .await;
    let told = shop(|shop| std::mem::take(&mut shop.tries));
    assert!(tries.iter().chain(&told[..2]).all(|id| *id == tries[0]), "{tries:?} {told:?}");
    assert_eq!(received(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(state(&memory).await.delivered_through, Sequence(6));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_delivered_under_a_right_that_went_while_others_were_shut_out() {
    let memory = with_a_pass().await;
    write(&memory, 1, &[1, 2]).await;
    shop(|shop| shop.shuts_out = Some(Duration::from_secs(10)));
    beside(&memory, async {
        sleep(Duration::from_secs(1)).await;
        // Who delivers from now on has another right.
        memory.remove_feed("shop").await.unwrap();
        sleep(A_WHILE).await;
        assert_eq!(received(), [1, 2]);
    })
    .await;
}
