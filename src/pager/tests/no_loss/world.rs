//! The server's list as it goes its own way: what happens to it and at which request, what searches for
//! what changed make of it, and all that ever stood in it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::client::{
    ApiEndpoint, Failure, Refusal, RefusalShape, RequestError, RequestErrorKind, SearchRequest,
};
use crate::domain::{Item, ItemId, RepositoryId};
use crate::task::clock;
use crate::testing::{Asked, Call, Outcome, State};

pub(super) const REPOSITORY: RepositoryId = RepositoryId(1);

/// The member of a search that has the moment since when.
pub(super) const SINCE: &str = "changedSince";

/// The member of a search for a list with the last change first.
pub(super) const NEWEST_FIRST: &str = "newestFirst";

/// What an item says of the time of its last change.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stamp {
    Now,
    /// The same as before, although it changed.
    AsBefore,
    /// Half a minute from now.
    Soon,
    /// A month from now.
    Future,
    /// An hour ago.
    Past,
}

/// One change of the list. An item is named by its place, counted on from the top as often as need be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Update(u8, Stamp),
    /// Each so-manieth item is updated at once.
    Sweep(u8),
    /// A new item, at this place.
    Insert(u8, Stamp),
    Delete(u8),
    /// The one that changed last is deleted.
    DeleteLatest,
    /// Each so-manieth item is deleted at once.
    Purge(u8),
    /// One of those that were deleted is there again, at this place.
    Return(u8, u8),
    /// From this place to that one, because it was changed: of an item that moves without any change the pass's
    /// proof says nothing.
    Move(u8, u8),
}

/// How searches for what changed are answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answering {
    Honestly,
    /// Without one item in four: those whose id leaves this remainder.
    LeavingOut(u8),
    /// With all items in the usual order.
    WithoutCondition,
    WithNothing,
    LastChangeLast,
    /// Not at all: the search is wrong.
    BadRequest,
    /// Not at all: as if the session had ended.
    Unauthorized,
}

/// What happens at the server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Happening {
    Changes(Change),
    Searches(Answering),
    /// Its clock is so many seconds ahead from now on.
    Clock(i16),
}

/// Whose page request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    Whole,
    Incremental,
}

/// A page request, as the so-manieth of its lane from now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(pub(super) Lane, pub(super) u8);

/// What becomes of one page request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// It is answered so many tenths of a second later.
    Late(u8),
    /// It comes to nothing after it was judged.
    Lost,
}

/// One content of an item, and when it stood in the list, by the time of day of the daemon.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) revision: u64,
    pub(super) bytes: Bytes,
    pub(super) from_ms: i64,
    pub(super) until_ms: Option<i64>,
}

/// What became of one item.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The oldest first.
    pub(super) versions: Vec<Version>,
    /// When it was put somewhere.
    pub(super) placed_ms: Vec<i64>,
    /// From when until when it was deleted.
    missing_ms: Vec<(i64, i64)>,
}

/// All that the server does of itself.
#[derive(Debug)]
pub(super) struct World {
    /// Whether whole passes see the last change first, too, so that items rise when they change.
    pub(super) whole_newest_first: bool,
    /// Whether the server's answers tell its time.
    pub(super) tells_clock: bool,
    /// Whether whole passes are not answered.
    pub(super) only_incremental: bool,
    answering: Answering,
    clock_ahead_s: i16,
    revisions: u64,
    ids: u64,
    gone: Vec<u64>,
    /// Of each item in the list: when it says that it changed, and which revision it is.
    stamps: HashMap<u64, (i64, u64)>,
    pub(super) histories: BTreeMap<u64, History>,
    /// What happens before the page request of this lane and number, counted from 1.
    due: Vec<(Lane, u64, Happening)>,
    fates: HashMap<(Lane, u64), Fate>,
    /// Page requests so far, and when the last request of any kind was made.
    searches: HashMap<Lane, u64>,
    asked: Option<Instant>,
}

impl World {
    pub(super) fn new(whole_newest_first: bool, tells_clock: bool) -> Self {
        Self {
            whole_newest_first,
            tells_clock,
            only_incremental: false,
            answering: Answering::Honestly,
            clock_ahead_s: 0,
            revisions: 0,
            ids: 0,
            gone: Vec::new(),
            stamps: HashMap::new(),
            histories: BTreeMap::new(),
            due: Vec::new(),
            fates: HashMap::new(),
            searches: HashMap::new(),
            asked: None,
        }
    }

    /// So many items are there.
    pub(super) fn fill(&mut self, items: u8, state: &mut State) {
        for _ in 0..items {
            self.change(Change::Insert(u8::MAX, Stamp::Past), state);
        }
    }

