//! Stopping, restarting, reloading and giving up, on a paused clock.

mod feeds;
mod leases;
mod offer;
mod soak;
mod watchdog;

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;
use tracing::Level;

use super::{ExitReason, GiveUpReason, STOP_WITHIN};
use crate::client::RequestErrorKind;
use crate::config::AutoOr;
use crate::signals::Signal;
use crate::testing::{
    Call, HOUR, MINUTE, Outcome, Rig, SECOND, Server, Trouble, assert_whole, configuration,
};

const ITEMS: u64 = 250;
const CALM: &str = "page_size = 30\npage_interval = '1s'\npass_interval = '5m'";

fn one() -> Server {
    Server::new(&[(1, ITEMS)])
}

fn two() -> Server {
    Server::new(&[(1, ITEMS), (2, ITEMS)])
}

fn calm() -> Rig {
    Rig::new(one(), configuration(&[1], CALM))
}

fn no_connection() -> Outcome {
    Outcome::Fail(RequestErrorKind::Connect)
}

/// Whether the last thing that the server heard was the logout, with the newest session.
fn assert_logged_out(rig: &Rig) {
    let log = rig.server.log();
    let logout = log[log.len() - 1].asked;
    assert_eq!(logout.call, Call::Logout, "not the last request");
    let newest = log.iter().map(|logged| logged.asked.generation).max();
    assert_eq!(Some(logout.generation), newest);
    assert_eq!(rig.server.count(Call::Logout), 1);
}

