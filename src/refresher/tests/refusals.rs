//! Requests that are refused while the session may stand, and sessions that somebody else ends.

use super::*;
use crate::progress::problems::Scope;

#[tokio::test(start_paused = true)]
async fn sessions_that_somebody_ends_again_and_again_are_told_and_made_ever_more_rarely() {
    let server = Server::new(&[(1, ITEMS)]);
    // Another program finds out with each of its requests that its session has ended.
    server.hook(|asked| {
        let theirs = asked.call == Call::Search && asked.number.is_multiple_of(2);
        theirs.then_some(Outcome::EndSessions)
    });
    let paging = "page_size = 30\npage_interval = '100ms'\npass_interval = '0s'";
    let mut rig = Rig::new(server, configuration(&[1], paging)).start();
    rig.run_for(20 * MINUTE).await;
    assert!((8..=16).contains(&rig.logins()), "{} logins in 20 minutes", rig.logins());
    let told = rig.events.named("sessions cut short");
    assert_eq!((told[0].level, told[0].field("sessions")), (Level::WARN, "3"));
    let problems = rig.progress.problems.told();
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!(problem.source.scope, Scope::Login);
    assert!(problem.report.error.contains("somebody else signs in with the same user"));
    assert!(problem.report.remedy.contains("a user of its own"), "{problem:?}");
    // The other program has gone.
    rig.server.unhook();
    rig.run_for(20 * MINUTE).await;
    assert_eq!(rig.progress.problems.told(), []);
    let before = rig.logins();
    rig.server.end_sessions();
    rig.run_for(3 * SECOND).await;
    assert_eq!(rig.logins(), before + 1, "what is over still makes a login wait");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn sessions_that_are_refused_from_the_first_request_on_make_no_storm_of_logins() {
    let server = Server::new(&[(1, ITEMS)]);
    server
        .hook(|asked| matches!(asked.call, Call::Search | Call::Reauth).then_some(Outcome::Refuse));
    let mut rig = Rig::new(server, configuration(&[1], CALM)).start();
    rig.run_for(HOUR).await;
    // Pauses of 1 s doubling to 5 minutes: 9 within 511 s, then at most 11 more.
    assert!((10..=21).contains(&rig.logins()), "{} logins", rig.logins());
    let searches = rig.server.count(Call::Search);
    assert!(searches < 300, "{searches} refused searches");
    let seen = rig.events.all().iter().filter(|event| event.is_seen()).count();
    assert!(seen < 70, "{seen} events an operator sees");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_user_that_may_read_nothing_costs_hardly_a_login_while_the_session_is_said_to_stand() {
    let server = Server::new(&[(1, ITEMS)]);
    server.hook(|asked| (asked.call == Call::Search).then_some(Outcome::Refuse));
    let mut rig = Rig::new(server, configuration(&[1], CALM)).start();
    rig.run_for(29 * MINUTE).await;
    assert_eq!(rig.logins(), 1);
    let told = rig.events.named("request failed");
    assert!(told[0].field("remedy").contains("this user may read it"), "{:?}", told[0]);
    assert!(rig.events.named("sign-in delayed").is_empty());
    // A session that is said to stand and serves nothing is not believed for ever.
    rig.run_for(31 * MINUTE).await;
    assert_eq!(rig.logins(), 2);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_is_refused_from_one_moment_on_costs_no_login_while_others_are_served() {
    let server = Server::new(&[(1, ITEMS), (2, ITEMS)]);
    let mut rig = Rig::new(server, configuration(&[1, 2], CALM)).start();
    rig.run_for(20 * MINUTE).await;
    rig.server.hook(|asked| {
        asked.repository.is_some_and(|repository| repository.0 == 2).then_some(Outcome::Refuse)
    });
    rig.run_for(2 * HOUR).await;
    assert!(rig.logins() <= 2, "{} logins", rig.logins());
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn where_nobody_can_say_whether_a_session_stands_a_refusal_still_leads_to_a_login() {
    let server = Server::new(&[(1, ITEMS)]);
    server.hook(|asked| (asked.call == Call::Reauth).then(no_connection));
    let mut rig = Rig::new(server, configuration(&[1], CALM)).start();
    rig.mirror.taken(3).await;
    rig.server.end_sessions();
    rig.run_for(10 * SECOND).await;
    assert_eq!(rig.logins(), 2);
    assert!(rig.server.log_of(Call::Search).last().is_some_and(|search| !search.refused));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_is_refused_for_ever_hardly_disturbs_another() {
    let server = Server::new(&[(1, ITEMS), (2, ITEMS)]);
    server.hook(|asked| {
        let forbidden = asked.repository.is_some_and(|repository| repository.0 == 2);
        forbidden.then_some(Outcome::Refuse)
    });
    let mut rig = Rig::new(server, configuration(&[1, 2], CALM)).start();
    rig.run_for(10 * HOUR).await;
    assert_eq!(rig.logins(), 1, "a login for a repository that this user may not read");
    let passes = rig.completed(1);
    assert!(passes.len() >= 10 * 3600 / 312, "{} passes", passes.len());
    for pages in passes {
        assert_whole(&pages, i128::from(ITEMS));
    }
    assert_eq!(rig.mirror.pages(2), []);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_may_be_read_again_is_read_within_a_minute() {
    let server = Server::new(&[(1, ITEMS), (2, ITEMS)]);
    server.hook(|asked| {
        let forbidden = asked.repository.is_some_and(|repository| repository.0 == 2);
        forbidden.then_some(Outcome::Refuse)
    });
    let mut rig = Rig::new(server, configuration(&[1, 2], CALM)).start();
    rig.run_for(10 * HOUR).await;
    rig.server.unhook();
    rig.run_for(MINUTE).await;
    assert_whole(&rig.completed(2)[0], i128::from(ITEMS));
    rig.stop().await;
}
