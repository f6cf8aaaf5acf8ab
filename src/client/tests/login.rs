//! Signing in and out, by either method.

use super::server::{Server, answer, json};
use super::*;

async fn logged_in(steps: Vec<server::ServerStep>) -> Result<Tokens, Failure> {
    let server = Server::start(move |_| steps.clone()).await;
    Setup::new(&server.url()).client().login().await
}

fn oauth(url: &str) -> Setup {
    let mut setup = Setup::new(url);
    setup.login.method = LoginMethod::Oauth;
    setup
}

#[tokio::test]
async fn a_login_sends_name_and_password_in_the_body_alone() {
    let server = Server::start(|_| {
        let cookies = [
            ("Set-Cookie", "ewtoken=not-this-one; Path=/"),
            ("Set-Cookie", "epimresttoken=\"rest-1\"; Path=/; HttpOnly"),
        ];
        let body = r#"{"success": true, "message": "enjoy", "token": {"token": "session-1"}}"#;
        answer(200, &cookies, body)
    })
    .await;
    let setup = Setup::new(&format!("{}a/path", server.url()));
    let tokens = setup.client().login().await.unwrap();
    assert_eq!(tokens.session.expose(), "session-1");
    assert_eq!(tokens.rest.unwrap().expose(), "rest-1");

    let received = server.received();
    let [login] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!(
        (login.method.as_str(), login.target.as_str()),
        ("POST", "/a/path/enable-api/login")
    );
    assert_eq!(login.json(), serde_json::json!({"login": "system", "password": PASSWORD}));
    assert_eq!(login.header("content-type"), Some("application/json"));
    let agent = concat!("ewmirror/", env!("CARGO_PKG_VERSION"));
    assert_eq!(login.header("user-agent"), Some(agent));
    for unwanted in ["ewtoken", "epimresttoken", "cookie", "authorization"] {
        assert_eq!(login.header(unwanted), None);
    }
}

#[tokio::test]
async fn a_login_answered_with_cookies_alone_is_understood() {
    let bodies = [
        r#"{"success": true}"#,
        "{}",
        r#"{"token": null}"#,
        r#"{"token": {"token": ""}}"#,
        "",
        "\n",
    ];
    for body in bodies {
        let cookies = [
            ("Set-Cookie", "ewtoken=; Max-Age=0"),
            ("Set-Cookie", "ewtoken=session-2; Path=/"),
            ("Set-Cookie", "epimresttoken=gone; Max-Age=0"),
            ("Set-Cookie", "JSESSIONID=1"),
        ];
        let tokens = logged_in(answer(200, &cookies, body)).await.unwrap();
        assert_eq!(tokens.session.expose(), "session-2");
        assert_eq!(tokens.rest, None);
    }
}

