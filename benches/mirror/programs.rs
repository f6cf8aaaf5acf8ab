//! Starting the programs and watching what they take.
//!
//! Time is the whole process, from its start to its end; CPU time is that of all its threads, in
//! the system's ticks; memory is the highest resident size (`VmHWM`), looked at every few
//! milliseconds, so that what a process does in its very last ones is missed.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::Value;

use crate::Fallible;
use crate::server::since_1970;

/// How often a process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(3);
/// Events at a start that are worth a look.
const FIRST_EVENTS: usize = 6;
/// CPU ticks a second in `/proc`: 100 on every Linux, whatever the kernel's own.
const TICKS: f64 = 100.0;
/// `/proc` counts memory in KiB.
const KIB_IN_MIB: f64 = 1024.0;

/// The server, ended when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Its end is the server's.
    stdin: Option<ChildStdin>,
    port: u16,
}

impl Server {
    /// Starts one with so many items.
    pub(crate) fn start(items: usize, latency: Duration, shuffled: bool) -> Fallible<Self> {
        let latency = latency.as_millis().to_string();
        let mut flags = vec!["--latency-ms", &latency];
        flags.extend(shuffled.then_some("--shuffled"));
        Self::with(items, &flags)
    }

    /// One with so many small items.
    pub(crate) fn of_small(items: usize) -> Fallible<Self> {
        Self::with(items, &["--latency-ms", "0", "--small"])
    }

    /// One with so many items, in so many repositories of the same size.
    pub(crate) fn of_many(items: usize, repositories: usize) -> Fallible<Self> {
        Self::with(items, &["--latency-ms", "0", "--repositories", &repositories.to_string()])
    }

    fn with(items: usize, flags: &[&str]) -> Fallible<Self> {
        let mut command = ourselves("serve")?;
        command.args(["--items", &items.to_string()]).args(flags);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let port = line.trim().parse().map_err(|_| "the server did not start")?;
        Ok(Self { child, stdin, port })
    }

    /// The base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Has it change one item in a hundred.
    pub(crate) fn change(&self) -> Fallible<()> {
        self.post("change").map(drop)
    }

    /// When the first search came since this was last asked, as the time since 1970, and the page
    /// that it asked for; `None` where none came.
    pub(crate) fn first_search(&self) -> Fallible<Option<(Duration, u64)>> {
        let first: Value = serde_json::from_str(&self.post("first-search")?)?;
        let [at, page] = ["at_us", "page"].map(|name| first[name].as_u64());
        Ok(at.map(Duration::from_micros).zip(page))
    }

    fn post(&self, path: &str) -> Fallible<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        // In HTTP/1.0 an answer ends where the connection does.
        write!(stream, "POST /{path} HTTP/1.0\r\nContent-Length: 0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or("an answer without a head")?;
        Ok(body.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        drop(self.child.wait());
    }
}

/// What a process took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    /// From its start to its end.
    pub(crate) wall: Duration,
    /// CPU time.
    pub(crate) cpu: Duration,
    /// The most memory it had, in MiB.
    pub(crate) peak: f64,
    /// What its passes took by its own account, in milliseconds.
    pub(crate) passes_ms: Vec<f64>,
    /// Memory at the end of each pass, in MiB.
    pub(crate) resident: Vec<f64>,
    /// The most memory it had had by then, in MiB.
    pub(crate) peaks: Vec<f64>,
    /// Lines on its stdout.
    pub(crate) lines: usize,
    /// The first events of its log, with the time from its start.
    pub(crate) first_events: Vec<(Duration, String)>,
    /// From its start to its first search, and the page that it asked for.
    pub(crate) first_search: Option<(Duration, u64)>,
}

/// When a program is ended.
#[derive(Clone, Copy, Debug)]
enum Until {
    /// It ends by itself.
    End,
    /// It is asked to end after so many passes.
    Passes(usize),
    /// It is killed once it has read this page.
    Killed(u64),
}

