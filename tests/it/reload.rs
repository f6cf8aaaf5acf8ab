//! SIGHUP and SIGUSR1: new settings without losing the place, and the next pass now.

use std::fs;
use std::time::Duration;

use ewmirror::simulator::Options;
use serde_json::json;
use tempfile::TempDir;

use crate::mirror::edit;
use crate::support::{DEADLINE, Daemon, Event, Setup, Sim, for_each, repositories};

#[test]
fn a_new_page_size_and_pace_hold_from_the_next_page_and_keep_the_pass() {
    let sim = Sim::start(repositories(&[(1, 1000)]));
    let mut setup = Setup::new(sim.url());
    setup.paging = "page_size = 20\npage_interval = '300ms'\npass_interval = '1h'".to_owned();
    let daemon = Daemon::run(&setup);
    daemon.wait_for(|it| it.is("page read") && it.number("page") == 3);
    setup.paging = "page_size = 200\npage_interval = '0s'\npass_interval = '1h'".to_owned();
    let reloaded = daemon.reload(&setup);
    assert_eq!(reloaded.text("changed"), "repository 1");
    let pass = daemon.wait_for_pass(1, 1);
    assert!(pass.truth("certified"), "{}", pass.line);
    assert_eq!(pass.number("items"), 1000);
    assert!(pass.number("pages") < 15, "{}", pass.line);
    let ended = daemon.stop();
    assert_eq!(ended.all("signed in").len() + ended.all("session renewed").len(), 1);
    assert_eq!(sim.counts().logins, 1);
}

#[test]
fn a_new_pace_given_between_two_passes_holds_for_the_next() {
    // So few that one page is all there can be.
    let sim = Sim::start(repositories(&[(1, 2)]));
    let mut setup = Setup::new(sim.url());
    setup.paging = "page_size = 100\npage_interval = '1h'\npass_interval = '1h'".to_owned();
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    edit(&sim, json!({"insert": 98}));
    setup.paging = "page_size = 20\npage_interval = '1ms'\npass_interval = '1h'".to_owned();
    daemon.reload(&setup);
    daemon.signal("USR1");
    let pass = daemon.wait_for_pass(1, 2);
    assert!(pass.number("pages") >= 5, "{}", pass.line);
    daemon.stop();
}

#[test]
fn a_new_rest_holds_for_the_rest_under_way() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let mut setup = Setup::new(sim.url());
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    setup.paging = setup.paging.replace("'1h'", "'10ms'");
    daemon.reload(&setup);
    daemon.wait_for_pass(1, 3);
    daemon.stop();
}

#[test]
fn another_search_starts_the_pass_over_with_all_new_settings() {
    let sim = Sim::start(repositories(&[(1, 300)]));
    let mut setup = Setup::new(sim.url());
    setup.paging = "page_size = 100\npage_interval = '1h'\npass_interval = '1h'".to_owned();
    let daemon = Daemon::run(&setup);
    daemon.wait_for(|it| it.is("page read"));
    setup.paging = setup.paging.replace("page_interval = '1h'", "page_interval = '0s'");
    setup.repositories = vec!["id = 1\nsearch = { savedSetId = 7 }".to_owned()];
    daemon.reload(&setup);
    let pass = daemon.wait_for_pass(1, 2);
    assert!(pass.truth("certified"), "{}", pass.line);
    assert_eq!(pass.number("items"), 300);
    let ended = daemon.stop();
    assert_eq!(ended.all("pass complete").len(), 1);
}

