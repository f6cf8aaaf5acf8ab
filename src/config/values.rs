//! What values of the configuration can be, where the standard library has no type for them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::secret::Secret;
use super::sensitivity;

/// More requests than this at once for one repository serve nobody: the server works them off one
/// after the other, and each may hold an answer in memory.
pub const MOST_IN_FLIGHT: u32 = 64;

/// A value that is one of a few words.
pub(super) trait Choice: Copy + PartialEq + 'static {
    /// Each word and what it means.
    const CHOICES: &'static [(&'static str, Self)];
}

/// How to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginMethod {
    /// `POST enable-api/login` (vendor).
    EnableApi,
    /// `POST webcm/rest/oauth/token` (seen).
    Oauth,
}

impl Choice for LoginMethod {
    const CHOICES: &[(&str, Self)] = &[("enable-api", Self::EnableApi), ("oauth", Self::Oauth)];
}

/// How requests carry the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// As headers `ewtoken` and `epimresttoken` (vendor).
    Headers,
    /// As cookies of these names (vendor says that either way works; seen).
    Cookies,
}

impl Choice for Transport {
    const CHOICES: &[(&str, Self)] = &[("headers", Self::Headers), ("cookies", Self::Cookies)];
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

impl Choice for LogFormat {
    const CHOICES: &[(&str, Self)] = &[
        ("auto", Self::Auto),
        ("journald", Self::Journald),
        ("text", Self::Text),
        ("json", Self::Json),
    ];
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

impl Choice for LogLevel {
    const CHOICES: &[(&str, Self)] = &[
        ("off", Self::Off),
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

/// A value, or `"auto"`: as fast as the server answers without trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoOr<T> {
    /// By the operator.
    Value(T),
    /// By the pager, as it goes.
    Auto,
}

/// So many a second, more than none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(pub(super) f64);

impl Rate {
    /// The time from one to the next.
    pub fn interval(self) -> Duration {
        Duration::from_secs_f64(self.0.recip())
    }
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

impl MirrorUrl {
    /// The URL as it may be shown: passwords masked.
    pub fn shown(&self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(url) => sensitivity::masked(url),
        }
    }
}

/// `status.listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusListen {
    /// No endpoint.
    Off,
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Where a secret is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The file of a systemd credential.
    Credential(PathBuf),
    /// The file that a key ending in `_file` names.
    File(PathBuf),
    /// The environment variable of this name.
    Variable(String),
    /// The file that the shipped units hand to the daemon.
    Unit(PathBuf),
}
