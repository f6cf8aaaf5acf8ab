//! The configuration: plain values that cannot be wrong, one struct a section.
//!
//! [`load()`] merges built-in defaults, the file and the environment with the `config` crate and
//! reads the result once, collecting every fault; what comes out needs no further check. A module
//! is handed its own section, never the whole [`Config`].
//!
//! The way of a value: `document` parses the file and keeps places, `layers` checks that keys
//! exist and merges, `reader` hands settings out and collects faults, `sections` and
//! `repositories` build the structs below with the parse functions of `units` and `address`.

mod address;
mod credentials;
mod document;
mod effective;
mod environment;
mod fault;
mod guarded;
mod keys;
mod layers;
mod load;
mod reader;
mod repositories;
mod search;
mod secret;
mod sections;
#[cfg(test)]
mod tests;
mod units;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use environment::Environment;
pub use fault::{Fault, Faults, Origin, Place, Warning};
pub use load::{Loaded, load, load_text, load_to_ask, load_what_holds, password_place};
pub use secret::Secret;
use url::Url;

use crate::domain::RepositoryId;
use crate::json::JsonPointer;

/// Everything that the configuration says, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[server]`: where the server is and how to reach it.
    pub server: ServerConfig,
    /// `[login]`: who signs in.
    pub login: LoginConfig,
    /// `[session]`: how the session is carried and renewed.
    pub session: SessionConfig,
    /// `paging.max_requests_per_second`: the most requests for pages and items that the server is
    /// sent for all repositories together; `None`: no such bound.
    pub max_requests_per_second: Option<Rate>,
    /// `[[repository]]`: what is paged; at least one, ids unique.
    pub repositories: Vec<RepositoryConfig>,
    /// `[mirror]`: where the copy is kept.
    pub mirror: MirrorUrl,
    /// `[changes]`: how long the change log is kept.
    pub changes: ChangesConfig,
    /// `[status]`: where the status endpoint listens, and what it takes for ready.
    pub status: StatusConfig,
    /// `[log]`: what is said, and how.
    pub log: LogConfig,
}

/// What it takes to ask a mirror about its items: of a whole configuration the parts that need no
/// secret and no file that only the daemon can read.
#[derive(Clone, Debug, PartialEq)]
pub struct AskConfig {
    /// `server.url`, as in [`ServerConfig::url`].
    pub server: Url,
    /// `[[repository]]`: what is paged; at least one, ids unique.
    pub repositories: Vec<RepositoryConfig>,
    /// `[mirror]`: where the copy is kept.
    pub mirror: MirrorUrl,
    /// `[status]`: where browsers and scrapers ask a running daemon.
    pub status: StatusListen,
}

/// `[server]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    /// The base URL: http or https, without user information, query or fragment, with a path that
    /// ends in a slash so that endpoints can be joined to it.
    pub url: Url,
    /// A PEM file of certificate authorities trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// A PEM file with the client's certificate chain and private key.
    pub client_identity_file: Option<PathBuf>,
    /// An `http`, `https`, `socks5` or `socks5h` proxy URL, with its password if it has one. Without it the
    /// usual environment variables decide.
    pub proxy: Option<Secret>,
    /// Hosts reached without the configured proxy, as in `NO_PROXY`; where empty, `NO_PROXY` of
    /// the environment holds.
    pub no_proxy: Vec<String>,
    /// Takes any certificate for good. Warned about at every start.
    pub accept_invalid_certificates: bool,
    /// How long a connection may take to stand.
    pub connect_timeout: Duration,
    /// How long a request may take, from its sending to the last byte of its answer.
    pub request_timeout: Duration,
    /// How long an answer may be silent between two bytes.
    pub idle_timeout: Duration,
    /// The largest answer read, in bytes after decompression.
    pub max_response_size: u64,
}

/// `[login]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LoginConfig {
    /// Which of the two sign-in calls is used.
    pub method: LoginMethod,
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: Secret,
    /// The OAuth client's name, for HTTP basic authentication of the token call.
    pub client_id: String,
    /// The OAuth client's secret.
    pub client_secret: Secret,
}

/// Where a secret is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretPlace {
    /// The file of a systemd credential.
    Credential(PathBuf),
    /// The file that a key ending in `_file` names.
    File(PathBuf),
    /// The file that the shipped units hand to the daemon.
    Unit(PathBuf),
    /// The environment variable of this name.
    Variable(String),
}

