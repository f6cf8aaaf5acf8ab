//! The log of changes: page by page, by waiting, as events, and where a part of it is gone.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Pulled, TOKEN};
use crate::support::kept::Kept;
use crate::support::{Daemon, Sim, repositories};

fn item(change: &Value) -> String {
    change["source"]["item"].to_string()
}

#[test]
fn changes_come_page_by_page_and_who_waits_is_told_at_once() {
    changes_come_page_by_page(&Pulled::start(120, ""));
}

#[test]
fn changes_of_a_mirror_in_postgresql_come_page_by_page_and_who_waits_is_told_at_once() {
    let Some(pulled) = Pulled::start_in_postgres(120) else { return };
    changes_come_page_by_page(&pulled);
}

fn changes_come_page_by_page(pulled: &Pulled) {
    let all = pulled.all_changes(0, 17);
    let sequences: Vec<u64> =
        all.iter().filter_map(|it| it["source"]["sequence"].as_u64()).collect();
    assert_eq!(sequences, (1..=140).collect::<Vec<_>>());
    let kept: Vec<Value> = pulled
        .kept
        .lines(&["changes"])
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(all, kept, "it is what the command tells");
    let second = pulled.get("/changes?after=0&repository=2&limit=1000");
    assert_eq!((second.lines().len(), second.number("ewmirror-next")), (20, 140));

    // Nothing new, and no wait.
    let none = pulled.get("/changes?after=140");
    assert_eq!((none.status, none.lines().len(), none.number("ewmirror-next")), (200, 0, 140));
    // A wait without news ends without a line.
    let begun = Instant::now();
    let none = pulled.get("/changes?after=140&wait=1s");
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!((none.status, none.lines().len(), none.number("ewmirror-next")), (200, 0, 140));
    let waiting = std::thread::scope(|scope| {
        let client = pulled.client;
        let waiting = scope.spawn(move || client.get("/changes?after=140&wait=5m"));
        let of_first = all.iter().filter(|it| it["source"]["repository"] == 1).take(2);
        let ids: Vec<Value> = of_first.map(|it| it["source"]["item"].clone()).collect();
        pulled.change(&json!({"repository": 1, "update": ids}));
        waiting.join().expect("an answer")
    });
    assert_eq!(waiting.lines().len(), 2);
    assert_eq!(waiting.number("ewmirror-next"), 142);
    assert!(waiting.lines().iter().all(|it| it["op"] == "u"));

    // Who waits for one repository hears nothing of another.
    let update = |of: &Value| json!({"repository": of["source"]["repository"], "update": [of["source"]["item"]]});
    let edit = |repository: u64| {
        let of = all.iter().find(|it| it["source"]["repository"] == repository);
        pulled.change(&update(of.expect("a change of it")));
    };
    let waiting = std::thread::scope(|scope| {
        let client = pulled.client;
        let path = "/changes?after=142&repository=2&wait=5m";
        let waiting = scope.spawn(move || client.get(path));
        edit(1);
        assert!(!waiting.is_finished(), "it was told of another repository");
        edit(2);
        waiting.join().expect("an answer")
    });
    assert_eq!((waiting.lines().len(), waiting.number("ewmirror-next")), (1, 144));
    assert_eq!(waiting.lines()[0]["source"]["repository"], 2);

    // By name, where names are known.
    let names = pulled.get("/changes?after=0&limit=1&names=true").lines().remove(0);
    let told = pulled.kept.lines(&["changes", "--names"]);
    assert_eq!(names, serde_json::from_str::<Value>(&told[0]).expect("JSON"));
    assert!(names["after"].get("Title").is_some(), "{names}");

    // HEAD says the same without a line, and never waits.
    let bearer = format!("Bearer {TOKEN}");
    let head = pulled.ask("HEAD", "/changes?after=144&wait=5m", &[("Authorization", &bearer)]);
    assert_eq!((head.status, head.number("ewmirror-next")), (200, 144));
    assert!(head.body.is_empty());

    for (path, words) in [
        ("/changes?what=1", "no parameter what"),
        ("/changes?limit=0", "limit must be a number from 1 to 20000"),
        ("/changes?limit=100001", "limit must be"),
        ("/changes?wait=30", "wait must be a duration up to 5m"),
        ("/changes?after=", "after must be the sequence of a change"),
        ("/changes?after=18446744073709551615", "after must be"),
        ("/changes?after=99999999999999999999999", "after must be"),
        ("/changes?names=1", "names must be true or false"),
        ("/changes?limit=1&limit=1", "limit is given twice"),
        ("/changes?repository=Products", "by its number"),
        ("/repositories/18446744073709551615/items", "by its number"),
        ("/repositories/1/items?after=1", "no parameter after"),
        ("/repositories/1/items/%FF", "not encoded as UTF-8"),
    ] {
        let answer = pulled.get(path);
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.text().contains(words), "{path}: {}", answer.text());
    }
    for (path, status) in [
        ("/changes?names=yes", 400),
        ("/changes?after=145", 400),
        ("/changes?after=-1", 400),
        ("/changes?after=1&after=2", 400),
        ("/changes?limit=0", 400),
        ("/changes?wait=1h", 400),
        ("/changes?what=1", 400),
        ("/changes?repository=7", 404),
        ("/repositories/7/items", 404),
        ("/repositories/x/items", 400),
        ("/repositories/1/items/nothing", 404),
        ("/repositories/1/items/nothing/history", 404),
        ("/repositories/1", 404),
    ] {
        assert_eq!(pulled.get(path).status, status, "{path}");
    }
}

