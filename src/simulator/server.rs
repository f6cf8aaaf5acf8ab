//! Starting the server, its connections, and its end.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::counts::SimulatorCounts;
use super::options::{Options, UnfitOption};
use super::state::SimulatorShared;
use super::{control, routes};

/// After a failed accept (too many open files, mostly) the listener rests so long, instead of
/// failing again at once.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Starts the server; it runs until [`Simulator::stop`] or until the handle is dropped.
pub async fn start(options: Options) -> Result<Simulator, StartError> {
    options.check()?;
    let port = options.port;
    let bind_error = |source| StartError::Bind { port, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(bind_error)?;
    let address = listener.local_addr().map_err(bind_error)?;
    let shared = Arc::new(SimulatorShared::new(options));
    let (stop, stopped) = oneshot::channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(accept(listener, Arc::clone(&shared), stopped));
    tracing::debug!(%address, "look-alike server started");
    Ok(Simulator { address, shared, stop, tasks })
}

/// A running server.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    pub(super) shared: Arc<SimulatorShared>,
    stop: oneshot::Sender<()>,
    /// The listener's task, which owns the tasks of the connections.
    tasks: JoinSet<()>,
}

impl Simulator {
    /// Where it listens; always a loopback address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL to configure in a client, without a final slash.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.shared.options.base_path)
    }

    /// What it has done since it started.
    pub fn counts(&self) -> SimulatorCounts {
        self.shared.counts()
    }

    /// Makes a call to the control API, as a POST to `/simulator/` and its name does.
    ///
    /// # Errors
    ///
    /// Why the call fails.
    pub fn control(&self, call_name: &str, body: &serde_json::Value) -> Result<(), String> {
        control::call(&self.shared, call_name, body)
    }

    /// Closes all connections, under way or not, and ends when all tasks have ended.
    pub async fn stop(mut self) {
        if self.stop.send(()).is_err() {
            tracing::debug!("the look-alike server had ended before");
        }
        while self.tasks.join_next().await.is_some() {}
        tracing::debug!("look-alike server stopped");
    }
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An option has a value that cannot be.
    #[error("the simulator cannot run like this")]
    Option(#[from] UnfitOption),
    /// The port is taken, or may not be used.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Bind {
        /// The port asked for.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
}

/// Accepts connections until it is told to stop; then closes and joins them all.
async fn accept(
    listener: TcpListener,
    shared: Arc<SimulatorShared>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection of the look-alike server failed");
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&shared)));
                }
                Err(error) => {
                    tracing::warn!(%error, "the look-alike server could not accept a connection");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            },
        }
    }
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, shared: Arc<SimulatorShared>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection stays slow");
    }
    let served = Arc::new(AtomicU64::new(0));
    let service = service_fn(move |request| {
        let number = served.fetch_add(1, Ordering::Relaxed);
        routes::serve(Arc::clone(&shared), request, number)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        // Clients that go away and answers cut off on purpose end here.
        tracing::debug!(%error, "a connection of the look-alike server ended early");
    }
}
