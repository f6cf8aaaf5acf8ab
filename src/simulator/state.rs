//! What all requests share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::balancer::Balancer;
use super::behaviour::Behaviour;
use super::catalog::Catalog;
use super::counts::SimulatorCounts;
use super::dataset::SimulatedRepository;
use super::faults::SimulatedFaults;
use super::holds::Holds;
use super::item::SimulatedItem;
use super::options::Options;
use super::sessions::Sessions;

/// What all requests share.
#[derive(Debug)]
pub(super) struct SimulatorShared {
    pub(super) options: Options,
    pub(super) catalog: Catalog,
    pub(super) started: Instant,
    /// A plain mutex: it is held for as long as it takes to copy a window's entries, and never
    /// across an await.
    pub(super) state: Mutex<SimulatorState>,
    /// Members that every item has at its end besides its own, each as it is written, with a comma
    /// before it. Held for as long as it takes to copy them.
    pub(super) stamps: RwLock<Vec<u8>>,
    pub(super) searches_under_way: AtomicU64,
    /// Those who work; each request takes one for its service time.
    pub(super) workers: Semaphore,
}

#[derive(Debug)]
pub(super) struct SimulatorState {
    pub(super) repositories: Vec<SimulatedRepository>,
    pub(super) sessions: Sessions,
    pub(super) balancer: Option<Balancer>,
    pub(super) faults: SimulatedFaults,
    pub(super) holds: Holds,
    pub(super) behaviour: Behaviour,
    pub(super) counts: SimulatorCounts,
}

impl SimulatorShared {
    pub(super) fn new(options: Options) -> Self {
        let rates = options.rates();
        let workers = options.capacity.map_or(0, |capacity| capacity.at_once.get() as usize);
        let repositories = options
            .repositories
            .iter()
            .enumerate()
            .map(|(index, repository)| {
                SimulatedRepository::new(repository, index, options.order, rates, options.seed)
            })
            .collect();
        let state = SimulatorState {
            repositories,
            sessions: Sessions::new(
                options.session_ttl,
                options.rest_token_ttl,
                options.stale_rest_token,
            ),
            balancer: options.nodes.map(Balancer::new),
            faults: SimulatedFaults::new(options.faults.clone(), options.seed),
            holds: Holds::default(),
            behaviour: Behaviour::of(&options),
            counts: SimulatorCounts::default(),
        };
        Self {
            catalog: Catalog::new(options.seed),
            options,
            started: Instant::now(),
            state: Mutex::new(state),
            stamps: RwLock::default(),
            searches_under_way: AtomicU64::new(0),
            workers: Semaphore::new(workers),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, SimulatorState> {
        // A panic while the lock was held leaves plain data behind that is still of use.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Appends an item's JSON to an answer whose members have this order.
    pub(super) fn render(&self, entry: SimulatedItem, order: Option<u64>, out: &mut Vec<u8>) {
        match order {
            None => self.catalog.render(entry, out),
            Some(order) => self.catalog.render_in_order(entry, order, out),
        }
        let stamps = self.stamps.read().unwrap_or_else(PoisonError::into_inner);
        if !stamps.is_empty() && out.pop().is_some() {
            out.extend_from_slice(&stamps);
            out.push(b'}');
        }
    }

    pub(super) fn counts(&self) -> SimulatorCounts {
        let mut state = self.lock();
        let uptime = self.uptime();
        let mut counts = state.counts.clone();
        for repository in &mut state.repositories {
            repository.advance(uptime);
            counts.inserted += repository.history.inserted;
            counts.deleted += repository.history.deleted;
            counts.updated += repository.history.updated;
        }
        counts
    }
}

impl SimulatorState {
    /// The repository of this id, with everything in it that has fallen due by `uptime`.
    pub(super) fn repository(
        &mut self,
        id: u64,
        uptime: Duration,
    ) -> Option<&mut SimulatedRepository> {
        let repository = self.repositories.iter_mut().find(|repository| repository.id == id)?;
        repository.advance(uptime);
        Some(repository)
    }
}

/// Counts a search as under way for as long as it lives.
pub(super) struct SearchGuard<'a>(&'a SimulatorShared);

impl<'a> SearchGuard<'a> {
    pub(super) fn new(shared: &'a SimulatorShared) -> Self {
        let now = shared.searches_under_way.fetch_add(1, Ordering::Relaxed) + 1;
        let counts = &mut shared.lock().counts;
        counts.searches_at_once = counts.searches_at_once.max(now);
        Self(shared)
    }
}

impl Drop for SearchGuard<'_> {
    fn drop(&mut self) {
        self.0.searches_under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
