//! A receiver that says whatever a test wants, and the task that delivers to it, over a mirror in memory.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::LocalSet;
use tokio::time::Instant;

use super::super::batch::Batch;
use super::super::place::FeedPlace;
use super::super::receiver::{DeliveryFuture, DeliveryRefusal, Receiver};
use super::super::{FeedSettings, FeedTask};
use crate::config::{Environment, load_text};
use crate::domain::{Item, ItemId, Iteration, RepositoryId, Sequence};
use crate::mirror::{
    Checkpoint, FeedHolds, FeedRequest, FeedState, Feeds as _, Lease, Mirror as _, PageOfItems,
    ParkedChange, PassStatistics,
};
use crate::progress::Progress;
use crate::task::Cancellation;
use crate::task::clock::Chance;
use crate::testing::Memory;

/// Long enough for whatever is to be done or tried again.
pub(super) const A_WHILE: Duration = Duration::from_secs(1200);

/// What the receiver of this thread has, and how it answers.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a test says each of them by its name")]
pub(super) struct Shop {
    /// It does not take these.
    pub(super) unfit: BTreeSet<u64>,
    pub(super) unfit_items: BTreeSet<i128>,
    pub(super) takes_nothing: bool,
    pub(super) is_gone: bool,
    pub(super) is_away: bool,
    /// It never answers.
    pub(super) hangs: bool,
    /// It cannot be made.
    pub(super) is_broken: bool,
    /// How long it takes to shut out all others, each time that it is made.
    pub(super) shuts_out: Option<Duration>,
    /// How long it asks to be left alone.
    pub(super) after: Option<Duration>,
    pub(super) received: Vec<u64>,
    /// The items of what it has received.
    pub(super) items: Vec<i128>,
    /// The id of each try, when it was, and how many changes it had.
    pub(super) tries: Vec<String>,
    pub(super) times: VecDeque<Instant>,
    pub(super) sizes: Vec<usize>,
}

thread_local! {
    /// A test runs in a thread of its own, and so does all that it starts.
    static SHOP: RefCell<Shop> = RefCell::default();
}

pub(super) fn shop<T>(look: impl FnOnce(&mut Shop) -> T) -> T {
    SHOP.with_borrow_mut(look)
}

pub(super) fn received() -> Vec<u64> {
    shop(|shop| shop.received.clone())
}

#[derive(Debug, Default)]
struct ShopReceiver {
    is_prepared: bool,
    has_shut_out: bool,
}

impl Receiver for ShopReceiver {
    /// One that shuts others out is the only one that writes: so has Kafka it.
    fn needs_stored_batch(&self) -> bool {
        shop(|shop| shop.shuts_out.is_none())
    }

    fn prepare<'a>(&'a mut self, _: &'a Batch) -> DeliveryFuture<'a> {
        Box::pin(async {
            if let Some(time) = shop(|shop| shop.shuts_out)
                && !std::mem::replace(&mut self.is_prepared, true)
            {
                self.has_shut_out = true;
                tokio::time::sleep(time).await;
            }
            Ok(None)
        })
    }

    fn has_shut_out(&mut self) -> bool {
        std::mem::take(&mut self.has_shut_out)
    }

    fn deliver<'a>(&'a mut self, batch: &'a Batch) -> DeliveryFuture<'a> {
        let sequences: Vec<u64> = batch.lines.iter().map(|line| line.sequence.0).collect();
        let items = batch.lines.iter().map(|line| match &line.item {
            ItemId::Integer(number) => *number,
            ItemId::Text(_) => -1,
        });
        let answer = shop(|shop| {
            shop.tries.push(batch.id.clone());
            shop.times.push_back(Instant::now());
            shop.sizes.push(sequences.len());
            let reason = "not now".to_owned();
            if shop.hangs {
                return None;
            }
            if shop.is_away {
                return Some(Err(DeliveryRefusal::Later { reason, after: shop.after }));
            }
            if shop.is_gone {
                return Some(Err(DeliveryRefusal::Gone { reason }));
            }
            let is_unfit = sequences.iter().any(|it| shop.unfit.contains(it))
                || items.clone().any(|it| shop.unfit_items.contains(&it));
            if shop.takes_nothing || is_unfit {
                return Some(Err(DeliveryRefusal::Unfit { reason }));
            }
            shop.received.extend(sequences);
            shop.items.extend(items);
            Some(Ok(None))
        });
        Box::pin(async {
            match answer {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        })
    }
}

fn receiver(_: &FeedSettings, _: &FeedPlace) -> Result<Box<dyn Receiver>, String> {
    if shop(|shop| shop.is_broken) {
        return Err("it cannot be made".to_owned());
    }
    Ok(Box::<ShopReceiver>::default())
}

/// A feed with these keys, and the task that delivers it.
pub(super) struct Feed {
    keys: String,
    pub(super) progress: Arc<Progress>,
}

impl Feed {
    pub(super) fn new(keys: &str) -> Self {
        Self { keys: keys.to_owned(), progress: Arc::default() }
    }

    /// From the beginning of the log.
    pub(super) fn of_changes() -> Self {
        Self::new("from = 0\nbatch = 4")
    }

