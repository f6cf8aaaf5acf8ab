//! What every mirror must do about feeds, as one suite: what is saved, parked, released and replayed,
//! beside a model.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::ImplementationUnderTest;
use crate::domain::{ItemId, RepositoryId, Sequence};
use crate::mirror::{
    FEED_PROGRESS_BYTES, FeedLease, FeedRequest, FeedState, FeedWriter, MirrorReader, ParkedChange,
};

/// The feeds of the small world.
const FEEDS: [&str; 2] = ["shop", "it's a \"feed\" é"];

/// Something that is done to a feed.
#[derive(Clone, Debug)]
pub(in crate::mirror) enum FeedStep {
    /// What was read last is changed and saved.
    Save {
        state: FeedState,
        parked: Vec<ParkedChange>,
        unparked: Vec<Sequence>,
    },
    /// The same of a state that was read before another wrote it.
    SaveStale {
        state: FeedState,
        parked: Vec<ParkedChange>,
        unparked: Vec<Sequence>,
    },
    /// The same by one who had the right before.
    SaveUnderOldLease {
        state: FeedState,
        parked: Vec<ParkedChange>,
    },
    Ask(FeedRequest),
    /// Lets go of the right and takes it again.
    Release,
    /// Takes it where it is had already.
    Renew,
    Remove,
    Reopen,
}

/// What there is of a feed.
#[derive(Debug, Default)]
struct ModelFeed {
    state: Option<FeedState>,
    parked: BTreeMap<Sequence, ParkedChange>,
}

impl ModelFeed {
    fn save(&mut self, state: FeedState, parked: Vec<ParkedChange>, unparked: &[Sequence]) {
        self.parked.retain(|sequence, _| !unparked.contains(sequence));
        self.parked.extend(parked.into_iter().map(|it| (it.sequence, it)));
        self.state = Some(FeedState { revision: state.revision + 1, ..state });
    }

    fn ask(&mut self, request: FeedRequest) -> bool {
        let Some(state) = &mut self.state else { return false };
        match request {
            FeedRequest::Pause { reason } => state.paused = Some(reason),
            FeedRequest::Resume => state.paused = None,
            FeedRequest::Replay { after } => {
                (state.delivered_through, state.progress) = (after, String::new());
                self.parked.retain(|sequence, _| *sequence <= after);
            }
            FeedRequest::Unpark { sequence } => {
                let of = |it: &ParkedChange| (it.repository, it.item.clone());
                let named = match sequence {
                    None => None,
                    Some(sequence) => match self.parked.get(&sequence) {
                        None => return false,
                        Some(named) => Some(of(named)),
                    },
                };
                for change in self.parked.values_mut() {
                    change.released |= named.as_ref().is_none_or(|named| *named == of(change));
                }
            }
        }
        state.revision += 1;
        true
    }
}

/// Does the steps, and compares what is told with the model, after each.
pub(in crate::mirror) fn feeds_are_kept<K: ImplementationUnderTest>(
    kind: &K,
    steps: Vec<(bool, FeedStep)>,
) {
    MovedFeeds::default().go_on_in(kind, steps);
}

/// Feeds that are kept in one store after the other: what they were in one they are in the next.
#[derive(Default)]
pub(in crate::mirror) struct MovedFeeds([ModelFeed; 2]);

impl MovedFeeds {
    /// Sees that they are in this store as they were in the last one, and does the steps there.
    pub(in crate::mirror) fn go_on_in<K: ImplementationUnderTest>(
        &mut self,
        kind: &K,
        mut steps: Vec<(bool, FeedStep)>,
    ) {
        // This alone does nothing but compare.
        steps.insert(0, (false, FeedStep::Reopen));
        take_steps(kind, &mut self.0, steps);
    }
}

fn take_steps<K: ImplementationUnderTest>(
    kind: &K,
    model: &mut [ModelFeed; 2],
    steps: Vec<(bool, FeedStep)>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut mirror = Some(kind.open());
    let mut had: [Vec<FeedLease>; 2] = Default::default();
    for (which, step) in steps {
        let at = usize::from(which);
        if matches!(step, FeedStep::Reopen) {
            drop(mirror.take());
            mirror = Some(kind.open());
        }
        let mirror = mirror.as_ref().unwrap();
        let (writer, reader) = (kind.feed_writer(mirror), kind.reader(mirror));
        runtime.block_on(async {
            take_step(&*writer, &*reader, FEEDS[at], (&mut model[at], &mut had[at]), step).await;
            compare(&*reader, model).await;
        });
    }
}

