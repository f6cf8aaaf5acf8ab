//! Unix sockets: made with their mode from their first moment, found by paths of any length, and
//! never in the place of anything but the socket of a dead process.
//!
//! A socket's address holds 108 bytes; a longer path is gone through an open handle of its folder
//! (`/proc/self/fd/N`), which takes a mounted `/proc` and a file name of some 80 bytes.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::bind_error::{BindError, EndpointKind};

/// The longest path that a socket's address holds; the kernel wants a zero after it.
const LONGEST_ADDRESS: usize = 107;

/// How many may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A socket that is listened at, and whose file goes when this is dropped.
#[derive(Debug)]
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file: what stands there later may be another's.
    file: (u64, u64),
}

impl Socket {
    /// Listens there. `alone`: nobody else can be about to do the same, because a lock says so;
    /// otherwise the folder is locked for as long as it takes. Needs a runtime.
    pub(super) async fn bind(
        what: EndpointKind,
        path: &Path,
        mode: u32,
        alone: bool,
    ) -> Result<Self, BindError> {
        let at = || path.display().to_string();
        let refused = |source| BindError::Refused { what, at: at(), source };
        let reachable = ReachablePath::of(path).map_err(refused)?;
        let _turn = if alone { None } else { Some(turn(path).map_err(refused)?) };
        match fs::symlink_metadata(path) {
            Ok(there) if !there.file_type().is_socket() => {
                return Err(BindError::NoSocket { what, at: at() });
            }
            Ok(_) => match UnixStream::connect(&reachable.path).await {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    fs::remove_file(path).map_err(refused)?;
                }
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    return Err(refused(error));
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                // Also one that has too much to do to take us on.
                Ok(_) | Err(_) => return Err(BindError::Taken { what, at: at(), by: None }),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(refused(error)),
        }
        let socket = UnixSocket::new_stream().map_err(refused)?;
        // The file is made with the mode of the socket, less the umask: there is no moment at which
        // others could connect.
        rustix::fs::fchmod(&socket, Mode::from_raw_mode(mode)).map_err(|it| refused(it.into()))?;
        socket.bind(&reachable.path).map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => BindError::Taken { what, at: at(), by: None },
            _ => refused(error),
        })?;
        let file = widened(path, mode).map_err(|error| {
            drop(fs::remove_file(path));
            refused(error)
        })?;
        let listener = socket.listen(BACKLOG).map_err(refused)?;
        Ok(Self { listener, path: path.to_owned(), file: (file.dev(), file.ino()) })
    }

    /// The next one who connects. Can be dropped and called anew.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Before the listener closes: after that a new daemon could have put its own there. If
        // it cannot be removed, the next start does it.
        let there = fs::symlink_metadata(&self.path);
        if there.is_ok_and(|there| (there.dev(), there.ino()) == self.file) {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Connects to the socket at this path.
pub(super) async fn connect(path: &Path) -> io::Result<UnixStream> {
    let reachable = ReachablePath::of(path)?;
    UnixStream::connect(&reachable.path).await
}

/// Gives a file that has just been made the rest of its mode, where the umask took some.
fn widened(path: &Path, mode: u32) -> io::Result<Metadata> {
    let file = fs::symlink_metadata(path)?;
    if file.permissions().mode() & 0o777 == mode {
        return Ok(file);
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    fs::symlink_metadata(path)
}

/// The folder's lock, for as long as the file is held: so that of two daemons that find the same
/// stale socket, the second does not take away what the first has just put there.
fn turn(path: &Path) -> io::Result<File> {
    let folder = File::open(path.parent().unwrap_or(Path::new("/")))?;
    folder.try_lock().map_err(io::Error::from)?;
    Ok(folder)
}

/// A path as a socket's address takes it.
struct ReachablePath {
    path: PathBuf,
    /// What the path goes through.
    _folder: Option<File>,
}

impl ReachablePath {
    fn of(path: &Path) -> io::Result<Self> {
        use std::os::fd::AsRawFd as _;
        if path.as_os_str().len() <= LONGEST_ADDRESS {
            return Ok(Self { path: path.to_owned(), _folder: None });
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(ErrorKind::InvalidInput.into());
        };
        let folder = File::from(rustix::fs::open(
            folder,
            rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC,
            Mode::empty(),
        )?);
        let through = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
        Ok(Self { path: through, _folder: Some(folder) })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    async fn bind(path: &Path) -> Result<Socket, BindError> {
        Socket::bind(EndpointKind::Control, path, 0o600, false).await
    }

    #[tokio::test]
    async fn a_socket_has_its_mode_and_goes_with_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        for mode in [0o600, 0o660] {
            let socket = Socket::bind(EndpointKind::Control, &path, mode, true).await.unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
            drop(socket);
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        // As a killed process leaves it.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let first = bind(&path).await.unwrap();
        let second = bind(&path).await;
        assert!(matches!(second, Err(BindError::Taken { .. })), "{second:?}");
        connect(&path).await.unwrap();
        drop(first);
        bind(&path).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone_also_where_a_link_leads_to_one() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("mirror.db"), directory.path().join("link"));
        fs::write(&file, "precious").unwrap();
        let stale = directory.path().join("stale.sock");
        drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
        symlink(&stale, &link).unwrap();
        for path in [&file, &link] {
            let bound = bind(path).await;
            assert!(matches!(bound, Err(BindError::NoSocket { .. })), "{bound:?}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        assert!(stale.exists() && link.is_symlink());
    }

    #[tokio::test]
    async fn a_socket_that_another_has_put_in_its_place_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let first = bind(&path).await.unwrap();
        fs::remove_file(&path).unwrap();
        let _second = bind(&path).await.unwrap();
        drop(first);
        connect(&path).await.unwrap();
    }

    #[tokio::test]
    async fn two_who_find_the_same_stale_socket_do_not_take_each_others_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let folder = File::open(directory.path()).unwrap();
        folder.try_lock().unwrap();
        let bound = bind(&path).await;
        assert!(matches!(bound, Err(BindError::Refused { .. })), "{bound:?}");
        drop(folder);
        bind(&path).await.unwrap();
    }

    #[tokio::test]
    async fn a_path_may_be_longer_than_an_address() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("x".repeat(120)).join("y".repeat(120));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.sock");
        let socket = bind(&path).await.unwrap();
        let accepting = socket.accept();
        let (accepted, connected) = tokio::join!(accepting, connect(&path));
        assert!(accepted.is_ok() && connected.is_ok());
        let second = bind(&path).await;
        assert!(matches!(second, Err(BindError::Taken { .. })), "{second:?}");
        drop(socket);
        assert!(!path.exists());
    }
}
