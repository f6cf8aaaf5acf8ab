//! The bill of materials that the package carries names every crate of the program, and no other.
//!
//! Held against cargo's own plan of the build for packages, which knows exactly what is compiled for the
//! program, and against Cargo.lock; depends on nothing of the crate.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What a command prints.
fn printed(command: &mut Command) -> Vec<u8> {
    let output =
        command.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("the command runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn sbom() -> (Vec<u8>, Value) {
    sbom_of(&[])
}

fn sbom_of(arguments: &[&str]) -> (Vec<u8>, Value) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/sbom.sh");
    let text = printed(Command::new(script).args(arguments));
    let value = serde_json::from_slice(&text).expect("it is JSON");
    (text, value)
}

/// A cargo command that answers in JSON.
fn cargo(arguments: &[&str]) -> Value {
    let mut cargo = Command::new(env!("CARGO"));
    // The plan of a build is not stable yet; nothing is built.
    cargo.args(arguments).arg("--locked").env("RUSTC_BOOTSTRAP", "1");
    serde_json::from_slice(&printed(&mut cargo)).expect("it is JSON")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// The packages that are linked into the program, by their ids, each with those that it needs.
fn linked() -> BTreeMap<String, BTreeSet<String>> {
    let plan = cargo(&["build", "--profile", "dist", "-Z", "unstable-options", "--unit-graph"]);
    let units = list(&plan["units"]);
    let unit = |index: &Value| {
        let place = index.as_u64().and_then(|index| usize::try_from(index).ok());
        &units[place.expect("a place in the list")]
    };
    // What runs while the program is built is no part of it.
    let runs =
        |unit: &Value| matches!(&*text(&unit["target"]["kind"][0]), "proc-macro" | "custom-build");
    let mut open: Vec<&Value> = list(&plan["roots"]).iter().map(unit).collect();
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    let mut seen = Vec::new();
    while let Some(one) = open.pop() {
        if seen.contains(&one) {
            continue;
        }
        seen.push(one);
        let needs = list(&one["dependencies"]).iter();
        let needs: Vec<&Value> =
            needs.map(|needed| unit(&needed["index"])).filter(|needed| !runs(needed)).collect();
        let names = found.entry(text(&one["pkg_id"])).or_default();
        names.extend(needs.iter().map(|needed| text(&needed["pkg_id"])));
        names.remove(&text(&one["pkg_id"]));
        open.extend(needs);
    }
    found
}

#[test]
fn the_bill_of_materials_names_what_is_linked_with_licence_and_checksum() {
    let (_, sbom) = sbom();
    let metadata = cargo(&["metadata", "--format-version", "1"]);
    let lock = include_str!("../Cargo.lock");
    let packages = metadata["packages"].as_array().unwrap();
    let purl = |id: &str| {
        let package = packages.iter().find(|package| package["id"] == *id).unwrap();
        let version = text(&package["version"]).replace('+', "%2B");
        (package, format!("pkg:cargo/{}@{version}", text(&package["name"])))
    };
    assert_eq!(sbom["bomFormat"], "CycloneDX");
    assert_eq!(sbom["metadata"]["component"]["name"], "ewmirror");
    let components = sbom["components"].as_array().unwrap();
    let mut told: BTreeSet<String> = components.iter().map(|it| text(&it["bom-ref"])).collect();
    assert_eq!(told.len(), components.len(), "a component twice");
    let sqlite = told.iter().find(|it| it.starts_with("pkg:generic/sqlite@3.")).unwrap().clone();
    told.remove(&sqlite);

    let linked = linked();
    assert!(linked.len() > 100, "{}", linked.len());
    for (id, needs) in &linked {
        let (package, purl_of_this) = purl(id);
        let mut expected: BTreeSet<String> = needs.iter().map(|id| purl(id).1).collect();
        if package["name"] == "libsqlite3-sys" {
            expected.insert(sqlite.clone());
        }
        let dependencies = sbom["dependencies"].as_array().unwrap();
        let edges = dependencies.iter().find(|it| it["ref"] == *purl_of_this).unwrap();
        let edges: BTreeSet<String> =
            edges["dependsOn"].as_array().unwrap().iter().map(text).collect();
        assert_eq!(edges, expected, "what {purl_of_this} needs");
        if package["source"].is_null() {
            continue;
        }
        assert!(told.remove(&purl_of_this), "{purl_of_this} is missing");
        let component = components.iter().find(|it| it["bom-ref"] == *purl_of_this).unwrap();
        assert_eq!(component["purl"], *purl_of_this);
        for member in ["name", "version"] {
            assert_eq!(component[member], package[member], "{purl_of_this}");
        }
        let licence = text(&package["license"]).replace(" / ", "/").replace('/', " OR ");
        assert_eq!(component["licenses"][0]["expression"], *licence, "{purl_of_this}");
        let head = format!("\nname = {}\nversion = {}\n", package["name"], package["version"]);
        let locked = lock.split("[[package]]").find(|locked| locked.starts_with(&head)).unwrap();
        let hash = text(&component["hashes"][0]["content"]);
        assert!(locked.contains(&format!("\nchecksum = \"{hash}\"\n")), "{purl_of_this}: {hash}");
    }
    assert_eq!(told, BTreeSet::new(), "not linked");
}

#[test]
fn the_one_with_kafka_names_its_library_as_well() {
    let names = |sbom: &Value| -> BTreeSet<String> {
        list(&sbom["components"]).iter().map(|it| text(&it["name"])).collect()
    };
    let (plain, kafka) = (names(&sbom().1), names(&sbom_of(&["--features", "kafka"]).1));
    assert!(kafka.is_superset(&plain), "{plain:?}");
    for name in ["librdkafka", "rdkafka", "rdkafka-sys", "openssl-sys"] {
        assert!(kafka.contains(name) && !plain.contains(name), "{name}");
    }
}

#[test]
fn the_bill_of_materials_is_the_same_every_time() {
    assert!(sbom().0 == sbom().0);
}
