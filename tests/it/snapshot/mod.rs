//! `snapshot`: one file that has what the mirror has, from each store, whatever goes on meanwhile.

mod browser;
mod place;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ewmirror::simulator::Options;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use serde_json::value::RawValue;
use tempfile::TempDir;

use crate::mirror::{edit, ids, next_pass};
use crate::support::{Daemon, Kept, Setup, Sim, is_thorough, repositories};

/// What an item says: each member that is not null, as a text.
type Members = BTreeMap<String, String>;

/// Pages of repositories 1 and 2, and their models.
fn setup(kept: &Kept) -> Setup {
    let repositories = vec!["id = 1".to_owned(), "id = 2".to_owned()];
    Setup { repositories, model: String::new(), ..kept.setup() }
}

/// A daemon that has read all items, and what is known of them.
fn daemon(kept: &Kept) -> Daemon {
    let daemon = Daemon::run(&setup(kept));
    for repository in [1, 2] {
        daemon.wait_for_pass(repository, 1);
        daemon.wait_for(|it| it.is_of("model changed", repository));
    }
    daemon
}

/// A mirror that no daemon writes any more.
fn mirrored(sim: &Sim) -> Kept {
    let kept = Kept::new(sim);
    daemon(&kept).stop();
    kept
}

/// A folder, and the file that is made in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("a directory for the test"))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("out.db")
    }

    /// The names in the folder.
    fn names(&self) -> Vec<String> {
        names(self.0.path())
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.expect("an entry").file_name().to_string_lossy().into_owned()
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

fn path(file: &Path) -> &str {
    file.to_str().expect("the system's directory has a plain name")
}

/// A file that was made.
struct Snapshot(Connection);

impl Snapshot {
    /// Opens it as any program would, and sees that SQLite finds nothing wrong with it.
    fn open(file: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let snapshot = Self(Connection::open_with_flags(file, flags).expect("it is a database"));
        assert_eq!(snapshot.rows("PRAGMA integrity_check"), [[Some("ok".to_owned())]]);
        assert_eq!(snapshot.rows("PRAGMA journal_mode"), [[Some("delete".to_owned())]]);
        assert!(snapshot.rows("PRAGMA foreign_key_check").is_empty());
        snapshot
    }

    /// The rows of an answer, as texts.
    fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let mut statement = self.0.prepare(sql).expect("the tables are there");
        let columns = statement.column_count();
        let text = |value: rusqlite::types::ValueRef<'_>| match value {
            rusqlite::types::ValueRef::Null => None,
            rusqlite::types::ValueRef::Integer(number) => Some(number.to_string()),
            rusqlite::types::ValueRef::Text(text) => {
                Some(String::from_utf8(text.to_vec()).expect("UTF-8"))
            }
            other => panic!("{other:?}"),
        };
        let rows = statement.query_map([], |row| {
            (0..columns).map(|column| Ok(text(row.get_ref(column)?))).collect()
        });
        rows.expect("it can be asked").collect::<Result<_, _>>().expect("it can be read")
    }

    fn texts(&self, sql: &str) -> Vec<Vec<String>> {
        let row = |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default);
        self.rows(sql).into_iter().map(|it| row(it).collect()).collect()
    }

    /// The change that it was taken after.
    fn sequence(&self) -> String {
        self.texts("SELECT sequence FROM snapshot").concat().concat()
    }

    /// The items of a repository by id, put together from all tables.
    fn items(&self, repository: u64) -> BTreeMap<String, Members> {
        let table = format!("SELECT table_name FROM repository WHERE id = {repository}");
        let main = self.texts(&table).concat().concat();
        let ids = self.texts(&format!("SELECT InternalRecordId FROM \"{main}\""));
        let mut items: BTreeMap<String, Members> =
            ids.into_iter().map(|row| (row.concat(), Members::new())).collect();
        let mut put = |id: &str, field_id: &str, value: Option<String>| {
            let item = items.get_mut(id).expect("it is an item");
            if let Some(value) = value {
                assert_eq!(item.insert(field_id.to_owned(), value), None, "{field_id} of {id}");
            }
        };
        let columns = self.texts(&format!(
            "SELECT \"view\", \"column\", field_id FROM attribute \
             WHERE repository = {repository} AND \"column\" <> 'KeyValue'"
        ));
        for column in columns {
            let [view, column, field_id] = column.try_into().expect("three columns");
            let sql = format!("SELECT InternalRecordId, \"{column}\" FROM \"{view}\"");
            for row in self.rows(&sql) {
                let [id, value] = row.try_into().expect("two columns");
                put(&id.expect("an id"), &field_id, value);
            }
        }
        let others = format!("SELECT name FROM sqlite_schema WHERE name = '{main}_KV'");
        if !self.rows(&others).is_empty() {
            let sql = format!("SELECT InternalRecordId, KeyFieldId, KeyValue FROM \"{main}_KV\"");
            for row in self.texts(&sql) {
                let [id, field_id, value] = row.try_into().expect("three columns");
                put(&id, &field_id, Some(value));
            }
        }
        items
    }
}

/// What an export says of each item, in the form that a file has it.
fn exported(lines: &[String]) -> BTreeMap<String, Members> {
    let item = |line: &String| {
        let members: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(line).expect("items are JSON");
        let text = |value: &RawValue| match value.get() {
            "null" => None,
            text if text.starts_with('"') => serde_json::from_str(text).expect("it is a text"),
            other => Some(other.to_owned()),
        };
        let id = text(&members["itemId"]).expect("an item has an id");
        let members = members.iter().filter(|(name, _)| *name != "itemId");
        let members =
            members.filter_map(|(name, value)| Some((name.clone(), text(value.as_ref())?)));
        (id, members.collect())
    };
    lines.iter().map(item).collect()
}

