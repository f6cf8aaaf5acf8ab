//! Who may read what: roles, standbys, schemas of other versions.

use std::time::Duration;

use tokio::time::timeout;

use super::held::set;
use super::{HandmadeMirror, ONE};
use crate::domain::{ItemId, Sequence};
use crate::mirror::contracts::{Administration, ChangeLog, Items};
use crate::mirror::postgres::PostgresPool;
use crate::mirror::postgres::read::PostgresReading;
use crate::mirror::postgres::tests::address_at;
use crate::mirror::sql_text::quoted;
use crate::mirror::{MirrorError, MirrorErrorKind};
use crate::testing::postgres::TestDatabase;

/// All that only reads.
async fn read_all(reading: &PostgresReading) -> Result<(), MirrorError> {
    let page = reading.changes(None, None, 10).await?;
    assert_eq!((page.changes.len(), page.last), (3, Sequence(3)));
    reading.change(Sequence(2)).await?.unwrap();
    assert!(reading.knows(ONE).await?);
    reading.history(ONE, &ItemId::Integer(1)).await?.unwrap();
    for as_of in [None, Some(Sequence(1))] {
        reading.snapshot(as_of).await?.items(ONE, None).await?;
    }
    let pending = reading.pending_deletions(ONE).await?.unwrap();
    assert_eq!(reading.items_in(ONE, pending.items.into(), None).await?.items.len(), 1);
    assert_eq!(reading.summary().await?.repositories.len(), 1);
    Ok(())
}

/// A mirror with something of all in it.
async fn filled() -> Option<HandmadeMirror> {
    let mut mirror = HandmadeMirror::new().await?;
    for value in ["1", "2", "3"] {
        mirror.put(1, 1, Some(value)).await;
        mirror.roll_over().await;
    }
    mirror.hold(&set([1])).await;
    Some(mirror)
}

#[tokio::test]
async fn a_role_that_may_read_reads_all_and_approves_nothing() {
    let Some(mirror) = filled().await else { return };
    let (role, schema) = (format!("reader of {}", mirror.schema()), quoted(mirror.schema()));
    mirror.sql(&format!("CREATE ROLE {} LOGIN", quoted(&role))).await;
    let as_reader = || mirror.pool_of(Some(&role), "reader");
    let refused = PostgresReading::open(as_reader()).await.unwrap_err();
    assert_eq!(refused.kind(), MirrorErrorKind::Missing, "{refused}");
    mirror.sql(&format!("GRANT USAGE ON SCHEMA {schema} TO {}", quoted(&role))).await;
    let refused = PostgresReading::open(as_reader()).await.unwrap_err();
    assert_eq!(refused.to_string(), "the role of mirror.url may not read the mirror");
    mirror
        .sql(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {}", quoted(&role)))
        .await;
    let reading = PostgresReading::open(as_reader()).await.unwrap();
    read_all(&reading).await.unwrap();
    let refused = reading.approve(ONE, None).await.unwrap_err();
    let told = "the role of mirror.url may read the mirror, but not approve deletions";
    assert_eq!(refused.to_string(), told);
    assert_eq!(reading.wait_for_news(Sequence(2)).await.unwrap(), Sequence(3));
    drop(reading);
    mirror.sql(&format!("DROP OWNED BY {}; DROP ROLE {}", quoted(&role), quoted(&role))).await;
}

#[tokio::test]
async fn a_standby_is_read_and_followed_and_approves_nothing() {
    let Some(primary) = TestDatabase::start() else { return };
    let mut mirror = HandmadeMirror::at(address_at(&primary.new_schema())).await;
    for value in ["1", "2", "3"] {
        mirror.put(1, 1, Some(value)).await;
    }
    mirror.hold(&set([1])).await;
    let standby = primary.start_standby();
    let mut place = standby.new_schema();
    mirror.schema().clone_into(&mut place.schema);
    let pool = PostgresPool::new(address_at(&place)).unwrap();
    let reading = PostgresReading::open(pool).await.unwrap();
    read_all(&reading).await.unwrap();
    let refused = reading.approve(ONE, None).await.unwrap_err();
    let told = "the database that mirror.url leads to is read only: nothing can be approved there";
    assert_eq!(refused.to_string(), told);
    let news = timeout(Duration::from_secs(60), reading.wait_for_news(Sequence(3)));
    let (told, ()) = tokio::join!(news, mirror.put(1, 1, Some("4")));
    assert_eq!(told.unwrap().unwrap(), Sequence(4));
}

#[tokio::test]
async fn a_schema_without_a_mirror_or_of_another_version_is_told_as_such() {
    let Some(mirror) = HandmadeMirror::new().await else { return };
    let open = || PostgresReading::open(mirror.pool.clone());
    open().await.unwrap();
    mirror.sql("INSERT INTO migration (version, checksum, program) VALUES (99, '', '')").await;
    assert_eq!(open().await.unwrap_err().kind(), MirrorErrorKind::Newer);
    mirror.sql("DELETE FROM migration").await;
    assert_eq!(open().await.unwrap_err().kind(), MirrorErrorKind::Older);
    mirror.sql("DROP TABLE migration").await;
    let missing = open().await.unwrap_err();
    assert_eq!(missing.kind(), MirrorErrorKind::Missing);
    let schema = mirror.schema();
    assert_eq!(
        missing.to_string(),
        format!("there is no mirror in the schema {schema:?} of the database")
    );
}
