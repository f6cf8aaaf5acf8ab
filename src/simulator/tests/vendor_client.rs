//! The loop of the vendor's example client, told in our own words: what people run today must run
//! against the look-alike.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

/// What the loop does between two pages, where the vendor's example sleeps.
enum Between {
    Nothing,
    /// All sessions end after every third page.
    SessionsEnd,
}

/// What the loop has seen.
#[derive(Default)]
struct Seen {
    ids: BTreeSet<u64>,
    pages: u64,
    logins: u64,
    rest_tokens: BTreeSet<String>,
}

/// One pass: asks `reauth` before every page, signs in when it says no, sends along the REST token
/// of the last answer that had one, and goes on while the announced total promises more.
async fn one_pass(client: &mut Client, size: u64, between: Between) -> Seen {
    let mut seen = Seen::default();
    for page in 1.. {
        let alive = client.get(REAUTH).await.json();
        if alive["success"] != json!(true) {
            // Forgets the REST token of the session before.
            client.sign_in().await;
            seen.logins += 1;
        }
        let got = client.search(page, size).await.json();
        if let Some(Value::String(token)) = got.get("epimresttoken") {
            client.headers.insert("epimresttoken", token.clone());
            seen.rest_tokens.insert(token.clone());
        }
        let data = &got["data"];
        for item in data["itemList"].as_array().expect("the search was answered") {
            seen.ids.insert(item["itemId"].as_u64().unwrap());
        }
        seen.pages += 1;
        let more = data["searchTotal"].as_u64().unwrap() > size * page
            && data["returnTotal"].as_u64() == Some(size);
        if !more {
            break;
        }
        if matches!(between, Between::SessionsEnd) && page % 3 == 0 {
            client.post("/simulator/end-sessions", &NO_BODY).await;
        }
    }
    seen
}

#[tokio::test]
async fn it_signs_in_and_sees_every_item() {
    let mut client = Client::new(options(1_003)).await;
    let seen = one_pass(&mut client, 20, Between::Nothing).await;
    assert_eq!((seen.ids.len(), seen.pages, seen.logins), (1_003, 51, 1));
    assert_eq!(seen.rest_tokens.len(), 0, "the first one lives for half an hour");
    assert_eq!(client.counts().reauths, 51);
}

#[tokio::test]
async fn it_picks_up_rest_tokens_and_signs_in_again_when_the_session_ends() {
    let rest_token_ttl = std::time::Duration::ZERO;
    let mut client = Client::new(Options { rest_token_ttl, ..options(200) }).await;
    let seen = one_pass(&mut client, 20, Between::SessionsEnd).await;
    assert_eq!((seen.ids.len(), seen.pages), (200, 10));
    assert_eq!(seen.logins, 4, "at first, and after pages 3, 6 and 9");
    assert_eq!(seen.rest_tokens.len(), 10, "every answer announced another one");
    let counts = client.counts();
    assert_eq!((counts.logins, counts.rest_tokens_renewed, counts.refusals), (4, 10, 0));
}

#[tokio::test]
async fn a_client_that_keeps_an_old_rest_token_is_refused() {
    let rest_token_ttl = std::time::Duration::ZERO;
    let mut client = Client::signed_in(Options { rest_token_ttl, ..options(5) }).await;
    let first = client.search(1, 5).await.json()["epimresttoken"].clone();
    client.headers.insert("epimresttoken", first.as_str().unwrap().to_owned());
    let second = client.search(1, 5).await.json()["epimresttoken"].clone();
    assert_ne!(first, second);
    assert_eq!(client.search(1, 5).await.status, 401);
    assert_eq!(client.get(REAUTH).await.json()["success"], true, "the session itself lives on");
}
