//! The mirror as others pull it from the status endpoint: exact, for those with the token alone, and without
//! holding up anybody.

mod access;
mod changes;
mod items;
mod page;
mod readers;
mod schemathesis;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::support::kept::Kept;
use crate::support::{DEADLINE, Daemon, Setup, Sim, repositories, sim};

const TOKEN: &str = "a-token-of-the-tests-32-characters-long";

/// Who asks at this address.
#[derive(Clone, Copy)]
struct Client(SocketAddr);

/// A daemon, the mirror that it keeps, and who asks it.
struct Pulled {
    sim: Sim,
    kept: Kept,
    client: Client,
    daemon: Daemon,
}

impl std::ops::Deref for Pulled {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Pulled {
    fn start(items: usize, more: &str) -> Self {
        let sim = Sim::start(repositories(&[(1, items), (2, 20)]));
        let kept = Kept::new(&sim);
        Self::of(sim, kept, more)
    }

    /// The same with its mirror in PostgreSQL; `None` where that is not installed.
    fn start_in_postgres(items: usize) -> Option<Self> {
        let sim = Sim::start(repositories(&[(1, items), (2, 20)]));
        let kept = Kept::in_postgres(&sim)?;
        Some(Self::of(sim, kept, ""))
    }

    fn of(sim: Sim, kept: Kept, more: &str) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], sim::free_port()));
        let mut setup: Setup = kept.setup();
        setup.status = format!("listen = '{address}'\n{more}");
        setup.repositories = [1, 2].map(|id| format!("id = {id}")).into();
        "refresh_interval = '1h'".clone_into(&mut setup.model);
        let start = |command: &mut std::process::Command| {
            command.env("EWMIRROR_STATUS__TOKEN", TOKEN);
        };
        let daemon = Daemon::start_with(&["run"], &setup, start);
        for repository in [1, 2] {
            daemon.wait_for(|it| it.is_of("pass complete", repository));
            // Which of them comes first in the log is chance; names are asked of whichever it is.
            daemon.wait_for(|it| it.is_of("model changed", repository));
        }
        Self { sim, kept, client: Client(address), daemon }
    }

    /// Has the server change, and waits until the mirror has it.
    fn change(&self, edit: &Value) {
        self.sim.door("edit", edit);
        let mark = self.daemon.mark();
        self.daemon.signal("USR1");
        let has = |name: &str| edit.get(name).and_then(Value::as_array).is_some();
        let repository = edit["repository"].as_u64().expect("an edit is of a repository");
        let is_there = |it: &crate::support::Event| {
            it.is_of("pass complete", repository)
                && (it.number("updated") > 0 || !has("update"))
                && (it.number("deleted") > 0 || !has("delete"))
        };
        self.daemon.wait_from(mark, is_there);
    }
}

impl Client {
    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[("Authorization", &format!("Bearer {TOKEN}"))])
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut stream = self.open(method, path, headers);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        Answer::of(&answer)
    }

    /// The same of one who believes to have come to another host.
    fn ask_as(&self, host: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut stream = self.open_as(host, "GET", path, headers);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        Answer::of(&answer)
    }

    fn open(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> TcpStream {
        self.open_as(&self.0.to_string(), method, path, headers)
    }

    fn open_as(&self, host: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> TcpStream {
        self.open_by("HTTP/1.1", host, method, path, headers)
    }

    fn open_by(
        &self,
        version: &str,
        host: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> TcpStream {
        let mut stream = TcpStream::connect(self.0).expect("the endpoint is there");
        stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
        let mut head = format!("{method} {path} {version}\r\nHost: {host}\r\n");
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").expect("a string takes any text");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).expect("it can be asked");
        stream
    }

    /// All changes, by following `Ewmirror-Next` with so many at a time.
    fn all_changes(&self, mut after: u64, limit: usize) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let answer = self.get(&format!("/changes?after={after}&limit={limit}"));
            assert_eq!(answer.status, 200, "{answer:?}");
            let lines = answer.lines();
            if lines.is_empty() {
                return all;
            }
            assert!(lines.len() <= limit);
            after = answer.number("ewmirror-next");
            all.extend(lines);
        }
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    /// Whether a body in pieces came to its end.
    is_whole: bool,
}

impl Answer {
    fn of(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        let rest = &bytes[end + 4..];
        let is_chunked = headers.get("transfer-encoding").is_some_and(|it| it == "chunked");
        let (body, is_whole) = if is_chunked { unchunked(rest) } else { (rest.to_vec(), true) };
        Self { status: status.expect("a status"), headers, body, is_whole }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    fn lines(&self) -> Vec<Value> {
        assert!(self.is_whole, "it broke off");
        self.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn number(&self, header: &str) -> u64 {
        self.headers.get(header).and_then(|it| it.parse().ok()).expect("a header with a number")
    }
}

fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok();
        let Some(size) = size.and_then(|size| usize::from_str_radix(size, 16).ok()) else { break };
        if size == 0 {
            return (body, true);
        }
        let begin = end + 2;
        let Some(piece) = rest.get(begin..begin + size) else {
            body.extend_from_slice(&rest[begin..]);
            break;
        };
        body.extend_from_slice(piece);
        rest = rest.get(begin + size + 2..).unwrap_or_default();
    }
    (body, false)
}
