//! Who is told of items: over TCP who sends the token, whatever the path and the method; on a Unix socket whom
//! its mode lets in.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use super::{Answer, Client, Pulled, TOKEN};
use crate::support::kept::Kept;
use crate::support::{DEADLINE, Daemon, Setup, Sim, repositories, sim};

/// All that HTTP knows, and one that it does not.
const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "INVENTED"];

/// A word that stands in each item of the look-alike.
const IN_ITEMS: &str = "ART-";

#[test]
fn without_the_token_nothing_of_an_item_is_told_whatever_is_asked() {
    let pulled = Pulled::start(30, "");
    let id = pulled.sim.items(1)[0].clone();
    let id = serde_json::from_str::<Value>(&id).unwrap()["itemId"].to_string();
    let paths = [
        "/changes".to_owned(),
        "/changes?after=0".to_owned(),
        "/changes/".to_owned(),
        "/changes?nonsense".to_owned(),
        "/repositories".to_owned(),
        "/repositories/1/items".to_owned(),
        "/repositories/x/items".to_owned(),
        format!("/repositories/1/items/{id}"),
        format!("/repositories/1/items/{id}/history"),
        "/repositories/1/held-deletions".to_owned(),
        "/repositories/1/passes".to_owned(),
        "/repositories/99/items".to_owned(),
    ];
    let wrong = format!("Bearer {}", TOKEN.to_uppercase());
    let basic = format!("Basic {TOKEN}");
    let none: &[(&str, &str)] = &[];
    let tries = [none, &[("Authorization", &wrong)], &[("Authorization", &basic)]];
    for path in &paths {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            for headers in tries {
                let answer = pulled.ask(method, path, headers);
                assert_eq!(answer.status, 401, "{method} {path} {headers:?}");
                assert_eq!(answer.headers["www-authenticate"], "Bearer");
                assert!(!String::from_utf8_lossy(&answer.body).contains("itemId"));
            }
        }
        // In the query it counts for nothing.
        let sent = format!("{path}{}token={TOKEN}", if path.contains('?') { '&' } else { '?' });
        assert_eq!(pulled.ask("GET", &sent, none).status, 401, "{sent}");
    }
    for path in ["/", "/status", "/metrics", "/readyz", "/healthz", "/openapi.json"] {
        let answer = pulled.ask("GET", path, none);
        assert!([200, 503].contains(&answer.status), "{path}: {}", answer.status);
        assert!(!String::from_utf8_lossy(&answer.body).contains("ART-"), "{path}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
    let log = pulled.daemon.stop();
    assert!(log.events.iter().all(|event| !event.line.contains(TOKEN)));
}

#[test]
fn every_path_that_is_described_needs_the_token_or_tells_of_no_item() {
    let pulled = Pulled::start(30, "");
    let described = pulled.ask("GET", "/openapi.json", &[]);
    let described: Value = serde_json::from_slice(&described.body).unwrap();
    let id = &pulled.get("/repositories/1/items").lines()[0]["itemId"];
    let (mut guarded, mut open) = (Vec::new(), Vec::new());
    for (path, call) in described["paths"].as_object().unwrap() {
        let asked = path.replace("{repository}", "1").replace("{item}", &id.to_string());
        assert!(!asked.contains('{'), "a parameter that this test does not know: {path}");
        let needs_token = call["get"].get("security").is_some();
        for method in METHODS {
            let answer = pulled.ask(method, &asked, &[]);
            let text = String::from_utf8_lossy(&answer.body);
            assert!(!text.contains(IN_ITEMS), "{method} {path}: {text}");
            let is_refused = answer.status == 401;
            assert_eq!(is_refused, needs_token, "{method} {path}: {}", answer.status);
        }
        let with_token = pulled.get(&asked);
        assert!([200, 503].contains(&with_token.status), "{path}: {with_token:?}");
        if needs_token { guarded.push(path.as_str()) } else { open.push(path.as_str()) }
    }
    assert_eq!(open, ["/healthz", "/readyz", "/metrics", "/status", "/openapi.json"]);
    let items = "/repositories/{repository}/items";
    let expected = [
        "/changes".to_owned(),
        items.to_owned(),
        format!("{items}/{{item}}"),
        format!("{items}/{{item}}/history"),
        "/repositories/{repository}/held-deletions".to_owned(),
        "/repositories/{repository}/passes".to_owned(),
    ];
    assert_eq!(guarded, expected);
    pulled.daemon.stop();
}

#[test]
fn a_host_that_is_not_the_daemons_is_refused_with_the_token_too() {
    let pulled = Pulled::start(30, "");
    let bearer = format!("Bearer {TOKEN}");
    for path in ["/changes?after=0", "/repositories/1/items", "/openapi.json"] {
        let answer = pulled.ask_as("pim.example.com", path, &[("Authorization", &bearer)]);
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
        assert!(!String::from_utf8_lossy(&answer.body).contains(IN_ITEMS));
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
    pulled.daemon.stop();
}

#[test]
fn a_daemon_without_a_token_tells_nobody_over_tcp() {
    let sim = Sim::start(repositories(&[(1, 30)]));
    let kept = Kept::new(&sim);
    let address = SocketAddr::from(([127, 0, 0, 1], sim::free_port()));
    let setup = Setup { status: format!("listen = '{address}'"), ..kept.setup() };
    let daemon = Daemon::start(&["run"], &setup);
    daemon.wait_for_pass(1, 1);
    let client = Client(address);
    for bearer in ["Bearer ", "Bearer", &format!("Bearer {TOKEN}")] {
        let answer = client.ask("GET", "/repositories/1/items", &[("Authorization", bearer)]);
        assert_eq!(answer.status, 401, "{bearer}");
        assert!(answer.text().contains("status.token_file"), "{}", answer.text());
    }
    daemon.stop();
}

#[test]
fn nobody_is_told_of_items_in_a_way_in_which_half_an_answer_looks_whole() {
    let pulled = Pulled::start(5, "");
    let bearer = format!("Bearer {TOKEN}");
    let host = pulled.client.0.to_string();
    let headers = [("Authorization", bearer.as_str())];
    for (path, status) in
        [("/changes?after=0", 505), ("/repositories/1/items", 505), ("/healthz", 200)]
    {
        let mut stream = pulled.open_by("HTTP/1.0", &host, "GET", path, &headers);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        assert_eq!(Answer::of(&answer).status, status, "{path}");
    }
    pulled.daemon.stop();
}

#[test]
fn a_unix_socket_needs_no_token() {
    let sim = Sim::start(repositories(&[(1, 30)]));
    let kept = Kept::new(&sim);
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("status.sock");
    let setup = Setup { status: format!("listen = 'unix:{}'", socket.display()), ..kept.setup() };
    let daemon = Daemon::start(&["run"], &setup);
    daemon.wait_for_pass(1, 1);
    let ask = |path: &str| {
        let mut stream = UnixStream::connect(&socket).expect("the socket is there");
        stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: any\r\n\r\n").expect("it can be asked");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        Answer::of(&answer)
    };
    assert_eq!(ask("/repositories/1/items").lines().len(), 30);
    assert_eq!(ask("/changes?after=0").lines().len(), 30);
    daemon.stop();
}

#[test]
fn who_has_no_token_holds_no_connection_however_little_is_sent() {
    let pulled = Pulled::start(30, "");
    // A body that is announced and never comes.
    let headers = [("Content-Length", "1000000")];
    let mut stalled: Vec<_> = (0..40).map(|_| pulled.open("POST", "/changes", &headers)).collect();
    assert_eq!(pulled.ask("GET", "/healthz", &[]).status, 200);
    for stream in &mut stalled {
        let mut answer = Vec::new();
        // One that was cut off may be reset.
        if stream.read_to_end(&mut answer).is_ok() && !answer.is_empty() {
            assert_eq!(Answer::of(&answer).status, 401);
        }
    }
    pulled.daemon.stop();
}