fn assert_said(rig: &Rig, messages: &[&str]) {
    let said: Vec<_> = rig.events.all().into_iter().map(|event| event.message).collect();
    let expected: Vec<_> = messages.iter().map(ToString::to_string).collect();
    assert!(said.ends_with(&expected), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_the_rest_is_immediate_and_logs_out() {
    let mut rig = calm().start();
    rig.run_for(2 * MINUTE).await;
    assert!(rig.stop().await <= Duration::from_millis(100));
    assert_logged_out(&rig);
    assert_said(&rig, &["stopping", "signed out", "stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_between_two_pages_is_immediate() {
    let mut rig = calm().start();
    rig.mirror.taken(3).await;
    assert!(rig.stop().await <= Duration::from_millis(100));
    assert_eq!(rig.mirror.pages(1).len(), 3);
    assert_logged_out(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_page_under_way_that_answers_in_time_is_delivered_before_the_end() {
    for in_flight in [1, 4] {
        let server = Server::new(&[(1, 2500)]);
        server.hook(|asked| {
            let slow = asked.call == Call::Search && asked.number > 3;
            slow.then_some(Outcome::Late(2 * SECOND))
        });
        let paging = format!("page_size = 30\npage_interval = '0s'\nin_flight = {in_flight}");
        let mut rig = Rig::new(server, configuration(&[1], &paging)).start();
        rig.mirror.taken(3).await;
        rig.run_for(Duration::from_millis(500)).await;
        let sent = rig.server.searches(1).len();
        assert_eq!(sent, 3 + in_flight);
        let took = rig.stop().await;
        assert!(took >= SECOND && took < 2 * SECOND, "{took:?}");
        assert_eq!(rig.mirror.pages(1).len(), sent, "a page under way was lost");
        assert_eq!(rig.server.searches(1).len(), sent, "pages were asked for during the stop");
        assert_logged_out(&rig);
        let logout = rig.server.log_of(Call::Logout)[0].asked.at;
        assert!(rig.mirror.pages(1).iter().all(|page| page.at <= logout));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_search_does_not_hold_up_the_end() {
    let server = two();
    server.hook(|asked| (asked.call == Call::Search && asked.number > 4).then_some(Outcome::Hang));
    let mut rig = Rig::new(server, configuration(&[1, 2], CALM)).start();
    rig.run_for(MINUTE).await;
    let took = rig.stop().await;
    assert!(took <= STOP_WITHIN, "{took:?}");
    let late = rig.events.named("task late");
    let late: Vec<_> = late.iter().map(|event| event.field("task")).collect();
    assert_eq!(late, ["pager 1", "pager 2"]);
    assert_logged_out(&rig);
    assert_said(&rig, &["signed out", "stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_at_everything_does_not_hold_up_the_end() {
    let mut rig = calm();
    let from = rig.began + 2 * SECOND;
    rig.server.hook(move |asked| (asked.at > from).then_some(Outcome::Hang));
    rig = rig.start();
    rig.run_for(2 * MINUTE).await;
    let took = rig.stop().await;
    assert!(took <= STOP_WITHIN, "{took:?}");
    assert_logged_out(&rig);
    assert_said(&rig, &["task late", "sign-out failed", "stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_login_does_not_hold_up_the_end() {
    let server = one();
    server.script(Call::Login, [Outcome::Hang]);
    let mut rig = Rig::new(server, configuration(&[1], CALM)).start();
    rig.run_for(MINUTE).await;
    assert_eq!(rig.stop().await, Duration::ZERO);
    assert_eq!(rig.server.count(Call::Logout), 0, "there is no session to end");
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_wait_after_a_failure_at_once() {
    for call in [Call::Search, Call::Login] {
        let mut rig = calm();
        rig.server.hook(move |asked| (asked.call == call).then(no_connection));
        rig = rig.start();
        rig.run_for(HOUR).await;
        assert!(rig.stop().await <= Duration::from_millis(100));
        assert_eq!(rig.server.count(Call::Logout), usize::from(call == Call::Search));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_wait_for_a_session_at_once() {
    for outcome in [Outcome::Deny("no"), Outcome::Hang] {
        let server = one();
        server.script(Call::Search, [Outcome::Usual, Outcome::Usual, Outcome::EndSessions]);
        server.script(Call::Login, [Outcome::Usual, outcome]);
        let mut rig = Rig::new(server, configuration(&[1], CALM)).start();
        rig.run_for(4 * SECOND).await;
        assert!(rig.stop().await <= Duration::from_millis(100));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_wait_of_a_page_that_the_mirror_cannot_take() {
    let mut rig = calm().start();
    rig.mirror.taken(3).await;
    rig.mirror.script(std::iter::repeat_n(Trouble::Fail, 10_000));
    rig.run_for(HOUR).await;
    assert!(rig.stop().await <= Duration::from_millis(100));
    assert_eq!(rig.mirror.pages(1).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_stop_asked_for_twice_is_one_stop() {
    let mut rig = calm().start();
    rig.run_for(MINUTE).await;
    rig.signal(Signal::Interrupt).await;
    rig.stop().await;
    assert_eq!(rig.events.named("stopping").len(), 1);
    assert_logged_out(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_pager_that_panics_is_started_again_ever_later_and_disturbs_no_other() {
    let server = two();
    server.hook(|asked| {
        let bad = asked.repository.is_some_and(|repository| repository.0 == 2);
        bad.then_some(Outcome::Panic)
    });
    let mut rig = Rig::new(server, configuration(&[1, 2], CALM)).start();
    rig.run_for(10 * MINUTE).await;

    let failed = rig.events.named("task failed");
    let waits: Vec<_> = failed.iter().map(|event| event.number("retry_in_ms") / 1000).collect();
    assert_eq!(waits[..9], [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    for (place, pair) in failed.windows(2).enumerate() {
        assert_eq!((pair[1].at - pair[0].at).as_secs(), waits[place]);
        assert_eq!(pair[0].field("task"), "pager 2");
        assert_eq!(pair[0].number("failures"), place as u64 + 1);
    }
    let restarts = rig.progress.restarts.get();
    assert!(restarts.abs_diff(failed.len() as u64) <= 1, "{restarts} of {} counted", failed.len());
    for pages in rig.completed(1) {
        assert_whole(&pages, i128::from(ITEMS));
    }
    assert!((2..=3).contains(&rig.completed(1).len()));
    assert_eq!(rig.logins(), 1);

    // Once the defect has gone, so has the trouble.
    rig.server.unhook();
    rig.run_for(2 * MINUTE).await;
    assert_whole(&rig.completed(2)[0], i128::from(ITEMS));
    rig.stop().await;
    assert_logged_out(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_a_panic_broke_off_is_not_taken_up_under_its_number() {
    let server = one();
    server.script(Call::Search, std::iter::repeat_n(Outcome::Usual, 15).chain([Outcome::Panic]));
    let mut rig = Rig::new(server, configuration(&[1], CALM)).start();
    // The first pass is complete, and the second under way.
    rig.events.nth("task failed", 1).await;
    let broken = rig.mirror.pages(1).last().unwrap().iteration;
    assert_eq!(broken, 2);
    let complete = rig.events.nth("pass complete", 2).await;
    assert_eq!(complete.number("iteration"), 3);
    assert_whole(&rig.completed(1)[1], i128::from(ITEMS));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_panicked_at_its_first_page_is_not_taken_up_under_its_number() {
    let mut rig = calm().start();
    rig.events.nth("pass complete", 1).await;
    rig.mirror.script([Trouble::Panic]);
    rig.events.nth("task failed", 1).await;
    let complete = rig.events.nth("pass complete", 2).await;
    let of_second = rig.mirror.all().into_iter().filter(|page| page.iteration == 2);
    assert_eq!(of_second.count(), 1, "two passes under one number");
    assert_eq!(complete.number("iteration"), 3);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refresher_that_panicked_does_not_sign_in_again_while_the_session_stands() {
    let server = one();
    server.script(Call::Reauth, [Outcome::Panic, Outcome::Panic]);
    let mut rig = Rig::new(server, configuration(&[1], CALM)).start();
    rig.run_for(HOUR).await;
    let failed = rig.events.named("task failed");
    assert_eq!(failed.len(), 2);
    assert!(failed.iter().all(|event| event.field("task") == "token refresher"));
    assert_eq!(rig.progress.restarts.get(), 2);
    assert_eq!(rig.logins(), 1);
    assert!(rig.server.count(Call::Reauth) > 50);
    // And it still does its work.
    rig.server.end_sessions();
    rig.run_for(10 * MINUTE).await;
    assert_eq!(rig.logins(), 2);
    rig.stop().await;
    assert_logged_out(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_refresher_that_panics_at_the_login_is_started_again_until_there_is_a_session() {
    let server = one();
    server.script(Call::Login, [Outcome::Panic, Outcome::Panic, Outcome::Panic]);
    let mut rig = Rig::new(server, configuration(&[1], CALM)).start();
    let signed_in = rig.events.nth("signed in", 1).await;
    assert_eq!((signed_in.at - rig.began).as_secs(), 1 + 2 + 4);
    rig.events.nth("pass complete", 1).await;
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn once_ends_when_every_repository_has_been_read() {
    let mut rig = Rig::new(two(), configuration(&[1, 2], CALM)).once(MINUTE).start();
    let (end, took) = rig.ended().await;
    assert_eq!(end, ExitReason::Finished);
    assert!(took < 20 * SECOND, "{took:?}");
    for repository in [1, 2] {
        assert_eq!(rig.completed(repository).len(), 1);
        assert_whole(&rig.completed(repository)[0], i128::from(ITEMS));
    }
    assert_logged_out(&rig);
}

#[tokio::test(start_paused = true)]
async fn once_ends_also_where_a_pager_panicked_on_the_way() {
    let server = two();
    server.script(Call::Search, [Outcome::Usual, Outcome::Usual, Outcome::Panic]);
    let mut rig = Rig::new(server, configuration(&[1, 2], CALM)).once(MINUTE).start();
    assert_eq!(rig.ended().await.0, ExitReason::Finished);
    assert_eq!(rig.events.named("pass complete").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn once_gives_up_at_once_on_a_wrong_password() {
    let server = one();
    server.script(Call::Login, [Outcome::Deny("no such user")]);
    let mut rig = Rig::new(server, configuration(&[1], CALM)).once(HOUR).start();
    let (end, took) = rig.ended().await;
    assert_eq!(end, ExitReason::GaveUp(GiveUpReason::Denied("no such user".to_owned())));
    assert!(took < SECOND);
    assert_eq!(rig.logins(), 1);
    assert_eq!(rig.server.count(Call::Logout), 0);
}

/// Runs once where searches come to this from the third on; tells how long after the second it
/// gave up.
async fn patience_runs_out(outcome: Outcome, patience: Duration) -> Duration {
    let server = one();
    server.hook(move |asked| {
        (asked.call == Call::Search && asked.number > 2).then_some(outcome.clone())
    });
    let mut rig = Rig::new(server, configuration(&[1], CALM)).once(patience).start();
    let (end, took) = rig.ended().await;
    assert!(matches!(end, ExitReason::GaveUp(GiveUpReason::Unanswered { .. })), "{end:?}");
    took
}

#[tokio::test(start_paused = true)]
async fn once_gives_up_where_no_page_comes_for_as_long_as_its_patience() {
    for patience in [20 * SECOND, MINUTE, 10 * MINUTE] {
        for outcome in [no_connection(), Outcome::Refuse, Outcome::Hang, Outcome::Panic] {
            let took = patience_runs_out(outcome.clone(), patience).await;
            let about = took >= patience && took <= patience + 10 * SECOND;
            assert!(about, "{took:?} of {patience:?} where searches come to {outcome:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn once_gives_up_where_the_server_is_away_from_the_start() {
    let server = one();
    server.hook(|_| Some(no_connection()));
    let mut rig = Rig::new(server, configuration(&[1], CALM)).once(MINUTE).start();
    let (end, took) = rig.ended().await;
    assert!(matches!(end, ExitReason::GaveUp(GiveUpReason::Unanswered { .. })), "{end:?}");
    assert!(took >= MINUTE && took < MINUTE + 10 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn patience_does_not_run_out_while_a_page_is_not_due() {
    // Slower than its patience, and nobody asks whether the session stands.
    let mut config = configuration(&[1], "page_size = 30\npage_interval = '3m'");
    config.session.reauth_interval = 10 * HOUR;
    let mut rig = Rig::new(one(), config).once(MINUTE).start();
    assert_eq!(rig.ended().await.0, ExitReason::Finished);
}

#[tokio::test(start_paused = true)]
async fn a_repository_added_by_a_reload_is_read_and_one_taken_out_is_left_alone() {
    let server = Server::new(&[(1, ITEMS), (2, ITEMS), (3, ITEMS)]);
    let mut rig = Rig::new(server, configuration(&[1, 2], CALM)).start();
    rig.mirror.taken(6).await;
    rig.reload(Ok(configuration(&[2, 3], CALM))).await;
    let reloaded = rig.events.nth("configuration reloaded", 1).await;
    assert_eq!(reloaded.field("changed"), "repository 3 added, repository 1 removed");
    rig.run_for(4 * MINUTE).await;
    assert!(rig.server.searches(1).iter().all(|search| search.asked.at <= reloaded.at));
    assert_eq!(rig.completed(1).len(), 0);
    for repository in [2, 3] {
        assert_whole(&rig.completed(repository)[0], i128::from(ITEMS));
    }
    assert_eq!(rig.events.named("pass complete")[0].number("iteration"), 1);
    assert_eq!(rig.logins(), 1);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_page_under_way_comes_home_also_where_its_repository_is_taken_out() {
    // Several times, because what is wrong shows by chance only.
    for _ in 0..40 {
        let server = two();
        server.hook(|asked| {
            (asked.call == Call::Search && asked.number > 4).then_some(Outcome::Late(2 * SECOND))
        });
        let mut rig = Rig::new(server, configuration(&[1, 2], CALM)).start();
        rig.run_for(Duration::from_millis(2500)).await;
        let sent = rig.server.searches(2).len();
        assert_eq!(rig.mirror.pages(2).len(), sent - 1, "none is under way");
        rig.reload(Ok(configuration(&[1], CALM))).await;
        rig.run_for(4 * SECOND).await;
        assert_eq!(rig.mirror.pages(2).len(), sent);
        assert_eq!(rig.server.searches(2).len(), sent);
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_repository_put_back_while_its_last_page_is_under_way_is_read_by_one_pager() {
    let server = two();
    server.hook(|asked| {
        let slow = asked.call == Call::Search && asked.number == 7;
        slow.then_some(Outcome::Late(20 * SECOND))
    });
    let mut rig = Rig::new(server, configuration(&[1, 2], CALM)).start();
    rig.run_for(Duration::from_millis(3500)).await;
    for ids in [&[1][..], &[1, 2], &[2], &[1, 2]] {
        rig.reload(Ok(configuration(ids, CALM))).await;
    }
    rig.run_for(2 * MINUTE).await;
    for repository in [1, 2] {
        assert_eq!(rig.server.most_under_way(repository), 1);
        let complete = rig.events.named("pass complete");
        assert_eq!(complete.iter().filter(|event| event.is_of(repository)).count(), 1);
    }
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_faulty_reload_changes_nothing_and_says_why() {
    let mut rig = calm().start();
    rig.mirror.taken(4).await;
    rig.reload(Err("paging.page_size: is too large".to_owned())).await;
    let rejected = rig.events.nth("configuration rejected", 1).await;
    assert_eq!(rejected.level, Level::ERROR);
    assert!(rejected.field("error").contains("paging.page_size"), "{rejected:?}");
    let complete = rig.events.nth("pass complete", 1).await;
    assert_eq!(complete.number("iteration"), 1);
    assert_whole(&rig.completed(1)[0], i128::from(ITEMS));
    let sizes: HashSet<u32> =
        rig.server.searches(1).iter().map(|one| one.asked.page_size).collect();
    assert!(sizes.iter().all(|size| *size <= 30));
    assert_eq!(rig.logins(), 1);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_changes_nothing_disturbs_nothing() {
    let mut rig = calm().start();
    let config = configuration(&[1], CALM);
    for _ in 0..5 {
        rig.run_for(2 * SECOND).await;
        rig.reload(Ok(config.clone())).await;
    }
    rig.events.nth("pass complete", 1).await;
    assert_whole(&rig.completed(1)[0], i128::from(ITEMS));
    let searches = rig.server.searches(1);
    assert!(searches.windows(2).all(|pair| pair[1].asked.at - pair[0].asked.at >= SECOND));
    assert_eq!(rig.logins(), 1);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reload_with_another_user_signs_in_anew_and_starts_the_pass_over() {
    let mut rig = calm().start();
    rig.mirror.taken(4).await;
    let mut other = configuration(&[1], CALM);
    other.login.username = "other".to_owned();
    let reloaded = Instant::now();
    rig.reload(Ok(other)).await;
    rig.events.nth("session renewed", 1).await;
    assert!(reloaded.elapsed() < SECOND);
    rig.events.nth("pass complete", 1).await;
    assert_eq!(rig.events.named("pass complete")[0].number("iteration"), 2);
    assert_whole(&rig.completed(1)[0], i128::from(ITEMS));
    let old = rig.server.searches(1).into_iter();
    let old = old.filter(|one| one.asked.generation.number() == 1 && one.asked.at > reloaded);
    assert_eq!(old.count(), 0, "sent as the old user");
    assert_eq!(rig.logins(), 2);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_repository_keeps_its_iteration_and_its_neighbours_go_on() {
    let mut rig = Rig::new(two(), configuration(&[1, 2], CALM)).start();
    rig.mirror.taken(6).await;
    let mut changed = configuration(&[1, 2], CALM);
    changed.repositories[0].paging.page_interval = Some(AutoOr::Value(3 * SECOND));
    rig.reload(Ok(changed)).await;
    rig.run_for(MINUTE).await;
    for repository in [1, 2] {
        assert_whole(&rig.completed(repository)[0], i128::from(ITEMS));
    }
    let complete = rig.events.named("pass complete");
    assert!(complete.iter().all(|event| event.number("iteration") == 1));
    assert!(complete[0].is_of(2) && complete[1].is_of(1));
    rig.stop().await;
}
