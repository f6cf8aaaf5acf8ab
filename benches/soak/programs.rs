//! The processes: the look-alike server, the daemon, and the commands that ask it. All are the same program.
//!
//! They live in a folder on the disk of the build, which is left there where something failed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::Fallible;

/// The faults; `refuse` takes any of its shapes.
const FAULTS: [&str; 14] = [
    "refuse", "drop", "hang", "slow", "truncate", "garbage", "e500", "e502", "e503", "e429",
    "short", "cap", "huge", "repeat",
];

/// How the look-alike server is, beside its repositories and faults: in each repository as many
/// items come as go.
const SERVER: [&str; 16] = [
    "--port",
    "0",
    "--session-ttl",
    "120s",
    "--rest-token-ttl",
    "20s",
    "--refusal",
    "any",
    "--insert-rate",
    "0.5",
    "--delete-rate",
    "0.5",
    "--update-rate",
    "2",
    "--slow",
    "1s",
];

/// How the daemon is, beside its server and repositories. An answer may be so large that the huge
/// one is soon given up.
const DAEMON: &str = "request_timeout = '2s'\nmax_response_size = '8MiB'\n\
    [login]\nusername = 'system'\n[session]\nreauth_interval = '10s'\nmax_age = '100s'\n\
    [paging]\npage_size = 100\npage_interval = '50ms'\npass_interval = '1s'\n\
    [changes]\nkeep = '3m'\n[log]\nformat = 'json'\n";

/// How long the daemon may take to come up: many times what it takes.
const TO_START: Duration = Duration::from_secs(60);

/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What is being soaked.
#[derive(Debug)]
pub(crate) struct Soaked {
    binary: PathBuf,
    folder: TempDir,
    server: Child,
    address: String,
    /// The daemon.
    pub(crate) daemon: Child,
    /// Who follows the changes.
    pub(crate) follower: Child,
    /// The changes that it tells of.
    pub(crate) changes: Receiver<String>,
}

impl Soaked {
    /// Starts everything.
    pub(crate) fn start(binary: &Path, repositories: &[(u64, usize)], odds: f64) -> Fallible<Self> {
        let mut folder = TempDir::with_prefix_in("soak-", env!("CARGO_TARGET_TMPDIR"))?;
        folder.disable_cleanup(true);
        let path = folder.path();
        let mut simulate = Command::new(binary);
        simulate.arg("simulate").args(SERVER);
        for (id, items) in repositories {
            simulate.args(["--repository", &format!("{id}:{items}")]);
        }
        for fault in FAULTS {
            simulate.args(["--fault", &format!("{fault}={odds}")]);
        }
        let mut server = simulate
            .stdout(Stdio::piped())
            .stderr(File::create(path.join("server.log"))?)
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = server.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address =
            line.trim().strip_prefix("listening on http://").ok_or("no server")?.to_owned();

        let mut toml = format!("[server]\nurl = 'http://{address}'\n{DAEMON}");
        write!(
            toml,
            "[mirror]\nurl = 'sqlite://{}'\n[status]\nlisten = 'unix:{}'\n",
            path.join("mirror.db").display(),
            path.join("status.sock").display(),
        )?;
        for (id, _) in repositories {
            write!(toml, "[[repository]]\nid = {id}\n")?;
        }
        fs::write(path.join("ewmirror.toml"), toml)?;
        let daemon = ours(binary, path, &["run"])
            .stdout(Stdio::null())
            .stderr(File::create(path.join("daemon.log"))?)
            .spawn()?;
        wait_for_status(binary, path)?;
        let mut follower = ours(binary, path, &["changes", "--follow"])
            .stdout(Stdio::piped())
            .stderr(File::create(path.join("follower.log"))?)
            .spawn()?;
        let changes = lines_of(follower.stdout.take().ok_or("no stdout")?);
        let binary = binary.to_owned();
        Ok(Self { binary, folder, server, address, daemon, follower, changes })
    }

    /// What `status --json` says.
    pub(crate) fn status(&self) -> Fallible<Value> {
        Ok(serde_json::from_slice(&self.output(&["status", "--json"])?)?)
    }

