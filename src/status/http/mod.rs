//! The endpoint: connections, their limits, and whom it answers. What it answers is in `desk`.
//!
//! | route | answers |
//! | --- | --- |
//! | `GET /` | the page for people, in `web` |
//! | `GET /healthz` | `ok` while the process lives |
//! | `GET /readyz` | whether every repository has a certified pass that is recent enough |
//! | `GET /status` | the document |
//! | `GET /metrics` | the metrics |
//!
//! Guarantees: it changes nothing and holds up nobody. At most [`CONNECTIONS`] are open at once at
//! each place, so that whoever uses up the one for browsers keeps no command from asking;
//! the next ones wait in the system's queue, where those who are open and have asked nothing for
//! [`ASK_WITHIN`] make room for them; each is cut off after [`CONNECTION_WITHIN`], whether it sends,
//! reads or does neither, and is for one request. All who ask within a second get one and
//! the same text, so that a client that reads nothing holds a share of it and no memory of its own.
//!
//! A place that cannot be had is tried again until it can; the others are served meanwhile. Which
//! hosts a request may name is in `hosts`.

mod desk;
mod hosts;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::desk::Desk;
use super::door;
use super::endpoint::{Endpoint, Stream};
use super::{Live, Serving};
use crate::task::Stop;

/// Where the document is.
pub const STATUS_PATH: &str = "/status";

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
pub async fn serve(serving: Arc<Serving>, live: Live, mut stop: Stop) {
    let desk = Arc::new(Desk::new(&serving, live.clone()));
    let mut doors = JoinSet::new();
    for number in 0..serving.doors.len() {
        let (serving, desk, live) = (Arc::clone(&serving), Arc::clone(&desk), live.clone());
        doors.spawn(async move {
            let endpoint = door::opened(&serving, &serving.doors[number], &live).await;
            attend(endpoint, &desk).await;
        });
    }
    loop {
        tokio::select! {
            biased;
            () = stop.requested() => break,
            // No door ends by itself but with a panic: the supervisor counts it and starts anew.
            Some(Err(error)) = doors.join_next() => {
                if error.is_panic() {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
        }
    }
    doors.shutdown().await;
}

/// Attends to those who come to one place.
async fn attend(endpoint: &Endpoint, desk: &Arc<Desk>) {
    let mut connections = JoinSet::new();
    let mut guests: Vec<Guest> = Vec::new();
    loop {
        guests.retain(|guest| !guest.task.is_finished());
        let has_room = connections.len() < CONNECTIONS;
        // They stand in the order in which they came.
        let idle = guests.iter().find(|guest| !guest.has_asked()).filter(|_| !has_room);
        tokio::select! {
            biased;
            Some(ended) = connections.join_next() => {
                // A panic in a request is one in the task.
                if let Err(error) = ended && error.is_panic() {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
            () = shown_out(idle) => {}
            accepted = accepted(endpoint), if has_room => {
                let (desk, asked) = (Arc::clone(desk), Arc::default());
                let hears = Arc::clone(&asked);
                let task = match accepted {
                    Stream::Tcp(stream, met) => {
                        connections.spawn(connection(stream, Some(met), desk, hears))
                    }
                    Stream::Unix(stream) => {
                        connections.spawn(connection(stream, None, desk, hears))
                    }
                };
                guests.push(Guest { since: Instant::now(), asked, task });
            }
        }
    }
}

/// Somebody who has connected.
struct Guest {
    since: Instant,
    asked: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Guest {
    fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Ends a connection that has had the time to ask something, unless it has done so meanwhile; never
/// where there is none.
async fn shown_out(idle: Option<&Guest>) {
    let Some(guest) = idle else { return std::future::pending().await };
    sleep_until(guest.since + ASK_WITHIN).await;
    // It may be we who were late: a question that lies there already is heard first.
    for _ in 0..HEARINGS {
        yield_now().await;
    }
    if !guest.has_asked() {
        guest.task.abort();
    }
}

async fn accepted(endpoint: &Endpoint) -> Stream {
    loop {
        match endpoint.accept().await {
            Ok(stream) => return stream,
            Err(_) => sleep(ACCEPT_REST).await,
        }
    }
}

async fn connection<S>(stream: S, met: Option<IpAddr>, desk: Arc<Desk>, asked: Arc<AtomicBool>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request| {
        asked.store(true, Ordering::Relaxed);
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(desk.answer(&request, met).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(LARGEST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Whoever goes away early, speaks no HTTP or is late has only itself to blame.
    drop(timeout(CONNECTION_WITHIN, served).await);
}

#[cfg(test)]
mod tests;
