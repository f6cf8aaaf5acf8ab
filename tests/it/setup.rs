//! `setup` at a real terminal: `script` of util-linux makes one, and shows what it shows.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use ewmirror::simulator::Options;

use crate::support::{Sim, ewmirror, repositories};

#[test]
fn setup_asks_at_a_terminal_and_shows_no_password() {
    if Command::new("script").arg("--version").output().is_err() {
        println!("SKIPPED: setup at a terminal (script of util-linux is not installed)");
        return;
    }
    let password = "s3cret-at-the-terminal";
    let sim = Sim::start(Options { password: password.to_owned(), ..repositories(&[(1, 20)]) });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trial.toml");
    // The operator may have any umask, and the service reads the file as another user.
    let program = env!("CARGO_BIN_EXE_ewmirror");
    let command = format!("umask 077 && {program} --config {} setup", file.display());
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
    {
        script.env_remove(name);
    }
    let mut child =
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // Kept open: its end would be the end of the terminal.
    let mut stdin = child.stdin.take().unwrap();
    let mut shown = String::new();
    let mut stdout = child.stdout.take().unwrap();
    let mut read_until = |question: &str, shown: &mut String| {
        let mut byte = [0];
        while !shown.ends_with(question) {
            let read = std::io::Read::read(&mut stdout, &mut byte).unwrap();
            assert_eq!(read, 1, "it ended before asking {question}: {shown}");
            shown.push(char::from(byte[0]));
        }
    };
    for (question, answer) in [
        ("example.com: ", sim.url().as_str()),
        ("signs in as: ", "system"),
        ("(not shown): ", password),
        ("or all: ", "all"),
    ] {
        read_until(question, &mut shown);
        writeln!(stdin, "{answer}").unwrap();
    }
    read_until("check --online", &mut shown);
    assert!(child.wait().unwrap().success(), "{shown}");
    assert!(shown.contains(&sim.url()), "{shown}");
    assert!(!shown.contains(password), "{shown}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
    let toml = fs::read_to_string(&file).unwrap();
    assert!(toml.contains("[[repository]]\nid = 1\n"), "{toml}");
    assert!(!toml.contains(password), "{toml}");
}

#[test]
fn setup_without_a_terminal_says_what_it_would_need() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trial.toml");
    let output = ewmirror(["--config", file.to_str().unwrap(), "setup"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    for word in ["trial.toml", "trial.password", "server.url", "login.username", "[[repository]]"] {
        assert!(told.contains(word), "{told}");
    }
    assert!(!file.exists());
}
