//! Migrations: what is refused is left as it was.

use std::fmt::Write as _;

use super::address;
use crate::domain::{Iteration, RepositoryId};
use crate::mirror::postgres::schema::{MIGRATIONS, migrate, migrate_by, migration_lock};
use crate::mirror::postgres::{
    PostgresAddress, PostgresLeases, PostgresMirror, PostgresPool, PostgresTransfer,
};
use crate::mirror::{
    Lease, LeaseRequest, LeaseStanding, Leases, Mirror, MirrorError, MirrorErrorKind, Sharing,
};
use crate::testing::MINUTE;

async fn migrated(address: &PostgresAddress) -> Result<(), MirrorErrorKind> {
    let pool = PostgresPool::new(address.clone()).unwrap();
    migrate(&pool).await.map_err(|error| MirrorError::from(error).kind())
}

async fn run(address: &PostgresAddress, statements: &str) {
    let pool = PostgresPool::new(address.clone()).unwrap();
    pool.get().await.unwrap().batch_execute(statements).await.unwrap();
}

#[tokio::test]
async fn a_schema_of_another_program_or_of_a_later_version_is_refused() {
    let Some(address) = address() else { return };
    let schema = &address.schema;
    run(&address, &format!("CREATE SCHEMA \"{schema}\"; CREATE TABLE \"{schema}\".shop (id int)"))
        .await;
    assert_eq!(migrated(&address).await, Err(MirrorErrorKind::Foreign));
    run(&address, &format!("DROP TABLE \"{schema}\".shop")).await;
    assert_eq!(migrated(&address).await, Ok(()));
    run(&address, "INSERT INTO migration (version, checksum, program) VALUES (9, '', '')").await;
    assert_eq!(migrated(&address).await, Err(MirrorErrorKind::Newer));
    run(&address, "DELETE FROM migration WHERE version = 9").await;
    run(&address, "UPDATE migration SET checksum = 'x'").await;
    assert_eq!(migrated(&address).await, Err(MirrorErrorKind::Foreign));
}

/// A daemon on this schema, over connections of its own.
fn daemon(address: &PostgresAddress, name: &str) -> PostgresLeases {
    PostgresLeases::new(PostgresPool::new(address.clone()).unwrap(), name)
}

async fn renewed(daemon: &PostgresLeases) -> Result<LeaseStanding, MirrorError> {
    let repositories = vec![RepositoryId(1)];
    daemon.renew(LeaseRequest { repositories, sharing: Sharing::Leader, ttl: MINUTE }).await
}

/// The same, once the schema has been made.
async fn renewed_in_the_end(daemon: &PostgresLeases) -> LeaseStanding {
    loop {
        match renewed(daemon).await {
            Ok(standing) => return standing,
            Err(error) => assert_eq!(error.kind(), MirrorErrorKind::Locked, "{error}"),
        }
    }
}

/// The next version of the schema.
async fn migrate_further(address: &PostgresAddress) {
    let pool = PostgresPool::new(address.clone()).unwrap();
    let next = ["ALTER TABLE log ADD COLUMN further integer"];
    migrate_by(&pool, &[&MIGRATIONS[..], &next].concat()).await.unwrap();
}

#[tokio::test]
async fn a_daemon_of_an_earlier_version_writes_nothing_more_once_its_schema_was_migrated() {
    let Some(address) = address() else { return };
    let leases = daemon(&address, "a");
    let held = renewed_in_the_end(&leases).await.held;
    assert_eq!(held.len(), 1);
    let lease = Lease { owner: leases.owner().into(), generation: held[0].generation };
    let mirror = PostgresMirror::new(PostgresPool::new(address.clone()).unwrap());
    let writer = mirror.writer(RepositoryId(1), &lease);
    writer.load().await.unwrap();
    writer.begin_pass(Iteration(1), 1).await.unwrap();

    migrate_further(&address).await;
    let refused = writer.begin_pass(Iteration(2), 2).await.unwrap_err();
    assert_eq!(refused.kind(), MirrorErrorKind::Fenced);
    // It finds out why, and leaves alone what is not its own any more.
    let newer = renewed(&leases).await.unwrap_err();
    assert!(newer.kind() == MirrorErrorKind::Newer && newer.is_final(), "{newer}");
    assert_eq!(leases.leave().await.unwrap_err().kind(), MirrorErrorKind::Newer);
    let pool = PostgresPool::new(address).unwrap();
    let rows =
        "SELECT (SELECT count(*) FROM instance), (SELECT count(*) FROM lease WHERE owner <> '')";
    let rows = pool.get().await.unwrap().query_one(rows, &[]).await.unwrap();
    assert_eq!((rows.get::<_, i64>(0), rows.get::<_, i64>(1)), (0, 0));
}

