//! A server that does exactly what a test tells it, byte by byte, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Everything of it, to look for what should not be there.
    pub(super) fn everything(&self) -> String {
        format!("{self:?} {}", String::from_utf8_lossy(&self.body))
    }
}

/// What the server does with a request, in order; then the connection waits for the next one.
#[derive(Clone, Debug)]
pub(super) enum ServerStep {
    Send(Vec<u8>),
    Wait(Duration),
    /// Says nothing more, but keeps the connection.
    Hang,
    /// Ends the connection.
    Close,
}

/// A whole answer.
pub(super) fn answer(
    status: u16,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Vec<ServerStep> {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        bytes.extend([name, ": ", value, "\r\n"]);
    }
    let mut bytes = format!("{bytes}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    vec![ServerStep::Send(bytes)]
}

/// A whole answer of JSON with status 200.
pub(super) fn json(body: impl AsRef<[u8]>) -> Vec<ServerStep> {
    answer(200, &[("Content-Type", "application/json;charset=UTF-8")], body)
}

/// The head of an answer that claims a body of this length.
pub(super) fn head(length: usize) -> ServerStep {
    let type_and_length = "Content-Type: application/json\r\nContent-Length:";
    ServerStep::Send(format!("HTTP/1.1 200 OK\r\n{type_and_length} {length}\r\n\r\n").into_bytes())
}

type Handler = dyn Fn(&Received) -> Vec<ServerStep> + Send + Sync;

/// A listening server; it ends when dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    scheme: &'static str,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(super) async fn start(
        handler: impl Fn(&Received) -> Vec<ServerStep> + Send + Sync + 'static,
    ) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), None, handler).await
    }

    pub(super) async fn start_tls(
        acceptor: TlsAcceptor,
        handler: impl Fn(&Received) -> Vec<ServerStep> + Send + Sync + 'static,
    ) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), Some(acceptor), handler)
            .await
    }

    #[expect(clippy::unused_async, reason = "must run inside the runtime that it spawns into")]
    async fn start_on(
        listener: TcpListener,
        acceptor: Option<TlsAcceptor>,
        handler: impl Fn(&Received) -> Vec<ServerStep> + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let handler: Arc<Handler> = Arc::new(handler);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut tasks = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, log) = (acceptor.clone(), Arc::clone(&log));
                let handler = Arc::clone(&handler);
                count.fetch_add(1, Ordering::Relaxed);
                tasks.spawn(async move {
                    match acceptor {
                        None => serve(stream, &handler, &log).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, &handler, &log).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, scheme, received, connections, _tasks: tasks }
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}/", self.scheme, self.address)
    }

    /// The URL without its path.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The same server by a name instead of its address.
    pub(super) fn named_origin(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.address.port())
    }

    /// How many connections were taken so far.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    handler: &Arc<Handler>,
    log: &Mutex<Vec<Received>>,
) {
    while let Some(request) = receive(&mut stream).await {
        log.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        for step in handler(&request) {
            match step {
                ServerStep::Send(bytes) => {
                    if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
                ServerStep::Wait(time) => tokio::time::sleep(time).await,
                ServerStep::Hang => std::future::pending().await,
                ServerStep::Close => {
                    drop(stream.shutdown().await);
                    return;
                }
            }
        }
    }
}

/// Reads one request; `None` at the end of the connection.
pub(super) async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut bytes = Vec::new();
    let head_length = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_length].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = bytes.split_off(head_length);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Received { method, target, headers, body })
}
