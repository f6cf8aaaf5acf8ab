//! No secret shows: neither in an error, nor anywhere that it was not meant to go.

use super::server::{Server, ServerStep, answer, head, json};
use super::*;
use crate::client::redact::Redactor;
use crate::testing::is_thorough;

/// Answers that throw every secret of the request back, in every way to fail.
fn hostile_answers() -> Vec<Vec<ServerStep>> {
    let quoted = serde_json::json!(PASSWORD).to_string();
    let form: String = url::form_urlencoded::byte_serialize(PASSWORD.as_bytes()).collect();
    let echo = format!(
        "{SESSION_TOKEN} {REST_TOKEN} {PASSWORD} {CLIENT_SECRET} {quoted} {form} {PROXY_PASSWORD}"
    );
    let members = r#"{"success":true,"token":{"x":"MARKER-a"},"epimresttoken":"MARKER-b","Set-Cookie":"MARKER-c"}"#;
    let fresh = r#"{"success": "no", "access_token" : "MARKER-d", 'password': 'MARKER-e"#;
    let mut answers = Vec::new();
    for status in [200, 400, 401, 403, 404, 429, 500, 503] {
        answers.push(answer(status, &[], &echo));
        answers.push(answer(status, &[("Content-Type", "text/html")], format!("<html>{echo}")));
        answers.push(answer(status, &[], members));
        answers.push(answer(status, &[], fresh));
        let words = serde_json::json!({"success": false, "error": echo}).to_string();
        answers.push(answer(status, &[], words));
    }
    let target = format!("https://user:{PASSWORD}@elsewhere.invalid/?{form}={SESSION_TOKEN}");
    let target = target.replace('"', "%22");
    answers.push(answer(302, &[("Location", &target)], &echo));
    answers.push(vec![
        head(10_000),
        ServerStep::Send(echo.clone().into_bytes()),
        ServerStep::Close,
    ]);
    answers.push(vec![ServerStep::Send(format!("{echo}\r\n\r\n").into_bytes()), ServerStep::Close]);
    answers.push(vec![ServerStep::Send(format!("HTTP/1.1 200 {echo}\r\n{echo}\r\n\r\n").into())]);
    answers.push(vec![head(10_000), ServerStep::Send(echo.into_bytes()), ServerStep::Hang]);
    answers.push(vec![ServerStep::Close]);
    answers
}

/// The same, but with the tokens left out: a login does not know those of an earlier session, and
/// no server has them from it.
fn without_tokens(steps: Vec<ServerStep>) -> Vec<ServerStep> {
    let blank = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        let blank = |text: String, token: &str| text.replace(token, &"-".repeat(token.len()));
        blank(blank(text, SESSION_TOKEN), REST_TOKEN).into_bytes()
    };
    let steps = steps.into_iter().map(|step| match step {
        ServerStep::Send(bytes) => ServerStep::Send(blank(bytes)),
        other => other,
    });
    steps.collect()
}

#[tokio::test]
async fn no_error_shows_a_secret() {
    for steps in hostile_answers() {
        let server = Server::start(move |received| {
            if received.target.contains("login") || received.target.contains("oauth") {
                without_tokens(steps.clone())
            } else {
                steps.clone()
            }
        })
        .await;
        let (enable_api, oauth) = (LoginMethod::EnableApi, LoginMethod::Oauth);
        for (method, in_url) in [(enable_api, false), (oauth, false), (oauth, true)] {
            let mut setup = Setup::new(&server.url());
            setup.login.method = method;
            setup.login.oauth_credentials_in_url = in_url;
            setup.server.idle_timeout = Duration::from_millis(50);
            // Not used to connect, but known to the client, as a server behind it may be told it.
            setup.server.proxy =
                Some(Secret::new(format!("http://u:{PROXY_PASSWORD}@127.0.0.1:1")));
            setup.server.no_proxy = vec!["127.0.0.1".to_owned()];
            let client = setup.client();
            assert_no_failure_shows(client.login().await);
            assert_no_failure_shows(client.reauth(&credentials()).await);
            assert_no_failure_shows(client.logout(&credentials()).await);
            assert_no_failure_shows(client.search(&credentials(), &request()).await);
        }
    }
}

