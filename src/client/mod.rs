//! The client: one method per vendor call.
//!
//! It signs each request with the credentials it is handed, follows none of the redirects that
//! could carry them astray, reads no more than it may, and turns whatever came back into an answer,
//! a refusal, a denial or a typed error. It tries nothing again, knows no generation and logs
//! nothing: that is for its callers.
//!
//! | file | does |
//! | --- | --- |
//! | `auth`, `items`, `repositories` | the calls: signing in and out; items; what there is |
//! | `exchange`, `body`, `encoding` | one request and its answer over the wire, decompressed, the cap |
//! | `redirect`, `reuse` | which redirects are followed (pure); which connections had been used before |
//! | `instrumented` | the same calls, counted and timed |
//! | `connect`, `settings` | TLS, proxies; what a request needs to know as of the last reload |
//! | `trust`, `pem` | whom TLS trusts; certificates and keys out of files |
//! | `route` | which host a request connects to first: the server's or a proxy's |
//! | `verdict`, `page`, `sign_in`, `presence`, `repository_list` | what an answer means (pure) |
//! | `charset` | an answer's text as UTF-8 (pure) |
//! | `wire`, `walk`, `lenient`, `fingerprint`, `unreadable` | the vendor's JSON; what of it need not be read twice; answers that single records have spoilt (pure) |
//! | `classify`, `error`, `tls_fault` | what went wrong, as types |
//! | `redact`, `encodings`, `retry` | what may be shown of an answer; how long to wait (pure) |

mod auth;
mod body;
mod charset;
mod classify;
mod connect;
mod encoding;
mod encodings;
mod error;
mod exchange;
mod fingerprint;
#[cfg(fuzzing)]
pub mod fuzzing;
mod instrumented;
mod items;
mod lenient;
mod page;
mod pem;
mod presence;
mod redact;
mod redirect;
mod repositories;
mod repository_list;
pub mod retry;
mod reuse;
pub mod route;
mod settings;
mod sign_in;
#[cfg(test)]
mod tests;
mod tls_fault;
mod trust;
mod unreadable;
mod verdict;
mod walk;
mod wire;

use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};
use url::Url;

pub use self::error::{
    ApiEndpoint, ClientError, Denial, Failure, Refusal, RefusalShape, RequestError,
    RequestErrorKind, TimeoutKind,
};
pub use self::fingerprint::Fingerprints;
pub use self::instrumented::Instrumented;
use self::settings::Settings;
pub use self::tls_fault::TlsFault;
use crate::config::{Environment, LoginConfig, Secret, ServerConfig, Transport};
use crate::domain::{Item, ItemId, RepositoryId};
use crate::json::JsonPointer;
use crate::session::{Credentials, Tokens};

/// How far the server's clock and ours may be apart, in seconds, before it is told. The daemon lives
/// with more; but then one of them is wrong, and certificates and logs are judged by it.
pub const CLOCKS_APART_S: u64 = 60;

/// What the refresher and the pagers need of a server: the [`Client`], or a script in tests.
pub trait Api: Send + Sync + 'static {
    /// Signs in.
    fn login(&self) -> impl Future<Output = Result<Tokens, Failure>> + Send;

    /// Asks whether the session still stands. A refusal of any shape is [`SessionStatus::Ended`], not
    /// an error.
    fn reauth(
        &self,
        credentials: &Credentials,
    ) -> impl Future<Output = Result<SessionStatus, Failure>> + Send;

    /// Ends the session.
    fn logout(&self, credentials: &Credentials)
    -> impl Future<Output = Result<(), Failure>> + Send;

    /// Reads one page of a repository.
    fn search(
        &self,
        credentials: &Credentials,
        request: &SearchRequest,
    ) -> impl Future<Output = Result<SearchAnswer, Failure>> + Send;

    /// Asks for one item, to learn whether the server still has it.
    fn item(
        &self,
        credentials: &Credentials,
        request: &ItemRequest,
    ) -> impl Future<Output = Result<Presence, Failure>> + Send;

    /// How long a call that begins now may take until it has succeeded or failed.
    fn time_out(&self) -> Duration;

    /// How many seconds the server's clock is ahead of this machine's, as its last answer says;
    /// `None` where no answer has said the time.
    fn clock_ahead_s(&self) -> Option<i64>;
}

/// One item asked for.
#[derive(Clone, Debug)]
pub struct ItemRequest {
    /// Which repository.
    pub repository: RepositoryId,
    /// Which item.
    pub item: ItemId,
    /// Where an item carries its id.
    pub item_id: JsonPointer,
}

/// Whether the server has an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Presence {
    /// It answered with the item.
    Present,
    /// It said that there is no such item. Believed only of a server that answers with an item
    /// that is there, because where such a call does not exist it says the same.
    Absent,
    /// Its answer is neither.
    Unknown,
}

/// The repositories that a server offers to a login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryList {
    /// In the server's order.
    pub repositories: Vec<ListedRepository>,
    /// How many entries of its list have no id that we can find.
    pub skipped: usize,
}