#[tokio::test]
async fn a_denied_login_carries_the_servers_own_words() {
    let cases = [
        (
            200,
            r#"{"success":false,"error":"unauthorized please see enable-api logs"}"#,
            Some("unauthorized please see enable-api logs"),
        ),
        (
            200,
            r#"{"success":false,"message":"locked\nuntil\u001b[31m noon"}"#,
            Some("locked\\nuntil\\u{1b}[31m noon"),
        ),
        (200, r#"{"success":false}"#, None),
        (401, "", None),
        (403, r#"{"error":"no"}"#, Some("no")),
        (401, "<html>", Some("a page")),
        (400, r#"{"success":false,"error":"unauthorized"}"#, Some("unauthorized")),
        (200, r#"{"error":"bad credentials"}"#, Some("bad credentials")),
        (200, r#"{"status":3,"message":"bad credentials"}"#, Some("bad credentials")),
        (200, r#"{"status":3}"#, Some("it answers without a token")),
        (200, r#"{"success":true,"token":null}"#, Some("it answers without a token")),
        (200, "<html><title>Log in</title><input type='password'>", Some("a sign-in page: log in")),
        (400, "bad credentials", Some("bad credentials")),
        (400, "", None),
        (418, "", None),
        (422, r#"{"message":"bad credentials"}"#, Some("bad credentials")),
        (423, r#"{"error_description":"locked"}"#, Some("locked")),
        (423, "<html><title>Locked</title>", Some("a page: locked")),
    ];
    for (status, body, reason) in cases {
        let denial = denied(logged_in(answer(status, &[], body)).await);
        assert_eq!((denial.status, denial.reason.as_deref()), (status, reason));
    }
    let long = format!(r#"{{"success":false,"error":"{}"}}"#, "very ".repeat(2000));
    let reason = denied(logged_in(json(long)).await).reason.unwrap();
    assert!(reason.len() < 220, "{reason}");
    let echo =
        format!(r#"{{"success":false,"error":{}}}"#, serde_json::json!(format!("bad {PASSWORD}!")));
    assert_eq!(denied(logged_in(json(echo)).await).reason.as_deref(), Some("bad ***!"));
}

#[tokio::test]
async fn a_login_answer_without_a_usable_token_is_of_the_wrong_shape() {
    let bodies = [
        r#"{"success": true}"#,
        r#"{"success": true, "token": {"token": 5}}"#,
        r#"{"success": true, "token": {"token": "two\nlines"}}"#,
        r#"{"success": "true", "token": {"token": "x"}}"#,
        r#"{"success": true, "success": false}"#,
        "<!DOCTYPE html><title>It works!</title>",
        "[]",
        "null",
        "",
        "{\"success\": true, \"token\": {\"token\": \"MARKER",
    ];
    for body in bodies {
        let error = failed(logged_in(json(body)).await);
        assert!(matches!(error.kind, RequestErrorKind::WrongShape { .. }), "{body}: {error}");
        assert_eq!((error.endpoint, error.status), (ApiEndpoint::Login, Some(200)));
    }
    let cookie = [("Set-Cookie", "epimresttoken=a\u{7f}b; Path=/")];
    let body = r#"{"success": true, "token": {"token": "x"}}"#;
    let result = logged_in(answer(200, &cookie, body)).await;
    assert!(result.is_err() || result.unwrap().rest.is_none());
}

#[tokio::test]
async fn a_login_that_fails_otherwise_is_worth_another_try() {
    let error = failed(logged_in(answer(503, &[("Retry-After", "7")], "busy")).await);
    assert_eq!((error.status, error.kind.clone()), (Some(503), RequestErrorKind::Status));
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(error.beginning.as_deref(), Some("busy"));
    assert_eq!(error.to_string(), "login failed: status 503");
    for status in [404, 407, 408, 425, 429, 500, 502, 503, 504] {
        let error = failed(logged_in(answer(status, &[], r#"{"success":false}"#)).await);
        assert_eq!((error.status, error.kind), (Some(status), RequestErrorKind::Status));
    }
    let limited = [("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "9")];
    let error = failed(logged_in(answer(403, &limited, "slow down")).await);
    assert_eq!((error.status, error.retry_after), (Some(403), Some(Duration::from_secs(9))));
    let error = failed(logged_in(answer(404, &[], "")).await);
    assert!(error.remedy().unwrap().contains("server.url"));
}

#[tokio::test]
async fn a_failed_login_may_have_been_a_denial_where_somebody_may_have_looked_at_the_password() {
    let doubtful = [
        (500, r#"{"message":"bad credentials"}"#, Some("bad credentials")),
        (500, "<h1>Internal Server Error</h1>", Some("Internal Server Error")),
        (501, "no", Some("no")),
        (500, "", None),
        (502, "bad credentials", None),
        (503, "bad credentials", None),
        (429, "bad credentials", None),
        (404, "", Some("404")),
        (200, "<html><h1>It works!</h1>", Some("It works!")),
        (200, r#"{"success":true}"#, Some("no token")),
    ];
    for (status, body, words) in doubtful {
        let denial = failed(logged_in(answer(status, &[], body)).await).possible_denial();
        let told = denial.as_deref().map(|denial| denial.contains(words.unwrap_or("never")));
        assert_eq!(told, words.map(|_| true), "{status} {body}: {denial:?}");
    }
    let limited = [("Retry-After", "9")];
    assert_eq!(failed(logged_in(answer(403, &limited, "no")).await).possible_denial(), None);
}

#[tokio::test]
async fn reauth_says_whether_the_session_stands() {
    let redirect = answer(302, &[("Location", "/login")], "");
    let page = answer(200, &[("Content-Type", "text/html")], "<input type=password>");
    let cases = [
        (json(r#"{"success": true}"#), SessionStatus::Valid),
        (json(r#"{"success": false}"#), SessionStatus::Ended),
        (answer(401, &[], ""), SessionStatus::Ended),
        (answer(403, &[], "no"), SessionStatus::Ended),
        (redirect, SessionStatus::Ended),
        (page, SessionStatus::Ended),
    ];
    for (steps, expected) in cases {
        let server = Server::start(move |_| steps.clone()).await;
        let client = Setup::new(&server.url()).client();
        assert_eq!(client.reauth(&credentials()).await.unwrap(), expected);
        let reauth = &server.received()[0];
        assert_eq!((reauth.method.as_str(), reauth.target.as_str()), ("GET", "/enable-api/reauth"));
        assert_eq!(reauth.header("ewtoken"), Some(SESSION_TOKEN));
        assert_eq!(reauth.header("epimresttoken"), Some(REST_TOKEN));
    }
    for steps in [json("{}"), json("true"), json(""), answer(500, &[], ""), answer(404, &[], "")] {
        let server = Server::start(move |_| steps.clone()).await;
        failed(Setup::new(&server.url()).client().reauth(&credentials()).await);
    }
}

#[tokio::test]
async fn logout_names_the_user_and_carries_the_tokens() {
    let body = r#"{"success": true, "message": "You are logged out"}"#;
    let server = Server::start(move |_| json(body)).await;
    Setup::new(&server.url()).client().logout(&credentials()).await.unwrap();
    let logout = &server.received()[0];
    assert_eq!((logout.method.as_str(), logout.target.as_str()), ("POST", "/enable-api/logout"));
    assert_eq!(logout.json(), serde_json::json!({"login": "system"}));
    assert_eq!(logout.header("ewtoken"), Some(SESSION_TOKEN));
}

#[tokio::test]
async fn cookies_carry_the_tokens_where_they_should() {
    let server = Server::start(|_| json(PAGE)).await;
    let mut setup = Setup::new(&server.url());
    setup.transport = Transport::Cookies;
    search_at(&setup).await.unwrap();
    let mut without_rest = credentials();
    without_rest.tokens.rest = None;
    setup.client().search(&without_rest, &request()).await.unwrap();
    let received = server.received();
    let both = format!("ewtoken={SESSION_TOKEN}; epimresttoken={REST_TOKEN}");
    assert_eq!(received[0].header("cookie"), Some(both.as_str()));
    assert_eq!(received[0].header("ewtoken"), None);
    assert_eq!(received[1].header("cookie"), Some(format!("ewtoken={SESSION_TOKEN}").as_str()));
}

#[tokio::test]
async fn oauth_asks_for_a_token_in_a_form_and_bears_it() {
    let server = Server::start(|received| {
        if received.target.starts_with("/webcm/rest/oauth") {
            json(r#"{"access_token": "access-1", "token_type": "bearer", "expires_in": 1}"#)
        } else {
            json(PAGE)
        }
    })
    .await;
    let client = oauth(&server.url()).client();
    let tokens = client.login().await.unwrap();
    assert_eq!(tokens.session.expose(), "access-1");
    let mut signed_in = credentials();
    signed_in.tokens.session = tokens.session;
    client.search(&signed_in, &request()).await.unwrap();
    assert_eq!(client.reauth(&signed_in).await.unwrap(), SessionStatus::Unknown);
    client.logout(&signed_in).await.unwrap();

    let received = server.received();
    let [token, search] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!((token.method.as_str(), token.target.as_str()), ("POST", "/webcm/rest/oauth/token"));
    assert_eq!(token.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(pairs(&token.body), grant());
    // ":MARKER-client-secret-2"
    let basic = "Basic Ok1BUktFUi1jbGllbnQtc2VjcmV0LTI=";
    assert_eq!(token.header("authorization"), Some(basic));
    assert_eq!(search.header("authorization"), Some("Bearer access-1"));
    assert_eq!(search.header("epimresttoken"), Some(REST_TOKEN));
    assert_eq!(search.header("ewtoken"), None);
}

/// What a form or a query says.
fn pairs(form: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(form).map(|(n, v)| (n.into_owned(), v.into_owned())).collect()
}

/// What a token is asked for with.
fn grant() -> Vec<(String, String)> {
    let expected = [
        ("grant_type", "password"),
        ("allowexpire", "true"),
        ("language", "en"),
        ("username", "system"),
        ("password", PASSWORD),
    ];
    expected.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

#[tokio::test]
async fn oauth_has_the_password_in_the_url_only_where_it_is_told_to() {
    let server = Server::start(|_| json(r#"{"access_token": "access-1"}"#)).await;
    let mut setup = oauth(&server.url());
    setup.login.oauth_credentials_in_url = true;
    setup.client().login().await.unwrap();
    let received = server.received();
    let [token] = received.as_slice() else { panic!("{received:?}") };
    let (path, query) = token.target.split_once('?').unwrap();
    assert_eq!((token.method.as_str(), path), ("POST", "/webcm/rest/oauth/token"));
    assert_eq!(pairs(query.as_bytes()), grant());
    assert_eq!((token.body.as_slice(), token.header("content-length")), (&[][..], Some("0")));
}

#[tokio::test]
async fn oauth_tells_a_wrong_password_from_a_failure() {
    let cases = [
        (400, r#"{"error":"invalid_grant"}"#, Some("invalid_grant")),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"Bad credentials"}"#,
            Some("Bad credentials"),
        ),
        (
            401,
            r#"{"error":"unauthorized","error_description":"User is locked"}"#,
            Some("User is locked"),
        ),
        (401, "", None),
        (400, "{}", Some("{}")),
        (400, r#"{"error":"invalid_request"}"#, Some("invalid_request")),
    ];
    for (status, body, reason) in cases {
        let server = Server::start(move |_| answer(status, &[], body)).await;
        let denial = denied(oauth(&server.url()).client().login().await);
        assert_eq!(denial.endpoint, ApiEndpoint::Token);
        assert_eq!((denial.status, denial.reason.as_deref()), (status, reason));
    }
    for (status, body) in [(404, ""), (500, "{}"), (200, "{}")] {
        let server = Server::start(move |_| answer(status, &[], body)).await;
        let error = failed(oauth(&server.url()).client().login().await);
        assert_eq!((error.endpoint, error.status), (ApiEndpoint::Token, Some(status)));
    }
}
