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

#[test]
fn what_is_not_taken_of_a_list_that_is_too_long_is_not_called_mirrored() {
    let sim = Sim::start(repositories(&[(1, 3), (2, 3), (3, 3), (4, 3)]));
    let all = "id = 'all'\nmax_repositories = 2".to_owned();
    let setup = Setup { repositories: vec![all, "id = 4".to_owned()], ..Setup::new(sim.url()) };
    let ended = asked(&setup);
    let table = String::from_utf8_lossy(&ended.stdout).into_owned();
    let mirrored: Vec<_> = table.lines().filter(|line| line.ends_with("  mirrored")).collect();
    assert_eq!(mirrored, [" 4  Products 4  mirrored"], "{table}");
    assert_eq!((ended.status.code(), table.lines().count()), (Some(0), 5), "{table}");
    let said = "would take 3 repositories, and max_repositories is 2";
    assert!(last_line(&ended).contains(said), "{}", last_line(&ended));
}
