//! The control calls that make a list lie, a call be missing, or members change their places.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::simulator::SimulatedEndpoint;

const ITEM: &str = "/webcm/rest/api/items";

/// All items as they really are.
async fn oracle(client: &Client) -> Vec<Value> {
    let body = client.get("/simulator/items?repository=10149").await.body;
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// The items that a search shows, and the total that it announces.
async fn searched(client: &Client) -> (Vec<Value>, u64) {
    let data = client.search(1, 100_000).await.json()["data"].clone();
    let items = data["itemList"].as_array().unwrap().clone();
    assert_eq!(data["returnTotal"], items.len());
    (items, data["searchTotal"].as_u64().unwrap())
}

async fn counted(client: &Client) -> u64 {
    let count = json!({"repositoryId": 10_149});
    let counted = client.post("/webcm/rest/api/items/count", &count).await.json();
    counted["data"].as_u64().unwrap()
}

async fn call_name(client: &Client, name: &str, body: Value) -> Value {
    let got = client.post(&format!("/simulator/{name}"), &body).await;
    assert_eq!(got.status, 200, "{name} {body}: {}", got.json());
    got.json()
}

#[tokio::test]
async fn a_hidden_item_is_in_no_search_but_still_there() {
    let client = Client::signed_in(options(10)).await;
    let all = oracle(&client).await;
    let ids = [all[2]["itemId"].clone(), all[7]["itemId"].clone()];
    let hide = json!({"repository": 10_149, "ids": ids});
    assert_eq!(call_name(&client, "hide", hide.clone()).await, json!({"shown": 8}));
    call_name(&client, "hide", hide).await;

    let (shown, total) = searched(&client).await;
    assert_eq!((shown.len(), total, counted(&client).await), (8, 8, 8));
    assert!(shown.iter().all(|item| !ids.contains(&item["itemId"])));
    let second = client.search(2, 3).await.json()["data"]["itemList"].clone();
    assert_eq!(second[0], all[4], "the others close up");
    assert_eq!(oracle(&client).await, all);
    assert_eq!(client.get(&format!("{ITEM}/{}", ids[0])).await.json()["data"], all[2]);

    let show = json!({"repository": 10_149, "ids": [ids[0]]});
    assert_eq!(call_name(&client, "show", show).await, json!({"shown": 9}));
    let gone = json!({"repository": 10_149, "delete": [ids[1]]});
    call_name(&client, "edit", gone).await;
    assert_eq!(searched(&client).await.1, 9, "a hidden item can be deleted");
    call_name(&client, "hide", json!({"repository": 10_149, "ids": [ids[0]]})).await;
    let show = json!({"repository": 10_149});
    assert_eq!(call_name(&client, "show", show).await, json!({"shown": 9}));
    assert_eq!(searched(&client).await.0, oracle(&client).await);

    for (name, repository, id) in [("hide", 10_149, 1), ("show", 10_149, 1), ("hide", 5, 1)] {
        let wrong = json!({"repository": repository, "ids": [id]});
        let got = client.post(&format!("/simulator/{name}"), &wrong).await;
        assert!(matches!(got.status, 400 | 404), "{name}");
    }
}

#[tokio::test]
async fn a_repository_can_look_empty_while_its_items_are_there() {
    let client = Client::signed_in(options(10)).await;
    let all = oracle(&client).await;
    let empty = |on: bool| json!({"repository": 10_149, "on": on});
    assert_eq!(call_name(&client, "empty", empty(true)).await, json!({"shown": 0}));
    assert_eq!((searched(&client).await, counted(&client).await), ((vec![], 0), 0));
    assert_eq!(oracle(&client).await, all);
    assert_eq!(client.get(&format!("{ITEM}/{}", all[3]["itemId"])).await.json()["data"], all[3]);
    call_name(&client, "empty", empty(false)).await;
    assert_eq!(searched(&client).await, (all, 10));
}

#[tokio::test]
async fn the_call_for_one_item_answers_as_it_is_told() {
    let client = Client::signed_in(options(3)).await;
    let item = oracle(&client).await[1].clone();
    let path = format!("{ITEM}/{}", item["itemId"]);
    for (mode, status) in [("not-found", 404), ("html", 200), ("status", 200), ("error", 500)] {
        assert_eq!(call_name(&client, "items-call", json!({"mode": mode})).await, json!({}));
        let got = client.get(&path).await;
        assert_eq!(got.status, status, "{mode}");
        let html = got.header("content-type").unwrap().starts_with("text/html");
        assert_eq!(html, matches!(mode, "not-found" | "html"), "{mode}");
        if mode == "status" {
            assert_eq!(got.json()["status"], 1);
            assert!(got.json().get("data").is_none());
        }
        assert_eq!(searched(&client).await.1, 3, "{mode}: searches go on");
    }
    call_name(&client, "items-call", json!({"mode": "honest"})).await;
    assert_eq!(client.get(&path).await.json()["data"], item);
    assert_eq!(client.get(&format!("{ITEM}/1")).await.status, 404);
    let unknown = client.post("/simulator/items-call", &json!({"mode": "rude"})).await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn members_can_change_their_places_and_nothing_else() {
    let client = Client::signed_in(options(20)).await;
    let (first, all) = (client.search(1, 20).await.body, oracle(&client).await);
    call_name(&client, "reorder", json!({"on": true})).await;
    let mut seen = BTreeSet::from([first.clone()]);
    for _ in 0..3 {
        let got = client.search(1, 20).await;
        assert_eq!(got.json()["data"]["itemList"], json!(all));
        assert_eq!(got.body.len(), first.len());
        assert!(seen.insert(got.body), "each answer has orders of its own");
    }
    let path = format!("{ITEM}/{}", all[0]["itemId"]);
    let (one, two) = (client.get(&path).await, client.get(&path).await);
    assert_eq!((&one.json()["data"], &two.json()["data"]), (&all[0], &all[0]));
    assert_ne!(one.body, two.body);
    assert_eq!(oracle(&client).await, all);
    call_name(&client, "reorder", json!({"on": false})).await;
    assert_eq!(client.search(1, 20).await.body, first);
}

#[tokio::test]
async fn the_first_items_can_be_cleared_by_number_or_by_part() {
    let client = Client::signed_in(options(100)).await;
    let all = oracle(&client).await;
    call_name(&client, "edit", json!({"repository": 10_149, "clear": 10})).await;
    assert_eq!(oracle(&client).await, all[10..]);
    call_name(&client, "edit", json!({"repository": 10_149, "clear": 0.75})).await;
    assert_eq!(oracle(&client).await, all[78..], "68 of 90: rounded up");
    assert_eq!(client.counts().deleted, 78);
    let got =
        call_name(&client, "edit", json!({"repository": 10_149, "clear": 1.0, "insert": 2})).await;
    let left: Vec<Value> = oracle(&client).await.iter().map(|it| it["itemId"].clone()).collect();
    assert_eq!(got["inserted"], json!(left));
    call_name(&client, "edit", json!({"repository": 10_149, "clear": 99})).await;
    assert_eq!(searched(&client).await, (vec![], 0));
    for wrong in [json!(-1), json!(1.5), json!("all")] {
        let wrong = json!({"repository": 10_149, "clear": wrong});
        assert_eq!(client.post("/simulator/edit", &wrong).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_held_request_waits_for_its_release_and_meets_what_is_queued_meanwhile() {
    let client = Client::signed_in(options(10)).await;
    call_name(&client, "hold", json!({"endpoint": "search", "after": 1})).await;
    assert_eq!(client.search(1, 5).await.status, 200);
    let search = json!({"endpoint": "search"});
    assert_eq!(call_name(&client, "release", search.clone()).await, json!({"released": false}));
    let (held, ()) = tokio::join!(client.search(1, 5), async {
        while client.counts().held == 0 {
            tokio::task::yield_now().await;
        }
        let answer = json!({"status": 418, "headers": {"x-tea": "yes"}, "body": "short and stout"});
        let fault = json!([{"endpoint": "search", "kind": "canned", "answer": answer}]);
        call_name(&client, "faults", fault).await;
        assert_eq!(call_name(&client, "release", search).await, json!({"released": true}));
    });
    assert_eq!((held.status, held.header("x-tea")), (418, Some("yes")));
    assert_eq!(held.body, b"short and stout");
    assert_eq!(client.counts().calls[&SimulatedEndpoint::Search], 2);
}
