//! Tests of what the database says of passes and of old changes.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::*;
use crate::domain::{IdSet, Item, ItemId, Iteration, RepositoryId};
use crate::mirror::{
    Administration, ApprovalOutcome, Checkpoint, EndOfPass, FeedHolds, HeldDeletions,
    IncrementalEnd, IncrementalPage, Lease, Mirror, PageOfItems, PassStatistics,
};

const REPOSITORY: RepositoryId = RepositoryId(u64::MAX);

fn page(iteration: u64, items: i128) -> Arc<PageOfItems> {
    let item = |id| Item::new(ItemId::Integer(id), format!("{iteration}").into());
    let items: Vec<Item> = (0..items).map(item).collect();
    Arc::new(PageOfItems {
        iteration: Iteration(iteration),
        ts_ms: 5,
        newly_seen: vec![true; items.len()],
        items,
        ignore: Arc::new([]),
        member_changes: Arc::default(),
        statistics: PassStatistics { pages: 1, ..PassStatistics::default() },
        checkpoint: Checkpoint::default(),
    })
}

fn end(iteration: u64, reason: Option<&str>) -> EndOfPass {
    EndOfPass {
        iteration: Iteration(iteration),
        ts_ms: 9,
        statistics: PassStatistics::default(),
        reason: reason.map(str::to_owned),
        suspects: IdSet::new(),
        held: None,
    }
}

fn ask(place: &Place, sql: &str) -> String {
    let connection = Connection::open(place.file()).unwrap();
    let mut rows = connection.prepare(sql).unwrap();
    let rows = rows.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(Result::unwrap).collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn the_ledger_tells_passes_that_were_given_up_uncertified_and_certified() {
    let place = Place::new();
    let mirror = place.open();
    let writer = mirror.writer(REPOSITORY, &Lease::sole());
    writer.begin_pass(Iteration(1), 1).await.unwrap();
    writer.begin_pass(Iteration(2), 2).await.unwrap();
    writer.end_pass(end(2, Some("it moved"))).await.unwrap();
    writer.begin_pass(Iteration(3), 3).await.unwrap();
    writer.end_pass(end(3, None)).await.unwrap();
    writer.begin_pass(Iteration(4), 4).await.unwrap();
    let passes = ask(
        &place,
        "SELECT concat_ws(' ', iteration, started_ms, ended_ms, certified, reason) FROM pass",
    );
    assert_eq!(passes, "1 1 2 0 given up; 2 2 9 0 it moved; 3 3 9 1; 4 4 0");
    let certified = "SELECT concat(certified_iteration, ' ', certified_ms) FROM repository";
    assert_eq!(ask(&place, certified), "3 9");
}

#[tokio::test]
async fn the_ledger_keeps_the_last_thousand_passes() {
    let place = Place::new();
    let mirror = place.open();
    let writer = mirror.writer(REPOSITORY, &Lease::sole());
    let connection = Connection::open(place.file()).unwrap();
    let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1200)
               INSERT INTO pass (repository, iteration, started_ms, ended_ms)
               SELECT ?1, n, 0, 0 FROM n";
    connection.execute(sql, [REPOSITORY.0.cast_signed()]).unwrap();
    let iteration = writer.load().await.unwrap().iteration;
    assert_eq!(iteration, Iteration(1201));
    writer.end_pass(end(1201, None)).await.unwrap();
    let kept = "SELECT concat(count(*), ' from ', min(iteration)) FROM pass";
    assert_eq!(ask(&place, kept), "1000 from 202");
}

#[tokio::test]
async fn old_changes_are_dropped_a_thousand_at_a_time() {
    let place = Place::new();
    let mirror = place.open();
    let writer = mirror.writer(REPOSITORY, &Lease::sole());
    writer.write_page(page(1, 1500)).await.unwrap();
    writer.write_page(page(2, 1500)).await.unwrap();
    let log = "SELECT concat(count(*), ' after ', (SELECT dropped_through FROM log)) FROM change";
    for (more, left) in [
        (true, "3000 after 1000"),
        (true, "2500 after 2000"),
        (true, "1500 after 3000"),
        (false, "1500 after 3000"),
    ] {
        assert_eq!(
            mirror.drop_changes(6, Duration::ZERO, &FeedHolds::default()).await.unwrap().more,
            more
        );
        assert_eq!(ask(&place, log), left);
    }
    writer.write_page(page(3, 1)).await.unwrap();
    assert_eq!(ask(&place, "SELECT concat(max(sequence)) FROM change"), "3001");
}

