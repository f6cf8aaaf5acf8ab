//! `repositories`: what the server offers.

use crate::support::{Daemon, Ended, Setup, Sim, repositories};

fn asked(setup: &Setup) -> Ended {
    Daemon::start(&["repositories"], setup).finish()
}

fn last_line(ended: &Ended) -> &str {
    ended.events.last().map(|event| event.line.as_str()).unwrap_or_default()
}

#[test]
fn what_the_server_offers_is_a_table_that_says_what_is_mirrored() {
    let sim = Sim::start(repositories(&[(10_150, 3), (7, 3), (10_149, 3)]));
    let setup = Setup {
        repositories: vec!["id = 10149\nname = 'Waren'".to_owned(), "id = 7".to_owned()],
        // It is neither opened nor needed.
        mirror: "url = 'sqlite:///nonexistent/mirror.db'".to_owned(),
        ..Setup::new(sim.url())
    };
    let ended = asked(&setup);
    let expected = [
        "   ID  NAME        MIRROR",
        "    7  Products 7  mirrored",
        "10149  Products    mirrored as Waren",
        "10150  Brands      -",
    ]
    .map(|line| format!("{line}\n"));
    assert_eq!(String::from_utf8_lossy(&ended.stdout), expected.concat());
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.events.is_empty(), "{:?}", ended.events);
    let counts = sim.counts();
    assert_eq!((counts.logins, counts.logouts, counts.searches), (1, 1, 0));
}

#[test]
fn a_failure_is_told_and_the_session_ended() {
    let sim = Sim::start(repositories(&[(1, 3)]));
    for (fault, told) in [
        ("e503", "repositories failed: status 503"),
        ("refuse-401", "repositories refused: status 401"),
        ("refuse-status", "repositories refused"),
        ("refuse-html", "repositories refused: a sign-in page"),
        ("drop", "repositories failed"),
    ] {
        sim.fault("repositories", fault, 0, 1);
        let ended = asked(&Setup::new(sim.url()));
        assert_eq!(ended.status.code(), Some(1), "{fault}");
        assert_eq!(ended.stdout, b"", "{fault}");
        assert!(last_line(&ended).contains(told), "{fault}: {}", last_line(&ended));
    }
    let counts = sim.counts();
    assert_eq!((counts.logins, counts.logouts), (5, 5));

    sim.fault("login", "refuse-success", 0, 1);
    let ended = asked(&Setup::new(sim.url()));
    assert_eq!(ended.status.code(), Some(1));
    assert!(last_line(&ended).contains("check login.username"), "{}", last_line(&ended));

    let wrong = Setup { login: String::new(), ..Setup::new(sim.url()) };
    assert_eq!(asked(&wrong).status.code(), Some(2));
}
