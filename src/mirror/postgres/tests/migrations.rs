//! Migrations: what is refused is left as it was.

use std::fmt::Write as _;

use super::address;
use crate::mirror::postgres::schema::migrate;
use crate::mirror::postgres::{PostgresAddress, PostgresPool};
use crate::mirror::{MirrorError, MirrorErrorKind};

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

#[tokio::test]
async fn daemons_that_start_together_make_one_schema() {
    let Some(address) = address() else { return };
    let all = (0..4).map(|_| migrated(&address));
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
