//! Searching, and what counts as a refusal of it.

use serde_json::Value;

use super::server::{Server, answer, json};
use super::*;

#[tokio::test]
async fn a_page_comes_back_byte_for_byte() {
    let server = Server::start(|_| json(PAGE)).await;
    let answer = search_at(&Setup::new(&server.url())).await.unwrap();
    assert_eq!(answer.total, 7);
    assert_eq!(answer.rest_token, None);
    let items: Vec<_> = answer.items.iter().map(|item| (&item.id, &item.bytes[..])).collect();
    let expected: [(_, &[u8]); 2] = [
        (&ItemId::Integer(1), br#"{"itemId":1,"F_2": "a"}"#),
        (&ItemId::Integer(2), br#"{"itemId":2}"#),
    ];
    assert_eq!(items, expected);

    let search = &server.received()[0];
    assert_eq!(search.method, "POST");
    assert_eq!(search.target, "/webcm/rest/api/items/search");
    assert_eq!(search.body, br#"{"repositoryId":10149,"page":3,"pageSize":20}"#);
    assert_eq!(search.header("ewtoken"), Some(SESSION_TOKEN));
    assert_eq!(search.header("epimresttoken"), Some(REST_TOKEN));
    assert_eq!(search.header("content-type"), Some("application/json"));
    assert_eq!(search.header("accept-encoding"), Some("gzip"));
}

#[tokio::test]
async fn conditions_pass_through_but_never_replace_the_window() {
    let server = Server::start(|_| json(PAGE)).await;
    let conditions = serde_json::json!({
        "page": 99, "savedSetId": 7, "pageSize": 1, "where": {"F_1": ["ä", null, 1.50]},
        "repositoryId": 1, "getCodeSetDescInd": true
    });
    let Value::Object(conditions) = conditions else { panic!("an object") };
    let mut request = request();
    request.conditions = Arc::new(conditions.clone());
    Setup::new(&server.url()).client().search(&credentials(), &request).await.unwrap();
    let sent = String::from_utf8(server.received()[0].body.clone()).unwrap();
    assert!(sent.starts_with(r#"{"repositoryId":10149,"page":3,"pageSize":20,"#), "{sent}");
    assert_eq!(sent.matches("repositoryId").count(), 1);
    let mut expected = conditions;
    expected.insert("page".into(), 3.into());
    expected.insert("pageSize".into(), 20.into());
    expected.insert("repositoryId".into(), 10149.into());
    assert_eq!(server.received()[0].json(), Value::Object(expected));
}

#[tokio::test]
async fn a_new_rest_token_is_handed_on() {
    let page = |token: &str| PAGE.replacen('{', &format!(r#"{{"epimresttoken":{token},"#), 1);
    let answer = searched(json(page(r#""fresh\u002dtoken""#))).await.unwrap();
    assert_eq!(answer.rest_token.unwrap().expose(), "fresh-token");
    for none in ["null", "\"\""] {
        assert_eq!(searched(json(page(none))).await.unwrap().rest_token, None);
    }
    for unusable in ["5", "{}", r#""two\nlines""#, r#""\ud800""#, "\"ä\""] {
        failed(searched(json(page(unusable))).await);
    }
}

#[tokio::test]
async fn each_shape_of_a_refusal_is_a_refusal() {
    let html = [("Content-Type", "text/html; charset=utf-8")];
    let foreign_redirect = [("Location", "https://sso.example.com/auth?x=MARKER")];
    let cases = [
        (answer(401, &[], ""), RefusalShape::Unauthorized, None),
        (answer(401, &[], r#"{"message":"expired"}"#), RefusalShape::Unauthorized, Some("expired")),
        (answer(403, &html, "<html>Forbidden"), RefusalShape::Forbidden, None),
        (json(r#"{"success":false}"#), RefusalShape::NotSuccessful, None),
        (
            json(r#"{"success":false,"error":"session ended"}"#),
            RefusalShape::NotSuccessful,
            Some("session ended"),
        ),
        (
            json(r#"{"status":2,"message":"not signed in"}"#),
            RefusalShape::StatusMember(2),
            Some("not signed in"),
        ),
        (json(r#"{"status":-1,"data":null}"#), RefusalShape::StatusMember(-1), None),
        (
            answer(200, &html, "<html><body><form><input name=p type='password'>"),
            RefusalShape::SignInPage,
            None,
        ),
        (
            answer(200, &[], "\n <!DOCTYPE HTML><TITLE>Please Sign In</TITLE>"),
            RefusalShape::SignInPage,
            None,
        ),
        (
            answer(200, &html, "<form method=post action=\"/ew/doLogin.jsp\">"),
            RefusalShape::SignInPage,
            None,
        ),
        (answer(302, &[("Location", "/login")], ""), RefusalShape::Redirected, None),
        (answer(307, &foreign_redirect, ""), RefusalShape::ForeignRedirect, None),
        (answer(302, &[], ""), RefusalShape::ForeignRedirect, None),
    ];
    for (steps, shape, reason) in cases {
        let refusal = refused(searched(steps).await);
        // Where a redirect leads is told instead of words.
        let words = refusal.reason.as_deref().filter(|words| !words.starts_with("http"));
        assert_eq!((refusal.shape, words), (shape, reason));
        assert_eq!(refusal.endpoint, ApiEndpoint::Search);
    }
}

#[tokio::test]
async fn a_refusal_is_not_lost_over_a_body_that_does_not_end() {
    let head = "HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\n{\"mess";
    for end in [server::ServerStep::Hang, server::ServerStep::Close] {
        let steps = vec![server::ServerStep::Send(head.into()), end];
        let server = Server::start(move |_| steps.clone()).await;
        let mut setup = Setup::new(&server.url());
        setup.server.idle_timeout = Duration::from_millis(100);
        assert_eq!(refused(search_at(&setup).await).shape, RefusalShape::Unauthorized);
    }
}

#[tokio::test]
async fn a_status_that_is_no_refusal_is_a_failure_with_its_wait() {
    for status in [429, 500, 502, 503, 404, 400, 407, 300, 304] {
        let steps = answer(status, &[("Retry-After", "42")], r#"{"token": "MARKER", "page": 1}"#);
        let error = failed(searched(steps).await);
        assert_eq!((error.status, error.kind.clone()), (Some(status), RequestErrorKind::Status));
        assert_eq!(error.retry_after, Some(Duration::from_secs(42)));
        if status != 304 {
            let beginning = error.beginning.as_deref();
            assert_eq!(beginning, Some("***"), "{status}");
        }
        assert_eq!(error.to_string(), format!("search failed: status {status}"));
    }
    let error = failed(searched(answer(407, &[], "")).await);
    assert!(error.remedy().unwrap().contains("server.proxy"));
}