/// A limit program.
pub(crate) fn limit(
    work: &str,
    server: &Server,
    page_size: usize,
    in_flight: usize,
    folder: &Path,
) -> Fallible<Taken> {
    let mut command = ourselves("limit")?;
    command.args(["--work", work, "--url", &server.url()]);
    command.args(["--page-size", &page_size.to_string(), "--in-flight", &in_flight.to_string()]);
    command.arg("--database").arg(folder.join("limit.db"));
    watch(&mut command, Until::End)
}

/// The floor of a first pass, into a new database.
pub(crate) fn rows(server: &Server, page_size: usize, folder: &Path) -> Fallible<Taken> {
    let mut command = ourselves("rows")?;
    command.args(["--url", &server.url(), "--page-size", &page_size.to_string()]);
    watch(command.arg("--database").arg(folder.join("rows.db")), Until::End)
}

/// The limit program of PostgreSQL, into this database.
pub(crate) fn copy(server: &Server, page_size: usize, database: &str) -> Fallible<Taken> {
    let mut command = ourselves("copy")?;
    command.args(["--url", &server.url(), "--page-size", &page_size.to_string()]);
    watch(command.args(["--database", database]), Until::End)
}

/// What of our configuration differs between measurements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ours<'a> {
    pub(crate) server: &'a Server,
    pub(crate) folder: &'a Path,
    pub(crate) page_size: usize,
    pub(crate) in_flight: usize,
    /// Between two passes.
    pub(crate) rest: &'a str,
    /// The lines of the section `mirror`; `None`: a SQLite database in the folder.
    pub(crate) mirror: Option<&'a str>,
    /// How many repositories are read, by their ids from 1 on.
    pub(crate) repositories: usize,
}

impl Ours<'_> {
    /// One command of ours, to its end.
    pub(crate) fn command(&self, arguments: &[&str]) -> Fallible<Taken> {
        self.watch(arguments, Until::End)
    }

    /// The daemon over so many passes.
    pub(crate) fn passes(&self, passes: usize) -> Fallible<Taken> {
        self.watch(&["run"], Until::Passes(passes))
    }

    /// The daemon up to this page of its pass, and killed there.
    pub(crate) fn killed_at(&self, page: u64) -> Fallible<Taken> {
        self.watch(&["run"], Until::Killed(page))
    }

    fn watch(&self, arguments: &[&str], until: Until) -> Fallible<Taken> {
        self.server.first_search()?;
        let begun = since_1970();
        let mut taken = watch(&mut self.prepare(arguments)?, until)?;
        let first = self.server.first_search()?;
        taken.first_search = first.map(|(at, page)| (at.saturating_sub(begun), page));
        Ok(taken)
    }

    pub(crate) fn prepare(&self, arguments: &[&str]) -> Fallible<Command> {
        let Self { server, folder, page_size, in_flight, rest, mirror, repositories } = self;
        let sqlite = format!("url = 'sqlite://{}'", folder.join("mirror.db").display());
        let mirror = mirror.unwrap_or(&sqlite);
        let file = folder.join("ewmirror.toml");
        let mut text = format!(
            "[server]\nurl = '{}'\n[login]\nusername = 'system'\n\
             [paging]\npage_size = {page_size}\npage_interval = '0s'\npass_interval = '{rest}'\n\
             in_flight = {in_flight}\n[mirror]\n{mirror}\n[status]\nlisten = 'off'\n\
             [log]\nformat = 'json'\n",
            server.url(),
        );
        for id in 1..=*repositories {
            writeln!(text, "[[repository]]\nid = {id}")?;
        }
        fs::write(&file, text)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_ewmirror"));
        command.env_clear().env("EWMIRROR_LOGIN__PASSWORD", "system");
        command.args([OsStr::new("--config"), file.as_os_str()]).args(arguments);
        Ok(command)
    }
}

fn ourselves(part: &str) -> Fallible<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(part);
    Ok(command)
}

/// What the readers of a process tell.
enum Told {
    /// A line of its log.
    Log(Instant, String),
    /// The end of its stdout, with the number of lines and the last of them.
    Data(usize, String),
    /// The end of its log.
    End(Instant),
}

