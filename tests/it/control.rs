//! The control socket: commands find their daemon whatever `status.listen` says, and believe no
//! other.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::daemon::{config_file, output};
use crate::support::machine::{is_root, system};
use crate::support::sim::free_port;
use crate::support::{Daemon, Kept, Setup, Sim, ewmirror, repositories, skipped};

/// An account that every system has, and that owns nothing.
const NOBODY: u32 = 65_534;

/// What a command said.
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// A command with this configuration, and whatever else is to be different.
fn said(setup: &Setup, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Said {
    let directory = TempDir::new().expect("the system does its part");
    let file = config_file(directory.path());
    fs::write(&file, setup.toml()).expect("the system does its part");
    let mut command = ewmirror([Path::new("--config"), &file]);
    command.args(arguments).env_remove("EWMIRROR_LOGIN__PASSWORD");
    change(&mut command);
    let output = output(&mut command);
    Said {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("the system does its part"),
        stderr: String::from_utf8(output.stderr).expect("the system does its part"),
    }
}

/// The process that answers `status`.
fn answering(setup: &Setup) -> u64 {
    let said = said(setup, &["status", "--json"], |_| {});
    let document: Value = serde_json::from_str(&said.stdout).expect(&said.stderr);
    document["daemon"]["pid"].as_u64().unwrap_or_default()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("the system does its part").permissions().mode() & 0o7777
}

#[test]
fn status_finds_the_daemon_whatever_status_listen_says_now() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let port = free_port();
    for listens in ["off".to_owned(), format!("127.0.0.1:{port}")] {
        let kept = Kept::new(&sim);
        let listen =
            |listen: &str| Setup { status: format!("listen = '{listen}'"), ..kept.setup() };
        let daemon = Daemon::run(&listen(&listens));
        daemon.wait_for_pass(1, 1);
        for now in ["off", &format!("127.0.0.1:{}", free_port()), "unix:/nonexistent/s.sock"] {
            assert_eq!(answering(&listen(now)), u64::from(daemon.process()), "{listens}, {now}");
        }
        assert_eq!(mode(&kept.beside(".sock")), 0o600);
        daemon.stop();
        assert!(!kept.beside(".sock").exists());
        let told = said(&kept.setup(), &["status"], |_| {}).stdout;
        assert!(told.starts_with("the daemon does not run: nobody listens at "), "{told}");
    }
}

#[test]
fn the_socket_is_in_the_runtime_directory_and_a_command_outside_of_the_unit_finds_the_daemon_too() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let kept = Kept::new(&sim);
    let runtime = TempDir::new().unwrap();
    let daemon = Daemon::start_with(&["run"], &kept.setup(), |command| {
        command.env("RUNTIME_DIRECTORY", runtime.path());
    });
    daemon.wait_for_pass(1, 1);
    assert_eq!(mode(&runtime.path().join("control.sock")), 0o600);
    assert_eq!(answering(&kept.setup()), u64::from(daemon.process()));
    daemon.stop();
    assert_eq!(runtime.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_mirror_at_the_end_of_a_long_path_has_its_socket_there() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("x".repeat(100)).join("y".repeat(100));
    fs::create_dir_all(&folder).unwrap();
    let kept = Kept::within(&folder, &sim);
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for_pass(1, 1);
    assert_eq!(answering(&kept.setup()), u64::from(daemon.process()));
    daemon.stop();
    assert!(!kept.beside(".sock").exists());
}

#[test]
fn what_a_killed_daemon_leaves_is_replaced_and_a_second_daemon_takes_nothing_away() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let kept = Kept::new(&sim);
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for_pass(1, 1);
    daemon.kill();
    assert!(kept.beside(".sock").exists());
    let told = said(&kept.setup(), &["status"], |_| {}).stdout;
    assert!(told.starts_with("the daemon does not run: nobody listens at "), "{told}");
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for(|it| it.is("page read") || it.is("pass complete") || it.is("signed in"));
    assert_eq!(answering(&kept.setup()), u64::from(daemon.process()));
    // Of the same mirror: it may not run at all.
    let second = Daemon::run(&kept.setup()).finish();
    assert_eq!(second.status.code(), Some(1));
    assert_eq!(answering(&kept.setup()), u64::from(daemon.process()));
    daemon.stop();
}

#[test]
fn what_stands_in_the_place_of_the_socket_stays_is_told_and_is_got_over() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    for is_link in [true, false] {
        let kept = Kept::new(&sim);
        let precious = kept.beside(".precious");
        fs::write(&precious, "precious").unwrap();
        let socket = kept.beside(".sock");
        if is_link {
            symlink(&precious, &socket).unwrap();
        } else {
            fs::write(&socket, "precious").unwrap();
        }
        let daemon = Daemon::run(&kept.setup());
        let told = daemon.wait_for(|it| it.is("control socket unavailable"));
        assert_eq!(told.level(), "WARN");
        assert!(told.text("error").contains("is there and is no socket"), "{}", told.line);
        daemon.wait_for_pass(1, 1);
        assert_eq!(fs::read_to_string(&socket).unwrap(), "precious");
        // It runs, and that nobody can ask it is told as that.
        let told = said(&kept.setup(), &["status"], |_| {}).stdout;
        let keeps = format!("process {} keeps the mirror, but cannot be asked: ", daemon.process());
        assert!(told.starts_with(&keeps), "{told}");
        fs::remove_file(&socket).unwrap();
        daemon.wait_for(|it| it.is("control socket available"));
        assert_eq!(answering(&kept.setup()), u64::from(daemon.process()));
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
        daemon.stop();
    }
}

