//! The model of a repository as servers may tell it, in each reading of the look-alike.

use ewmirror::simulator::{Options, SimulatedModel};
use serde_json::Value;

use crate::support::{Daemon, Ended, Setup, Sim, repositories};

/// The readings that say something.
pub(crate) const TELLING: [SimulatedModel; 4] =
    [SimulatedModel::Flat, SimulatedModel::Nested, SimulatedModel::Map, SimulatedModel::Paged];

/// A look-alike that tells of the model so.
pub(crate) fn server(model: SimulatedModel) -> Sim {
    Sim::start(Options { model, ..repositories(&[(10_149, 3)]) })
}

fn asked(setup: &Setup, more: &[&str]) -> Ended {
    Daemon::start(&[&["attributes", "--repository", "10149"], more].concat(), setup).finish()
}

/// The name and the code set of an attribute in the document that `--json` prints.
fn attribute<'a>(document: &'a Value, id: &str) -> (&'a str, Option<&'a str>) {
    let attributes = document["attributes"].as_array().expect("a list");
    let found = attributes.iter().find(|it| it["id"] == id).expect("the attribute");
    (found["shown_as"].as_str().expect("a name"), found["code_set"].as_str())
}

#[test]
fn without_a_mirror_the_server_is_asked_whatever_it_answers_like() {
    for model in TELLING {
        let sim = server(model);
        let setup = Setup {
            mirror: "url = 'sqlite:///nonexistent/mirror.db'".to_owned(),
            ..Setup::new(sim.url())
        };
        let ended = asked(&setup, &["--json"]);
        assert_eq!(ended.status.code(), Some(0), "{model:?}: {:?}", ended.events);
        let document: Value = serde_json::from_slice(&ended.stdout).unwrap();
        assert_eq!(document["attributes"].as_array().unwrap().len(), 40, "{model:?}");
        assert_eq!(document["name"], "Products", "{model:?}");
        assert_eq!(attribute(&document, "F_1004600"), ("Article number", None), "{model:?}");
        let country = document["attributes"].as_array().unwrap();
        let country = country.iter().find(|it| it["name"] == "Country").unwrap();
        assert_eq!(country["code_set"], "Countries", "{model:?}");
        let codes = document["code_sets"][0]["codes"].as_array().unwrap();
        assert_eq!(codes.len(), 6, "{model:?}: {codes:?}");
        assert!(codes.iter().any(|it| it["code"] == "GR" && it["description"] == "Greece"));
        let counts = sim.counts();
        assert_eq!((counts.logins, counts.logouts, counts.searches), (1, 1, 0), "{model:?}");
    }
}

#[test]
fn a_server_without_such_calls_is_told_of() {
    for model in [SimulatedModel::None, SimulatedModel::Html] {
        let sim = server(model);
        let setup = Setup {
            mirror: "url = 'sqlite:///nonexistent/mirror.db'".to_owned(),
            ..Setup::new(sim.url())
        };
        let ended = asked(&setup, &[]);
        assert_eq!(ended.status.code(), Some(0), "{model:?}: {:?}", ended.events);
        assert_eq!(ended.stdout, b"ID  NAME  RESTRICTED NAME  TYPE  LANGUAGE  CODE SET\n");
        let told = ended
            .events
            .iter()
            .any(|event| event.line.contains("does not answer the call attributes"));
        assert!(told, "{model:?}: {:?}", ended.events);
    }
}
