//! The views of the models in a database file.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::Place;
use crate::mirror::Lease;
use crate::mirror::contract::published::{
    NamedViews, attribute, expect_many, expect_other_names, expect_the_world, fill, model, publish,
    publish_a_world, publish_many, publish_own_names,
};

/// What all views say that are made of the models, and `attribute`.
pub(in crate::mirror) fn named_views(place: &Place) -> NamedViews {
    let connection = Connection::open(place.file()).unwrap();
    let names: Vec<String> = connection
        .prepare("SELECT name FROM published_view UNION ALL SELECT 'attribute'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    let views = names.into_iter().map(|name| {
        let sql = format!("SELECT * FROM \"{}\"", name.replace('"', "\"\""));
        let mut statement = connection.prepare(&sql).unwrap();
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let text = |value: ValueRef<'_>| match value {
            ValueRef::Null => None,
            ValueRef::Integer(number) => Some(number.to_string()),
            ValueRef::Text(text) => Some(str::from_utf8(text).unwrap().to_owned()),
            other => panic!("{other:?} in {name}"),
        };
        let rows = statement
            .query_map([], |row| (0..columns.len()).map(|at| Ok(text(row.get_ref(at)?))).collect())
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        (name, (columns, rows))
    });
    views.collect()
}

#[tokio::test]
async fn the_views_of_a_model_say_what_items_hold_as_it_was_written() {
    let place = Place::new();
    let mirror = place.open();
    publish_a_world(&mirror, &Lease::sole()).await;
    expect_the_world(named_views(&place));
}

#[tokio::test]
async fn a_thousand_attributes_have_columns_and_five_thousand_are_keys_and_values() {
    let place = Place::new();
    publish_many(&place.open(), &Lease::sole()).await;
    expect_many(&named_views(&place));
}

#[tokio::test]
async fn a_view_only_gains_columns_and_another_reader_never_misses_one() {
    let place = Place::new();
    let (mirror, lease) = (place.open(), Lease::sole());
    publish(&mirror, &lease, 1, model("P", [attribute("F_1", "A"), attribute("F_2", "B")])).await;
    fill(&mirror, &lease, 1, &[r#"{"F_1":1,"F_3":3}"#.to_owned()]).await;
    let reader = Connection::open(place.file()).unwrap();
    let mut asked = reader.prepare("SELECT A, B FROM P").unwrap();
    let renamed = model("P", [attribute("F_1", "C"), attribute("F_3", "a")]);
    assert_eq!(publish(&mirror, &lease, 1, renamed).await, []);
    let found: (String, Option<String>) =
        asked.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(found, ("1".to_owned(), None));
    let (columns, rows) = named_views(&place).remove("P").unwrap();
    assert_eq!(columns[..4], ["InternalRecordId", "A", "B", "C"]);
    assert!(columns[4].starts_with("a_"), "{columns:?}");
    assert_eq!(rows[0][3..], [Some("1".to_owned()), Some("3".to_owned())]);
}

#[tokio::test]
async fn what_is_refused_costs_no_model_and_is_tried_again() {
    let place = Place::new();
    let (mirror, lease) = (place.open(), Lease::sole());
    let other = Connection::open(place.file()).unwrap();
    for kind in ["TABLE Products (a)", "VIEW Products AS SELECT 7 AS a"] {
        other.execute_batch(&format!("CREATE {kind}")).unwrap();
        for _ in 0..2 {
            let refused =
                publish(&mirror, &lease, 1, model("Products", [attribute("F_1", "A")])).await;
            assert_eq!(refused.len(), 1);
            assert_eq!(refused[0].view, "Products");
            assert!(refused[0].error.contains("already"), "{refused:?}");
        }
        // It is still somebody's own.
        other.prepare("SELECT a FROM Products").unwrap();
        let kind = kind.split(' ').next().unwrap();
        other.execute_batch(&format!("DROP {kind} Products")).unwrap();
    }
    let refused = publish(&mirror, &lease, 1, model("Products", [attribute("F_1", "A")])).await;
    assert_eq!(refused, []);
    assert_eq!(named_views(&place)["Products"].0, ["InternalRecordId", "A"]);
}

#[tokio::test]
async fn a_repository_may_be_called_like_anything_of_the_store() {
    let place = Place::new();
    let mirror = place.open();
    let names: Vec<String> = Connection::open(place.file())
        .unwrap()
        .prepare("SELECT name FROM sqlite_master")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    publish_own_names(&mirror, &Lease::sole(), &names).await;
    expect_other_names(named_views(&place), &names);
}
