//! How well `in_flight = "auto"` makes use of a server of a given capacity, and what another client
//! of that server notices of it: `cargo bench --bench mirror -- --adaptive`.
//!
//! The server is `ewmirror simulate --capacity`, which works on so many requests at once; the other
//! client asks for one page every 100 ms. `--capacity N`, `--service-ms N` and `--seconds N` (of
//! each run) change what is measured.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::{Arguments, Fallible};

const CAPACITY: usize = 8;
const SERVICE_MS: usize = 50;
const SECONDS: usize = 30;
/// Enough for a pass to outlast the run.
const ITEMS: usize = 400_000;
const PAGE_SIZE: usize = 20;
/// How often the other client asks.
const FOREIGN_EVERY: Duration = Duration::from_millis(100);
/// What comes before does not count: a pager that begins with one request has found its pace by then.
const WARM_UP: Duration = Duration::from_secs(10);
/// Requests at once that are as good as no limit at all.
const MANY: usize = 64;

/// Measures and prints it.
pub(crate) fn measure(arguments: &Arguments) -> Fallible<()> {
    let capacity = arguments.number_or("--capacity", CAPACITY)?;
    let service_ms = arguments.number_or("--service-ms", SERVICE_MS)?;
    let seconds = arguments.number_or("--seconds", SECONDS)?;
    println!("capacity {capacity}, {service_ms} ms each, {seconds} s a run\n");
    println!(
        "{:<24} {:>9} {:>12} {:>12} {:>12}",
        "in_flight", "pages/s", "of capacity", "p50", "p99"
    );
    let runs = [
        None,
        Some("1".to_owned()),
        Some("'auto'".to_owned()),
        Some(capacity.to_string()),
        Some(MANY.to_string()),
    ];
    // Nothing here speaks TLS, but the library wants it chosen; it is so only once.
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let most = capacity as f64 * 1e3 / service_ms as f64;
    let mut alone: Option<Seen> = None;
    for in_flight in runs {
        let server = Server::start(capacity, service_ms)?;
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let daemon = match &in_flight {
            Some(in_flight) => Some(daemon(&server, folder.path(), in_flight)?),
            None => None,
        };
        let seen = server.watch(&runtime, Duration::from_secs(seconds as u64))?;
        drop(daemon);
        let name = in_flight.as_deref().unwrap_or("none: the other alone");
        let base = alone.get_or_insert(seen);
        println!(
            "{name:<24} {:>9.1} {:>12.2} {:>11.2}x {:>11.2}x",
            seen.pages_a_second,
            seen.pages_a_second / most,
            seen.p50 / base.p50,
            seen.p99 / base.p99,
        );
    }
    println!(
        "\np50 and p99: of the other client's latency, as multiples of those when it is alone"
    );
    Ok(())
}

/// What one run showed.
#[derive(Clone, Copy)]
struct Seen {
    /// Of our daemon, those of the other client not counted.
    pages_a_second: f64,
    /// Of the other client's latencies, in seconds.
    p50: f64,
    p99: f64,
}

/// A process that ends with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

struct Server {
    url: String,
    _process: Process,
}

impl Server {
    fn start(capacity: usize, service_ms: usize) -> Fallible<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ewmirror"));
        command.args(["simulate", "--port", "0", "--repository", &format!("1:{ITEMS}")]);
        command.arg(format!("--capacity={capacity},{service_ms}ms"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let process = Process(child);
        let url = line.trim().strip_prefix("listening on ").ok_or("the server did not start")?;
        Ok(Self { url: url.to_owned(), _process: process })
    }

    /// Lets the warm-up pass, then asks as the other client does and counts.
    fn watch(&self, runtime: &Runtime, time: Duration) -> Fallible<Seen> {
        runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
            let login = json!({"login": "system", "password": "system"});
            let login = self.post(&client, "/enable-api/login", None, &login).await?;
            let token = login["token"]["token"].as_str().ok_or("no token")?.to_owned();
            sleep(WARM_UP).await;
            let (before, begun) = (self.searches(&client).await?, Instant::now());
            let search = json!({"repositoryId": 1, "page": 1, "pageSize": PAGE_SIZE});
            let mut timer = interval(FOREIGN_EVERY);
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut latencies = Vec::new();
            while begun.elapsed() < time {
                timer.tick().await;
                let sent = Instant::now();
                self.post(&client, "/webcm/rest/api/items/search", Some(&token), &search).await?;
                latencies.push(sent.elapsed().as_secs_f64());
            }
            let all = self.searches(&client).await? - before;
            let took = begun.elapsed().as_secs_f64();
            latencies.sort_by(f64::total_cmp);
            let percentile = |percent: usize| {
                let place = latencies.len() * percent / 100;
                latencies.get(place).copied().unwrap_or(f64::NAN)
            };
            let pages_a_second = (all - latencies.len() as f64) / took;
            Ok(Seen { pages_a_second, p50: percentile(50), p99: percentile(99) })
        })
    }

    async fn searches(&self, client: &reqwest::Client) -> Fallible<f64> {
        let request = client.get(format!("{}/simulator/counts", self.url));
        let counts = read(request).await?;
        Ok(counts["searches"].as_f64().ok_or("no counts")?)
    }

    async fn post(
        &self,
        client: &reqwest::Client,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Fallible<Value> {
        let mut request = client.post(format!("{}{path}", self.url)).body(body.to_string());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        read(request.header("content-type", "application/json")).await
    }
}

#[expect(clippy::disallowed_methods, reason = "the server is ours: no answer is too long")]
async fn read(request: reqwest::RequestBuilder) -> Fallible<Value> {
    let answer = request.send().await?.error_for_status()?.bytes().await?;
    Ok(serde_json::from_slice(&answer)?)
}

/// Our daemon, which keeps nothing: what is measured is how it asks.
fn daemon(server: &Server, folder: &Path, in_flight: &str) -> Fallible<Process> {
    let file = folder.join("ewmirror.toml");
    let interval = if in_flight.contains("auto") { "auto" } else { "0s" };
    let text = format!(
        "[server]\nurl = '{}'\n[login]\nusername = 'system'\n[paging]\npage_size = {PAGE_SIZE}\n\
         page_interval = '{interval}'\npass_interval = '0s'\nin_flight = {in_flight}\n\
         [mirror]\nurl = 'none'\n[status]\nlisten = 'off'\n[[repository]]\nid = 1\n",
        server.url,
    );
    fs::write(&file, text)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_ewmirror"));
    command.env_clear().env("EWMIRROR_LOGIN__PASSWORD", "system");
    command.arg("--config").arg(file).arg("run");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(Process(command.spawn()?))
}
