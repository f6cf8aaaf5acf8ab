//! Whether the lines of a log that the documentation shows are what the daemon prints.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::daemon::output;
use crate::support::{Daemon, Event, Setup, Sim, repositories};

/// Asserts that a process prints each line of the block below this mark, but for the values: the same
/// message with fields of the same names in the same order.
pub(crate) fn assert_printed(page: &str, mark: &str, events: &[Event]) {
    let shown = block(page, mark);
    assert!(shown.len() >= 5, "{page} {mark}: {shown:?}");
    for line in shown {
        let wanted = shape(&line);
        let printed = events.iter().any(|event| shape(&event.line).ends_with(&wanted));
        assert!(printed, "{page} shows what is never printed: {line}");
    }
}

/// Asserts that `ewmirror status` prints the head of the table that is shown, and the line above it but
/// for names and numbers.
pub(crate) fn assert_status_printed(page: &str, told: &str) {
    let shown = block(page, "<!-- status -->");
    let words = |line: &str| -> String {
        let line = line.split_once(": ").map_or(line, |(_, headline)| headline);
        line.chars().filter(|letter| !letter.is_ascii_digit()).take_while(|it| *it != ';').collect()
    };
    let headline = told.lines().map(words).any(|line| line.starts_with("last certified pass "));
    assert!(
        headline && words(&shown[0]).starts_with("last certified pass s ago (pass ), "),
        "{told}"
    );
    assert!(told.lines().any(|line| line == shown[1]), "{} in {told}", shown[1]);
}

/// The lines of the block of code below a mark.
pub(crate) fn block(page: &str, mark: &str) -> Vec<String> {
    let path = format!("{}/{page}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).expect("the page can be read");
    let mut lines = text.lines().skip_while(|line| *line != mark).skip(1);
    assert!(lines.next().is_some_and(|line| line.starts_with("```")), "{page}: no block at {mark}");
    lines.take_while(|line| *line != "```").map(str::to_owned).collect()
}

/// The blocks of code in this language.
pub(crate) fn blocks(page: &str, language: &str) -> Vec<String> {
    let path = format!("{}/{page}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).expect("the page can be read");
    let open = format!("\n```{language}\n");
    let blocks = text.split(&open).skip(1).filter_map(|rest| rest.split_once("\n```\n"));
    blocks.map(|(block, _)| block.to_owned()).collect()
}

/// A line of the log without its values; of the head only the level is kept.
fn shape(line: &str) -> String {
    let line = line.split_once("]: ").map_or(line, |(_, line)| line);
    let mut names = String::new();
    let mut quoted = false;
    for word in line.split(' ') {
        let inside = quoted;
        quoted ^= word.matches('"').count() % 2 == 1;
        let name = word.split_once('=').map_or(word, |(name, _)| name);
        if !inside && !name.is_empty() {
            names.push(' ');
            names.push_str(name);
        }
    }
    names
}

#[test]
fn the_log_of_a_service_is_the_one_that_is_shown() {
    let sim = Sim::start(repositories(&[(10_149, 250)]));
    let mut setup = Setup::new(sim.url());
    setup.repositories = vec!["id = 10149".to_owned()];
    setup.log = "format = 'text'".to_owned();
    let folder = tempfile::tempdir().unwrap();
    setup.mirror = format!("url = 'sqlite://{}/mirror.db'", folder.path().display());
    let daemon = Daemon::run(&setup);
    daemon.wait_for(|event| event.line.contains("pass complete"));
    let ended = daemon.stop();
    assert_printed("docs/operate.md", "<!-- log -->", &ended.events);
}

#[test]
fn the_way_to_data_of_ones_own_leads_there() {
    let sim = Sim::start(repositories(&[(10_149, 250)]));
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(readme).expect("the README can be read");
    let lines = readme.lines().skip_while(|line| !line.starts_with("cat > trial.toml"));
    let lines = lines.take_while(|line| *line != "```");
    // The password comes from the environment of the test.
    let lines: Vec<_> = lines.filter(|line| !line.starts_with("read ")).collect();
    let script = lines.join("\n").replace("https://enterworks.example.com", &sim.url());
    assert!(script.contains(" export ") && script.contains(&sim.url()), "{script}");
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_ewmirror")).parent().unwrap();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("set -e; umask 077; {script}")]).env_clear().current_dir(&folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("EWMIRROR_LOGIN__PASSWORD", "system");
    command.env("PATH", format!("{}:/usr/bin:/bin", program.display()));
    let ended = output(&mut command);
    assert!(ended.status.success(), "{ended:?}");
    let items = fs::read_to_string(folder.path().join("items.ndjson")).unwrap();
    assert_eq!(items.lines().count(), 250);
    // It ends with a table of products, by name, as the server sent them.
    let table = String::from_utf8(ended.stdout).unwrap();
    let header = table.lines().find(|line| line.contains("InternalRecordId")).unwrap_or(&table);
    for name in ["Title", "Brand", "Country"] {
        assert!(header.contains(name), "{table}");
    }
    let first: serde_json::Value = serde_json::from_str(items.lines().next().unwrap()).unwrap();
    let row = table.lines().find(|line| line.contains(&first["itemId"].to_string()));
    let row = row.unwrap_or_else(|| panic!("{table}"));
    assert!(row.contains(first["F_1004601"].as_str().unwrap()), "{row}");
}

#[test]
fn a_shape_is_the_message_and_the_names_of_the_fields() {
    let line = r#"ewmirror[61]: session renewed generation=2 reason="a = b" elapsed_ms=41"#;
    assert_eq!(shape(line), " session renewed generation reason elapsed_ms");
}