    /// This happens before that page request; where that is the last one, as soon as possible.
    pub(super) fn plan(&mut self, place: Place, happening: Happening, state: &mut State) {
        let (lane, number) = self.at(place);
        self.due.push((lane, number, happening));
        self.happen(Instant::now(), state);
    }

    /// This becomes of that page request.
    pub(super) fn decide(&mut self, place: Place, fate: Fate) {
        self.fates.insert(self.at(place), fate);
    }

    /// The number that this page request will have.
    pub(super) fn at(&self, Place(lane, requests): Place) -> (Lane, u64) {
        (lane, self.made(lane) + u64::from(requests))
    }

    /// How many page requests of this lane were made.
    pub(super) fn made(&self, lane: Lane) -> u64 {
        self.searches.get(&lane).copied().unwrap_or_default()
    }

    /// Nothing happens any more.
    pub(super) fn rest(&mut self) {
        self.due.clear();
        self.fates.clear();
    }

    /// A request is about to be judged.
    pub(super) fn before(&mut self, asked: &Asked, state: &mut State) {
        if !matches!(asked.call, Call::Search | Call::Item) {
            return;
        }
        if asked.call == Call::Search {
            *self.searches.entry(lane(asked)).or_default() += 1;
        }
        self.happen(asked.at, state);
        self.asked = Some(asked.at);
    }

    /// What becomes of a request.
    pub(super) fn fate(&mut self, asked: &Asked) -> Option<Outcome> {
        let lane = lane(asked);
        let number = self.made(lane);
        let fate = (asked.call == Call::Search).then(|| self.fates.remove(&(lane, number)))??;
        Some(match fate {
            Fate::Late(tenths) => Outcome::Late(Duration::from_millis(u64::from(tenths) * 100)),
            Fate::Lost => Outcome::Lose,
        })
    }

    /// What a search finds.
    pub(super) fn found(
        &self,
        request: &SearchRequest,
        list: &[Item],
    ) -> Result<Vec<Item>, Failure> {
        let since = request.conditions.get(SINCE);
        let is_newest_first = request.conditions.contains_key(NEWEST_FIRST);
        let mut found = list.to_vec();
        if since.is_none() && !is_newest_first {
            if self.only_incremental {
                return Err(failure(503));
            }
            if self.whole_newest_first {
                self.sort(&mut found);
            }
            return Ok(found);
        }
        match self.answering {
            Answering::BadRequest => return Err(failure(400)),
            Answering::Unauthorized => {
                let refusal = Refusal::new(ApiEndpoint::Search, RefusalShape::Unauthorized);
                return Err(Failure::Refused(refusal));
            }
            Answering::WithoutCondition => return Ok(found),
            Answering::WithNothing => return Ok(Vec::new()),
            Answering::LeavingOut(rest) => {
                found.retain(|item| id(item) % 4 != u64::from(rest) % 4);
            }
            Answering::Honestly | Answering::LastChangeLast => {}
        }
        if let Some(since) = since {
            let since: Timestamp = since.as_str().unwrap().parse().unwrap();
            found.retain(|item| self.stamps[&id(item)].0 >= since.as_millisecond());
        }
        if is_newest_first {
            self.sort(&mut found);
        }
        if matches!(self.answering, Answering::LastChangeLast) {
            found.reverse();
        }
        Ok(found)
    }

    /// The last change first.
    fn sort(&self, list: &mut [Item]) {
        list.sort_by_key(|item| Reverse(self.stamps[&id(item)]));
    }

    /// Has happen what is due. The requests of one moment see one list: whatever comes between them would have
    /// no order in time.
    fn happen(&mut self, now: Instant, state: &mut State) {
        if self.asked == Some(now) {
            return;
        }
        let (due, later): (Vec<_>, Vec<_>) = self.due.drain(..).partition(|(lane, number, _)| {
            *number <= self.searches.get(lane).copied().unwrap_or_default()
        });
        self.due = later;
        for (.., happening) in due {
            match happening {
                Happening::Changes(change) => self.change(change, state),
                Happening::Searches(answering) => self.answering = answering,
                Happening::Clock(ahead_s) => {
                    self.clock_ahead_s = ahead_s;
                    state.clock_ahead_s = self.tells_clock.then_some(i64::from(ahead_s));
                }
            }
        }
    }

