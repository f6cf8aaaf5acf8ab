//! The command line itself.

use std::process::Output;

use crate::support::daemon::output;
use crate::support::ewmirror;

fn run(arguments: &[&str]) -> Output {
    output(&mut ewmirror(arguments))
}

#[test]
fn help_and_version_are_data() {
    let commands = [
        "run",
        "once",
        "status",
        "check",
        "doctor",
        "repositories",
        "export",
        "changes",
        "history",
        "diff",
        "digest",
        "approve-deletes",
        "move",
        "simulate",
        "demo",
        "completions",
        "man",
    ];
    for arguments in [&["--help"][..], &["-h"], &["help"]] {
        let shown = run(arguments);
        assert_eq!(shown.status.code(), Some(0));
        let text = String::from_utf8_lossy(&shown.stdout);
        assert!(commands.iter().all(|command| text.contains(command)), "{text}");
        assert!(text.contains("/etc/ewmirror/ewmirror.toml"), "{text}");
        assert!(shown.stderr.is_empty());
    }
    for command in commands {
        let shown = run(&[command, "--help"]);
        assert_eq!(shown.status.code(), Some(0), "{command}");
        assert!(!shown.stdout.is_empty(), "{command}");
    }
    let version = run(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    let expected = format!("ewmirror {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&version.stdout), expected);
}

#[test]
fn wrong_usage_exits_2_and_is_told_on_stderr() {
    let cases: [&[&str]; 8] = [
        &[],
        &["dance"],
        &["run", "--dance"],
        &["run", "now"],
        &["once", "--patience", "long"],
        &["demo", "--for", "ever"],
        &["completions", "klingon"],
        &["--config"],
    ];
    for case in cases {
        let refused = run(case);
        assert_eq!(refused.status.code(), Some(2), "{case:?}");
        assert!(refused.stdout.is_empty() && !refused.stderr.is_empty(), "{case:?}");
    }
}

#[test]
fn help_shows_the_configuration_where_it_is_read_and_nowhere_else() {
    for command in ["run", "once", "status", "check", "export", "changes"] {
        let shown = run(&[command, "--help"]);
        assert!(String::from_utf8_lossy(&shown.stdout).contains("--config"), "{command}");
    }
    for command in [&["simulate"][..], &["demo"], &["completions", "bash"], &["man"]] {
        for help in [&[command[0], "--help"], &["help", command[0]]] {
            let shown = run(help);
            let text = String::from_utf8_lossy(&shown.stdout).into_owned();
            assert_eq!(shown.status.code(), Some(0), "{help:?}");
            assert!(text.contains("Usage: ") && !text.contains("--config"), "{help:?}: {text}");
        }
        let given = ["--config", "/nonexistent.toml"];
        for refused in [[&given, command].concat(), [command, &given].concat()] {
            let refused = run(&refused);
            let told = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert_eq!(refused.status.code(), Some(2), "{command:?}: {told}");
            assert!(told.contains("reads no configuration: leave --config out"), "{told}");
            assert!(refused.stdout.is_empty(), "{command:?}");
        }
    }
}

#[test]
fn completions_and_the_manual_pages_are_printed() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let printed = run(&["completions", shell]);
        assert_eq!(printed.status.code(), Some(0), "{shell}");
        let text = String::from_utf8_lossy(&printed.stdout);
        assert!(text.contains("ewmirror") && text.contains("simulate"), "{shell}");
    }
    let page = run(&["man"]);
    assert_eq!(page.status.code(), Some(0));
    let text = String::from_utf8_lossy(&page.stdout);
    assert!(text.contains(".TH ewmirror 1"), "{text}");
    let page = run(&["man", "ewmirror.toml"]);
    assert_eq!(page.status.code(), Some(0));
    let text = String::from_utf8_lossy(&page.stdout);
    assert!(text.contains(".TH ewmirror.toml 5"), "{text}");
}

#[test]
fn the_manual_page_has_what_a_manual_page_has_and_points_to_what_is_there() {
    let page = run(&["man"]);
    // Roff writes a hyphen that is one as \-.
    let text = String::from_utf8_lossy(&page.stdout).replace("\\-", "-");
    for section in [
        "NAME",
        "SYNOPSIS",
        "OPTIONS",
        "COMMANDS",
        "\"EXIT STATUS\"",
        "SIGNALS",
        "ENVIRONMENT",
        "FILES",
        "EXAMPLES",
        "\"SEE ALSO\"",
    ] {
        let heads = text.lines().filter(|line| *line == format!(".SH {section}")).count();
        assert_eq!(heads, 1, "{section}: {text}");
    }
    for command in ["run", "export", "approve-deletes", "man"] {
        assert!(text.contains(&format!(".SS \"ewmirror {command}")), "{command}: {text}");
    }
    assert!(text.contains("refuse-401"), "the faults of simulate");
    for told in [
        "EWMIRROR_CONFIG",
        "/run/ewmirror/control.sock",
        "mirror.db.sock",
        "--repository <ID|NAME>",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    // Of our own pages two are shipped.
    for rest in text.split("ewmirror-").skip(1) {
        let end = rest.trim_start_matches(|it: char| it.is_alphanumeric() || it == '-');
        assert!(!end.starts_with("(1)"), "ewmirror-{rest} is not shipped");
    }
}

#[test]
fn the_manual_pages_are_set_without_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    for page in [&["man"][..], &["man", "ewmirror.toml"]] {
        let file = directory.path().join("page");
        std::fs::write(&file, run(page).stdout).unwrap();
        let mut groff = std::process::Command::new("groff");
        groff.args(["-man", "-Tutf8", "-ww", "-z"]).arg(&file);
        match groff.output() {
            Ok(set) => assert_eq!(String::from_utf8_lossy(&set.stderr), "", "{page:?}"),
            Err(error) => crate::support::skipped("the manual pages", &format!("groff: {error}")),
        }
    }
}

#[test]
fn a_closed_pipe_is_a_normal_end() {
    let config = format!("{}/config/ewmirror.toml", env!("CARGO_MANIFEST_DIR"));
    let cases: [&[&str]; 6] = [
        &["--help"],
        &["--version"],
        &["man"],
        &["completions", "zsh"],
        &["check", "--config", &config],
        &["demo", "--for", "1s"],
    ];
    for case in cases {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = output(ewmirror(case).stdout(writer));
        let told = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(0), "{case:?}: {told}");
        assert!(!told.contains("panic"), "{case:?}: {told}");
    }
}
