//! A PostgreSQL that a test may stop, start, fill and fail over: its own files, its own port. The bench
//! has it too.
//!
//! It stops with the process that started it, however that ends.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to start or to end on a busy machine.
const WITHIN: Duration = Duration::from_secs(120);

/// How often a server is looked at that starts or ends.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Ports that the system gives to nobody who does not ask for one by number, so that a server can go away and come
/// back to its own.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A database cluster, and its server while it runs.
#[derive(Debug)]
pub(crate) struct Cluster {
    programs: PathBuf,
    settings: Vec<String>,
    port: u16,
    /// Before the folder, which it works in.
    server: Option<Running>,
    folder: TempDir,
}

/// A server. Its keeper's standard input is its life.
#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}

impl Cluster {
    /// A new one in this folder, which runs; `None` where PostgreSQL is not installed. Settings are as
    /// in `postgresql.conf`: `fsync=off`.
    pub(crate) fn start(within: &Path, settings: &[&str]) -> Option<Self> {
        let mut cluster = Self::new(within, settings)?;
        let data = cluster.folder.path().join("data");
        let copied = Command::new("cp").arg("-a").arg(blank()).arg(&data).status();
        assert!(copied.is_ok_and(|it| it.success()), "the files of a new cluster can be copied");
        cluster.resume();
        Some(cluster)
    }

    /// A copy of this one that follows it, and runs.
    pub(crate) fn standby(&self, within: &Path, settings: &[&str]) -> Self {
        let mut standby = Self::new(within, settings).expect("PostgreSQL is installed");
        let port = self.port.to_string();
        standby.run(&[
            "pg_basebackup",
            "--host=127.0.0.1",
            "--port",
            &port,
            "--username=postgres",
            "--checkpoint=fast",
            "--write-recovery-conf",
            "--pgdata=data",
        ]);
        standby.resume();
        standby
    }

    fn new(within: &Path, settings: &[&str]) -> Option<Self> {
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("pg").tempdir_in(within).ok()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).ok()?;
        if is_root() {
            let path = folder.path().to_str()?;
            let owned = Command::new("chown").args(["postgres", path]).status().ok()?;
            assert!(owned.success(), "the folder can be given away");
        }
        let settings = settings.iter().map(|&it| it.to_owned()).collect();
        Some(Self { programs, settings, port: free_port(), server: None, folder })
    }

    /// The URL for its superuser, over TCP and without TLS.
    pub(crate) fn url(&self) -> String {
        url_at(&[self.port])
    }

    /// The port that it listens at on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts the server again where it was stopped, and waits until it answers.
    pub(crate) fn resume(&mut self) {
        let mut command = self.command("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(self.programs.join("postgres"));
        command.args(["-D", "data", "-p", &self.port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let log = fs::File::options().create(true).append(true).open(self.log_file());
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        command.stderr(log.expect("the log can be written"));
        self.server = Some(Running(command.spawn().expect("the shell starts")));
        let begun = Instant::now();
        while self.sql("SELECT 1").is_err() {
            assert!(begun.elapsed() < WITHIN, "no server: {}", self.log());
            std::thread::park_timeout(LOOK_EVERY);
        }
    }

    /// Ends the server: `INT` in order, `QUIT` at once, as a crash does.
    pub(crate) fn stop(&mut self, signal: &str) {
        let Some(mut running) = self.server.take() else { return };
        if let Some(stdin) = &mut running.0.stdin {
            writeln!(stdin, "{signal}").expect("the keeper listens");
        }
        // Its end is waited for as it is dropped.
        drop(running);
    }

    /// Puts a file that the server reads into the cluster's folder, where nobody else may read it.
    pub(crate) fn put(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).expect("the file can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        if is_root() {
            let owned = Command::new("chown").arg("postgres").arg(&path).status();
            assert!(owned.is_ok_and(|it| it.success()), "the file can be given away");
        }
        path
    }

    /// Lets anybody in from this network, too.
    pub(crate) fn admit(&self, network: &str) {
        self.run(&["sh", "-c", &format!("echo host all all {network} trust >> data/pg_hba.conf")]);
        self.sql("SELECT pg_reload_conf()").expect("it reads it again");
    }

    /// Keeps a schema as it is now, to be restored.
    pub(crate) fn save(&self, schema: &str) {
        let port = self.port.to_string();
        self.run(&[
            "pg_dump",
            "--host=127.0.0.1",
            "--port",
            &port,
            "--username=postgres",
            "--schema",
            schema,
            "--file=saved.sql",
            "postgres",
        ]);
    }

    /// Makes a schema again what it was when it was saved.
    pub(crate) fn restore(&self, schema: &str) {
        self.sql(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).expect("it can be dropped");
        let saved = self.folder.path().join("saved.sql");
        self.sql(&format!("\\i {}", saved.display())).expect("it can be restored");
    }

    /// Starts the server anew with these settings besides its own.
    pub(crate) fn restart_with(&mut self, settings: &[String]) {
        self.stop("INT");
        self.settings.extend_from_slice(settings);
        self.resume();
    }

    /// Runs statements as the superuser; the rows, a line each, with columns parted by `|`.
    pub(crate) fn sql(&self, statements: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.env_clear().args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
        psql.args(["--set=ON_ERROR_STOP=1", &self.url(), "--command", statements]);
        let done = psql.output().map_err(|error| error.to_string())?;
        if done.status.success() {
            Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&done.stderr).trim().to_owned())
        }
    }

    /// What the server said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Runs one of PostgreSQL's programs to its end.
    fn run(&self, words: &[&str]) {
        let (program, arguments) = words.split_first().expect("there is a program");
        // A shell is nowhere in there.
        let own = self.programs.join(program);
        let program = if own.exists() { own.display().to_string() } else { (*program).to_owned() };
        let mut command = self.command(&program);
        let done = command.args(arguments).output().expect("the program runs");
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// A program in the folder, as the user that the package made: the server must not run as root.
    fn command(&self, program: &str) -> Command {
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", program]);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path());
        command
    }
}

