//! Bodies on their way: encodings, the cap, time-outs, connections that end.

use std::io::Write;
use std::time::Instant;

use tokio::net::TcpListener;

use super::server::{Server, ServerStep, answer, head, json};
use super::*;
use crate::task::clock;

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gzipped(bytes: &[u8]) -> Vec<ServerStep> {
    answer(200, &[JSON, ("Content-Encoding", "gzip")], gzip(bytes))
}

/// A page of one item that is this large.
fn large_page(size: usize) -> String {
    let filling = "x".repeat(size);
    let item = format!(r#"{{"itemId":1,"filling":"{filling}"}}"#);
    format!(r#"{{"data":{{"itemList":[{item}],"searchTotal":1,"returnTotal":1}}}}"#)
}

#[tokio::test]
async fn compressed_answers_are_read() {
    let page = large_page(300_000);
    let answer = searched(gzipped(page.as_bytes())).await.unwrap();
    assert_eq!(answer.items[0].bytes.len(), 300_000 + r#"{"itemId":1,"filling":""}"#.len());
}

#[tokio::test]
async fn the_name_of_an_encoding_is_read_in_any_case() {
    let page = large_page(300_000);
    for named in ["GZIP", "x-gzip", "X-GZip"] {
        let body = gzip(page.as_bytes());
        let answer = searched(answer(200, &[JSON, ("Content-Encoding", named)], body)).await;
        assert_eq!(answer.unwrap().total, 1, "{named}");
    }
}

#[tokio::test]
async fn gzip_of_several_members_is_read_to_the_end() {
    let page = large_page(300_000);
    let members: Vec<_> = page.as_bytes().chunks(100_000).map(gzip).collect();
    let empty = vec![gzip(b""); 20].concat();
    let whole = [empty.as_slice(), &members.concat(), &empty].concat();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n";
    for piece in [1, 7, 10_000] {
        // However the members fall on what comes at a time.
        let mut steps =
            vec![ServerStep::Send(format!("{head}Transfer-Encoding: chunked\r\n\r\n").into())];
        for bytes in whole.chunks(piece) {
            let sized = format!("{:x}\r\n", bytes.len());
            steps.push(ServerStep::Send([sized.as_bytes(), bytes, b"\r\n"].concat()));
        }
        steps.push(ServerStep::Send(b"0\r\n\r\n".to_vec()));
        assert_eq!(searched(steps).await.unwrap().total, 1, "{piece}");
    }
    // The cap counts them all.
    let bomb = vec![gzip(&vec![b' '; 1024 * 1024]); 9].concat();
    let error = failed(searched(answer(200, &[JSON, ("Content-Encoding", "gzip")], bomb)).await);
    assert_eq!(error.kind, RequestErrorKind::TooLarge { limit: 8 * 1024 * 1024 });
}

#[tokio::test]
async fn what_follows_the_last_member_is_passed_over_unless_it_is_a_damaged_one() {
    let page = gzip(large_page(1000).as_bytes());
    let gzipped = |tail: &[u8]| {
        let body = [page.as_slice(), tail].concat();
        searched(answer(200, &[JSON, ("Content-Encoding", "gzip")], body))
    };
    for tail in [&b"\n"[..], &[0; 512], b"not a member"] {
        assert_eq!(gzipped(tail).await.unwrap().total, 1, "{tail:?}");
    }
    let more = gzip(b"  ");
    let error = failed(gzipped(&more[..more.len() - 3]).await);
    assert_eq!(error.kind, RequestErrorKind::Interrupted, "{error:?}");
    let mut damaged = more.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let error = failed(gzipped(&damaged).await);
    let what = "it cannot be decompressed".to_owned();
    assert_eq!(error.kind, RequestErrorKind::WrongShape { what });
    let error = failed(gzipped(&gzip(b"").repeat(70_000)).await);
    let what = "it cannot be decompressed".to_owned();
    assert_eq!(error.kind, RequestErrorKind::WrongShape { what });
}

#[tokio::test]
async fn a_decompression_bomb_stops_at_the_cap() {
    let bomb = vec![b' '; 300 * 1024 * 1024];
    let steps = gzipped(&bomb);
    let started = Instant::now();
    let error = failed(searched(steps).await);
    assert_eq!(error.kind, RequestErrorKind::TooLarge { limit: 8 * 1024 * 1024 });
    assert!(error.to_string().contains("server.max_response_size"), "{error}");
    assert!(error.remedy().unwrap().contains("server.max_response_size"));
    assert!(started.elapsed() < Duration::from_secs(20), "read past the cap");
}

#[tokio::test]
async fn the_cap_holds_for_plain_lengths_true_and_claimed() {
    let mut setup = Setup::new("http://127.0.0.1:9");
    let page = large_page(10_000);
    for (limit, fits) in [(page.len(), true), (page.len() - 1, false)] {
        let body = page.clone();
        let server = Server::start(move |_| json(&body)).await;
        setup.server.url = Url::parse(&server.url()).unwrap();
        setup.server.max_response_size = u64::try_from(limit).unwrap();
        assert_eq!(search_at(&setup).await.is_ok(), fits);
    }
    // Claims more than there is memory for: refused by the claim alone, nothing is reserved.
    setup.server.max_response_size = 8 * 1024 * 1024;
    let steps = vec![head(1 << 50), ServerStep::Hang];
    let server = Server::start(move |_| steps.clone()).await;
    setup.server.url = Url::parse(&server.url()).unwrap();
    let error = failed(search_at(&setup).await);
    assert!(matches!(error.kind, RequestErrorKind::TooLarge { .. }), "{error}");
    // Even where the operator allows it, the claim reserves no memory.
    setup.server.max_response_size = u64::MAX;
    setup.server.idle_timeout = Duration::from_millis(100);
    let error = failed(search_at(&setup).await);
    assert_eq!(error.kind, RequestErrorKind::Timeout(TimeoutKind::Idle));
}

#[tokio::test]
async fn a_chunked_answer_without_end_stops_at_the_cap() {
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let mut steps = vec![ServerStep::Send(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec(),
    )];
    steps.extend(vec![ServerStep::Send(chunk.into_bytes()); 300]);
    let error = failed(searched(steps).await);
    assert!(matches!(error.kind, RequestErrorKind::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn broken_encodings_are_told_from_cut_ones() {
    let whole = gzip(large_page(50_000).as_bytes());
    let cut = whole[..whole.len() / 2].to_vec();
    let error = failed(searched(answer(200, &[JSON, ("Content-Encoding", "gzip")], cut)).await);
    assert_eq!(error.kind, RequestErrorKind::Interrupted, "{error:?}");
    let steps = answer(200, &[JSON, ("Content-Encoding", "gzip")], PAGE);
    let error = failed(searched(steps).await);
    assert!(matches!(error.kind, RequestErrorKind::WrongShape { .. }), "{error:?}");
}

#[tokio::test]
async fn an_encoding_that_nobody_asked_for_is_named_and_any_other_word_there_is_passed_over() {
    for (named, encoding) in [("br", "br"), ("Zstd", "zstd"), ("deflate", "deflate")] {
        let steps = answer(200, &[JSON, ("Content-Encoding", named)], "\x1b\x03");
        let error = failed(searched(steps).await);
        let what = format!("it is compressed as {encoding}, where gzip alone was asked for");
        assert_eq!(error.kind, RequestErrorKind::WrongShape { what });
    }
    for named in ["identity", "UTF-8", ""] {
        let steps = answer(200, &[JSON, ("Content-Encoding", named)], large_page(10));
        assert_eq!(searched(steps).await.unwrap().total, 1, "{named}");
    }
}

#[tokio::test]
async fn an_answer_that_hangs_runs_into_the_right_time_out() {
    let cases = [
        (vec![ServerStep::Hang], TimeoutKind::Request),
        (vec![head(100), ServerStep::Hang], TimeoutKind::Idle),
        (vec![head(100), ServerStep::Send(b"{".to_vec()), ServerStep::Hang], TimeoutKind::Idle),
    ];
    for (steps, expected) in cases {
        let server = Server::start(move |_| steps.clone()).await;
        let mut setup = Setup::new(&server.url());
        setup.server.request_timeout = Duration::from_secs(6);
        setup.server.idle_timeout = Duration::from_secs(1);
        let error = failed(search_at(&setup).await);
        assert_eq!(error.kind, RequestErrorKind::Timeout(expected));
        assert!(error.remedy().is_some());
    }
}

#[tokio::test]
async fn a_dripping_answer_is_not_idle_but_ends_with_the_request_time() {
    let drip = [ServerStep::Send(b" ".to_vec()), ServerStep::Wait(Duration::from_millis(50))];
    let mut steps = vec![head(100_000)];
    steps.extend(drip.iter().cloned().cycle().take(2000));
    let server = Server::start(move |_| steps.clone()).await;
    let mut setup = Setup::new(&server.url());
    setup.server.request_timeout = Duration::from_secs(4);
    setup.server.idle_timeout = Duration::from_secs(3);
    let error = failed(search_at(&setup).await);
    assert_eq!(error.kind, RequestErrorKind::Timeout(TimeoutKind::Request));
    assert_eq!(error.status, Some(200));
}

#[tokio::test]
async fn a_slow_answer_within_its_time_is_read() {
    let (first, second) = PAGE.split_at(30);
    let steps = vec![
        ServerStep::Wait(Duration::from_secs(4)),
        head(PAGE.len()),
        ServerStep::Send(first.into()),
        ServerStep::Wait(Duration::from_millis(100)),
        ServerStep::Send(second.into()),
    ];
    let server = Server::start(move |_| steps.clone()).await;
    let mut setup = Setup::new(&server.url());
    // The server may think for longer than it may be silent in the middle of an answer.
    setup.server.idle_timeout = Duration::from_secs(3);
    assert_eq!(search_at(&setup).await.unwrap().total, 7);
}

#[tokio::test]
async fn a_connection_that_ends_early_is_an_interruption() {
    let cases = [
        vec![ServerStep::Close],
        vec![ServerStep::Send(b"HTTP/1.1 200 O".to_vec()), ServerStep::Close],
        vec![head(100), ServerStep::Close],
        vec![head(PAGE.len() + 1), ServerStep::Send(PAGE.into()), ServerStep::Close],
        vec![
            ServerStep::Send(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"st".to_vec(),
            ),
            ServerStep::Close,
        ],
    ];
    for steps in cases {
        let error = failed(searched(steps.clone()).await);
        assert_eq!(error.kind, RequestErrorKind::Interrupted, "{steps:?}: {error:?}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_of_the_wrong_shape() {
    let steps = vec![ServerStep::Send(b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec()), ServerStep::Close];
    let error = failed(searched(steps).await);
    let what = RequestErrorKind::WrongShape { what: "it is not HTTP".to_owned() };
    assert_eq!(error.kind, what);
}

#[tokio::test]
async fn no_server_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = failed(search_at(&Setup::new(&url)).await);
    assert_eq!(error.kind, RequestErrorKind::Connect);
    assert_eq!(error.status, None);
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    assert_eq!(error.to_string(), format!("search failed: no connection: {address}"));
    assert!(error.source().is_some());

    let error = failed(search_at(&Setup::new("http://no-such-host.invalid/")).await);
    assert_eq!(error.kind, RequestErrorKind::Connect);
}

#[tokio::test]
async fn a_connection_that_does_not_stand_in_time_is_named_so() {
    // Accepts, but never answers the TLS greeting: to the client the connection does not stand.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut setup = Setup::new(&format!("https://{}/", listener.local_addr().unwrap()));
    setup.server.connect_timeout = Duration::from_millis(200);
    let error = failed(search_at(&setup).await);
    assert_eq!(error.kind, RequestErrorKind::Timeout(TimeoutKind::Connect));
    assert!(error.remedy().unwrap().contains("server.connect_timeout"));
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = Server::start(|_| json(PAGE)).await;
    let client = Setup::new(&server.url()).client();
    for _ in 0..5 {
        client.search(&credentials(), &request()).await.unwrap();
    }
    assert_eq!(server.received().len(), 5);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn the_server_s_clock_is_compared_with_ours() {
    let silent = Server::start(|_| json(PAGE)).await;
    let client = Setup::new(&silent.url()).client();
    client.search(&credentials(), &request()).await.unwrap();
    assert_eq!(client.clock_ahead_s(), None);

    let an_hour = Duration::from_secs(3600);
    for (time, expected) in [(clock::now() + an_hour, 3600), (clock::now() - an_hour, -3600)] {
        let date = httpdate::fmt_http_date(time);
        let server = Server::start(move |_| answer(200, &[JSON, ("Date", &date)], PAGE)).await;
        let client = Setup::new(&server.url()).client();
        client.search(&credentials(), &request()).await.unwrap();
        let ahead = client.clock_ahead_s().unwrap();
        assert!((ahead - expected).abs() < 60, "{ahead}, not {expected}");
    }
}
