//! A look-alike of the vendor's server on loopback, for integrators and for our own tests.
//!
//! It shares no type with the client, so that both cannot be wrong about the vendor's API in the
//! same way. What it knows of that API comes from the vendor's documentation and example client
//! ("vendor") and from other public clients ("seen"); where nothing is stated ("open"), an option
//! or a fault gives each reading. It binds 127.0.0.1 only.
//!
//! The vendor's calls:
//!
//! - `POST /enable-api/login`, `GET /enable-api/reauth`, `POST /enable-api/logout`
//! - `POST /webcm/rest/oauth/token`
//! - `POST /webcm/rest/api/items/search`, `POST /webcm/rest/api/items/count`
//! - `GET /webcm/rest/api/items/{id}`: `{"status": 0, "data": {item}}`, 404 when gone
//! - `GET /webcm/rest/api/repositories`, `?NAME=`, `/webcm/rest/api/repositories/{name}/attributes`
//! - `GET /webcm/rest/swagger-ui.html`, `GET /webcm/login` (the sign-in page of refusals)
//!
//! The calls of the control API, which no real server has, need no session and suffer no fault:
//!
//! - `POST /simulator/faults` queues `[{"endpoint": "search", "kind": "hang", "times": 1, "after":
//!   0}]` per endpoint (`login`, `reauth`, `logout`, `token`, `search`, `count`, `item`,
//!   `repositories`); `DELETE` forgets what is queued; the kind `canned` takes any `"answer":
//!   {"status": 204, "headers": {}, "body": ""}`
//! - `POST /simulator/hold` with `{"endpoint": "search", "after": 2}` holds the third search from now
//!   on, before its fault is drawn; `POST /simulator/release` with `{"endpoint": "search"}` lets the
//!   one go that has waited longest
//! - `POST /simulator/odds` replaces the probabilities: `{"hang": 0.01}`
//! - `POST /simulator/end-sessions` ends all sessions; `POST /simulator/renew-rest-tokens` has the
//!   next search of each session announce a new REST token
//! - `POST /simulator/churn` sets `{"repository": 1, "insert_rate": 1.0, "delete_rate": 0.0,
//!   "update_rate": 0.0}`; what is missing stays, without `repository` it is meant for all;
//!   `POST /simulator/freeze` sets all rates to zero
//! - `POST /simulator/edit` does `{"repository": 1, "clear": 5, "insert": 3, "at": 0, "delete":
//!   [ids], "update": [ids], "move": [{"id": 5, "to": 0}]}` in this order at one moment and answers
//!   `{"inserted": [ids]}`; `clear` takes away so many of the first items, or with a fraction
//!   (`0.75`) that part; places (`at`, `move`) only in a shuffled repository; an error leaves what
//!   was done
//! - `POST /simulator/hide` keeps `{"repository": 1, "ids": [ids]}` from searches and counts, while
//!   the items are still there; `POST /simulator/show` shows them again, without `ids` all
//! - `POST /simulator/empty` with `{"repository": 1, "on": true}` makes searches and counts say that
//!   the repository is empty, while all items are still there
//! - `POST /simulator/items-call` sets how `GET items/{id}` answers: `{"mode": "honest"}`,
//!   `not-found` (404 for every item, as a server without the call), `html`, `status` (a `status`
//!   other than 0) or `error` (500)
//! - `POST /simulator/reorder` with `{"on": true}` has each answer write the members of an item in
//!   another order
//! - `GET /simulator/counts`; `GET /simulator/items?repository=1`: all items in list order, one a
//!   line, each exactly as a search would send it, `hide`, `empty` and `reorder` aside

mod answer;
mod balancer;
mod behaviour;
mod call;
mod catalog;
mod churn;
mod control;
mod dataset;
mod faults;
mod gates;
mod lists;
mod options;
mod routes;
mod sessions;
mod sign_in;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use balancer::SelfRedirect;
pub use faults::{SimulatedEndpoint, SimulatedFault, SimulatedRefusal, UnknownFault};
pub use options::{
    Capacity, HIGHEST_RATE, LoginAnswer, MOST_ITEMS, Options, Order, RepositoryOptions,
    StaleRestToken, UnfitOption,
};

use balancer::Balancer;
use behaviour::Behaviour;
use catalog::Catalog;
use dataset::{SimulatedItem, SimulatedRepository};
use faults::SimulatedFaults;
use gates::Gates;
use sessions::Sessions;

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
    shared: Arc<SimulatorShared>,
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

