//! The house rules that no compiler checks: who may import whom, what each file begins with, and
//! what pure files keep out.
//!
//! Reads the sources as text and depends on nothing of the crate. A new edge between modules is a
//! visible change in [`MAY_IMPORT`].

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

#[path = "tidy/graph.rs"]
mod graph;
#[path = "tidy/words.rs"]
mod words;

/// The modules of the crate, layer by layer, the lowest first: a module imports those of the layers
/// below its own, and none beside it or above it.
const LAYERS: &[&[&str]] = &[
    &["domain", "json"],
    &["model", "settings"],
    &["mirror_url"],
    &["config", "metrics", "task", "text"],
    &["http", "presentation"],
    &["progress", "session"],
    &["signals", "systemd", "telemetry"],
    &["client", "mirror"],
    &["feed", "learn", "pager", "refresher", "status"],
    &["model_refresher"],
    &["supervisor"],
    &["cli"],
];

/// The module at the side: it shares no type with the client, so that both cannot be wrong alike. It
/// imports of the crate only what is named here, and only `cli` and tests import it.
const ASIDE: (&str, &[&str]) = ("simulator", &["task"]);

/// Words that stand in the named files only.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("reqwest", &["src/http/"]),
    ("cookie_store", &["src/http/cookies/"]),
    ("signal_hook", &["src/signals.rs"]),
    ("prometheus_client", &["src/status/metrics/"]),
    ("procfs", &["src/status/process.rs"]),
    ("rdkafka::", &["src/feed/kafka/"]),
    ("hyper::", &["src/simulator/", "src/http/", "src/status/", "src/feed/webhook/echo.rs"]),
    ("io::stdout", &["src/cli/output.rs"]),
    ("io::stderr", &["src/cli/output.rs", "src/cli/daemon.rs"]),
    ("println!", &["src/cli/output.rs"]),
    ("std::env::", &["src/settings/environment.rs", "src/main.rs", "src/client/tests/"]),
    ("SystemTime::now", &["src/task/clock.rs"]),
    ("process::exit", &[]),
    (
        "crate::simulator",
        &["src/simulator/", "src/cli/simulate/", "src/cli/demo/", "src/cli/mod.rs"],
    ),
];

/// Files that decide and do not wait.
const PURE: &[&str] = &[
    "src/client/repository_list.rs",
    "src/client/fingerprint/mod.rs",
    "src/client/presence.rs",
    "src/json/canonical/mod.rs",
    "src/client/redact.rs",
    "src/client/escapes.rs",
    "src/http/rate_limit.rs",
    "src/client/verdict.rs",
    "src/http/charset.rs",
    "src/feed/batch.rs",
    "src/feed/cut.rs",
    "src/feed/kafka/message.rs",
    "src/feed/kafka/verdict.rs",
    "src/feed/line.rs",
    "src/feed/place.rs",
    "src/feed/selection.rs",
    "src/http/redirect.rs",
    "src/client/wire.rs",
    "src/domain/change.rs",
    "src/text/command_line.rs",
    "src/json/difference.rs",
    "src/cli/export/row.rs",
    "src/cli/export/table.rs",
    "src/domain/envelope.rs",
    "src/domain/id_set.rs",
    "src/json/members.rs",
    "src/mirror/deletions.rs",
    "src/mirror/diff.rs",
    "src/mirror/page.rs",
    "src/mirror/retention.rs",
    "src/task/outage.rs",
    "src/task/retry.rs",
    "src/pager/cadence.rs",
    "src/pager/incremental/mark.rs",
    "src/pager/incremental/order.rs",
    "src/pager/incremental/windows.rs",
    "src/pager/rate/adaptive/baseline.rs",
    "src/pager/rate/adaptive/mod.rs",
    "src/pager/proof/checkpoint.rs",
    "src/pager/proof/deletes.rs",
    "src/pager/proof/normalise.rs",
    "src/pager/proof/overlap.rs",
    "src/pager/request/blame.rs",
    "src/pager/request/fingerprints.rs",
    "src/progress/problems/health.rs",
    "src/progress/recent_delays.rs",
    "src/pager/proof/pass/end.rs",
    "src/pager/proof/pass/join.rs",
    "src/pager/proof/pass/state.rs",
    "src/pager/proof/pass/terms.rs",
    "src/pager/proof/pass/unanswered.rs",
    "src/pager/proof/pass/verdict.rs",
    "src/pager/proof/window.rs",
    "src/refresher/schedule.rs",
    "src/status/document.rs",
    "src/status/held.rs",
    "src/status/brief.rs",
    "src/status/page/mod.rs",
    "src/status/page/many.rs",
    "src/status/page/text.rs",
    "src/status/totals.rs",
    "src/status/readiness.rs",
    "src/status/problem_list.rs",
    "src/status/compose.rs",
    "src/supervisor/freshness.rs",
    "src/supervisor/reload.rs",
    "src/supervisor/status_line.rs",
    "src/supervisor/restart.rs",
    "src/supervisor/lease_book.rs",
    "src/mirror/lease_policy.rs",
    "src/supervisor/watchdog.rs",
];