async fn take_step(
    writer: &dyn FeedWriter,
    reader: &dyn MirrorReader,
    feed: &str,
    (model, had): (&mut ModelFeed, &mut Vec<FeedLease>),
    step: FeedStep,
) {
    let lease = writer.take_feed(feed).await.unwrap().expect("nobody else is there");
    assert_eq!(lease.feed, feed);
    if had.last() != Some(&lease) {
        assert!(had.iter().all(|it| it.term < lease.term), "{had:?} {lease:?}");
        had.push(lease.clone());
    }
    let revision = model.state.as_ref().map_or(0, |state| state.revision);
    match step {
        FeedStep::Save { state, parked, unparked } => {
            let state = FeedState { revision, ..state };
            let saved = writer.save_feed(&lease, &state, parked.clone(), unparked.clone()).await;
            assert_eq!(saved.unwrap(), Some(revision + 1));
            model.save(state, parked, &unparked);
        }
        FeedStep::SaveStale { state, parked, unparked } => {
            for revision in [revision.wrapping_sub(1), revision + 1] {
                let state = FeedState { revision: revision.min(1 << 40), ..state.clone() };
                let saved = writer.save_feed(&lease, &state, parked.clone(), unparked.clone());
                assert_eq!(saved.await.unwrap(), None);
            }
        }
        FeedStep::SaveUnderOldLease { state, parked } => {
            let state = FeedState { revision, ..state };
            for old in had.iter().filter(|old| **old != lease) {
                let saved = writer.save_feed(old, &state, parked.clone(), Vec::new()).await;
                assert_eq!(saved.unwrap(), None);
                // What is let go of is the old one's, which has nothing.
                writer.release_feed(old).await.unwrap();
                assert_eq!(writer.take_feed(feed).await.unwrap().as_ref(), Some(&lease));
            }
        }
        FeedStep::Ask(request) => {
            let known = model.ask(request.clone());
            assert_eq!(reader.change_feed(feed, request).await.unwrap(), known);
        }
        FeedStep::Release => {
            writer.release_feed(&lease).await.unwrap();
            let state = FeedState { revision, ..FeedState::default() };
            let saved = writer.save_feed(&lease, &state, Vec::new(), Vec::new()).await;
            assert_eq!(saved.unwrap(), None);
        }
        FeedStep::Renew => {
            assert_eq!(writer.take_feed(feed).await.unwrap().as_ref(), Some(&lease));
        }
        FeedStep::Remove => {
            reader.remove_feed(feed).await.unwrap();
            *model = ModelFeed::default();
            let saved = writer.save_feed(&lease, &FeedState::default(), Vec::new(), Vec::new());
            assert_eq!(saved.await.unwrap(), None);
        }
        FeedStep::Reopen => {}
    }
}

async fn compare(reader: &dyn MirrorReader, model: &[ModelFeed; 2]) {
    let mut expected: Vec<_> = FEEDS
        .iter()
        .zip(model)
        .filter_map(|(name, feed)| Some(((*name).to_owned(), feed.state.clone()?)))
        .collect();
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(reader.feeds().await.unwrap(), expected);
    assert_eq!(reader.feed_revision("none of them").await.unwrap(), 0);
    for (name, feed) in FEEDS.iter().zip(model) {
        let revision = feed.state.as_ref().map_or(0, |state| state.revision);
        assert_eq!(reader.feed_revision(name).await.unwrap(), revision);
        let parked: Vec<_> = feed.parked.values().cloned().collect();
        assert_eq!(reader.parked(name, Sequence(0), usize::MAX).await.unwrap(), parked);
        let some: Vec<_> = parked.into_iter().filter(|it| it.sequence.0 > 3).take(2).collect();
        assert_eq!(reader.parked(name, Sequence(3), 2).await.unwrap(), some);
    }
}

pub(in crate::mirror) fn any_feed_steps() -> impl Strategy<Value = Vec<(bool, FeedStep)>> {
    prop::collection::vec((any::<bool>(), any_step()), 1..30)
}

fn any_step() -> impl Strategy<Value = FeedStep> {
    let saves = || (any_state(), any_parked(), prop::collection::vec(any_sequence(), 0..4));
    prop_oneof![
        6 => saves().prop_map(|(state, parked, unparked)| FeedStep::Save {
            state, parked, unparked,
        }),
        1 => saves().prop_map(|(state, parked, unparked)| FeedStep::SaveStale {
            state, parked, unparked,
        }),
        1 => saves().prop_map(|(state, parked, _)| FeedStep::SaveUnderOldLease { state, parked }),
        4 => any_request().prop_map(FeedStep::Ask),
        1 => Just(FeedStep::Release),
        1 => Just(FeedStep::Renew),
        1 => Just(FeedStep::Remove),
        1 => Just(FeedStep::Reopen),
    ]
}

