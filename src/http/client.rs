//! What one request needs to know of the server and of the way to it, as of the last reload.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use url::Url;

use super::connect::{self, Connections};
use super::reuse::Reuse;
use super::route::Router;
use super::setup_error::SetupError;
use crate::config::{Environment, ServerConfig};

/// The connections to one server, and what is known of it; replaced as a whole by a reload.
pub(crate) struct HttpClient {
    pub(super) connections: Connections,
    /// Which connections had been used before.
    pub(super) reuse: Reuse,
    pub(super) request_timeout: Duration,
    pub(super) idle_timeout: Duration,
    /// In bytes, after decompression.
    pub(super) max_response_size: u64,
    /// The configured base URL, with a path that ends in a slash.
    configured: Url,
    /// The same by https, once the server has redirected us there. A lock of its own, since this is
    /// learned from an answer and never unlearned.
    secured: OnceLock<Url>,
    router: Router,
    /// How many seconds the server's clock was ahead of ours in its last answer; `i64::MIN`: it has
    /// not said the time.
    clock_ahead_s: AtomicI64,
}

impl HttpClient {
    /// A client of this server. Reads the certificate files.
    pub(crate) fn new(
        server: &ServerConfig,
        environment: &Environment,
    ) -> Result<Self, SetupError> {
        let mut configured = server.url.clone();
        if !configured.path().ends_with('/') {
            // Joining would otherwise replace the last part of the path.
            configured.set_path(&format!("{}/", server.url.path()));
        }
        Ok(Self {
            connections: connect::connections(server)?,
            reuse: Reuse::default(),
            request_timeout: server.request_timeout,
            idle_timeout: server.idle_timeout,
            max_response_size: server.max_response_size,
            configured,
            secured: OnceLock::new(),
            router: Router::new(server, environment),
            clock_ahead_s: AtomicI64::new(i64::MIN),
        })
    }

    /// Keeps what the client before this one had learned, if it is about the same server.
    pub(crate) fn inherit(self, before: &Self) -> Self {
        let secured = before.secured.get().filter(|_| before.configured == self.configured);
        Self { secured: secured.cloned().map_or_else(OnceLock::new, OnceLock::from), ..self }
    }

    /// Where a path below the base URL is.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.secured.get().unwrap_or(&self.configured).clone();
        let joined = format!("{}{path}", url.path());
        url.set_path(&joined);
        url
    }

    /// The base URL by https, if the server has redirected us there.
    pub(crate) fn secured(&self) -> Option<&Url> {
        self.secured.get()
    }

    /// How long a request that begins now may take until it has succeeded or failed.
    pub(crate) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// How many seconds the server's clock is ahead of ours, as its last answer says.
    pub(crate) fn clock_ahead_s(&self) -> Option<i64> {
        Some(self.clock_ahead_s.load(Ordering::Relaxed)).filter(|ahead| *ahead != i64::MIN)
    }

    /// Which host and port a request for this URL connects to, in words.
    pub(super) fn way_to(&self, url: &Url) -> Option<String> {
        self.router.route(url).map(|route| route.to_string())
    }

    /// Takes the time that an answer carries.
    pub(super) fn note_time(&self, server: SystemTime, ours: SystemTime) {
        let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        let ahead = match server.duration_since(ours) {
            Ok(ahead) => seconds(ahead),
            Err(behind) => -seconds(behind.duration()),
        };
        self.clock_ahead_s.store(ahead, Ordering::Relaxed);
    }

    /// From now on every request goes to this target's scheme and port.
    pub(super) fn remember_https(&self, target: &Url) {
        let mut secured = self.configured.clone();
        if secured.set_scheme(target.scheme()).is_ok() && secured.set_port(target.port()).is_ok() {
            // Two requests may learn it at once; what they learn is the same.
            self.secured.get_or_init(|| secured);
        }
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The library's client would show its proxy.
        f.debug_struct("HttpClient")
            .field("configured", &self.configured.as_str())
            .field("secured", &self.secured.get().map(Url::as_str))
            .finish_non_exhaustive()
    }
}
