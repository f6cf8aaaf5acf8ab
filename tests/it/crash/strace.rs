//! The daemon under strace: what it does to the files of its database, call by call, and runs in
//! which one of these calls never happens or fails.
//!
//! strace counts the calls of each name for each thread by itself. So a call can be aimed at where
//! no other thread gets to the same number of that name before: see [`aims`].

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::{Daemon, Ended, Kept, Setup};

/// Calls that change a file, make it last, or name it.
const CALLS: &str = "pwrite64,write,fdatasync,fsync,ftruncate,fallocate,unlink,rename,openat";

/// The database and what SQLite keeps beside it, by the ends of their names.
const FILES: [&str; 4] = ["", "-wal", "-journal", "-shm"];

/// More than any call writes.
const LONGEST_WRITE: &str = "1000000";

/// What a call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Opened a file to make it if it was not there.
    Create,
    Write {
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate(usize),
    /// Had everything written to the file reach the disk; of the folder, the names in it.
    Sync,
    Unlink,
    /// Nothing that lasts.
    Look,
}

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    thread: String,
    pub(super) name: String,
    /// The end of the file's name, or `None` for the folder.
    pub(super) file: Option<String>,
    pub(super) act: Act,
}

/// A call that strace can find: the first of all threads to be the `nth` of its name.
#[derive(Clone, Debug)]
pub(super) struct Aim {
    /// Its place among all calls.
    pub(super) index: usize,
    pub(super) name: String,
    nth: usize,
    pub(super) call: Call,
}

/// Whether strace is here and may do its work.
pub(super) fn works() -> Result<(), String> {
    let tried = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output();
    match tried {
        Ok(tried) if tried.status.success() => Ok(()),
        Ok(tried) => Err(String::from_utf8_lossy(&tried.stderr).trim().to_owned()),
        Err(error) => Err(format!("strace: {error}")),
    }
}

/// Runs `once` to its end and tells what it did.
pub(super) fn record(kept: &Kept, setup: &Setup) -> Vec<Call> {
    let directory = TempDir::new().expect("a directory for the test");
    let trace = directory.path().join("trace");
    let file = trace.to_str().expect("the system's directory has a plain name");
    let ended = run(kept, setup, &["--seccomp-bpf", "-x", "-s", LONGEST_WRITE, "-o", file]);
    assert!(ended.status.success(), "{:?}", ended.events.last());
    let trace = std::fs::read_to_string(trace).expect("strace writes text");
    let database = kept.database();
    trace.lines().map(|line| read(line, &database)).collect()
}

/// Runs `once`, killed as it enters this call.
pub(super) fn kill(kept: &Kept, setup: &Setup, aim: &Aim) -> Ended {
    inject(kept, setup, aim, "signal=KILL")
}

/// Runs `once`, and this call does nothing but fail.
pub(super) fn fail(kept: &Kept, setup: &Setup, aim: &Aim, error: &str) -> Ended {
    inject(kept, setup, aim, &format!("error={error}"))
}

/// The calls that can be aimed at.
pub(super) fn aims(calls: &[Call]) -> Vec<Aim> {
    let (mut of_thread, mut reached) = (BTreeMap::new(), BTreeMap::new());
    let aim = |(index, call): (usize, &Call)| {
        let name = call.name.clone();
        let nth: &mut usize = of_thread.entry((call.thread.clone(), name.clone())).or_default();
        *nth += 1;
        let most: &mut usize = reached.entry(name.clone()).or_default();
        let is_first = *nth > *most;
        *most = (*most).max(*nth);
        is_first.then(|| Aim { index, name, nth: *nth, call: call.clone() })
    };
    calls.iter().enumerate().filter_map(aim).collect()
}

fn inject(kept: &Kept, setup: &Setup, aim: &Aim, what: &str) -> Ended {
    let Aim { name, nth, .. } = aim;
    run(kept, setup, &["-o", "/dev/null", "-e", &format!("inject={name}:{what}:when={nth}")])
}

fn run(kept: &Kept, setup: &Setup, arguments: &[&str]) -> Ended {
    let database = kept.database();
    let folder = database.parent().expect("a database is in a folder");
    let start = |command: &mut Command| {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qqq", "-y", "-e", "signal=none"]);
        strace.args(["-e", &format!("trace={CALLS}")]).args(arguments);
        strace.arg("-P").arg(folder);
        for end in FILES {
            strace.arg("-P").arg(format!("{}{end}", database.display()));
        }
        strace.arg(command.get_program()).args(command.get_args()).env_clear();
        strace.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        strace.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        *command = strace;
    };
    Daemon::start_with(&["once"], setup, start).finish()
}

/// Reads a line such as `7 pwrite64(12</tmp/x/mirror.db-wal>, "\x0a\x00", 2, 32) = 2`.
fn read(line: &str, database: &Path) -> Call {
    let parts = || {
        let (thread, rest) = line.split_once(' ')?;
        let (name, rest) = rest.trim_start().split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        let (arguments, _) = arguments.rsplit_once(')')?;
        Some((thread, name, arguments, result))
    };
    let (thread, name, arguments, result) =
        parts().unwrap_or_else(|| panic!("strace wrote {line:.200}"));
    let path = if name == "openat" || name == "unlink" {
        arguments.split('"').nth(1)
    } else {
        arguments.split(['<', '>']).nth(1)
    };
    let path = path.unwrap_or_else(|| panic!("no path in {line:.200}"));
    let file = path.strip_prefix(&*database.to_string_lossy()).map(str::to_owned);
    let number = |text: &str| {
        text.trim().parse::<usize>().unwrap_or_else(|_| panic!("no number in {line:.200}"))
    };
    let act = match name {
        _ if result.starts_with('-') => Act::Look,
        "openat" if arguments.contains("O_CREAT") => Act::Create,
        "openat" => Act::Look,
        "pwrite64" => {
            let (rest, offset) = arguments.rsplit_once(',').expect("an offset");
            let text = rest.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"'));
            let bytes = unescape(text.expect("bytes").0);
            assert_eq!(bytes.len(), number(result), "{line:.200}");
            Act::Write { offset: number(offset), bytes }
        }
        "ftruncate" => Act::Truncate(number(arguments.rsplit(',').next().expect("a length"))),
        "fsync" | "fdatasync" => Act::Sync,
        "unlink" => Act::Unlink,
        other => panic!("the database is written by {other}, which this test does not know"),
    };
    Call { thread: thread.to_owned(), name: name.to_owned(), file, act }
}

/// The bytes of a text of C's, as strace writes it with `-x`.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4);
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let escaped = if byte == b'\\' { rest.next() } else { None };
        bytes.push(match escaped {
            None => byte,
            Some(b'x') => {
                let mut digit = || rest.next().and_then(|it| char::from(it).to_digit(16));
                let value = digit().zip(digit()).map(|(high, low)| high * 16 + low);
                value.and_then(|it| u8::try_from(it).ok()).expect("two digits")
            }
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'v') => 0x0b,
            Some(b'f') => 0x0c,
            Some(quoted) => quoted,
        });
    }
    bytes
}