    /// The items that `export` gives.
    pub(crate) fn export(&self, repository: u64) -> Fallible<BTreeSet<String>> {
        let lines = self.output(&["export", "--repository", &repository.to_string()])?;
        Ok(String::from_utf8(lines)?.lines().map(str::to_owned).collect())
    }

    /// The items that the server has.
    pub(crate) fn served(&self, repository: u64) -> Fallible<BTreeSet<String>> {
        let items = self.ask("GET", &format!("items?repository={repository}"), "")?;
        Ok(items.lines().map(str::to_owned).collect())
    }

    /// From now on nothing changes and nothing goes wrong.
    pub(crate) fn calm(&self) -> Fallible<()> {
        self.ask("POST", "odds", "{}")?;
        self.ask("POST", "freeze", "")?;
        Ok(())
    }

    /// Asks the daemon to end, which must end well.
    pub(crate) fn stop(&mut self) -> Fallible<()> {
        // The shell does it, because that takes no unsafe code.
        let kill = format!("kill -TERM {}", self.daemon.id());
        Command::new("sh").args(["-c", &kill]).status()?;
        let status = self.daemon.wait()?;
        if !status.success() {
            return Err(format!("the daemon ended with {status}; {}", self.kept()).into());
        }
        Ok(())
    }

    /// Throws away what the processes leave, since nothing of it needs to be looked at.
    pub(crate) fn forget(&mut self) {
        self.folder.disable_cleanup(false);
    }

    /// Where logs and database are.
    pub(crate) fn kept(&self) -> String {
        format!("its logs and database are in {}", self.folder.path().display())
    }

    /// What a command of ours prints, which must succeed.
    fn output(&self, arguments: &[&str]) -> Fallible<Vec<u8>> {
        let ended = ours(&self.binary, self.folder.path(), arguments).output()?;
        if !ended.status.success() {
            let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
            let kept = self.kept();
            return Err(format!("{arguments:?} ended with {}: {stderr}{kept}", ended.status).into());
        }
        Ok(ended.stdout)
    }

    /// Opens a door of the look-alike server.
    fn ask(&self, method: &str, door: &str, body: &str) -> Fallible<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        let length = body.len();
        // In HTTP/1.0 an answer ends where the connection does.
        write!(
            stream,
            "{method} /simulator/{door} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer without a head")?;
        if !head.starts_with("HTTP/1.0 200") && !head.starts_with("HTTP/1.1 200") {
            return Err(format!("{door}: {answer}").into());
        }
        Ok(body.to_owned())
    }
}

impl Drop for Soaked {
    fn drop(&mut self) {
        for child in [&mut self.follower, &mut self.daemon, &mut self.server] {
            // One that has ended already is no matter.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn ours(binary: &Path, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command.env_clear().env("EWMIRROR_LOGIN__PASSWORD", "system").stdin(Stdio::null());
    command.arg("--config").arg(folder.join("ewmirror.toml")).args(arguments);
    command
}

/// Waits until a daemon answers and has made its database.
fn wait_for_status(binary: &Path, folder: &Path) -> Fallible<()> {
    let begun = Instant::now();
    let (_never, pace) = mpsc::channel::<()>();
    loop {
        let asked = ours(binary, folder, &["status", "--json"]).output()?;
        let status: Value = serde_json::from_slice(&asked.stdout).unwrap_or_default();
        if asked.status.success() && status["daemon"].is_object() {
            return Ok(());
        }
        if begun.elapsed() > TO_START {
            let stderr = String::from_utf8_lossy(&asked.stderr).into_owned();
            return Err(format!("the daemon does not come up: {stderr}").into());
        }
        // Nothing ever comes.
        let waited: Result<(), RecvTimeoutError> = pace.recv_timeout(LOOK_EVERY);
        debug_assert!(waited.is_err());
    }
}

/// Reads lines as they come. Few may wait: who follows the changes is to wait for us, not we to
/// collect.
fn lines_of(stdout: ChildStdout) -> Receiver<String> {
    let (tell, told) = mpsc::sync_channel(1000);
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    told
}
