//! The client from outside: over real sockets, against servers that do as they are told.
//!
//! Nothing here pauses the clock: with a paused clock, a time-out around a real socket fires at
//! once.

mod cookies;
mod environment;
mod login;
mod presence;
mod proxies;
mod redirects;
mod repositories;
mod reuse;
mod search;
mod secrets;
mod server;
mod shapes;
mod tls;
mod transfer;
mod unreadable;
mod verdicts;
mod wire;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use self::server::{Server, json};
use super::*;
use crate::config::{Environment, LoginConfig, LoginMethod, Secret, ServerConfig, Transport};
use crate::domain::{ItemId, RepositoryId};
use crate::http::{SetupError, TimeoutKind, TlsFault};
use crate::json::JsonPointer;
use crate::session::{Credentials, Generation, Tokens};

/// Secrets that must be found nowhere but in the requests that need them.
const PASSWORD: &str = "MARKER-pass\"word&1";
const CLIENT_SECRET: &str = "MARKER-client-secret-2";
const SESSION_TOKEN: &str = "MARKER-session-token-3";
const REST_TOKEN: &str = "MARKER-rest-token-4";
const PROXY_PASSWORD: &str = "MARKER-proxy-password-5";

/// A page of two items.
const PAGE: &str = r#"{"status":0,"data":{"itemList":[{"itemId":1,"F_2": "a"},{"itemId":2}],"searchTotal":7,"returnTotal":2}}"#;

/// What a client is built from, ready to be changed by a test.
struct Setup {
    server: ServerConfig,
    login: LoginConfig,
    transport: Transport,
    environment: Environment,
}

impl Setup {
    fn new(url: &str) -> Self {
        let server = ServerConfig {
            url: Url::parse(url).unwrap(),
            ca_file: None,
            client_identity_file: None,
            proxy: None,
            no_proxy: Vec::new(),
            accept_invalid_certificates: false,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(10),
            items_call: None,
            max_response_size: 8 * 1024 * 1024,
            page_memory: 128 * 1024 * 1024,
        };
        let login = LoginConfig {
            method: LoginMethod::EnableApi,
            username: "system".to_owned(),
            password: Secret::new(PASSWORD),
            client_id: String::new(),
            client_secret: Secret::new(CLIENT_SECRET),
            oauth_credentials_in_url: false,
        };
        Self { server, login, transport: Transport::Headers, environment: Environment::empty() }
    }

    fn settings(&self) -> ClientSettings<'_> {
        ClientSettings {
            server: &self.server,
            login: &self.login,
            transport: self.transport,
            environment: &self.environment,
        }
    }

    fn client(&self) -> Client {
        Client::new(&self.settings()).unwrap()
    }
}

fn credentials() -> Credentials {
    Credentials {
        generation: Generation::NONE,
        revision: 0,
        number: 0,
        tokens: Tokens::new(Secret::new(SESSION_TOKEN), Some(Secret::new(REST_TOKEN))),
    }
}

fn request() -> SearchRequest {
    SearchRequest {
        repository: RepositoryId(10149),
        page: 3,
        page_size: 20,
        conditions: Arc::default(),
        item_id: "/itemId".parse::<JsonPointer>().unwrap(),
        fingerprints: None,
    }
}

/// Asks for item 5, an integer.
fn item_request() -> ItemRequest {
    ItemRequest {
        repository: RepositoryId(10149),
        item: ItemId::Integer(5),
        item_id: "/itemId".parse::<JsonPointer>().unwrap(),
    }
}

/// Searches against a server that answers so.
async fn searched(steps: Vec<server::ServerStep>) -> Result<SearchAnswer, Failure> {
    let server = Server::start(move |_| steps.clone()).await;
    search_at(&Setup::new(&server.url())).await
}

async fn search_at(setup: &Setup) -> Result<SearchAnswer, Failure> {
    setup.client().search(&credentials(), &request()).await
}

fn failed<T: std::fmt::Debug>(result: Result<T, Failure>) -> RequestError {
    match result {
        Err(Failure::Failed(error)) => {
            assert_no_secret(&error);
            error
        }
        other => panic!("expected a failed request, not {other:?}"),
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, Failure>) -> Refusal {
    match result {
        Err(Failure::Refused(refusal)) => {
            assert_no_secret(&refusal);
            refusal
        }
        other => panic!("expected a refusal, not {other:?}"),
    }
}

fn denied<T: std::fmt::Debug>(result: Result<T, Failure>) -> Denial {
    match result {
        Err(Failure::Denied(denial)) => {
            assert_no_secret(&denial);
            denial
        }
        other => panic!("expected a denial, not {other:?}"),
    }
}

/// Looks for the markers in all that an error and its sources can show.
fn assert_no_secret(error: &(dyn Error + 'static)) {
    let mut layer = Some(error);
    while let Some(error) = layer {
        for text in [error.to_string(), format!("{error:?}"), format!("{error:#?}")] {
            assert!(!text.contains("MARKER"), "{text}");
            assert!(!text.contains("grant_type"), "{text}");
        }
        assert!(!error.to_string().contains('\n'), "{error}");
        layer = error.source();
    }
}

#[tokio::test]
async fn a_reload_changes_the_server_under_a_running_client() {
    let first = Server::start(|_| json(PAGE)).await;
    let second = Server::start(|_| json(PAGE)).await;
    let setup = Setup::new(&first.url());
    let client = setup.client();
    client.search(&credentials(), &request()).await.unwrap();

    let mut changed = Setup::new(&second.url());
    changed.transport = Transport::Cookies;
    client.reconfigure(&changed.settings()).unwrap();
    client.search(&credentials(), &request()).await.unwrap();
    assert_eq!((first.received().len(), second.received().len()), (1, 1));
    assert!(second.received()[0].header("cookie").is_some());

    let mut faulty = Setup::new(&first.url());
    faulty.server.ca_file = Some("/nonexistent/ca.pem".into());
    let error = client.reconfigure(&faulty.settings()).unwrap_err();
    assert!(error.to_string().contains("server.ca_file"), "{error}");
    client.search(&credentials(), &request()).await.unwrap();
    assert_eq!(second.received().len(), 2, "the old settings stay");
}