#[test]
fn events_come_without_end_and_go_on_where_their_reader_was() {
    let pulled = Pulled::start(30, "");
    let bearer = format!("Bearer {TOKEN}");
    let events = |last: &str| {
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Accept", "text/event-stream"),
            ("Last-Event-ID", last),
        ];
        BufReader::new(pulled.open("GET", "/changes?after=0", &headers))
    };
    let next = |stream: &mut BufReader<TcpStream>| -> (u64, Value) {
        let (mut id, mut line) = (0, String::new());
        loop {
            line.clear();
            assert!(stream.read_line(&mut line).expect("events go on") > 0, "it ended");
            if let Some(told) = line.strip_prefix("id: ") {
                id = told.trim().parse().expect("a sequence");
            } else if let Some(data) = line.strip_prefix("data: ") {
                return (id, serde_json::from_str(data).expect("an envelope"));
            }
        }
    };
    let mut stream = events("48");
    for sequence in [49, 50] {
        let (id, change) = next(&mut stream);
        assert_eq!((id, change["source"]["sequence"].as_u64()), (sequence, Some(sequence)));
    }
    let first = pulled.get("/changes?after=0&repository=1&limit=1").lines().remove(0);
    pulled.change(&json!({"repository": 1, "update": [first["source"]["item"]]}));
    let (id, change) = next(&mut stream);
    assert_eq!((id, &change["op"], item(&change)), (51, &"u".into(), item(&first)));
    // The daemon ends in time, whoever still listens.
    pulled.daemon.stop();
}

#[test]
fn changes_that_were_dropped_are_told_as_gone() {
    let sim = Sim::start(repositories(&[(1, 30), (2, 20)]));
    let kept = Kept::new(&sim);
    let ended = Daemon::start(&["once"], &kept.setup()).finish();
    assert!(ended.status.success());
    let connection = rusqlite::Connection::open(kept.database()).expect("the database");
    connection
        .execute_batch(
            "UPDATE log SET dropped_through = 10; DELETE FROM change WHERE sequence <= 10
             AND sequence NOT IN (SELECT sequence FROM item)",
        )
        .expect("a log that has dropped changes");
    drop(connection);
    let pulled = Pulled::of(sim, kept, "");
    let gone = pulled.get("/changes?after=3");
    assert_eq!(gone.status, 410, "{gone:?}");
    assert!(gone.text().contains("up to 10"), "{}", gone.text());
    let bearer = format!("Bearer {TOKEN}");
    let events = [("Authorization", bearer.as_str()), ("Accept", "text/event-stream")];
    let gone = pulled.ask("GET", "/changes?after=3", &events);
    assert!(gone.status == 410 && gone.text().contains("up to 10"), "{gone:?}");
    let told = pulled.get("/changes?after=10").lines();
    assert_eq!(told.len(), 40);
    // The history of an item says what is not in it any more.
    let (mut whole, mut cut) = (0, 0);
    for repository in [1, 2] {
        for line in pulled.kept.export(repository) {
            let line: Value = serde_json::from_str(&line).expect("JSON");
            let path = format!("/repositories/{repository}/items/{}/history", line["itemId"]);
            let history = pulled.get(&path);
            let dropped = history.headers.get("ewmirror-dropped-through");
            match (history.lines().len(), dropped.map(String::as_str)) {
                (1, None) => whole += 1,
                (0, Some("10")) => cut += 1,
                _ => panic!("{path}: {history:?}"),
            }
        }
    }
    assert_eq!((whole, cut), (40, 10));
    pulled.daemon.stop();
}