/// How to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginMethod {
    /// `POST enable-api/login` (vendor).
    EnableApi,
    /// `POST webcm/rest/oauth/token` (seen).
    Oauth,
}

/// `[session]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// How requests carry the tokens.
    pub transport: Transport,
    /// How often `reauth` asks whether the session still stands.
    pub reauth_interval: Duration,
    /// The age at which a session is renewed, ahead of the 24 hours after which it ends (vendor).
    pub max_age: Duration,
}

/// How requests carry the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// As headers `ewtoken` and `epimresttoken` (vendor).
    Headers,
    /// As cookies of these names (vendor says that either way works; seen).
    Cookies,
}

/// `[paging]`, as it holds for one repository.
#[derive(Clone, Debug, PartialEq)]
pub struct PagingConfig {
    /// The most items asked for at once.
    pub page_size: NonZeroU32,
    /// The time between two page requests of one repository; zero: as fast as it answers.
    pub page_interval: Chosen<Duration>,
    /// The rest between two passes.
    pub pass_interval: Duration,
    /// Windows that overlap, so that a pass can prove it missed nothing.
    pub overlap: bool,
    /// How many page requests of one repository are under way at once.
    pub in_flight: Chosen<NonZeroU32>,
    /// The most requests for pages and items of this repository; `None`: no bound of its own.
    pub max_requests_per_second: Option<Rate>,
    /// How old a checkpoint may be for a pass to be taken up again.
    pub resume_within: Duration,
}

/// A value, or `"auto"`: as fast as the server answers without trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen<T> {
    /// By the operator.
    Fixed(T),
    /// By the pager, as it goes.
    Auto,
}

/// So many a second, more than none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(f64);

impl Rate {
    /// The time from one to the next.
    pub fn interval(self) -> Duration {
        Duration::from_secs_f64(self.0.recip())
    }
}

impl std::fmt::Display for Rate {
    /// As TOML reads it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.0, f)
    }
}

/// More requests than this at once for one repository serve nobody: the server works them off one
/// after the other, and each may hold an answer in memory.
pub const MOST_IN_FLIGHT: u32 = 64;

/// One `[[repository]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RepositoryConfig {
    /// The vendor's number of it.
    pub id: RepositoryId,
    /// What people call it; for logs and status only.
    pub name: Option<String>,
    /// Where an item carries its id.
    pub item_id: JsonPointer,
    /// Members added to each search request, untouched.
    pub search: serde_json::Map<String, serde_json::Value>,
    /// Members left out of the comparison of an item with the mirror's.
    pub ignore: Arc<[JsonPointer]>,
    /// `[paging]` with this repository's own values laid over it.
    pub paging: PagingConfig,
    /// `[deletes]` with this repository's own values laid over it.
    pub deletes: DeletesConfig,
}

/// `mirror.url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MirrorUrl {
    /// Page and log, keep nothing.
    None,
    /// A SQLite database file.
    Sqlite(PathBuf),
    /// A PostgreSQL database; the URL may hold a password.
    Postgres(Secret),
}

/// `[changes]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangesConfig {
    /// How old a change may get before it is dropped; `None`: never.
    pub keep: Option<Duration>,
}

/// `[deletes]`: how many deletions one pass may make without a human.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeletesConfig {
    /// The largest part of a repository, from 0 to 1.
    pub max_fraction: f64,
    /// So many items may go, whatever part of the repository they are up to a half.
    pub min_count: u64,
}

/// `[status]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusConfig {
    /// Where the endpoint listens.
    pub listen: StatusListen,
    /// How old the last certified pass of a repository may be for `/readyz` to say yes.
    pub max_age: Duration,
}

/// `status.listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusListen {
    /// No endpoint.
    Off,
    /// A TCP address.
    Tcp(std::net::SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// How events are written.
    pub format: LogFormat,
    /// The least level that is written.
    pub level: LogLevel,
}

/// `log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Journald under systemd, text on a terminal, JSON otherwise.
    Auto,
    /// Native journal entries.
    Journald,
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `log.level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Nothing at all.
    Off,
    /// A human must act.
    Error,
    /// Unexpected, but handled.
    Warn,
    /// Life, passes and pages at a human pace.
    Info,
    /// The rest.
    Debug,
    /// Everything.
    Trace,
}