    fn change(&mut self, change: Change, state: &mut State) {
        let list = state.lists.get_mut(&REPOSITORY).unwrap();
        let length = list.len();
        let at = |number: u8| usize::from(number).checked_rem(length);
        match change {
            Change::Update(which, stamp) => {
                if let Some(at) = at(which) {
                    list[at] = self.written(id(&list[at]), stamp);
                }
            }
            Change::Sweep(each) => {
                for item in list.iter_mut().step_by(usize::from(each.max(1))) {
                    *item = self.written(id(item), Stamp::Now);
                }
            }
            Change::Insert(place, stamp) => {
                self.ids += 1;
                self.insert(self.ids, (place, stamp), list);
            }
            Change::Return(which, place) => {
                if let Some(at) = usize::from(which).checked_rem(self.gone.len()) {
                    let id = self.gone.remove(at);
                    self.insert(id, (place, Stamp::Now), list);
                }
            }
            Change::Delete(which) => {
                if let Some(at) = at(which) {
                    self.delete(id(&list.remove(at)));
                }
            }
            Change::DeleteLatest => {
                let latest = (0..length).max_by_key(|at| self.stamps[&id(&list[*at])].1);
                if let Some(at) = latest {
                    self.delete(id(&list.remove(at)));
                }
            }
            Change::Purge(each) => {
                let mut places = 0..length;
                list.retain(|item| {
                    let stays = places.next().is_some_and(|at| at % usize::from(each.max(1)) != 0);
                    if !stays {
                        self.delete(id(item));
                    }
                    stays
                });
            }
            Change::Move(from, to) => {
                if let (Some(from), Some(to)) = (at(from), at(to)) {
                    let item = self.written(id(&list.remove(from)), Stamp::Now);
                    self.placed(id(&item));
                    list.insert(to, item);
                }
            }
        }
    }

    fn insert(&mut self, id: u64, (place, stamp): (u8, Stamp), list: &mut Vec<Item>) {
        let item = self.written(id, stamp);
        self.placed(id);
        if let Some((_, until)) = self.histories.entry(id).or_default().missing_ms.last_mut() {
            *until = clock::now_ms();
        }
        list.insert(usize::from(place).min(list.len()), item);
    }

    fn delete(&mut self, id: u64) {
        self.close(id);
        self.stamps.remove(&id);
        self.gone.push(id);
        let history = self.histories.entry(id).or_default();
        history.missing_ms.push((clock::now_ms(), i64::MAX));
    }

    /// The item as it is from now on.
    fn written(&mut self, id: u64, stamp: Stamp) -> Item {
        const HOUR_MS: i64 = 3_600_000;
        let server_ms = clock::now_ms() + i64::from(self.clock_ahead_s) * 1000;
        let changed = match stamp {
            Stamp::Now => server_ms,
            Stamp::AsBefore => self.stamps.get(&id).map_or(server_ms, |(changed, _)| *changed),
            Stamp::Soon => server_ms + 30_000,
            Stamp::Future => server_ms + 30 * 24 * HOUR_MS,
            Stamp::Past => server_ms - HOUR_MS,
        };
        self.close(id);
        self.revisions += 1;
        let revision = self.revisions;
        self.stamps.insert(id, (changed, revision));
        let bytes = format!(r#"{{"itemId":{id},"revision":{revision},"changed":{changed}}}"#);
        let bytes = Bytes::from(bytes);
        let version =
            Version { revision, bytes: bytes.clone(), from_ms: clock::now_ms(), until_ms: None };
        self.histories.entry(id).or_default().versions.push(version);
        Item::new(ItemId::Integer(id.into()), bytes)
    }

    /// The content that the item had holds no longer.
    fn close(&mut self, id: u64) {
        let last = self.histories.get_mut(&id).and_then(|it| it.versions.last_mut());
        if let Some(version) = last {
            version.until_ms.get_or_insert_with(clock::now_ms);
        }
    }

    fn placed(&mut self, id: u64) {
        self.histories.entry(id).or_default().placed_ms.push(clock::now_ms());
    }
}

impl History {
    /// Whether it was missing at some moment between these.
    pub(super) fn was_missing(&self, from_ms: i64, until_ms: i64) -> bool {
        self.missing_ms.iter().any(|(begin, end)| *begin <= until_ms && *end >= from_ms)
    }
}

/// Whose page request it is: those of whole passes have no conditions here.
fn lane(asked: &Asked) -> Lane {
    if asked.has_conditions { Lane::Incremental } else { Lane::Whole }
}

fn id(item: &Item) -> u64 {
    match item.id {
        ItemId::Integer(id) => u64::try_from(id).unwrap(),
        ItemId::Text(_) => unreachable!("all ids are numbers here"),
    }
}

fn failure(status: u16) -> Failure {
    let error = RequestError::new(ApiEndpoint::Search, RequestErrorKind::Status);
    Failure::Failed(error.with_status(status))
}
