//! What every mirror must do, as one suite: a model of the words in [`contracts`](super::contracts), to
//! be run beside any implementation.

mod feed_holds;
mod feed_leases;
mod feeds;
mod incremental;
mod instants;
mod knowledge;
mod leases;
mod model;
mod models;
mod none;
pub(super) mod published;
mod readings;
mod snapshots;
mod steps;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) use self::feed_holds::feeds_hold_what_they_have_not_delivered;
pub(super) use self::feed_leases::{
    SharedFeeds, a_feed_is_one_daemons_at_a_time, of_many_who_ask_at_once_one_gets_the_feed,
};
pub(super) use self::feeds::{
    MovedFeeds, a_feed_notes_no_more_than_it_may, any_feed_steps, feeds_are_kept,
    no_number_of_a_feed_harms_another,
};
pub(super) use self::instants::{any_churn, each_instant_is_what_was_recorded};
pub(super) use self::knowledge::{any_updates, what_is_learnt_is_kept};
pub(super) use self::leases::{
    SharedStore, any_lease_steps, leases_have_one_owner_at_a_time, no_steps_give_a_lease_to_two,
};
use self::model::Model;
pub(super) use self::models::{a_model_is_fenced, what_is_known_is_kept};
use self::steps::MirrorStep;
pub(super) use self::steps::any_steps;
pub(super) use self::views::{VIEWS, ViewRow, Views};
use crate::domain::{Change, ItemId, RepositoryId};
use crate::mirror::{FeedWriter, Lease, Mirror, MirrorReader};
use crate::testing::Memory;

/// A kind of mirror.
pub(super) trait ImplementationUnderTest {
    /// The mirror.
    type Mirror: Mirror;

    /// Opens it, or opens it again.
    fn open(&self) -> Self::Mirror;

    /// What it can be asked, in the process that writes it.
    fn reader(&self, mirror: &Self::Mirror) -> Arc<dyn MirrorReader>;

    /// What writes its feeds.
    fn feed_writer(&self, mirror: &Self::Mirror) -> Arc<dyn FeedWriter> {
        mirror.feed_writer().expect("it keeps something")
    }

    /// The lease under which a repository is written.
    fn lease(&self, _repository: RepositoryId) -> Lease {
        Lease::sole()
    }

    /// Looks into it without its help.
    fn content(&self) -> MirrorContent;

    /// Does what the store does as time goes by, at once.
    fn age(&self) {}

    /// Whether it has views.
    fn has_views(&self) -> bool {
        true
    }

    /// What its views say; `None` where it has none.
    fn views(&self) -> Option<Views> {
        None
    }
}

/// What is in a mirror.
#[derive(Debug, Default, PartialEq)]
pub(super) struct MirrorContent {
    /// The copy.
    pub(super) items: BTreeMap<(u64, ItemId), Vec<u8>>,
    /// Deleted items that are remembered.
    pub(super) tombstones: BTreeSet<(u64, ItemId)>,
    /// The log.
    pub(super) changes: Vec<Change>,
    /// Changes that are no longer part of the log, and kept for their bodies; `None` where they are
    /// kept in another way.
    pub(super) hidden: Option<BTreeSet<u64>>,
}

/// All that can be asked is compared with the model after so many steps, and after the last one. How many steps there
/// are is left to chance, so that none is spared.
const COMPARED_EVERY: usize = 4;

/// Does the steps, and compares what is then in the mirror with the model.
pub(super) fn a_mirror_is_the_fold_of_its_log_and_forgets_nothing<K: ImplementationUnderTest>(
    kind: &K,
    steps: Vec<MirrorStep>,
) {
    let mut model = Model::default();
    take_steps(kind, &mut model, steps);
}

/// A mirror that is written in one store after the other: what it was in one it is in the next.
#[derive(Default)]
pub(super) struct MovedMirror(Model);

impl MovedMirror {
    /// Sees that it is in this store as it was in the last one, and does the steps there.
    pub(super) fn goes_on_in<K: ImplementationUnderTest>(
        &mut self,
        kind: &K,
        steps: Vec<MirrorStep>,
    ) {
        // This alone does nothing but compare.
        take_steps(kind, &mut self.0, vec![MirrorStep::Reopen]);
        take_steps(kind, &mut self.0, steps);
    }
}

fn take_steps<K: ImplementationUnderTest>(kind: &K, model: &mut Model, steps: Vec<MirrorStep>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let leases = [1, 2].map(|repository| (repository, kind.lease(RepositoryId(repository))));
    model.leases = leases.into();
    let mut mirror = Some(kind.open());
    let last = steps.len();
    for (number, step) in (1..).zip(steps) {
        model.now += 1;
        if matches!(step, MirrorStep::Reopen) {
            drop(mirror.take());
            mirror = Some(kind.open());
        }
        let mirror = mirror.as_ref().unwrap();
        let reader = kind.reader(mirror);
        runtime.block_on(async {
            model.step(mirror, &*reader, step).await;
            for repository in 1..3 {
                model.compare(mirror, repository).await;
            }
            if number % COMPARED_EVERY == 0 || number == last {
                readings::compare(model, &*reader).await;
                snapshots::compare(model, &*reader, kind.has_views()).await;
            }
        });
        let content = kind.content();
        let mut expected = model.content();
        expected.hidden = expected.hidden.filter(|_| content.hidden.is_some());
        assert_eq!(content, expected);
        assert_eq!(model.fold(&content.changes), content.items);
        if let Some(found) = kind.views() {
            views::compare(model, found);
        }
    }
}

impl ImplementationUnderTest for Memory {
    type Mirror = Self;

    fn open(&self) -> Self {
        self.clone()
    }

    fn reader(&self, mirror: &Self) -> Arc<dyn MirrorReader> {
        Arc::new(mirror.clone())
    }

    fn has_views(&self) -> bool {
        false
    }

    fn content(&self) -> MirrorContent {
        let (items, tombstones) = self.items_and_tombstones();
        MirrorContent { items, tombstones, changes: self.retained(), hidden: None }
    }
}

#[test]
fn what_the_mirror_in_memory_knows_is_kept() {
    what_is_known_is_kept(&Memory::default());
}

proptest::proptest! {
    #[test]
    fn what_the_mirror_in_memory_learns_is_kept(updates in any_updates()) {
        what_is_learnt_is_kept(&Memory::default(), updates);
    }
}

#[test]
fn feeds_in_memory_hold_what_they_have_not_delivered() {
    feeds_hold_what_they_have_not_delivered(&Memory::default());
}

#[test]
fn no_number_of_a_feed_in_memory_harms_another() {
    no_number_of_a_feed_harms_another(&Memory::default());
}

#[test]
fn a_feed_in_memory_notes_no_more_than_it_may() {
    a_feed_notes_no_more_than_it_may(&Memory::default());
}

#[tokio::test]
async fn nobody_writes_a_model_in_memory_without_the_lease() {
    let memory = Memory::shared("a");
    a_model_is_fenced(&memory, &memory).await;
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(128))]

    #[test]
    fn the_mirror_in_memory_has_a_past(churn in any_churn()) {
        each_instant_is_what_was_recorded(&Memory::default(), churn);
    }

    #[test]
    fn feeds_are_kept_in_memory(steps in any_feed_steps()) {
        feeds_are_kept(&Memory::default(), steps);
    }

    #[test]
    fn the_mirror_in_memory_is_one(steps in any_steps()) {
        a_mirror_is_the_fold_of_its_log_and_forgets_nothing(&Memory::default(), steps);
    }
}
