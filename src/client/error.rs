//! What can go wrong between us and the server, as types.
//!
//! A [`Failure`] says which of three very different things happened, because the caller does a
//! different thing for each: a refusal asks for a new session, a denial for patience (accounts get
//! locked), and a failed request is simply tried again. A [`SetupError`](crate::http::SetupError) is a
//! fault of the configuration that no retry mends.
//!
//! Guarantees: no `Display` and no `Debug` here shows a password, token, cookie or the query of a
//! URL; texts that came from the server are redacted, escaped and cut before they get here. Sources
//! are chained, never pasted into the text.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use super::error_kind::RequestErrorKind;
use crate::http::{HttpError, TimeoutKind};
use crate::progress::problems::Reached;

/// One of the vendor's calls, by the name that logs and metrics use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApiEndpoint {
    /// `POST enable-api/login` (vendor).
    Login,
    /// `GET enable-api/reauth` (vendor).
    Reauth,
    /// `POST enable-api/logout` (seen).
    Logout,
    /// `POST webcm/rest/api/items/search` (vendor).
    Search,
    /// `GET webcm/rest/api/items/{itemId}` (vendor, in words).
    Item,
    /// `GET webcm/rest/api/repositories` (seen).
    Repositories,
    /// The calls for the model of a repository, below `webcm/rest/api` (seen, vendor).
    Metadata,
    /// `POST webcm/rest/oauth/token` (seen).
    Token,
    /// Any call, to see how it is answered.
    Probe,
}

impl ApiEndpoint {
    /// The name itself.
    pub fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Reauth => "reauth",
            Self::Logout => "logout",
            Self::Search => "search",
            Self::Item => "item",
            Self::Repositories => "repositories",
            Self::Metadata => "metadata",
            Self::Token => "token",
            Self::Probe => "probe",
        }
    }
}

impl fmt::Display for ApiEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a call did not yield what it was made for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// The server did not accept the credentials: a new session is needed.
    #[error(transparent)]
    Refused(Refusal),
    /// Login only: the server did not accept the name or the password.
    #[error(transparent)]
    Denied(Denial),
    /// Everything else: connection, time-out, status, wrong shape. Worth another try.
    #[error(transparent)]
    Failed(RequestError),
}

impl Failure {
    /// How the answer began, where there was one: redacted, escaped, cut.
    pub fn beginning(&self) -> Option<&str> {
        match self {
            Self::Failed(error) => error.beginning.as_deref(),
            Self::Refused(_) | Self::Denied(_) => None,
        }
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        Self::Failed(error)
    }
}

/// An answer that means: these credentials are not good (any more).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The call that was refused.
    pub endpoint: ApiEndpoint,
    /// How the server said so.
    pub shape: RefusalShape,
    /// The server's own words, if it used any: redacted, escaped, cut.
    pub reason: Option<String>,
}

impl Refusal {
    /// A refusal without words.
    #[cfg(test)]
    pub fn new(endpoint: ApiEndpoint, shape: RefusalShape) -> Self {
        Self { endpoint, shape, reason: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} refused: {}", self.endpoint, self.shape)?;
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

impl Error for Refusal {}

/// The shapes of a refusal. Which of them a server uses is open, so each is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalShape {
    /// Status 401.
    Unauthorized,
    /// Status 403.
    Forbidden,
    /// Status 200 with `"success": false`.
    NotSuccessful,
    /// Status 200 with this `status` member, which is not 0, and no `data`.
    StatusMember(i64),
    /// Status 200 with an HTML sign-in page.
    SignInPage,
    /// A redirect to a sign-in page of the same server.
    Redirected,
    /// A redirect to anywhere else that is not followed. What that says of the session is doubtful.
    ForeignRedirect,
}

impl fmt::Display for RefusalShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized => f.write_str("status 401"),
            Self::Forbidden => f.write_str("status 403"),
            Self::NotSuccessful => f.write_str("\"success\": false"),
            Self::StatusMember(status) => write!(f, "\"status\": {status} without data"),
            Self::SignInPage => f.write_str("a sign-in page"),
            Self::Redirected => f.write_str("a redirect to a sign-in page"),
            Self::ForeignRedirect => f.write_str("a redirect to elsewhere"),
        }
    }
}

/// The server did not accept the name or the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The call that was denied: [`ApiEndpoint::Login`] or [`ApiEndpoint::Token`].
    pub endpoint: ApiEndpoint,
    /// The HTTP status; servers deny with 200 (seen) as well as with 401 (open).
    pub status: u16,
    /// The server's own words, if it used any: redacted, escaped, cut.
    pub reason: Option<String>,
}