#[tokio::test]
async fn a_schema_that_is_too_old_is_not_moved_from() {
    let Some(address) = address() else { return };
    migrated(&address).await.unwrap();
    run(&address, "DELETE FROM migration").await;
    let error = PostgresTransfer::source(address).await.err().map(|it| it.kind());
    assert_eq!(error, Some(MirrorErrorKind::Older));
}

#[tokio::test]
async fn another_daemon_that_migrates_is_told_of_and_waited_for() {
    let Some(address) = address() else { return };
    let pool = PostgresPool::new(address.clone()).unwrap();
    let other = pool.get().await.unwrap();
    let lock = migration_lock(&address.schema);
    other.execute("SELECT pg_advisory_lock($1)", &[&lock]).await.unwrap();
    // At the start, and later.
    let at_start = migrate(&pool).await.unwrap_err();
    assert!(at_start.is_waited_for(), "{at_start}");
    let leases = daemon(&address, "a");
    let mut told = Vec::new();
    while told.len() < 2 {
        let error = renewed(&leases).await.unwrap_err();
        assert!(error.kind() == MirrorErrorKind::Locked && !error.is_final(), "{error}");
        if !told.contains(&error.to_string()) {
            told.push(error.to_string());
        }
    }
    assert!(told[0].ends_with("is being brought up to date"), "{told:?}");
    assert!(told[1].contains("another daemon"), "{told:?}");
    other.execute("SELECT pg_advisory_unlock($1)", &[&lock]).await.unwrap();
    assert_eq!(renewed_in_the_end(&leases).await.held.len(), 1);
}

#[tokio::test]
async fn daemons_that_start_together_make_one_schema() {
    let Some(address) = address() else { return };
    // Who is told that another one migrates asks again, as a daemon does.
    let all = (0..4).map(|_| async {
        loop {
            match migrated(&address).await {
                Err(MirrorErrorKind::Locked) => {}
                done => return done,
            }
        }
    });
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let (a, b) = (all.pop().unwrap(), all.pop().unwrap());
    let (c, d) = (all.pop().unwrap(), all.pop().unwrap());
    assert_eq!(tokio::join!(a, b, c, d), (Ok(()), Ok(()), Ok(()), Ok(())));
}

#[tokio::test]
async fn nothing_of_a_row_is_in_an_error() {
    let Some(address) = address() else { return };
    migrated(&address).await.unwrap();
    let pool = PostgresPool::new(address.clone()).unwrap();
    let connection = pool.get().await.unwrap();
    for statement in [
        "SELECT 'HUNTER2'::int",
        "SELECT 'HUNTER2'::jsonb",
        "INSERT INTO instance (owner) VALUES ('HUNTER2')",
        "DO $$ BEGIN RAISE EXCEPTION 'HUNTER2' USING DETAIL = 'HUNTER2', HINT = 'HUNTER2'; END $$",
    ] {
        let error = connection.batch_execute(statement).await.unwrap_err();
        assert!(format!("{error:?}").contains("HUNTER2"), "{statement}: it provokes nothing");
        let error = crate::mirror::postgres::error::PostgresError::from(error);
        let mut told = format!("{error} {error:?}");
        let error = MirrorError::from(error);
        write!(told, "{error} {error:?} {}", error.remedy()).unwrap();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            write!(told, "{error} {error:?}").unwrap();
            source = error.source();
        }
        assert!(!told.contains("HUNTER2"), "{statement}: {told}");
    }
}

#[tokio::test]
async fn a_log_that_had_dropped_changes_is_told_from_its_first_one_on() {
    let Some(address) = address() else { return };
    migrated(&address).await.unwrap();
    // As version 1 had it.
    run(
        &address,
        "DROP FUNCTION publish_views(); DROP FUNCTION readable_json(text); DROP VIEW attribute;
        DROP TABLE published_view, published_column, published_attribute, published_code,
            published_pair, model_change, model_answer, model, feed, feed_parked, feed_lease,
            known_answer, server_habits, known_pages;
        DROP VIEW passes; DROP TABLE incremental_pass, incremental_mark;
        DROP INDEX change_time; ALTER TABLE log DROP COLUMN dropped_ms;
        DELETE FROM migration WHERE version > 1; UPDATE log SET last = 6, dropped_through = 5;
        INSERT INTO change (part, sequence, repository, key, id, op, iteration, ts_ms)
            VALUES (1, 6, 1, '', '', 'd', 1, 77)",
    )
    .await;
    migrated(&address).await.unwrap();
    let pool = PostgresPool::new(address.clone()).unwrap();
    let row = pool.get().await.unwrap().query_one("SELECT dropped_ms FROM log", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 77);
}