/// One repository that a server offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRepository {
    /// Its number.
    pub id: RepositoryId,
    /// What the server calls it, as it came.
    pub name: Option<String>,
}

/// What `reauth` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionStatus {
    /// The session still stands.
    Valid,
    /// The session has ended; a login is due.
    Ended,
    /// There is no such question; a refused request tells.
    Unknown,
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
    /// That of the latest answer to the same request, if it is known: it saves reading again what
    /// has not changed.
    pub fingerprints: Option<Arc<Fingerprints>>,
}

/// One page as the server sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchAnswer {
    /// The items in the server's order (open which that is), but for those that cannot be read.
    pub items: Vec<Item>,
    /// The records that cannot be read, in the order of their places. Each stands among the items,
    /// so that whoever counts positions must count it.
    pub unreadable: Vec<UnreadableItem>,
    /// How many items the whole search has, `searchTotal` (vendor).
    pub total: u64,
    /// A new REST token, which the server hands out now and then (vendor).
    pub rest_token: Option<Secret>,
    /// Where the items lay in it, for the next request of the same kind.
    pub fingerprints: Option<Arc<Fingerprints>>,
}

/// A record of a page that cannot be read. It holds its place in the list; its item, whichever it
/// is, is neither new nor changed nor gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableItem {
    /// Its place in the page, counted from 0.
    pub place: usize,
    /// Its id, where that can be told all the same.
    pub id: Option<ItemId>,
    /// What is wrong with it, in words that hold no value of it.
    pub what: String,
    /// Its bytes around the fault: redacted, escaped, cut.
    pub around: Option<String>,
    /// Its bytes as received, not yet fit to be shown.
    pub(crate) bytes: Bytes,
    /// Where in them the fault is.
    pub(crate) fault_at: usize,
    /// What its bytes are known by ([`crate::domain::item::digest`]).
    pub digest: u64,
}

impl SearchAnswer {
    /// For each place of the page the item that stands there; `None` for a record that cannot be
    /// read.
    pub fn places(&self) -> impl Iterator<Item = Option<&Item>> {
        let (mut items, mut unreadable) = (self.items.iter(), self.unreadable.iter().peekable());
        (0..self.items.len() + self.unreadable.len()).map(move |place| {
            match unreadable.next_if(|record| record.place == place) {
                Some(_) => None,
                None => items.next(),
            }
        })
    }
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
    /// What may name a proxy.
    pub environment: &'a Environment,
}

/// The [`Api`] over HTTP.
#[derive(Debug)]
pub struct Client {
    /// Replaced as a whole by a reload. A plain lock: it is held for as long as it takes to clone
    /// the `Arc`, never across an await.
    settings: RwLock<Arc<Settings>>,
}

impl Client {
    /// A client with these settings. Reads the certificate files.
    pub fn new(settings: &ClientSettings<'_>) -> Result<Self, ClientError> {
        Ok(Self { settings: RwLock::new(Arc::new(Settings::new(settings)?)) })
    }

    /// Replaces the settings under running callers: requests under way end with the old ones.
    /// Reads the certificate files again. On an error the old settings stay.
    pub fn reconfigure(&self, settings: &ClientSettings<'_>) -> Result<(), ClientError> {
        let settings = Settings::new(settings)?.inherit(&self.settings());
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        Ok(())
    }

    /// The base URL by https to which the server has redirected us, if it has: requests go there
    /// now, and `server.url` should say so.
    pub fn redirected_to(&self) -> Option<Url> {
        self.settings().secured().cloned()
    }

    /// Asks what repositories there are for this login. No pager needs it, so it is no part of the
    /// [`Api`].
    pub async fn repositories(&self, credentials: &Credentials) -> Result<RepositoryList, Failure> {
        repositories::repositories(&self.settings(), &credentials.tokens).await
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Api for Client {
    async fn login(&self) -> Result<Tokens, Failure> {
        auth::login(&self.settings()).await
    }

    async fn reauth(&self, credentials: &Credentials) -> Result<SessionStatus, Failure> {
        auth::reauth(&self.settings(), &credentials.tokens).await
    }

    async fn logout(&self, credentials: &Credentials) -> Result<(), Failure> {
        auth::logout(&self.settings(), &credentials.tokens).await
    }

    async fn search(
        &self,
        credentials: &Credentials,
        request: &SearchRequest,
    ) -> Result<SearchAnswer, Failure> {
        items::search(&self.settings(), &credentials.tokens, request).await
    }

    async fn item(
        &self,
        credentials: &Credentials,
        request: &ItemRequest,
    ) -> Result<Presence, Failure> {
        items::item(&self.settings(), &credentials.tokens, request).await
    }

    fn time_out(&self) -> Duration {
        self.settings().request_timeout
    }

    fn clock_ahead_s(&self) -> Option<i64> {
        self.settings().clock_ahead_s()
    }
}
