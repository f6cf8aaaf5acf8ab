//! The contract of all mirrors, run against PostgreSQL.

use std::sync::Arc;

use proptest::prelude::*;

use super::place::{OWNER, Place, aside, lease};
use super::views::views;
use crate::domain::RepositoryId;
use crate::mirror::contract::{self, ImplementationUnderTest, MirrorContent, Views};
use crate::mirror::postgres::{PostgresFeedWriter, PostgresMirror};
use crate::mirror::{FeedWriter, Lease, MirrorReader};
use crate::testing::slow_property;

impl ImplementationUnderTest for Place {
    type Mirror = PostgresMirror;

    fn open(&self) -> PostgresMirror {
        self.mirror()
    }

    fn reader(&self, mirror: &PostgresMirror) -> Arc<dyn MirrorReader> {
        Arc::new(mirror.reader())
    }

    fn feed_writer(&self, _: &PostgresMirror) -> Arc<dyn FeedWriter> {
        let place = self.clone();
        aside(async move { place.daemon_is_there(OWNER).await });
        Arc::new(PostgresFeedWriter::new(self.pool(), OWNER))
    }

    fn lease(&self, _: RepositoryId) -> Lease {
        lease()
    }

    fn content(&self) -> MirrorContent {
        aside(self.content())
    }

    fn age(&self) {
        let place = self.clone();
        aside(async move {
            place.client().await.execute("SELECT roll_over('0', 1)", &[]).await.unwrap();
        });
    }

    fn views(&self) -> Option<Views> {
        Some(views(self))
    }
}

/// The same, where each change of a page is sent in a piece of its own.
struct InPieces(Place);

impl ImplementationUnderTest for InPieces {
    type Mirror = PostgresMirror;

    fn open(&self) -> PostgresMirror {
        self.0.mirror().in_pieces_of(1)
    }

    fn reader(&self, mirror: &PostgresMirror) -> Arc<dyn MirrorReader> {
        self.0.reader(mirror)
    }

    fn lease(&self, _: RepositoryId) -> Lease {
        lease()
    }

    fn content(&self) -> MirrorContent {
        aside(self.0.content())
    }
}

#[test]
fn what_is_known_of_repositories_is_kept() {
    let Some(place) = Place::new() else { return };
    contract::what_is_known_is_kept(&place);
}

#[test]
fn feeds_hold_what_they_have_not_delivered() {
    let Some(place) = Place::new() else { return };
    contract::feeds_hold_what_they_have_not_delivered(&place);
}

#[test]
fn no_number_of_a_feed_harms_another() {
    let Some(place) = Place::new() else { return };
    contract::no_number_of_a_feed_harms_another(&place);
}

#[test]
fn a_feed_notes_no_more_than_it_may() {
    let Some(place) = Place::new() else { return };
    contract::a_feed_notes_no_more_than_it_may(&place);
}

#[test]
fn nobody_writes_a_model_without_the_lease() {
    let Some(place) = Place::new() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mirror = place.mirror();
        contract::a_model_is_fenced(&mirror, &mirror.reader()).await;
    });
}

proptest! {
    #![proptest_config(slow_property(24))]

    #[test]
    fn each_instant_is_what_was_recorded(churn in contract::any_churn()) {
        let Some(place) = Place::new() else { return Ok(()) };
        contract::each_instant_is_what_was_recorded(&place, churn);
    }

    #[test]
    fn feeds_are_kept(steps in contract::any_feed_steps()) {
        let Some(place) = Place::new() else { return Ok(()) };
        contract::feeds_are_kept(&place, steps);
    }

    #[test]
    fn what_is_learnt_is_kept(updates in contract::any_updates()) {
        let Some(place) = Place::new() else { return Ok(()) };
        contract::what_is_learnt_is_kept(&place, updates);
    }

    #[test]
    fn a_mirror_is_the_fold_of_its_log_and_forgets_nothing(steps in contract::any_steps()) {
        let Some(place) = Place::new() else { return Ok(()) };
        contract::a_mirror_is_the_fold_of_its_log_and_forgets_nothing(&place, steps);
    }

    #[test]
    fn a_mirror_whose_pages_are_sent_in_pieces_is_the_fold_of_its_log(
        steps in contract::any_steps(),
    ) {
        let Some(place) = Place::new() else { return Ok(()) };
        let place = InPieces(place);
        contract::a_mirror_is_the_fold_of_its_log_and_forgets_nothing(&place, steps);
    }
}
