//! Why the daemon cannot listen at an address, and what to do about it.

use std::io::{self, ErrorKind};

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndpointKind {
    /// `status.listen`.
    Status,
    /// The socket for commands.
    Control,
}

impl EndpointKind {
    fn name(self) -> &'static str {
        match self {
            Self::Status => "status.listen",
            Self::Control => "control socket",
        }
    }
}

/// Why nobody can be listened to there.
#[derive(Debug, thiserror::Error)]
pub(super) enum BindError {
    /// Another program listens there.
    #[error("{}: another program listens at {at}{}", what.name(), .by.as_deref().unwrap_or_default())]
    Taken {
        /// What the address is for.
        what: EndpointKind,
        /// Where.
        at: String,
        /// Who, in parentheses and after a blank, where that can be told.
        by: Option<String>,
    },
    /// Something is there that is no socket.
    #[error("{}: {at} is there and is no socket", what.name())]
    NoSocket {
        /// What the address is for.
        what: EndpointKind,
        /// Where.
        at: String,
    },
    /// The system said no.
    #[error("{}: cannot listen at {at}", what.name())]
    Refused {
        /// What the address is for.
        what: EndpointKind,
        /// Where.
        at: String,
        /// What it said.
        source: io::Error,
    },
}

impl BindError {
    /// What the operator can do.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::Taken { what: EndpointKind::Status, .. } => {
                "end that program, and the daemon listens there by itself; or choose another \
                 address, or \"off\", and restart the daemon"
            }
            Self::Taken { what: EndpointKind::Control, .. } => {
                "give each daemon a database, or a RuntimeDirectory, of its own"
            }
            Self::NoSocket { what: EndpointKind::Status, .. } => {
                "take that file away, or choose another path and restart the daemon"
            }
            Self::NoSocket { what: EndpointKind::Control, .. } => "take that file away",
            Self::Refused { what, source, .. } => match (what, source.kind()) {
                (_, ErrorKind::NotFound) => {
                    "make the folder (RuntimeDirectory=ewmirror in the unit makes /run/ewmirror)"
                }
                (EndpointKind::Status, ErrorKind::PermissionDenied) => {
                    "choose a port above 1023, or a path where the daemon may write"
                }
                (EndpointKind::Status, ErrorKind::AddrNotAvailable) => {
                    "choose an address that this machine has; where it only comes later, wait"
                }
                (EndpointKind::Status, _) => {
                    "choose another address, or \"off\", and restart the daemon"
                }
                (EndpointKind::Control, _) => {
                    "let the daemon make a socket there, or give it a RuntimeDirectory"
                }
            },
        }
    }
}
