//! What the pure function says of `jsonb`, against the server's own.

use std::cell::Cell;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::place::{Place, lease, page};
use crate::domain::RepositoryId;
use crate::json::{canonical, jsonb};
use crate::mirror::contracts::RepositoryWriter;
use crate::mirror::postgres::writer::PostgresWriter;

/// JSON texts, with what `jsonb` may trip over.
fn any_json() -> impl Strategy<Value = String> {
    let number = "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,10})?([eE][+-]?[0-9]{1,3})?";
    let string = prop_oneof![
        4 => "[a-cä€😀 ]{0,4}",
        1 => Just("\\u0061".to_owned()),
        1 => Just("\\n\\\"\\\\\\/".to_owned()),
        1 => Just("\\ud83d\\ude00".to_owned()),
        1 => Just("\\ud83d".to_owned()),
        1 => Just("\\ude00\\ud83d".to_owned()),
        1 => Just("\\u0000".to_owned()),
        1 => Just("\u{7f}\u{85}\u{feff}\u{ffff}".to_owned()),
    ];
    let name = prop_oneof![8 => "[a-d]{1,2}", 1 => string.clone()];
    let leaf = prop_oneof![
        number.prop_map(|number| number),
        string.prop_map(|string| format!("\"{string}\"")),
        prop_oneof![
            8 => prop_oneof![Just("true"), Just("null"), Just("[]"), Just("{}")],
            1 => prop_oneof![Just("1e400000"), Just("-1e-20000"), Just("1E131072")],
        ]
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let members = prop::collection::vec((name.clone(), inner.clone()), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|list| format!("[{}]", list.join(" , "))),
            members.prop_map(|members| {
                let member = |(name, value): &(String, String)| format!("\"{name}\": {value}");
                format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

#[test]
fn what_is_called_exact_comes_back_the_same_and_what_is_refused_is_not_called_so() {
    let Some(place) = Place::new() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = runtime.block_on(place.client());
    let cast = runtime.block_on(client.prepare("SELECT $1::text::jsonb::text")).unwrap();
    let seen = [const { Cell::new(0) }; 2];
    let check = |text: &str| {
        let held = runtime.block_on(client.query_one(&cast, &[&text]));
        let held = held.map(|row| row.get::<_, String>(0));
        let exact = jsonb::is_exact(text);
        seen[usize::from(exact)].update(|count| count + 1);
        match held {
            Ok(held) if exact => assert!(canonical::same(text.as_bytes(), held.as_bytes(), &[])),
            // A member was dropped.
            Ok(held) => {
                let names = |text: &str| text.matches("\":").count();
                assert!(names(&held) < names(text), "{text} is {held}");
            }
            Err(error) => assert!(!exact, "{text}: {error}"),
        }
    };
    for number in ["1e131071", "1e131072", "1e-16383", "1e-16384", "-0.0", "-0"] {
        check(number);
    }
    let mut runner = TestRunner::new(Config::with_cases(1500));
    runner
        .run(&any_json(), |text| {
            check(&text);
            Ok(())
        })
        .unwrap();
    assert!(seen.iter().all(|count| count.get() > 100), "{seen:?}");
}

#[tokio::test]
async fn of_a_page_only_the_bodies_that_are_refused_are_kept_without_json() {
    let Some(place) = Place::new() else { return };
    let writer =
        PostgresWriter::new(place.pool(), Arc::default(), RepositoryId(1), lease(), 1 << 20);
    // As if our own check knew nothing.
    let writer = writer.trusting(|_| true);
    writer.load().await.unwrap();
    let bodies =
        [(1, r#"{"a":1}"#), (2, r#"{"a":"\u0000"}"#), (3, "[]"), (4, "1e400000"), (5, "{}")];
    let told = writer.write_page(page(1, &bodies)).await.unwrap();
    assert_eq!(told.created, 5);
    let client = place.client().await;
    let kept = async |sql: &str| -> Vec<String> {
        client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    };
    assert_eq!(kept("SELECT id FROM items WHERE json IS NULL ORDER BY id").await, ["2", "4"]);
    let all = kept("SELECT body FROM items ORDER BY id").await;
    assert_eq!(all, bodies.map(|(_, body)| body.to_owned()));
    // What was refused is not cast when it is read as history, either.
    let emptied = bodies.map(|(id, _)| (id, "null"));
    assert_eq!(writer.write_page(page(2, &emptied)).await.unwrap().updated, 5);
    let closed = "SELECT id FROM history WHERE valid_to IS NOT NULL AND json IS NULL ORDER BY id";
    assert_eq!(kept(closed).await, ["2", "4"]);
}
