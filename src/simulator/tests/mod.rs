//! The server as a client sees it, over TCP, with a client of the tests' own.

mod control;
mod faults;
mod speed;
mod vendor_client;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{
    LoginAnswer, Options, RepositoryOptions, SimulatedRefusal, Simulator, SimulatorCounts, start,
};

const LOGIN: &str = "/enable-api/login";
const REAUTH: &str = "/enable-api/reauth";
const LOGOUT: &str = "/enable-api/logout";
const SEARCH: &str = "/webcm/rest/api/items/search";
const NO_BODY: Value = Value::Null;

/// A client that says HTTP/1.0, so that each answer ends where its connection ends.
struct Client {
    simulator: Simulator,
    headers: BTreeMap<&'static str, String>,
}

/// An answer as it came.
#[derive(Debug)]
struct Got {
    status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&self.body));
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn cookies(&self) -> BTreeMap<String, String> {
        self.headers
            .iter()
            .filter(|(key, _)| key == "set-cookie")
            .filter_map(|(_, cookie)| cookie.split(';').next()?.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }
}

impl Client {
    async fn new(options: Options) -> Self {
        Self { simulator: start(options).await.unwrap(), headers: BTreeMap::new() }
    }

    async fn signed_in(options: Options) -> Self {
        let mut client = Self::new(options).await;
        client.sign_in().await;
        client
    }

    /// Signs in and keeps the session token, no REST token.
    async fn sign_in(&mut self) {
        let got = self.post(LOGIN, &json!({"login": "system", "password": "system"})).await.json();
        assert_eq!(got["success"], true);
        self.headers.clear();
        self.headers.insert("ewtoken", got["token"]["token"].as_str().unwrap().to_owned());
    }

