//! Whether links and paths lead somewhere, and each page has the form that it is to have.

use std::fmt::Write as _;
use std::path::Path;

use crate::pages::{self, Page, current, exists, pages, read, slug};

/// The README is a first page: what is longer belongs in `docs`.
const MOST_LINES: usize = 100;
const MOST_WORDS: usize = 900;

/// The folders at the top of the tree that documentation names files of.
const FOLDERS: [&str; 8] =
    ["src/", "tests/", "docs/", "config/", "systemd/", "benches/", "fuzz/", ".ci/"];

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
