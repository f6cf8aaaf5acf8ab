//! The leases of the mirror in memory: several daemons share it on one clock, the paused one of a test,
//! and each reaches it over a way of its own that can be cut.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::domain::RepositoryId;
use crate::mirror::lease_policy::{LiveDaemon, decide};
use crate::mirror::{
    ForeignLease, HeldLease, Lease, LeaseRequest, LeaseStanding, Leases, LoginTry, MirrorError,
    MirrorErrorKind, MirrorFuture,
};

/// How a daemon reaches the mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Open,
    /// Each call fails.
    Cut,
    /// Each call waits until it is otherwise, as in a process that is stopped.
    Frozen,
}

/// A daemon that shares the mirror.
#[derive(Clone, Debug)]
pub(crate) struct MemoryLeases {
    owner: Arc<str>,
    rows: Arc<Mutex<LeaseRows>>,
    pub(super) way: Arc<watch::Sender<Way>>,
}

#[derive(Debug, Default)]
struct LeaseRows {
    instances: Vec<InstanceRow>,
    arrivals: u64,
    leases: BTreeMap<RepositoryId, LeaseRow>,
    denials: Vec<(String, Instant)>,
    tries: Vec<(String, Instant, LoginTry)>,
}

#[derive(Debug)]
struct InstanceRow {
    daemon: LiveDaemon,
    expires: Instant,
    /// Counts those that came.
    arrival: u64,
}

#[derive(Debug, Default)]
struct LeaseRow {
    owner: String,
    generation: u64,
    since: Option<Instant>,
}

impl MemoryLeases {
    /// The first daemon.
    pub(crate) fn new(owner: &str) -> Self {
        let way = Arc::new(watch::Sender::new(Way::Open));
        Self { owner: owner.into(), rows: Arc::default(), way }
    }

    /// Another one beside it.
    pub(crate) fn beside(&self, owner: &str) -> Self {
        Self { rows: Arc::clone(&self.rows), ..Self::new(owner) }
    }

    /// Waits for the way to the mirror.
    pub(super) async fn pass(&self) -> Result<(), MirrorError> {
        let mut way = self.way.subscribe();
        match *way.wait_for(|way| *way != Way::Frozen).await.expect("we have the sender") {
            Way::Cut => Err(error(MirrorErrorKind::Unavailable, "cut off")),
            Way::Open | Way::Frozen => Ok(()),
        }
    }

    /// Sees that a writer may write.
    pub(super) fn check(&self, id: RepositoryId, lease: &Lease) -> Result<(), MirrorError> {
        let rows = self.rows();
        let row = rows.leases.get(&id);
        let same = |row: &LeaseRow| row.owner == *lease.owner && row.generation == lease.generation;
        if row.is_some_and(same) { Ok(()) } else { Err(error(MirrorErrorKind::Fenced, "fenced")) }
    }

    /// Which of all that ever came a daemon is, and whether it is there still; `None`: it has left.
    pub(super) fn arrival(&self, owner: &str) -> Option<(u64, bool)> {
        let (rows, now) = (self.rows(), Instant::now());
        let row = rows.instances.iter().find(|row| row.daemon.owner == owner)?;
        Some((row.arrival, row.expires > now))
    }

    /// Who has which lease, by the clock of now.
    pub(crate) fn owners(&self) -> BTreeMap<u64, String> {
        let rows = self.rows();
        rows.owners(Instant::now()).into_iter().map(|(id, owner)| (id.0, owner)).collect()
    }

    fn rows(&self) -> MutexGuard<'_, LeaseRows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(
        &self,
        rows: &LeaseRows,
        vacant: &BTreeMap<RepositoryId, Option<Duration>>,
    ) -> LeaseStanding {
        let now = Instant::now();
        let mut standing = LeaseStanding { daemons: rows.live(now).len(), ..Default::default() };
        for (&repository, owner) in &rows.owners(now) {
            if **owner == *self.owner {
                let generation = rows.leases[&repository].generation;
                let vacant = vacant.get(&repository).copied().flatten();
                standing.held.push(HeldLease { repository, generation, vacant });
            } else {
                let expires_in = rows.expires(owner).unwrap() - now;
                let owner = owner.clone();
                standing.others.push(ForeignLease { repository, owner, expires_in });
            }
        }
        standing
    }
}

impl LeaseRows {
    fn live(&self, now: Instant) -> Vec<LiveDaemon> {
        let live = self.instances.iter().filter(|row| row.expires > now);
        live.map(|row| row.daemon.clone()).collect()
    }

    fn expires(&self, owner: &str) -> Option<Instant> {
        self.instances.iter().find(|row| row.daemon.owner == owner).map(|row| row.expires)
    }

    fn owners(&self, now: Instant) -> BTreeMap<RepositoryId, String> {
        let live = |row: &LeaseRow| self.expires(&row.owner).is_some_and(|expires| expires > now);
        let held = self.leases.iter().filter(|(_, row)| live(row));
        held.map(|(id, row)| (*id, row.owner.clone())).collect()
    }

    fn let_go(&mut self, owner: &str, now: Instant, which: impl Fn(&RepositoryId) -> bool) {
        for (_, row) in self.leases.iter_mut().filter(|(id, row)| row.owner == owner && which(id)) {
            (row.owner, row.since) = (String::new(), Some(now));
        }
    }
}

impl Leases for MemoryLeases {
    fn owner(&self) -> &str {
        &self.owner
    }

