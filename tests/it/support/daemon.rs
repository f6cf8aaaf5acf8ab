//! The built binary: its configuration, its start, its signals, its end.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::DEADLINE;
use super::await_event::{Event, Log};

/// Where the system's own programs are.
const PROGRAMS: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A configuration file in parts. Each text is lines of TOML for its section.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) url: String,
    pub(crate) server: String,
    pub(crate) login: String,
    pub(crate) session: String,
    pub(crate) paging: String,
    /// One for each repository.
    pub(crate) repositories: Vec<String>,
    pub(crate) mirror: String,
    /// Off, unless a test is about it: what is counted is then what pages cause.
    pub(crate) model: String,
    pub(crate) status: String,
    pub(crate) log: String,
}

impl Setup {
    /// Pages as fast as the server answers, rests for an hour after a pass and keeps nothing;
    /// time-outs are short and the log tells of everything.
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            server: "connect_timeout = '5s'\nrequest_timeout = '20s'".to_owned(),
            login: "username = 'system'".to_owned(),
            session: String::new(),
            paging: "page_size = 100\npage_interval = '0s'\npass_interval = '1h'".to_owned(),
            repositories: vec!["id = 1".to_owned()],
            mirror: "url = 'none'".to_owned(),
            model: "refresh_interval = 'off'".to_owned(),
            status: "listen = 'off'".to_owned(),
            log: "level = 'debug'".to_owned(),
        }
    }

    /// The file.
    pub(crate) fn toml(&self) -> String {
        let Self { url, server, login, session, paging, repositories, mirror, .. } = self;
        let Self { model, status, log, .. } = self;
        let mut text = format!(
            "[server]\nurl = '{url}'\n{server}\n[login]\n{login}\n[session]\n{session}\n\
             [paging]\n{paging}\n[mirror]\n{mirror}\n[model]\n{model}\n[status]\n{status}\n[log]\n{log}\n"
        );
        for repository in repositories {
            write!(text, "[[repository]]\n{repository}\n").expect("a string takes any text");
        }
        text
    }
}

/// A command of the built binary with a cleared environment and the simulator's password.
pub(crate) fn ewmirror(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ewmirror"));
    command.env_clear().env("EWMIRROR_LOGIN__PASSWORD", "system").args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command to its end, which must come in time.
pub(crate) fn output(command: &mut Command) -> Output {
    let directory = TempDir::new().expect("a directory for the test");
    let ended = Daemon::spawn(command, directory).finish();
    let mut stderr = Vec::new();
    for event in &ended.events {
        stderr.extend_from_slice(event.line.as_bytes());
        stderr.push(b'\n');
    }
    Output { status: ended.status, stdout: ended.stdout, stderr }
}

/// A running binary, killed when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    log: Log,
    stdout: mpsc::Receiver<Vec<u8>>,
    directory: TempDir,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) events: Vec<Event>,
    pub(crate) stdout: Vec<u8>,
}

impl Ended {
    /// The events of this message.
    pub(crate) fn all(&self, message: &str) -> Vec<&Event> {
        self.events.iter().filter(|event| event.is(message)).collect()
    }
}

impl Daemon {
    /// `ewmirror run` with this configuration.
    pub(crate) fn run(setup: &Setup) -> Self {
        Self::start(&["run"], setup)
    }

    /// Any command with this configuration.
    pub(crate) fn start(arguments: &[&str], setup: &Setup) -> Self {
        Self::start_with(arguments, setup, |_| {})
    }

    /// Any command with this configuration, and whatever else is to be different.
    pub(crate) fn start_with(
        arguments: &[&str],
        setup: &Setup,
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let directory = TempDir::new().expect("a directory for the test");
        let file = config_file(directory.path());
        fs::write(&file, setup.toml()).expect("the configuration can be written");
        let mut command = ewmirror([OsStr::new("--config"), file.as_os_str()]);
        command.args(arguments);
        change(&mut command);
        Self::spawn(&mut command, directory)
    }

    /// How a shell calls the program with its configuration.
    pub(crate) fn command(&self) -> String {
        format!("ewmirror --config {}", config_file(self.directory.path()).display())
    }

    /// `ewmirror run` by way of another program, which ends its words with a program's name and
    /// arguments, and becomes that program.
    pub(crate) fn run_by(words: &[&str], setup: &Setup) -> Self {
        let directory = TempDir::new().expect("a directory for the test");
        let file = config_file(directory.path());
        fs::write(&file, setup.toml()).expect("the configuration can be written");
        let run = [OsStr::new("--config"), file.as_os_str(), OsStr::new("run")];
        Self::by(words, run, directory)
    }

