//! No change is lost for good, as a property: whatever happens at the server at whichever request, however
//! searches for what changed lie, and however often the daemon is stopped or killed, the next certified pass
//! has found all that was there when it began.
//!
//! The trials are the same at each run, an eighth of those with `THOROUGH`.
//! `EWMIRROR_NO_LOSS_TRIALS=5000 cargo test --release --lib no_loss` makes as many others.

mod judge;
mod trial;
mod world;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};

use self::trial::{Setting, Step, Trial, locked, paused};
use self::world::{Answering, Change, Fate, Happening, Lane, Place, Stamp};
use crate::config::IncrementalMode;
use crate::testing::slow_cases;

/// A moment that has come.
const AT_ONCE: Place = Place(Lane::Whole, 0);

/// How many trials of each property the suite makes, if all are made.
const TRIALS: u32 = 80;

/// At most so many tries are made to find a shorter trial that fails, too.
const SHORTENED_AT_MOST: u32 = 1000;

/// Makes trials.
#[expect(clippy::disallowed_methods, reason = "a setting of the test's, not of the program's")]
fn check<S: Strategy>(trials: S, check: impl Fn(S::Value) -> TestCaseResult) {
    let config = |cases| Config {
        cases,
        max_shrink_iters: SHORTENED_AT_MOST,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = if let Ok(cases) = std::env::var("EWMIRROR_NO_LOSS_TRIALS") {
        TestRunner::new(config(cases.parse().unwrap()))
    } else {
        let same = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        TestRunner::new_with_rng(config(slow_cases(TRIALS)), same)
    };
    runner.run(&trials, check).unwrap_or_else(|fault| panic!("{fault}"));
}

fn mode() -> impl Strategy<Value = IncrementalMode> {
    select(&[IncrementalMode::Since, IncrementalMode::NewestFirst][..])
}

fn setting() -> impl Strategy<Value = Setting> {
    let pages = (2_u8..=30, 1_u8..=4, select(&[0_u16, 200, 1000][..]), 0_u16..10);
    let incremental = (mode(), 1_u8..5, select(&[0_u8, 5, 120][..]));
    let items = prop_oneof![1 => 0_u8..8, 2 => 8_u8..=120];
    (items, pages, incremental, select(&[50_u16, 300][..]), any::<[bool; 2]>()).prop_map(
        |(items, pages, incremental, latency_ms, [whole_newest_first, tells_clock])| {
            let (page_size, in_flight, page_interval_ms, pass_interval_s) = pages;
            let (mode, interval_s, lookback_s) = incremental;
            Setting {
                mode,
                items,
                page_size,
                in_flight,
                page_interval_ms,
                pass_interval_s,
                interval_s,
                lookback_s,
                latency_ms,
                whole_newest_first,
                tells_clock,
            }
        },
    )
}

fn change(stamps: &'static [Stamp]) -> impl Strategy<Value = Change> {
    let stamp = move || select(stamps);
    prop_oneof![
        4 => (any::<u8>(), stamp()).prop_map(|(which, stamp)| Change::Update(which, stamp)),
        1 => (2_u8..20).prop_map(Change::Sweep),
        2 => (any::<u8>(), stamp()).prop_map(|(place, stamp)| Change::Insert(place, stamp)),
        2 => any::<u8>().prop_map(Change::Delete),
        2 => Just(Change::DeleteLatest),
        1 => (2_u8..20).prop_map(Change::Purge),
        2 => any::<(u8, u8)>().prop_map(|(which, place)| Change::Return(which, place)),
        2 => any::<(u8, u8)>().prop_map(|(from, to)| Change::Move(from, to)),
    ]
}

fn answering() -> impl Strategy<Value = Answering> {
    prop_oneof![
        2 => Just(Answering::Honestly),
        2 => (0_u8..4).prop_map(Answering::LeavingOut),
        1 => Just(Answering::WithoutCondition),
        1 => Just(Answering::WithNothing),
        1 => Just(Answering::LastChangeLast),
        1 => Just(Answering::BadRequest),
        1 => Just(Answering::Unauthorized),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    const STAMPS: &[Stamp] =
        &[Stamp::Now, Stamp::AsBefore, Stamp::Soon, Stamp::Future, Stamp::Past];
    prop_oneof![
        8 => change(STAMPS).prop_map(Happening::Changes),
        1 => answering().prop_map(Happening::Searches),
        1 => any::<i16>().prop_map(Happening::Clock),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![5 => any::<u8>().prop_map(Fate::Late), 1 => Just(Fate::Lost)]
}

/// The next page request of either kind of passes, or a later one.
fn request() -> impl Strategy<Value = Place> {
    prop_oneof![
        (1_u8..12).prop_map(|requests| Place(Lane::Whole, requests)),
        (1_u8..4).prop_map(|requests| Place(Lane::Incremental, requests)),
    ]
}

/// The same, or at once.
fn moment() -> impl Strategy<Value = Place> {
    prop_oneof![1 => Just(AT_ONCE), 3 => request()]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1_u8..60).prop_map(Step::Wait),
        2 => request().prop_map(Step::Until),
        8 => (moment(), happening()).prop_map(|(place, it)| Step::Happens(place, it)),
        3 => (request(), fate()).prop_map(|(place, fate)| Step::Request(place, fate)),
        1 => Just(Step::NextPass),
        1 => mode().prop_map(Step::Stop),
        1 => mode().prop_map(Step::Kill),
    ]
}

#[test]
fn no_change_is_lost_for_good_whatever_happens_and_the_next_certified_pass_has_found_it() {
    check((setting(), vec(step(), 0..40)), |(setting, steps)| {
        paused(async move {
            let mut trial = Trial::start(setting).await;
            for step in steps {
                trial = trial.step(step).await;
                trial.judge_log()?;
            }
            trial.rest().await;
            trial.certified_pass().await?;
            trial.judge_log()?;
            trial.judge()?;
            trial.judge_mirror()?;
            trial.end().await;
            Ok(())
        })
    });
}

fn honest_step() -> impl Strategy<Value = Step> {
    const STAMPS: &[Stamp] = &[Stamp::Now, Stamp::Soon, Stamp::Future];
    let since = || Just(IncrementalMode::Since);
    let incremental = || (0_u8..6).prop_map(|requests| Place(Lane::Incremental, requests));
    let happens = || change(STAMPS).prop_map(Happening::Changes);
    prop_oneof![
        3 => (1_u8..60).prop_map(Step::Wait),
        2 => incremental().prop_map(Step::Until),
        8 => (incremental(), happens()).prop_map(|(place, it)| Step::Happens(place, it)),
        3 => (incremental(), fate()).prop_map(|(place, fate)| Step::Request(place, fate)),
        1 => since().prop_map(Step::Stop),
        1 => since().prop_map(Step::Kill),
    ]
}

#[test]
fn a_search_that_does_not_lie_finds_each_change_without_a_whole_pass() {
    check((setting(), any::<i16>(), vec(honest_step(), 0..40)), |(setting, ahead_s, steps)| {
        let mode = IncrementalMode::Since;
        let setting = Setting { mode, tells_clock: true, pass_interval_s: 3600, ..setting };
        paused(async move {
            let mut trial = Trial::start(setting).await;
            trial = trial.step(Step::Happens(AT_ONCE, Happening::Clock(ahead_s))).await;
            trial.first_passes().await;
            locked(&trial.world).only_incremental = true;
            for step in steps {
                trial = trial.step(step).await;
                trial.judge_log()?;
            }
            trial.rest().await;
            trial.incremental_pass().await?;
            trial.judge_log()?;
            trial.judge()?;
            trial.judge_listed()?;
            trial.end().await;
            Ok(())
        })
    });
}
