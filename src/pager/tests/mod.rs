//! The loop of a repository on a paused clock: pace, order, retries, new settings, the mirror.

mod adaptive;
mod deletes;
mod incremental;
mod no_loss;
mod page_size;
mod resume;
mod settings;
mod windows;

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::Level;

use crate::client::RequestErrorKind;
use crate::config::Config;
use crate::signals::Signal;
use crate::task::retry::{REQUEST_BASE, REQUEST_CAP, RETRY_AFTER_CAP};
use crate::testing::{
    Call, HOUR, Logged, MINUTE, Outcome, Recorded, Rig, SECOND, Server, Trouble, assert_whole,
    configuration,
};

const ITEMS: u64 = 250;
const CALM: &str = "page_size = 30\npage_interval = '1s'\npass_interval = '5m'";

fn server() -> Server {
    Server::new(&[(1, ITEMS)])
}

fn config(paging: &str) -> Config {
    configuration(&[1], paging)
}

fn no_connection() -> Outcome {
    Outcome::Fail(RequestErrorKind::Connect)
}

/// The times between the sendings of neighbours.
fn gaps(searches: &[Logged]) -> Vec<Duration> {
    searches.windows(2).map(|pair| pair[1].asked.at - pair[0].asked.at).collect()
}

fn assert_all_whole(rig: &Rig, at_least: usize) {
    let passes = rig.completed(1);
    assert!(passes.len() >= at_least, "{} passes", passes.len());
    for pages in passes {
        assert_whole(&pages, i128::from(ITEMS));
    }
}

