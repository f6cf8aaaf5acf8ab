//! One trial: a daemon beside a world that goes its own way, step after step, until the world rests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proptest::prop_assert;
use proptest::test_runner::TestCaseError;
use serde_json::{Map, Value};
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};

use super::judge;
use super::world::{Fate, Happening, NEWEST_FIRST, Place, REPOSITORY, SINCE, World};
use crate::config::{Config, DeletesConfig, IncrementalConfig, IncrementalMode, SinceForm};
use crate::signals::Signal;
use crate::task::clock::RuntimeTime;
use crate::testing::{Call, HOUR, MINUTE, Rig, SECOND, Server, configuration};

/// The time of day at which each trial begins, in milliseconds since 1970.
const BEGIN_MS: u64 = 1_795_996_259_000;

/// Of pages this large each window can begin inside the one before, however long the list is here.
const ENOUGH_TO_OVERLAP: u8 = 7;

/// How often it is looked whether a request was made, which no test of the time of requests depends on; and how
/// many times at most.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LONGEST_LOOK: u32 = 3000;

/// What is told of a pass that has ended.
const WHOLE: &str = "pass complete";
const INCREMENTAL: &str = "incremental pass complete";

/// How a trial is set up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) mode: IncrementalMode,
    pub(super) items: u8,
    pub(super) page_size: u8,
    pub(super) in_flight: u8,
    pub(super) page_interval_ms: u16,
    pub(super) pass_interval_s: u16,
    pub(super) interval_s: u8,
    pub(super) lookback_s: u8,
    pub(super) latency_ms: u16,
    pub(super) whole_newest_first: bool,
    pub(super) tells_clock: bool,
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// So many tenths of a second go by.
    Wait(u8),
    /// That page request is made, or half a minute goes by.
    Until(Place),
    /// This happens before that page request; at 0 at once.
    Happens(Place, Happening),
    /// This becomes of that page request.
    Request(Place, Fate),
    /// The next whole pass is to begin without a rest.
    NextPass,
    /// The daemon is stopped, and another one goes on in this mode.
    Stop(IncrementalMode),
    /// The same without a word to the daemon, as by `kill -9`.
    Kill(IncrementalMode),
}

/// A trial under way.
pub(super) struct Trial {
    setting: Setting,
    pub(super) world: Arc<Mutex<World>>,
    rig: Rig,
}

impl Setting {
    fn config(self) -> Config {
        let Self { page_size, page_interval_ms, pass_interval_s, in_flight, .. } = self;
        let mut config = configuration(
            &[1],
            &format!(
                "page_size = {page_size}\npage_interval = '{page_interval_ms}ms'\n\
                 pass_interval = '{pass_interval_s}s'\nin_flight = {in_flight}"
            ),
        );
        let mut search = Map::new();
        match self.mode {
            IncrementalMode::Since => search.insert(SINCE.to_owned(), "{since}".into()),
            IncrementalMode::NewestFirst => search.insert(NEWEST_FIRST.to_owned(), Value::Null),
        };
        let repository = &mut config.repositories[0];
        repository.deletes = DeletesConfig { max_fraction: 1.0, min_count: 1000 };
        repository.incremental = Some(IncrementalConfig {
            interval: Duration::from_secs(self.interval_s.into()),
            mode: self.mode,
            search,
            cursor: Some("/changed".parse().unwrap()),
            lookback: Duration::from_secs(self.lookback_s.into()),
            form: SinceForm::rfc3339(),
        });
        config
    }
}

/// Runs this on a paused clock, and the time of day with it.
pub(super) fn paused<T>(trial: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let _time = RuntimeTime::from_ms(BEGIN_MS);
        trial.await
    })
}

impl Trial {
    /// A daemon that has just begun, beside a server that has had its items for a while.
    pub(super) async fn start(setting: Setting) -> Self {
        let world = World::new(setting.whole_newest_first, setting.tells_clock);
        let world = Arc::new(Mutex::new(world));
        let server = Server::new(&[(REPOSITORY.0, 0)]);
        server.set_latency(Call::Search, Duration::from_millis(setting.latency_ms.into()));
        let (found, before, fate) = (Arc::clone(&world), Arc::clone(&world), Arc::clone(&world));
        server.hook(move |asked| locked(&fate).fate(asked));
        {
            let mut state = server.state();
            locked(&world).fill(setting.items, &mut state);
            state.found = Some(Box::new(move |request, list| locked(&found).found(request, list)));
            state.before = Some(Box::new(move |asked, state| locked(&before).before(asked, state)));
        }
        sleep(SECOND).await;
        let rig = Rig::new(server, setting.config()).start();
        Self { setting, world, rig }
    }

