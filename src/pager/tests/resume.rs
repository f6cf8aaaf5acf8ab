//! Passes that are interrupted: taken up where they were, or started over.

use std::sync::Arc;

use super::*;
use crate::domain::RepositoryId;
use crate::mirror::Interrupted;
use crate::testing::WatchfulMirror;

const REPOSITORY: RepositoryId = RepositoryId(1);

/// A daemon that was stopped after so many pages of its first pass; what it left.
async fn interrupted_after(pages: usize, paging: &str) -> Arc<WatchfulMirror> {
    let mut rig = Rig::new(server(), config(paging)).start();
    rig.mirror.taken(pages).await;
    rig.stop().await;
    assert!(rig.events.named("pass complete").is_empty());
    Arc::clone(&rig.mirror)
}

fn change(mirror: &WatchfulMirror, change: impl FnOnce(&mut Interrupted)) {
    mirror.memory.with(REPOSITORY, |kept| change(kept.interrupted.as_mut().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_pass_goes_on_after_a_restart_under_the_same_iteration() {
    for in_flight in [1, 4] {
        let paging = format!("{CALM}\nin_flight = {in_flight}");
        let mirror = interrupted_after(4, &paging).await;
        let before = mirror.pages(1).len() as u64;
        let mut rig = Rig::with_mirror(server(), Arc::clone(&mirror), config(&paging)).start();
        let complete = rig.events.nth("pass complete", 1).await;
        assert_eq!(complete.field("certified"), "true");
        assert_eq!(complete.number("iteration"), 1);
        assert_eq!(complete.number("items"), ITEMS);
        assert_eq!(complete.number("created"), ITEMS, "those of before the restart count, too");
        let resumed = &rig.events.named("pass resumed")[0];
        assert_eq!(resumed.number("pages"), before);
        let pages = mirror.pages(1);
        assert_eq!(complete.number("pages"), pages.len() as u64);
        assert_whole(&pages, i128::from(ITEMS));
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pass_interrupted_again_and_again_still_ends() {
    let mirror = Arc::new(WatchfulMirror::new());
    let mut restarts = 0;
    loop {
        let before = mirror.pages(1).len();
        let mut rig = Rig::with_mirror(server(), Arc::clone(&mirror), config(CALM)).start();
        mirror.taken(before + 1).await;
        rig.stop().await;
        restarts += 1;
        if mirror.memory.with(REPOSITORY, |kept| !kept.ends.is_empty()) {
            break;
        }
        assert!(restarts < 20, "it does not get on");
    }
    mirror.memory.with(REPOSITORY, |kept| {
        assert_eq!(kept.ends[0].reason, None);
        assert_eq!(kept.ends[0].statistics.distinct, ITEMS);
        assert_eq!(kept.ends[0].statistics.pages, mirror.pages(1).len() as u64);
    });
    assert!(restarts > 5, "it was never interrupted");
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_the_mirror_cannot_take_up_starts_over() {
    type Spoil = fn(&mut Interrupted);
    let cases: [(&str, &str, Spoil); 4] = [
        ("resume_within", CALM, |it| it.saved_ms -= 3_600_001),
        ("another list", "[paging]", |_| {}),
        ("cannot be read", CALM, |it| it.state[0] = 255),
        ("cannot be read", CALM, |it| it.state.truncate(9)),
    ];
    for (reason, paging, spoil) in cases {
        let mirror = interrupted_after(4, CALM).await;
        change(&mirror, spoil);
        let mut config = config(CALM);
        if paging != CALM {
            config.login.username = "somebody else".to_owned();
        }
        let mut rig = Rig::with_mirror(server(), Arc::clone(&mirror), config).start();
        let complete = rig.events.nth("pass complete", 1).await;
        let over = &rig.events.named("pass started over")[0];
        assert!(over.field("reason").contains(reason), "{}", over.field("reason"));
        assert_eq!(complete.number("iteration"), 1);
        assert_eq!(rig.server.searches(1)[0].asked.page, 1, "{reason}");
        assert_eq!(complete.number("pages"), rig.server.searches(1).len() as u64, "{reason}");
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pass_is_taken_up_with_other_page_sizes() {
    let mirror = interrupted_after(4, CALM).await;
    let paging = "page_size = 100\npage_interval = '1s'\npass_interval = '5m'";
    let mut rig = Rig::with_mirror(server(), Arc::clone(&mirror), config(paging)).start();
    let complete = rig.events.nth("pass complete", 1).await;
    assert_eq!(complete.field("certified"), "true");
    assert_eq!(complete.number("items"), ITEMS);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn passes_are_numbered_on_after_a_restart() {
    let mut rig = Rig::new(server(), config(CALM)).start();
    rig.events.nth("pass complete", 2).await;
    rig.stop().await;
    let mirror = Arc::clone(&rig.mirror);
    let mut rig = Rig::with_mirror(server(), mirror, config(CALM)).start();
    let complete = rig.events.nth("pass complete", 1).await;
    assert_eq!(complete.number("iteration"), 3);
    assert_eq!(complete.number("unchanged"), ITEMS);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_next_page_is_fetched_while_one_is_written() {
    let rig = Rig::new(server(), config("page_size = 30\npage_interval = '0s'"));
    rig.mirror.script([Trouble::Slow(MINUTE)]);
    let mut rig = rig.start();
    rig.run_for(30 * SECOND).await;
    assert_eq!(rig.server.searches(1).len(), 3, "two ahead of the one that is written, no more");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_could_not_be_written_before_a_stop_is_read_again_after_it() {
    for pages in [0, 3, 8] {
        for in_flight in [1, 4] {
            let paging = format!("page_size = 30\npage_interval = '0s'\nin_flight = {in_flight}");
            let rig = Rig::new(server(), config(&paging));
            let fine = std::iter::repeat_n(Trouble::Slow(SECOND), pages);
            // The cause is gone as soon as the daemon is told to stop.
            rig.mirror.script(fine.chain([Trouble::Fail]));
            let mut rig = rig.start();
            while rig.events.named("request failed").is_empty() {
                rig.run_for(SECOND / 100).await;
            }
            rig.stop().await;
            let written = rig.mirror.pages(1).len();
            let mirror = Arc::clone(&rig.mirror);
            let mut rig = Rig::with_mirror(server(), mirror, config(&paging)).start();
            let complete = rig.events.nth("pass complete", 1).await;
            assert_eq!((complete.number("iteration"), complete.number("items")), (1, ITEMS));
            assert!(written <= pages + 1, "{written} pages after the one that failed");
            assert_whole(&rig.mirror.pages(1), i128::from(ITEMS));
            rig.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_readings_of_an_item_the_later_one_counts_also_where_it_came_first() {
    let server = server();
    // The second request fails, and the third is answered before it is made again.
    server.script(
        Call::Search,
        [Outcome::Usual, Outcome::Fail(RequestErrorKind::Interrupted), Outcome::Usual],
    );
    let mut rig =
        Rig::new(server, config("page_size = 30\npage_interval = '0s'\nin_flight = 2")).start();
    rig.events.nth("pass complete", 1).await;
    let pages = rig.mirror.pages(1);
    assert_eq!((pages[1].items.last(), pages[2].items.first()), (Some(&58), Some(&59)));
    rig.stop().await;
}
