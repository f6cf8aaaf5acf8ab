//! A wrong password: told in the server's words, tried ever more rarely.

use std::time::{Duration, Instant};

use ewmirror::simulator::Options;

use crate::support::{DEADLINE, Daemon, Setup, Sim, repositories};

fn strict() -> Sim {
    Sim::start(Options { password: "another".to_owned(), ..repositories(&[(1, 100)]) })
}

#[test]
fn a_wrong_password_is_an_error_in_the_servers_words_and_is_tried_ever_more_rarely() {
    let sim = strict();
    let daemon = Daemon::run(&Setup::new(sim.url()));
    let first = daemon.wait_for(|it| it.is("request failed"));
    let second = daemon.wait_for(|it| it.is("request failed") && it.number("attempt") == 2);
    for failed in [&first, &second] {
        assert_eq!(failed.level(), "ERROR");
        assert_eq!(failed.text("endpoint"), "login");
        let error = failed.text("error");
        assert!(error.contains("unauthorized please see enable-api logs"), "{error}");
        assert!(failed.text("remedy").contains("password"), "{}", failed.line);
    }
    assert!(first.number("retry_in_ms") >= 5000, "{}", first.line);
    assert!(second.number("retry_in_ms") > first.number("retry_in_ms"), "{}", second.line);
    assert!(second.at.duration_since(first.at) >= Duration::from_millis(4500));
    let ended = daemon.stop();
    let counts = sim.counts();
    assert_eq!((counts.failed_logins, counts.logins, counts.searches), (2, 0, 0));
    // There is no session to end.
    assert_eq!(counts.logouts, 0);
    assert!(ended.all("signed out").is_empty() && ended.all("sign-out failed").is_empty());
}

#[test]
fn once_gives_up_at_once_on_a_wrong_password() {
    let sim = strict();
    let begun = Instant::now();
    let ended = Daemon::start(&["once"], &Setup::new(sim.url())).finish();
    assert_eq!(ended.status.code(), Some(1));
    assert!(begun.elapsed() < DEADLINE, "{:?}", begun.elapsed());
    let last = &ended.events.last().unwrap().line;
    assert!(last.contains("unauthorized please see enable-api logs"), "{last}");
    assert_eq!(sim.counts().failed_logins, 1);
}

#[test]
fn a_wrong_oauth_password_is_told_in_the_servers_words() {
    let sim = strict();
    let login = "username = 'system'\nmethod = 'oauth'\nclient_id = 'ewmirror'".to_owned();
    let daemon = Daemon::run(&Setup { login, ..Setup::new(sim.url()) });
    let failed = daemon.wait_for(|it| it.is("request failed"));
    assert_eq!((failed.level(), failed.text("endpoint")), ("ERROR", "token"));
    assert!(failed.text("error").contains("Bad credentials"), "{}", failed.line);
    assert!(failed.number("retry_in_ms") >= 5000);
    daemon.stop();
}
