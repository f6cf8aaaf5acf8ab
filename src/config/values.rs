//! What values of the configuration can be, where the standard library has no type for them.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use crate::settings::choice::{Choice, choices};

/// More requests than this at once for one repository serve nobody: the server works them off one
/// after the other, and each may hold an answer in memory.
pub const MOST_IN_FLIGHT: u32 = 64;

/// What `in_flight = "auto"` takes at most: as many as a browser opens to one server, and a few more. A server whose
/// latency does not tell that it is busy would be given [`MOST_IN_FLIGHT`] otherwise.
pub const AUTO_IN_FLIGHT: u32 = 8;

/// What `page_size = "auto"` asks for at first: the default of `page_size`.
pub const SMALLEST_AUTO_PAGE: u32 = 200;

/// The most that it asks for. Beyond it the proof that nothing was missed costs a percent or two of the
/// requests, so that there is little left to gain, and each page that fails is more to read again.
pub const LARGEST_AUTO_PAGE: u32 = 3200;

choices! {
    /// How to sign in.
    LoginMethod:
    /// `POST enable-api/login` (vendor).
    "enable-api" => EnableApi,
    /// `POST webcm/rest/oauth/token` (seen).
    "oauth" => Oauth,
}

choices! {
    /// How requests carry the tokens.
    Transport:
    /// As headers `ewtoken` and `epimresttoken` (vendor).
    "headers" => Headers,
    /// As cookies of these names (vendor says that either way works; seen).
    "cookies" => Cookies,
}

choices! {
    /// How events are written.
    LogFormat:
    /// Journald under systemd, text on a terminal, JSON otherwise.
    "auto" => Auto,
    /// Native journal entries.
    "journald" => Journald,
    /// Lines for people.
    "text" => Text,
    /// One JSON object a line.
    "json" => Json,
}

choices! {
    /// The least level that is written.
    LogLevel:
    /// Nothing at all.
    "off" => Off,
    /// A human must act.
    "error" => Error,
    /// Unexpected, but handled.
    "warn" => Warn,
    /// Life, passes and pages at a human pace.
    "info" => Info,
    /// The rest.
    "debug" => Debug,
    /// Everything.
    "trace" => Trace,
}

/// A value, or `"auto"`: as fast as the server answers without trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoOr<T> {
    /// By the operator.
    Value(T),
    /// By the pager, as it goes.
    Auto,
}

impl AutoOr<NonZeroU32> {
    /// How many items are asked for where nothing has been found out yet.
    pub fn first_page_size(self) -> u32 {
        match self {
            Self::Value(page_size) => page_size.get(),
            Self::Auto => SMALLEST_AUTO_PAGE,
        }
    }
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

impl fmt::Display for StatusListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// How often something is read anew; `None`: never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh(pub Option<Duration>);