    fn name(&self) -> &str {
        &self.owner
    }

    fn look(&self, repositories: Vec<RepositoryId>) -> MirrorFuture<'_, LeaseStanding> {
        Box::pin(async move {
            self.pass().await?;
            let mut standing = self.standing(&self.rows(), &BTreeMap::new());
            standing.held.retain(|lease| repositories.contains(&lease.repository));
            standing.others.retain(|lease| repositories.contains(&lease.repository));
            Ok(standing)
        })
    }

    fn renew(&self, request: LeaseRequest) -> MirrorFuture<'_, LeaseStanding> {
        Box::pin(async move {
            self.pass().await?;
            let (mut rows, now) = (self.rows(), Instant::now());
            let daemon = LiveDaemon {
                owner: (*self.owner).to_owned(),
                repositories: request.repositories.into_iter().collect(),
                sharing: request.sharing,
            };
            if rows.expires(&self.owner).is_none_or(|expires| expires <= now) {
                let lapsed = rows.expires(&self.owner).unwrap_or(now);
                rows.let_go(&self.owner, lapsed, |_| true);
                rows.instances.retain(|row| row.daemon.owner != *self.owner);
            }
            let expires = now + request.ttl;
            let before = rows.instances.iter_mut().find(|it| it.daemon.owner == *self.owner);
            if let Some(before) = before {
                (before.daemon, before.expires) = (daemon, expires);
            } else {
                rows.arrivals += 1;
                let arrival = rows.arrivals;
                rows.instances.push(InstanceRow { daemon, expires, arrival });
            }
            let decision = decide(&self.owner, &rows.live(now), &rows.owners(now));
            let mut vacant = BTreeMap::new();
            for id in decision.take {
                let before = rows.leases.get(&id);
                let since = before.and_then(|row| rows.expires(&row.owner).or(row.since));
                let row = rows.leases.entry(id).or_default();
                (row.owner, row.since) = ((*self.owner).to_owned(), Some(now));
                row.generation += 1;
                vacant.insert(id, since.map(|since| now - since));
            }
            let (excess, unread) = (decision.excess, decision.unread);
            Ok(LeaseStanding { excess, unread, ..self.standing(&rows, &vacant) })
        })
    }

    fn release(&self, repositories: Vec<RepositoryId>) -> MirrorFuture<'_, ()> {
        Box::pin(async move {
            self.pass().await?;
            self.rows().let_go(&self.owner, Instant::now(), |id| repositories.contains(id));
            Ok(())
        })
    }

    fn leave(&self) -> MirrorFuture<'_, ()> {
        Box::pin(async move {
            self.pass().await?;
            let mut rows = self.rows();
            rows.let_go(&self.owner, Instant::now(), |_| true);
            rows.instances.retain(|row| row.daemon.owner != *self.owner);
            Ok(())
        })
    }

    fn claim_try(
        &self,
        login: &str,
        within: Duration,
        most: usize,
    ) -> MirrorFuture<'_, Option<LoginTry>> {
        let login = login.to_owned();
        Box::pin(async move {
            self.pass().await?;
            let (mut rows, now) = (self.rows(), Instant::now());
            let denied = rows.denials.iter().map(|it| (&it.0, it.1));
            let counted = denied.chain(rows.tries.iter().map(|it| (&it.0, it.1)));
            if counted.filter(|it| *it.0 == login && now - it.1 <= within).count() >= most {
                return Ok(None);
            }
            // No two are put down at the same moment.
            let latest = rows.tries.iter().map(|it| it.2.0).max();
            let moment = latest.unwrap_or(SystemTime::UNIX_EPOCH) + Duration::from_nanos(1);
            rows.tries.push((login, now, LoginTry(moment)));
            Ok(Some(LoginTry(moment)))
        })
    }

    fn withdraw_try(&self, login: &str, tried: LoginTry) -> MirrorFuture<'_, ()> {
        let login = login.to_owned();
        Box::pin(async move {
            self.pass().await?;
            self.rows().tries.retain(|it| (&it.0, it.2) != (&login, tried));
            Ok(())
        })
    }

    fn count_denial(&self, login: &str, tried: Option<LoginTry>) -> MirrorFuture<'_, ()> {
        let login = login.to_owned();
        Box::pin(async move {
            self.pass().await?;
            let mut rows = self.rows();
            rows.tries.retain(|it| (&it.0, Some(it.2)) != (&login, tried));
            rows.denials.insert(0, (login, Instant::now()));
            Ok(())
        })
    }

    fn denials(&self, login: &str, within: Duration) -> MirrorFuture<'_, Vec<Duration>> {
        let login = login.to_owned();
        Box::pin(async move {
            self.pass().await?;
            let rows = self.rows();
            let ages = rows.denials.iter().filter(|(of, _)| *of == login).map(|it| it.1.elapsed());
            Ok(ages.filter(|age| *age <= within).collect())
        })
    }

    fn forget_denials(&self, login: &str) -> MirrorFuture<'_, ()> {
        let login = login.to_owned();
        Box::pin(async move {
            self.pass().await?;
            let mut rows = self.rows();
            rows.denials.retain(|(of, _)| *of != login);
            rows.tries.retain(|(of, ..)| *of != login);
            Ok(())
        })
    }
}

fn error(kind: MirrorErrorKind, words: &'static str) -> MirrorError {
    MirrorError::new(kind, "see to it", words)
}
