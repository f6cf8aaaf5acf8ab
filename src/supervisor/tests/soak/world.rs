//! The world of the soak: a server, who changes its items, and what goes wrong.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::client::RequestErrorKind;
use crate::domain::{ItemId, RepositoryId};
use crate::http::TimeoutKind;
use crate::testing::{Asked, Call, ItemCall, Outcome, SECOND, Server, revised};

pub(super) const REPOSITORIES: [u64; 2] = [1, 2];

/// Items of a repository, about.
const ITEMS: u64 = 250;

/// No item's id is another's, nor used again.
const IDS_PER_REPOSITORY: u64 = 1_000_000;

/// Between two changes of an item, at most.
const CALM: Duration = Duration::from_secs(90);

/// The server is there for so many hours, and then away for so many.
const THERE_HOURS: u64 = 29;
const AWAY_HOURS: u64 = 2;

/// Of so many requests each fault hits as many as stand beside it.
const OF_REQUESTS: u32 = 10_000;

/// The world.
pub(super) struct World {
    pub(super) server: Arc<Server>,
    trouble: Arc<Trouble>,
    /// Who changes the items.
    churn: Mutex<JoinSet<()>>,
}

/// What goes wrong.
struct Trouble {
    began: Instant,
    over: AtomicBool,
    life: AtomicU32,
    /// Faults that take a login to get over.
    sessions_lost: AtomicU64,
    /// Faults that hit a login.
    logins_hit: AtomicU64,
}

impl World {
    pub(super) fn new() -> Self {
        let server = Arc::new(Server::new(&[]));
        let trouble = Arc::new(Trouble {
            began: Instant::now(),
            over: AtomicBool::new(false),
            life: AtomicU32::new(0),
            sessions_lost: AtomicU64::new(0),
            logins_hit: AtomicU64::new(0),
        });
        {
            let mut state = server.state();
            state.forgetful = true;
            for repository in REPOSITORIES {
                let first = repository * IDS_PER_REPOSITORY;
                let list = (first..first + ITEMS).map(|id| revised(id, 0)).collect();
                state.lists.insert(RepositoryId(repository), list);
            }
        }
        let (mut rng, troubled) = (Rng::with_seed(1), Arc::clone(&trouble));
        server.hook(move |asked| troubled.befall(asked, &mut rng));
        let mut churn = JoinSet::new();
        churn.spawn(change(Arc::clone(&server)));
        Self { server, trouble, churn: Mutex::new(churn) }
    }

    /// The daemon's so manieth life; in the second one the server cannot be asked for single items.
    pub(super) fn set_life(&self, life: u32) {
        self.trouble.life.store(life, Ordering::Relaxed);
        if life > 0 {
            self.server.state().item_call = ItemCall::Unclear;
        }
    }

    /// From now on nothing changes, and nothing goes wrong.
    pub(super) fn rest(&self) {
        self.trouble.over.store(true, Ordering::Relaxed);
        self.churn.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// How many faults took a login to get over.
    pub(super) fn sessions_lost(&self) -> u64 {
        self.trouble.sessions_lost.load(Ordering::Relaxed)
    }

    /// How many logins a fault has hit.
    pub(super) fn logins_hit(&self) -> u64 {
        self.trouble.logins_hit.load(Ordering::Relaxed)
    }

    /// The items of a repository.
    pub(super) fn items(&self, repository: u64) -> BTreeSet<Vec<u8>> {
        let state = self.server.state();
        state.lists[&RepositoryId(repository)].iter().map(|item| item.bytes.to_vec()).collect()
    }
}

impl Trouble {
    /// What becomes of a request.
    fn befall(&self, asked: &Asked, rng: &mut Rng) -> Option<Outcome> {
        if self.over.load(Ordering::Relaxed) {
            return None;
        }
        let hour = (asked.at - self.began).as_secs() / 3600;
        let away = hour % (THERE_HOURS + AWAY_HOURS) >= THERE_HOURS;
        let outcome =
            if away { Outcome::Fail(RequestErrorKind::Connect) } else { draw(asked.call, rng)? };
        if asked.call == Call::Login {
            self.logins_hit.fetch_add(1, Ordering::Relaxed);
        } else if matches!(outcome, Outcome::EndSessions | Outcome::Refuse) {
            self.sessions_lost.fetch_add(1, Ordering::Relaxed);
        }
        Some(outcome)
    }
}

/// A fault of this call, where chance wants one.
fn draw(call: Call, rng: &mut Rng) -> Option<Outcome> {
    let broken = RequestErrorKind::WrongShape { what: "it is no JSON".to_owned() };
    let own = match call {
        Call::Login => vec![(300, Outcome::Deny("busy"))],
        Call::Search => vec![
            (30, Outcome::Cap),
            (30, Outcome::Repeat),
            (2, Outcome::Refuse),
            (2, Outcome::EndSessions),
            (1, Outcome::Panic),
        ],
        Call::Reauth | Call::Item => vec![(2, Outcome::Refuse)],
        Call::Logout | Call::Repositories => vec![],
    };
    let any = [
        (40, Outcome::Late(20 * SECOND)),
        (40, Outcome::Lose),
        (40, Outcome::Busy(30 * SECOND)),
        (40, Outcome::Fail(RequestErrorKind::Connect)),
        (20, Outcome::Fail(RequestErrorKind::Timeout(TimeoutKind::Request))),
        (20, Outcome::Fail(RequestErrorKind::Timeout(TimeoutKind::Idle))),
        (40, Outcome::Fail(RequestErrorKind::Interrupted)),
        (40, Outcome::Fail(RequestErrorKind::Status)),
        (20, Outcome::Fail(RequestErrorKind::TooLarge { limit: 1 << 26 })),
        (40, Outcome::Fail(broken)),
    ];
    let mut drawn = rng.u32(..OF_REQUESTS);
    for (of_requests, outcome) in own.into_iter().chain(any) {
        if drawn < of_requests {
            return Some(outcome);
        }
        drawn -= of_requests;
    }
    None
}

/// Has items come, go and change for ever.
async fn change(server: Arc<Server>) {
    let mut rng = Rng::with_seed(2);
    let mut made = ITEMS;
    loop {
        sleep(CALM.mul_f64(rng.f64())).await;
        let repository = REPOSITORIES[rng.usize(..REPOSITORIES.len())];
        let mut state = server.state();
        let list = state.lists.get_mut(&RepositoryId(repository)).unwrap();
        let place = rng.usize(..list.len());
        made += 1;
        let new = revised(repository * IDS_PER_REPOSITORY + made, 0);
        match rng.u32(..4) {
            0 if (list.len() as u64) < ITEMS => list.insert(place, new),
            0 => drop(list.remove(place)),
            1 if repository == 1 => {
                // One moves up, another takes its place.
                drop(list.remove(place));
                list.insert(rng.usize(..=list.len()), new);
            }
            _ => {
                let ItemId::Integer(id) = list[place].id else { unreachable!() };
                list[place] = revised(u64::try_from(id).unwrap(), made);
            }
        }
    }
}
