//! The views of the models in a schema, and that both stores say the same.

use std::time::Duration;

use tokio::time::sleep;

use super::place::{Place, aside, lease};
use crate::mirror::Lease;
use crate::mirror::contract::published::{
    NamedViews, attribute, expect_many, expect_other_names, expect_the_world, fill, model, publish,
    publish_a_world, publish_hostile_names, publish_many, publish_own_names,
};
use crate::mirror::sqlite::tests::Place as File;
use crate::mirror::sqlite::tests::published::named_views as named_views_of_file;

/// What all views say that are made of the models, and `attribute`.
pub(super) async fn named_views(place: &Place) -> NamedViews {
    let client = place.client().await;
    let names = "SELECT name FROM published_view UNION ALL SELECT 'attribute'";
    let mut views = NamedViews::new();
    for row in client.query(names, &[]).await.unwrap() {
        let name: String = row.get(0);
        let quoted = format!("\"{}\".\"{}\"", place.address.schema, name.replace('"', "\"\""));
        let statement = client.prepare(&format!("SELECT * FROM {quoted}")).await.unwrap();
        let columns: Vec<String> =
            statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let texts: Vec<String> = columns
            .iter()
            .map(|column| match column.as_str() {
                "relational" if name == "attribute" => "relational::int::text".to_owned(),
                column => format!("\"{}\"::text", column.replace('"', "\"\"")),
            })
            .collect();
        // A row has at most 1,664 columns.
        let rows =
            client.query(&format!("SELECT {} FROM {quoted}", texts.join(", ")), &[]).await.unwrap();
        let cells = |row: &tokio_postgres::Row| (0..columns.len()).map(|at| row.get(at)).collect();
        let rows = rows.iter().map(cells).collect();
        views.insert(name, (columns, rows));
    }
    views
}

/// With their rows in one order.
pub(super) fn sorted(mut views: NamedViews) -> NamedViews {
    for (_, rows) in views.values_mut() {
        rows.sort();
    }
    views
}

#[test]
fn the_views_of_a_model_say_what_items_hold_as_it_was_written() {
    let Some(place) = Place::new() else { return };
    aside(async {
        publish_a_world(&place.mirror(), &lease()).await;
        expect_the_world(named_views(&place).await);
    });
}

#[test]
fn both_stores_say_the_same_whatever_names_there_are() {
    let Some(place) = Place::new() else { return };
    let file = File::new();
    aside(async {
        publish_hostile_names(&place.mirror(), &lease()).await;
        publish_hostile_names(&file.open(), &Lease::sole()).await;
        let (here, there) = (sorted(named_views(&place).await), sorted(named_views_of_file(&file)));
        assert!(here.len() > 10, "{:?}", here.keys());
        assert_eq!(here.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>());
        for (name, view) in &here {
            assert_eq!(Some(view), there.get(name), "{name}");
        }
    });
}

#[test]
fn a_thousand_attributes_have_columns_and_five_thousand_are_keys_and_values() {
    let Some(place) = Place::new() else { return };
    aside(async {
        publish_many(&place.mirror(), &lease()).await;
        expect_many(&named_views(&place).await);
    });
}

