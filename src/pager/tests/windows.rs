//! Windows that are not answered: they hold nobody up, and cost no more than they must.

use std::ops::Range;

use super::*;
use crate::domain::RepositoryId;
use crate::testing::Asked;

/// Whether a request reaches beyond so many positions.
fn reaches_beyond(asked: &Asked, positions: u64) -> bool {
    asked.call == Call::Search && asked.page * u64::from(asked.page_size) > positions
}

fn status() -> Outcome {
    Outcome::Fail(RequestErrorKind::Status)
}

/// Leaves of the server's list no more than these positions.
fn cut(rig: &Rig, left: Range<usize>) {
    let mut state = rig.server.state();
    let list = state.lists.get_mut(&RepositoryId(1)).unwrap();
    list.truncate(left.end);
    list.drain(..left.start);
}

fn kept(rig: &Rig) -> usize {
    rig.mirror.memory.with(RepositoryId(1), |kept| kept.items.len())
}

#[tokio::test(start_paused = true)]
async fn a_window_that_always_fails_ends_the_pass_within_seconds_and_is_told() {
    for outcome in [status(), Outcome::Refuse, Outcome::Fail(RequestErrorKind::Interrupted)] {
        let server = server();
        server.hook(move |asked| reaches_beyond(asked, 150).then(|| outcome.clone()));
        let mut rig = Rig::new(server, config(CALM)).start();
        let complete = rig.events.nth("pass complete", 1).await;
        assert_eq!(complete.field("certified"), "false");
        assert!(complete.field("reason").contains("could not be read"), "{complete:?}");
        assert!(rig.began.elapsed() < MINUTE, "{:?}", rig.began.elapsed());
        let told = &rig.events.named("window unreadable")[0];
        assert!((117..150).contains(&told.number("from")), "{told:?}");
        assert!(kept(&rig) as u64 > told.number("from"), "all before it, and the overlap");
        let problems = rig.progress.problems.told();
        assert!(problems.iter().any(|it| it.source.what == "window"), "{problems:?}");

        // The next pass begins at the top, and tells of it once more.
        rig.events.nth("pass complete", 2).await;
        let tops = rig.server.searches(1);
        let tops = tops.iter().filter(|it| it.asked.page == 1 && it.asked.page_size > 1);
        assert_eq!(tops.count(), 2);
        rig.server.hook(|_| None);
        rig.events.nth("pass complete", 3).await;
        assert!(rig.progress.problems.told().is_empty());
        assert_eq!(kept(&rig) as u64, ITEMS);
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_read_is_no_suspect() {
    let mut rig = Rig::new(server(), config(CALM)).start();
    rig.events.nth("pass complete", 1).await;
    rig.server.hook(|asked| reaches_beyond(asked, 150).then(status));
    for pass in 2..=4 {
        let complete = rig.events.nth("pass complete", pass).await;
        assert_eq!((complete.number("suspects"), complete.number("deleted")), (0, 0));
    }
    assert_eq!(kept(&rig) as u64, ITEMS);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_for_an_hour_costs_the_pass_neither_its_place_nor_its_certificate() {
    let server = server();
    let began = Instant::now();
    let away = began + 3 * SECOND..began + HOUR;
    server.hook(move |asked| {
        (asked.call == Call::Search && away.contains(&asked.at)).then(no_connection)
    });
    let mut rig = Rig::new(server, config(CALM)).start();
    rig.events.nth("pass complete", 1).await;
    assert_all_whole(&rig, 1);
    assert_eq!(rig.events.named("window unreadable").len(), 0);
    assert!(rig.began.elapsed() < HOUR + 2 * MINUTE);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_has_become_shorter_than_the_next_window_is_no_fault() {
    let server = server();
    server.hook(|asked| {
        // What lies past the end is refused.
        let start = asked.page.saturating_sub(1) * u64::from(asked.page_size);
        (asked.call == Call::Search && asked.number > 4 && start >= 70).then(status)
    });
    let mut rig = Rig::new(server, config(CALM)).start();
    while rig.server.searches(1).len() < 4 {
        rig.run_for(SECOND / 10).await;
    }
    // From the top and from what was not read yet: the latest answer still stands, further up.
    let covered = kept(&rig);
    cut(&rig, covered - 70..covered);
    let complete = rig.events.nth("pass complete", 1).await;
    assert_eq!(complete.field("certified"), "true", "{complete:?}");
    assert!(rig.began.elapsed() < MINUTE);
    assert_eq!(rig.events.named("window unreadable").len(), 0);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn settings_that_cut_a_pass_short_are_followed_by_the_next_at_once_when_they_change() {
    let large = "page_size = 60\npage_interval = '1s'\npass_interval = '5m'";
    let server = server();
    server.hook(|asked| reaches_beyond(asked, 150).then(status));
    let mut rig = Rig::new(server, config(large)).start();
    rig.events.nth("window unreadable", 1).await;
    let first = rig.events.nth("pass complete", 1).await;
    rig.run_for(MINUTE).await;
    rig.server.hook(|_| None);
    rig.reload(Ok(config(CALM))).await;
    let second = rig.events.nth("pass complete", 2).await;
    assert_eq!(second.field("certified"), "true", "{second:?}");
    assert!(second.at - first.at < 2 * MINUTE, "{:?}", second.at - first.at);
    // After a pass that was whole a change of settings is no reason for another.
    rig.reload(Ok(config(large))).await;
    let third = rig.events.nth("pass complete", 3).await;
    assert!(third.at - second.at >= 5 * MINUTE, "{:?}", third.at - second.at);
    rig.stop().await;
}
