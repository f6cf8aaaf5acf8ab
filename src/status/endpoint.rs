//! Places that the daemon listens at: the one that is configured, for browsers and scrapers, and
//! its control sockets, for its own commands.
//!
//! An address that cannot be had is no reason to end or to wait: [`ListenAddress::bind`] says why, and the
//! serving task tries again.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::bind_error::{BindError, EndpointKind};
use super::control;
use super::process;
use super::socket::Socket;
use crate::config::StatusListen;

/// Who may ask at `status.listen` where that is a socket: the daemon's user and group.
const STATUS_MODE: u32 = 0o660;

/// Who may ask at a control socket: the daemon's user, and root.
const CONTROL_MODE: u32 = 0o600;

/// An address to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// `status.listen` as a TCP address.
    Tcp(SocketAddr),
    /// `status.listen` as a socket.
    Socket(PathBuf),
    /// A control socket.
    Control(control::ControlAddress),
}

/// An address that is listened at.
#[derive(Debug)]
pub(super) enum BoundListener {
    Tcp(TcpListener),
    Socket(Socket),
    Control(Socket),
}

/// Somebody who has connected.
pub(super) enum ClientStream {
    /// With the address that it has connected to.
    Tcp(TcpStream, IpAddr),
    Unix(UnixStream),
}

impl ListenAddress {
    /// The address that is configured; `None`: there is none.
    pub fn of(listen: &StatusListen) -> Option<Self> {
        match listen {
            StatusListen::Off => None,
            StatusListen::Tcp(address) => Some(Self::Tcp(*address)),
            StatusListen::Unix(path) => Some(Self::Socket(path.clone())),
        }
    }

    /// What it is for.
    pub(super) fn what(&self) -> EndpointKind {
        match self {
            Self::Tcp(_) | Self::Socket(_) => EndpointKind::Status,
            Self::Control(_) => EndpointKind::Control,
        }
    }

    /// Where it is, for people.
    pub fn shown(&self) -> String {
        match self {
            Self::Tcp(address) => address.to_string(),
            Self::Socket(path) => path.display().to_string(),
            Self::Control(address) => address.path.display().to_string(),
        }
    }

    /// Listens. Needs a runtime.
    pub(super) async fn bind(&self) -> Result<BoundListener, BindError> {
        match self {
            Self::Tcp(address) => tcp(*address).await.map(BoundListener::Tcp),
            Self::Socket(path) => {
                let socket = Socket::bind(EndpointKind::Status, path, STATUS_MODE, false).await;
                socket.map(BoundListener::Socket)
            }
            Self::Control(address) => {
                address.prepare().map_err(|source| BindError::Refused {
                    what: EndpointKind::Control,
                    at: self.shown(),
                    source,
                })?;
                let alone = address.is_locked();
                let socket =
                    Socket::bind(EndpointKind::Control, &address.path, CONTROL_MODE, alone).await;
                socket.map(BoundListener::Control)
            }
        }
    }
}

async fn tcp(address: SocketAddr) -> Result<TcpListener, BindError> {
    let (what, at) = (EndpointKind::Status, address.to_string());
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

impl BoundListener {
    /// The next one who connects, and who may. Can be dropped and called anew.
    pub(super) async fn accept(&self) -> io::Result<ClientStream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                let met = stream.local_addr()?.ip().to_canonical();
                Ok(ClientStream::Tcp(stream, met))
            }
            Self::Socket(socket) => Ok(ClientStream::Unix(socket.accept().await?)),
            Self::Control(socket) => loop {
                let stream = socket.accept().await?;
                // Its mode keeps the others out already; this holds also where somebody changes it.
                if stream.peer_cred().is_ok_and(|peer| control::may_ask(peer.uid())) {
                    return Ok(ClientStream::Unix(stream));
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
        let first = ListenAddress::Tcp("127.0.0.1:0".parse().unwrap()).bind().await.unwrap();
        let error = ListenAddress::Tcp(first.address()).bind().await.unwrap_err();
        assert!(matches!(error, BindError::Taken { .. }), "{error:?}");
        let us = format!("process {} (", std::process::id());
        assert!(error.to_string().contains(&us), "{error}");
        let elsewhere = ListenAddress::Tcp("192.0.2.1:9464".parse().unwrap());
        let error = elsewhere.bind().await.unwrap_err();
        assert!(matches!(error, BindError::Refused { .. }), "{error:?}");
        assert!(error.remedy().contains("that this machine has"));
        let lost =
            ListenAddress::Socket("/nonexistent/status.sock".into()).bind().await.unwrap_err();
        assert!(lost.remedy().contains("folder"), "{lost:?}");
        assert_eq!(ListenAddress::of(&StatusListen::Off), None);
    }
}
