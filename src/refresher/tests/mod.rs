//! The session over days and through every way in which it can end, on a paused clock.

mod denials;
mod refusals;

use std::time::Duration;

use tokio::time::sleep;
use tracing::Level;

use crate::client::RequestErrorKind;
use crate::config::Config;
use crate::testing::{
    Call, HOUR, MINUTE, Outcome, Rig, SECOND, Server, StaleRest, assert_whole, configuration,
    is_thorough,
};

/// Ten pages a pass, a page a second, five minutes of rest.
const CALM: &str = "page_size = 30\npage_interval = '1s'\npass_interval = '5m'";
const ITEMS: u64 = 250;

fn no_connection() -> Outcome {
    Outcome::Fail(RequestErrorKind::Connect)
}

/// Back to back, without rest.
fn hasty(repositories: &[u64]) -> Config {
    configuration(repositories, "page_size = 30\npage_interval = '0s'\npass_interval = '0s'")
}

async fn three_days(stale_rest: StaleRest, in_flight: u32) {
    // Fewer pages meet the end of a token at fewer moments, and take less time.
    let (rest, at_least) = if is_thorough() { ("'5m'", 800) } else { ("'15m'", 270) };
    let paging = format!("{CALM}\nin_flight = {in_flight}").replace("'5m'", rest);
    let server = Server::new(&[(1, ITEMS), (2, ITEMS)]);
    server.state().stale_rest = stale_rest;
    let mut rig = Rig::new(server, configuration(&[1, 2], &paging)).start();
    rig.run_for(72 * HOUR).await;
    rig.stop().await;

    assert!(rig.logins() <= 4, "{} logins", rig.logins());
    assert_eq!(rig.server.log_of(Call::Search).iter().filter(|one| one.refused).count(), 0);
    let renewed = rig.events.named("REST token renewed").len();
    assert!((130..=144).contains(&renewed), "{renewed} REST tokens in 144 half-hours");
    for repository in [1, 2] {
        let passes = rig.completed(repository);
        assert!(passes.len() > at_least, "{} passes", passes.len());
        for pages in &passes {
            assert_whole(pages, i128::from(ITEMS));
            assert_eq!(pages.len(), passes[0].len());
        }
    }
    for complete in rig.events.named("pass complete") {
        assert_eq!(complete.field("certified"), "true", "{complete:?}");
        assert_eq!(complete.field("items"), ITEMS.to_string());
        assert_eq!(complete.field("requests"), complete.field("pages"));
    }
    assert!(rig.events.all().iter().all(|event| event.level >= Level::INFO), "a warning");
}

#[tokio::test(start_paused = true)]
async fn three_days_cost_four_logins_where_an_old_rest_token_is_renewed() {
    three_days(StaleRest::Renewed, 1).await;
}

#[tokio::test(start_paused = true)]
async fn three_days_cost_four_logins_where_an_old_rest_token_is_refused() {
    three_days(StaleRest::RefusedAfter(Duration::ZERO), 1).await;
}

#[tokio::test(start_paused = true)]
async fn three_days_cost_four_logins_with_eight_requests_at_once() {
    three_days(StaleRest::Renewed, 8).await;
    three_days(StaleRest::RefusedAfter(SECOND), 8).await;
}

