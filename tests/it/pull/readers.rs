//! Readers that are slow, and many.

use std::io::Read as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::{Answer, Pulled, TOKEN};
use crate::support::DEADLINE;

/// An answer that has begun, and of which no more is read than that.
fn begun(pulled: &Pulled, path: &str, headers: &[(&str, &str)]) -> TcpStream {
    let mut stream = pulled.open("GET", path, headers);
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).expect("an answer begins");
    assert_eq!(&begin, b"HTTP/1.1 200");
    stream
}

#[test]
fn readers_that_take_nothing_are_cut_off_and_keep_nobody_from_asking() {
    let pulled = Pulled::start(20_000, "");
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("Authorization", bearer.as_str())];
    let open = |_: usize| begun(&pulled, "/repositories/1/items", &headers);
    let slow: Vec<TcpStream> = (0..16).map(open).collect();
    // All the room for pulling is taken, and who asks how the daemon is gets an answer.
    let begun = std::time::Instant::now();
    let refused = pulled.get("/changes?after=0&limit=1");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.headers["retry-after"], "5");
    for _ in 0..40 {
        assert_eq!(pulled.ask("GET", "/healthz", &[]).status, 200);
    }
    // In the end they are cut off, and there is room again.
    let answer = loop {
        let answer = pulled.get("/changes?after=0&limit=1");
        if answer.status == 200 || begun.elapsed() > DEADLINE {
            break answer;
        }
        crate::support::pause(Duration::from_millis(200));
    };
    assert_eq!(answer.status, 200);
    let is_cut_off = |mut stream: TcpStream| {
        let mut bytes = b"HTTP/1.1 200".to_vec();
        // A connection that was cut off may be reset.
        drop(stream.read_to_end(&mut bytes));
        !Answer::of(&bytes).is_whole
    };
    // Some may not have been late yet, and are answered to the end now.
    assert!(slow.into_iter().map(is_cut_off).filter(|it| *it).count() > 0);
    pulled.daemon.stop();
}

#[test]
fn a_long_answer_is_of_one_instant_however_slowly_it_is_read_and_whatever_changes_meanwhile() {
    let pulled = Pulled::start(20_000, "");
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("Authorization", bearer.as_str())];
    let ids = crate::mirror::ids(&pulled.sim);
    let mut stream = pulled.open("GET", "/repositories/1/items", &headers);
    let is_changed = AtomicBool::new(false);
    let answer = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut bytes, mut piece) = (Vec::new(), [0; 16 << 10]);
            loop {
                let read = stream.read(&mut piece).expect("it is not cut off");
                if read == 0 {
                    return bytes;
                }
                bytes.extend_from_slice(&piece[..read]);
                if !is_changed.load(Ordering::SeqCst) {
                    crate::support::pause(Duration::from_millis(100));
                }
            }
        });
        let (last, before) = (ids[19_999], ids[19_998]);
        pulled.change(&json!({"repository": 1, "update": [last], "delete": [before]}));
        is_changed.store(true, Ordering::SeqCst);
        Answer::of(&reader.join().expect("it has read"))
    });
    assert!(answer.is_whole);
    let then = answer.number("ewmirror-sequence").to_string();
    let export = pulled.kept.lines(&["export", "--repository", "1", "--as-of", &then]);
    assert_eq!(answer.text().lines().collect::<Vec<_>>(), export);
    assert_ne!(pulled.kept.export(1), export);
    pulled.daemon.stop();
}

#[test]
fn who_waits_takes_no_place_from_who_asks_for_what_is_there() {
    let pulled = Pulled::start(50, "");
    let bearer = format!("Bearer {TOKEN}");
    let waiting = [("Authorization", bearer.as_str()), ("Accept", "text/event-stream")];
    let open = |_: usize| begun(&pulled, "/changes?after=0", &waiting);
    let waiters: Vec<TcpStream> = (0..16).map(open).collect();
    assert_eq!(pulled.get("/changes?after=0&wait=1s").status, 503);
    assert_eq!(pulled.get("/changes?after=0").status, 200);
    assert_eq!(pulled.get("/repositories/1/items").status, 200);
    drop(waiters);
    pulled.daemon.stop();
}
