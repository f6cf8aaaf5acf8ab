//! The plans of the statements that a daemon and the commands make, in a log of several parts: none of them
//! reads the whole of a table that grows.
//!
//! The server itself tells the plan of each statement, as it was made (`auto_explain`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_postgres::Client;

use super::address_at;
use super::place::{Place, lease, page};
use crate::domain::{IdSet, ItemId, Iteration, RepositoryId, Sequence};
use crate::mirror::contracts::{Administration, ChangeLog, Items};
use crate::mirror::postgres::{PostgresPool, PostgresReading};
use crate::mirror::{EndOfPass, FeedHolds, Mirror, PassStatistics};
use crate::testing::postgres::TestDatabase;

const ONE: RepositoryId = RepositoryId(1);

/// Items, each with as many changes as the log has full parts.
const ITEMS: i64 = 50_000;
const PARTS: i64 = 4;

/// The role whose statements are explained.
const EXPLAINED: &str = "
    CREATE ROLE explained SUPERUSER LOGIN;
    ALTER ROLE explained SET session_preload_libraries TO 'auto_explain';
    ALTER ROLE explained SET \"auto_explain.log_min_duration\" TO 0;
    ALTER ROLE explained SET \"auto_explain.log_nested_statements\" TO on;
    ALTER ROLE explained SET \"auto_explain.log_format\" TO 'json'";

/// A part of the log in which each item has a change, the key made as [`to_key`] makes it.
///
/// [`to_key`]: crate::mirror::postgres::key::to_key
fn filled(part: i64, items: i64) -> String {
    let before = part * items;
    let (op, previous, body) = match part {
        0 => ("r", "NULL::bigint".to_owned(), "NULL"),
        _ => ("u", format!("n - {items}"), "'{}'"),
    };
    format!(
        "INSERT INTO change (part, sequence, repository, key, id, op, iteration, ts_ms, previous, previous_ms,
            before, after, before_exact, after_exact)
        SELECT log.part, n, 1, '\\x008000000000000000'::bytea || int8send(n - {before}), (n - {before})::text,
            '{op}', {part} + 1, n, {previous}, {previous}, {body}, '{{}}', true, true
        FROM log, generate_series({before} + 1, {before} + {items}) AS n;
        UPDATE log SET last = {before} + {items};
        SELECT roll_over('0', 1);"
    )
}

/// Fills a mirror with items that each have a change in each of four parts of the log.
async fn fill(client: &Client, items: i64) {
    for part in 0..PARTS {
        client.batch_execute(&filled(part, items)).await.unwrap();
    }
    let last = PARTS * items;
    client
        .batch_execute(&format!(
            "INSERT INTO repository (id, items, first_pass_done) VALUES (1, {items}, true);
            INSERT INTO item (repository, key, id, sequence, changed_ms, digest, body, json)
            SELECT 1, key, id, sequence, ts_ms, 0, after, '{{}}' FROM change
            WHERE sequence > {last} - {items};
            ANALYZE"
        ))
        .await
        .unwrap();
}

/// The plans that the server has told since this place of its log, each with its statement.
fn plans(log: &str) -> Vec<(String, Value)> {
    let mut told = Vec::new();
    for after in log.split("plan:\n").skip(1) {
        let lines = after.lines().take_while(|line| line.starts_with(['\t', '{', '}']));
        let text = lines.collect::<Vec<_>>().join("\n");
        // The last one may not have been written as a whole yet.
        if let Ok(plan) = serde_json::from_str::<Value>(&text) {
            told.push((plan["Query Text"].as_str().unwrap().to_owned(), plan["Plan"].clone()));
        }
    }
    told
}

/// What of a plan looks at a table that grows without a condition on its index.
fn unbounded(plan: &Value, found: &mut Vec<String>) {
    let relation = plan["Relation Name"].as_str().unwrap_or_default();
    let kind = plan["Node Type"].as_str().unwrap_or_default();
    // The last parts are empty, or nearly so: to read one of those is as good as any other way.
    let grows = ["item", "change_1", "change_2", "change_3", "change_4"].contains(&relation);
    if grows && kind.contains("Scan") && plan["Index Cond"].is_null() {
        found.push(format!("{kind} of {relation}"));
    }
    for below in plan["Plans"].as_array().into_iter().flatten() {
        unbounded(below, found);
    }
}