    async fn get(&self, path: &str) -> Got {
        self.ask("GET", path, &NO_BODY).await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Got {
        self.ask("POST", path, body).await.unwrap()
    }

    async fn search(&self, page: u64, size: u64) -> Got {
        self.post(SEARCH, &json!({"repositoryId": 10_149, "page": page, "pageSize": size})).await
    }

    /// One request; an error where the connection ends before the answer is whole.
    async fn ask(&self, method: &str, path: &str, body: &Value) -> io::Result<Got> {
        let mut stream = self.send(method, path, body).await?;
        let mut raw = Vec::new();
        stream.read_to_end(&mut raw).await?;
        let end = raw.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let head = String::from_utf8(raw[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(key, value)| (key.to_lowercase(), value.trim().to_owned()))
            .collect();
        let got = Got { status, headers, body: raw[end + 4..].to_vec() };
        let promised = got.header("content-length").map(|length| length.parse::<usize>().unwrap());
        if promised.is_some_and(|promised| promised != got.body.len()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(got)
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.simulator.address()).await?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut request = format!("{method} {path} HTTP/1.0\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in &self.headers {
            request.extend([*name, ": ", value, "\r\n"]);
        }
        stream.write_all(format!("{request}\r\n{body}").as_bytes()).await?;
        Ok(stream)
    }

    fn searches_under_way(&self) -> u64 {
        self.simulator.shared.searches_under_way.load(Ordering::Relaxed)
    }

    fn counts(&self) -> SimulatorCounts {
        self.simulator.counts()
    }
}

fn options(items: usize) -> Options {
    Options { repositories: vec![RepositoryOptions { id: 10_149, items }], ..Options::default() }
}

#[tokio::test]
async fn a_login_answers_with_token_object_and_cookies() {
    let client = Client::new(options(1)).await;
    let got = client.post(LOGIN, &json!({"login": "system", "password": "system"})).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.json()["message"], "enjoy your token");
    let cookies = got.cookies();
    assert_eq!(got.json()["token"]["token"], cookies["ewtoken"]);
    assert_eq!(cookies["epimresttoken"].len(), 36);
    client.simulator.stop().await;
}

#[tokio::test]
async fn a_login_can_answer_with_either_alone() {
    for (login_answer, objects, cookies) in
        [(LoginAnswer::Cookies, false, 2), (LoginAnswer::Token, true, 0)]
    {
        let client = Client::new(Options { login_answer, ..options(1) }).await;
        let got = client.post(LOGIN, &json!({"login": "system", "password": "system"})).await;
        assert_eq!(got.json().get("token").is_some(), objects);
        assert_eq!(got.cookies().len(), cookies);
    }
}

#[tokio::test]
async fn a_login_is_taken_from_the_query_and_a_wrong_one_is_told_so() {
    let client = Client::new(options(1)).await;
    let path = format!("{LOGIN}?login=system&password=system");
    assert_eq!(client.post(&path, &NO_BODY).await.json()["success"], true);
    for body in [json!({"login": "system", "password": "wrong"}), json!([]), NO_BODY] {
        let got = client.post(LOGIN, &body).await;
        assert_eq!(got.status, 200);
        let expected =
            json!({"success": false, "error": "unauthorized please see enable-api logs"});
        assert_eq!(got.json(), expected);
    }
    assert_eq!((client.counts().logins, client.counts().failed_logins), (1, 3));
}

#[tokio::test]
async fn reauth_and_logout_know_the_session() {
    let mut client = Client::new(options(1)).await;
    assert_eq!(client.get(REAUTH).await.json(), json!({"success": false}));
    client.sign_in().await;
    assert_eq!(client.get(REAUTH).await.json(), json!({"success": true}));
    let goodbye = client.post(LOGOUT, &json!({"login": "system"})).await.json();
    assert_eq!(goodbye, json!({"success": true, "message": "You are logged out"}));
    assert_eq!(client.get(REAUTH).await.json(), json!({"success": false}));
    assert_eq!(client.search(1, 1).await.status, 401);
}

#[tokio::test]
async fn tokens_are_taken_from_headers_cookies_and_bearer() {
    let mut client = Client::signed_in(options(1)).await;
    let token = client.headers["ewtoken"].clone();
    for (name, value) in [
        ("ewtoken", token.clone()),
        ("cookie", format!("a=b; ewtoken={token}; c=d")),
        ("authorization", format!("Bearer {token}")),
    ] {
        client.headers = BTreeMap::from([(name, value)]);
        assert_eq!(client.search(1, 1).await.status, 200, "{name}");
    }
    client.headers.clear();
    assert_eq!(client.search(1, 1).await.status, 401);
}

#[tokio::test]
async fn the_oauth_call_wants_a_client_and_gives_a_bearer_token() {
    let mut client = Client::new(options(1)).await;
    let path = "/webcm/rest/oauth/token?grant_type=password&username=system&password=";
    assert_eq!(client.post(&format!("{path}system"), &NO_BODY).await.status, 401);
    client.headers.insert("authorization", "Basic Y2xpZW50OnNlY3JldA==".to_owned());
    let wrong = client.post(&format!("{path}wrong"), &NO_BODY).await;
    assert_eq!((wrong.status, &wrong.json()["error"]), (400, &json!("invalid_grant")));
    let got = client.post(&format!("{path}system"), &NO_BODY).await.json();
    let token = got["access_token"].as_str().unwrap();
    client.headers.insert("authorization", format!("Bearer {token}"));
    assert_eq!(client.search(1, 1).await.json()["data"]["returnTotal"], 1);
}

#[tokio::test]
async fn a_search_answers_in_the_vendors_form() {
    let client = Client::signed_in(options(45)).await;
    let got = client.search(3, 20).await.json();
    assert_eq!(got["status"], 0);
    assert_eq!((&got["data"]["searchTotal"], &got["data"]["returnTotal"]), (&json!(45), &json!(5)));
    assert_eq!(got["data"]["itemList"].as_array().unwrap().len(), 5);
    assert!(got.get("epimresttoken").is_none());
    assert_eq!(client.search(4, 20).await.json()["data"]["itemList"], json!([]));
    let far = client.search(u64::MAX, 100_000).await.json();
    assert_eq!(far["data"]["returnTotal"], 0);
}

#[tokio::test]
async fn a_wrong_search_is_an_error_and_no_refusal() {
    let client = Client::signed_in(options(1)).await;
    for body in [
        json!({"repositoryId": 10_149, "page": 0, "pageSize": 20}),
        json!({"repositoryId": 10_149, "page": 1, "pageSize": 0}),
        json!({"repositoryId": 10_149, "page": 1, "pageSize": 1_000_000}),
        json!({"repositoryId": "x", "page": 1, "pageSize": 20}),
        NO_BODY,
    ] {
        assert_eq!(client.post(SEARCH, &body).await.status, 400, "{body}");
    }
    let unknown = client.post(SEARCH, &json!({"repositoryId": 5, "page": 1, "pageSize": 1})).await;
    assert_eq!((unknown.status, &unknown.json()["status"]), (200, &json!(1)));
    assert!(unknown.json().get("data").is_none());
    assert_eq!(client.get(SEARCH).await.status, 405);
    assert_eq!(client.get("/nowhere").await.status, 404);
}

#[tokio::test]
async fn the_oracle_shows_the_bytes_that_searches_send() {
    let client = Client::signed_in(options(250)).await;
    let oracle = client.get("/simulator/items?repository=10149").await.body;
    let lines: Vec<&[u8]> =
        oracle.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 250);
    let expected = [
        b"{\"status\":0,\"data\":{\"itemList\":[".as_slice(),
        &lines[100..200].join(&b','),
        b"],\"searchTotal\":250,\"returnTotal\":100}}",
    ]
    .concat();
    assert_eq!(client.search(2, 100).await.body, expected);
}