#[tokio::test]
async fn changes_from_a_clock_that_was_ahead_are_dropped_like_others() {
    let place = Place::new();
    let mirror = place.open();
    let writer = mirror.writer(REPOSITORY, &Lease::sole());
    let page = |iteration, items, ts_ms| {
        let mut page = page(iteration, items);
        Arc::get_mut(&mut page).unwrap().ts_ms = ts_ms;
        page
    };
    writer.begin_pass(Iteration(1), 1_000_000).await.unwrap();
    writer.write_page(page(1, 3, 1_000_000)).await.unwrap();
    let dropped = "SELECT concat(dropped_through) FROM log";
    // Nobody can say since when they have been there.
    mirror.drop_changes(100, Duration::from_millis(1), &FeedHolds::default()).await.unwrap();
    assert_eq!(ask(&place, dropped), "0");
    writer.begin_pass(Iteration(2), 10).await.unwrap();
    writer.write_page(page(2, 5, 60)).await.unwrap();
    for (keep, through) in [(91, "0"), (90, "0"), (89, "3"), (41, "3"), (39, "8")] {
        mirror.drop_changes(100, Duration::from_millis(keep), &FeedHolds::default()).await.unwrap();
        assert_eq!(ask(&place, dropped), through, "{keep}");
    }
}

#[tokio::test]
async fn an_unchanged_page_writes_no_item_and_no_change() {
    let place = Place::new();
    let mirror = place.open();
    let writer = mirror.writer(REPOSITORY, &Lease::sole());
    writer.write_page(page(1, 3)).await.unwrap();
    let connection = Connection::open(place.file()).unwrap();
    // A call that tried to write one would fail.
    let forbid = |table| {
        ["INSERT", "UPDATE", "DELETE"].map(|verb| {
            format!(
                "CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table}
                 BEGIN SELECT raise(ABORT, 'a write'); END;"
            )
        })
    };
    for sql in ["item", "change", "repository", "log"].into_iter().flat_map(forbid) {
        connection.execute_batch(&sql).unwrap();
    }
    assert_eq!(writer.write_page(page(1, 3)).await.unwrap().unchanged, 3);
    writer.write_page(page(1, 4)).await.unwrap_err();
}

#[tokio::test]
async fn an_approval_given_between_two_ends_holds_for_those_that_are_still_held() {
    let place = Place::new();
    let mirror = place.open();
    let writer = mirror.writer(REPOSITORY, &Lease::sole());
    let held_of = |ids: std::ops::Range<i128>| {
        let ids: Vec<ItemId> = ids.map(ItemId::Integer).collect();
        let items: IdSet = ids.iter().collect();
        Some(HeldDeletions { announced: items.count(), items, ..HeldDeletions::default() })
    };
    writer.end_pass(EndOfPass { held: held_of(0..5), ..end(1, None) }).await.unwrap();
    assert!(!writer.any_approved().await.unwrap());
    let named = ["0", "3", "4"].map(str::to_owned);
    let reader = mirror.reader().unwrap();
    let told = reader.approve(REPOSITORY, Some(named.to_vec())).await.unwrap();
    assert_eq!(told, ApprovalOutcome::Done { approved: 3, waiting: 2 });
    writer.end_pass(EndOfPass { held: held_of(0..5), ..end(2, None) }).await.unwrap();
    assert!(writer.any_approved().await.unwrap());
    writer.end_pass(EndOfPass { held: held_of(0..4), ..end(2, None) }).await.unwrap();
    assert!(writer.any_approved().await.unwrap(), "what is left of them");
    let since = "SELECT '' || held_iteration FROM suspects";
    assert_eq!(ask(&place, since), "1", "the pass that announced them");
    writer.end_pass(EndOfPass { held: held_of(0..6), ..end(3, None) }).await.unwrap();
    assert_eq!(ask(&place, since), "3");
    let held = writer.suspects().await.unwrap().held.unwrap();
    assert_eq!(held.approved, [ItemId::Integer(0), ItemId::Integer(3)].iter().collect());
    assert!(held.picked);
    writer.end_pass(EndOfPass { held: held_of(1..3), ..end(4, None) }).await.unwrap();
    assert!(!writer.any_approved().await.unwrap(), "none of those is left");
}

