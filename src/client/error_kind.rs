//! What can go wrong with a request, in words, and what an operator can do about it. Pure.

use std::fmt;

use crate::http::{HttpErrorKind, TimeoutKind, TlsFault};

/// What went wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestErrorKind {
    /// No connection stood: name not found, refused, proxy unwilling.
    Connect,
    /// Something took too long.
    Timeout(TimeoutKind),
    /// The two sides could not agree on a secured connection.
    Tls(TlsFault),
    /// The connection ended before the answer did.
    Interrupted,
    /// An HTTP status that is neither success nor refusal.
    Status,
    /// The answer is larger than allowed, counted after decompression.
    TooLarge {
        /// `server.max_response_size`, in bytes.
        limit: u64,
    },
    /// The answer is not what this call answers.
    WrongShape {
        /// What about it is wrong, in words that hold no value of the answer.
        what: String,
    },
    /// A page, but not as the search is documented to answer it.
    WrongPage {
        /// What about it is wrong, in words that hold no value of the answer.
        what: String,
    },
    /// An item whose id is not where the configuration says.
    ItemId {
        /// Which item, what is wrong, and the names of its members: no value of the answer.
        what: String,
    },
    /// A redirect on sign-in that we do not follow, lest the password goes astray.
    Redirect {
        /// Scheme, host, port and path of the target, if it could be read.
        target: Option<String>,
    },
    /// None of these.
    Other,
}

impl From<HttpErrorKind> for RequestErrorKind {
    fn from(kind: HttpErrorKind) -> Self {
        match kind {
            HttpErrorKind::Connect => Self::Connect,
            HttpErrorKind::Timeout(which) => Self::Timeout(which),
            HttpErrorKind::Tls(fault) => Self::Tls(fault),
            HttpErrorKind::Interrupted => Self::Interrupted,
            HttpErrorKind::TooLarge { limit } => Self::TooLarge { limit },
            HttpErrorKind::Malformed { what } => Self::WrongShape { what },
            HttpErrorKind::Other => Self::Other,
        }
    }
}

impl RequestErrorKind {
    /// What the operator can do about it, where there is something.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Connect => Some("check server.url, server.proxy and that the server is up"),
            Self::Timeout(TimeoutKind::Connect) => {
                Some("check server.url and firewalls, or raise server.connect_timeout")
            }
            Self::Timeout(TimeoutKind::Request) => {
                Some("raise server.request_timeout, or lower paging.page_size")
            }
            Self::Timeout(TimeoutKind::Idle) => Some("raise server.idle_timeout"),
            Self::Tls(fault) => fault.remedy(),
            Self::TooLarge { .. } => {
                Some("raise server.max_response_size, or lower paging.page_size")
            }
            Self::WrongShape { what }
                if ["itemList", "searchTotal", "returnTotal"]
                    .iter()
                    .any(|it| what.contains(it)) =>
            {
                Some(
                    "server.url leads to a search, but it answers in another form than EnterWorks' \
                     own: see what stands before the server and changes its answers",
                )
            }
            Self::WrongShape { .. } => {
                Some("check that server.url leads to EnterWorks itself, its path included")
            }
            Self::WrongPage { .. } => Some(
                "this is EnterWorks, but its page is not as documented: see what the search of that \
                 repository asks for, and whether anything before the server changes its answers",
            ),
            Self::ItemId { .. } => {
                Some("set item_id of that repository to the member that is its id")
            }
            Self::Redirect { .. } => Some("set server.url to where the server really is"),
            Self::Interrupted | Self::Status | Self::Other => None,
        }
    }
}

impl fmt::Display for RequestErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("no connection"),
            Self::Timeout(TimeoutKind::Connect) => f.write_str("no connection in time"),
            Self::Timeout(TimeoutKind::Request) => f.write_str("no complete answer in time"),
            Self::Timeout(TimeoutKind::Idle) => f.write_str("the answer stalled"),
            Self::Tls(fault) => fault.fmt(f),
            Self::Interrupted => f.write_str("the connection broke off"),
            Self::Status => f.write_str("status"),
            Self::TooLarge { limit } => {
                write!(f, "answer larger than server.max_response_size ({limit} bytes)")
            }
            Self::WrongShape { what } | Self::WrongPage { what } | Self::ItemId { what } => {
                write!(f, "unexpected answer: {what}")
            }
            Self::Redirect { target: Some(target) } => write!(f, "redirected to {target}"),
            Self::Redirect { target: None } => f.write_str("redirected to an unreadable place"),
            Self::Other => f.write_str("request error"),
        }
    }
}
