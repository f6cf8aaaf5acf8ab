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
//! Guarantees: it changes nothing and holds up nobody. At most [`CONNECTIONS`] are open at once,
//! the next ones wait in the system's queue, where those who are open and have asked nothing for
//! [`ASK_WITHIN`] make room for them; each is cut off after [`CONNECTION_WITHIN`], whether it sends,
//! reads or does neither, and is for one request. All who ask within a second get one and
//! the same text, so that a client that reads nothing holds a share of it and no memory of its own.
//!
//! There is no password: whoever reaches it can read it. A web page is not to be among them, so
//! that on loopback a request for a host name of somebody else is turned away: a page can have its
//! own name resolve to 127.0.0.1 and would then be allowed to read the answer (DNS rebinding).

mod desk;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::Request;
use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use url::Host;

use self::desk::Desk;
use super::endpoint::Stream;
use super::{Live, Serving};
use crate::stop::Stop;

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
    let desk = Arc::new(Desk::new(&serving, live));
    let mut connections = JoinSet::new();
    let mut guests: Vec<Guest> = Vec::new();
    loop {
        guests.retain(|guest| !guest.task.is_finished());
        let has_room = connections.len() < CONNECTIONS;
        // They stand in the order in which they came.
        let idle = guests.iter().find(|guest| !guest.has_asked()).filter(|_| !has_room);
        tokio::select! {
            biased;
            () = stop.requested() => break,
            Some(ended) = connections.join_next() => {
                // A panic in a request is one in the task: the supervisor counts it and starts
                // anew.
                if let Err(error) = ended && error.is_panic() {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
            () = shown_out(idle) => {}
            accepted = accepted(&serving), if has_room => {
                let (desk, asked) = (Arc::clone(&desk), Arc::default());
                let hears = Arc::clone(&asked);
                let task = match accepted {
                    Stream::Tcp(stream) => connections.spawn(connection(stream, desk, hears)),
                    Stream::Unix(stream) => connections.spawn(connection(stream, desk, hears)),
                };
                guests.push(Guest { since: Instant::now(), asked, task });
            }
        }
    }
    connections.shutdown().await;
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

async fn accepted(serving: &Serving) -> Stream {
    loop {
        match serving.endpoint.accept().await {
            Ok(stream) => return stream,
            Err(_) => sleep(ACCEPT_REST).await,
        }
    }
}

async fn connection<S>(stream: S, desk: Arc<Desk>, asked: Arc<AtomicBool>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request| {
        asked.store(true, Ordering::Relaxed);
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(desk.answer(&request).await) }
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

/// Whether every host that a request names is one that nobody can point elsewhere: an IP address or
/// localhost. A request that names none is from no browser.
fn is_for_us<B>(request: &Request<B>) -> bool {
    let target = request.uri().authority().map(|authority| is_ours(authority.as_str()));
    let named = request.headers().get_all(HOST).iter();
    let named = named.map(|host| host.to_str().is_ok_and(is_ours));
    named.chain(target).all(|ours| ours)
}

fn is_ours(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    match Host::parse(authority.host()) {
        Ok(Host::Domain(name)) => name == "localhost",
        Ok(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests;
