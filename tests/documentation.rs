//! Whether README and docs say what the program does: tables are compared with the sources, commands
//! with the built binary, links and paths with the tree.
//!
//! What takes a running daemon to compare is in `tests/it/documents.rs`.

#[path = "documentation/events.rs"]
mod events;
#[path = "documentation/members.rs"]
mod members;
#[path = "documentation/pages.rs"]
mod pages;
#[path = "documentation/shell.rs"]
mod shell;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use ewmirror::config::{ConfigKey, OnReload, Requirement, SCHEMA};
use toml::de::DeTable;

use self::pages::{Page, exists, pages, read, slug, sources};

/// The README is a first page: what is longer belongs in `docs`.
const MOST_LINES: usize = 100;
const MOST_WORDS: usize = 900;

/// The folders at the top of the tree that documentation names files of.
const FOLDERS: [&str; 8] =
    ["src/", "tests/", "docs/", "config/", "systemd/", "benches/", "fuzz/", ".ci/"];

/// The pages that say how things are now; the changelog says how they were, too.
fn current() -> Vec<Page> {
    pages().into_iter().filter(|page| page.name != "CHANGELOG.md").collect()
}

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
fn every_key_that_is_named_exists() {
    let sections: BTreeSet<_> = SCHEMA.0.iter().map(|section| section.name).collect();
    let keys = SCHEMA.0.iter().flat_map(|section| section.keys);
    let mut known: BTreeSet<_> = keys.map(|key| key.path.to_owned()).collect();
    // The status document has a section of the same name as the configuration.
    known.extend(members::of("StatusDocument", &sources()));
    let mut faults = String::new();
    for page in current() {
        for span in page.spans() {
            let key = span.split(" = ").next().unwrap_or_default();
            let Some((section, name)) = key.split_once('.') else { continue };
            let is_name = name.chars().all(|it| it.is_ascii_lowercase() || it == '_');
            let is_file = matches!(name, "db" | "rs" | "md" | "toml" | "sock");
            if sections.contains(section) && is_name && !is_file && !known.contains(key) {
                writeln!(faults, "{}: {key}", page.name).unwrap();
            }
        }
        for block in page.blocks().iter().filter(|block| block.language == "toml") {
            let text = block.text();
            let table = DeTable::parse(&text).expect(&page.name);
            for (section, names) in table.get_ref() {
                let section = section.get_ref();
                let names = names.get_ref().as_table().expect("sections stand in a file");
                for name in names.keys() {
                    let key = format!("{section}.{}", name.get_ref());
                    if !known.contains(&key) {
                        writeln!(faults, "{}: {key}", page.name).unwrap();
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn every_configuration_in_a_command_passes_check() {
    let folder = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for page in pages() {
        for document in page.blocks().iter().flat_map(|block| shell::documents(&block.lines)) {
            let text = document.replace("$PWD", folder.path().to_str().unwrap());
            let file = folder.path().join("documented.toml");
            fs::write(&file, text).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_ewmirror"));
            command.arg("--config").arg(&file).arg("check");
            command.env_clear().env("EWMIRROR_LOGIN__PASSWORD", "x");
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}: {output:?}", page.name);
            checked += 1;
        }
    }
    assert!(checked >= 2, "{checked}");
}

#[test]
fn every_command_that_is_printed_is_understood() {
    let (mut faults, mut seen) = (String::new(), 0);
    for page in &current() {
        let blocks = page.blocks();
        let printed = blocks.iter().filter(|block| block.is_shell());
        let printed = printed.flat_map(|block| shell::commands(&block.lines));
        let printed = printed.map(|words| (true, words));
        let named = page.spans().into_iter().flat_map(|span| shell::commands(&[span]));
        // What a placeholder stands for cannot be tried.
        let named = named.filter(|words| !words.iter().any(|word| word == "..."));
        for (whole, words) in printed.chain(named.map(|words| (false, words))) {
            seen += 1;
            if let Err(fault) = shell::try_out(&words, whole) {
                writeln!(faults, "{}: ewmirror {}: {fault}", page.name, words.join(" ")).unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
    assert!(seen > 30, "{seen}");
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

#[test]
fn every_link_leads_somewhere() {
    let mut faults = String::new();
    for page in pages() {
        let folder = Path::new(&page.name).parent().unwrap();
        for target in page.links().into_iter().filter(|target| !target.contains("://")) {
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path =
                if path.is_empty() { page.name.clone() } else { pages::normal(&folder.join(path)) };
            let found = exists(&path)
                && (anchor.is_empty()
                    || read(&path).headings().iter().any(|it| slug(it) == anchor));
            if !found {
                writeln!(faults, "{}: {target}", page.name).unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn every_page_can_be_found_from_the_readme() {
    let linked = read("README.md").links();
    for page in pages().iter().filter(|page| !page.name.starts_with(".github/")) {
        assert!(page.name == "README.md" || linked.contains(&page.name), "{}", page.name);
    }
}

#[test]
fn every_path_that_is_named_exists() {
    let mut faults = String::new();
    for page in &current() {
        let blocks = page.blocks();
        let printed = blocks.iter().filter(|block| block.is_shell());
        let printed = printed.flat_map(|block| block.lines.clone());
        for text in page.spans().into_iter().chain(printed) {
            for word in text.split_whitespace().map(|word| word.trim_matches([',', ';'])) {
                if FOLDERS.iter().any(|folder| word.starts_with(folder)) && !exists(word) {
                    writeln!(faults, "{}: {word}", page.name).unwrap();
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn every_flag_of_a_bench_and_every_test_that_is_named_exists() {
    let develop = read("docs/develop.md").spans();
    let benches = read("benches/mirror/main.rs").text;
    let flags =
        develop.iter().filter_map(|span| span.strip_prefix("cargo bench --bench mirror -- "));
    for flag in flags {
        assert!(benches.contains(&format!("\"{flag}\"")), "{flag}");
    }
    assert!(sources().contains("overlap_costs"), "docs/guarantees.md names a test overlap_costs");
}

#[test]
fn the_readme_is_a_first_page_with_both_doors() {
    let readme = read("README.md");
    assert!(readme.text.lines().count() <= MOST_LINES, "{}", readme.text.lines().count());
    let words = readme.text.split_whitespace().count();
    assert!(words <= MOST_WORDS, "{words}");
    assert!(readme.text.contains("\n    cargo run --release -- demo\n"));
    assert!(readme.text.contains("`cargo test`"));
    assert!(readme.text.contains("independent"));
}

#[test]
fn the_package_that_is_named_is_of_this_version() {
    let mut named = 0;
    for page in pages() {
        for part in page.text.split("ewmirror_").skip(1).filter(|part| part.contains("_amd64.deb"))
        {
            let version = part.split('-').next().unwrap();
            assert_eq!(version, env!("CARGO_PKG_VERSION"), "{}", page.name);
            named += 1;
        }
    }
    assert!(named >= 2, "{named}");
}

#[test]
fn the_packages_have_all_of_the_documentation_for_operators() {
    let manifest = read("Cargo.toml").text;
    let for_operators = |page: &Page| page.name.starts_with("docs/") || page.name == "SECURITY.md";
    for page in pages().iter().filter(|page| for_operators(page)) {
        assert!(
            manifest.contains(&format!("[\"{}\", \"usr/share/doc/", page.name)),
            "{}",
            page.name
        );
        let rpm = format!("source = \"{0}\", dest = \"/usr/share/doc/ewmirror/{0}\"", page.name);
        assert!(manifest.contains(&rpm), "{rpm}");
    }
}

#[test]
fn a_pull_request_is_asked_for_what_the_review_looks_at() {
    fn list(name: &str) -> Vec<String> {
        let text = read(name).text;
        let lines = text.lines().skip_while(|line| !line.starts_with("- [ ] "));
        lines.take_while(|line| !line.is_empty()).map(str::to_owned).collect()
    }
    let asked = list(".github/pull_request_template.md");
    assert!(asked.len() > 5, "{asked:?}");
    assert_eq!(list("CONTRIBUTING.md"), asked);
}

#[test]
fn the_workflow_runs_the_gate() {
    let workflow = read(".github/workflows/gate.yml").text;
    for line in
        ["  push:", "  pull_request:", "    timeout-minutes: 90", "        run: bash .ci/run"]
    {
        assert!(workflow.lines().any(|it| it == line), "{line}");
    }
    assert!(!workflow.contains('\t'), "YAML takes no tabs");
}

impl Page {
    /// The rows of all tables whose head begins so.
    fn rows(&self, head: &str) -> Vec<Vec<String>> {
        let (mut rows, mut inside) = (Vec::new(), false);
        for line in self.text.lines() {
            let begins = line.starts_with(head);
            inside = line.starts_with('|') && (inside || begins);
            if inside && !begins && !line.starts_with("| ---") {
                let cells = line.trim_matches('|').split('|');
                rows.push(cells.map(|cell| cell.trim().to_owned()).collect());
            }
        }
        assert!(!rows.is_empty(), "{} has no table {head}", self.name);
        rows
    }

    /// The same, without the marks of a cell that is code and nothing else.
    fn table(&self, head: &str) -> Vec<Vec<String>> {
        let bare = |cell: String| match cell.strip_prefix('`').and_then(|it| it.split_once('`')) {
            Some((code, "")) => code.to_owned(),
            _ => cell,
        };
        self.rows(head).into_iter().map(|row| row.into_iter().map(bare).collect()).collect()
    }
}
