//! The file against what went into it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{SnapshotFacts, SnapshotFile, SnapshotFileError, SnapshotRepository};
use crate::domain::{ItemId, RepositoryId, Sequence};
use crate::json::members;
use crate::mirror::{MirrorView, ViewValue};
use crate::model::RepositoryModel;
use crate::model::shape::MirrorShape;

fn repository(id: u64, model: RepositoryModel) -> SnapshotRepository {
    let id_member = Some("itemId".to_owned());
    SnapshotRepository { id: RepositoryId(id), model, model_ms: Some(0), id_member }
}

/// What is known of products: a brand of a code set with a code below one that is not told, a text, and an
/// attribute without a column; and these attributes.
fn known(more: &[Value]) -> Value {
    let mut model = json!({
        "name": "Products",
        "attributes": [
            {"id": "F_1", "restricted_name": "Brand", "code_set": "Brands"},
            {"id": "F_2", "restricted_name": "Text"},
            {"id": "F_3", "restricted_name": "Depth", "name": "Depth (mm)", "relational": false},
        ],
        "code_sets": [{"name": "Brands", "codes": [
            {"code": "B", "description": "Bolt & Co", "parent": "up"},
            {"code": "N"},
            {"code": "B", "description": "again"},
        ]}],
    });
    model["attributes"].as_array_mut().unwrap().extend(more.iter().cloned());
    model
}

fn model(model: Value) -> RepositoryModel {
    serde_json::from_value(model).unwrap()
}

fn products() -> SnapshotRepository {
    repository(7, model(known(&[])))
}

struct Made {
    _folder: TempDir,
    path: PathBuf,
    connection: Connection,
}

