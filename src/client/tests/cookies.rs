//! The cookies of a session, in both transports.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::{Received, Server, answer, json};
use super::*;

const LOGIN: &str = r#"{"success":true,"token":{"token":"MARKER-session-token-3"}}"#;

fn with_cookies(body: &str, cookies: &[&str]) -> Vec<server::ServerStep> {
    let headers: Vec<_> = cookies.iter().map(|cookie| ("Set-Cookie", *cookie)).collect();
    answer(200, &headers, body)
}

fn is_login(received: &Received) -> bool {
    received.target.ends_with("/login")
}

async fn signed_in(client: &Client) -> Credentials {
    let tokens = client.login().await.unwrap();
    Credentials { tokens, ..credentials() }
}

#[tokio::test]
async fn what_a_login_and_later_answers_set_is_sent_beside_the_tokens_and_never_twice() {
    for transport in [Transport::Headers, Transport::Cookies] {
        let server = Server::start(|received| {
            if is_login(received) {
                let tokens = ["ewtoken=MARKER-session-token-3; Path=/", "epimresttoken=R1; Path=/"];
                let other =
                    ["JSESSIONID=one.n1; Path=/", "AWSALB=a1; Path=/", "E=1; Path=/enable-api"];
                with_cookies(LOGIN, &[tokens.as_slice(), other.as_slice()].concat())
            } else {
                with_cookies(PAGE, &["AWSALB=a2; Path=/", "ewtoken=other; Path=/"])
            }
        })
        .await;
        let setup = Setup { transport, ..Setup::new(&server.url()) };
        let client = setup.client();
        let session = signed_in(&client).await;
        client.search(&session, &request()).await.unwrap();
        client.search(&session, &request()).await.unwrap();
        let received = server.received();
        let own = match transport {
            Transport::Headers => "",
            Transport::Cookies => "ewtoken=MARKER-session-token-3; epimresttoken=R1; ",
        };
        let expected = |awsalb: &str| Some(format!("{own}AWSALB={awsalb}; JSESSIONID=one.n1"));
        assert_eq!(received[0].header("cookie"), None);
        assert_eq!(received[1].header("cookie").map(str::to_owned), expected("a1"));
        assert_eq!(received[2].header("cookie").map(str::to_owned), expected("a2"));
        let cookies = received[2].headers.iter().filter(|(name, _)| name == "cookie").count();
        assert_eq!(cookies, 1, "one header, as RFC 6265 wants it");
    }
}

#[tokio::test]
async fn a_new_login_starts_without_the_cookies_of_the_old_session() {
    let logins = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |received| {
        if is_login(received) {
            let number = logins.fetch_add(1, Ordering::Relaxed);
            with_cookies(LOGIN, &[&format!("N{number}=1; Path=/")])
        } else {
            // A late answer to the old session.
            with_cookies(PAGE, &["LATE=1; Path=/"])
        }
    })
    .await;
    let client = Setup::new(&server.url()).client();
    let old = signed_in(&client).await;
    let new = signed_in(&client).await;
    client.search(&old, &request()).await.unwrap();
    client.search(&new, &request()).await.unwrap();
    let cookies: Vec<_> =
        server.received().iter().map(|it| it.header("cookie").map(str::to_owned)).collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(cookies, [None, None, some("N0=1"), some("N1=1")]);
}

#[tokio::test]
async fn the_cookies_of_a_redirect_are_sent_to_where_it_leads() {
    let server = Server::start(|received| match received.header("cookie") {
        Some(_) => json(PAGE),
        None => answer(307, &[("Location", &received.target), ("Set-Cookie", "N=1; Path=/")], ""),
    })
    .await;
    search_at(&Setup::new(&server.url())).await.unwrap();
    assert_eq!(server.received()[1].header("cookie"), Some("N=1"));
}

#[tokio::test]
async fn no_cookie_is_shown_where_an_answer_repeats_it() {
    let server = Server::start(|received| {
        let cookies = ["JSESSIONID=MARKER-cookie; Path=/"];
        if is_login(received) {
            return with_cookies(LOGIN, &cookies);
        }
        let words = received.header("cookie").unwrap_or_default().replace('=', " ");
        answer(500, &[], format!("node lost: {words}"))
    })
    .await;
    let client = Setup::new(&server.url()).client();
    let session = signed_in(&client).await;
    let error = failed(client.search(&session, &request()).await);
    assert_eq!(error.beginning.as_deref(), Some("node lost: JSESSIONID ***"));
    assert!(!format!("{session:?}").contains("MARKER"), "{session:?}");

    let server = Server::start(|_| {
        let body = r#"{"success":false,"error":"no: MARKER-cookie MARKER-token"}"#;
        with_cookies(body, &["JSESSIONID=MARKER-cookie", "ewtoken=MARKER-token"])
    })
    .await;
    let denial = denied(Setup::new(&server.url()).client().login().await);
    assert_eq!(denial.reason.as_deref(), Some("no: *** ***"));
}

#[tokio::test]
async fn a_new_rest_token_may_come_as_a_cookie_of_a_search_alone() {
    let member = PAGE.replacen('{', r#"{"epimresttoken":"in-body","#, 1);
    let past = "epimresttoken=old; Expires=Tue, 03 Mar 2015 10:00:00 GMT";
    let cases: [(&str, &str, Option<&str>); 5] = [
        (PAGE, "epimresttoken=in-cookie; Path=/", Some("in-cookie")),
        (&member, "epimresttoken=in-cookie; Path=/", Some("in-body")),
        (PAGE, "AWSALB=1", None),
        (PAGE, "epimresttoken=; Max-Age=0", None),
        (PAGE, past, None),
    ];
    for (body, cookie, expected) in cases {
        let answer = searched(with_cookies(body, &[cookie])).await.unwrap();
        let token = answer.rest_token.as_ref().map(Secret::expose);
        assert_eq!(token, expected, "{cookie}");
    }
}

#[tokio::test]
async fn a_token_beyond_reason_is_refused_with_words() {
    let long = "x".repeat(9000);
    let body = LOGIN.replace("MARKER-session-token-3", &long);
    let server = Server::start(move |_| json(&body)).await;
    let error = failed(Setup::new(&server.url()).client().login().await);
    assert!(error.to_string().contains("8192"), "{error}");
}