/// What a server has done since it started. Faulty and refused requests count as requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SimulatorCounts {
    /// Requests to the vendor's calls.
    pub requests: u64,
    /// These by call.
    pub calls: BTreeMap<SimulatedEndpoint, u64>,
    /// Requests that were held at a gate.
    pub held: u64,
    /// Requests to the search.
    pub searches: u64,
    /// The most searches that were under way at one moment.
    pub searches_at_once: u64,
    /// Pages rendered, whether or not they arrived whole.
    pub pages: u64,
    /// Items on these pages.
    pub items: u64,
    /// Requests for one item by its id.
    pub item_reads: u64,
    /// Successful logins, the OAuth ones included.
    pub logins: u64,
    /// Logins with a wrong name or password.
    pub failed_logins: u64,
    /// Requests to `reauth`.
    pub reauths: u64,
    /// Sessions ended by a logout.
    pub logouts: u64,
    /// Requests refused because the session had ended or the REST token was stale; refusals by
    /// fault are under [`faults`](Self::faults).
    pub refusals: u64,
    /// REST tokens handed out, with a login or as a renewal.
    pub rest_tokens_issued: u64,
    /// REST tokens announced in an answer to a search.
    pub rest_tokens_renewed: u64,
    /// Items inserted since the start.
    pub inserted: u64,
    /// Items deleted since the start.
    pub deleted: u64,
    /// Items updated since the start.
    pub updated: u64,
    /// Requests that found their connection closed, because it had served its time.
    pub closed_idle: u64,
    /// Requests that were redirected within the server.
    pub redirected: u64,
    /// Requests of a session that lives at another node.
    pub astray: u64,
    /// Requests hit, by name of the fault.
    pub faults: BTreeMap<&'static str, u64>,
}

/// What all requests share.
#[derive(Debug)]
struct SimulatorShared {
    options: Options,
    catalog: Catalog,
    started: Instant,
    /// A plain mutex: it is held for as long as it takes to copy a window's entries, and never
    /// across an await.
    state: Mutex<SimulatorState>,
    searches_under_way: AtomicU64,
    /// Those who work; each request takes one for its service time.
    workers: Semaphore,
}

#[derive(Debug)]
struct SimulatorState {
    repositories: Vec<SimulatedRepository>,
    sessions: Sessions,
    balancer: Option<Balancer>,
    faults: SimulatedFaults,
    gates: Gates,
    behaviour: Behaviour,
    counts: SimulatorCounts,
}

impl SimulatorShared {
    fn new(options: Options) -> Self {
        let rates = options.rates();
        let workers = options.capacity.map_or(0, |capacity| capacity.at_once.get() as usize);
        let repositories = options
            .repositories
            .iter()
            .enumerate()
            .map(|(index, repository)| {
                SimulatedRepository::new(repository, index, options.order, rates, options.seed)
            })
            .collect();
        let state = SimulatorState {
            repositories,
            sessions: Sessions::new(
                options.session_ttl,
                options.rest_token_ttl,
                options.stale_rest_token,
            ),
            balancer: options.nodes.map(Balancer::new),
            faults: SimulatedFaults::new(options.faults.clone(), options.seed),
            gates: Gates::default(),
            behaviour: Behaviour::default(),
            counts: SimulatorCounts::default(),
        };
        Self {
            catalog: Catalog::new(options.seed),
            options,
            started: Instant::now(),
            state: Mutex::new(state),
            searches_under_way: AtomicU64::new(0),
            workers: Semaphore::new(workers),
        }
    }

    fn lock(&self) -> MutexGuard<'_, SimulatorState> {
        // A panic while the lock was held leaves plain data behind that is still of use.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Appends an item's JSON to an answer whose members have this order.
    fn render(&self, entry: SimulatedItem, order: Option<u64>, out: &mut Vec<u8>) {
        match order {
            None => self.catalog.render(entry, out),
            Some(order) => self.catalog.render_in_order(entry, order, out),
        }
    }

    fn counts(&self) -> SimulatorCounts {
        let mut state = self.lock();
        let uptime = self.uptime();
        let mut counts = state.counts.clone();
        for repository in &mut state.repositories {
            repository.advance(uptime);
            counts.inserted += repository.history.inserted;
            counts.deleted += repository.history.deleted;
            counts.updated += repository.history.updated;
        }
        counts
    }
}

impl SimulatorState {
    /// The repository of this id, with everything in it that has fallen due by `uptime`.
    fn repository(&mut self, id: u64, uptime: Duration) -> Option<&mut SimulatedRepository> {
        let repository = self.repositories.iter_mut().find(|repository| repository.id == id)?;
        repository.advance(uptime);
        Some(repository)
    }
}

/// Counts a search as under way for as long as it lives.
struct SearchGuard<'a>(&'a SimulatorShared);

impl<'a> SearchGuard<'a> {
    fn new(shared: &'a SimulatorShared) -> Self {
        let now = shared.searches_under_way.fetch_add(1, Ordering::Relaxed) + 1;
        let counts = &mut shared.lock().counts;
        counts.searches_at_once = counts.searches_at_once.max(now);
        Self(shared)
    }
}

impl Drop for SearchGuard<'_> {
    fn drop(&mut self) {
        self.0.searches_under_way.fetch_sub(1, Ordering::Relaxed);
    }
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