impl Made {
    fn of(repositories: Vec<SnapshotRepository>, items: &[(u64, ItemId, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("out.db");
        write(&path, repositories, items).unwrap();
        let connection = Connection::open(&path).unwrap();
        let made = Self { _folder: folder, path, connection };
        assert_eq!(made.texts("PRAGMA foreign_key_check"), Vec::<Vec<String>>::new());
        assert_eq!(made.texts("PRAGMA integrity_check"), [["ok"]]);
        assert_eq!(made.texts("PRAGMA journal_mode"), [["delete"]]);
        made
    }

    /// The rows of an answer, null as a lozenge.
    fn texts(&self, sql: &str) -> Vec<Vec<String>> {
        let mut statement = self.connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            (0..columns)
                .map(|column| {
                    Ok(match row.get::<_, rusqlite::types::Value>(column)? {
                        rusqlite::types::Value::Null => "◊".to_owned(),
                        rusqlite::types::Value::Integer(number) => number.to_string(),
                        rusqlite::types::Value::Text(text) => text,
                        other => panic!("{other:?}"),
                    })
                })
                .collect()
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }
}

fn write(
    path: &Path,
    repositories: Vec<SnapshotRepository>,
    items: &[(u64, ItemId, &str)],
) -> Result<(), SnapshotFileError> {
    std::fs::write(path, "").unwrap();
    let mut file = SnapshotFile::begin(path, repositories, &MirrorShape::default(), || false)?;
    for (repository, id, body) in items {
        file.add_items(RepositoryId(*repository), &[(id.clone(), body.as_bytes().to_vec())])?;
    }
    file.complete(&SnapshotFacts {
        server: "example.com".to_owned(),
        taken_ms: 1_795_529_375_791,
        sequence: Sequence(460),
    })
}

fn number(id: i128) -> ItemId {
    ItemId::Integer(id)
}

#[test]
fn values_are_what_came() {
    let items = [
        (7, number(1), r#"{"itemId":1,"F_1":"B","F_2":"a\n\"ü\ud83d\ude00","F_3":1.10}"#),
        (7, number(2), r#"{"F_2":1.10,"itemId":2,"F_1":null,"F_9":[1, 2]}"#),
        (7, number(3), r#"{"itemId":3,"F_2":{"b": 1,"a":null},"F_2":1E+2,"F_3":null}"#),
        (7, number(4), r#"{"itemId":4,"F_2":"","F_9":"","F_2":null}"#),
    ];
    let made = Made::of(vec![products()], &items);
    assert_eq!(
        made.texts("SELECT * FROM Products ORDER BY InternalRecordId"),
        [["1", "B", "a\n\"ü😀"], ["2", "◊", "1.10"], ["3", "◊", "1E+2"], ["4", "◊", "◊"]]
    );
    assert_eq!(
        made.texts("SELECT * FROM Products_KV ORDER BY InternalRecordId"),
        [
            ["1", "Depth (mm)", "Depth", "1.10", "F_3"],
            ["2", "◊", "◊", "[1, 2]", "F_9"],
            ["4", "◊", "◊", "", "F_9"]
        ]
    );
    assert_eq!(
        made.texts("SELECT * FROM snapshot"),
        [["example.com", "2026-11-24T14:09:35.791Z", "460", env!("CARGO_PKG_VERSION")]]
    );
    assert_eq!(
        made.texts("SELECT * FROM repository"),
        [["7", "Products", "Products", "4", "1970-01-01T00:00:00.000Z"]]
    );
    assert_eq!(
        made.texts("SELECT \"view\", \"column\", field_id, code_view FROM attribute ORDER BY 3"),
        [
            ["Products", "Brand", "F_1", "Brands"],
            ["Products", "Text", "F_2", "◊"],
            ["Products_KV", "KeyValue", "F_3", "◊"]
        ]
    );
    assert_eq!(made.texts("PRAGMA application_id"), [["1702325619"]]);
    assert_eq!(made.texts("PRAGMA user_version"), [["1"]]);
}

#[test]
fn a_code_that_nobody_knows_is_there_without_a_description() {
    let items = [
        (7, number(1), r#"{"F_1":"X"}"#),
        (7, number(2), r#"{"F_1":5.0}"#),
        (7, number(3), r#"{"F_1":"N"}"#),
    ];
    let made = Made::of(vec![products()], &items);
    assert_eq!(
        made.texts("SELECT * FROM Brands ORDER BY code"),
        [
            ["5.0", "◊", "◊", "5.0"],
            ["B", "Bolt & Co", "up", "Bolt & Co"],
            ["N", "◊", "◊", "N"],
            ["X", "◊", "◊", "X"],
            ["up", "◊", "◊", "up"]
        ]
    );
    let keys =
        made.texts("SELECT \"table\", \"from\", \"to\" FROM pragma_foreign_key_list('Products')");
    assert_eq!(keys, [["Brands", "Brand", "code"]]);
    let indexes = "SELECT name FROM sqlite_schema WHERE sql LIKE '%\"Products\" (\"Brand\")'";
    assert_eq!(made.texts(indexes).len(), 1);
}

#[test]
fn a_column_that_holds_a_list_has_no_key_and_the_others_have_theirs() {
    let origin = json!({"id": "F_4", "restricted_name": "Origin", "code_set": "Brands"});
    let model = model(known(&[origin]));
    let items = [
        (7, number(1), r#"{"F_1":["B", "N"],"F_4":"Q"}"#),
        (7, number(2), r#"{"F_1":"B","F_4":"N"}"#),
    ];
    let made = Made::of(vec![repository(7, model)], &items);
    let keys = made.texts("SELECT \"from\" FROM pragma_foreign_key_list('Products')");
    assert_eq!(keys, [["Origin"]]);
    assert_eq!(made.texts("SELECT Brand FROM Products ORDER BY 1"), [["B"], ["[\"B\", \"N\"]"]]);
    let codes = made.texts("SELECT code FROM Brands ORDER BY 1");
    assert_eq!(codes, [["B"], ["N"], ["Q"], ["up"]]);
    // It can still be written to by who gets it.
    made.connection.execute_batch("INSERT INTO Products VALUES ('3', 'x', NULL, 'N')").unwrap();
}

#[test]
fn an_id_that_reads_like_another_stays_an_item_of_its_own() {
    let text = |id: &str| ItemId::Text(id.into());
    let items = [
        (7, number(7), r#"{"F_2":"number"}"#),
        (7, text("7"), r#"{"F_2":"text","F_3":1}"#),
        (7, text("007"), r#"{"F_2":"other"}"#),
    ];
    let made = Made::of(vec![products()], &items);
    let rows = made.texts("SELECT InternalRecordId, Text FROM Products ORDER BY 1");
    assert_eq!(rows, [["\"7\"", "text"], ["007", "other"], ["7", "number"]]);
    assert_eq!(made.texts("SELECT InternalRecordId FROM Products_KV"), [["\"7\""]]);
}

#[test]
fn a_repository_of_which_nothing_is_known_has_its_items_as_they_came() {
    let bodies = [r#"{ "itemId" : 1 , "x":1.10}"#, r#"{"itemId":2}"#];
    let items = [(8, number(1), bodies[0]), (8, number(2), bodies[1])];
    let made = Made::of(vec![repository(8, RepositoryModel::default())], &items);
    let rows = made.texts("SELECT InternalRecordId, body FROM repository_8 ORDER BY 1");
    assert_eq!(rows, [["1", bodies[0]], ["2", bodies[1]]]);
    let tables =
        made.texts("SELECT name FROM sqlite_schema WHERE name LIKE 'repository\\_%' ESCAPE '\\'");
    assert_eq!(tables, [["repository_8"]], "and no table of keys and values");
}

#[test]
fn languages_and_links_refer_to_their_items() {
    let title = |id: &str, language: &str| json!({"id": id, "restricted_name": "Title", "language": language});
    let mut products = known(&[title("F_5", "en"), title("F_6", "fr")]);
    products["links"] = json!([
        {"id": "77", "name": "Images", "parent": "7", "child": "8", "pairs": [["F_2", "F_1"]]},
    ]);
    let images = json!({
        "name": "DamMaster", "attributes": [{"id": "F_1", "restricted_name": "Path"}],
    });
    let items = [
        (7, number(1), r#"{"F_2":"a.png","F_5":"Drill","F_6":"Perceuse"}"#),
        (7, number(2), r#"{"F_2":"gone.png","F_5":"Saw"}"#),
        (7, number(3), r#"{"F_2":""}"#),
        (8, number(1), r#"{"F_1":"a.png"}"#),
        (8, number(2), r#"{"F_1":"a.png"}"#),
        (8, number(3), r#"{"F_1":""}"#),
    ];
    let made = Made::of(vec![repository(7, model(products)), repository(8, model(images))], &items);
    let titles = "SELECT t.Title, f.Title FROM Products AS t JOIN Products_fr AS f \
                  USING (InternalRecordId) ORDER BY t.InternalRecordId";
    assert_eq!(made.texts(titles), [["Drill", "Perceuse"], ["Saw", "◊"], ["◊", "◊"]]);
    let pairs = made.texts("SELECT * FROM Images ORDER BY 1, 2");
    assert_eq!(pairs, [["1", "1"], ["1", "2"]]);
    let keys = "SELECT \"from\", \"table\" FROM pragma_foreign_key_list('Images') ORDER BY 1";
    let told = [["ChildInternalRecordId", "DamMaster"], ["ParentInternalRecordId", "Products"]];
    assert_eq!(made.texts(keys), told);
    assert_eq!(made.texts("SELECT * FROM link"), [["77", "Images", "1", "7", "F_2", "8", "F_1"]]);
}

#[test]
fn what_is_published_keeps_its_names_and_columns() {
    let mut before = known(&[]);
    before["attributes"][1]["restricted_name"] = json!("Wording");
    let before = [(RepositoryId(7), model(before))].into();
    let published = MirrorShape::default().grown(&before);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap().join("out.db");
    std::fs::write(&path, "").unwrap();
    let mut file = SnapshotFile::begin(&path, vec![products()], &published, || false).unwrap();
    let item = (number(1), b"{\"F_2\":\"x\",\"F_1\":\"B\"}".to_vec());
    file.add_items(RepositoryId(7), &[item]).unwrap();
    let facts = SnapshotFacts { server: "h".to_owned(), taken_ms: 0, sequence: Sequence(3) };
    file.complete(&facts).unwrap();
    let connection = Connection::open(&path).unwrap();
    let made = Made { _folder: folder, path, connection };
    assert_eq!(made.texts("SELECT Brand, Wording, Text FROM Products"), [["B", "x", "x"]]);
    let columns = "SELECT \"column\" FROM attribute WHERE field_id = 'F_2'";
    assert_eq!(made.texts(columns), [["Text"], ["Wording"]]);
}

#[test]
fn rows_of_views_are_there_with_the_body_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap().join("out.db");
    std::fs::write(&path, "").unwrap();
    let mut file =
        SnapshotFile::begin(&path, vec![products()], &MirrorShape::default(), || false).unwrap();
    let text = |text: &str| ViewValue::Text(text.as_bytes().to_vec());
    let row = vec![ViewValue::Number(7), text("1"), text("{}"), ViewValue::Number(3), text("t")];
    file.add_rows(MirrorView::Items, &[row]).unwrap();
    let facts = SnapshotFacts { server: "h".to_owned(), taken_ms: 0, sequence: Sequence(3) };
    file.complete(&facts).unwrap();
    let connection = Connection::open(&path).unwrap();
    let made = Made { _folder: folder, path, connection };
    let rows = "SELECT repository, id, body, json, sequence, changed_at FROM items";
    assert_eq!(made.texts(rows), [["7", "1", "{}", "{}", "3", "t"]]);
    for empty in ["changes", "history", "passes"] {
        assert_eq!(made.texts(&format!("SELECT count(*) FROM {empty}")), [["0"]]);
    }
}

#[test]
fn what_watches_ends_it_and_what_is_no_object_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap().join("out.db");
    std::fs::write(&path, "").unwrap();
    let mut file =
        SnapshotFile::begin(&path, vec![products()], &MirrorShape::default(), || true).unwrap();
    let many: Vec<_> = (0..50_000).map(|id| (number(id), b"{\"F_2\":\"x\"}".to_vec())).collect();
    let facts = SnapshotFacts { server: String::new(), taken_ms: 0, sequence: Sequence(0) };
    let ended = match file.add_items(RepositoryId(7), &many) {
        Ok(()) => file.complete(&facts),
        ended => ended,
    };
    assert!(ended.unwrap_err().is_interrupt());
    let path = path.with_file_name("other.db");
    let error = write(&path, vec![products()], &[(7, number(3), "[3]")]).unwrap_err();
    assert_eq!(error.to_string(), "item 3 does not fit in a table");
    let half = Connection::open(&path)
        .and_then(|it| it.pragma_query_value(None, "application_id", |row| row.get::<_, i64>(0)));
    assert!(half.is_ok_and(|id| id == 0));
}

fn any_value() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "null",
        "\"\"",
        "\"B\"",
        "\"N\"",
        "\"x'\\\"y\"",
        "1.10",
        "-0.0",
        "1E400",
        "true",
        "[]",
        "[1, \"B\"]",
        "{\"a\": 1}",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "\"up\"",
    ])
    .prop_map(str::to_owned)
}

fn any_item() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop::sample::select(vec!["F_1", "F_2", "F_3", "F_4", "x", "\\u0046_1", "itemId2"]);
    prop::collection::vec((name.prop_map(str::to_owned), any_value()), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever items hold, the file has it all: in a column, or among keys and values.
    #[test]
    fn an_item_read_back_has_every_value(items in prop::collection::vec(any_item(), 1..6)) {
        let bodies: Vec<String> = items.iter().map(|members| {
            let members = members.iter().map(|(name, value)| format!("\"{name}\":{value}"));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }).collect();
        let rows: Vec<_> =
            (0..).zip(&bodies).map(|(id, body)| (7, number(id), body.as_str())).collect();
        let made = Made::of(vec![products()], &rows);
        for (id, body) in bodies.iter().enumerate() {
            let mut expected: BTreeMap<String, String> = BTreeMap::new();
            for member in members::of(body.as_bytes()).unwrap() {
                let value = member.value.get();
                let text = serde_json::from_str::<Value>(value).ok();
                let text = text.and_then(|it| it.as_str().map(str::to_owned));
                expected.insert(member.name.into_owned(), text.unwrap_or(value.to_owned()));
            }
            expected.retain(|_, value| value != "null");
            let wide = format!(
                "SELECT 'F_1', Brand FROM Products WHERE InternalRecordId = '{id}' UNION ALL \
                 SELECT 'F_2', Text FROM Products WHERE InternalRecordId = '{id}' UNION ALL \
                 SELECT KeyFieldId, KeyValue FROM Products_KV WHERE InternalRecordId = '{id}'"
            );
            let rows = made.texts(&wide).into_iter().map(|row| (row[0].clone(), row[1].clone()));
            let mut found: BTreeMap<String, String> = rows.collect();
            found.retain(|_, value| value != "◊");
            prop_assert_eq!(found, expected);
        }
        prop_assert!(made.path.exists());
    }
}
