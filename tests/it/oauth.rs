//! The OAuth call: where name and password stand, and what is said where the server looks elsewhere.

use ewmirror::simulator::{OauthReads, Options};

use crate::support::{Daemon, Setup, Sim, for_each, repositories};

/// A server that reads name and password there, and a configuration with these keys of `[login]`.
fn server(oauth_reads: OauthReads, keys: &str) -> (Sim, Setup) {
    let sim = Sim::start(Options { oauth_reads, ..repositories(&[(1, 20)]) });
    let mut setup = Setup::new(sim.url());
    setup.login = format!("{}\nmethod = 'oauth'\nclient_id = 'canal'\n{keys}", setup.login);
    (sim, setup)
}

#[test]
fn name_and_password_stand_in_the_body_and_in_the_url_only_where_that_is_configured() {
    // A server that reads the body alone takes nothing from a URL, and the other way round.
    let cases = [(OauthReads::Body, ""), (OauthReads::Url, "oauth_credentials_in_url = true")];
    for_each(&cases, |(reads, keys)| {
        let (sim, setup) = server(*reads, keys);
        let daemon = Daemon::run(&setup);
        assert!(daemon.wait_for_pass(1, 1).truth("certified"), "{reads:?}");
        daemon.stop();
        let counts = sim.counts();
        assert_eq!((counts.logins, counts.failed_logins), (1, 0), "{reads:?}");
    });
}

#[test]
fn a_server_of_before_10_2_1_is_told_of_with_the_key_that_it_needs() {
    let (sim, setup) = server(OauthReads::Url, "");
    let daemon = Daemon::run(&setup);
    let denied = daemon.wait_for(|it| it.is("request failed"));
    assert!(denied.text("remedy").contains("oauth_credentials_in_url = true"), "{denied:?}");
    assert_eq!(denied.text("endpoint"), "token");
    daemon.stop();
    let asked = Daemon::start(&["check", "--online"], &setup).finish();
    assert_eq!(asked.status.code(), Some(1));
    let last = asked.events.last().map(|event| event.line.clone()).unwrap_or_default();
    assert!(last.contains("oauth_credentials_in_url = true"), "{last}");
    assert_eq!(sim.counts().logins, 0);
}
