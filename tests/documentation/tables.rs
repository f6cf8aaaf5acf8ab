//! Whether each table of the documentation has what the program has, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ewmirror::inspection::{ConfigKey, OnReload, Requirement, SCHEMA};

use crate::pages::{read, sources};
use crate::{events, members, pages};

#[test]
fn the_table_of_messages_is_the_events_and_their_fields() {
    let mut told = BTreeMap::new();
    for row in read("docs/log-and-metrics.md").table("| message |") {
        let fields = pages::spans_outside_parentheses(&row[3]);
        assert!(told.insert(row[0].clone(), fields).is_none(), "{} stands there twice", row[0]);
    }
    let logged = events::logged();
    assert!(logged.len() > 20, "too few events found: {logged:?}");
    assert_eq!(logged, told, "events (left) and the table of messages (right)");
}

#[test]
fn the_table_of_metrics_is_what_the_daemon_serves() {
    let told: BTreeSet<_> = read("docs/log-and-metrics.md")
        .table("| metric |")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone(), labels(&row[2])))
        .collect();
    let served: BTreeSet<_> = read("tests/it/metrics.txt")
        .text
        .lines()
        .map(|line| {
            let mut words = line.split(' ').map(str::to_owned);
            let (name, kind) = (words.next().unwrap(), words.next().unwrap());
            (name, kind, labels(&words.next().unwrap_or_default()))
        })
        .collect();
    assert_eq!(served, told, "metrics (left) and the table of metrics (right)");
}

/// The labels of a metric but for that of a histogram's buckets.
fn labels(list: &str) -> BTreeSet<String> {
    let names = list.split(',').map(|name| name.trim().trim_matches('`').to_owned());
    names.filter(|name| !name.is_empty() && name != "le").collect()
}

#[test]
fn the_table_of_the_status_document_is_its_members() {
    let table = read("docs/log-and-metrics.md").table("| member |");
    let mut told: Vec<_> = table.into_iter().map(|row| row[0].clone()).collect();
    let mut members = members::of("StatusDocument", &sources());
    members.sort();
    told.sort();
    assert_eq!(members, told, "members (left) and the table of members (right)");
}

#[test]
fn the_tables_of_keys_are_the_table_that_the_program_has() {
    let keys = SCHEMA.0.iter().flat_map(|section| section.keys);
    let has: BTreeSet<_> = keys
        .map(|key| {
            let default = match key.requirement {
                Requirement::Default(value) => value,
                Requirement::Optional(_) => "not set",
                Requirement::Required { .. } => "required",
            };
            (key.path.to_owned(), default.to_owned(), reload(key).to_owned())
        })
        .collect();
    let rows = read("docs/configure.md").table("| key |");
    let told: BTreeSet<_> =
        rows.iter().map(|row| (row[0].clone(), row[2].clone(), row[3].clone())).collect();
    assert_eq!(has, told, "the table of keys (left) and those of docs/configure.md (right)");
    assert_eq!(rows.len(), told.len(), "a key stands there twice");
}

/// What a reload does with a key, in the words of docs/configure.md.
fn reload(key: &ConfigKey) -> &'static str {
    match key.on_reload {
        OnReload::Live | OnReload::Repository => "at once",
        OnReload::NewPass => "pass",
        OnReload::Reconnect => "reconnects",
        OnReload::NewSession | OnReload::NewLogin => "signs in",
        OnReload::NewUser | OnReload::NewServer => "starts over",
        OnReload::Restart => "restart",
    }
}

#[test]
fn every_reason_and_every_error_that_is_explained_is_one_that_the_program_has() {
    let (sources, operate) = (sources(), read("docs/operate.md"));
    let reasons = operate.rows("| `reason` begins with |").into_iter().map(|row| row[0].clone());
    // What begins a point in bold is what somebody has read, and looks for.
    let errors = operate.text.lines().filter_map(|line| line.strip_prefix("- **"));
    let errors = errors.flat_map(|line| {
        let bold = line.split("**").next().unwrap_or_default();
        bold.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    });
    let mut faults = String::new();
    let explained: Vec<_> = reasons.chain(errors).collect();
    assert!(explained.len() > 20, "{explained:?}");
    for said in explained.iter().filter(|said| !said.contains('=')) {
        for part in said.split("...").map(str::trim) {
            if !sources.contains(part) {
                writeln!(faults, "{said}: the program never says {part}").unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn the_table_of_layers_is_the_one_that_is_held() {
    let tidy = read("tests/tidy.rs").text;
    let layers = tidy.split("const LAYERS").nth(1).unwrap().split("];\n").next().unwrap();
    let layers = layers.lines().filter(|line| line.trim_start().starts_with("&[\""));
    let names = |text: &str, mark| text.split(mark).skip(1).step_by(2).map(str::to_owned).collect();
    let held: Vec<BTreeSet<String>> = layers.map(|line| names(line, '"')).collect();
    let rows = read("docs/architecture.md").rows("| layer |");
    let mut told: Vec<BTreeSet<String>> =
        rows.iter().rev().map(|row| names(&row[1], '`')).collect();
    assert_eq!(told.remove(0), BTreeSet::from(["simulator".to_owned()]), "it stands at the side");
    assert_eq!(held, told, "layers of tests/tidy.rs (left) and of docs/architecture.md (right)");
}
