//! The daemon follows the model: whatever the server answers like, items are read, and called by what is
//! known.

use ewmirror::simulator::{Options, SimulatedModel};
use serde_json::Value;

use crate::attributes::{TELLING, server};
use crate::support::{Daemon, Kept, Setup, Sim, for_each, repositories};

/// Its settings.
fn setup(kept: &Kept, more: &str) -> Setup {
    let repositories = vec![format!("id = 10149\n{more}")];
    Setup { repositories, model: String::new(), ..kept.setup() }
}

/// A daemon of a mirror of repository 10149.
fn daemon(kept: &Kept, more: &str) -> Daemon {
    Daemon::run(&setup(kept, more))
}

/// What `attributes --json` says.
fn known(kept: &Kept) -> Value {
    let lines = kept.lines(&["attributes", "--repository", "10149", "--json"]);
    serde_json::from_str(&lines.concat()).expect("JSON")
}

fn exported(kept: &Kept, more: &[&str]) -> Vec<Value> {
    let lines = kept.lines(&[&["export", "--repository", "10149"], more].concat());
    lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn the_model_is_learnt_in_each_reading_and_items_are_called_by_it() {
    for_each(&TELLING, |model| {
        let sim = server(*model);
        let kept = Kept::new(&sim);
        let daemon = daemon(&kept, "");
        daemon.wait_for_pass(10_149, 1);
        let changed = daemon.wait_for(|it| it.is_of("model changed", 10_149));
        assert_eq!(changed.number("added"), 40, "{model:?}");
        assert!(changed.text("what").contains("code sets changed (Countries)"), "{model:?}");
        // Asked of the mirror while the daemon runs: nobody signs in for it.
        let document = known(&kept);
        assert_eq!(document["attributes"].as_array().unwrap().len(), 40, "{model:?}");
        assert!(document["server_at_ms"].is_i64() && document["from_file"] == false);
        assert_eq!(document["changes"].as_array().unwrap().len(), 1, "{model:?}");
        let answers = kept.lines(&["attributes", "--repository", "10149", "--answers"]);
        assert!(answers[0].starts_with("{\"call\":\"attributes\",\"subject\":\"\",\"answer\":"));
        let items = exported(&kept, &["--names", "--codes", "both"]);
        assert_eq!(items.len(), 3, "{model:?}");
        for (item, body) in items.iter().zip(sim.items(10_149)) {
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(item["Article number"], body["F_1004600"], "{model:?}");
            assert_eq!(item["itemId"], body["itemId"], "{model:?}");
            let country = &item["Country"];
            assert!(country.is_null() || country["description"].is_string(), "{model:?}: {item}");
        }
        assert_eq!(sim.counts().logins, 1, "{model:?}");
        daemon.stop();
    });
}

#[test]
fn a_server_that_tells_nothing_is_mirrored_as_ever_and_asked_for_nothing_twice() {
    let models = [SimulatedModel::None, SimulatedModel::Forbidden, SimulatedModel::Html];
    for_each(&models, |model| {
        let sim = server(*model);
        let kept = Kept::new(&sim);
        let daemon = daemon(&kept, "");
        let pass = daemon.wait_for_pass(10_149, 1);
        assert!(pass.truth("certified"), "{model:?}");
        let told = daemon.wait_for(|it| it.is_of("model call unanswered", 10_149));
        assert_eq!((told.text("call"), told.level()), ("attributes", "INFO"), "{model:?}");
        assert_eq!(exported(&kept, &["--names"])[0]["itemId"], exported(&kept, &[])[0]["itemId"]);
        let ended = daemon.stop();
        assert!(ended.all("model changed").is_empty(), "{model:?}");
        assert!(ended.all("request refused").is_empty(), "{model:?}");
        assert_eq!(sim.counts().logins, 1, "{model:?}");
    });
}

#[test]
fn a_names_file_wins_over_the_server_and_is_read_again_at_a_reload() {
    let sim = Sim::start(Options { model: SimulatedModel::Flat, ..repositories(&[(10_149, 3)]) });
    let kept = Kept::new(&sim);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("names.csv");
    std::fs::write(&file, "id,name\nF_1004600,Artikelnummer\n").unwrap();
    let names = format!("names_file = '{}'", file.display());
    let daemon = daemon(&kept, &names);
    daemon.wait_for(|it| it.is_of("model changed", 10_149));
    daemon.wait_for_pass(10_149, 1);
    assert_eq!(exported(&kept, &["--names"])[0]["Title"], exported(&kept, &[])[0]["F_1004601"]);
    let document = known(&kept);
    assert_eq!(document["attributes"][0]["name"], "Artikelnummer");
    assert_eq!(document["from_file"], true);
    std::fs::write(&file, "id,name\nF_1004600,Sachnummer\n").unwrap();
    let mark = daemon.mark();
    daemon.reload(&setup(&kept, &names));
    let changed = daemon.wait_from(mark, |it| it.is_of("model changed", 10_149));
    assert_eq!((changed.number("changed"), changed.number("added")), (1, 0));
    assert_eq!(known(&kept)["attributes"][0]["name"], "Sachnummer");
    daemon.stop();
}