    /// Any command by way of another program.
    pub(crate) fn by(
        words: &[&str],
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        directory: TempDir,
    ) -> Self {
        let plain = ewmirror(arguments);
        let (first, others) = words.split_first().expect("there is a program");
        let mut command = Command::new(first);
        command.args(others).arg(plain.get_program()).args(plain.get_args());
        command.env_clear().env("PATH", PROGRAMS).env("EWMIRROR_LOGIN__PASSWORD", "system");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::spawn(&mut command, directory)
    }

    /// A process whose log is read until it ends.
    pub(crate) fn spawn(command: &mut Command, directory: TempDir) -> Self {
        let mut child = command.spawn().expect("the binary starts");
        let log = Log::default();
        let (sender, stdout) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            let log = log.clone();
            std::thread::spawn(move || log.read(stderr));
        } else {
            log.read(std::io::empty());
        }
        if let Some(mut stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                drop(stdout.read_to_end(&mut bytes));
                drop(sender.send(bytes));
            });
        }
        Self { child, log, stdout, directory }
    }

    /// Waits for an event, whenever it came.
    pub(crate) fn wait_for(&self, what: impl Fn(&Event) -> bool) -> Event {
        self.log.wait_from(0, what)
    }

    /// Waits for an event that comes at or after this place.
    pub(crate) fn wait_from(&self, place: usize, what: impl Fn(&Event) -> bool) -> Event {
        self.log.wait_from(place, what)
    }

    /// Waits for the end of a pass.
    pub(crate) fn wait_for_pass(&self, repository: u64, iteration: u64) -> Event {
        self.wait_for(|event| {
            event.is_of("pass complete", repository) && event.number("iteration") == iteration
        })
    }

    /// The number of the process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Where the log ends now.
    pub(crate) fn mark(&self) -> usize {
        self.log.len()
    }

    /// All events so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.log.events()
    }

    /// The events so far of this message.
    pub(crate) fn all(&self, message: &str) -> Vec<Event> {
        self.events().into_iter().filter(|event| event.is(message)).collect()
    }

    /// The last lines of the log.
    pub(crate) fn tail(&self) -> String {
        self.log.tail()
    }

    /// Writes another configuration; a SIGHUP has it read.
    pub(crate) fn configure(&self, setup: &Setup) {
        self.configure_with(&setup.toml());
    }

    /// Writes any text as the configuration.
    pub(crate) fn configure_with(&self, text: &str) {
        fs::write(config_file(self.directory.path()), text)
            .expect("the configuration can be written");
    }

    /// Writes another configuration and waits until it holds.
    pub(crate) fn reload(&self, setup: &Setup) -> Event {
        self.configure(setup);
        let mark = self.mark();
        self.signal("HUP");
        self.wait_from(mark, |event| event.is("configuration reloaded"))
    }

    /// Sends a signal. The shell does it, because that takes no unsafe code.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().expect("the shell runs");
        assert!(status.success(), "cannot send {name}:\n{}", self.tail());
    }

    /// Waits for the end, which must come by itself.
    pub(crate) fn finish(mut self) -> Ended {
        let stdout = self.wait_for_stdout();
        assert!(self.log.wait_for_end(), "the process did not end:\n{}", self.tail());
        let status = self.child.wait().expect("the process can be waited for");
        Ended { status, events: self.log.events(), stdout }
    }

    /// Sends SIGTERM and waits for the end, which must come in order and in time.
    pub(crate) fn stop(self) -> Ended {
        let (ended, took) = self.stop_with("TERM");
        assert!(ended.status.success(), "{}: {:?}", ended.status, ended.events.last());
        assert!(took < super::stop_within(), "stopping took {took:?}");
        ended
    }

    /// Ends it as a loss of power would, as far as the process goes: `kill -9`.
    pub(crate) fn kill(mut self) -> Ended {
        self.child.kill().expect("the process can be killed");
        self.finish()
    }

    /// Sends a signal, waits for the end and says how long it took.
    pub(crate) fn stop_with(self, signal: &str) -> (Ended, Duration) {
        self.signal(signal);
        let begun = Instant::now();
        let ended = self.finish();
        (ended, begun.elapsed())
    }

    fn wait_for_stdout(&self) -> Vec<u8> {
        match self.stdout.recv_timeout(DEADLINE) {
            Ok(bytes) => bytes,
            // It is not read at all.
            Err(mpsc::RecvTimeoutError::Disconnected) => Vec::new(),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!("the process did not end:\n{}", self.tail())
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended; then there is nothing left to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The configuration file in the directory of a test.
pub(crate) fn config_file(directory: &Path) -> PathBuf {
    directory.join("ewmirror.toml")
}
