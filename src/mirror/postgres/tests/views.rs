//! What the views say, as texts.

use super::place::{Place, aside};
use crate::mirror::contract::{self, ViewRow, Views};

/// All four.
pub(super) fn views(place: &Place) -> Views {
    let rows = contract::VIEWS.map(|(view, columns)| aside(rows(place, view, columns)));
    let [items, changes, history, passes] = rows;
    Views { items, changes, history, passes }
}

/// The rows of a view that has these columns.
async fn rows(place: &Place, view: &str, columns: &[&str]) -> Vec<ViewRow> {
    let client = place.client().await;
    let statement = client.prepare(&format!("SELECT * FROM {view}")).await.unwrap();
    let found: Vec<&str> = statement.columns().iter().map(tokio_postgres::Column::name).collect();
    assert_eq!(found, columns, "{view}");
    let texts: Vec<String> = columns
        .iter()
        .map(|column| match *column {
            "changed_at" | "valid_from" | "valid_to" | "started_at" | "ended_at" => {
                format!("to_char({column}, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
            }
            "certified" => format!("{column}::int::text"),
            _ => format!("{column}::text"),
        })
        .collect();
    client.batch_execute("SET TIME ZONE 'UTC'").await.unwrap();
    let rows =
        client.query(&format!("SELECT {} FROM {view}", texts.join(", ")), &[]).await.unwrap();
    rows.iter().map(|row| (0..columns.len()).map(|column| row.get(column)).collect()).collect()
}
