//! The files that are shipped.

use super::*;

const EWMIRROR: &str = include_str!("../../../config/ewmirror.toml");
const VENDOR_EXAMPLE: &str = include_str!("../../../config/vendor-example.toml");

/// What stands above the first section of the commented file.
const HEAD: &str = "\
# ewmirror: configuration
#
# Every key is here. What is not commented out must be set for your site, or stands at its default
# and may be taken out. `ewmirror check` tells every fault of this file at once; `systemctl reload
# ewmirror` (or SIGHUP) makes the daemon read it again.
#
# Any key but those of [[repository]] and [[feed]] can also be set by an environment variable, which
# then comes before this file: EWMIRROR_, the section, two underscores, the key, all in upper case,
# such as EWMIRROR_PAGING__PAGE_SIZE.
#
# Durations need a unit: \"500ms\", \"60s\", \"5m\", \"23h\" (m is minutes). So do sizes: \"64MiB\".
";

/// The commented file as the table has it.
fn commented() -> String {
    let mut paragraphs = vec![HEAD.to_owned()];
    for section in SCHEMA.0 {
        // A feed begins where the operator writes one.
        let off = if section.name == "feed" { "#" } else { "" };
        let mut above = format!("{}{off}{}\n", comment(section.doc), section.header());
        for key in section.keys {
            let (name, doc) = (key.name(), comment(key.doc));
            let paragraph = match key.requirement {
                // A secret has no line: it must not stand in the file.
                _ if key.is_secret() => {
                    above = format!("{above}{doc}#\n");
                    continue;
                }
                Requirement::Default(value) => format!("{doc}{off}{name} = {value}\n"),
                Requirement::Required { example, .. } => format!("{doc}{off}{name} = {example}\n"),
                Requirement::Optional(example) => format!("{doc}#{name} = {example}\n"),
            };
            paragraphs.push(std::mem::take(&mut above) + &paragraph);
        }
    }
    paragraphs.join("\n")
}

fn comment(lines: &[&str]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| "#".to_owned() + line + "\n").collect();
    lines.concat()
}

#[test]
fn the_installed_file_is_the_table() {
    let (commented, path) =
        (commented(), concat!(env!("CARGO_MANIFEST_DIR"), "/config/ewmirror.toml"));
    if Environment::of_process().get("UPDATE").is_some() {
        std::fs::write(path, &commented).unwrap();
    }
    let shipped = std::fs::read_to_string(path).unwrap();
    assert!(
        shipped == commented,
        "UPDATE=1 cargo test --lib config::tests::shipped writes it anew"
    );
}

#[test]
fn the_installed_file_holds_and_says_what_holds_anyway() {
    let loaded = loaded(EWMIRROR, &environment(&[]));
    assert_eq!(loaded.warnings, []);
    let bare = format!(
        "[server]\nurl = '{}'\n[login]\nusername = '{}'\n[[repository]]\nid = {}\n",
        loaded.config.server.url, loaded.config.login.username, loaded.config.repositories[0].id,
    );
    assert_eq!(loaded.config, config(&bare, &[]));
}

#[test]
fn the_installed_file_explains_every_key() {
    let lines: Vec<_> = EWMIRROR.lines().map(|line| line.trim_start_matches(['#', ' '])).collect();
    let written = |name: &str| lines.iter().any(|line| line.starts_with(&format!("{name} = ")));
    for key in SCHEMA.keys() {
        let stated = written(key.name());
        // A secret has no line: it must not stand in the file.
        assert_eq!(stated, !key.is_secret(), "{}", key.path);
    }
    for list in ["repository", "feed"] {
        for key in SCHEMA.section(list).unwrap().all_keys() {
            assert_eq!(written(key.name()), !key.is_secret(), "{}", key.path);
        }
    }
}

#[test]
fn what_the_installed_file_leaves_out_can_be_put_in() {
    // A line such as `#in_flight = 1` is a key at its default or with an example; prose has a
    // space after its mark.
    let toml: String = EWMIRROR
        .lines()
        .filter(|line| !line.contains("_file = "))
        .map(|line| match line.strip_prefix('#') {
            Some(key) if !key.starts_with(' ') => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert_ne!(toml, EWMIRROR);
    loaded(&toml, &environment(&[]));
}

#[test]
fn the_vendors_example_is_the_vendors_example() {
    let loaded = loaded(VENDOR_EXAMPLE, &environment(&[]));
    assert_eq!(loaded.warnings, []);
    let Config { repositories, mirror, .. } = loaded.config;
    assert_eq!(mirror.url, MirrorUrl::None);
    assert_eq!(repositories.len(), 1);
    assert_eq!(repositories[0].id, RepositoryId(10149));
    assert!(repositories[0].search.is_empty());
    assert_eq!(repositories[0].paging.page_size, AutoOr::Value(count(20)));
    assert_eq!(repositories[0].paging.page_interval, Some(AutoOr::Value(seconds(60))));
    assert!(!repositories[0].paging.overlap);
    assert_eq!(repositories[0].paging.in_flight, AutoOr::Value(count(1)));
}
