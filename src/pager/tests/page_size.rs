//! Page sizes that are found by the pager itself, and what is known of answers, from one life to the next.

use std::sync::Arc;

use super::*;
use crate::testing::WatchfulMirror;

const AUTO: &str = "page_size = 'auto'\npage_interval = '0s'\npass_interval = '1m'";

/// Enough for each size up to the largest to be tried.
const MANY: u64 = 40_000;

fn sizes(rig: &Rig) -> Vec<u32> {
    rig.server.searches(1).iter().map(|search| search.asked.page_size).collect()
}

/// A daemon on this mirror that has made so many passes, and was stopped.
async fn lived(server: Server, mirror: &Arc<WatchfulMirror>, paging: &str, passes: usize) -> Rig {
    let mut rig = Rig::with_mirror(server, Arc::clone(mirror), config(paging)).start();
    let complete = rig.events.nth("pass complete", passes).await;
    assert_eq!(complete.field("certified"), "true");
    assert_eq!(complete.number("items"), MANY);
    // What the last pass has taught is kept before the next begins.
    rig.run_for(SECOND).await;
    rig.stop().await;
    rig
}

#[tokio::test(start_paused = true)]
async fn pages_are_doubled_while_items_come_sooner_and_no_pass_loses_its_certificate() {
    let mirror = Arc::new(WatchfulMirror::new());
    let first = lived(Server::new(&[(1, MANY)]), &mirror, AUTO, 1).await;
    let sizes = sizes(&first);
    assert!(sizes[..5].iter().all(|size| *size <= 200), "{sizes:?}");
    assert_eq!(sizes.iter().max(), Some(&3200));
    assert_whole(first.completed(1).last().unwrap(), i128::from(MANY));
}

#[tokio::test(start_paused = true)]
async fn pages_stay_small_where_large_ones_take_as_long_for_each_item() {
    let server = Server::new(&[(1, MANY)]);
    server.hook(|asked| {
        let late = Outcome::Late(Duration::from_millis(5 * u64::from(asked.page_size)));
        (asked.call == Call::Search).then_some(late)
    });
    let mirror = Arc::new(WatchfulMirror::new());
    let sizes = sizes(&lived(server, &mirror, AUTO, 1).await);
    let small = sizes.iter().filter(|size| **size <= 200).count();
    assert!(small > sizes.len() * 9 / 10, "{sizes:?}");
}

/// A server that does not answer windows of more than so many items.
fn failing_above(most: u32) -> Server {
    let server = Server::new(&[(1, MANY)]);
    server.hook(move |asked| {
        let is_large = asked.call == Call::Search && asked.page_size > most;
        is_large.then_some(Outcome::Fail(RequestErrorKind::Status))
    });
    server
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_too_large_for_the_server_is_halved_and_the_next_process_knows() {
    for in_flight in [1, 4] {
        let paging = format!("{AUTO}\nin_flight = {in_flight}");
        let mirror = Arc::new(WatchfulMirror::new());
        let first = lived(failing_above(900), &mirror, &paging, 1).await;
        assert!(first.events.named("window unreadable").is_empty());
        let too_large = sizes(&first).iter().filter(|size| **size > 900).count();
        assert!(too_large > 0, "it was never tried");
        assert_whole(first.completed(1).last().unwrap(), i128::from(MANY));
        let second = lived(failing_above(900), &mirror, &paging, 1).await;
        let sizes = sizes(&second);
        assert!(sizes[0] > 400 && sizes.iter().all(|size| *size <= 900), "{sizes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_not_answered_is_asked_for_in_small_pages_before_it_is_given_up() {
    let server = Server::new(&[(1, MANY)]);
    // One item among many that the server stumbles over.
    server.hook(|asked| {
        let (start, size) = (asked.page.saturating_sub(1) * u64::from(asked.page_size), 30_000);
        let holds = start <= size && size < start + u64::from(asked.page_size);
        (asked.call == Call::Search && asked.page_size > 1 && holds)
            .then_some(Outcome::Fail(RequestErrorKind::Status))
    });
    let mut rig = Rig::new(server, config(AUTO)).start();
    let unreadable = rig.events.nth("window unreadable", 1).await;
    let (from, to) = (unreadable.number("from"), unreadable.number("to"));
    assert!((from..=to).contains(&30_000) && to - from < 200, "{from} to {to}");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_known_of_answers_is_known_to_the_next_process() {
    let paging = "page_size = 900\npage_interval = '0s'\npass_interval = '1m'";
    let mirror = Arc::new(WatchfulMirror::new());
    let known = |rig: &Rig| {
        let searches = rig.server.searches(1);
        let known = searches.iter().filter(|search| search.asked.is_known).count();
        (known, searches.len())
    };
    let first = lived(Server::new(&[(1, MANY)]), &mirror, paging, 1).await;
    assert_eq!(known(&first).0, 0);
    for _ in 0..2 {
        let next = lived(Server::new(&[(1, MANY)]), &mirror, paging, 1).await;
        let (known, all) = known(&next);
        assert_eq!(known, all, "of a repository at rest all is known");
        assert_whole(next.completed(1).last().unwrap(), i128::from(MANY));
    }
}