#[test]
fn repositories_come_and_go() {
    let options = repositories(&[(1, 200), (2, 200), (3, 200)]);
    let sim = Sim::start(Options { latency: Duration::from_millis(5), ..options });
    let mut setup = Setup::new(sim.url());
    setup.paging = setup.paging.replace("'1h'", "'1ms'");
    setup.repositories = vec!["id = 1".to_owned(), "id = 2".to_owned()];
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 2);
    daemon.wait_for_pass(2, 2);
    setup.repositories = vec!["id = 3".to_owned(), "id = 1".to_owned()];
    let reloaded = daemon.reload(&setup);
    assert_eq!(reloaded.text("changed"), "repository 3 added, repository 2 removed");
    daemon.wait_for_pass(3, 2);
    let place = daemon.mark();
    let pass = daemon.wait_from(place, |it| it.is_of("pass complete", 1));
    // Put back, it begins anew.
    setup.repositories.push("id = 2".to_owned());
    let back = daemon.reload(&setup);
    let again = daemon.wait_from(back.index, |it| it.is_of("pass complete", 2));
    assert_eq!(again.number("iteration"), 1);
    let ended = daemon.stop();
    let between = ended.events.iter().filter(|it| (place..back.index).contains(&it.index));
    assert_eq!(between.filter(|it| it.field("repository") == Some(&2.into())).count(), 0);
    // The one that stayed was never interrupted.
    let iterations: Vec<_> = ended
        .events
        .iter()
        .filter(|it| it.is_of("pass complete", 1))
        .map(|it| it.number("iteration"))
        .collect();
    assert!(iterations.contains(&pass.number("iteration")));
    assert_eq!(iterations, (1..=iterations.len() as u64).collect::<Vec<_>>());
    assert_eq!(sim.counts().logins, 1);
}

#[test]
fn the_level_of_the_log_follows() {
    let sim = Sim::start(repositories(&[(1, 1000)]));
    let mut setup = Setup { log: "level = 'info'".to_owned(), ..Setup::new(sim.url()) };
    setup.paging = setup.paging.replace("'1h'", "'1ms'");
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 2);
    assert!(daemon.events().iter().all(|it| it.level() != "DEBUG"), "{}", daemon.tail());
    setup.log = "level = 'debug'".to_owned();
    let reloaded = daemon.reload(&setup);
    assert_eq!(reloaded.text("changed"), "log.level");
    daemon.wait_for(|it| it.level() == "DEBUG");
    setup.log = "level = 'error'".to_owned();
    daemon.configure(&setup);
    daemon.signal("HUP");
    sim.wait_until(|counts| counts.pages > 200);
    let ended = daemon.stop();
    assert_ne!(ended.events.last().unwrap().level(), "ERROR");
    assert!(ended.all("stopped").is_empty(), "it is an INFO event");
}

#[test]
fn a_faulty_file_is_told_with_all_its_faults_and_changes_nothing() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let setup = Setup::new(sim.url());
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    let faulty = setup.toml().replace("page_size = 100", "page_size = 0\npage_sise = 7")
        + "[[repository]]\nid = 'eleven'\n";
    let no_toml = "[server\n".to_owned();
    let cases =
        [(faulty, vec!["page_size", "page_sise", "eleven"]), (no_toml, vec!["ewmirror.toml"])];
    for (iteration, (text, words)) in cases.iter().enumerate() {
        let mark = daemon.mark();
        daemon.configure_with(text);
        daemon.signal("HUP");
        let rejected = daemon.wait_from(mark, |it| it.is("configuration rejected"));
        assert_eq!(rejected.level(), "ERROR");
        for word in words {
            assert!(rejected.text("error").contains(word), "{word}: {}", rejected.line);
        }
        // The old one holds.
        daemon.signal("USR1");
        let pass = daemon.wait_for_pass(1, iteration as u64 + 2);
        assert_eq!(pass.number("items"), 10);
    }
    let ended = daemon.stop();
    assert!(ended.all("configuration reloaded").is_empty());
    assert_eq!(sim.counts().logins, 1);
}

#[test]
fn a_file_read_again_unchanged_changes_nothing() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let setup = Setup::new(sim.url());
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    for _ in 0..3 {
        assert_eq!(daemon.reload(&setup).text("changed"), "");
    }
    daemon.stop();
    // The second search looks beyond the end of the list.
    assert_eq!((sim.counts().logins, sim.counts().searches), (1, 2));
}

