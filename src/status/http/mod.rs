//! The endpoint: `GET /status` answers the document, `GET /healthz` answers `ok` while the process
//! lives.
//!
//! Guarantees: it changes nothing and holds up nobody. At most [`CONNECTIONS`] are open at once,
//! the next ones wait in the system's queue; each is cut off after [`CONNECTION_WITHIN`], whether
//! it sends, reads or does neither, and is for one request. All who ask within a second get one and
//! the same text, so that a client that reads nothing holds a share of it and no memory of its own.
//!
//! There is no password: whoever reaches it can read it. A web page is not to be among them, so
//! that on loopback a request for a host name of somebody else is turned away: a page can have its
//! own name resolve to 127.0.0.1 and would then be allowed to read the answer (DNS rebinding).

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use url::Host;

use super::document::{Configured, DaemonStatus, Facts, StatusDocument};
use super::endpoint::Stream;
use super::figures::Figures;
use super::{Live, Serving};
use crate::clock;
use crate::mirror::CertifiedPass;
use crate::progress::whole_millis;
use crate::stop::Stop;

/// Where the document is.
pub const STATUS_PATH: &str = "/status";

/// Where `ok` is.
const HEALTH_PATH: &str = "/healthz";

/// More at once than any site has scrapers, and few enough for the files that a process may open.
const CONNECTIONS: usize = 32;

/// How long a request's head may take: it is one packet.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// How long a connection may last, from its first moment to its last byte.
const CONNECTION_WITHIN: Duration = Duration::from_secs(10);

/// The largest head of a request, in bytes; the least that the library knows.
const LARGEST_HEAD: usize = 8192;

/// How long one text is good for all who ask.
const FRESH: Duration = Duration::from_secs(1);

/// After a failed accept (too many open files, mostly) the endpoint rests so long, instead of
/// failing again at once.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Serves until told to stop, and then ends at once.
pub async fn serve(serving: Arc<Serving>, live: Live, mut stop: Stop) {
    let desk = Arc::new(Desk::new(&serving, live));
    let mut connections = JoinSet::new();
    loop {
        let has_room = connections.len() < CONNECTIONS;
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
            accepted = accepted(&serving), if has_room => {
                let desk = Arc::clone(&desk);
                match accepted {
                    Stream::Tcp(stream) => connections.spawn(connection(stream, desk)),
                    Stream::Unix(stream) => connections.spawn(connection(stream, desk)),
                };
            }
        }
    }
    connections.shutdown().await;
}

async fn accepted(serving: &Serving) -> Stream {
    loop {
        match serving.endpoint.accept().await {
            Ok(stream) => return stream,
            Err(_) => sleep(ACCEPT_REST).await,
        }
    }
}

async fn connection<S>(stream: S, desk: Arc<Desk>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request| {
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

/// What answers requests.
struct Desk {
    live: Live,
    mirror_url: String,
    figures: Option<Figures>,
    wary_of_names: bool,
    /// The latest text. A plain mutex: it is held for as long as it takes to write one, and never
    /// across an await.
    latest: Mutex<Option<(Instant, Bytes)>>,
}

impl Desk {
    fn new(serving: &Serving, live: Live) -> Self {
        Self {
            live,
            mirror_url: serving.mirror_url.clone(),
            figures: serving.summary.clone().map(Figures::new),
            wary_of_names: serving.endpoint.is_loopback(),
            latest: Mutex::default(),
        }
    }

    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if self.wary_of_names && !is_for_us(request) {
            return plain(StatusCode::MISDIRECTED_REQUEST, "no such host here\n");
        }
        let path = request.uri().path();
        if path != STATUS_PATH && path != HEALTH_PATH {
            return plain(StatusCode::NOT_FOUND, "there are /status and /healthz\n");
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        if path == HEALTH_PATH {
            return plain(StatusCode::OK, "ok\n");
        }
        response(StatusCode::OK, "application/json", self.text().await)
    }

    /// The document, at most [`FRESH`] old.
    async fn text(&self) -> Bytes {
        if let Some(text) =
            fresh(self.latest.lock().unwrap_or_else(PoisonError::into_inner).as_ref())
        {
            return text;
        }
        let summary = match &self.figures {
            Some(figures) => Some(figures.get().await),
            None => None,
        };
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        // Others may have waited for the same figures.
        if let Some(text) = fresh(latest.as_ref()) {
            return text;
        }
        let document = StatusDocument::new(Facts {
            now_ms: clock::now_ms(),
            daemon: Some(DaemonStatus::of(&self.live.progress)),
            mirror_url: &self.mirror_url,
            summary: summary.as_ref().map(|summary| match summary {
                Ok(summary) => Ok(summary.as_ref()),
                Err(error) => Err(error.clone()),
            }),
            repositories: self.repositories(),
        });
        let text = Bytes::from(document.json());
        *latest = Some((Instant::now(), text.clone()));
        text
    }

    fn repositories(&self) -> Vec<Configured> {
        let now_ms = clock::now_ms();
        let watched = self.live.repositories.borrow();
        let configured = watched.iter().map(|repository| {
            let settings = repository.settings.borrow();
            let progress = *repository.progress.borrow();
            let last_certified = progress.certified.map(|pass| {
                let ago = i64::try_from(whole_millis(pass.ended.elapsed())).unwrap_or(i64::MAX);
                CertifiedPass { iteration: pass.iteration, ended_ms: now_ms.saturating_sub(ago) }
            });
            let (id, name) = (settings.id, settings.name.clone());
            Configured { id, name, progress: Some(progress), last_certified }
        });
        configured.collect()
    }
}

fn fresh(latest: Option<&(Instant, Bytes)>) -> Option<Bytes> {
    latest.filter(|(at, _)| at.elapsed() < FRESH).map(|(_, text)| text.clone())
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

fn response(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
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
