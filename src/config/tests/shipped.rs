//! The files that are shipped.

use super::*;

const EWMIRROR: &str = include_str!("../../../config/ewmirror.toml");
const VENDOR_EXAMPLE: &str = include_str!("../../../config/vendor-example.toml");

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
    for key in keys::KEYS {
        let stated = written(key.name());
        // A secret has no line: it must not stand in the file.
        assert_eq!(stated, key.exposure != keys::Exposure::Hidden, "{}", key.path);
    }
    for name in keys::names_in(keys::REPOSITORY) {
        assert!(written(name), "repository.{name}");
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
    assert_eq!(mirror, MirrorUrl::None);
    assert_eq!(repositories.len(), 1);
    assert_eq!(repositories[0].id, RepositoryId(10149));
    assert!(repositories[0].search.is_empty());
    assert_eq!(repositories[0].paging.page_size, count(20));
    assert_eq!(repositories[0].paging.page_interval, Chosen::Fixed(seconds(60)));
    assert!(!repositories[0].paging.overlap);
    assert_eq!(repositories[0].paging.in_flight, Chosen::Fixed(count(1)));
}