impl Denial {
    /// What can be done about it, where the call makes it known better than in general.
    pub fn remedy(&self) -> Option<&'static str> {
        (self.endpoint == ApiEndpoint::Token).then_some(
            "check login.username, the password, login.client_id and its secret; a server before \
             10.2.1 needs login.oauth_credentials_in_url = true",
        )
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} denied (status {})", self.endpoint, self.status)?;
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

impl Error for Denial {}

/// A request that failed and may be tried again.
#[derive(Clone, Debug)]
pub struct RequestError {
    /// The call that failed.
    pub endpoint: ApiEndpoint,
    /// The HTTP status, once there was one.
    pub status: Option<u16>,
    /// What went wrong.
    pub kind: RequestErrorKind,
    /// The beginning of the answer's body: redacted, escaped, cut.
    pub beginning: Option<String>,
    /// The least time that the server asks us to wait.
    pub retry_after: Option<Duration>,
    /// Which host and port was to be reached, and by which way; of a connection that failed.
    tried: Option<Arc<str>>,
    /// Whether the server has never answered by plain http, by which it was asked.
    mute: bool,
    /// What the HTTP library said, without the URL. Shared, so that an error can be cloned.
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl RequestError {
    /// An error that has no more to say than its kind.
    pub fn new(endpoint: ApiEndpoint, kind: RequestErrorKind) -> Self {
        Self {
            endpoint,
            status: None,
            kind,
            beginning: None,
            retry_after: None,
            tried: None,
            mute: false,
            source: None,
        }
    }

    /// The same for a call that failed below the vendor's calls.
    pub(super) fn from_http(endpoint: ApiEndpoint, error: HttpError) -> Self {
        let HttpError { kind, status, retry_after, tried, mute, source } = error;
        Self {
            status,
            retry_after,
            tried: tried.map(Into::into),
            mute,
            source: source.map(Into::into),
            ..Self::new(endpoint, kind.into())
        }
    }

    /// The same error on an answer with this status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The same error with what lies beneath it; the source must not show a URL.
    #[must_use]
    pub(super) fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// How far the request came.
    pub fn reached(&self) -> Reached {
        match self.kind {
            _ if self.status.is_some() => Reached::Answered,
            RequestErrorKind::Connect
            | RequestErrorKind::Tls(_)
            | RequestErrorKind::Timeout(TimeoutKind::Connect) => Reached::Nobody,
            _ => Reached::Connected,
        }
    }

    /// Whether the server has said what it will say of this call at every try: that it has no such call, say.
    pub fn is_lasting(&self) -> bool {
        let is_answered = matches!(self.kind, RequestErrorKind::Status);
        // A 403 that fails is a limit on requests.
        is_answered && self.status.is_some_and(|status| status != 403 && !passes_by(status))
    }

    /// What the operator can do about it, where there is something.
    pub fn remedy(&self) -> Option<&'static str> {
        const TLS: &str = "where that port speaks TLS, server.url must begin with https://; \
                           check its scheme and port";
        match (&self.kind, self.status) {
            // What a port for TLS does to a client that greets it otherwise.
            (RequestErrorKind::Interrupted | RequestErrorKind::WrongShape { .. }, None)
                if self.mute =>
            {
                Some(TLS)
            }
            (RequestErrorKind::Status, Some(404)) => {
                Some("check the host, port and path of server.url")
            }
            (RequestErrorKind::Status, Some(407)) => {
                Some("put the proxy's user name and password into server.proxy")
            }
            (kind, _) => kind.remedy(),
        }
    }
}

/// Whether a status other than one of success tells of the moment, and not of the call.
pub(super) fn passes_by(status: u16) -> bool {
    matches!(status, 407 | 408 | 425 | 429 | 500 | 502..)
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.endpoint, self.kind)?;
        if let Some(tried) = &self.tried {
            write!(f, ": {tried}")?;
        }
        match (&self.kind, self.status) {
            (RequestErrorKind::Status, Some(status)) => write!(f, " {status}"),
            (_, Some(status)) => write!(f, " (status {status})"),
            (_, None) => Ok(()),
        }
    }
}

impl Error for RequestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_a_call_lasts_and_what_it_says_of_the_moment_does_not() {
        let with = |kind, status: u16| {
            RequestError::new(ApiEndpoint::Repositories, kind).with_status(status).is_lasting()
        };
        for (status, is_lasting) in [
            (404, true),
            (405, true),
            (410, true),
            (501, true),
            (403, false),
            (407, false),
            (429, false),
            (500, false),
            (503, false),
        ] {
            assert_eq!(with(RequestErrorKind::Status, status), is_lasting, "{status}");
        }
        assert!(!with(RequestErrorKind::Interrupted, 404));
        let nobody = RequestError::new(ApiEndpoint::Repositories, RequestErrorKind::Connect);
        assert!(!nobody.is_lasting());
    }
}