fn assert_no_failure_shows<T>(result: Result<T, Failure>) {
    let Err(failure) = result else { return };
    assert_no_secret(&failure);
    match &failure {
        Failure::Refused(refusal) => assert_no_secret(refusal),
        Failure::Denied(denial) => assert_no_secret(denial),
        Failure::Failed(error) => assert_no_secret(error),
    }
}

#[tokio::test]
async fn tokens_and_passwords_go_nowhere_else() {
    let server = Server::start(|received| match received.target.as_str() {
        "/enable-api/login" => json(r#"{"success":true,"token":{"token":"t"}}"#),
        "/webcm/rest/api/items/search" => json(PAGE),
        _ => json(r#"{"success":true}"#),
    })
    .await;
    let client = Setup::new(&server.url()).client();
    client.login().await.unwrap();
    client.reauth(&credentials()).await.unwrap();
    client.search(&credentials(), &request()).await.unwrap();
    client.logout(&credentials()).await.unwrap();
    for received in server.received() {
        let everything = received.everything();
        assert!(!received.target.contains("MARKER"));
        let password = everything.contains("MARKER-pass");
        assert_eq!(password, received.target == "/enable-api/login", "{everything}");
        assert!(!everything.contains(CLIENT_SECRET) && !everything.contains(PROXY_PASSWORD));
    }
    assert!(!format!("{client:?}").contains("MARKER"));
}

/// Takes in all events of all crates, at every level.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_event_of_any_crate_shows_a_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (http_2, _authority, _tasks) = tls::http_2_server(6).await;
    let http_1 = Server::start(|_| json(PAGE)).await;
    for url in [http_2, http_1.url()] {
        let (enable_api, oauth) = (LoginMethod::EnableApi, LoginMethod::Oauth);
        for (method, in_url) in [(enable_api, false), (oauth, false), (oauth, true)] {
            let mut setup = Setup::new(&url);
            setup.server.accept_invalid_certificates = true;
            setup.login.method = method;
            setup.login.oauth_credentials_in_url = in_url;
            let client = setup.client();
            failed(client.login().await);
            client.search(&credentials(), &request()).await.unwrap();
        }
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("h2::"), "the HTTP library's events are among them");
    let leak = log.lines().find(|line| line.contains("MARKER"));
    assert_eq!(leak, None);
}

#[test]
fn a_redacted_text_keeps_what_helps() {
    let redactor = Redactor::new(["s3cret", "pa\"ss", "ab", "abc"]);
    let cases = [
        ("plain words", "plain words"),
        (r#"{"status": 0, "name": "x"}"#, r#"{"status": 0, "name": "x"}"#),
        ("before s3cret after s3crets", "before *** after ***s"),
        ("the longer one first: abc", "the longer one first: ***"),
        ("first line\nthe s3cret\nlast line", "first line\\nthe ***\\nlast line"),
        ("first line\npa&quot;ss it is\nlast line", "first line\\n***\\nlast line"),
        ("Invalid password: account locked", "Invalid password: account locked"),
        ("Session expired at 10:15:30", "Session expired at 10:15:30"),
        ("Invalid token: s3cret", "Invalid token: ***"),
        ("a\tb\nc\u{1b}[31md\u{202e}e\u{0}", "a\\tb\\nc\\u{1b}[31md\\u{202e}e\\u{0}"),
        ("  ", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(redactor.text(text).unwrap_or_default(), expected, "{text}");
    }
}

#[test]
fn a_line_that_may_hold_a_secret_in_another_way_is_not_shown() {
    let redactor = Redactor::new(["s3cret", "pa\"ss", "ab", "abc"]);
    let lines = [
        r#"as JSON pa\"ss"#,
        "as HTML pa&quot;ss",
        "as HTML pa&#34;ss and pa&#X22;ss",
        "as a form pa%22ss",
        "in a URL pa%2522ss",
        r"JSON in JSON in HTML pa\\\&#x22;ss",
        r#"as JSON p\u0061\"ss"#,
        "in base64 key=czNjcmV0Lg==",
        "in base64 key=YXM6czNjcmV0Lg",
        "in digits 733363726574",
        "in digits 733363726574".to_uppercase().leak(),
        r#"{"token":"x\"y","page":1}"#,
        r#"{"EPIMRestToken" : 'x', "page":1}"#,
        r#"{"token":{"a":["}"]},"page":1}"#,
        r#"{"tokens":["a","b"],"page":1}"#,
        r#"{"token":5,"page":1}"#,
        r#"{"token":"s3cret","page":1}"#,
        "?password=s3cret&page=1",
        "tokens: ['a', 'b']",
        "password = x",
        r#"{"token":"s3cretandmore","page":1}"#,
        r#"{"x":"{\"token\":\"y\",\"page\":1}"}"#,
        r#"{"token":"cut in the midd"#,
        "ewtoken=v4lue; path=/",
        "?password=x&page=1",
        "Authorization: Bearer abcdef123",
        "invalid token: 7f3a99c1",
        "xs3cret_token=y1234",
        "a_tokens3cret: {1}",
    ];
    for line in lines {
        assert_eq!(redactor.text(line).as_deref(), Some("***"), "{line}");
    }
    let long = format!("{} and more", "x".repeat(9_999));
    assert_eq!(redactor.text(&long), Some(format!("{}...", "x".repeat(200))));
}

#[test]
fn a_redacted_text_is_cut_but_no_secret_is_cut_in_half() {
    let redactor = Redactor::new([SESSION_TOKEN]);
    for before in (150..260).step_by(if is_thorough() { 1 } else { 7 }) {
        // Longer than what is looked at.
        let text = format!("{}{SESSION_TOKEN}{}", "ä".repeat(before), "z".repeat(99_999));
        let shown = redactor.beginning(text.as_bytes()).unwrap();
        assert!(!shown.contains('M'), "{shown}");
        assert!(shown.chars().count() <= 200 + 3 + 3, "{}", shown.chars().count());
    }
    assert_eq!(redactor.beginning(b""), None);
    assert_eq!(redactor.beginning(b"\xff\xfe").as_deref(), Some("\u{fffd}\u{fffd}"));
}

#[test]
fn a_long_run_of_what_escapes_is_not_walked_again_and_again() {
    let redactor = Redactor::new(["s3cret\"x", "other-s3cret", "third-s3cret"]);
    for what in ["\\", "&#", "%25"] {
        // Quadratic, this would take a minute and more.
        let body = format!("token=\"{} s3cret\\\"x", what.repeat(60_000 / what.len()));
        let shown = redactor.beginning(body.as_bytes()).unwrap();
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    let deep = format!("a {}\"x", "\\".repeat(100));
    assert_eq!(Redactor::new(["\"x"]).text(&deep).unwrap().matches("***").count(), 1);
}

proptest::proptest! {
    #[test]
    fn any_text_is_redacted_without_panic(text: String, bytes: Vec<u8>, secret in "[a-z\"&é]{1,6}") {
        let redactor = Redactor::new([secret.as_str()]);
        redactor.beginning(&bytes);
        if let Some(shown) = redactor.text(&format!("{text}{secret}{text}")) {
            proptest::prop_assert!(shown.chars().filter(|it| *it == '\n').count() == 0);
        }
    }

    #[test]
    fn a_known_secret_never_shows(before in "[^m]{0,300}", after: String) {
        let redactor = Redactor::new(["mmmmmm"]);
        let shown = redactor.text(&format!("{before}mmmmmm{}", after.replace('m', "n")));
        proptest::prop_assert!(!shown.unwrap_or_default().contains('m'));
    }
}