#[tokio::test]
async fn no_statement_reads_the_whole_of_a_table_that_grows() {
    let Some(server) = TestDatabase::shared() else { return };
    let plain = Place::at(address_at(&server.new_schema()));
    let client = plain.client().await;
    client.batch_execute(EXPLAINED).await.unwrap();
    fill(&client, ITEMS).await;
    let last = PARTS * ITEMS;

    let begun = server.log().len();
    let mut address = plain.address.clone();
    address.url.user = Some("explained".to_owned());
    let explained = Place { address: address.clone() };
    let mirror = explained.mirror();
    let writer = mirror.writer(ONE, &lease());
    writer.load().await.unwrap();
    writer.begin_pass(Iteration(9), 1).await.unwrap();
    let numbers = || (1..=1000).map(|id| (id, "[]"));
    let mut items: Vec<(i128, &str)> = numbers().collect();
    assert_eq!(writer.write_page(page(1, &items)).await.unwrap().updated, 1000);
    assert_eq!(writer.write_page(page(2, &items)).await.unwrap().unchanged, 1000);
    items[5].1 = "{}";
    items.push((i128::from(ITEMS) + 7, "{}"));
    let told = writer.write_page(page(3, &items)).await.unwrap();
    assert_eq!((told.created, told.updated), (1, 1));
    let seen: IdSet =
        (100..=i128::from(ITEMS)).map(ItemId::Integer).collect::<Vec<_>>().iter().collect();
    let seen = Arc::new(seen);
    writer.unseen(Arc::clone(&seen), None, 50).await.unwrap();
    writer.delete(Iteration(9), 2, vec![ItemId::Integer(3), ItemId::Integer(4)]).await.unwrap();
    writer.suspects().await.unwrap();
    writer.any_approved().await.unwrap();
    let end = EndOfPass {
        iteration: Iteration(9),
        ts_ms: 3,
        statistics: PassStatistics::default(),
        reason: None,
        suspects: IdSet::default(),
        held: None,
    };
    writer.end_pass(end).await.unwrap();

    let reading = PostgresReading::new(PostgresPool::to_read(address).unwrap());
    for after in [0, ITEMS / 2, 2 * ITEMS + 5, last] {
        let after = Some(Sequence(after.cast_unsigned()));
        assert!(!reading.changes(after, None, 100).await.unwrap().changes.is_empty());
        reading.changes(after, Some(ONE), 100).await.unwrap();
    }
    let history = reading.history(ONE, &ItemId::Integer(7)).await.unwrap().unwrap();
    assert_eq!(i64::try_from(history.sequences.len()), Ok(PARTS + 1));
    assert!(reading.change(Sequence(70_007)).await.unwrap().is_some());
    let snapshot = reading.snapshot(None).await.unwrap();
    snapshot.items(ONE, Some(ItemId::Integer(40_000))).await.unwrap();
    reading.items_in(ONE, seen, Some(ItemId::Integer(49_000))).await.unwrap();
    reading.summary().await.unwrap();
    assert!(
        mirror
            .drop_changes(ITEMS + 1000, Duration::from_millis(1), &FeedHolds::default())
            .await
            .unwrap()
            .more
    );
    // What others ask of the views, with no settings of ours.
    let reader = explained.client().await;
    for question in [
        "SELECT * FROM changes WHERE sequence > 170000 ORDER BY sequence LIMIT 10",
        "SELECT * FROM items WHERE repository = 1 AND id = '77'",
        "SELECT * FROM history WHERE repository = 1 AND id = '77'",
    ] {
        assert!(!reader.query(question, &[]).await.unwrap().is_empty(), "{question}");
    }

    let log = server.log();
    let told = plans(log.get(begun..).unwrap());
    let mut kinds = BTreeSet::new();
    for (statement, plan) in &told {
        let mut found = Vec::new();
        unbounded(plan, &mut found);
        assert!(found.is_empty(), "{found:?} in {statement}\n{plan:#}");
        for mark in [
            "differing AS",
            "logged AS",
            "FROM log LEFT JOIN (",
            "array_agg(sequence ORDER BY",
            "buried AS",
            "FROM changes WHERE",
            "FROM history WHERE",
        ] {
            if statement.contains(mark) {
                kinds.insert(mark);
            }
        }
    }
    assert_eq!(kinds.len(), 7, "{kinds:?} of {}", told.len());
}

/// The middle one of these.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// `cargo test --release --lib -- --ignored --nocapture as_fast_in_a_log_of_ten_million`
#[tokio::test]
#[ignore = "it measures, and takes minutes and 8 GB of room"]
async fn a_page_is_written_as_fast_in_a_log_of_ten_million_changes() {
    for items in [2_500_i64, 2_500_000] {
        let Some(place) = Place::new() else { return };
        fill(&place.client().await, items).await;
        let mirror = place.mirror();
        let writer = mirror.writer(ONE, &lease());
        writer.load().await.unwrap();
        let reading = PostgresReading::new(PostgresPool::to_read(place.address.clone()).unwrap());
        let mut took = [const { Vec::new() }; 5];
        let mut time = |kind: usize, begun: Instant| took[kind].push(begun.elapsed());
        for round in 1..=40_u64 {
            let first = i128::from(items - 1000) * i128::from(round - 1) / 40;
            let ids = first + 1..=first + 1000;
            let mut items: Vec<(i128, &str)> = ids.map(|id| (id, "[1]")).collect();
            writer.write_page(page(round, &items)).await.unwrap();
            let begun = Instant::now();
            writer.write_page(page(round + 40, &items)).await.unwrap();
            time(0, begun);
            items.iter_mut().step_by(100).for_each(|item| item.1 = "[2]");
            let begun = Instant::now();
            writer.write_page(page(round + 80, &items)).await.unwrap();
            time(1, begun);
            let begun = Instant::now();
            reading.changes(Some(Sequence(round * 60)), None, 100).await.unwrap();
            time(2, begun);
            let begun = Instant::now();
            reading.history(ONE, &ItemId::Integer(first + 1)).await.unwrap();
            time(3, begun);
        }
        let begun = Instant::now();
        mirror
            .drop_changes(items * 2, Duration::from_millis(1), &FeedHolds::default())
            .await
            .unwrap();
        time(4, begun);
        let [same, new, changes, history, drop] = took.map(median);
        println!(
            "{} changes: an unchanged page {same:?}, one of which 1 % changed {new:?}, 100 changes \
             {changes:?}, the history of an item {history:?}, dropping changes {drop:?}",
            items * PARTS
        );
    }
}
