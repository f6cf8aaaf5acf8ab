//! A way to the database that counts round trips: how often the daemon speaks again after it has been
//! answered.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::Fallible;

/// Counts; it lives as long as this process.
#[derive(Clone, Debug)]
pub(crate) struct RoundTrips {
    port: u16,
    count: Arc<AtomicU64>,
}

impl RoundTrips {
    /// A way to this port of this machine.
    pub(crate) fn to(port: u16) -> Fallible<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let trips = Self { port: listener.local_addr()?.port(), count: Arc::default() };
        let count = Arc::clone(&trips.count);
        let server = SocketAddr::from(([127, 0, 0, 1], port));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(server) else { continue };
                let answered = Arc::new(AtomicBool::new(true));
                let clones = (client.try_clone(), server.try_clone());
                let (Ok(client_too), Ok(server_too)) = clones else { continue };
                let (count, spoken) = (Arc::clone(&count), Arc::clone(&answered));
                std::thread::spawn(move || {
                    pass_on(&client, &server, || {
                        if spoken.swap(false, Ordering::SeqCst) {
                            count.fetch_add(1, Ordering::SeqCst);
                        }
                    });
                });
                std::thread::spawn(move || {
                    pass_on(&server_too, &client_too, || answered.store(true, Ordering::SeqCst));
                });
            }
        });
        Ok(trips)
    }

    /// Where it listens on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Round trips since this was last asked.
    pub(crate) fn take(&self) -> u64 {
        self.count.swap(0, Ordering::SeqCst)
    }
}

fn pass_on(mut from: &TcpStream, mut to: &TcpStream, note: impl Fn()) {
    drop(to.set_nodelay(true));
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        note();
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Both));
}