/// What a pure file has none of.
const IMPURE: &[&str] =
    &["async fn", ".await", "Instant::now", "sleep(", "crate::clock", "tokio::sync", "std::fs"];

/// The most lines of a file; the exceptions may shrink, not grow.
const LONGEST: usize = 450;
const LONGER: &[(&str, usize)] =
    &[("src/config/table.rs", 458), ("src/supervisor/tests/mod.rs", 483)];

#[test]
fn modules_import_only_what_is_below_them() {
    let layer = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let mut faults = String::new();
    for source in sources("src") {
        let Some(module) = module_of(&source.name) else { continue };
        let own = layer(module);
        if own.is_none() && module != ASIDE.0 {
            writeln!(faults, "{}: the module {module} is in no layer", source.name).unwrap();
        }
        for imported in imports(source.shipped()) {
            let allowed = match own {
                _ if imported == module => true,
                Some(own) => {
                    layer(&imported).is_some_and(|other| other < own)
                        || (module == "cli" && imported == ASIDE.0)
                }
                None => ASIDE.1.contains(&imported.as_str()),
            };
            if !allowed {
                writeln!(faults, "{}: {module} imports {imported}", source.name).unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn every_path_that_the_rules_name_exists() {
    let mut named: Vec<&str> =
        ONLY_IN.iter().flat_map(|(_, places)| places.iter()).copied().collect();
    named.extend(PURE);
    named.extend(LONGER.iter().map(|(name, _)| *name));
    let modules = LAYERS.iter().copied().flatten().chain([&ASIDE.0]);
    let modules: Vec<_> = modules.map(|module| format!("src/{module}")).collect();
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let missing: Vec<_> = named
        .into_iter()
        .filter(|path| !top.join(path).exists())
        .map(str::to_owned)
        .chain(modules.into_iter().filter(|module| {
            !top.join(module).is_dir() && !top.join(format!("{module}.rs")).is_file()
        }))
        .collect();
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

#[test]
fn no_file_imports_what_contains_it() {
    let faults = graph::Graph::of(&sources("src")).imports_of_parents();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles = graph::Graph::of(&sources("src")).circles();
    let told: Vec<_> = circles.iter().map(|circle| circle.join(", ")).collect();
    assert!(told.is_empty(), "\n{}", told.join("\n"));
}

#[test]
fn the_crate_documentation_knows_the_layers_and_names_what_exists() {
    let map = Source::read(Path::new("src/lib.rs"));
    let modules = |row: &str| -> Vec<String> {
        let cell = row.split('|').nth(2).unwrap_or_default();
        cell.split("[`").skip(1).filter_map(|it| Some(it.split_once('`')?.0.to_owned())).collect()
    };
    let rows = map.text.lines().skip_while(|line| !line.starts_with("//! | layer |")).skip(2);
    let told: Vec<_> = rows.map_while(|line| line.strip_prefix("//! ")).map(modules).collect();
    let told: Vec<_> = told.into_iter().take_while(|row| !row.is_empty()).collect();
    let mut layers: Vec<Vec<_>> = LAYERS.iter().rev().map(|layer| layer.to_vec()).collect();
    layers.push(vec![ASIDE.0]);
    assert_eq!(told, layers, "the crate documentation (left) and the layers (right)");

    let map = map.text.lines().filter(|line| line.starts_with("//!"));
    let names = map.flat_map(|line| line.split('`').skip(1).step_by(2));
    let missing: Vec<_> = names.filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

/// Whether there is such a path of the tree, or such a module or item of the crate. A name that is
/// neither written as a path nor begins with a module counts as there.
fn exists(name: &str) -> bool {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !name.contains("::") {
        return !name.contains('/') || name.contains(' ') || top.join(name).exists();
    }
    let is_module = |path: &Path| path.is_dir() || path.with_extension("rs").is_file();
    let (mut module, mut items) = (top.join("src"), Vec::new());
    for part in name.split("::") {
        if items.is_empty() && is_module(&module.join(part)) {
            module.push(part);
        } else {
            items.push(part);
        }
    }
    let module = module.strip_prefix(top).expect("it is below the top").to_string_lossy();
    module == "src"
        || items.is_empty()
        || sources("src").iter().any(|source| {
            let inside = source.name.strip_prefix(&*module);
            inside.is_some_and(|inside| inside.starts_with(['/', '.']))
                && items.iter().all(|item| source.text.contains(item))
        })
}

#[test]
fn a_type_name_stands_for_one_thing() {
    let faults = words::types_that_stand_twice(&sources("src"));
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn retired_words_stay_retired() {
    let mut texts: Vec<_> =
        ["src", "benches", "fuzz/src", "fuzz/fuzz_targets"].into_iter().flat_map(sources).collect();
    for folder in ["docs", "config", "systemd", ".github"] {
        texts.extend(files(folder, |path| {
            path.extension().is_none_or(|it| it != "json") && !path.ends_with("copyright")
        }));
    }
    texts.extend(
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "Cargo.toml"]
            .map(|name| Source::read(Path::new(name))),
    );
    let faults = words::retired(&texts);
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn each_concern_stays_in_its_place() {
    let mut faults = String::new();
    for source in sources("src") {
        for (word, places) in ONLY_IN {
            let allowed = places.iter().any(|place| source.name.starts_with(place));
            if !allowed && code(source.shipped()).any(|line| line.contains(word)) {
                writeln!(faults, "{}: {word}", source.name).unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn pure_files_neither_wait_nor_ask_the_time() {
    let mut faults = String::new();
    for name in PURE {
        let source = Source::read(Path::new(name));
        for word in IMPURE {
            if code(source.shipped()).any(|line| line.contains(word)) {
                writeln!(faults, "{name}: {word}").unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn each_file_says_what_it_is_for_and_stays_readable() {
    let mut faults = String::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        if !source.text.starts_with("//!") {
            writeln!(faults, "{}: does not begin with //!", source.name).unwrap();
        }
        let limit = LONGER
            .iter()
            .find(|(name, _)| *name == source.name)
            .map_or(LONGEST, |(_, limit)| *limit);
        let lines = source.text.lines().count();
        if lines > limit {
            writeln!(faults, "{}: {lines} lines, at most {limit}", source.name).unwrap();
        }
        for (number, line) in source.text.lines().enumerate() {
            // Written apart, so that this line is not one itself.
            let marked = [concat!("TO", "DO"), concat!("FIX", "ME")];
            if marked.iter().any(|word| line.contains(word)) && !line.contains('#') {
                writeln!(faults, "{}:{}: no issue number", source.name, number + 1).unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// One file.
struct Source {
    /// Its path from the top of the tree.
    name: String,
    text: String,
}

impl Source {
    fn read(path: &Path) -> Self {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(top.join(path)).expect("a source file can be read");
        Self { name: path.to_str().expect("our files have plain names").to_owned(), text }
    }

    /// What ends up in the program: nothing of a file that only tests are built with, and of others
    /// what stands before the tests at their end.
    fn shipped(&self) -> &str {
        let is_test = |module: &String| {
            let below = self.name.strip_prefix(module.as_str());
            below.is_some_and(|below| below.starts_with(['/', '.']))
        };
        if test_modules().iter().any(is_test) {
            return "";
        }
        self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }
}

/// The modules that are declared for tests only: `src/pager/tests`.
fn test_modules() -> &'static [String] {
    static MODULES: OnceLock<Vec<String>> = OnceLock::new();
    MODULES.get_or_init(|| {
        let mut modules = Vec::new();
        for source in sources("src") {
            let folder = match source.name.rsplit_once('/') {
                Some((folder, "mod.rs" | "lib.rs")) => folder,
                _ => source.name.trim_end_matches(".rs"),
            };
            for declared in source.text.split("#[cfg(test)]\n").skip(1) {
                let line = declared.lines().next().unwrap_or_default().trim();
                let name = line.split_once("mod ").and_then(|(_, name)| name.strip_suffix(';'));
                modules.extend(name.map(|name| format!("{folder}/{name}")));
            }
        }
        modules
    })
}

/// All Rust files below a folder, by name.
fn sources(folder: &str) -> Vec<Source> {
    files(folder, |path| path.extension().is_some_and(|extension| extension == "rs"))
}

/// The files below a folder that are wanted, by name.
fn files(folder: &str, is_wanted: impl Fn(&Path) -> bool) -> Vec<Source> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut files) = (vec![top.join(folder)], Vec::<PathBuf>::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of ours can be read") {
            let path = entry.expect("a folder lists its entries").path();
            if path.is_dir() {
                folders.push(path);
            } else if is_wanted(&path) {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no files in {folder}");
    files
        .iter()
        .map(|file| Source::read(file.strip_prefix(top).expect("it is below the top")))
        .collect()
}

/// The top-level module that a file belongs to; the roots of library and program, and the doubles
/// of the tests, belong to none.
fn module_of(name: &str) -> Option<&str> {
    let inside = name.strip_prefix("src/")?;
    let module = inside.split(['/', '.']).next()?;
    (!matches!(module, "lib" | "main" | "testing")).then_some(module)
}

/// The modules named after `crate::`, braces included.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in code(text) {
        for part in line.split("crate::").skip(1) {
            let name: String =
                part.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect();
            assert!(!name.is_empty(), "use crate::{{...}} hides its modules: {line}");
            found.push(name);
        }
    }
    found
}

/// The lines that are no comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}
