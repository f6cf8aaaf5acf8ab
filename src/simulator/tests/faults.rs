//! Every fault as it looks from the other end of the connection.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::super::SimulatedFault;
use super::*;

async fn queue(client: &Client, endpoint: &str, kind: &str) {
    let fault = json!([{"endpoint": endpoint, "kind": kind}]);
    let got = client.post("/simulator/faults", &fault).await;
    assert_eq!(got.json(), json!({"queued": 1}), "{kind}");
}

/// A search hit by this fault, and the proof that the next one is not.
async fn hit(client: &Client, kind: &str) -> io::Result<Got> {
    queue(client, "search", kind).await;
    let body = json!({"repositoryId": 10_149, "page": 2, "pageSize": 60});
    let got = client.ask("POST", SEARCH, &body).await;
    let next = client.search(2, 60).await.json();
    assert_eq!(next["data"]["returnTotal"], 60, "after {kind}");
    got
}

#[tokio::test]
async fn a_refusal_has_the_shape_asked_for_and_the_session_lives_on() {
    let client = Client::signed_in(options(200)).await;
    assert_eq!(hit(&client, "refuse-401").await.unwrap().status, 401);
    assert_eq!(hit(&client, "refuse-403").await.unwrap().status, 403);
    assert_eq!(hit(&client, "refuse-success").await.unwrap().json()["success"], false);
    let status = hit(&client, "refuse-status").await.unwrap().json();
    assert!(status["status"] != 0 && status.get("data").is_none());
    let html = hit(&client, "refuse-html").await.unwrap();
    assert!(html.status == 200 && html.header("content-type").unwrap().starts_with("text/html"));
    let redirect = hit(&client, "refuse-redirect").await.unwrap();
    assert_eq!((redirect.status, redirect.header("location")), (302, Some("/webcm/login")));
    let page = client.get("/webcm/login").await;
    assert_eq!(page.body, html.body);
}

#[tokio::test]
async fn any_refusal_takes_all_shapes() {
    let refusal = None;
    let client = Client::new(Options { refusal, ..options(1) }).await;
    let mut shapes = BTreeSet::new();
    for _ in 0..100 {
        let got = client.search(1, 1).await;
        shapes.insert((got.status, got.body));
    }
    assert_eq!(shapes.len(), SimulatedRefusal::ALL.len());
}

#[tokio::test]
async fn errors_have_their_status_and_tell_when_to_come_back() {
    let client = Client::signed_in(options(200)).await;
    for (kind, status) in [("e500", 500), ("e502", 502), ("e503", 503), ("e429", 429)] {
        let got = hit(&client, kind).await.unwrap();
        assert_eq!(got.status, status);
        assert_eq!(kind == "e429", status == 429 && got.header("retry-after").is_some());
    }
}

#[tokio::test]
async fn a_dropped_answer_ends_the_connection_without_a_byte() {
    let client = Client::signed_in(options(200)).await;
    let error = hit(&client, "drop").await.unwrap_err();
    let kinds = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
    assert!(kinds.contains(&error.kind()), "{error}");
    assert_eq!(client.counts().pages, 2, "the answer was lost after the work");
}

#[tokio::test]
async fn a_truncated_answer_ends_in_the_middle() {
    let client = Client::signed_in(options(200)).await;
    queue(&client, "search", "truncate").await;
    let body = json!({"repositoryId": 10_149, "page": 1, "pageSize": 60});
    let mut stream = client.send("POST", SEARCH, &body).await.unwrap();
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).await.unwrap();
    let whole = client.search(1, 60).await.body;
    assert!(raw.ends_with(&whole[..whole.len() / 2]), "half of the answer came");
    let head = String::from_utf8_lossy(&raw[..200]).to_lowercase();
    assert!(head.contains(&format!("content-length: {}", whole.len())), "{head}");
}

#[tokio::test]
async fn a_slow_answer_comes_in_the_end() {
    let slow = Duration::from_millis(20);
    let client = Client::signed_in(Options { slow, ..options(200) }).await;
    let got = hit(&client, "slow").await.unwrap();
    assert_eq!(got.body, client.search(2, 60).await.body);
}

