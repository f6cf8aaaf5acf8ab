//! Asking for one item: what each answer says of it, and how it is asked for.

use super::server::{Server, ServerStep, answer, head, json};
use super::verdicts::reply;
use super::*;
use crate::client::presence;
use crate::client::verdict::{Reply, Verdict};
use crate::domain::IdSet;
use crate::http::ForeignRedirect;

/// The verdict on a reply about item 5.
fn judged(reply: &Reply) -> Verdict<Presence> {
    presence::item(reply, &item_request())
}

/// Which of the items 5, 6 and 7 an answer with this status shows; `None`: it is a failure or a refusal.
fn shown(status: u16, body: &str) -> Option<IdSet> {
    let ItemRequest { repository, item_id, .. } = item_request();
    let items = (5..8).map(ItemId::Integer).collect();
    match presence::items(&reply(status, body), &ItemsRequest { repository, items, item_id }) {
        Verdict::Answer(shown) => Some(shown),
        _ => None,
    }
}

#[test]
fn of_several_items_those_count_that_the_answer_surely_shows() {
    for (body, expected) in [
        (r#"[{"itemId":7},{"itemId":5}]"#, vec![5, 7]),
        (r#"{"status":0,"data":[{"itemId":5},null,3,{"itemId":9},{"itemId":6}]}"#, vec![5, 6]),
        (r#"{"data":{"itemList":[{"itemId":5,"F_1":[{"itemId":6}]}]}}"#, vec![5]),
        (r#"{"success":true,"itemList":[{"itemId":5,"deleted":true},{"itemId":6}]}"#, vec![6]),
        (r#"{"status":0,"data":[{"itemId":5,"repositoryId":99}]}"#, vec![]),
        (r#"{"status":0,"data":{"repositoryId":99,"itemList":[{"itemId":5}]}}"#, vec![]),
        (r#"{"status":0,"data":[{"itemId":5,"success":false,"message":"no item"}]}"#, vec![]),
        (r#"{"data":[{"itemId":5,"status":"NOT_FOUND"},{"itemId":6,"F_1":"x"}]}"#, vec![6]),
        (r#"{"status":0,"data":[]}"#, vec![]),
        (r#"{"status":3,"data":[{"itemId":5}]}"#, vec![]),
        (r#"{"status":"0","data":[{"itemId":5}]}"#, vec![]),
        (r#"{"status":0,"errors":[{"itemId":5}]}"#, vec![]),
        ("5", vec![]),
    ] {
        let expected: Vec<ItemId> = expected.into_iter().map(ItemId::Integer).collect();
        assert_eq!(shown(200, body), Some(expected.iter().collect()), "{body}");
    }
    for status in [201, 400, 404, 500] {
        assert_eq!(shown(status, r#"[{"itemId":5}]"#), None, "{status}");
    }
    assert_eq!(shown(200, "<html><form action=login>"), None);
}

/// What a body with status 200 says of item 5.
fn said(body: &str) -> Presence {
    match judged(&reply(200, body)) {
        Verdict::Answer(presence) => presence,
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn an_item_is_there_wherever_it_stands() {
    for body in [
        r#"{"itemId":5}"#,
        r#"{"itemId":5,"status":"active","F_1":[{"itemId":6}]}"#,
        r#"{"itemId":5,"data":null,"itemList":[]}"#,
        r#"{"status":0,"data":{"itemId":5,"F_1":"x"}}"#,
        r#"{"data":{"F_1":"x", "itemId": 5 }}"#,
        r#"{"success":true,"status":null,"data":{"itemId":5}}"#,
        r#"{"status":0,"data":{"itemId":5},"epimresttoken":"t"}"#,
        r#"{"status":0,"data":[{"itemId":5}]}"#,
        r#"{"status":0,"data":[{"itemId":4},null,{"itemId":5}]}"#,
        r#"{"status":0,"data":{"itemList":[{"itemId":5}],"searchTotal":1,"returnTotal":1}}"#,
        r#"{"status":0,"itemList":[{"itemId":5}]}"#,
        r#"{"status":0,"data":{"item":{"itemId":5}}}"#,
        r#"{"status":0,"item":{"itemId":5}}"#,
        r#"{"status":0,"data":null,"item":{"itemId":5}}"#,
        r#"{"itemId":"request-7","status":0,"data":{"itemId":5}}"#,
    ] {
        assert_eq!(said(body), Presence::Present, "{body}");
    }
    let created = reply(201, r#"{"data":{"itemId":5}}"#);
    assert_eq!(judged(&created), Verdict::Answer(Presence::Present));
}

#[test]
fn an_item_is_gone_where_a_success_has_nothing_in_its_place() {
    let places = [
        r#""data":null"#,
        r#""data":{}"#,
        r#""data":{ }"#,
        r#""data":[]"#,
        r#""data":[ ]"#,
        r#""data":{"itemList":[]}"#,
        r#""data":{"itemList":null}"#,
        r#""data":{"itemList":[],"searchTotal":0,"returnTotal":0}"#,
        r#""data":{"item":null}"#,
        r#""itemList":[]"#,
        r#""item":null"#,
        r#""data":null,"itemList":[],"message":"no such item","epimresttoken":"t""#,
    ];
    for place in places {
        for said_so in [r#""status":0"#, r#""success":true"#, r#""success":true,"status":0"#] {
            let body = format!("{{{said_so},{place}}}");
            assert_eq!(said(&body), Presence::Absent, "{body}");
        }
        let body = format!("{{{place}}}");
        assert_eq!(said(&body), Presence::Unknown, "{body}: it does not say that it succeeded");
        for status in ["1", "404", "-1", "\"0\"", "0.0", "{}"] {
            let body = format!(r#"{{"success":true,"status":{status},{place}}}"#);
            assert_eq!(said(&body), Presence::Unknown, "{body}");
        }
        let partial = reply(206, &format!(r#"{{"status":0,{place}}}"#));
        assert_eq!(judged(&partial), Verdict::Answer(Presence::Unknown), "{place}");
    }
}

#[test]
fn an_item_that_is_deleted_or_in_another_repository_is_gone() {
    for body in [
        r#"{"itemId":5,"repositoryId":8}"#,
        r#"{"itemId":5,"repositoryId":"8"}"#,
        r#"{"status":0,"data":{"itemId":5,"deleted":true}}"#,
        r#"{"status":0,"data":{"itemId":5,"isDeleted":"true"}}"#,
        r#"{"status":0,"data":{"itemId":5,"status":"DELETED"}}"#,
        r#"{"itemId":5,"state":"deleted"}"#,
        r#"{"status":0,"data":{"repositoryId":8,"item":{"itemId":5}}}"#,
        r#"{"success":true,"data":{"deleted":true,"itemList":[{"itemId":5}]}}"#,
        r#"{"status":0,"data":[{"itemId":6},{"itemId":5,"itemStatus":"Deleted"}]}"#,
    ] {
        assert_eq!(said(body), Presence::Absent, "{body}");
        let partial = reply(206, body);
        assert_eq!(judged(&partial), Verdict::Answer(Presence::Unknown), "{body}");
    }
    for body in [
        r#"{"itemId":5,"repositoryId":10149}"#,
        r#"{"itemId":5,"repositoryId":"10149","deleted":false,"isDeleted":null,"status":"active"}"#,
        r#"{"itemId":5,"repositoryId":null,"state":"undeleted"}"#,
        r#"{"itemId":5,"repositoryId":{"id":8},"deleted":"no"}"#,
        r#"{"itemId":5,"F_1":{"deleted":true,"repositoryId":8}}"#,
        r#"{"status":0,"data":[{"itemId":6,"deleted":true},{"itemId":5}]}"#,
        r#"{"status":0,"data":[{"itemId":5,"deleted":true},{"itemId":5}]}"#,
        r#"{"status":0,"data":{"repositoryId":10149,"item":{"itemId":5}}}"#,
    ] {
        assert_eq!(said(body), Presence::Present, "{body}");
    }
    // An error says nothing of the item beside it.
    let body = r#"{"status":3,"data":{"itemId":5,"deleted":true}}"#;
    assert_eq!(said(body), Presence::Unknown);
}

#[test]
fn what_means_neither_is_unclear() {
    for body in [
        "",
        " \n",
        "null",
        "[]",
        "7",
        "{}",
        "nonsense",
        "<html><h1>It works!</h1>",
        r#"{"status":0,"data":{"itemId":5}"#,
        r#"{"status":0,"data":{}} {}"#,
        r#"[{"itemId":5}]"#,
        r#"{"status":0}"#,
        r#"{"success":true}"#,
        r#"{"status":0,"message":"no such item"}"#,
        r#"{"success":"true","data":null}"#,
        r#"{"status":0,"status":0,"data":null}"#,
        r#"{"status":0,"data":{"itemId":5},"data":null}"#,
        // Another item, or the same digits as text.
        r#"{"itemId":6}"#,
        r#"{"itemId":6,"status":0,"data":null}"#,
        r#"{"status":0,"data":{"itemId":6}}"#,
        r#"{"status":0,"data":{"itemId":"5"}}"#,
        r#"{"status":0,"data":{"itemId":6,"item":null}}"#,
        r#"{"status":0,"data":[{"itemId":6}]}"#,
        r#"{"status":0,"data":[null]}"#,
        r#"{"status":0,"data":[{}]}"#,
        r#"{"status":0,"data":{"itemList":[{"itemId":6}]}}"#,
        r#"{"status":0,"data":{"item":{}}}"#,
        r#"{"status":0,"data":{"item":{"itemId":6}}}"#,
        // Where the id should be is something else.
        r#"{"status":0,"data":{"itemId":null}}"#,
        r#"{"status":0,"data":{"itemId":5.5}}"#,
        r#"{"status":0,"data":{"id":5}}"#,
        r#"{"status":0,"data":5}"#,
        r#"{"status":0,"data":"none"}"#,
        r#"{"status":0,"data":false}"#,
        // What contradicts itself.
        r#"{"status":0,"data":{"itemList":[],"searchTotal":1,"returnTotal":0}}"#,
        r#"{"status":0,"data":{"itemList":[]},"itemList":[{"itemId":6}]}"#,
        // An error that repeats what was asked for.
        r#"{"status":3,"itemId":5}"#,
        r#"{"status":3,"data":{"itemId":5}}"#,
        r#"{"status":"3","data":{"itemId":5}}"#,
        r#"{"status":3,"message":"item not found"}"#,
    ] {
        assert_eq!(said(body), Presence::Unknown, "{body}");
    }
    let nested = format!("{{\"status\":0,\"data\":{}", "[".repeat(500_000));
    assert_eq!(said(&nested), Presence::Unknown);
}

#[test]
fn each_status_means_what_it_should() {
    let html = "<html><input type=password>";
    let there = r#"{"itemId":5}"#;
    let no = r#"{"success":false,"message":"no"}"#;
    let statuses = [300, 304, 400, 401, 403, 404, 405, 407, 408, 410, 414, 429, 500, 501, 502, 503];
    let rows = [
        ("", "UUURRGUFFGUFFUFF"),
        (there, "UUURRGUFFGUFFUFF"),
        (no, "UUURRGUFFGUFFUFF"),
        (html, "UUURRRUFFRUFFUFF"),
    ];
    for (body, expected) in rows {
        let letter = |status: &u16| match judged(&reply(*status, body)) {
            Verdict::Answer(Presence::Absent) => 'G',
            Verdict::Answer(Presence::Unknown) => 'U',
            Verdict::Refused(..) => 'R',
            Verdict::Failed(RequestErrorKind::Status) => 'F',
            other => panic!("{status} {body}: {other:?}"),
        };
        assert_eq!(statuses.iter().map(letter).collect::<String>(), expected, "{body}");
    }
    let signed_out = [reply(200, html), reply(200, no), reply(206, no)];
    for reply in signed_out {
        assert!(matches!(judged(&reply), Verdict::Refused(..)), "{reply:?}");
    }
    for status in [200, 302, 404, 410, 500] {
        let foreign_redirect = Some(ForeignRedirect { target: None, sign_in: true });
        let away = Reply { foreign_redirect, ..reply(status, there) };
        assert!(matches!(judged(&away), Verdict::Refused(RefusalShape::Redirected, None)));
    }
}

async fn asked(url: &str, item: ItemId) -> Result<Presence, Failure> {
    let request = ItemRequest { item, ..item_request() };
    Setup::new(url).client().item(&credentials(), &request).await
}

#[tokio::test]
async fn an_item_is_asked_for_by_its_id_as_one_segment_of_the_path() {
    let server = Server::start(|_| json(r#"{"itemId":5}"#)).await;
    let base = format!("{}pim/", server.url());
    assert_eq!(asked(&base, ItemId::Integer(5)).await.unwrap(), Presence::Present);
    let ids = [
        ("5", "5"),
        ("a/b", "a%2Fb"),
        ("a\\b", "a%5Cb"),
        ("../x", "..%2Fx"),
        ("...", "..."),
        ("%2e", "%252e"),
        ("a?b#c", "a%3Fb%23c"),
        ("a\tb\r\nc\0", "a%09b%0D%0Ac%00"),
        (" ä ", "%20%C3%A4%20"),
        ("A-z_0.9~", "A-z_0.9~"),
    ];
    for (id, _) in ids {
        assert_eq!(asked(&base, ItemId::Text(id.into())).await.unwrap(), Presence::Unknown);
    }
    let received = server.received();
    assert_eq!(received[0].method, "GET");
    assert_eq!(received[0].target, "/pim/webcm/rest/api/items/5");
    assert_eq!(received[0].header("ewtoken"), Some(SESSION_TOKEN));
    assert_eq!(received[0].header("epimresttoken"), Some(REST_TOKEN));
    let segments: Vec<_> =
        received[1..].iter().map(|it| it.target.rsplit('/').next().unwrap()).collect();
    assert_eq!(segments, ids.map(|(_, segment)| segment));

    for id in ["", ".", ".."] {
        assert_eq!(asked(&base, ItemId::Text(id.into())).await.unwrap(), Presence::Unknown);
    }
    assert_eq!(server.received().len(), received.len(), "these cannot be asked for");
}

#[tokio::test]
async fn an_answer_that_does_not_come_whole_is_a_failure_and_one_too_large_is_unclear() {
    let item = ItemId::Integer(5);
    let cut = vec![head(100), ServerStep::Send(br#"{"itemId":5"#.to_vec()), ServerStep::Close];
    for steps in [cut, vec![ServerStep::Close], answer(503, &[("Retry-After", "7")], "")] {
        let server = Server::start(move |_| steps.clone()).await;
        let error = failed(asked(&server.url(), item.clone()).await);
        assert_eq!(error.endpoint, ApiEndpoint::Item);
    }
    let server = Server::start(|_| vec![head(usize::MAX >> 1)]).await;
    assert_eq!(asked(&server.url(), item.clone()).await.unwrap(), Presence::Unknown);
    let server = Server::start(|_| answer(401, &[], "")).await;
    assert_eq!(refused(asked(&server.url(), item).await).endpoint, ApiEndpoint::Item);
}

#[tokio::test]
async fn the_look_alike_is_understood_in_each_of_its_moods() {
    use crate::simulator::{Options, RepositoryOptions, start};
    let repositories = vec![RepositoryOptions { id: 10_149, items: 1 }];
    let simulator = start(Options { repositories, ..Options::default() }).await.unwrap();
    let mut setup = Setup::new(&simulator.url());
    setup.login.password = Secret::new("system");
    let client = setup.client();
    let tokens = client.login().await.unwrap();
    let credentials = Credentials { tokens, ..credentials() };

    let repository_list = client.repositories(&credentials).await.unwrap();
    assert_eq!(
        (repository_list.repositories[0].id, repository_list.skipped),
        (RepositoryId(10_149), 0)
    );
    let search = SearchRequest { page: 1, ..request() };
    let there = client.search(&credentials, &search).await.unwrap().items.remove(0).id;
    let gone = ItemId::Integer(1);
    for (mode, of_there, of_gone) in [
        ("honest", Presence::Present, Presence::Absent),
        ("not-found", Presence::Absent, Presence::Absent),
        ("html", Presence::Unknown, Presence::Unknown),
        ("status", Presence::Unknown, Presence::Unknown),
    ] {
        set_items_call(simulator.address(), mode).await;
        for (item, expected) in [(&there, of_there), (&gone, of_gone)] {
            let request = ItemRequest { item: item.clone(), ..item_request() };
            let presence = client.item(&credentials, &request).await.unwrap();
            assert_eq!(presence, expected, "{mode} {item}");
        }
    }
    set_items_call(simulator.address(), "error").await;
    assert_eq!(failed(client.item(&credentials, &item_request()).await).status, Some(500));
    simulator.stop().await;
}

/// Tells the look-alike how to answer for one item.
async fn set_items_call(simulator: std::net::SocketAddr, mode: &str) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let body = format!(r#"{{"mode":"{mode}"}}"#);
    let head = format!("POST /simulator/items-call HTTP/1.0\r\nContent-Length: {}", body.len());
    let mut stream = tokio::net::TcpStream::connect(simulator).await.unwrap();
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
}