#[tokio::test(start_paused = true)]
async fn page_requests_keep_their_distance_also_from_one_pass_to_the_next() {
    for in_flight in [1, 8] {
        let paging = format!(
            "page_size = 30\npage_interval = '3s'\npass_interval = '0s'\nin_flight = {in_flight}"
        );
        let mut rig = Rig::new(server(), config(&paging)).start();
        rig.run_for(10 * MINUTE).await;
        let gaps = gaps(&rig.server.searches(1));
        assert!(gaps.iter().all(|gap| *gap >= 3 * SECOND), "{gaps:?}");
        assert!(gaps.len() > 195, "it dawdles: {} requests", gaps.len());
        assert_all_whole(&rig, 15);
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn slow_answers_are_not_followed_by_a_burst() {
    for in_flight in [1, 3] {
        let server = server();
        server.hook(|asked| {
            let slow = asked.call == Call::Search && asked.number % 5 == 0;
            slow.then_some(Outcome::Late(20 * SECOND))
        });
        let paging = format!("page_size = 30\npass_interval = '0s'\nin_flight = {in_flight}");
        let mut rig = Rig::new(server, config(&paging)).start();
        rig.run_for(10 * MINUTE).await;
        let gaps = gaps(&rig.server.searches(1));
        assert!(gaps.iter().all(|gap| *gap >= SECOND), "{gaps:?}");
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn between_two_passes_lies_the_rest() {
    let mut rig = Rig::new(server(), config(CALM)).start();
    rig.run_for(HOUR).await;
    let ends = rig.events.named("pass complete");
    let searches = rig.server.searches(1);
    for end in &ends {
        if let Some(next) = searches.iter().find(|search| search.asked.at > end.at) {
            let pause = next.asked.at - end.at;
            assert!(pause >= 5 * MINUTE && pause <= 5 * MINUTE + SECOND, "{pause:?}");
        }
    }
    assert!(ends.len() >= 11);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_interval_of_nothing_means_back_to_back() {
    let paging = "page_size = 30\npage_interval = '0s'\npass_interval = '0s'";
    let mut rig = Rig::new(server(), config(paging)).start();
    rig.run_for(MINUTE).await;
    let searches = rig.server.searches(1);
    for pair in searches.windows(2) {
        assert_eq!(Some(pair[1].asked.at), pair[0].answered, "it waited");
    }
    assert!(searches.len() > 1000);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_are_under_way_than_allowed_and_pages_are_delivered_in_order() {
    for in_flight in [1, 2, 7, 64] {
        let server = Server::new(&[(1, 3000)]);
        // Every third answer is overtaken by many after it.
        server.hook(|asked| {
            let slow = asked.call == Call::Search && asked.number % 3 == 0;
            slow.then_some(Outcome::Late(Duration::from_secs(asked.number % 7)))
        });
        let paging = format!("page_size = 20\npage_interval = '0s'\nin_flight = {in_flight}");
        let mut rig = Rig::new(server, config(&paging)).start();
        let complete = rig.events.nth("pass complete", 1).await;
        assert_eq!(complete.field("certified"), "true");
        assert_eq!(rig.server.most_under_way(1), in_flight);
        assert_whole(&rig.completed(1)[0], 3000);
        let searches = rig.server.searches(1);
        let superseded = searches.windows(2).any(|pair| pair[0].answered > pair[1].answered);
        assert_eq!(superseded, in_flight > 1);
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_does_not_let_the_others_fill_the_memory() {
    let server = Server::new(&[(1, 5_000)]);
    server.hook(|asked| {
        (asked.call == Call::Search && asked.number == 5).then_some(Outcome::Late(HOUR))
    });
    let paging = "page_size = 20\npage_interval = '0s'\nin_flight = 8";
    let mut rig = Rig::new(server, config(paging)).start();
    rig.run_for(10 * MINUTE).await;
    let waiting = rig.server.searches(1).len() - rig.mirror.pages(1).len();
    assert!(waiting <= 2 * 8, "{waiting} pages wait in memory for one that hangs");
    rig.run_for(2 * HOUR).await;
    assert_whole(&rig.completed(1)[0], 5_000);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn failed_requests_back_off_within_their_bounds_and_are_told_with_the_delay() {
    let server = server();
    server.set_latency(Call::Search, Duration::from_millis(1));
    server.script(Call::Search, std::iter::repeat_n(no_connection(), 40));
    let mut rig = Rig::new(server, config(CALM)).start();
    rig.mirror.taken(1).await;
    let searches = rig.server.searches(1);
    assert!(searches.len() >= 41);
    let told = rig.events.named("request failed");
    let mut longest = Duration::ZERO;
    for (place, pair) in searches[..41].windows(2).enumerate() {
        let delay = pair[1].asked.at - pair[0].answered.unwrap();
        let ceiling = (REQUEST_BASE * (1 << place.min(20))).min(REQUEST_CAP);
        // The timer counts whole milliseconds.
        assert!(delay <= ceiling + 2 * Duration::from_millis(1), "attempt {place}: {delay:?}");
        assert_eq!(told[place].number("attempt"), place as u64 + 1);
        let told = Duration::from_millis(told[place].number("retry_in_ms"));
        assert!(delay.abs_diff(told) <= 2 * Duration::from_millis(1), "{told:?} is {delay:?}");
        longest = longest.max(delay);
    }
    assert!(longest > REQUEST_CAP / 2, "no jitter up to the cap: {longest:?}");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_failure_is_tried_again() {
    use crate::http::{TimeoutKind, TlsFault};
    let kinds = [
        RequestErrorKind::Connect,
        RequestErrorKind::Timeout(TimeoutKind::Connect),
        RequestErrorKind::Timeout(TimeoutKind::Request),
        RequestErrorKind::Timeout(TimeoutKind::Idle),
        RequestErrorKind::Tls(TlsFault::Other),
        RequestErrorKind::Interrupted,
        RequestErrorKind::Status,
        RequestErrorKind::TooLarge { limit: 1 },
        RequestErrorKind::WrongShape { what: "no data".to_owned() },
        RequestErrorKind::Redirect { target: None },
        RequestErrorKind::Other,
    ];
    let server = server();
    for kind in kinds {
        // Each at the first try of another page.
        server.script(Call::Search, [Outcome::Fail(kind), Outcome::Usual]);
    }
    let mut rig = Rig::new(server, config(CALM)).start();
    rig.events.nth("pass complete", 2).await;
    assert_all_whole(&rig, 2);
    assert_eq!(rig.progress.failures.get(), 11);
    assert_eq!(rig.logins(), 1);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_denial_in_answer_to_a_search_is_tried_again_too() {
    let server = server();
    server.script(Call::Search, [Outcome::Deny("odd")]);
    let mut rig = Rig::new(server, config(CALM)).start();
    rig.events.nth("pass complete", 1).await;
    assert_all_whole(&rig, 1);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn each_try_is_signed_afresh() {
    let server = server();
    server.script(Call::Search, std::iter::repeat_n(no_connection(), 30));
    let mut config = config(CALM);
    config.session.max_age = 20 * SECOND;
    let mut rig = Rig::new(server, config).start();
    rig.mirror.taken(1).await;
    let searches = rig.server.searches(1);
    let renewals = rig.server.log_of(Call::Login);
    assert!(renewals.len() > 2, "no renewal on the way");
    for search in searches {
        let newest =
            renewals.iter().filter(|login| login.answered <= Some(search.asked.at)).count();
        let generation = search.asked.generation.number();
        // At the very instant of a renewal either is right.
        assert!(generation.abs_diff(newest as u64) <= 1);
        let reconciled = renewals.iter().all(|login| login.answered != Some(search.asked.at));
        assert!(!reconciled || generation == newest as u64, "signed with an old session");
    }
    assert_eq!(rig.server.log_of(Call::Search).iter().filter(|one| one.refused).count(), 0);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_server_asks_for_in_retry_after_is_obeyed_up_to_five_minutes() {
    let server = server();
    let asked = [7 * SECOND, 90 * SECOND, 24 * HOUR];
    server.script(Call::Search, asked.map(Outcome::Busy));
    let mut rig = Rig::new(server, config(CALM)).start();
    rig.mirror.taken(1).await;
    let searches = rig.server.searches(1);
    for (pair, asked) in searches.windows(2).zip(asked) {
        let delay = pair[1].asked.at - pair[0].answered.unwrap();
        let due = asked.min(RETRY_AFTER_CAP);
        assert!(delay >= due && delay <= due + SECOND, "{delay:?} where {asked:?} were asked for");
    }
    rig.stop().await;
}

/// An outage of ten hours in the middle of a pass.
async fn ten_hours_away(in_flight: u32) {
    let paging = format!("page_size = 10\npass_interval = '5m'\nin_flight = {in_flight}");
    let mut rig = Rig::new(server(), config(&paging));
    let (from, until) = (rig.began + 5 * SECOND, rig.began + 10 * HOUR);
    rig.server.hook(move |asked| (asked.at >= from && asked.at < until).then(no_connection));
    rig = rig.start();
    rig.run_for(10 * HOUR).await;
    let told: Vec<_> = rig.events.all().into_iter().filter(Recorded::is_seen).collect();
    let failed = told.iter().filter(|event| event.message == "request failed").count();
    // 1st, 2nd, 4th ...: at most 2^14 tries of searches (8 at once) and 2^10 of reauth.
    let most = if in_flight == 1 { 12 + 10 } else { 15 + 10 };
    assert!(failed >= 15 && failed <= most, "{failed} failures told");
    assert!(told.len() <= failed + 10, "{} events told", told.len());
    assert!(told.iter().all(|event| event.level >= Level::WARN));

    let back = rig.events.wait_for(|event| event.message == "reconnected" && event.is_of(1)).await;
    let away = Duration::from_millis(back.number("outage_ms"));
    assert!(away + 6 * SECOND >= 10 * HOUR && away <= 10 * HOUR + REQUEST_CAP, "{away:?}");
    assert!(back.at - until <= REQUEST_CAP + SECOND, "noticed late");
    rig.events.nth("pass complete", 1).await;
    rig.run_for(MINUTE).await;
    let reconnected = rig.events.named("reconnected");
    assert_eq!(reconnected.iter().filter(|event| event.is_of(1)).count(), 1);
    assert_eq!(reconnected.len(), 2, "once for the pages, once for reauth");
    assert_all_whole(&rig, 1);
    assert_eq!(rig.logins(), 1);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn ten_hours_away_are_told_in_few_lines() {
    ten_hours_away(1).await;
}

#[tokio::test(start_paused = true)]
async fn ten_hours_away_are_told_in_few_lines_with_eight_requests_at_once() {
    ten_hours_away(8).await;
}

#[tokio::test(start_paused = true)]
async fn ten_hours_away_that_began_with_the_end_of_the_session_are_told_in_few_lines() {
    let mut rig = Rig::new(server(), config(CALM));
    // Only logins are tried meanwhile.
    let (from, until) = (rig.began + 3 * SECOND, rig.began + 10 * HOUR);
    rig.server.hook(move |asked| match asked.call {
        Call::Search if asked.number == 4 => Some(Outcome::EndSessions),
        _ => (asked.at >= from && asked.at < until).then(no_connection),
    });
    rig = rig.start();
    rig.run_for(10 * HOUR + MINUTE).await;
    let away = |event: &Recorded| event.at >= from && event.at < until && event.is_seen();
    let told = rig.events.all().iter().filter(|event| away(event)).count();
    assert!((10..=13).contains(&told), "{told} events told");
    assert!(rig.events.named("session renewed").len() == 1);
    rig.events.nth("pass complete", 1).await;
    assert_all_whole(&rig, 1);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_the_mirror_could_not_take_is_handed_over_again_and_in_order() {
    for in_flight in [1, 5] {
        let paging = format!("{CALM}\nin_flight = {in_flight}");
        let mut rig = Rig::new(server(), config(&paging)).start();
        rig.mirror.taken(3).await;
        rig.mirror.script(std::iter::repeat_n(Trouble::Fail, 12));
        let complete = rig.events.nth("pass complete", 1).await;
        assert_eq!(complete.field("certified"), "true");
        assert_whole(&rig.completed(1)[0], i128::from(ITEMS));
        assert_eq!(complete.field("requests"), complete.field("pages"), "asked the server again");
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_mirror_that_is_broken_for_hours_is_told_of_in_few_lines() {
    let mut rig = Rig::new(server(), config(CALM)).start();
    rig.mirror.taken(3).await;
    rig.mirror.script(std::iter::repeat_n(Trouble::Fail, 2000));
    rig.events.nth("pass complete", 1).await;
    assert_all_whole(&rig, 1);
    let told = rig.events.named("request failed");
    let told: Vec<_> = told.iter().filter(|event| event.is_seen()).collect();
    assert!(told.iter().all(|event| event.level == Level::ERROR));
    assert!(told.len() <= 12, "{} errors told", told.len());
    let back = rig.events.nth("reconnected", 1).await;
    assert_eq!((back.field("endpoint"), back.number("failures")), ("mirror", 2000));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_mirror_keeps_the_order_and_the_pace() {
    let paging = "page_size = 30\npass_interval = '0s'\nin_flight = 4";
    let mut rig = Rig::new(server(), config(paging)).start();
    rig.mirror.script((0..40).map(|number| Trouble::Slow(number % 5 * SECOND)));
    rig.events.nth("pass complete", 3).await;
    assert_all_whole(&rig, 3);
    let gaps = gaps(&rig.server.searches(1));
    assert!(gaps.iter().all(|gap| *gap >= SECOND), "{gaps:?}");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn every_page_delivered_is_told_of_once_also_where_the_end_cuts_in() {
    for time in [Duration::from_millis(1230), Duration::from_millis(5570), 20 * SECOND] {
        let paging = "page_size = 7\npage_interval = '0s'\npass_interval = '2s'";
        let mut rig = Rig::new(server(), config(paging)).start();
        rig.run_for(time).await;
        let mut other = config(paging);
        other.repositories[0].search.insert("savedSetId".to_owned(), 7.into());
        rig.reload(Ok(other)).await;
        sleep(time).await;
        rig.stop().await;
        let seen = |message| {
            let events = rig.events.named(message).into_iter();
            events.filter(|event| event.level == Level::INFO).collect::<Vec<_>>()
        };
        let pages = rig.mirror.pages(1);
        let told: u64 = seen("pages read").iter().map(|event| event.number("pages")).sum();
        assert_eq!(told + seen("page read").len() as u64, pages.len() as u64, "{time:?}");
        for iteration in 1..=3 {
            let items = |event: &Recorded| event.number("items");
            let told: u64 = [seen("pages read"), seen("page read")]
                .concat()
                .iter()
                .filter(|event| event.number("iteration") == iteration)
                .map(items)
                .sum();
            let of = pages.iter().filter(|page| page.iteration == iteration);
            let delivered: usize = of.map(|page| page.items.len()).sum();
            assert_eq!(told, delivered as u64, "iteration {iteration} at {time:?}");
        }
    }
}