#[test]
fn keys_that_wait_for_a_restart_are_named() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let mut setup = Setup::new(sim.url());
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    setup.log += "\nformat = 'text'";
    daemon.reload(&setup);
    let ended = daemon.stop();
    let keys: Vec<_> = ended.all("restart needed").iter().map(|it| it.text("key")).collect();
    assert_eq!(keys, ["log.format"]);
}

#[test]
fn another_user_or_server_is_signed_in_to_anew_without_losing_a_page() {
    let given = [(1, 1000)];
    let first = Sim::start(repositories(&given));
    let second = Sim::start(Options { login: "reader".to_owned(), ..repositories(&given) });
    let mut setup = Setup::new(first.url());
    setup.paging = setup.paging.replace("'1h'", "'1ms'");
    setup.paging += "\nin_flight = 4";
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    setup.url = second.url();
    setup.login = "username = 'reader'".to_owned();
    let reloaded = daemon.reload(&setup);
    assert_eq!(reloaded.text("changed"), "server, login");
    let pass = daemon.wait_from(reloaded.index, |it| it.is("pass complete"));
    let next = daemon.wait_for_pass(1, pass.number("iteration") + 2);
    assert!(next.truth("certified"), "{}", next.line);
    assert_eq!(next.number("items"), 1000);
    let ended = daemon.stop();
    assert_eq!(ended.all("session renewed").len(), 1);
    assert!(ended.all("request failed").is_empty());
    let counts = second.counts();
    assert_eq!((counts.logins, counts.failed_logins, counts.logouts), (1, 0, 1));
}

#[test]
fn a_corrected_password_is_tried_at_once() {
    let secret = TempDir::new().unwrap();
    let file = secret.path().join("password");
    fs::write(&file, "wrong\n").unwrap();
    let options = Options { password: "right".to_owned(), ..repositories(&[(1, 10)]) };
    let sim = Sim::start(options);
    let login = format!("username = 'system'\npassword_file = '{}'", file.display());
    let setup = Setup { login, ..Setup::new(sim.url()) };
    let without_variable = |command: &mut std::process::Command| {
        command.env_remove("EWMIRROR_LOGIN__PASSWORD");
    };
    let daemon = Daemon::start_with(&["run"], &setup, without_variable);
    // The third denial is followed by a wait that nobody would sit out here.
    let denied = daemon.wait_for(|it| it.is("request failed") && it.number("attempt") == 3);
    let wait = Duration::from_millis(denied.number("retry_in_ms"));
    assert!(wait > 2 * DEADLINE, "{}", denied.line);
    fs::write(&file, "right\n").unwrap();
    daemon.reload(&setup);
    daemon.wait_for(|it| it.is("signed in"));
    daemon.wait_for_pass(1, 1);
    let ended = daemon.stop();
    assert!(ended.all("reconnected").is_empty(), "the server was never away");
    assert_eq!(sim.counts().failed_logins, 3);
}

#[test]
fn a_password_that_changed_is_signed_in_with_anew() {
    let secret = TempDir::new().unwrap();
    let file = secret.path().join("password");
    fs::write(&file, "system").unwrap();
    let sim = Sim::start(repositories(&[(1, 10)]));
    let login = format!("username = 'system'\npassword_file = '{}'", file.display());
    let setup = Setup { login, ..Setup::new(sim.url()) };
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    fs::write(&file, "another").unwrap();
    assert_eq!(daemon.reload(&setup).text("changed"), "login");
    // The new one is wrong here, and that shows at once.
    let denied = daemon.wait_for(|it| it.is("request failed"));
    assert_eq!((denied.level(), denied.text("endpoint")), ("ERROR", "login"));
    fs::write(&file, "system").unwrap();
    daemon.reload(&setup);
    daemon.wait_for(|it| it.is("session renewed"));
    daemon.stop();
}

