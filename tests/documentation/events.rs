//! The events of the program, read from the sources: each message with the fields that it may have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What each event of one of these may have, and the documentation names once.
const COMMON: [&str; 2] = ["repository", "iteration"];

/// Each message with its own fields.
pub(crate) fn logged() -> BTreeMap<String, BTreeSet<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/telemetry/event");
    let mut logged = BTreeMap::<String, BTreeSet<String>>::new();
    for entry in fs::read_dir(folder).expect("the events have a folder") {
        let path = entry.expect("a folder lists its entries").path();
        let source = fs::read_to_string(path).expect("a source can be read");
        for arguments in calls(&source) {
            let (message, fields) = arguments.split_last().expect("an event has a message");
            let message = message.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
            let message = message.unwrap_or_else(|| panic!("no constant message: {arguments:?}"));
            let names = fields.iter().filter(|field| !field.starts_with("target:"));
            let names = names.map(|field| field.split(" = ").next().unwrap_or_default());
            let names = names.map(|name| name.trim_start_matches(['%', '?']).trim().to_owned());
            let own = names.filter(|name| !COMMON.contains(&name.as_str()));
            logged.entry(message.to_owned()).or_default().extend(own);
        }
    }
    logged
}

/// The arguments of each call of a macro that logs.
fn calls(source: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for level in ["error!(", "warn!(", "info!(", "debug!(", "trace!(", "$level!("] {
        calls.extend(source.split(level).skip(1).map(arguments));
    }
    calls
}

/// What stands between the commas up to the closing parenthesis.
fn arguments(text: &str) -> Vec<String> {
    let (mut arguments, mut argument) = (Vec::new(), String::new());
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for letter in text.chars() {
        if quoted {
            quoted = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
        } else {
            match letter {
                '"' => quoted = true,
                '(' | '[' | '{' => depth += 1,
                ')' if depth == 0 => break,
                ')' | ']' | '}' => depth -= 1,
                ',' if depth == 0 => {
                    arguments.push(std::mem::take(&mut argument).trim().to_owned());
                    continue;
                }
                _ => {}
            }
        }
        argument.push(letter);
    }
    if !argument.trim().is_empty() {
        arguments.push(argument.trim().to_owned());
    }
    arguments
}
