//! Servers that the simulator cannot be: deaf, broken, or merely listening in.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A server that accepts connections and never answers.
#[derive(Debug)]
pub(crate) struct Deaf(TcpListener);

impl Deaf {
    /// Starts one. The system itself accepts; nobody ever looks.
    pub(crate) fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    /// The base URL.
    pub(crate) fn url(&self) -> String {
        url(&self.0)
    }

    /// Waits until somebody has connected, and keeps the connection open.
    pub(crate) fn wait_for_client(&self) -> TcpStream {
        self.0.accept().expect("somebody connects").0
    }
}

/// A server that answers every connection with these bytes and closes it.
#[derive(Debug)]
pub(crate) struct Parrot {
    url: String,
}

impl Parrot {
    /// Starts one; it lives as long as the test process.
    pub(crate) fn start(words: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = url(&listener);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                // What the client thinks of it shows in its log.
                drop(stream.read(&mut [0; 4096]));
                drop(stream.write_all(words));
                drop(stream.shutdown(Shutdown::Write));
            }
        });
        Self { url }
    }

    /// The base URL.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }
}

/// A proxy that keeps all that passes in both directions.
#[derive(Debug)]
pub(crate) struct Wiretap {
    url: String,
    /// One text for each direction of each connection.
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Wiretap {
    /// Starts one before this server; it lives as long as the test process.
    pub(crate) fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = url(&listener);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(server) else { continue };
                let directions = [
                    (client.try_clone(), server.try_clone()),
                    (server.try_clone(), client.try_clone()),
                ];
                for direction in directions {
                    if let (Ok(from), Ok(to)) = direction {
                        let kept = Arc::clone(&kept);
                        std::thread::spawn(move || pass_on(from, to, &kept));
                    }
                }
            }
        });
        Self { url, heard }
    }

    /// The base URL.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Every token that passed.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = heard.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect::<Vec<_>>();
        tokens_in(&heard.join("\n"))
    }
}

/// A way to a server at another address, until it is cut.
#[derive(Debug)]
pub(crate) struct Relay {
    at: SocketAddr,
    cut: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    accepts: JoinHandle<()>,
}

impl Relay {
    /// Listens here and passes on to there.
    pub(crate) fn start(at: SocketAddr, server: SocketAddr) -> Self {
        let listener = TcpListener::bind(at).expect("the address is free");
        let cut = Arc::new(AtomicBool::new(false));
        let streams = Arc::new(Mutex::new(Vec::new()));
        let (is_cut, kept) = (Arc::clone(&cut), Arc::clone(&streams));
        let accepts = std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if is_cut.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(server) = TcpStream::connect(server) else { continue };
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                for (from, to) in [(&client, &server), (&server, &client)] {
                    if let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) {
                        std::thread::spawn(move || {
                            drop(std::io::copy(&mut from, &mut to));
                            drop(to.shutdown(Shutdown::Both));
                        });
                    }
                }
                kept.extend([client, server]);
            }
        });
        Self { at, cut, streams, accepts }
    }

    /// Ends every connection, and nobody listens afterwards.
    pub(crate) fn cut(self) {
        self.cut.store(true, Ordering::SeqCst);
        // For whoever waits for the next client to see it.
        drop(TcpStream::connect(self.at));
        self.accepts.join().expect("it ends without a panic");
        for stream in self.streams.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

/// Every token in requests and answers.
pub(crate) fn tokens_in(heard: &str) -> Vec<String> {
    let marks = [
        "ewtoken=",
        "epimresttoken=",
        "ewtoken: ",
        "epimresttoken: ",
        "\"epimresttoken\":\"",
        "\"token\":\"",
        "Bearer ",
        "Basic ",
        "\"access_token\":\"",
    ];
    let mut tokens: Vec<String> = marks
        .iter()
        .flat_map(|mark| heard.split(mark).skip(1))
        .map(|rest| {
            rest.chars().take_while(|it| it.is_ascii_alphanumeric() || "-+/=".contains(*it))
        })
        .map(Iterator::collect)
        .filter(|token: &String| token.len() > 8)
        .collect();
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, kept: &Mutex<Vec<Vec<u8>>>) {
    let keep = || kept.lock().unwrap_or_else(PoisonError::into_inner);
    let direction = {
        let mut kept = keep();
        kept.push(Vec::new());
        kept.len() - 1
    };
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).unwrap_or_default();
        let bytes = buffer.get(..read).unwrap_or_default();
        keep()[direction].extend_from_slice(bytes);
        if bytes.is_empty() || to.write_all(bytes).is_err() {
            break;
        }
    }
    // An end in one direction is the end of both, as for a client that gave up.
    drop(to.shutdown(Shutdown::Both));
    drop(from.shutdown(Shutdown::Both));
}

fn url(listener: &TcpListener) -> String {
    format!("http://{}", listener.local_addr().expect("a listener has an address"))
}
