//! Where the status endpoint listens: a TCP address or a Unix socket.
//!
//! A socket file that a killed daemon left behind is replaced; one that somebody answers at is not,
//! nor is a file that is no socket. The file goes when the endpoint does.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::config::StatusListen;

/// Who may ask at a socket: the daemon's user and group.
const SOCKET_MODE: u32 = 0o660;

/// A place that is listened at.
#[derive(Debug)]
pub struct Endpoint {
    listener: Listener,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// Somebody who has connected.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Why nobody can be listened to there.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program listens there.
    #[error("status.listen: another program listens at {0}")]
    Taken(String),
    /// Something is there that is no socket.
    #[error("status.listen: {0} is there and is no socket")]
    NoSocket(String),
    /// The system said no.
    #[error("status.listen: cannot listen at {at}")]
    Refused {
        /// Where.
        at: String,
        /// What it said.
        source: io::Error,
    },
}

impl BindError {
    /// What the operator can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Taken(_) => {
                "end that program, or choose another address or \"off\", and start again"
            }
            Self::NoSocket(_) => "choose another path, or take that file away",
            Self::Refused { source, .. } => match source.kind() {
                ErrorKind::NotFound => {
                    "make the folder (RuntimeDirectory=ewmirror in the unit makes /run/ewmirror)"
                }
                ErrorKind::PermissionDenied => {
                    "choose a port above 1023, or a path where the daemon may write"
                }
                ErrorKind::AddrNotAvailable => "choose an address that this machine has",
                _ => "choose another address, or \"off\"",
            },
        }
    }
}

impl Endpoint {
    /// Listens; `None` where there is to be no endpoint. Needs a runtime.
    pub async fn bind(listen: &StatusListen) -> Result<Option<Self>, BindError> {
        let listener = match listen {
            StatusListen::Off => return Ok(None),
            StatusListen::Tcp(address) => {
                let bound = TcpListener::bind(address).await;
                Listener::Tcp(bound.map_err(|error| match error.kind() {
                    ErrorKind::AddrInUse => BindError::Taken(address.to_string()),
                    _ => BindError::Refused { at: address.to_string(), source: error },
                })?)
            }
            StatusListen::Unix(path) => Listener::Unix(socket(path).await?, path.clone()),
        };
        Ok(Some(Self { listener }))
    }

    /// The next one who connects. Can be dropped and called anew.
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        Ok(match &self.listener {
            Listener::Tcp(listener) => Stream::Tcp(listener.accept().await?.0),
            Listener::Unix(listener, _) => Stream::Unix(listener.accept().await?.0),
        })
    }

    /// Whether only this machine reaches it over TCP, and so any web page that its user looks at.
    pub(super) fn is_loopback(&self) -> bool {
        match &self.listener {
            Listener::Tcp(listener) => {
                listener.local_addr().is_ok_and(|address| address.ip().is_loopback())
            }
            Listener::Unix(..) => false,
        }
    }

    /// The port, for tests that let the system choose one.
    #[cfg(test)]
    pub(super) fn address(&self) -> std::net::SocketAddr {
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().unwrap(),
            Listener::Unix(..) => panic!("a socket has no address"),
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = &self.listener {
            // Before the listener closes: after that a new daemon could have put its own there. If
            // it cannot be removed, the next start does it.
            drop(fs::remove_file(path));
        }
    }
}

async fn socket(path: &Path) -> Result<UnixListener, BindError> {
    let at = || path.display().to_string();
    let refused = |source| BindError::Refused { at: at(), source };
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => return Err(BindError::NoSocket(at())),
        Ok(_) => match UnixStream::connect(path).await {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(refused)?;
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Err(refused(error));
            }
            // Also one that has too much to do to take us on.
            Ok(_) | Err(_) => return Err(BindError::Taken(at())),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(refused(error)),
    }
    let listener = UnixListener::bind(path).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => BindError::Taken(at()),
        _ => refused(error),
    })?;
    // Until here the umask decides, which in the unit is stricter.
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE)).map_err(|error| {
        drop(fs::remove_file(path));
        refused(error)
    })?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(path: &Path) -> StatusListen {
        StatusListen::Unix(path.to_owned())
    }

    #[tokio::test]
    async fn a_socket_is_for_user_and_group_and_goes_with_the_endpoint() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("status.sock");
        let endpoint = Endpoint::bind(&unix(&path)).await.unwrap().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
        assert!(!endpoint.is_loopback());
        drop(endpoint);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("status.sock");
        // As a killed process leaves it.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let first = Endpoint::bind(&unix(&path)).await.unwrap();
        let second = Endpoint::bind(&unix(&path)).await;
        assert!(matches!(second, Err(BindError::Taken(_))), "{second:?}");
        assert!(path.exists());
        drop(first);
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mirror.db");
        fs::write(&path, "precious").unwrap();
        let bound = Endpoint::bind(&unix(&path)).await;
        assert!(matches!(bound, Err(BindError::NoSocket(_))), "{bound:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_told_from_one_that_cannot_be() {
        let first = Endpoint::bind(&StatusListen::Tcp("127.0.0.1:0".parse().unwrap())).await;
        let first = first.unwrap().unwrap();
        assert!(first.is_loopback());
        let second = Endpoint::bind(&StatusListen::Tcp(first.address())).await;
        assert!(matches!(second, Err(BindError::Taken(_))), "{second:?}");
        let elsewhere = StatusListen::Tcp("192.0.2.1:9464".parse().unwrap());
        let error = Endpoint::bind(&elsewhere).await.unwrap_err();
        assert!(matches!(error, BindError::Refused { .. }), "{error:?}");
        assert!(error.remedy().contains("that this machine has"));
        let lost = Endpoint::bind(&unix(Path::new("/nonexistent/status.sock"))).await.unwrap_err();
        assert!(lost.remedy().contains("folder"), "{lost:?}");
        assert!(Endpoint::bind(&StatusListen::Off).await.unwrap().is_none());
    }
}
