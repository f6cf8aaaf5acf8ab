//! The endpoint: connections, their limits, and whom it answers. What it answers is in `handler`.
//!
//! | route | answers |
//! | --- | --- |
//! | `GET /` | the page for people, in `web` |
//! | `GET /healthz` | `ok` while the process lives |
//! | `GET /readyz` | whether every repository has a certified pass that is recent enough |
//! | `GET /status` | the document |
//! | `GET /metrics` | the metrics |
//! | `GET /openapi.json` | the description of all routes |
//! | `GET /changes`, `GET /repositories/...` | items and changes, in `pull` |
//!
//! Guarantees: it changes nothing and holds up nobody. At most [`CONNECTIONS`] are open at once at
//! each address, so that clients that use up the one for browsers keep no command from asking;
//! the next ones wait in the system's queue, where those who are open and have asked nothing for
//! [`ASK_WITHIN`] make room for them; each is cut off after [`CONNECTION_WITHIN`], whether it sends,
//! reads or does neither, and is for one request. Those that pull items or changes are counted and limited
//! by themselves. All who ask within a second get one and
//! the same text, so that a client that reads nothing holds a share of it and no memory of its own.
//!
//! An address that cannot be had is tried again until it can; the others are served meanwhile. Which
//! hosts a request may name is in `hosts`.

mod connection_state;
mod handler;
mod hosts;
mod wanted;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::{Instant, sleep, sleep_until};

use self::connection_state::ConnectionState;
use self::handler::Handler;
use super::endpoint::{BoundListener, ClientStream};
use super::listener;
use super::live::LiveState;
use super::served::StatusEndpoint;
use crate::task::{Context, Until};

/// More at once than any site has scrapers, and few enough for the files that a process may open.
const CONNECTIONS: usize = 32;

/// How long a request's head may take: it is one packet.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// How long it may take while others may be waiting, so that hundreds of clients that say nothing
/// cost one who asks a few seconds, not a minute.
const ASK_WITHIN: Duration = Duration::from_millis(250);

/// How long a connection may last, from its first moment to its last byte.
const CONNECTION_WITHIN: Duration = Duration::from_secs(10);

/// How often the other tasks get their turn before a client is held to have asked nothing.
const HEARINGS: u32 = 8;

/// The largest head of a request, in bytes; the least that the library knows.
const LARGEST_HEAD: usize = 8192;

/// After a failed accept (too many open files, mostly) the endpoint rests so long, instead of
/// failing again at once.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Serves until told to stop, and then ends at once.
pub async fn serve(serving: Arc<StatusEndpoint>, live: LiveState, context: Context) {
    let handler = Arc::new(Handler::new(&serving, live.clone()));
    let mut listeners = JoinSet::new();
    for number in 0..serving.listeners.len() {
        let (serving, handler, live) = (Arc::clone(&serving), Arc::clone(&handler), live.clone());
        let lane = context.lane();
        listeners.spawn(async move {
            let listener = &serving.listeners[number];
            let opened = listener::opened(&serving.listeners, listener, &live, &lane).await;
            if let Ok(endpoint) = opened {
                lane.wait(Until::UNLIMITED, attend(endpoint, &handler)).await;
            }
        });
    }
    // No listener ends by itself but with a panic: the supervisor counts it and starts anew.
    while let Ok(Some(ended)) = context.run(Until::UNLIMITED, listeners.join_next()).await {
        if let Err(error) = ended
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
    context.wait(Until::UNLIMITED, context.stopped()).await;
    listeners.shutdown().await;
}

/// Attends to those who come to one address.
async fn attend(endpoint: &BoundListener, handler: &Arc<Handler>) {
    let mut connections = JoinSet::new();
    let mut clients: Vec<ClientConnection> = Vec::new();
    let begins_to_pull = Arc::new(Notify::new());
    loop {
        clients.retain(|client| !client.task.is_finished());
        let has_room = clients.iter().filter(|it| !it.state.is_pulling()).count() < CONNECTIONS;
        // They stand in the order in which they came.
        let idle = clients.iter().find(|client| !client.state.has_asked()).filter(|_| !has_room);
        tokio::select! {
            biased;
            Some(ended) = connections.join_next() => {
                // A panic in a request is one in the task.
                if let Err(error) = ended && error.is_panic() {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
            () = begins_to_pull.notified(), if !has_room => {}
            () = close_idle(idle) => {}
            accepted = accepted(endpoint), if has_room => {
                let handler = Arc::clone(handler);
                let state = Arc::new(ConnectionState::new(Arc::clone(&begins_to_pull)));
                let seen = Arc::clone(&state);
                let task = match accepted {
                    ClientStream::Tcp(stream, met) => {
                        connections.spawn(connection(stream, Some(met), handler, seen))
                    }
                    ClientStream::Unix(stream) => {
                        connections.spawn(connection(stream, None, handler, seen))
                    }
                };
                clients.push(ClientConnection { since: Instant::now(), state, task });
            }
        }
    }
}

/// Somebody who has connected.
struct ClientConnection {
    since: Instant,
    state: Arc<ConnectionState>,
    task: AbortHandle,
}

/// Ends a connection that has had the time to ask something, unless it has done so meanwhile; never
/// where there is none.
async fn close_idle(idle: Option<&ClientConnection>) {
    let Some(client) = idle else { return std::future::pending().await };
    sleep_until(client.since + ASK_WITHIN).await;
    // It may be we who were late: a question that lies there already is heard first.
    for _ in 0..HEARINGS {
        yield_now().await;
    }
    if !client.state.has_asked() {
        client.task.abort();
    }
}

async fn accepted(endpoint: &BoundListener) -> ClientStream {
    loop {
        match endpoint.accept().await {
            Ok(stream) => return stream,
            Err(_) => sleep(ACCEPT_REST).await,
        }
    }
}

async fn connection<S>(
    stream: S,
    met: Option<IpAddr>,
    handler: Arc<Handler>,
    state: Arc<ConnectionState>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let asking = Arc::clone(&state);
    let service = service_fn(move |request| {
        asking.asks();
        let (handler, state) = (Arc::clone(&handler), Arc::clone(&asking));
        async move { Ok::<_, Infallible>(handler.answer(&request, met, &state).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(LARGEST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // A client that goes away early, speaks no HTTP or is late has only itself to blame.
    tokio::select! {
        served = served => drop(served),
        () = state.overdue(CONNECTION_WITHIN) => {}
    }
}

#[cfg(test)]
mod tests;