    pub(super) fn settings(&self) -> FeedSettings {
        let text = format!(
            "[server]\nurl = 'http://127.0.0.1:1'\n[login]\nusername = 'system'\n\
             [[repository]]\nid = 1\n[[feed]]\nname = 'shop'\ntype = 'file'\npath = '/none'\n{}",
            self.keys
        );
        let environment = Environment::from_pairs([("EWMIRROR_LOGIN__PASSWORD", "p")]);
        let config = load_text(&text, "test", &environment).unwrap().config;
        let repositories: Vec<_> = config.repositories.iter().cloned().map(Arc::new).collect();
        let server = (&config.server, &Environment::default());
        FeedSettings::new(&config.feeds[0], server, &repositories)
    }

    pub(super) fn task(&self, memory: &Memory, cancellation: &Cancellation) -> FeedTask {
        FeedTask {
            settings: Arc::new(self.settings()),
            reader: Arc::new(memory.clone()),
            writer: memory.feed_writer().unwrap(),
            receiver,
            progress: Arc::clone(&self.progress),
            chance: Arc::new(Chance::seeded(7)),
            context: cancellation.task(),
        }
    }

    /// Runs the task beside `look`, and stops it in order.
    pub(super) async fn beside(&self, memory: &Memory, look: impl Future<Output = ()>) {
        let local = LocalSet::new();
        let cancellation = Cancellation::new();
        let running = local.spawn_local(self.task(memory, &cancellation).run());
        local.run_until(look).await;
        cancellation.cancel();
        local.run_until(running).await.unwrap();
    }

    /// Whether a problem is told that says this.
    pub(super) fn tells(&self, text: &str) -> bool {
        format!("{:?}", self.progress.problems.told()).contains(text)
    }
}

/// Runs the task of a feed of all changes beside `look`.
pub(super) async fn beside(memory: &Memory, look: impl Future<Output = ()>) {
    Feed::of_changes().beside(memory, look).await;
}

pub(super) async fn with_a_pass() -> Memory {
    let memory = Memory::default();
    let writer = memory.writer(RepositoryId(1), &Lease::sole());
    writer.begin_pass(Iteration(1), 0).await.unwrap();
    memory
}

/// Items of these ids, each with this value: a change for each that is another.
pub(super) async fn write(memory: &Memory, value: u8, ids: &[i128]) {
    write_bodies(memory, value, ids, &format!("{{\"value\":{value}}}")).await;
}

/// Items of these ids, each with this body, found at this time.
pub(super) async fn write_bodies(memory: &Memory, ts_ms: u8, ids: &[i128], body: &str) {
    let writer = memory.writer(RepositoryId(1), &Lease::sole());
    let page = PageOfItems {
        iteration: Iteration(1),
        ts_ms: ts_ms.into(),
        newly_seen: ids.iter().map(|_| true).collect(),
        items: ids
            .iter()
            .map(|id| Item::new(ItemId::Integer(*id), body.to_owned().into()))
            .collect(),
        ignore: Arc::new([]),
        member_changes: Arc::default(),
        statistics: PassStatistics::default(),
        checkpoint: Checkpoint::default(),
    };
    writer.write_page(Arc::new(page)).await.unwrap();
}

pub(super) async fn ask(memory: &Memory, request: FeedRequest) {
    assert!(memory.change_feed("shop", request).await.unwrap());
}

pub(super) async fn state(memory: &Memory) -> FeedState {
    memory.feeds().await.unwrap().remove(0).1
}

pub(super) async fn parked(memory: &Memory) -> Vec<(u64, Option<u64>, bool)> {
    let row = |it: ParkedChange| (it.sequence.0, it.behind.map(|behind| behind.0), it.released);
    let parked = memory.parked("shop", Sequence(0), 100).await.unwrap();
    parked.into_iter().map(row).collect()
}

/// Deletes these items.
pub(super) async fn delete(memory: &Memory, ids: impl IntoIterator<Item = i128>) {
    let writer = memory.writer(RepositoryId(1), &Lease::sole());
    let items = ids.into_iter().map(ItemId::Integer).collect();
    writer.delete(Iteration(1), 9, items).await.unwrap();
}

/// Saves a feed as a task has left it.
pub(super) async fn leave(
    memory: &Memory,
    through: u64,
    progress: &str,
    parked: &[(u64, i128, bool)],
) {
    let writer = memory.feed_writer().unwrap();
    let lease = writer.take_feed("shop").await.unwrap().unwrap();
    let parked = parked.iter().map(|(sequence, item, released)| ParkedChange {
        sequence: Sequence(*sequence),
        repository: RepositoryId(1),
        item: ItemId::Integer(*item),
        reason: "refused".to_owned(),
        parked_at_ms: 5,
        behind: None,
        released: *released,
    });
    let state = FeedState {
        delivered_through: Sequence(through),
        progress: progress.to_owned(),
        ..FeedState::default()
    };
    let saved = writer.save_feed(&lease, &state, parked.collect(), Vec::new()).await;
    assert_eq!(saved.unwrap(), Some(1));
}

/// Drops what was found before this time, whatever feeds have not delivered.
pub(super) async fn drop_before(memory: &Memory, found_ms: i64) {
    let holds = FeedHolds::default();
    memory.drop_changes(found_ms + 1, Duration::from_millis(1), &holds).await.unwrap();
}

/// Drops the same once the feed has held it for as long as it may.
pub(super) async fn hold_no_longer(memory: &Memory, found_ms: i64) {
    let hold = Duration::from_millis(1);
    let holds = FeedHolds::from_iter([("shop".to_owned(), hold)]);
    memory.drop_changes(found_ms + 1, hold, &holds).await.unwrap();
}