fn it_has_what_the_mirror_has(sim: &Sim, kept: &Kept) {
    let daemon = daemon(kept);
    let there = ids(sim);
    edit(sim, json!({"insert": 9, "delete": there[5..10], "update": there[100..150]}));
    next_pass(&daemon);
    next_pass(&daemon);
    let place = Place::new();
    let told = kept.lines(&["snapshot", path(&place.file()), "--history"]);
    let snapshot = Snapshot::open(&place.file());
    let sequence = snapshot.sequence();
    let count = ids(sim).len() + 200;
    let expected = format!(
        "{}: {count} items of 2 repositories at sequence {sequence}, ",
        place.file().display()
    );
    assert!(told[0].starts_with(&expected) && told.len() == 1, "{told:?}");
    assert_eq!(place.names(), ["out.db"]);
    for repository in [1, 2] {
        assert!(snapshot.items(repository) == exported(&kept.export(repository)), "{repository}");
    }
    assert_eq!(
        snapshot.texts("SELECT server, version FROM snapshot"),
        [[sim.address().to_string(), env!("CARGO_PKG_VERSION").to_owned()]]
    );
    assert_eq!(
        snapshot.texts("SELECT id, name, table_name, items FROM repository"),
        [
            ["1", "Products 1", "Products 1", &(count - 200).to_string()],
            ["2", "Products 2", "Products 2", "200"]
        ]
    );
    let codes = snapshot.texts("SELECT code, description, parent FROM Countries WHERE code = 'DE'");
    assert_eq!(codes, [["DE", "Germany", "EU"]]);

    // The log.
    let changes: Vec<Vec<String>> = kept
        .changes(0)
        .iter()
        .map(|it| {
            let body =
                |body: &Option<Box<RawValue>>| body.as_ref().map_or("", |it| it.get()).to_owned();
            let source = &it.source;
            vec![
                source.sequence.to_string(),
                source.repository.to_string(),
                source.item.to_string(),
                it.op.clone(),
                source.iteration.to_string(),
                body(&it.before),
                body(&it.after),
            ]
        })
        .collect();
    let logged = "SELECT sequence, repository, id, op, iteration, \"before\", \"after\" FROM changes \
                  ORDER BY sequence";
    assert!(snapshot.texts(logged) == changes, "not the changes");
    let versions = changes.iter().filter(|change| change[3] != "d");
    let count = versions.count().to_string();
    assert_eq!(snapshot.texts("SELECT count(*) FROM history"), [[count]]);
    let open = "SELECT repository, id, body, json, from_sequence FROM history \
                WHERE valid_to IS NULL ORDER BY 1, 2";
    let items = "SELECT repository, id, body, json, sequence FROM items ORDER BY 1, 2";
    assert!(snapshot.texts(open) == snapshot.texts(items), "not the items");
    assert_eq!(snapshot.texts("SELECT DISTINCT length(valid_from) FROM history"), [["24"]]);
    let passes = snapshot.texts("SELECT repository, iteration, items, certified FROM passes");
    assert!(passes.contains(&["2", "1", "200", "1"].map(str::to_owned).to_vec()), "{passes:?}");
    daemon.stop();
}

#[test]
fn it_has_what_a_mirror_in_a_file_has() {
    let sim = Sim::start(repositories(&[(1, 600), (2, 200)]));
    it_has_what_the_mirror_has(&sim, &Kept::new(&sim));
}

#[test]
fn it_has_what_a_mirror_in_a_server_has() {
    let sim = Sim::start(repositories(&[(1, 600), (2, 200)]));
    let Some(kept) = Kept::in_postgres(&sim) else { return };
    it_has_what_the_mirror_has(&sim, &kept);
}

fn it_is_one_instant(kept: &Kept) {
    let mut setup = setup(kept);
    setup.paging = setup.paging.replace("'1h'", "'1ms'");
    let daemon = Daemon::run(&setup);
    for repository in [1, 2] {
        daemon.wait_for_pass(repository, 1);
        daemon.wait_for(|it| it.is_of("model changed", repository));
    }
    let mut sequences = Vec::new();
    for round in 0..3 {
        let place = Place::new();
        kept.lines(&["snapshot", path(&place.file())]);
        let snapshot = Snapshot::open(&place.file());
        let sequence = snapshot.sequence();
        for repository in ["1", "2"] {
            let export = ["export", "--repository", repository, "--as-of", &sequence];
            let expected = exported(&kept.lines(&export));
            let found = snapshot.items(repository.parse().expect("a number"));
            assert!(found == expected, "repository {repository} at {sequence}");
        }
        sequences.push(sequence.parse::<u64>().expect("a number"));
        // Something is written between two of them, and so while each is taken.
        let mark = daemon.mark();
        daemon.wait_from(mark, |it| it.is("pass complete") && it.number("updated") > round);
    }
    assert!(sequences.is_sorted() && sequences[0] < sequences[2], "{sequences:?}");
    daemon.stop();
}

/// A server whose items change all the time.
fn restless() -> Sim {
    let fewer = if is_thorough() { 1_usize } else { 2 };
    Sim::start(Options {
        update_rate: 300.0 / fewer as f64,
        insert_rate: 20.0,
        delete_rate: 20.0,
        ..repositories(&[(1, 2000 / fewer), (2, 1000 / fewer)])
    })
}

#[test]
fn while_a_daemon_writes_a_file_it_is_one_instant() {
    let sim = restless();
    it_is_one_instant(&Kept::new(&sim));
}

#[test]
fn while_a_daemon_writes_to_a_server_it_is_one_instant() {
    let sim = restless();
    let Some(kept) = Kept::in_postgres(&sim) else { return };
    it_is_one_instant(&kept);
}