#[test]
fn one_who_accepts_and_says_nothing_holds_no_command_up_for_ever() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let kept = Kept::new(&sim);
    let deaf = UnixListener::bind(kept.beside(".sock")).unwrap();
    let said = said(&kept.setup(), &["status"], |_| {});
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("the daemon cannot be asked: "), "{}", said.stderr);
    assert!(said.stderr.contains("did not answer within"), "{}", said.stderr);
    drop(deaf);
}

#[test]
fn six_hundred_clients_of_the_endpoint_keep_no_command_from_asking() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let kept = Kept::new(&sim);
    let port = free_port();
    let setup = Setup { status: format!("listen = '127.0.0.1:{port}'"), ..kept.setup() };
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    let idle: Vec<_> = (0..600).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    assert_eq!(answering(&setup), u64::from(daemon.process()));
    drop(idle);
    daemon.stop();
}

#[test]
fn doctor_tells_where_the_daemon_is_asked() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let kept = Kept::new(&sim);
    let password = |command: &mut Command| {
        command.env("EWMIRROR_LOGIN__PASSWORD", "system");
    };
    let line = |told: Said| {
        let lines = told.stdout.lines().find(|line| line.contains(" control socket"));
        lines.map(str::to_owned).expect(&told.stdout)
    };
    let before = line(said(&kept.setup(), &["doctor"], password));
    assert!(before.starts_with("skip"), "{before}");
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for_pass(1, 1);
    let while_it_runs = line(said(&kept.setup(), &["doctor"], password));
    assert!(while_it_runs.starts_with("ok"), "{while_it_runs}");
    assert!(while_it_runs.contains("mirror.db.sock answers, user "), "{while_it_runs}");
    daemon.stop();
}

/// A folder that the account `nobody` owns, with a configuration that it may read.
struct Theirs {
    directory: TempDir,
    setup: Setup,
}

impl Theirs {
    /// `None`, and said so, where this machine has no way to become somebody else.
    fn new(check: &str, sim: &Sim) -> Option<Self> {
        if !is_root(check) {
            return None;
        }
        let directory = TempDir::new().expect("the system does its part");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))
            .expect("the system does its part");
        let setup = Setup {
            mirror: format!("url = 'sqlite://{}/theirs/mirror.db'", directory.path().display()),
            ..Setup::new(sim.url())
        };
        fs::write(config_file(directory.path()), setup.toml()).expect("the system does its part");
        let theirs = Self { directory, setup };
        fs::create_dir(theirs.folder()).expect("the system does its part");
        std::os::unix::fs::chown(theirs.folder(), Some(NOBODY), Some(NOBODY))
            .expect("the system does its part");
        let version = [&Self::words("A=1")[..], &[env!("CARGO_BIN_EXE_ewmirror"), "--version"]];
        if let Err(why) = system(&version.concat()) {
            skipped(check, &why);
            return None;
        }
        Some(theirs)
    }

    fn folder(&self) -> PathBuf {
        self.directory.path().join("theirs")
    }

    /// How a program runs as that account, with this variable.
    fn words(variable: &str) -> [&str; 6] {
        ["env", variable, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    }

    /// A command as that account.
    fn start(&self, variable: &str, arguments: &[&str]) -> Daemon {
        let file = config_file(self.directory.path());
        let arguments =
            [&["--config", file.to_str().expect("the system does its part")], arguments].concat();
        Daemon::by(
            &Self::words(variable),
            arguments,
            TempDir::new().expect("the system does its part"),
        )
    }
}

#[test]
fn root_asks_the_daemon_of_another_account_and_another_account_does_not_ask_roots() {
    let check = "the control socket between accounts";
    let sim = Sim::start(repositories(&[(1, 10)]));
    let Some(theirs) = Theirs::new(check, &sim) else { return };
    let daemon = theirs.start("A=1", &["run"]);
    daemon.wait_for_pass(1, 1);
    assert_eq!(answering(&theirs.setup), u64::from(daemon.process()));
    daemon.stop();

    let own = Daemon::run(&theirs.setup);
    own.wait_for(|it| it.is("signed in"));
    assert_eq!(answering(&theirs.setup), u64::from(own.process()));
    let ended = theirs.start("A=1", &["status"]).finish();
    let mut told = String::from_utf8(ended.stdout).unwrap();
    for event in ended.events {
        told.push_str(&event.line);
    }
    assert!(told.contains("cannot be asked"), "{told}");
    assert!(told.contains("ermission denied") && told.contains("as root (sudo)"), "{told}");
    own.stop();
}

#[test]
fn a_daemon_of_a_stranger_is_not_believed() {
    let check = "a control socket of a stranger";
    let sim = Sim::start(repositories(&[(1, 10)]));
    let Some(mut theirs) = Theirs::new(check, &sim) else { return };
    // A true ewmirror, but of somebody who has nothing to do with the mirror that is asked for.
    theirs.setup.mirror = "url = 'none'".to_owned();
    fs::write(config_file(theirs.directory.path()), theirs.setup.toml()).unwrap();
    let variable = format!("RUNTIME_DIRECTORY={}", theirs.folder().display());
    let liar = theirs.start(&variable, &["run"]);
    liar.wait_for_pass(1, 1);
    let said = said(&theirs.setup, &["status", "--json"], |command| {
        command.env("RUNTIME_DIRECTORY", theirs.folder());
    });
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""));
    assert!(
        said.stderr.contains("belongs to user 65534, who is neither root nor"),
        "{}",
        said.stderr
    );
    liar.stop();
}
