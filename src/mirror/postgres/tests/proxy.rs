//! A way to the database that breaks where a test wants it to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::mirror::postgres::PostgresAddress;

/// Where a connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// What the client sends does not arrive.
    Request,
    /// What the server sends does not arrive: what was asked for has been done.
    Answer,
}

/// The way.
#[derive(Debug)]
pub(super) struct Proxy {
    /// The address that leads through it.
    pub(super) address: PostgresAddress,
    control: Arc<Control>,
    _folder: TempDir,
}

#[derive(Debug)]
struct Control {
    /// So many messages of either kind still arrive; below zero: all do.
    requests: AtomicI64,
    answers: AtomicI64,
    hang_up: Notify,
}

impl Proxy {
    /// A way to this database.
    pub(super) fn to(address: &PostgresAddress) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let to = address.socket();
        let control = Arc::new(Control {
            requests: AtomicI64::new(-1),
            answers: AtomicI64::new(-1),
            hang_up: Notify::new(),
        });
        let listener = UnixListener::bind(socket(folder.path())).unwrap();
        let of = Arc::clone(&control);
        drop(Handle::current().spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (to, control) = (socket(&to), Arc::clone(&of));
                drop(Handle::current().spawn(async move { carry(client, &to, &control).await }));
            }
        }));
        let address = address.behind(folder.path());
        Self { address, control, _folder: folder }
    }

    /// Breaks the connection in the place of the message after so many, once.
    pub(super) fn cut(&self, cut: Cut, after: i64) {
        self.of(cut).store(after, Ordering::SeqCst);
    }

    /// Whether it has come to that.
    pub(super) fn has_cut(&self, cut: Cut) -> bool {
        self.of(cut).load(Ordering::SeqCst) < 0
    }

    /// Lets everything pass from now on.
    pub(super) fn mend(&self) {
        self.of(Cut::Request).store(-1, Ordering::SeqCst);
        self.of(Cut::Answer).store(-1, Ordering::SeqCst);
    }

    /// Hangs up on all clients. The server does not hear of it before it has something to say.
    pub(super) fn hang_up(&self) {
        self.control.hang_up.notify_waiters();
    }

    fn of(&self, cut: Cut) -> &AtomicI64 {
        match cut {
            Cut::Request => &self.control.requests,
            Cut::Answer => &self.control.answers,
        }
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join(".s.PGSQL.5432")
}

/// Carries the bytes of one connection, until it is to break.
async fn carry(mut client: UnixStream, to: &Path, control: &Control) {
    let mut server = UnixStream::connect(to).await.unwrap();
    let (mut request, mut answer) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            () = control.hang_up.notified() => {
                // The server's end stays open until the server is done.
                drop(client);
                while server.read(&mut answer).await.is_ok_and(|count| count > 0) {}
                return;
            }
            count = client.read(&mut request) => {
                let Ok(count @ 1..) = count else { return };
                if control.requests.fetch_sub(1, Ordering::SeqCst) == 0 {
                    return;
                }
                if server.write_all(&request[..count]).await.is_err() { return }
            }
            count = server.read(&mut answer) => {
                let Ok(count @ 1..) = count else { return };
                if control.answers.fetch_sub(1, Ordering::SeqCst) == 0 {
                    return;
                }
                if client.write_all(&answer[..count]).await.is_err() { return }
            }
        }
    }
}
