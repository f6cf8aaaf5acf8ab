//! `learn`: what it finds out, that it holds nothing of the server's, and that a look-alike is like it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use ewmirror::simulator::{ConditionTreatment, Options, SimulatedCondition};
use serde_json::Value;

use crate::support::{Daemon, Setup, Sim, repositories};

/// All texts of a value, and the names of its members.
fn texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(found.insert(text.clone())),
        Value::Array(list) => list.iter().for_each(|value| texts(value, found)),
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            found.insert(name.clone());
            texts(value, found);
        }),
        _ => {}
    }
}

#[test]
fn a_report_tells_how_the_server_is_and_nothing_that_it_keeps() {
    let works = |condition| (condition, ConditionTreatment::Works);
    let conditions = SimulatedCondition::ALL.map(works).into();
    let sim = Sim::start(Options { conditions, ..repositories(&[(1, 130)]) });
    let setup = Setup::new(sim.url());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let daemon = Daemon::start(&["learn", "--output", path.to_str().unwrap()], &setup);
    let ended = daemon.finish();
    assert_eq!(ended.status.code(), Some(0), "{:?}", ended.events);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let report = fs::read_to_string(&path).unwrap();
    let document: Value = serde_json::from_str(&report).unwrap();
    let repository = &document["repositories"][0];
    assert_eq!(repository["total"], 130);
    assert_eq!(repository["total_is"], "right");
    assert_eq!(repository["order"], "id");
    assert_eq!(repository["past_the_end"], "empty");
    assert_eq!(document["refusal"]["status"], 401);
    assert_eq!(document["session"]["stands_beside_a_second"], true);
    assert_eq!(document["description"]["search_members"], 10);
    let tried: Vec<_> = document["conditions"].as_array().unwrap().iter().collect();
    assert_eq!(tried.len(), 4, "{tried:?}");
    assert!(tried.iter().all(|it| it["effect"] == "works"), "{tried:?}");

    // At most one request a second, and as many as it says.
    let (requests, seconds) = (&document["requests"], &document["seconds"]);
    assert!(requests.as_u64() <= seconds.as_u64().map(|seconds| seconds + 2), "{report}");
    let counts = sim.counts();
    assert_eq!((counts.logins, counts.logouts), (2, 2));

    // Nothing of the items, of the repository or of where it is can be in it.
    let mut kept = BTreeSet::new();
    for item in sim.items(1) {
        texts(&serde_json::from_str(&item).unwrap(), &mut kept);
    }
    // Nor the members of a search by its conditions.
    kept.extend(["itemIds", "sortBy", "modifiedSince", "fields"].map(str::to_owned));
    let address = sim.address();
    kept.extend(["system".to_owned(), "Products".to_owned(), "127.0.0.1".to_owned()]);
    kept.extend([address.to_string(), address.port().to_string()]);
    let stdout = String::from_utf8(ended.stdout).unwrap();
    let (summary, proposed) = stdout.split_once("The configuration that fits").unwrap();
    // Words of the report itself, of which some values are parts.
    let mut own = BTreeSet::new();
    texts(&document, &mut own);
    // A number or a truth value of the report's may read like a text of an item.
    let is_telling = |text: &&String| {
        text.len() > 4 && *text != "false" && !text.bytes().all(|byte| byte.is_ascii_digit())
    };
    for text in kept.iter().filter(is_telling) {
        assert!(own.contains(text) || !report.contains(text.as_str()), "{text} in {report}");
        assert!(own.contains(text) || !summary.contains(text.as_str()), "{text} in {summary}");
    }
    let generic = ["itemId", "modifiedOn", "null"].map(str::to_owned);
    let shared: Vec<&String> = own.intersection(&kept).collect();
    assert!(shared.iter().all(|text| generic.contains(text)), "{shared:?}");
    assert!(proposed.contains("[[repository]]\nid = 1\n"), "{proposed}");
    assert!(proposed.contains("page_size = 200\n"), "{proposed}");
    // What it proposes is taken as it is.
    let section = proposed.split_once("[[repository]]\n").unwrap().1;
    assert!(
        section.contains("\nincremental = { interval = \"10s\", mode = \"since\", "),
        "{proposed}"
    );
    let checked = Setup { repositories: vec![section.to_owned()], ..setup.clone() };
    let checked = Daemon::start(&["check"], &checked).finish();
    assert_eq!(checked.status.code(), Some(0), "{:?}", checked.events);

    // It is not overwritten, and then the server is not asked.
    let again = Daemon::start(&["learn", "--output", path.to_str().unwrap()], &setup).finish();
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(fs::read_to_string(&path).unwrap(), report);
    assert_eq!(sim.counts().logins, 2);
}

#[test]
fn a_login_that_fails_leaves_no_file() {
    let sim = Sim::start(repositories(&[(1, 3)]));
    sim.fault("login", "refuse-success", 0, 1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let setup = Setup::new(sim.url());
    let ended = Daemon::start(&["learn", "--output", path.to_str().unwrap()], &setup).finish();
    assert_eq!(ended.status.code(), Some(1));
    assert!(!path.exists());
}