#[tokio::test(start_paused = true)]
async fn sixty_four_requests_refused_at_one_instant_cost_one_login() {
    let paging = "page_size = 10\npage_interval = '0s'\npass_interval = '1h'\nin_flight = 64";
    let server = Server::new(&[(1, 5000)]);
    server.set_latency(Call::Search, 2 * SECOND);
    // Once the first answer has told the total, 64 are sent at once, and all sessions have ended.
    server.hook(|asked| {
        (asked.call == Call::Search && asked.number == 2).then_some(Outcome::EndSessions)
    });
    let mut rig = Rig::new(server, configuration(&[1], paging)).start();
    rig.events.nth("session renewed", 1).await;
    rig.events.nth("pass complete", 1).await;

    let searches = rig.server.searches(1);
    let refused: Vec<_> = searches.iter().filter(|search| search.refused).collect();
    assert_eq!(refused.len(), 64);
    assert!(refused.iter().all(|search| search.answered == refused[0].answered));
    assert_eq!(rig.logins(), 2);
    let answered = searches.iter().filter(|search| search.answered.is_some()).count();
    assert_eq!(answered, searches.len(), "some were not answered");
    assert_whole(&rig.completed(1)[0], 5000);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn sixty_four_repositories_refused_at_one_instant_cost_one_login() {
    let ids: Vec<u64> = (1..=64).collect();
    let lists: Vec<(u64, u64)> = ids.iter().map(|id| (*id, 100)).collect();
    let mut rig = Rig::new(Server::new(&lists), configuration(&ids, CALM)).start();
    rig.mirror.taken(64).await;
    rig.server.end_sessions();
    rig.run_for(MINUTE).await;
    assert_eq!(rig.server.log_of(Call::Search).iter().filter(|one| one.refused).count(), 64);
    assert_eq!(rig.logins(), 2);
    for id in ids {
        assert_whole(&rig.completed(id)[0], 100);
    }
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_rest_token_in_an_answer_that_was_under_way_during_a_login_is_ignored() {
    let server = Server::new(&[(1, ITEMS), (2, ITEMS)]);
    server.state().rest_ttl = 10 * SECOND;
    // The answer that renews the token dawdles, and meanwhile the session is renewed by age.
    let mut slow = true;
    server.hook(move |asked| {
        let renews = asked.call == Call::Search && asked.generation.number() == 1;
        let due = renews && slow && asked.number >= 12;
        slow &= !due;
        due.then_some(Outcome::Late(30 * SECOND))
    });
    let mut config = configuration(&[1, 2], CALM);
    config.session.max_age = 20 * SECOND;
    let mut rig = Rig::new(server, config).start();
    rig.run_for(MINUTE).await;

    let old = rig.events.named("REST token renewed");
    let old: Vec<_> = old.iter().filter(|event| event.field("generation") == "1").collect();
    let second = rig.events.nth("session renewed", 1).await;
    assert!(old.iter().all(|event| event.at < second.at), "a token of the old session was taken");
    let late = rig.server.searches(1).into_iter().chain(rig.server.searches(2)).any(|search| {
        search.asked.generation.number() == 1 && search.answered.is_some_and(|at| at > second.at)
    });
    assert!(late, "no answer came late: the test proves nothing");
    let refused = rig.server.log_of(Call::Search).iter().filter(|search| search.refused).count();
    assert_eq!(refused, 0);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn answers_that_overtake_each_other_leave_the_newest_rest_token_in_use() {
    let server = Server::new(&[(1, 2000)]);
    server.state().rest_ttl = 2 * SECOND;
    server.state().stale_rest = StaleRest::Another;
    // Of four requests sent side by side the earlier is answered later.
    server.hook(|asked| {
        let late = Duration::from_millis(100) * u32::try_from(4 - asked.number % 4).unwrap();
        (asked.call == Call::Search).then_some(Outcome::Late(late))
    });
    let paging = "page_size = 20\npage_interval = '0s'\npass_interval = '0s'\nin_flight = 4";
    let mut rig = Rig::new(server, configuration(&[1], paging)).start();
    rig.run_for(MINUTE).await;
    let renewed = rig.events.named("REST token renewed").len();
    assert!(renewed >= 20, "only {renewed} REST tokens: the test proves nothing");
    let refused = rig.server.searches(1).iter().filter(|search| search.refused).count();
    assert_eq!((refused, rig.logins()), (0, 1));
    rig.stop().await;
}

/// Kills the sessions right before request `k` of a pass; tells how many requests the pass took.
async fn a_session_that_ends_before_request(k: u64, in_flight: u32, rest_ttl: Duration) -> usize {
    let paging = format!("page_size = 30\nin_flight = {in_flight}\npass_interval = '1h'");
    let server = Server::new(&[(1, ITEMS)]);
    server.state().rest_ttl = rest_ttl;
    server.state().stale_rest = StaleRest::RefusedAfter(SECOND);
    server.hook(move |asked| {
        (asked.call == Call::Search && asked.number == k).then_some(Outcome::EndSessions)
    });
    let mut rig = Rig::new(server, configuration(&[1], &paging)).start();
    let complete = rig.events.nth("pass complete", 1).await;
    assert_eq!(complete.field("certified"), "true");
    let pages = &rig.completed(1)[0];
    assert_whole(pages, i128::from(ITEMS));
    let requests = rig.server.count(Call::Search);
    assert_eq!(rig.logins(), 1 + usize::from(k <= requests as u64), "killed before {k}");
    assert!(rig.events.named("request failed").is_empty(), "the end of a session is no failure");
    rig.stop().await;
    requests
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_between_any_two_requests_loses_nothing() {
    for in_flight in [1, 4] {
        let mut k = 1;
        while a_session_that_ends_before_request(k, in_flight, HOUR).await as u64 >= k {
            k += 1;
        }
        assert!(k > 9, "only {k} requests");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_just_as_its_rest_token_is_renewed_loses_nothing() {
    // A new REST token with every third request, so that every phase of it is met.
    for in_flight in [1, 4] {
        for k in 1..=14 {
            a_session_that_ends_before_request(k, in_flight, 3 * SECOND).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_with_a_new_rest_token_costs_at_most_one_login() {
    for stale_rest in [StaleRest::Renewed, StaleRest::RefusedAfter(Duration::ZERO)] {
        let server = Server::new(&[(1, ITEMS)]);
        server.state().rest_ttl = 4 * SECOND;
        server.state().stale_rest = stale_rest;
        server.hook(|asked| {
            (asked.call == Call::Search && asked.number == 5).then_some(Outcome::Lose)
        });
        let mut rig = Rig::new(server, configuration(&[1], CALM)).start();
        let complete = rig.events.nth("pass complete", 1).await;
        assert_eq!(complete.field("certified"), "true");
        assert_whole(&rig.completed(1)[0], i128::from(ITEMS));
        let most = if stale_rest == StaleRest::Renewed { 1 } else { 2 };
        assert_eq!(rig.logins(), most);
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_while_a_login_is_under_way_costs_no_second_one() {
    let server = Server::new(&[(1, ITEMS)]);
    server.script(Call::Login, [Outcome::Usual, Outcome::Late(20 * SECOND)]);
    let mut config = configuration(&[1], CALM);
    config.session.max_age = 2 * SECOND + MINUTE;
    let mut rig = Rig::new(server, config).start();
    // The renewal by age is under way when the old session dies.
    rig.run_for(MINUTE + 5 * SECOND).await;
    assert_eq!(rig.logins(), 2);
    rig.server.state().one_session = true;
    rig.server.end_sessions();
    rig.run_for(10 * SECOND).await;
    assert_eq!(rig.logins(), 2);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_lets_a_user_have_one_session_only_loses_nothing_at_a_renewal() {
    let server = Server::new(&[(1, ITEMS)]);
    server.state().one_session = true;
    server.set_latency(Call::Login, 3 * SECOND);
    let mut config = configuration(&[1], "page_size = 30\npass_interval = '0s'");
    config.session.max_age = 20 * SECOND;
    let mut rig = Rig::new(server, config).start();
    rig.run_for(10 * MINUTE).await;
    // A login every 23 s; those refused meanwhile wait for it and ask for no other.
    assert!((25..=28).contains(&rig.logins()), "{} logins", rig.logins());
    for pages in rig.completed(1) {
        assert_whole(&pages, i128::from(ITEMS));
    }
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn reauth_is_asked_on_its_interval_and_only_then() {
    let mut rig = Rig::new(Server::new(&[(1, ITEMS)]), configuration(&[1], CALM)).start();
    rig.run_for(HOUR).await;
    let asked = rig.server.log_of(Call::Reauth);
    assert_eq!(asked.len(), 59);
    for pair in asked.windows(2) {
        let gap = pair[1].asked.at - pair[0].asked.at;
        assert!(gap >= MINUTE && gap < MINUTE + SECOND, "{gap:?}");
    }
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn where_reauth_says_no_requests_wait_for_one_login() {
    let server = Server::new(&[(1, ITEMS)]);
    server.script(Call::Reauth, [Outcome::Refuse]);
    server.script(Call::Login, [Outcome::Usual, Outcome::Late(30 * SECOND)]);
    let mut rig = Rig::new(server, hasty(&[1])).start();
    let renewed = rig.events.nth("session renewed", 1).await;
    assert_eq!(renewed.field("reason"), "refused");
    assert_eq!(rig.logins(), 2);
    let question = rig.server.log_of(Call::Reauth)[0].answered.unwrap();
    let between = rig.server.searches(1).into_iter();
    let between = between.filter(|one| one.asked.at > question && one.asked.at < renewed.at);
    assert_eq!(between.count(), 0, "sent with a session that has ended");
    rig.run_for(MINUTE).await;
    assert_eq!(rig.logins(), 2);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reauth_that_fails_is_no_reason_to_sign_in() {
    let server = Server::new(&[(1, ITEMS)]);
    server.hook(|asked| (asked.call == Call::Reauth).then(no_connection));
    let mut rig = Rig::new(server, configuration(&[1], CALM)).start();
    rig.run_for(2 * HOUR).await;
    assert_eq!(rig.logins(), 1);
    let told = rig.events.named("request failed");
    let told = told.iter().filter(|event| event.is_seen()).count();
    assert_eq!(told, 7, "the 1st, 2nd, 4th ... 64th of 119");
    rig.server.unhook();
    let back = rig.events.nth("reconnected", 1).await;
    assert_eq!(back.field("endpoint"), "reauth");
    assert!(back.number("outage_ms") >= 118 * 60_000, "{back:?}");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_is_renewed_ahead_of_its_end_and_paging_goes_on_where_that_fails_for_an_hour() {
    let server = Server::new(&[(1, ITEMS)]);
    let mut config = configuration(&[1], "page_size = 30\npass_interval = '0s'");
    config.session.max_age = 2 * HOUR;
    let mut rig = Rig::new(server, config);
    let (from, until) = (rig.began + HOUR, rig.began + 3 * HOUR);
    rig.server.hook(move |asked| {
        let away = asked.call == Call::Login && asked.at > from && asked.at < until;
        away.then(no_connection)
    });
    rig = rig.start();
    rig.run_for(4 * HOUR).await;

    let first = rig.server.log_of(Call::Login)[1].asked.at - rig.began;
    assert_eq!(first.as_secs(), 2 * 3600, "renewal begins at max_age");
    let searches = rig.server.searches(1);
    assert!(searches.iter().all(|search| !search.refused));
    for pair in searches.windows(2) {
        let gap = pair[1].asked.at - pair[0].asked.at;
        assert!(gap <= 2 * SECOND, "paging stood still for {gap:?}");
    }
    assert_eq!(rig.events.named("session renewed").len(), 1);
    assert_eq!(rig.events.named("reconnected").len(), 1);
    let told = rig.events.named("request failed");
    assert!(told.iter().filter(|event| event.is_seen()).count() <= 10);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hanging_reauth_does_not_hold_up_the_login_that_a_refusal_asks_for() {
    let server = Server::new(&[(1, ITEMS)]);
    server.hook(|asked| (asked.call == Call::Reauth).then_some(Outcome::Hang));
    let mut rig = Rig::new(server, configuration(&[1], CALM)).start();
    // Beyond the first question, which hangs from then on.
    rig.run_for(2 * MINUTE).await;
    rig.server.end_sessions();
    let before = rig.server.log_of(Call::Search).len();
    rig.run_for(10 * MINUTE).await;
    assert_eq!(rig.logins(), 2);
    assert!(rig.server.log_of(Call::Search).len() > before + 10);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hanging_reauth_or_search_of_another_does_not_hold_up_a_repository() {
    let server = Server::new(&[(1, ITEMS), (2, ITEMS)]);
    server.hook(|asked| {
        let other = asked.repository.is_some_and(|repository| repository.0 == 2);
        (other || asked.call == Call::Reauth).then_some(Outcome::Hang)
    });
    let mut rig = Rig::new(server, configuration(&[1, 2], CALM)).start();
    rig.run_for(HOUR).await;
    assert!(rig.completed(1).len() >= 11);
    sleep(SECOND).await;
    rig.stop().await;
}
