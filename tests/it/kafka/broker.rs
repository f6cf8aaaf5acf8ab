//! The broker, and the way to it, which can be cut.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::support::sim::free_port;
use crate::support::{DEADLINE, pause};

/// A running broker, which keeps everything in memory; killed when dropped.
pub(super) struct Broker {
    child: Child,
    /// Where clients reach it: a way that can be cut.
    pub(super) port: u16,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Broker {
    pub(super) fn start(program: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let inner = free_port();
        let child = Command::new(program)
            .args(["broker", "--storage-engine", "memory://tansu/", "--cluster-id", "test"])
            .args(["--listener-url", &format!("tcp://127.0.0.1:{inner}")])
            .args(["--advertised-listener-url", &format!("tcp://127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the broker starts");
        let broker = Self { child, port, connections: Arc::default() };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", inner)).is_err() {
            assert!(begun.elapsed() < DEADLINE, "the broker does not listen");
            pause(Duration::from_millis(20));
        }
        let connections = Arc::clone(&broker.connections);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // Who goes away half-way is nobody's fault here.
                drop(join(client, inner, &connections));
            }
        });
        broker
    }

    /// Cuts all that lead to it.
    pub(super) fn cut(&self) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        for connection in connections.drain(..) {
            drop(connection.shutdown(Shutdown::Both));
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Carries both ways what a client and the broker say.
fn join(client: TcpStream, port: u16, connections: &Mutex<Vec<TcpStream>>) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", port))?;
    let mut known = connections.lock().unwrap_or_else(PoisonError::into_inner);
    known.extend([client.try_clone()?, server.try_clone()?]);
    for (mut from, mut to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        std::thread::spawn(move || {
            drop(io::copy(&mut from, &mut to));
            drop(to.shutdown(Shutdown::Both));
            drop(from.shutdown(Shutdown::Both));
        });
    }
    Ok(())
}
