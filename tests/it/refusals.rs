//! Refusals: each shape of them in the middle of a pass, and one that never ends.

use std::time::Duration;

use ewmirror::simulator::Options;

use crate::support::{Daemon, Setup, Sim, for_each, repositories};

#[test]
fn each_shape_of_a_refusal_costs_no_login_and_no_page_while_the_session_is_said_to_stand() {
    let shapes = ["401", "403", "success", "status", "html", "redirect"];
    for_each(&shapes, |shape| {
        let sim = Sim::start(repositories(&[(1, 1000)]));
        sim.fault("search", &format!("refuse-{shape}"), 4, 1);
        let daemon = Daemon::run(&Setup::new(sim.url()));
        let pass = daemon.wait_for_pass(1, 1);
        assert!(pass.truth("certified"), "{shape}: {}", pass.line);
        assert_eq!(pass.number("items"), 1000, "{shape}");
        assert_eq!(pass.number("requests"), pass.number("pages") + 1, "{shape}");
        let ended = daemon.stop();
        let refused = ended.all("request refused");
        assert_eq!(refused.len(), 1, "{shape}");
        assert!(refused[0].text("error").starts_with("search refused: "), "{}", refused[0].line);
        assert!(ended.all("session renewed").is_empty(), "{shape}");
        assert!(ended.all("request failed").is_empty(), "{shape}");
        assert_eq!((sim.counts().logins, sim.counts().reauths), (1, 1), "{shape}");
    });
}

#[test]
fn each_shape_of_a_refusal_that_comes_three_times_in_a_row_is_outlived() {
    let shapes = ["401", "403", "success", "status", "html", "redirect"];
    for_each(&shapes, |shape| {
        let sim = Sim::start(repositories(&[(1, 500)]));
        sim.fault("search", &format!("refuse-{shape}"), 2, 3);
        let daemon = Daemon::run(&Setup::new(sim.url()));
        let pass = daemon.wait_for_pass(1, 1);
        assert!(pass.truth("certified"), "{shape}: {}", pass.line);
        assert_eq!(pass.number("items"), 500);
        daemon.stop();
        let logins = sim.counts().logins;
        assert!(logins <= 3, "{shape}: {logins} logins");
    });
}

#[test]
fn a_repository_that_is_always_refused_stops_no_other_and_causes_no_storm_of_logins() {
    let sim =
        Sim::start(Options { latency: Duration::from_millis(2), ..repositories(&[(1, 300)]) });
    let mut setup = Setup::new(sim.url());
    setup.paging = setup.paging.replace("'1h'", "'1ms'");
    // The simulator knows no repository 404: status 1 and no data, like a refusal.
    setup.repositories = vec!["id = 404".to_owned(), "id = 1".to_owned()];
    let daemon = Daemon::run(&setup);
    let begun = daemon.wait_for(|it| it.is_of("request failed", 404)).at;
    // A few seconds' worth of tries: each waits longer than the one before.
    let far = daemon.wait_for(|it| it.is_of("request failed", 404) && it.number("attempt") == 6).at;
    daemon.wait_for_pass(1, 3);
    let ended = daemon.stop();
    for pass in ended.all("pass complete") {
        assert!(pass.truth("certified"), "{}", pass.line);
    }
    let counts = sim.counts();
    let seconds = far.duration_since(begun).as_secs();
    assert_eq!(counts.logins, 1, "{} logins in {seconds} s", counts.logins);
    assert!(ended.all("sign-in delayed").is_empty());
    assert!(counts.reauths <= seconds + 4, "{} questions in {seconds} s", counts.reauths);
    let refused = ended.all("request failed");
    assert!(refused.iter().all(|it| it.number("repository") == 404));
    // The session's end would be refused too, and is not the trouble here.
    assert!(refused[0].text("error").contains("refused"), "{}", refused[0].line);
}

#[test]
fn a_repository_that_does_not_exist_costs_no_login_where_it_is_the_only_one() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let setup = Setup { repositories: vec!["id = 404".to_owned()], ..Setup::new(sim.url()) };
    let daemon = Daemon::run(&setup);
    daemon.wait_for(|it| it.is_of("request failed", 404) && it.number("attempt") == 5);
    let ended = daemon.stop();
    assert!(ended.all("sign-in delayed").is_empty() && ended.all("session renewed").is_empty());
    assert_eq!(sim.counts().logins, 1);
}

#[test]
fn a_refused_question_renews_the_session() {
    let shapes = ["401", "403", "success", "html", "redirect"];
    for_each(&shapes, |shape| {
        let sim = Sim::start(repositories(&[(1, 10)]));
        sim.fault("reauth", &format!("refuse-{shape}"), 0, 1);
        let setup =
            Setup { session: "reauth_interval = '100ms'".to_owned(), ..Setup::new(sim.url()) };
        let daemon = Daemon::run(&setup);
        daemon.wait_for(|it| it.is("session renewed"));
        daemon.stop();
        assert_eq!(sim.counts().logins, 2, "{shape}");
    });
}