fn incremental(items: i128, body: &str, mark: &str) -> Arc<IncrementalPage> {
    let item = |id| Item::new(ItemId::Integer(id), body.to_owned().into());
    Arc::new(IncrementalPage {
        iteration: Iteration(1),
        ts_ms: 7,
        items: (0..items).map(item).collect(),
        ignore: Arc::new([]),
        member_changes: Arc::default(),
        mark: Some(mark.into()),
        end: Some(IncrementalEnd {
            started_ms: 6,
            pages: 1,
            requests: 1,
            ..IncrementalEnd::default()
        }),
    })
}

#[tokio::test]
async fn the_ledger_keeps_the_last_incremental_passes_beside_the_whole_ones() {
    let place = Place::new();
    let mirror = place.open();
    let writer = mirror.writer(RepositoryId(1), &Lease::sole());
    writer.begin_pass(Iteration(1), 1).await.unwrap();
    for number in 0..1003 {
        let page = incremental(1, "{}", &number.to_string());
        writer.write_incremental(page).await.unwrap();
    }
    let kept = "SELECT concat(kind, ' ', count(*), ' ', sum(created)) FROM passes GROUP BY kind";
    assert_eq!(ask(&place, kept), "incremental 1000 0; whole 1 0");
    let kept = "SELECT concat(min(number), ' ', max(number)) FROM incremental_pass";
    assert_eq!(ask(&place, kept), "4 1003");
    let resume_point = writer.load().await.unwrap();
    assert_eq!((resume_point.iteration, resume_point.interrupted), (Iteration(1), None));
    assert_eq!(resume_point.mark.as_deref(), Some(&b"1002"[..]));
    // The last certified pass is a whole one, whatever came after it.
    writer.end_pass(end(1, None)).await.unwrap();
    writer.write_incremental(incremental(2, "[]", "later")).await.unwrap();
    let summary = mirror.reader().unwrap().summary().await.unwrap();
    let repository = &summary.repositories[0];
    assert_eq!(repository.certified.map(|pass| pass.iteration), Some(Iteration(1)));
    assert_eq!((repository.passes.len(), repository.incremental.len()), (1, 5));
    let newest = repository.incremental[0];
    assert_eq!((newest.changed.created, newest.changed.updated, newest.ended_ms), (1, 1, 7));
    assert_eq!(writer.load().await.unwrap().iteration, Iteration(2));
}

/// Where the transaction is broken off, the page, its mark and its entry are not there; made again, they
/// are there once.
#[tokio::test]
async fn a_page_of_an_incremental_pass_is_there_with_its_mark_or_not_at_all() {
    for table in ["change", "item", "incremental_mark", "incremental_pass"] {
        let place = Place::new();
        let mirror = place.open();
        let writer = mirror.writer(REPOSITORY, &Lease::sole());
        writer.write_incremental(incremental(1, "{}", "before")).await.unwrap();
        let other = Connection::open(place.file()).unwrap();
        let broken = format!(
            "CREATE TRIGGER broken BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'broken'); END"
        );
        other.execute_batch(&broken).unwrap();
        let page = incremental(3, "[]", "after");
        writer.write_incremental(Arc::clone(&page)).await.unwrap_err();
        let there = "SELECT concat((SELECT count(*) FROM change), ' ', (SELECT count(*) FROM item), \
                     ' ', (SELECT CAST(mark AS TEXT) FROM incremental_mark), ' ', \
                     (SELECT count(*) FROM incremental_pass))";
        assert_eq!(ask(&place, there), "1 1 before 1", "{table}");
        other.execute_batch("DROP TRIGGER broken").unwrap();
        let told = writer.write_incremental(page).await.unwrap();
        assert_eq!((told.created, told.updated, told.unchanged), (2, 1, 0));
        assert_eq!(ask(&place, there), "4 3 after 2", "{table}");
    }
}