#[tokio::test]
async fn a_hanging_request_is_let_go_when_the_client_gives_up() {
    let client = Client::signed_in(options(200)).await;
    queue(&client, "search", "hang").await;
    let body = json!({"repositoryId": 10_149, "page": 1, "pageSize": 60});
    let stream = client.send("POST", SEARCH, &body).await.unwrap();
    while client.searches_under_way() == 0 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    while client.searches_under_way() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.counts().faults["hang"], 1);
}

#[tokio::test]
async fn a_hanging_request_does_not_hold_up_the_stop() {
    let client = Client::signed_in(options(200)).await;
    queue(&client, "search", "hang").await;
    let body = json!({"repositoryId": 10_149, "page": 1, "pageSize": 60});
    let mut stream = client.send("POST", SEARCH, &body).await.unwrap();
    while client.searches_under_way() == 0 {
        tokio::task::yield_now().await;
    }
    client.simulator.stop().await;
    let mut raw = Vec::new();
    // An end or a reset: either way nothing came.
    drop(stream.read_to_end(&mut raw).await);
    assert!(raw.is_empty());
}

#[tokio::test]
async fn garbage_is_never_an_answer() {
    let client = Client::signed_in(options(200)).await;
    for _ in 0..20 {
        let got = hit(&client, "garbage").await.unwrap();
        assert_eq!(got.status, 200);
        let list = serde_json::from_slice::<Value>(&got.body)
            .ok()
            .and_then(|value| value["data"]["itemList"].as_array().cloned());
        assert_eq!(list, None);
    }
}

#[tokio::test]
async fn a_short_page_claims_more_than_it_carries() {
    let client = Client::signed_in(options(200)).await;
    let data = hit(&client, "short").await.unwrap().json()["data"].clone();
    assert_eq!(data["returnTotal"], 60);
    assert_eq!(data["itemList"].as_array().unwrap().len(), 40);
}

#[tokio::test]
async fn a_capped_page_has_the_window_of_its_own_size() {
    let client = Client::signed_in(options(200)).await;
    let all = client.search(1, 200).await.json()["data"]["itemList"].clone();
    let data = hit(&client, "cap").await.unwrap().json()["data"].clone();
    assert_eq!(data["returnTotal"], 50);
    assert_eq!(data["itemList"][0], all[50], "the second page of fifty");
    queue(&client, "search", "cap").await;
    let data = client.search(3, 25).await.json()["data"].clone();
    assert_eq!((&data["returnTotal"], &data["itemList"][0]), (&json!(20), &all[40]));
}

#[tokio::test]
async fn a_repeated_page_is_the_one_before() {
    let client = Client::signed_in(options(200)).await;
    let first = client.search(1, 60).await.body;
    let second = hit(&client, "repeat").await.unwrap().body;
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_huge_answer_goes_on_as_long_as_somebody_reads() {
    let client = Client::signed_in(options(200)).await;
    queue(&client, "search", "huge").await;
    let body = json!({"repositoryId": 10_149, "page": 1, "pageSize": 60});
    let mut stream = client.send("POST", SEARCH, &body).await.unwrap();
    let mut read = 0;
    let mut buffer = vec![0; 1 << 16];
    while read < 4 << 20 {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "ended after {read} bytes");
        read += count;
    }
}

#[tokio::test]
async fn logins_can_be_hit_too_and_a_lost_login_has_been_made() {
    let mut client = Client::new(options(1)).await;
    queue(&client, "login", "drop").await;
    let body = json!({"login": "system", "password": "system"});
    client.ask("POST", LOGIN, &body).await.unwrap_err();
    assert_eq!(client.counts().logins, 1);
    queue(&client, "login", "refuse-success").await;
    assert_eq!(client.post(LOGIN, &body).await.json()["success"], false);
    client.sign_in().await;
}