    /// Makes a step.
    pub(super) async fn step(mut self, step: Step) -> Self {
        match step {
            Step::Wait(tenths) => self.rig.run_for(SECOND / 10 * u32::from(tenths)).await,
            Step::Until(place) => {
                let (lane, number) = locked(&self.world).at(place);
                for _ in 0..LONGEST_LOOK {
                    if locked(&self.world).made(lane) >= number {
                        break;
                    }
                    self.rig.run_for(LOOK_EVERY).await;
                }
            }
            Step::Happens(place, happening) => {
                let mut state = self.rig.server.state();
                locked(&self.world).plan(place, happening, &mut state);
            }
            Step::Request(place, fate) => locked(&self.world).decide(place, fate),
            Step::NextPass => self.rig.signal(Signal::NextPass).await,
            Step::Stop(mode) => {
                self.rig.stop().await;
                self = self.again(mode);
            }
            Step::Kill(mode) => {
                self.rig.kill().await;
                self = self.again(mode);
            }
        }
        self
    }

    /// The next daemon.
    fn again(self, mode: IncrementalMode) -> Self {
        let setting = Setting { mode, ..self.setting };
        Self { setting, rig: self.rig.again(setting.config()).start(), ..self }
    }

    /// Waits for the first whole and the first incremental pass to end.
    pub(super) async fn first_passes(&self) {
        self.rig.events.nth(WHOLE, 1).await;
        self.rig.events.nth(INCREMENTAL, 1).await;
    }

    /// Nothing happens any more, and what is under way comes home.
    pub(super) async fn rest(&mut self) {
        locked(&self.world).rest();
        self.rig.run_for(2 * MINUTE).await;
    }

    /// Waits for a whole pass that begins now, and must be certified; where the server could not be asked for
    /// what is missing, since it has nothing that it could be seen to answer with, for another one.
    pub(super) async fn certified_pass(&mut self) -> Result<(), TestCaseError> {
        if self.setting.page_size < ENOUGH_TO_OVERLAP {
            self.setting.page_size = ENOUGH_TO_OVERLAP;
            self.rig.reload(Ok(self.setting.config())).await;
            self.rig.run_for(SECOND).await;
        }
        let is_empty = self.listed().is_empty();
        for _ in 0..=u8::from(is_empty) {
            let before = self.rig.mirror.memory.with(REPOSITORY, |kept| {
                kept.passes.last_key_value().map_or(0, |(iteration, _)| iteration.0)
            });
            self.rig.signal(Signal::NextPass).await;
            let ended = self
                .rig
                .events
                .wait_for(|event| event.message == WHOLE && event.number("iteration") > before);
            let Ok(ended) = timeout(HOUR, ended).await else {
                return Err(TestCaseError::fail("no whole pass ends"));
            };
            prop_assert!(ended.field("certified") == "true", "not certified: {ended:?}");
        }
        Ok(())
    }

    /// Waits for an incremental pass that begins now.
    pub(super) async fn incremental_pass(&self) -> Result<(), TestCaseError> {
        let before = self.rig.events.named(INCREMENTAL).len();
        // The first of them may have begun before.
        let ended = timeout(HOUR, self.rig.events.nth(INCREMENTAL, before + 2)).await;
        ended.map(drop).map_err(|_| TestCaseError::fail("no incremental pass ends"))
    }

    /// What the server lists, by id.
    fn listed(&self) -> judge::Items {
        let items = &self.rig.server.state().lists[&REPOSITORY];
        items.iter().map(|item| (item.id.clone(), item.bytes.to_vec())).collect()
    }

    /// What the mirror has, by id.
    fn mirrored(&self) -> judge::Items {
        self.rig.mirror.memory.with(REPOSITORY, |kept| {
            kept.items.iter().map(|(id, bytes)| (id.clone(), bytes.to_vec())).collect()
        })
    }

    /// Checks that the log leads to the mirror.
    pub(super) fn judge_log(&self) -> Result<(), TestCaseError> {
        judge::log(&self.rig.mirror.memory.retained(), &self.mirrored())
    }

    /// Checks that no change was undone, invented or lost so far.
    pub(super) fn judge(&self) -> Result<(), TestCaseError> {
        let passes: Vec<_> =
            self.rig.mirror.memory.with(REPOSITORY, |kept| kept.passes.values().cloned().collect());
        let changes = self.rig.mirror.memory.retained();
        let world = locked(&self.world);
        prop_assert!(self.rig.events.named("task failed").is_empty(), "a task has panicked");
        judge::changes(&changes, &world.histories)?;
        judge::deletions(&changes, &passes, &world.histories)?;
        judge::certified(&changes, &passes, &world)
    }

    /// Checks that the mirror is the server's list.
    pub(super) fn judge_mirror(&self) -> Result<(), TestCaseError> {
        judge::same(&self.mirrored(), &self.listed())
    }

    /// Checks that the mirror has all that the server lists, as it is there.
    pub(super) fn judge_listed(&self) -> Result<(), TestCaseError> {
        let (listed, mut mirrored) = (self.listed(), self.mirrored());
        mirrored.retain(|id, _| listed.contains_key(id));
        judge::same(&mirrored, &listed)
    }

    /// Ends the daemon.
    pub(super) async fn end(mut self) {
        self.rig.stop().await;
    }
}

pub(super) fn locked(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}