fn any_request() -> impl Strategy<Value = FeedRequest> {
    prop_oneof![
        "[a-z']{0,5}".prop_map(|reason| FeedRequest::Pause { reason }),
        Just(FeedRequest::Resume),
        any_sequence().prop_map(|after| FeedRequest::Replay { after }),
        prop::option::of(any_sequence()).prop_map(|sequence| FeedRequest::Unpark { sequence }),
    ]
}

fn any_sequence() -> impl Strategy<Value = Sequence> {
    (0_u64..8).prop_map(Sequence)
}

fn any_state() -> impl Strategy<Value = FeedState> {
    let progress = prop_oneof![
        9 => "\\{\"é\":[0-9]\\}",
        1 => Just("x".repeat(FEED_PROGRESS_BYTES)),
    ];
    (any_sequence(), progress, prop::option::of("[a-z]{1,3}"), 0_u64..9, any::<Option<i64>>())
        .prop_map(|(delivered_through, progress, paused, delivered, last_success_ms)| FeedState {
            delivered_through,
            progress,
            paused,
            delivered,
            last_success_ms,
            revision: 0,
        })
}

fn any_parked() -> impl Strategy<Value = Vec<ParkedChange>> {
    let item = prop_oneof![
        Just(ItemId::Integer(7)),
        Just(ItemId::Text("7".into())),
        Just(ItemId::Integer(i128::MAX)),
    ];
    let change = (1_u64..8, 1_u64..3, item, prop::option::of(any_sequence()), any::<bool>());
    let change = change.prop_map(|(sequence, repository, item, behind, released)| ParkedChange {
        sequence: Sequence(sequence),
        repository: RepositoryId(repository),
        item,
        reason: format!("refused {sequence}"),
        parked_at_ms: -1,
        behind,
        released,
    });
    // Each change once, as it is in the log.
    prop::collection::vec(change, 0..4).prop_map(|changes| {
        let by_sequence: BTreeMap<_, _> =
            changes.into_iter().map(|change| (change.sequence, change)).collect();
        by_sequence.into_values().collect()
    })
}

/// A feed notes no more than it may, and what it notes beyond is no part of it.
pub(in crate::mirror) fn a_feed_notes_no_more_than_it_may<K: ImplementationUnderTest>(kind: &K) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mirror = kind.open();
    let (writer, reader): (Arc<dyn FeedWriter>, _) =
        (kind.feed_writer(&mirror), kind.reader(&mirror));
    runtime.block_on(async {
        let lease = writer.take_feed("shop").await.unwrap().unwrap();
        // In bytes, not in characters.
        let progress = "é".repeat(FEED_PROGRESS_BYTES / 2 + 1);
        let state = FeedState { progress, ..FeedState::default() };
        writer.save_feed(&lease, &state, Vec::new(), Vec::new()).await.unwrap_err();
        assert_eq!(reader.feeds().await.unwrap(), []);
    });
}

/// A number that no store can keep is kept as the largest, and harms no other feed.
pub(in crate::mirror) fn no_number_of_a_feed_harms_another<K: ImplementationUnderTest>(kind: &K) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mirror = kind.open();
    let (writer, reader) = (kind.feed_writer(&mirror), kind.reader(&mirror));
    runtime.block_on(async {
        let told = async || {
            let feeds = reader.feeds().await.unwrap().into_iter();
            feeds.map(|(name, state)| (name, state.delivered_through.0)).collect::<Vec<_>>()
        };
        let most = Sequence::MOST.0;
        for (feed, through) in [("a", 5), ("b", 7), ("c", u64::MAX)] {
            let lease = writer.take_feed(feed).await.unwrap().unwrap();
            let delivered_through = Sequence(through);
            let state = FeedState { delivered_through, ..FeedState::default() };
            let saved = writer.save_feed(&lease, &state, Vec::new(), Vec::new()).await;
            assert_eq!(saved.unwrap(), Some(1));
        }
        let feed = |name: &str, through| (name.to_owned(), through);
        assert_eq!(told().await, [feed("a", 5), feed("b", 7), feed("c", most)]);
        let replay = FeedRequest::Replay { after: Sequence(1 << 63) };
        assert!(reader.change_feed("b", replay).await.unwrap());
        assert_eq!(told().await, [feed("a", 5), feed("b", most), feed("c", most)]);
    });
}
