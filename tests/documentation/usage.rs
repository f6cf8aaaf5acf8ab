//! Whether the commands, keys and configurations of the documentation are understood by the program.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use ewmirror::inspection::SCHEMA;
use toml::de::DeTable;

use crate::pages::{current, pages, read, sources};
use crate::{members, shell};

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
                let names = names.get_ref();
                // A section may stand there several times.
                let elements: Vec<_> = match names.as_array() {
                    Some(elements) => elements.iter().map(toml::Spanned::get_ref).collect(),
                    None => vec![names],
                };
                for element in elements {
                    let names = element.as_table().expect("sections stand in a file");
                    for name in names.keys() {
                        let key = format!("{section}.{}", name.get_ref());
                        if !known.contains(&key) {
                            writeln!(faults, "{}: {key}", page.name).unwrap();
                        }
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
