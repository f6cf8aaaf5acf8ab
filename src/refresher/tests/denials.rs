//! Logins that are denied, and what a reload changes of the next one.

use super::*;
use crate::config::Secret;

/// A reload that changes nothing.
async fn reload(rig: &Rig, config: &Config) {
    rig.reload(Ok(config.clone())).await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_tried_ever_more_rarely_and_told_in_the_words_of_the_server() {
    let server = Server::new(&[(1, ITEMS)]);
    server.set_latency(Call::Login, Duration::ZERO);
    server.hook(|asked| {
        (asked.call == Call::Login).then_some(Outcome::Deny("unauthorized please see logs"))
    });
    let mut rig = Rig::new(server, configuration(&[1], CALM)).start();
    rig.run_for(HOUR).await;

    let logins = rig.server.log_of(Call::Login);
    let tries: Vec<u64> =
        logins.iter().map(|login| (login.asked.at - rig.began).as_secs()).collect();
    assert_eq!(tries, [0, 5, 35, 901, 1201, 1501, 1802, 2102, 2402, 2703, 3003, 3303]);
    assert!(tries.windows(4).all(|four| four[3] - four[0] > 900), "{tries:?}");
    let errors = rig.events.named("request failed");
    assert_eq!(errors.len(), 12);
    for error in errors {
        assert_eq!(error.level, Level::ERROR);
        assert_eq!(error.field("endpoint"), "login");
        assert!(error.field("error").contains("unauthorized please see logs"), "{error:?}");
    }
    assert_eq!(rig.server.count(Call::Search), 0);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_the_same_words_is_taken_for_a_denial_from_the_third_time_on() {
    let server = Server::new(&[(1, ITEMS)]);
    let shape = || RequestErrorKind::WrongShape { what: "it is an HTML page".to_owned() };
    server.hook(move |asked| (asked.call == Call::Login).then(|| Outcome::Fail(shape())));
    let mut rig = Rig::new(server, configuration(&[1], CALM)).start();
    rig.run_for(15 * MINUTE).await;
    assert_eq!(rig.logins(), 3);
    let told: Vec<Level> = rig.events.named("request failed").iter().map(|it| it.level).collect();
    assert_eq!(told, [Level::WARN, Level::WARN, Level::ERROR]);
    // What says nothing of the password is no denial, however often it is said.
    rig.server.hook(|asked| (asked.call == Call::Login).then(no_connection));
    rig.run_for(HOUR).await;
    assert!(rig.logins() > 60, "{} logins", rig.logins());
    rig.server.unhook();
    rig.run_for(MINUTE).await;
    assert_eq!(rig.events.named("signed in").len(), 1);
    rig.stop().await;
}

/// The same with another password.
fn corrected(config: &Config) -> Config {
    let mut other = config.clone();
    other.login.password = Secret::new("another");
    other
}

#[tokio::test(start_paused = true)]
async fn a_reload_tries_another_password_at_once_and_the_same_one_not_before_its_time() {
    let config = configuration(&[1], CALM);
    let server = Server::new(&[(1, ITEMS)]);
    server.script(Call::Login, std::iter::repeat_n(Outcome::Deny("no"), 3));
    let mut rig = Rig::new(server, config.clone()).start();
    rig.run_for(12 * MINUTE).await;
    assert_eq!(rig.logins(), 3);
    let mut paging = configuration(&[1], "page_size = 40");
    paging.server.request_timeout = MINUTE;
    for unchanged in [&config, &paging, &config] {
        reload(&rig, unchanged).await;
        rig.run_for(SECOND).await;
    }
    assert_eq!(rig.logins(), 3, "a reload that changes nothing of the login tried it");
    reload(&rig, &corrected(&config)).await;
    rig.run_for(SECOND).await;
    assert_eq!(rig.logins(), 4);
    assert_eq!(rig.events.named("signed in").len(), 1);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refresher_that_is_started_anew_tries_a_wrong_password_no_more_often() {
    let server = Server::new(&[(1, ITEMS)]);
    server.script(Call::Login, [Outcome::Deny("no"), Outcome::Deny("no"), Outcome::Panic]);
    server.hook(|asked| (asked.call == Call::Login).then_some(Outcome::Deny("no")));
    let mut rig = Rig::new(server, configuration(&[1], CALM)).start();
    rig.run_for(HOUR).await;
    let logins = rig.server.log_of(Call::Login);
    let mut tries: Vec<_> = logins.iter().map(|login| login.asked.at).collect();
    // The one that panicked was not answered.
    tries.remove(2);
    assert!(tries.windows(4).all(|four| four[3] - four[0] > 15 * MINUTE), "{tries:?}");
    assert!(tries.len() > 10, "{} tries", tries.len());
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn another_password_that_is_wrong_waits_from_the_beginning_again() {
    let config = configuration(&[1], CALM);
    let server = Server::new(&[(1, ITEMS)]);
    server.hook(|asked| (asked.call == Call::Login).then_some(Outcome::Deny("no")));
    let mut rig = Rig::new(server, config.clone()).start();
    rig.run_for(12 * MINUTE).await;
    let before = rig.logins();
    reload(&rig, &corrected(&config)).await;
    rig.run_for(6 * SECOND).await;
    assert_eq!(rig.logins(), before + 2, "one at once, one after 5 s");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reload_while_a_login_is_under_way_does_not_keep_the_session_of_the_old_user() {
    let config = configuration(&[1], CALM);
    let server = Server::new(&[(1, ITEMS)]);
    server.script(Call::Login, [Outcome::Late(20 * SECOND)]);
    let mut rig = Rig::new(server, config.clone()).start();
    rig.run_for(10 * SECOND).await;
    let mut other = config.clone();
    other.login.username = "other".to_owned();
    reload(&rig, &other).await;
    rig.run_for(MINUTE).await;
    assert_eq!(rig.logins(), 2, "the login sent as the old user was not made again");
    let begun = rig.server.log_of(Call::Login)[1].asked.at - rig.began;
    assert_eq!(begun.as_secs(), 10, "it waited for the login that no longer counts");
    rig.stop().await;
}