#[test]
fn somebody_elses_view_on_top_outlives_each_change_of_the_model() {
    let Some(place) = Place::new() else { return };
    aside(async {
        let (mirror, lease) = (place.mirror(), lease());
        let first = model("P", [attribute("F_1", "A"), attribute("F_2", "B")]);
        assert_eq!(publish(&mirror, &lease, 1, first.clone()).await, []);
        fill(&mirror, &lease, 1, &[r#"{"F_1":1.10,"F_3":3}"#.to_owned()]).await;
        let client = place.client().await;
        let own = format!(
            "CREATE VIEW \"{}\".own AS SELECT \"A\", \"B\" FROM \"P\" \
             WHERE \"InternalRecordId\" = '1'",
            place.address.schema
        );
        client.batch_execute(&own).await.unwrap();
        let mut retyped = attribute("F_1", "A");
        retyped.data_type = Some("Number".to_owned());
        let mut coded = model("P", [attribute("F_1", "C"), attribute("F_3", "a")]);
        coded.take_codes_for_tests("Sizes", &[("1.10", "one")]);
        let mut with_codes = attribute("F_1", "C");
        with_codes.code_set = Some("Sizes".to_owned());
        let mut many = coded.clone();
        many.attributes.clear();
        many.add_attribute(with_codes);
        let models = [
            model("P", [retyped, attribute("F_2", "B")]),
            model("P", [attribute("F_1", "A"), attribute("F_2", "B"), attribute("F_4", "D")]),
            coded,
            many,
            model("P", []),
            first,
        ];
        for model in models {
            assert_eq!(publish(&mirror, &lease, 1, model).await, []);
            let row = client.query_one("SELECT * FROM own", &[]).await.unwrap();
            let found: (Option<&str>, Option<&str>) = (row.get(0), row.get(1));
            assert_eq!(found, (Some("1.10"), None));
        }
        let views = named_views(&place).await;
        assert_eq!(views["P"].0[..5], ["InternalRecordId", "A", "B", "D", "C"]);
        assert_eq!(views["Sizes"].1, Vec::<Vec<Option<String>>>::new());
    });
}

#[test]
fn a_body_that_cannot_be_read_is_a_row_of_nulls() {
    let Some(place) = Place::new() else { return };
    aside(async {
        let (mirror, lease) = (place.mirror(), lease());
        assert_eq!(publish(&mirror, &lease, 1, model("P", [attribute("F_1", "A")])).await, []);
        let far = format!(r#"{{"F_1":1e{}}}"#, "9".repeat(9));
        let bodies = [r#"{"F_1":"a\u0000b"}"#, r#"{"F_1":"ok","x":"\ud800"}"#, far.as_str()];
        fill(&mirror, &lease, 1, &bodies.map(str::to_owned)).await;
        let (_, mut rows) = named_views(&place).await.remove("P").unwrap();
        rows.sort();
        let values: Vec<Option<&str>> = rows.iter().map(|row| row[1].as_deref()).collect();
        assert_eq!(values, [None, None, Some("1e999999999")]);
    });
}

#[test]
fn what_is_refused_costs_no_model_and_is_tried_again() {
    let Some(place) = Place::new() else { return };
    aside(async {
        let (mirror, lease) = (place.mirror(), lease());
        let client = place.client().await;
        let taken =
            format!("CREATE VIEW \"{}\".\"Products\" AS SELECT 1 AS a", place.address.schema);
        client.batch_execute(&taken).await.unwrap();
        let products = || model("Products", [attribute("F_1", "A")]);
        for _ in 0..2 {
            let refused = publish(&mirror, &lease, 1, products()).await;
            assert_eq!(refused.len(), 1);
            assert_eq!(refused[0].view, "Products");
        }
        client.batch_execute("DROP VIEW \"Products\"").await.unwrap();
        assert_eq!(publish(&mirror, &lease, 1, products()).await, []);
        assert_eq!(named_views(&place).await["Products"].0, ["InternalRecordId", "A"]);
    });
}

#[test]
fn a_model_that_is_saved_while_another_is_published_is_published_too() {
    let Some(place) = Place::new() else { return };
    aside(async {
        let (first, second, lease) = (place.mirror(), place.mirror(), lease());
        assert_eq!(publish(&first, &lease, 1, model("P", [attribute("F_1", "A")])).await, []);
        let (mut keeper, client) = (place.client().await, place.client().await);
        // Who publishes has read the models by the time that it writes columns.
        let kept = keeper.transaction().await.unwrap();
        kept.batch_execute("LOCK TABLE published_column IN SHARE MODE").await.unwrap();
        let more = model("P", [attribute("F_1", "A"), attribute("F_2", "B")]);
        let meanwhile = async {
            place.waiting(1).await;
            let free = async {
                let saved = "SELECT EXISTS (SELECT FROM model WHERE repository = 2)";
                while !client.query_one(saved, &[]).await.unwrap().get::<_, bool>(0) {
                    sleep(Duration::from_millis(5)).await;
                }
                kept.commit().await.unwrap();
            };
            let saved = publish(&second, &lease, 2, model("Q", [attribute("F_1", "A")]));
            tokio::join!(saved, free).0
        };
        let refused = tokio::join!(publish(&first, &lease, 1, more), meanwhile);
        assert_eq!(refused, (vec![], vec![]));
        let views = named_views(&place).await;
        assert_eq!(views["P"].0, ["InternalRecordId", "A", "B"]);
        assert_eq!(views["Q"].0, ["InternalRecordId", "A"]);
    });
}

#[test]
fn a_repository_may_be_called_like_anything_of_the_store() {
    let Some(place) = Place::new() else { return };
    aside(async {
        let of = "SELECT relname::text FROM pg_class WHERE relnamespace = $1::text::regnamespace";
        let schema = format!("\"{}\"", place.address.schema);
        let rows = place.client().await.query(of, &[&schema]).await.unwrap();
        let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let lease = lease();
        for (repository, _) in (1..).zip(&names) {
            place.hand_over(repository, &lease.owner, 1).await;
        }
        publish_own_names(&place.mirror(), &lease, &names).await;
        expect_other_names(named_views(&place).await, &names);
    });
}