#[tokio::test]
async fn one_item_is_there_until_it_is_gone() {
    let client = Client::signed_in(options(3)).await;
    let found = client.search(1, 1).await.json()["data"]["itemList"][0].clone();
    let path = format!("/webcm/rest/api/items/{}", found["itemId"]);
    assert_eq!(client.get(&path).await.json()["data"], found);
    let edit = json!({"repository": 10_149, "delete": [found["itemId"]], "insert": 2});
    let inserted = client.post("/simulator/edit", &edit).await.json()["inserted"].clone();
    assert_eq!(inserted.as_array().unwrap().len(), 2);
    assert_eq!(client.get(&path).await.status, 404);
    let count = json!({"repositoryId": 10_149});
    let counted = client.post("/webcm/rest/api/items/count", &count).await.json();
    assert_eq!(counted, json!({"status": 0, "data": 4}));
    assert_eq!((client.counts().inserted, client.counts().deleted), (2, 1));
}

#[tokio::test]
async fn repositories_are_listed_and_found_by_name() {
    let repositories = [7, 8].map(|id| RepositoryOptions { id, items: 1 }).to_vec();
    let client = Client::signed_in(Options { repositories, ..Options::default() }).await;
    let path = "/webcm/rest/api/repositories";
    assert_eq!(client.get(path).await.json()["data"].as_array().unwrap().len(), 2);
    let found = client.get(&format!("{path}?NAME=Products+8")).await.json();
    let listed = json!({"repositoryId": 8, "name": "Products 8", "canRead": true, "canEdit": true});
    assert_eq!(found["data"], json!([listed]));
    let attributes = client.get(&format!("{path}/Products%208/attributes")).await.json();
    assert_eq!(attributes["data"].as_array().unwrap().len(), 40);
    assert_eq!(client.get(&format!("{path}/Nothing/attributes")).await.status, 404);
}

#[tokio::test]
async fn beyond_its_capacity_requests_wait_for_one_another() {
    let at_once = std::num::NonZeroU32::new(2).unwrap();
    let service_time = std::time::Duration::from_millis(20);
    let capacity = Some(super::Capacity { at_once, service_time });
    let client = Client::signed_in(Options { capacity, ..options(10) }).await;
    let begun = std::time::Instant::now();
    let search = || client.search(1, 5);
    tokio::join!(search(), search(), search(), search(), search());
    // Two, two and one.
    assert!(begun.elapsed() >= service_time * 3, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_base_path_stands_before_every_path() {
    let base_path = "/enterworks".to_owned();
    let client = Client::new(Options { base_path, ..options(1) }).await;
    assert!(client.simulator.url().ends_with("/enterworks"));
    let got = client.get("/enterworks/webcm/rest/swagger-ui.html").await;
    assert!(String::from_utf8(got.body).unwrap().contains("Swagger"));
    assert_eq!(client.get("/webcm/rest/swagger-ui.html").await.status, 404);
}

#[tokio::test]
async fn options_that_cannot_be_do_not_start() {
    let twice = vec![RepositoryOptions { id: 1, items: 1 }; 2];
    let unfit = [
        Options { repositories: twice, ..Options::default() },
        Options { insert_rate: f64::NAN, ..Options::default() },
        Options { faults: vec![(super::SimulatedFault::Hang, 1.5)], ..Options::default() },
        Options { base_path: "enterworks/".to_owned(), ..Options::default() },
    ];
    for options in unfit {
        assert!(matches!(start(options).await, Err(super::StartError::Option(_))));
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_told() {
    let first = start(options(1)).await.unwrap();
    let port = first.address().port();
    let error = start(Options { port, ..options(1) }).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on 127.0.0.1:{port}"));
}