/// Runs a process to its end.
fn watch(command: &mut Command, until: Until) -> Fallible<Taken> {
    let before = children_cpu()?;
    let begun = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (tell, told) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        let tell = tell.clone();
        thread::spawn(move || {
            let (lines, last) = count_lines(stdout);
            drop(tell.send(Told::Data(lines, last)));
        });
    }
    if let Some(stderr) = child.stderr.take() {
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                drop(tell.send(Told::Log(Instant::now(), line)));
            }
            drop(tell.send(Told::End(Instant::now())));
        });
    }
    let mut taken = Taken::default();
    let (mut log, mut last) = (Vec::new(), String::new());
    loop {
        taken.peak = memory(&child, "VmHWM:").unwrap_or_default().max(taken.peak);
        match told.recv_timeout(LOOK_EVERY) {
            Ok(Told::Log(at, line)) => {
                let event: Value = serde_json::from_str(&line).unwrap_or_default();
                log.push(line);
                if taken.first_events.len() < FIRST_EVENTS {
                    let message = event["message"].as_str().unwrap_or_default().to_owned();
                    taken.first_events.push((at.duration_since(begun), message));
                }
                if let Until::Killed(page) = until
                    && event["page"].as_u64() >= Some(page)
                {
                    child.kill()?;
                }
                if event["message"] == "pass complete" {
                    let elapsed = event["elapsed_ms"].as_f64().ok_or("a pass without a time")?;
                    taken.passes_ms.push(elapsed);
                    taken.resident.extend(memory(&child, "VmRSS:"));
                    taken.peaks.extend(memory(&child, "VmHWM:"));
                    if matches!(until, Until::Passes(most) if taken.passes_ms.len() == most) {
                        terminate(&child)?;
                    }
                }
            }
            Ok(Told::Data(lines, line)) => (taken.lines, last) = (lines, line),
            Ok(Told::End(at)) => taken.wall = at.duration_since(begun),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.wait()?;
    taken.cpu = children_cpu()?.saturating_sub(before);
    if !status.success() && !matches!(until, Until::Killed(_)) {
        let log = log.get(log.len().saturating_sub(20)..).unwrap_or_default().join("\n");
        return Err(format!("{command:?} ended with {status}:\n{log}").into());
    }
    // A limit program says itself what its pass took.
    let said: Value = serde_json::from_str(&last).unwrap_or_default();
    if taken.passes_ms.is_empty() {
        taken.passes_ms.extend(said["elapsed_ms"].as_f64());
    }
    Ok(taken)
}

/// Counts lines without keeping them; also returns the last one, if it is short.
fn count_lines(mut from: impl Read) -> (usize, String) {
    let mut buffer = vec![0; 64 * 1024];
    let (mut lines, mut end) = (0, Vec::new());
    loop {
        let read = from.read(&mut buffer).unwrap_or_default();
        let Some(bytes @ [_, ..]) = buffer.get(..read) else { break };
        lines += bytes.split(|byte| *byte == b'\n').count() - 1;
        end.clear();
        end.extend_from_slice(bytes);
    }
    let text = String::from_utf8_lossy(&end);
    (lines, text.lines().last().unwrap_or_default().to_owned())
}

/// A line of `/proc/PID/status`, in MiB; nothing once the process has ended.
fn memory(child: &Child, name: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / KIB_IN_MIB)
}

/// CPU time of all our children that have ended.
fn children_cpu() -> Fallible<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The second field, a name in brackets, may hold anything; the third one follows it.
    let (_, fields) = stat.rsplit_once(") ").ok_or("/proc/self/stat has no name")?;
    let ticks: f64 =
        fields.split(' ').skip(13).take(2).map(|it| it.parse::<f64>().unwrap_or_default()).sum();
    Ok(Duration::from_secs_f64(ticks / TICKS))
}

pub(crate) fn terminate(child: &Child) -> Fallible<()> {
    // The shell does it, because that takes no unsafe code.
    Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status()?;
    Ok(())
}
