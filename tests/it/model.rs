//! The daemon follows the model: whatever the server answers like, items are read, and called by what is
//! known.

use ewmirror::simulator::{Options, SimulatedModel};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::attributes::{TELLING, server};
use crate::documents;
use crate::support::{Daemon, Kept, Setup, Sim, eventually, for_each, is_so, repositories, sim};

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
    // Nobody has configured a name, and the server's does as well.
    let by_name = kept.lines(&["attributes", "--repository", "Products", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&by_name.concat()).unwrap(), known(&kept));
    let by_name = kept.lines(&["export", "--repository", "Products", "--names"]);
    assert!(by_name[0].contains("\"Sachnummer\":"), "{by_name:?}");
    daemon.stop();
}

#[test]
fn items_are_read_by_name_in_the_documented_queries() {
    for_each(&TELLING, |model| {
        let sim = server(*model);
        let kept = Kept::new(&sim);
        let daemon = daemon(&kept, "");
        daemon.wait_for_pass(10_149, 1);
        daemon.wait_for(|it| it.is_of("model changed", 10_149));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(kept.database(), flags).unwrap();
        let mut queries = documents::blocks("docs/mirror.md", "sql");
        queries.retain(|it| it.contains("Products") || it.contains("FROM attribute"));
        assert_eq!(queries.len(), 2);
        let rows = |sql: &str| {
            let mut statement = connection.prepare(sql).unwrap_or_else(|it| panic!("{sql}: {it}"));
            let columns = statement.column_count();
            let row = |row: &rusqlite::Row<'_>| {
                (0..columns).map(|column| row.get(column)).collect::<rusqlite::Result<Vec<_>>>()
            };
            let rows = statement.query_map([], row).unwrap();
            rows.map(|row| row.unwrap()).collect::<Vec<Vec<Option<String>>>>()
        };
        let found = rows(&queries[0]);
        assert_eq!(found.len(), 3, "{model:?}");
        for (row, body) in found.iter().zip(sim.items(10_149)) {
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(row[0], Some(body["itemId"].to_string()), "{model:?}");
            assert_eq!(row[1].as_deref(), body["F_1004601"].as_str(), "{model:?}");
            let has_country = body["F_1004704"].is_string();
            assert_eq!(row[3].is_some(), has_country, "{model:?}: {row:?} {body}");
        }
        let told = rows(&queries[1]);
        assert_eq!(told[0][..3], ["Products", "Title", "Title"].map(|it| Some(it.to_owned())));
        // One column, and one view for each of the other nine languages.
        let described = rows("SELECT \"view\" FROM attribute WHERE \"column\" = 'Description'");
        assert_eq!(described.len(), 10, "{model:?}: {described:?}");
        assert_eq!(rows("SELECT Description FROM Products_fr").len(), 3, "{model:?}");
        daemon.stop();
    });
}

#[test]
fn the_status_says_what_the_server_calls_a_repository_and_when_its_model_was_read() {
    let sim = Sim::start(repositories(&[(10_149, 3)]));
    let kept = Kept::new(&sim);
    let port = sim::free_port();
    let status = format!("listen = '127.0.0.1:{port}'");
    let daemon = Daemon::run(&Setup { status, ..setup(&kept, "") });
    daemon.wait_for(|it| it.is_of("model changed", 10_149));
    let asked = || -> Value {
        let (_, text) = sim::request(([127, 0, 0, 1], port).into(), "GET", "/status", "");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        document["repositories"][0].clone()
    };
    // What is served is a moment old.
    let told = eventually(|| {
        let told = asked();
        is_so(!told["model_read_at_ms"].is_null(), || told.to_string()).map(|()| told)
    });
    assert_eq!(told["name"], "Products");
    daemon.stop();
    // The same of the database, once nobody writes it.
    let told = kept.status();
    let repositories = told["repositories"].as_array().expect("a list");
    let own = repositories.iter().find(|it| it["id"] == 10_149).expect("it is in the mirror");
    assert_eq!(own["name"], "Products");
    assert!(own["model_read_at_ms"].is_i64());
}

#[test]
fn once_reads_the_model_and_is_no_worse_where_there_is_none() {
    let models = [SimulatedModel::Flat, SimulatedModel::None];
    for_each(&models, |model| {
        let sim = server(*model);
        let kept = Kept::new(&sim);
        let ended = Daemon::start(&["once"], &setup(&kept, "")).finish();
        assert_eq!(ended.status.code(), Some(0), "{model:?}: {:?}", ended.events.last());
        assert_eq!(ended.all("pass complete").len(), 1, "{model:?}");
        let is_told = *model == SimulatedModel::Flat;
        assert_eq!(ended.all("model changed").len(), usize::from(is_told), "{model:?}");
        if is_told {
            assert_eq!(known(&kept)["attributes"].as_array().unwrap().len(), 40);
        }
        assert_eq!((sim.counts().logins, sim.counts().logouts), (1, 1), "{model:?}");
    });
}
