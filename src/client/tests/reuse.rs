//! Connections that the server closed while they were idle.

use std::collections::HashSet;
use std::sync::Mutex;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::server::{Received, receive};
use super::*;

/// A server that answers so many requests on a connection and then, when the next one comes, closes
/// it without a word: to a client, the same as one that closes it just before. Tells what it
/// received on which connection.
async fn closing(answers: usize) -> (String, Arc<Mutex<Vec<(usize, Received)>>>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    let kept = Arc::clone(&log);
    tasks.spawn(async move {
        let mut tasks = JoinSet::new();
        for connection in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let log = Arc::clone(&kept);
            tasks.spawn(async move {
                let mut answered = 0;
                while let Some(received) = receive(&mut stream).await {
                    log.lock().unwrap().push((connection, received));
                    if answered == answers {
                        return;
                    }
                    answered += 1;
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", PAGE.len());
                    drop(stream.write_all(format!("{head}{PAGE}").as_bytes()).await);
                }
            });
        }
    });
    (url, log, tasks)
}

#[tokio::test]
async fn a_request_on_a_connection_that_was_closed_while_idle_goes_out_again_on_a_new_one() {
    let (url, log, _tasks) = closing(1).await;
    let client = Setup::new(&url).client();
    for _ in 0..5 {
        client.search(&credentials(), &request()).await.unwrap();
    }
    let log = log.lock().unwrap();
    // The same request twice in a row, and the second time on a connection of its own.
    let (first, again) = (&log[1], &log[2]);
    assert_eq!(first.1.body, again.1.body);
    assert_eq!((first.0, again.0), (0, 1));
}

#[tokio::test]
async fn several_connections_that_were_closed_at_once_are_no_failure() {
    let (url, log, _tasks) = closing(1).await;
    let client = Arc::new(Setup::new(&url).client());
    for _ in 0..3 {
        let mut tasks = JoinSet::new();
        for _ in 0..8 {
            let client = Arc::clone(&client);
            tasks.spawn(async move { client.search(&credentials(), &request()).await });
        }
        while let Some(searched) = tasks.join_next().await {
            searched.unwrap().unwrap();
        }
    }
    let connections: HashSet<_> = log.lock().unwrap().iter().map(|(at, _)| *at).collect();
    assert!(connections.len() > 8, "no connection was closed: the test proves nothing");
}

#[tokio::test]
async fn a_server_that_closes_every_connection_is_a_failure_after_one_try() {
    let (url, log, _tasks) = closing(0).await;
    let client = Setup::new(&url).client();
    let error = failed(client.search(&credentials(), &request()).await);
    assert_eq!(error.kind, RequestErrorKind::Interrupted);
    assert!(error.remedy().unwrap().contains("https://"), "a port for TLS does the same");
    assert_eq!(log.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_that_dies_behind_an_idle_connection_is_a_failure_after_one_more_try() {
    let (url, log, tasks) = closing(1).await;
    let client = Setup::new(&url).client();
    client.search(&credentials(), &request()).await.unwrap();
    drop(tasks);
    let error = failed(client.search(&credentials(), &request()).await);
    let gone = [RequestErrorKind::Connect, RequestErrorKind::Interrupted];
    assert!(gone.contains(&error.kind), "{error:?}");
    assert_eq!(log.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_login_is_never_sent_twice() {
    let (url, log, _tasks) = closing(1).await;
    let client = Setup::new(&url).client();
    client.search(&credentials(), &request()).await.unwrap();
    // What it answers is no login's answer, but an answer.
    failed(client.login().await);
    let log = log.lock().unwrap();
    let logins: Vec<_> = log.iter().filter(|(_, it)| it.target.ends_with("/login")).collect();
    assert_eq!(logins.len(), 1);
    assert_eq!(logins[0].0, 1, "on a connection of its own");
}
