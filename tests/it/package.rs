//! What packages are made of, read as text: the units, the lists of files, the changelog. What
//! they do once they are installed is shown by `tests/systemd`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines of a unit that systemd heeds.
fn settings(unit: &str) -> Vec<String> {
    let unit = read(unit);
    unit.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(Into::into).collect()
}

#[test]
fn the_template_differs_from_the_unit_only_in_what_is_its_own() {
    let own = [
        ("Description=Mirror of EnterWorks repositories", " (%i)"),
        ("User=ewmirror", "-%i"),
        ("StateDirectory=ewmirror", "-%i"),
        ("RuntimeDirectory=ewmirror", "-%i"),
    ];
    let expected: Vec<String> = settings("systemd/ewmirror.service")
        .into_iter()
        .map(|line| match line.as_str() {
            "ExecStart=/usr/bin/ewmirror run" => {
                "ExecStart=/usr/bin/ewmirror --config /etc/ewmirror/%i.toml run".to_owned()
            }
            "LoadCredential=password:/etc/ewmirror/password" => {
                "LoadCredential=password:/etc/ewmirror/%i.password".to_owned()
            }
            plain => match own.iter().find(|(setting, _)| *setting == plain) {
                Some((setting, more)) => format!("{setting}{more}"),
                None => line,
            },
        })
        .collect();
    assert_eq!(settings("systemd/ewmirror@.service"), expected);
}

#[test]
fn every_file_that_packages_list_is_there_or_made() {
    let manifest = read("Cargo.toml");
    let listed = sources(&manifest, "[\"");
    assert!(listed.len() > 10, "{listed:?}");
    let made = read("systemd/package.sh");
    for source in listed {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join(source).exists();
        let name = source.rsplit('/').next().unwrap();
        let stem = name.split(['.', '@']).next().unwrap();
        let is_made = source.starts_with("target/") && made.contains(stem);
        assert!(here || is_made, "{source}");
    }
}

#[test]
fn the_package_for_rpm_says_the_same_of_itself() {
    let (manifest, spec) = (read("Cargo.toml"), read("systemd/ewmirror.spec"));
    let of_manifest = |key: &str| {
        let beginning = format!("{key} = \"");
        let line = manifest.lines().find_map(|line| line.strip_prefix(&beginning));
        line.unwrap_or_else(|| panic!("no {key}")).trim_end_matches('"')
    };
    for (tag, value) in [
        ("Name", of_manifest("name")),
        ("Summary", of_manifest("description")),
        ("License", of_manifest("license")),
        ("Requires", "systemd >= 250"),
        ("Recommends", of_manifest("recommends")),
    ] {
        assert!(spec.lines().any(|line| line == format!("{tag}: {value}")), "{tag}: {value}");
    }
    assert!(of_manifest("depends").contains("systemd (>= 250)"));
    let (_, described) = manifest.split_once("extended-description = \"\"\"\\\n").unwrap();
    let (described, _) = described.split_once("\"\"\"").unwrap();
    // A backslash ends a line that goes on.
    let described = described.replace("\\\n", "");
    let unfolded = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unfolded(&spec).contains(&unfolded(&described)), "{described}");
}

/// The first text of each line of the manifest that begins so.
fn sources<'a>(manifest: &'a str, beginning: &str) -> BTreeSet<&'a str> {
    let listed = manifest.lines().filter_map(|line| line.trim_start().strip_prefix(beginning));
    listed.filter_map(|line| line.split('"').next()).collect()
}

#[test]
fn the_latest_release_in_the_changelog_is_this_version() {
    let changelog = read("CHANGELOG.md");
    let mut headings = changelog.lines().filter(|line| line.starts_with("## ["));
    let latest = headings.find(|line| *line != "## [Unreleased]").unwrap();
    let version = format!("## [{}] - ", env!("CARGO_PKG_VERSION"));
    assert!(latest.starts_with(&version), "{latest}");
}

#[test]
fn the_package_with_kafka_stands_in_for_the_plain_one_of_this_version() {
    let manifest = read("Cargo.toml");
    let (_, variant) =
        manifest.split_once("[package.metadata.deb.variants.kafka]").expect("the variant is there");
    let variant = variant.split("\n[").next().unwrap();
    let provides = format!("provides = \"ewmirror (= {})\"", env!("CARGO_PKG_VERSION"));
    assert!(variant.lines().any(|line| line == provides), "{provides} is not in {variant}");
}
