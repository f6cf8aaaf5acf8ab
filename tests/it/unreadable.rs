//! A part of the list that the server does not give out: it costs its part and the certificate, and
//! holds nothing else up; and a server that is away, or a list that has shrunk, costs neither.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::mirror::{edit, ids, next_pass};
use crate::support::oracle::{self, Fold};
use crate::support::{Daemon, Event, Kept, Sim, eventually, for_each, is_so, repositories, sim};

const ITEMS: usize = 500;

/// The place of the item over which the server stumbles: on the second page.
const SPOILT: usize = 150;

/// From now on no window that holds the item at this place is answered but in this way.
fn spoil(sim: &Sim, place: usize, answer: &str) {
    let item = ids(sim)[place];
    sim.door("lists", &json!({"spoilt": [item], "over_spoilt": answer}));
}

fn heal(sim: &Sim) {
    sim.door("lists", &json!({}));
}

/// The pass was ended by a window that could not be read, and says which: it holds this position.
fn assert_unreadable(pass: &Event, position: u64) {
    assert!(!pass.truth("certified"), "{}", pass.line);
    let reason = pass.text("reason");
    assert!(reason.contains("could not be read"), "{}", pass.line);
    let numbers: Vec<u64> =
        reason.split(|it: char| !it.is_ascii_digit()).filter_map(|it| it.parse().ok()).collect();
    assert!(numbers[0] <= position && position <= numbers[1], "{}", pass.line);
}

/// As many suspects, deletions and deletions held back as this.
fn losses(pass: &Event) -> [u64; 3] {
    ["suspects", "deleted", "held"].map(|it| pass.number(it))
}

#[test]
fn a_window_that_is_never_answered_ends_the_pass_and_is_told_and_what_it_holds_is_kept() {
    let answers = ["server-error", "bad-request", "not-found", "status", "null", "forbidden"];
    for_each(&answers, |answer| {
        let sim = Sim::start(repositories(&[(1, ITEMS)]));
        let kept = Kept::new(&sim);
        let daemon = Daemon::run(&kept.setup());
        assert!(daemon.wait_for_pass(1, 1).truth("certified"));

        spoil(&sim, SPOILT, answer);
        edit(&sim, json!({"update": [ids(&sim)[5]], "delete": [ids(&sim)[400]]}));
        for updated in [1, 0] {
            let mark = daemon.mark();
            let pass = next_pass(&daemon);
            assert_unreadable(&pass, SPOILT as u64);
            assert_eq!((pass.number("updated"), losses(&pass)), (updated, [0; 3]), "{}", pass.line);
            let told: Vec<Event> = daemon.all("window unreadable");
            let told: Vec<_> = told.iter().filter(|it| it.index >= mark).collect();
            assert_eq!((told.len(), told[0].level()), (1, "WARN"), "{answer}");
            let (from, to) = (told[0].number("from"), told[0].number("to"));
            assert!((from..=to).contains(&(SPOILT as u64)), "{}", told[0].line);
            assert_eq!(told[0].number("iteration"), pass.number("iteration"));
            let (error, remedy) = (told[0].text("error"), told[0].text("remedy"));
            assert!(!error.is_empty() && !remedy.is_empty(), "{}", told[0].line);
            // The first page of the next pass is that of the top.
            let first = daemon.wait_from(mark, |it| it.is_of("page read", 1));
            assert_eq!((first.number("page"), first.number("items")), (1, 100), "{answer}");
        }
        assert_eq!(kept.export(1).len(), ITEMS, "{answer}");

        heal(&sim);
        let pass = next_pass(&daemon);
        assert!(pass.truth("certified"), "{answer}: {}", pass.line);
        assert_eq!(losses(&pass), [0, 1, 0], "{answer}: {}", pass.line);
        daemon.stop();
        Fold::default().check(&kept, &[1]);
        oracle::equals_server(&kept, &sim, 1);
    });
}