/// The files of a cluster that no server has run on yet: made once, because that takes ten times as long as to copy
/// them. They go with this process, however that ends.
fn blank() -> &'static Path {
    static BLANK: OnceLock<(PathBuf, Child)> = OnceLock::new();
    let (files, _) = BLANK.get_or_init(|| {
        let new = Cluster::new(&std::env::temp_dir(), &[]).expect("PostgreSQL is installed");
        new.run(&[
            "initdb",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--pgdata=data",
        ]);
        let keeper = Command::new("sh")
            .args(["-c", "read -r _; rm -rf \"$1\"", "keeper"])
            .arg(new.folder.path())
            .stdin(Stdio::piped())
            .spawn()
            .expect("the shell starts");
        (new.folder.keep().join("data"), keeper)
    });
    files
}

/// The URL of the database of the superuser on these ports of this machine.
pub(crate) fn url_at(ports: &[u16]) -> String {
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!("postgresql://postgres@{}/postgres?sslmode=disable", hosts.join(","))
}

/// Runs a server until it is told a signal to end it with, or its standard input ends. The server gets
/// none of the keeper's input.
const KEEPER: &str = r#"
"$@" >&2 < /dev/null &
server=$!
read -r signal
kill "-${signal:-QUIT}" "$server"
wait "$server"
"#;

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}

/// A port that is free now, and that neither the system nor this function gives to anybody else, so that nobody
/// takes it before it is listened at.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ports = std::iter::repeat_with(|| fastrand::u16(PORTS)).take(10_000);
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(|port| is_free(port) && given.insert(*port)).expect("some port is free")
}

/// Where PostgreSQL's programs are: in the folder that `EWMIRROR_POSTGRES` names, or of several versions the
/// newest.
#[expect(
    clippy::disallowed_methods,
    reason = "it is for who runs the tests, and no setting of ours"
)]
fn programs() -> Option<PathBuf> {
    if let Some(chosen) = std::env::var_os("EWMIRROR_POSTGRES") {
        return Some(chosen.into());
    }
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    versions.sort_by_key(|path| number(path));
    versions.into_iter().rev().map(|path| path.join("bin")).find(|bin| bin.join("initdb").exists())
}
