//! Redirects: the same call of the same host is followed, and nothing else.

use std::sync::OnceLock;

use super::server::{Server, answer, json};
use super::tls::Authority;
use super::*;

/// Where a call of this path is redirected to.
type Target = dyn Fn(&str) -> String + Send + Sync;

/// A plain server that redirects every call to `target`, its path and query appended.
async fn redirecting(
    status: u16,
    target: impl Fn(&str) -> String + Send + Sync + 'static,
) -> Server {
    Server::start(move |received| answer(status, &[("Location", &target(&received.target))], ""))
        .await
}

#[tokio::test]
async fn http_to_https_is_followed_and_remembered() {
    let authority = Authority::new();
    for status in [301, 302, 303, 307, 308] {
        let secure = Server::start_tls(authority.server("127.0.0.1"), |_| json(PAGE)).await;
        let base = secure.origin();
        let plain = redirecting(status, move |path| format!("{base}{path}")).await;
        let mut setup = Setup::new(&plain.url());
        setup.server.ca_file = Some(authority.ca_file());
        let client = setup.client();
        assert_eq!(client.redirected_to(), None);
        client.search(&credentials(), &request()).await.unwrap();
        client.search(&credentials(), &request()).await.unwrap();
        assert_eq!(plain.received().len(), 1, "the tokens went in the clear once only");
        let received = secure.received();
        assert_eq!(received.len(), 2);
        for search in &received {
            assert_eq!(search.method, "POST", "method and body stay, whatever the status");
            assert_eq!(search.json()["repositoryId"], 10149);
            assert_eq!(search.header("ewtoken"), Some(SESSION_TOKEN));
        }
        assert_eq!(client.redirected_to().unwrap().as_str(), secure.url());

        client.reconfigure(&setup.settings()).unwrap();
        client.search(&credentials(), &request()).await.unwrap();
        assert_eq!(plain.received().len(), 1, "a reload does not forget it");
    }
}

#[tokio::test]
async fn tokens_never_follow_a_redirect_to_another_host() {
    let other = Server::start(|_| json(PAGE)).await;
    let base = other.named_origin();
    let first = redirecting(307, move |path| format!("{base}{path}")).await;
    let setup = Setup::new(&first.url());
    let client = setup.client();
    assert_eq!(
        refused(client.search(&credentials(), &request()).await).shape,
        RefusalShape::ForeignRedirect
    );
    assert_eq!(client.reauth(&credentials()).await.unwrap(), SessionStatus::Ended);
    refused(client.logout(&credentials()).await);
    let error = failed(client.login().await);
    let target = format!("{}/enable-api/login", other.named_origin());
    let text = format!("login failed: redirected to {target} (status 307)");
    assert_eq!(error.to_string(), text);
    assert_eq!(error.kind, RequestErrorKind::Redirect { target: Some(target) });
    assert!(other.received().is_empty(), "nothing may arrive there at all");
}

#[tokio::test]
async fn another_port_path_or_query_is_elsewhere() {
    let other = Server::start(|_| json(PAGE)).await;
    let port = other.origin();
    let targets: [Box<Target>; 5] = [
        Box::new(move |path| format!("{port}{path}")),
        Box::new(|_| "/login".to_owned()),
        Box::new(|path| format!("{path}?next=MARKER")),
        Box::new(|path| format!("//user:MARKER@127.0.0.1{path}")),
        Box::new(|_| "http://[broken".to_owned()),
    ];
    for target in targets {
        let first = redirecting(302, target).await;
        refused(search_at(&Setup::new(&first.url())).await);
        assert_eq!(first.received().len(), 1);
    }
    assert!(other.received().is_empty());
}

#[tokio::test]
async fn https_to_http_is_never_followed() {
    let authority = Authority::new();
    let plain = Server::start(|_| json(PAGE)).await;
    let base = plain.origin();
    let secure = Server::start_tls(authority.server("127.0.0.1"), move |received| {
        let target = format!("{base}{}", received.target);
        answer(308, &[("Location", &target)], "")
    })
    .await;
    let mut setup = Setup::new(&secure.url());
    setup.server.ca_file = Some(authority.ca_file());
    refused(search_at(&setup).await);
    failed(setup.client().login().await);
    assert!(plain.received().is_empty());
}