#[test]
fn sigusr1_starts_the_next_pass_of_every_repository_now() {
    let sim = Sim::start(repositories(&[(1, 10), (2, 20)]));
    let repositories = vec!["id = 1".to_owned(), "id = 2".to_owned()];
    let daemon = Daemon::run(&Setup { repositories, ..Setup::new(sim.url()) });
    for iteration in 1..=3 {
        daemon.wait_for_pass(1, iteration);
        daemon.wait_for_pass(2, iteration);
        if iteration < 3 {
            daemon.signal("USR1");
        }
    }
    let ended = daemon.stop();
    assert_eq!(ended.all("pass requested").len(), 2);
    assert_eq!(ended.all("pass complete").len(), 6);
}

#[test]
fn settings_that_let_every_request_fail_can_be_corrected() {
    // Each of these requests fails for ever; the next, with the right settings, must take its place.
    let cases = [
        ("id = 1\nitem_id = '/id'", "id = 1", "member at /id"),
        ("id = 1\npage_size = 900", "id = 1\npage_size = 90", "large"),
        ("id = 1\nsearch = { a = 1 }\nitem_id = '/id'", "id = 1\nsearch = { a = 2 }", "/id"),
    ];
    for_each(&cases, |(wrong, right, words)| {
        let sim = Sim::start(repositories(&[(1, 900)]));
        let mut setup = Setup::new(sim.url());
        setup.server = "max_response_size = '1MiB'".to_owned();
        setup.repositories = vec![(*wrong).to_owned()];
        let daemon = Daemon::run(&setup);
        let failed = daemon.wait_for(|it| it.is("request failed") && it.number("attempt") == 3);
        assert!(failed.text("error").contains(words), "{}", failed.line);
        setup.repositories = vec![(*right).to_owned()];
        let reloaded = daemon.reload(&setup);
        let is_good = |it: &Event| it.is("pass complete") && it.truth("certified");
        let pass = daemon.wait_from(reloaded.index, is_good);
        assert_eq!(pass.number("items"), 900);
        daemon.stop();
    });
}

#[test]
fn settings_that_cut_a_pass_short_are_followed_by_the_next_as_soon_as_they_are_corrected() {
    let sim = Sim::start(repositories(&[(1, 900)]));
    let mut setup = Setup::new(sim.url());
    setup.server = "max_response_size = '1MiB'".to_owned();
    setup.repositories = vec!["id = 1\npage_size = 900".to_owned()];
    let daemon = Daemon::run(&setup);
    assert!(!daemon.wait_for_pass(1, 1).truth("certified"));
    // The rest after it is of an hour.
    setup.repositories = vec!["id = 1\npage_size = 90".to_owned()];
    daemon.reload(&setup);
    let pass = daemon.wait_for_pass(1, 2);
    assert!(pass.truth("certified"), "{}", pass.line);
    daemon.stop();
}

#[test]
fn a_new_page_size_in_the_middle_of_a_pass_side_by_side_is_no_gap() {
    let options = Options { latency: Duration::from_millis(30), ..repositories(&[(1, 3000)]) };
    let sim = Sim::start(options);
    let mut setup = Setup::new(sim.url());
    setup.paging += "\nin_flight = 4";
    let daemon = Daemon::run(&setup);
    for (page, size) in [(4, 37), (12, 150), (20, 99)] {
        daemon.wait_for(|it| it.is("page read") && it.number("page") == page);
        setup.paging = format!(
            "page_size = {size}\npage_interval = '0s'\npass_interval = '1h'\nin_flight = 4"
        );
        daemon.reload(&setup);
    }
    let pass = daemon.wait_for_pass(1, 1);
    assert!(pass.truth("certified"), "{}", pass.line);
    assert_eq!(pass.number("items"), 3000);
    daemon.stop();
}