#[tokio::test]
async fn faults_of_the_options_befall_searches_and_let_the_login_be() {
    let faults = vec![(SimulatedFault::Refuse(Some(SimulatedRefusal::Forbidden)), 1.0)];
    let client = Client::signed_in(Options { faults, ..options(5) }).await;
    assert_eq!(client.search(1, 5).await.status, 403);
    assert_eq!(client.counts().refusals, 0, "the session was good");
}

#[tokio::test]
async fn searches_under_way_at_once_are_counted() {
    let client = Client::signed_in(options(5)).await;
    let hang = json!([{"endpoint": "search", "kind": "hang", "times": 2}]);
    client.post("/simulator/faults", &hang).await;
    let body = json!({"repositoryId": 10_149, "page": 1, "pageSize": 5});
    let _first = client.send("POST", SEARCH, &body).await.unwrap();
    let _second = client.send("POST", SEARCH, &body).await.unwrap();
    while client.searches_under_way() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.search(1, 5).await.status, 200);
    assert_eq!(client.counts().searches_at_once, 3);
}

#[tokio::test]
async fn faults_by_chance_can_be_set_and_lifted_at_the_door() {
    let client = Client::signed_in(options(5)).await;
    client.post("/simulator/odds", &json!({"e500": 1.0})).await;
    assert_eq!(client.search(1, 5).await.status, 500);
    client.post("/simulator/odds", &json!({"e502": 1.0})).await;
    assert_eq!(client.search(1, 5).await.status, 502);
    client.post("/simulator/odds", &json!({})).await;
    assert_eq!(client.search(1, 5).await.status, 200);
    assert_eq!(
        client.get("/simulator/counts").await.json()["faults"],
        json!({"e500": 1, "e502": 1})
    );
}

#[tokio::test]
async fn doors_say_what_is_wrong_with_a_request() {
    let client = Client::new(options(5)).await;
    for (call_name, body) in [
        ("faults", json!([{"endpoint": "login", "kind": "short"}])),
        ("faults", json!([{"endpoint": "search", "kind": "shorts"}])),
        ("faults", json!([{"endpoint": "search", "kind": "short", "time": 2}])),
        ("odds", json!({"hang": 2})),
        ("churn", json!({"insert_rate": -1})),
        ("edit", json!({"repository": 10_149, "delete": [1]})),
        ("edit", json!({"repository": 10_149, "insert": 1, "at": 0})),
    ] {
        let got = client.post(&format!("/simulator/{call_name}"), &body).await;
        assert_eq!(got.status, 400, "{body}");
        assert!(got.json()["message"].as_str().unwrap().len() > 10);
    }
    assert_eq!(client.post("/simulator/edit", &json!({"repository": 1})).await.status, 404);
    assert_eq!(client.post("/simulator/window", &NO_BODY).await.status, 404);
}

#[tokio::test]
async fn items_move_while_nobody_looks_until_they_are_frozen() {
    let client = Client::signed_in(options(50)).await;
    client.post("/simulator/churn", &json!({"insert_rate": 100_000, "update_rate": 0})).await;
    while client.counts().inserted == 0 {
        tokio::task::yield_now().await;
    }
    client.post("/simulator/freeze", &NO_BODY).await;
    let counts = client.counts();
    let total = client.search(1, 1).await.json()["data"]["searchTotal"].clone();
    assert_eq!(total, json!(50 + counts.inserted));
    assert_eq!(client.counts().inserted, counts.inserted);
}

#[tokio::test]
async fn pages_can_be_empty_or_too_long_and_totals_can_lie() {
    let client = Client::signed_in(options(200)).await;
    for (kind, items, returned, total) in [
        ("empty", 0, 0, 200),
        ("excess", 61, 61, 200),
        ("less", 60, 60, 100),
        ("more", 60, 60, 1200),
    ] {
        let data = hit(&client, kind).await.unwrap().json()["data"].clone();
        assert_eq!(data["itemList"].as_array().unwrap().len(), items, "{kind}");
        assert_eq!((&data["returnTotal"], &data["searchTotal"]), (&returned.into(), &total.into()));
    }
}
