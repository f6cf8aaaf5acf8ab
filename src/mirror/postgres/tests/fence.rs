//! The fence, and answers that are lost: nothing is written twice, nothing is lost, and nobody writes who
//! has no lease.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::place::{Place, incremental_page, lease, page};
use super::proxy::{Cut, Proxy};
use crate::domain::{ItemId, Iteration, RepositoryId};
use crate::mirror::postgres::{PostgresMirror, PostgresPool};
use crate::mirror::{
    ChangeCounts, EndOfPass, Mirror, MirrorError, MirrorErrorKind, PassStatistics, RepositoryWriter,
};
use crate::testing::is_thorough;

const REPOSITORY: RepositoryId = RepositoryId(1);

/// Every message of a call is cut, up to so many.
const MESSAGES: i64 = 100;

/// Where not everything is tried, one of so many of them.
const ONE_OF: usize = 7;

/// What a page changes is one piece, or each change is one.
const PIECES: [usize; 2] = [usize::MAX, 1];

fn writer(mirror: &PostgresMirror) -> Arc<dyn RepositoryWriter> {
    mirror.writer(REPOSITORY, &lease())
}

/// Makes a call until it succeeds, as a pager does.
async fn until_done<T, F>(call: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, MirrorError>>,
{
    let begun = Instant::now();
    loop {
        match call().await {
            Ok(done) => return done,
            Err(error) if error.kind() != MirrorErrorKind::Unavailable => panic!("{error:?}"),
            // A server that has no connection left has some again once other tests are through.
            Err(error) if begun.elapsed() > SUCCEEDS_WITHIN => panic!("never: {error:?}"),
            Err(_) => sleep(Duration::from_millis(5)).await,
        }
    }
}

/// How long a call may take on a busy machine.
const SUCCEEDS_WITHIN: Duration = Duration::from_secs(120);

fn kind<T: std::fmt::Debug>(result: Result<T, MirrorError>) -> MirrorErrorKind {
    result.unwrap_err().kind()
}

#[tokio::test]
async fn nothing_is_written_once_another_has_the_lease() {
    let Some(place) = Place::new() else { return };
    let mirror = place.mirror();
    let writer = writer(&mirror);
    writer.load().await.unwrap();
    writer.write_page(page(1, &[(1, "{}")])).await.unwrap();
    let before = place.content().await;
    place.hand_over(1, "another", 2).await;
    let end = EndOfPass {
        iteration: Iteration(1),
        ts_ms: 200,
        statistics: PassStatistics::default(),
        reason: None,
        suspects: crate::domain::IdSet::new(),
        held: None,
    };
    for rows in [&[(1, "{}")][..], &[(1, "{ }"), (2, "{}")]] {
        let refused = writer.write_page(page(2, rows)).await;
        assert_eq!(kind(refused), MirrorErrorKind::Fenced);
    }
    for rows in [&[(1, "{}")][..], &[(1, r#"{"a":1}"#)]] {
        let refused = writer.write_incremental(incremental_page(2, rows)).await;
        assert_eq!(kind(refused), MirrorErrorKind::Fenced);
    }
    assert_eq!(kind(writer.begin_pass(Iteration(2), 200).await), MirrorErrorKind::Fenced);
    let deleted = writer.delete(Iteration(1), 200, vec![ItemId::Integer(1)]).await;
    assert_eq!(kind(deleted), MirrorErrorKind::Fenced);
    assert_eq!(kind(writer.end_pass(end).await), MirrorErrorKind::Fenced);
    assert_eq!(kind(writer.load().await), MirrorErrorKind::Fenced);
    assert_eq!(place.content().await, before);
    let row = place.client().await;
    let kept = "SELECT FROM incremental_pass UNION ALL SELECT FROM incremental_mark";
    assert!(row.query(kept, &[]).await.unwrap().is_empty());
    let row = row.query_one("SELECT count(*), max(pages) FROM pass", &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 1));
    // The same daemon, once it has it again: another generation.
    place.hand_over(1, super::place::OWNER, 3).await;
    assert_eq!(kind(writer.write_page(page(2, &[])).await), MirrorErrorKind::Fenced);
}

#[tokio::test]
async fn a_database_that_is_older_than_what_was_written_is_loaded_anew() {
    let Some(place) = Place::new() else { return };
    let mirror = place.mirror();
    let writer = writer(&mirror);
    writer.load().await.unwrap();
    for number in 1..4 {
        writer.write_page(page(number, &[(1, "{}")])).await.unwrap();
    }
    let client = place.client().await;
    client.execute("UPDATE lease SET writes = 1 WHERE repository = 1", &[]).await.unwrap();
    let refused = writer.write_page(page(4, &[(2, "{}")])).await;
    assert_eq!(kind(refused), MirrorErrorKind::Regressed);
    let refused = writer.write_page(page(4, &[(1, "{}")])).await;
    assert_eq!(kind(refused), MirrorErrorKind::Regressed);
    assert_eq!(place.content().await.items.len(), 1);
    writer.load().await.unwrap();
    writer.write_page(page(4, &[(2, "{}")])).await.unwrap();
    assert_eq!(place.content().await.items.len(), 2);
}

/// Does three pages, a deletion and the end of a pass, and sees that all of it was done once.
async fn all_is_done_once(place: &Place, writer: &dyn RepositoryWriter, broken: &str) {
    let created = |created, unchanged| ChangeCounts { created, unchanged, ..Default::default() };
    until_done(|| writer.load()).await;
    until_done(|| writer.begin_pass(Iteration(1), 50)).await;
    let pages: [&[_]; 3] = [&[(1, "{}"), (2, "{}")], &[(2, "{}")], &[(2, r#"{"a":1}"#), (3, "{}")]];
    let pages =
        [(1, pages[0]), (2, pages[1]), (3, pages[2])].map(|(number, rows)| page(number, rows));
    let told = until_done(|| writer.write_page(Arc::clone(&pages[0]))).await;
    assert_eq!(told, created(2, 0), "{broken}");
    let told = until_done(|| writer.write_page(Arc::clone(&pages[1]))).await;
    assert_eq!(told, created(0, 1), "{broken}");
    let told = until_done(|| writer.write_page(Arc::clone(&pages[2]))).await;
    assert_eq!(told, ChangeCounts { created: 1, updated: 1, ..Default::default() }, "{broken}");
    let gone = || writer.delete(Iteration(1), 200, vec![ItemId::Integer(1), ItemId::Integer(9)]);
    assert_eq!(until_done(gone).await, 1, "{broken}");
    let end = EndOfPass {
        iteration: Iteration(1),
        ts_ms: 300,
        statistics: PassStatistics { pages: 3, ..PassStatistics::default() },
        reason: None,
        suspects: crate::domain::IdSet::new(),
        held: None,
    };
    let told = until_done(|| writer.end_pass(end.clone())).await;
    assert_eq!(told, ChangeCounts { created: 3, updated: 1, deleted: 1, unchanged: 1 }, "{broken}");

    let content = place.content().await;
    let ops: String = content.changes.iter().map(|change| change.op.letter()).collect();
    assert_eq!(ops, "rrurd", "{broken}");
    let sequences: Vec<u64> = content.changes.iter().map(|change| change.sequence.0).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5], "{broken}");
    assert_eq!((content.items.len(), content.tombstones.len()), (2, 1), "{broken}");
    let client = place.client().await;
    let row = client
        .query_one(
            "SELECT created, updated, deleted, unchanged, pages, certified,
                (SELECT count(*) FROM seen), (SELECT count(*) FROM checkpoint),
                (SELECT items FROM repository), (SELECT last FROM log) FROM pass",
            &[],
        )
        .await
        .unwrap();
    let numbers = [0, 1, 2, 3, 4, 6, 7, 8, 9].map(|column| row.get::<_, i64>(column));
    assert_eq!((numbers, row.get(5)), ([3, 1, 1, 1, 3, 0, 0, 2, 5], true), "{broken}");
}

#[tokio::test]
async fn a_connection_may_break_at_any_message_and_all_is_done_once() {
    let cuts =
        PIECES.into_iter().flat_map(|pieces| [Cut::Request, Cut::Answer].map(|cut| (pieces, cut)));
    let step = if is_thorough() { 1 } else { ONE_OF };
    for (pieces, cut) in cuts {
        for after in (0..MESSAGES).step_by(step) {
            let Some(place) = Place::new() else { return };
            let proxy = Proxy::to(&place.address);
            let mirror = PostgresMirror::new(PostgresPool::new(proxy.address.clone()).unwrap());
            let mirror = mirror.in_pieces_of(pieces);
            proxy.cut(cut, after);
            let broken = format!("{cut:?} {after}, pieces of {pieces}");
            all_is_done_once(&place, &*writer(&mirror), &broken).await;
            // What was staged and taken out again leaves a file behind.
            let client = place.client().await;
            let staged = "SELECT pg_relation_size('staged_change') > 0,
                EXISTS (SELECT FROM staged_change)";
            let staged = client.query_one(staged, &[]).await.unwrap();
            assert_eq!((staged.get(0), staged.get(1)), (pieces == 1, false), "{broken}");
            let all_cut = !proxy.has_cut(cut);
            proxy.mend();
            if all_cut {
                assert!(after > 10, "hardly anything was cut");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_transaction_that_outlives_its_connection_is_not_made_twice() {
    let Some(place) = Place::new() else { return };
    let (first, second) = ([(1, "{}"), (2, "{}")], [(2, r#"{"a":1}"#), (3, "{}")]);
    let third = [(3, r#"{"a":1}"#), (4, "{}")];
    for (rows, pieces) in [(first, usize::MAX), (second, usize::MAX), (third, 1)] {
        let rows = &rows[..];
        let before = place.content().await;
        let proxy = Proxy::to(&place.address);
        let mirror = PostgresMirror::new(PostgresPool::new(proxy.address.clone()).unwrap());
        let mirror = mirror.in_pieces_of(pieces);
        let writer = writer(&mirror);
        writer.load().await.unwrap();
        // Somebody else gives out sequences.
        let client = place.client().await;
        client.batch_execute("BEGIN; UPDATE log SET last = last").await.unwrap();
        let page = page(1, rows);
        let call = {
            let (writer, page) = (Arc::clone(&writer), Arc::clone(&page));
            Handle::current().spawn(async move { writer.write_page(page).await })
        };
        place.waiting(1).await;
        proxy.hang_up();
        assert_eq!(kind(call.await.unwrap()), MirrorErrorKind::Unavailable);
        let again = {
            let (writer, page) = (Arc::clone(&writer), Arc::clone(&page));
            Handle::current().spawn(async move { writer.write_page(page).await })
        };
        place.waiting(2).await;
        client.batch_execute("COMMIT").await.unwrap();
        let told = again.await.unwrap().unwrap();
        let updated = rows
            .iter()
            .filter(|row| before.items.contains_key(&(1, ItemId::Integer(row.0))))
            .count();
        assert_eq!((told.created, told.updated), ((2 - updated) as u64, updated as u64));
        let content = place.content().await;
        assert_eq!(content.changes.len(), before.changes.len() + 2);
    }
}

#[tokio::test]
async fn a_backend_that_is_ended_again_and_again_delays_and_doubles_nothing() {
    let Some(place) = Place::new() else { return };
    let mirror = place.mirror();
    let writer = writer(&mirror);
    until_done(|| writer.load()).await;
    let killer = {
        let place = place.clone();
        Handle::current().spawn(async move {
            let client = place.client().await;
            let (mut ended, mut page, mut of_page) = (0, 0, 0);
            loop {
                // A call that is never let through would prove nothing.
                let now = PAGE.load(std::sync::atomic::Ordering::Relaxed);
                if now == NO_PAGE {
                    return;
                }
                if now != page {
                    (page, of_page) = (now, 0);
                }
                if of_page >= MOST_OF_A_PAGE {
                    sleep(Duration::from_millis(1)).await;
                    continue;
                }
                let row = client
                    .query_one(
                        "SELECT count(pg_terminate_backend(pid)) FROM (
                            SELECT DISTINCT pg_locks.pid FROM pg_locks
                            JOIN pg_class ON pg_class.oid = pg_locks.relation
                            JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
                            WHERE pg_namespace.nspname = $1 AND pid <> pg_backend_pid()) AS ours",
                        &[&&*place.address.schema],
                    )
                    .await
                    .unwrap();
                let count: i64 = row.get(0);
                (ended, of_page) = (ended + count, of_page + count);
                ENDED.store(ended, std::sync::atomic::Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        })
    };
    let mut expected = 0;
    for number in 1..5000_u64 {
        PAGE.store(number, std::sync::atomic::Ordering::Relaxed);
        let id = i128::from(number);
        let rows = [(id, "{}"), (id + 1000, "{}"), (1, if number % 2 == 0 { "{}" } else { "[]" })];
        let page = page(number, &rows);
        let told = until_done(|| writer.write_page(Arc::clone(&page))).await;
        expected += told.created + told.updated;
        let ended = ENDED.load(std::sync::atomic::Ordering::Relaxed);
        if number > 50 && ended > 20 {
            break;
        }
    }
    // Not aborted: a question that it has put already would end the readings below.
    PAGE.store(NO_PAGE, std::sync::atomic::Ordering::Relaxed);
    killer.await.expect("it can look at the locks at any time");
    assert!(ENDED.load(std::sync::atomic::Ordering::Relaxed) > 0, "no backend was ended");
    let content = place.content().await;
    assert_eq!(content.changes.len() as u64, expected);
    let sequences: Vec<u64> = content.changes.iter().map(|change| change.sequence.0).collect();
    assert_eq!(sequences, (1..=expected).collect::<Vec<_>>());
    let client = place.client().await;
    let row = client.query_one("SELECT created + updated FROM pass", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0).cast_unsigned(), expected);
}

/// Which page the test above writes.
static PAGE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// What [`PAGE`] is once all are written.
const NO_PAGE: u64 = u64::MAX;

/// How many backends are ended while one page is written.
const MOST_OF_A_PAGE: i64 = 3;

/// How many backends the test above has ended.
static ENDED: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);