#[tokio::test]
async fn a_redirect_to_the_same_place_is_followed_but_not_for_ever() {
    let count: Arc<OnceLock<()>> = Arc::default();
    let once = Server::start(move |received| match count.set(()) {
        Ok(()) => answer(307, &[("Location", &received.target)], ""),
        Err(()) => json(PAGE),
    })
    .await;
    search_at(&Setup::new(&once.url())).await.unwrap();
    assert_eq!(once.received().len(), 2);

    let endless = redirecting(307, str::to_owned).await;
    refused(search_at(&Setup::new(&endless.url())).await);
    assert_eq!(endless.received().len(), 5);
}

#[tokio::test]
async fn an_oauth_login_that_is_redirected_shows_no_password() {
    let first = redirecting(302, |path| format!("http://other.invalid{path}")).await;
    let mut setup = Setup::new(&first.url());
    setup.login.method = LoginMethod::Oauth;
    for in_url in [false, true] {
        setup.login.oauth_credentials_in_url = in_url;
        let error = failed(setup.client().login().await);
        let target = Some("http://other.invalid/webcm/rest/oauth/token".to_owned());
        assert_eq!(error.kind, RequestErrorKind::Redirect { target });
    }
}

/// What becomes of a path.
type Way = fn(&str) -> String;

/// A server that sends a call on in this way, until it comes as the target; then it answers.
async fn moved(status: u16, way: Way) -> Server {
    Server::start(move |received| {
        let plain = received.target.replace(";jsessionid=1F", "");
        if received.target == way(&plain.replace("/moved", "")) || received.target == way(&plain) {
            return json(PAGE);
        }
        answer(status, &[("Location", &way(&received.target))], "")
    })
    .await
}

#[tokio::test]
async fn a_redirect_within_the_server_is_followed_with_method_body_and_tokens() {
    let cases: [(u16, Way); 6] = [
        (302, |path| format!("{path};jsessionid=1F")),
        (301, |path| format!("{}/", path.trim_end_matches('/'))),
        (308, |path| format!("{}/", path.trim_end_matches('/'))),
        (303, |path| format!("{}/;jsessionid=1F", path.trim_end_matches('/'))),
        (307, |path| format!("/moved{path}")),
        (308, |path| format!("/moved{path}")),
    ];
    for (status, way) in cases {
        let server = moved(status, way).await;
        search_at(&Setup::new(&server.url())).await.unwrap();
        let received = server.received();
        assert_eq!(received.len(), 2, "{status}");
        let (first, second) = (&received[0], &received[1]);
        assert_eq!(second.target, way(&first.target));
        assert_eq!((second.method.as_str(), &second.body), ("POST", &first.body));
        assert_eq!(second.header("ewtoken"), Some(SESSION_TOKEN));
        assert_eq!(second.header("epimresttoken"), Some(REST_TOKEN));
    }
}

#[tokio::test]
async fn a_redirect_that_is_not_followed_says_where_it_leads_and_nothing_secret() {
    let cases = [
        ("/webcm/login?error=MARKER", RefusalShape::Redirected, "/webcm/login"),
        ("/elsewhere;jsessionid=MARKER?q=MARKER", RefusalShape::ForeignRedirect, "/elsewhere"),
        ("/MARKER-session-token-3/x", RefusalShape::ForeignRedirect, "/***/x"),
    ];
    for (location, shape, told) in cases {
        let server = redirecting(302, move |_| location.to_owned()).await;
        let refusal = refused(search_at(&Setup::new(&server.url())).await);
        assert_eq!(refusal.shape, shape);
        assert_eq!(refusal.reason, Some(format!("{}{told}", server.origin())));
    }
}