#[test]
fn a_refused_window_costs_no_logins_and_no_other_repository() {
    let sim = Sim::start(repositories(&[(1, ITEMS), (2, ITEMS)]));
    let kept = Kept::new(&sim);
    let mut setup = kept.setup();
    setup.repositories = vec!["id = 1".to_owned(), "id = 2".to_owned()];
    spoil(&sim, SPOILT, "forbidden");
    let daemon = Daemon::run(&setup);
    assert_unreadable(&daemon.wait_for_pass(1, 1), SPOILT as u64);
    assert!(daemon.wait_for_pass(2, 1).truth("certified"));
    let logins = sim.counts().logins;
    for _ in 0..3 {
        assert_unreadable(&next_pass(&daemon), SPOILT as u64);
    }
    assert_eq!(sim.counts().logins, logins, "a session that serves others is not renewed");
    daemon.stop();
}

#[test]
fn what_lies_before_the_end_of_a_result_window_is_mirrored() {
    let sim = Sim::start(repositories(&[(1, ITEMS)]));
    sim.door("lists", &json!({"window_at_most": 300, "past_window": "bad-request"}));
    let kept = Kept::new(&sim);
    let daemon = Daemon::run(&kept.setup());
    let first = daemon.wait_for_pass(1, 1);
    assert_unreadable(&first, 300);
    let read = first.number("items");
    // All windows but the last, which is the one that reaches past it.
    assert!((200..=300).contains(&read), "{}", first.line);
    let second = next_pass(&daemon);
    assert_unreadable(&second, 300);
    assert_eq!((second.number("unchanged"), losses(&second)), (read, [0; 3]), "{}", second.line);
    daemon.stop();
    assert_eq!(kept.export(1).len() as u64, read);
    Fold::default().check(&kept, &[1]);
}

#[test]
fn a_list_that_has_become_shorter_than_the_pass_has_come_is_no_fault_however_that_is_said() {
    let past_end = [None, Some("not-found"), Some("bad-request"), Some("status"), Some("null")];
    for_each(&past_end, |past_end| {
        let sim = Sim::start(repositories(&[(1, 100)]));
        let kept = Kept::new(&sim);
        let mut setup = kept.setup();
        setup.paging = setup.paging.replace("100", "20");
        let daemon = Daemon::run(&setup);
        assert!(daemon.wait_for_pass(1, 1).truth("certified"));

        sim.door("lists", &json!({"past_end": past_end}));
        // With pages of 20 the windows end at 20, 38, 54, 68, 80; the next begins behind 70.
        sim.door("hold", &json!({"endpoint": "search", "after": 5}));
        let (mark, asked) = (daemon.mark(), sim.counts().searches);
        daemon.signal("USR1");
        sim.wait_until(|counts| counts.searches > asked + 5);
        edit(&sim, json!({"delete": ids(&sim)[70..]}));
        sim.door("release", &json!({"endpoint": "search"}));
        let pass = daemon.wait_from(mark, |it| it.is_of("pass complete", 1));
        assert!(pass.truth("certified"), "{past_end:?}: {}", pass.line);
        let pass = next_pass(&daemon);
        assert!(pass.truth("certified"), "{past_end:?}: {}", pass.line);
        assert_eq!(pass.number("items"), 70, "{past_end:?}");
        let ended = daemon.stop();
        assert!(ended.all("window unreadable").is_empty(), "{past_end:?}");
        Fold::default().check(&kept, &[1]);
        assert!(kept.export(1).len() >= 70, "{past_end:?}");
    });
}

#[test]
fn a_list_that_fills_its_last_page_is_certified_also_where_nothing_past_its_end_is_answered() {
    // Of these the last page is full, so a window past it is asked for.
    for_each(&[(20, true), (20, false), (38, true), (2, true)], |(items, overlap)| {
        let sim = Sim::start(repositories(&[(1, *items)]));
        sim.door("lists", &json!({"past_end": "bad-request"}));
        let kept = Kept::new(&sim);
        let mut setup = kept.setup();
        let page_size = if *items == 2 { 2 } else { 20 };
        setup.repositories = vec![format!("id = 1\npage_size = {page_size}\noverlap = {overlap}")];
        let daemon = Daemon::run(&setup);
        let pass = daemon.wait_for_pass(1, 1);
        assert!(pass.truth("certified"), "{items}, {overlap}: {}", pass.line);
        assert_eq!(pass.number("items"), *items as u64);
        let ended = daemon.stop();
        assert!(ended.all("window unreadable").is_empty(), "{items}, {overlap}");
    });
}

