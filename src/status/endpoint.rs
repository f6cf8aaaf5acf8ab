//! Places that the daemon listens at: the one that is configured, for browsers and scrapers, and
//! its control sockets, for its own commands.
//!
//! A place that cannot be had is no reason to end or to wait: [`Place::bind`] says why, and whoever
//! serves tries it again.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::control;
use super::process;
use super::socket::Socket;
use crate::config::StatusListen;

/// Who may ask at `status.listen` where that is a socket: the daemon's user and group.
const STATUS_MODE: u32 = 0o660;

/// Who may ask at a control socket: the daemon's user, and root.
const CONTROL_MODE: u32 = 0o600;

/// What a place is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// `status.listen`.
    Status,
    /// The socket for commands.
    Control,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Status => "status.listen",
            Self::Control => "control socket",
        }
    }
}

/// A place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `status.listen` as a TCP address.
    Tcp(SocketAddr),
    /// `status.listen` as a socket.
    Socket(PathBuf),
    /// A control socket.
    Control(control::Place),
}

/// A place that is listened at.
#[derive(Debug)]
pub(super) enum Endpoint {
    Tcp(TcpListener),
    Socket(Socket),
    Control(Socket),
}

/// Somebody who has connected.
pub(super) enum Stream {
    /// With the address that it has connected to.
    Tcp(TcpStream, IpAddr),
    Unix(UnixStream),
}

/// Why nobody can be listened to there.
#[derive(Debug, thiserror::Error)]
pub(super) enum BindError {
    /// Another program listens there.
    #[error("{}: another program listens at {at}{}", what.name(), .by.as_deref().unwrap_or_default())]
    Taken {
        /// What the place is for.
        what: What,
        /// Where.
        at: String,
        /// Who, in parentheses and after a blank, where that can be told.
        by: Option<String>,
    },
    /// Something is there that is no socket.
    #[error("{}: {at} is there and is no socket", what.name())]
    NoSocket {
        /// What the place is for.
        what: What,
        /// Where.
        at: String,
    },
    /// The system said no.
    #[error("{}: cannot listen at {at}", what.name())]
    Refused {
        /// What the place is for.
        what: What,
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
            Self::Taken { what: What::Status, .. } => {
                "end that program, and the daemon listens there by itself; or choose another \
                 address, or \"off\", and restart the daemon"
            }
            Self::Taken { what: What::Control, .. } => {
                "give each daemon a database, or a RuntimeDirectory, of its own"
            }
            Self::NoSocket { what: What::Status, .. } => {
                "take that file away, or choose another path and restart the daemon"
            }
            Self::NoSocket { what: What::Control, .. } => "take that file away",
            Self::Refused { what, source, .. } => match (what, source.kind()) {
                (_, ErrorKind::NotFound) => {
                    "make the folder (RuntimeDirectory=ewmirror in the unit makes /run/ewmirror)"
                }
                (What::Status, ErrorKind::PermissionDenied) => {
                    "choose a port above 1023, or a path where the daemon may write"
                }
                (What::Status, ErrorKind::AddrNotAvailable) => {
                    "choose an address that this machine has; where it only comes later, wait"
                }
                (What::Status, _) => "choose another address, or \"off\", and restart the daemon",
                (What::Control, _) => {
                    "let the daemon make a socket there, or give it a RuntimeDirectory"
                }
            },
        }
    }
}

impl Place {
    /// The place that is configured; `None`: there is none.
    pub fn of(listen: &StatusListen) -> Option<Self> {
        match listen {
            StatusListen::Off => None,
            StatusListen::Tcp(address) => Some(Self::Tcp(*address)),
            StatusListen::Unix(path) => Some(Self::Socket(path.clone())),
        }
    }

    /// What it is for.
    pub(super) fn what(&self) -> What {
        match self {
            Self::Tcp(_) | Self::Socket(_) => What::Status,
            Self::Control(_) => What::Control,
        }
    }

    /// Where it is, for people.
    pub fn shown(&self) -> String {
        match self {
            Self::Tcp(address) => address.to_string(),
            Self::Socket(path) => path.display().to_string(),
            Self::Control(place) => place.path.display().to_string(),
        }
    }

    /// Listens. Needs a runtime.
    pub(super) async fn bind(&self) -> Result<Endpoint, BindError> {
        match self {
            Self::Tcp(address) => tcp(*address).await.map(Endpoint::Tcp),
            Self::Socket(path) => {
                let socket = Socket::bind(What::Status, path, STATUS_MODE, false).await;
                socket.map(Endpoint::Socket)
            }
            Self::Control(place) => {
                place.prepare().map_err(|source| BindError::Refused {
                    what: What::Control,
                    at: self.shown(),
                    source,
                })?;
                let alone = place.is_locked();
                let socket = Socket::bind(What::Control, &place.path, CONTROL_MODE, alone).await;
                socket.map(Endpoint::Control)
            }
        }
    }
}

async fn tcp(address: SocketAddr) -> Result<TcpListener, BindError> {
    let (what, at) = (What::Status, address.to_string());
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            // Some files of the kernel's, but perhaps many.
            let by = tokio::task::spawn_blocking(move || process::listener(address)).await;
            Err(BindError::Taken { what, at, by: by.ok().flatten().map(|it| format!(" ({it})")) })
        }
        Err(source) => Err(BindError::Refused { what, at, source }),
    }
}

impl Endpoint {
    /// The next one who connects, and who may. Can be dropped and called anew.
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                let met = stream.local_addr()?.ip().to_canonical();
                Ok(Stream::Tcp(stream, met))
            }
            Self::Socket(socket) => Ok(Stream::Unix(socket.accept().await?)),
            Self::Control(socket) => loop {
                let stream = socket.accept().await?;
                // Its mode keeps the others out already; this holds also where somebody changes it.
                if stream.peer_cred().is_ok_and(|peer| control::may_ask(peer.uid())) {
                    return Ok(Stream::Unix(stream));
                }
            },
        }
    }

    /// The port, for tests that let the system choose one.
    #[cfg(test)]
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Tcp(listener) => listener.local_addr().unwrap(),
            Self::Socket(_) | Self::Control(_) => panic!("a socket has no address"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_is_taken_is_told_from_one_that_cannot_be() {
        let first = Place::Tcp("127.0.0.1:0".parse().unwrap()).bind().await.unwrap();
        let error = Place::Tcp(first.address()).bind().await.unwrap_err();
        assert!(matches!(error, BindError::Taken { .. }), "{error:?}");
        let us = format!("process {} (", std::process::id());
        assert!(error.to_string().contains(&us), "{error}");
        let elsewhere = Place::Tcp("192.0.2.1:9464".parse().unwrap());
        let error = elsewhere.bind().await.unwrap_err();
        assert!(matches!(error, BindError::Refused { .. }), "{error:?}");
        assert!(error.remedy().contains("that this machine has"));
        let lost = Place::Socket("/nonexistent/status.sock".into()).bind().await.unwrap_err();
        assert!(lost.remedy().contains("folder"), "{lost:?}");
        assert_eq!(Place::of(&StatusListen::Off), None);
    }
}
