//! What can go wrong between this machine and an HTTP server, as types.
//!
//! Guarantee: nothing here shows the URL of a request, a header or a body; sources are chained, never
//! pasted into a text.

use std::error::Error;
use std::time::Duration;

use super::tls_fault::TlsFault;

/// A request that got no answer that can be read.
#[derive(Debug)]
pub(crate) struct HttpError {
    /// What went wrong.
    pub(crate) kind: HttpErrorKind,
    /// The HTTP status, once there was one.
    pub(crate) status: Option<u16>,
    /// The least time that the server asks us to wait.
    pub(crate) retry_after: Option<Duration>,
    /// Which host and port was to be reached, and by which way; of a connection that failed.
    pub(crate) tried: Option<String>,
    /// Whether the server has never answered by plain http, by which it was asked.
    pub(crate) mute: bool,
    /// What the HTTP library said, without the URL.
    pub(crate) source: Option<Box<dyn Error + Send + Sync>>,
}

impl HttpError {
    /// An error that has no more to say than its kind.
    pub(crate) fn new(kind: HttpErrorKind) -> Self {
        Self { kind, status: None, retry_after: None, tried: None, mute: false, source: None }
    }

    /// The same error on an answer with this status.
    #[must_use]
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The same error with what lies beneath it; the source must not show a URL.
    #[must_use]
    pub(crate) fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }
}

/// What went wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HttpErrorKind {
    /// No connection stood: name not found, refused, proxy unwilling.
    Connect,
    /// Something took too long.
    Timeout(TimeoutKind),
    /// The two sides could not agree on a secured connection.
    Tls(TlsFault),
    /// The connection ended before the answer did.
    Interrupted,
    /// The answer is larger than allowed, counted after decompression.
    TooLarge {
        /// `server.max_response_size`, in bytes.
        limit: u64,
    },
    /// Request or answer is not what HTTP, the encoding or the charset makes of it.
    Malformed {
        /// What about it is wrong, in words that hold no value of the answer.
        what: String,
    },
    /// None of these.
    Other,
}

impl HttpErrorKind {
    /// Whether no connection stood at all.
    pub(crate) fn is_unconnected(&self) -> bool {
        matches!(self, Self::Connect | Self::Tls(_) | Self::Timeout(TimeoutKind::Connect))
    }
}

/// Which of the time-outs ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeoutKind {
    /// `server.connect_timeout`.
    Connect,
    /// `server.request_timeout`.
    Request,
    /// `server.idle_timeout`.
    Idle,
}
