//! A mirror that goes from SQLite to PostgreSQL and back, beside the model.

use proptest::prelude::*;

use super::place::{OWNER, Place, aside};
use super::published::{named_views, sorted};
use crate::mirror::contract::published::{attribute, model, publish, publish_a_world};
use crate::mirror::contract::{self, MovedFeeds, MovedMirror};
use crate::mirror::postgres::PostgresTransfer;
use crate::mirror::sqlite::SqliteTransfer;
use crate::mirror::sqlite::tests::Place as File;
use crate::mirror::sqlite::tests::published::named_views as named_views_of_file;
use crate::mirror::transfer::{TransferSource, TransferTarget, transfer};
use crate::mirror::{Lease, MirrorErrorKind};
use crate::testing::slow_property;

/// Moves a mirror, in one runtime with all its connections.
fn into_postgres(from: &File, to: &Place) {
    aside(async {
        let from = SqliteTransfer::source(&from.file()).unwrap();
        let target = PostgresTransfer::target(to.address.clone()).await.unwrap();
        transfer(&from, &target, &mut |_| {}).await.unwrap();
        target.release().await.unwrap();
        // The writers of the tests take what is theirs again.
        for repository in [1, 2] {
            to.hand_over(repository, OWNER, 1).await;
        }
    });
}

fn into_file(from: &Place, to: &File) {
    aside(async {
        let source = PostgresTransfer::source(from.address.clone()).await.unwrap();
        let to = SqliteTransfer::target(&to.file()).unwrap();
        transfer(&source, &to, &mut |_| {}).await.unwrap();
        source.release().await.unwrap();
    });
}

proptest! {
    #![proptest_config(slow_property(6))]

    #[test]
    fn what_goes_there_and_back_is_what_it_was(
        first in contract::any_steps(), there in contract::any_steps(), back in contract::any_steps(),
    ) {
        let Some(postgres) = Place::new() else { return Ok(()) };
        let (from, to) = (File::new(), File::new());
        let mut mirror = MovedMirror::default();
        mirror.goes_on_in(&from, first);
        into_postgres(&from, &postgres);
        mirror.goes_on_in(&postgres, there);
        into_file(&postgres, &to);
        mirror.goes_on_in(&to, back);
    }
}

proptest! {
    #![proptest_config(slow_property(6))]

    #[test]
    fn feeds_go_along_as_they_were(
        first in contract::any_feed_steps(), there in contract::any_feed_steps(),
        back in contract::any_feed_steps(),
    ) {
        let Some(postgres) = Place::new() else { return Ok(()) };
        let (from, to) = (File::new(), File::new());
        let mut feeds = MovedFeeds::default();
        feeds.go_on_in(&from, first);
        into_postgres(&from, &postgres);
        feeds.go_on_in(&postgres, there);
        aside(async { postgres.client().await.execute("DELETE FROM instance", &[]).await }).unwrap();
        into_file(&postgres, &to);
        feeds.go_on_in(&to, back);
    }
}

#[test]
fn the_views_of_the_models_go_along_as_they_were() {
    let Some(postgres) = Place::new() else { return };
    let (from, to) = (File::new(), File::new());
    aside(async {
        let mirror = from.open();
        publish_a_world(&mirror, &Lease::sole()).await;
        // A column that no model knows any more.
        let assets = model("Assets", [attribute("F_1", "Renamed")]);
        assert_eq!(publish(&mirror, &Lease::sole(), 2, assets).await, []);
    });
    into_postgres(&from, &postgres);
    into_file(&postgres, &to);
    let before = sorted(named_views_of_file(&from));
    assert_eq!(before["Assets"].0, ["InternalRecordId", "Owner", "Renamed"]);
    assert_eq!(sorted(aside(named_views(&postgres))), before);
    assert_eq!(sorted(named_views_of_file(&to)), before);
}

#[test]
fn a_schema_in_use_or_with_anything_in_it_is_refused() {
    let Some(place) = Place::new() else { return };
    let held = aside(async {
        let held = PostgresTransfer::target(place.address.clone()).await.unwrap();
        let file = File::new();
        drop(file.open());
        let from = SqliteTransfer::source(&file.file()).unwrap();
        let extent = from.extent().await.unwrap();
        let mut origin = crate::mirror::transfer::TransferOrigin {
            place: from.place(),
            last: extent.last,
            dropped_through: extent.dropped_through,
            dropped_ms: extent.dropped_ms,
        };
        held.begin(&origin).await.unwrap();
        held.begin(&origin).await.unwrap();
        origin.place.push('x');
        let error = held.begin(&origin).await.unwrap_err();
        assert_eq!(error.kind(), MirrorErrorKind::NotEmpty);
        let error = PostgresTransfer::source(place.address.clone()).await.unwrap_err();
        assert_eq!(error.kind(), MirrorErrorKind::Unfinished, "{error}");
        held.finish().await.unwrap();
        // As a daemon would have it.
        held.release().await.unwrap();
        place
            .client()
            .await
            .batch_execute(
                "INSERT INTO instance (owner, name, expires_at, repositories, spread)
                VALUES ('a-1', 'a', clock_timestamp() + interval '1 hour', '{1}', false)",
            )
            .await
            .unwrap();
        drop(held);
        PostgresTransfer::source(place.address.clone()).await.map(drop)
    });
    assert_eq!(held.unwrap_err().kind(), MirrorErrorKind::InUse);
}
