//! The simulator in this process, with its control API.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ewmirror::simulator::{self, Options, RepositoryOptions, Simulator, SimulatorCounts};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::DEADLINE;
pub(crate) use super::cluster::free_port;

/// How often a simulator is looked at that is waited for: it tells nobody by itself.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A server with these repositories and their numbers of items.
pub(crate) fn repositories(given: &[(u64, usize)]) -> Options {
    let repositories =
        given.iter().map(|(id, items)| RepositoryOptions { id: *id, items: *items }).collect();
    Options { repositories, ..Options::default() }
}

/// A running simulator.
#[derive(Debug)]
pub(crate) struct Sim {
    simulator: Simulator,
    // After the simulator, which must be dropped first.
    runtime: Runtime,
}

impl Sim {
    /// Starts a simulator.
    pub(crate) fn start(options: Options) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime starts");
        let simulator = runtime.block_on(simulator::start(options)).expect("the simulator starts");
        Self { simulator, runtime }
    }

    /// Starts a simulator on a port that it can come back to.
    pub(crate) fn start_to_return(options: &Options) -> (Self, u16) {
        let port = free_port();
        (Self::start(Options { port, ..options.clone() }), port)
    }

    /// The base URL.
    pub(crate) fn url(&self) -> String {
        self.simulator.url()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.simulator.address()
    }

    /// What it has done.
    pub(crate) fn counts(&self) -> SimulatorCounts {
        self.simulator.counts()
    }

    /// How many requests a fault has hit.
    pub(crate) fn hit(&self, fault: &str) -> u64 {
        self.counts().faults.get(fault).copied().unwrap_or_default()
    }

    /// Waits until a fault has hit a request.
    pub(crate) fn wait_for_hit(&self, fault: &str) {
        self.wait_until(|counts| counts.faults.contains_key(fault));
    }

    /// Waits until the simulator has done something.
    pub(crate) fn wait_until(&self, done: impl Fn(&SimulatorCounts) -> bool) {
        let look = async {
            let mut pace = tokio::time::interval(LOOK_EVERY);
            while !done(&self.counts()) {
                pace.tick().await;
            }
        };
        let waited = self.runtime.block_on(async { tokio::time::timeout(DEADLINE, look).await });
        assert!(waited.is_ok(), "the simulator did only this: {:?}", self.counts());
    }

    /// Opens a test door.
    pub(crate) fn door(&self, name: &str, body: &Value) -> Value {
        let (status, answer) =
            request(self.address(), "POST", &format!("/simulator/{name}"), &body.to_string());
        assert_eq!(status, 200, "{name}: {answer}");
        serde_json::from_str(&answer).expect("doors answer JSON")
    }

    /// Queues a fault of a call: after so many requests it hits so many.
    pub(crate) fn fault(&self, endpoint: &str, kind: &str, after: u64, times: u64) {
        let fault = json!([{"endpoint": endpoint, "kind": kind, "after": after, "times": times}]);
        self.door("faults", &fault);
    }

    /// Sets the probability of a fault, and of all others to nothing.
    pub(crate) fn odds(&self, kind: &str, probability: f64) {
        self.door("odds", &json!({ kind: probability }));
    }

    /// No fault is left.
    pub(crate) fn heal(&self) {
        let (status, answer) = request(self.address(), "DELETE", "/simulator/faults", "");
        assert_eq!(status, 200, "{answer}");
        self.door("odds", &json!({}));
    }

    /// All items of a repository, one a line.
    pub(crate) fn items(&self, repository: u64) -> Vec<String> {
        let path = format!("/simulator/items?repository={repository}");
        let (status, answer) = request(self.address(), "GET", &path, "");
        assert_eq!(status, 200, "{answer}");
        answer.lines().map(str::to_owned).collect()
    }

    /// Stops it, connections under way included.
    pub(crate) fn stop(self) {
        let Self { simulator, runtime } = self;
        runtime.block_on(simulator.stop());
    }
}

/// One HTTP request; its status and its body.
pub(crate) fn request(to: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(to).expect("the simulator listens");
    let length = body.len();
    // In HTTP/1.0 an answer ends where the connection does.
    write!(stream, "{method} {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}")
        .expect("the simulator reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the simulator answers");
    let answer = String::from_utf8(answer).expect("the simulator answers text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("an answer has a status"), body.to_owned())
}
