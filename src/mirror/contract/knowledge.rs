//! What a pager has learnt is kept, in parts, beside all else and without a trace in it.

use std::sync::Arc;

use proptest::prelude::*;

use super::ImplementationUnderTest;
use crate::domain::RepositoryId;
use crate::mirror::{Knowledge, KnowledgeUpdate, KnownAnswer, Mirror};

/// Updates of one of two repositories, in a small world.
pub(in crate::mirror) fn any_updates() -> impl Strategy<Value = Vec<(u64, KnowledgeUpdate)>> {
    let window = || (prop_oneof![1_u64..4, Just(u64::MAX)], prop_oneof![1_u32..3, Just(u32::MAX)]);
    let bytes = || prop::collection::vec(any::<u8>(), 0..20);
    let known = prop::collection::btree_map(window(), bytes(), 0..5);
    let forgotten = prop::collection::vec(window(), 0..3);
    let update =
        (prop::option::of(bytes()), known, forgotten).prop_map(|(habits, mut known, forgotten)| {
            // Nothing is known and forgotten at once.
            known.retain(|window, _| !forgotten.contains(window));
            let known = known
                .into_iter()
                .map(|((page, size), bytes)| KnownAnswer { page, size, bytes })
                .collect();
            KnowledgeUpdate { habits, known, forgotten }
        });
    prop::collection::vec((1_u64..3, update), 1..8)
}

/// Keeps what is learnt, and compares what is then kept with it, opened anew after each.
pub(in crate::mirror) fn what_is_learnt_is_kept<K: ImplementationUnderTest>(
    kind: &K,
    updates: Vec<(u64, KnowledgeUpdate)>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let leases = [1, 2].map(|repository| kind.lease(RepositoryId(repository)));
    let place = |repository: u64| usize::try_from(repository).unwrap() - 1;
    let mut expected = [Knowledge::default(), Knowledge::default()];
    drop(kind.open());
    let before = kind.content();
    for (repository, update) in updates {
        expected[place(repository)].take(&update);
        runtime.block_on(async {
            let mirror = kind.open();
            let writer = mirror.writer(RepositoryId(repository), &leases[place(repository)]);
            let update = Arc::new(update);
            // Each call may be made again.
            for _ in 0..2 {
                writer.keep_knowledge(Arc::clone(&update)).await.unwrap();
            }
        });
        runtime.block_on(async {
            let mirror = kind.open();
            for repository in 1..3 {
                let writer = mirror.writer(RepositoryId(repository), &leases[place(repository)]);
                let mut kept = writer.knowledge().await.unwrap();
                // Where numbers without a sign stand in columns that have one is no matter.
                kept.answers.sort_by_key(|answer| (answer.size, answer.page));
                assert_eq!(kept, expected[place(repository)]);
            }
        });
    }
    assert_eq!(kind.content(), before);
}