#[test]
fn signals_and_restarts_while_a_window_fails_hold_nothing_up() {
    for_each(&["HUP", "USR1", "TERM", "KILL"], |signal| {
        let sim = Sim::start(repositories(&[(1, ITEMS)]));
        let kept = Kept::new(&sim);
        spoil(&sim, SPOILT, "server-error");
        // The first page comes, the window fails once, and its second try is held.
        sim.door("hold", &json!({"endpoint": "search", "after": 2}));
        let mut daemon = Daemon::run(&kept.setup());
        sim.wait_until(|counts| counts.searches == 3);
        if matches!(*signal, "TERM" | "KILL") {
            daemon.stop_with(signal);
            daemon = Daemon::run(&kept.setup());
            daemon.wait_for(|it| it.is_of("pass resumed", 1));
        } else {
            daemon.signal(signal);
            sim.door("release", &json!({"endpoint": "search"}));
        }
        assert_unreadable(&daemon.wait_for_pass(1, 1), SPOILT as u64);
        // The next one, which begins at the top, goes the same way.
        let mark = daemon.mark();
        assert_unreadable(&next_pass(&daemon), SPOILT as u64);
        let first = daemon.wait_from(mark, |it| it.is_of("page read", 1));
        assert_eq!(first.number("page"), 1, "{signal}");
        daemon.stop();
        Fold::default().check(&kept, &[1]);
    });
}

#[test]
fn while_the_whole_server_is_away_the_pass_keeps_its_place_and_its_certificate() {
    for_each(&["e500", "e502", "garbage", "drop", "refuse-403"], |fault| {
        let sim = Sim::start(repositories(&[(1, ITEMS)]));
        let kept = Kept::new(&sim);
        // Two pages come, then nothing does, neither the window nor the top.
        sim.fault("search", fault, 2, 1_000_000);
        let daemon = Daemon::run(&kept.setup());
        daemon.wait_for(|it| it.is_of("request failed", 1) && it.number("attempt") == 6);
        assert!(daemon.all("pass complete").is_empty(), "{fault}: {}", daemon.tail());
        sim.heal();
        let pass = daemon.wait_for_pass(1, 1);
        assert!(pass.truth("certified"), "{fault}: {}", pass.line);
        assert_eq!(pass.number("items"), ITEMS as u64, "{fault}");
        let ended = daemon.stop();
        assert!(ended.all("window unreadable").is_empty(), "{fault}");
        let pages: Vec<u64> = ended.all("page read").iter().map(|it| it.number("page")).collect();
        assert_eq!(pages, (1..=pages.len() as u64).collect::<Vec<_>>(), "{fault}");
        Fold::default().check(&kept, &[1]);
        oracle::equals_server(&kept, &sim, 1);
    });
}

#[test]
fn a_window_that_cannot_be_read_is_a_problem_until_a_pass_ends_without_it() {
    let sim = Sim::start(repositories(&[(1, ITEMS)]));
    let kept = Kept::new(&sim);
    let mut setup = kept.setup();
    let address: SocketAddr =
        format!("127.0.0.1:{}", sim::free_port()).parse().expect("an address");
    setup.status = format!("listen = '{address}'");
    spoil(&sim, SPOILT, "server-error");
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    let look_until = |what: &dyn Fn(&[Value]) -> bool| {
        eventually(|| {
            let (_, body) = sim::request(address, "GET", "/status", "");
            let document: Value = serde_json::from_str(&body).expect("the document is JSON");
            let problems = document["problems"].as_array().expect("it has problems");
            is_so(what(problems), || document.to_string()).map(|()| problems.clone())
        })
    };
    let is_of_window = |it: &Value| {
        let error = it["error"].as_str().unwrap_or_default();
        it["scope"] == "repository" && error.starts_with("positions ")
    };
    let told = look_until(&|problems| problems.iter().any(is_of_window));
    let problem = told.iter().find(|it| is_of_window(it)).expect("it was there");
    assert_eq!(problem["repository"], 1, "{problem}");
    assert!(problem["remedy"].as_str().is_some_and(|it| !it.is_empty()), "{problem}");
    heal(&sim);
    assert!(next_pass(&daemon).truth("certified"));
    look_until(&|problems| !problems.iter().any(is_of_window));
    daemon.stop();
}
