//! The task that says again and again that this daemon is there, and hears who has which repository.
//!
//! It decides nothing: what it hears goes to the supervisor, which says what is to be let go of. One
//! call is under way at a time, and each has an end, however the store hangs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use crate::config::InstanceConfig;
use crate::domain::RepositoryId;
use crate::mirror::{LeaseRequest, LeaseStanding, Leases, MirrorError, MirrorErrorKind, Sharing};
use crate::task::{Context, Stopped, Until};

/// How often a daemon asks that waits for a lease, or whose share others may want.
pub(super) const POLL: Duration = Duration::from_secs(1);

/// Of the time that a lease holds, the part from one renewal to the next: two may fail.
const RENEWALS_PER_TTL: u32 = 3;

/// How leases are taken, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// `instance.spread`.
    pub sharing: Sharing,
    /// `instance.lease_ttl`.
    pub ttl: Duration,
}

impl LeaseTerms {
    /// Those of a configuration.
    pub fn of(instance: &InstanceConfig) -> Self {
        let sharing = if instance.spread { Sharing::Spread } else { Sharing::Leader };
        Self { sharing, ttl: instance.lease_ttl }
    }
}

/// What the supervisor wants of the task.
#[derive(Clone, Debug, Default)]
pub(super) struct LeaseWish {
    /// What is to be read.
    pub(super) repositories: Vec<RepositoryId>,
    /// Leases under which nothing is written any more, to be let go of.
    pub(super) let_go: BTreeSet<RepositoryId>,
    /// Whether nothing is to be taken where another daemon has any: a command that makes one pass
    /// takes nothing from a daemon.
    pub(super) is_modest: bool,
}

/// What came of one round.
#[derive(Debug)]
pub(super) struct LeaseNews {
    /// When it began: what was renewed holds for its time from then on.
    pub(super) begun: Instant,
    /// What was let go of in it.
    pub(super) released: BTreeSet<RepositoryId>,
    /// How all leases stand.
    pub(super) standing: Result<LeaseStanding, MirrorError>,
}

/// What the task works with.
pub(super) struct LeaseTask {
    pub(super) leases: Arc<dyn Leases>,
    pub(super) terms: LeaseTerms,
    pub(super) wish: watch::Receiver<LeaseWish>,
    pub(super) news: mpsc::UnboundedSender<LeaseNews>,
    pub(super) context: Context,
    /// Whether this daemon has any lease, as far as was heard last.
    pub(super) holds_any: bool,
}

impl LeaseTask {
    /// Goes on until told to stop.
    pub(super) async fn run(mut self) {
        while let Ok(()) = self.round().await {}
    }

    /// From one renewal to the next.
    fn interval(&self) -> Duration {
        (self.terms.ttl / RENEWALS_PER_TTL).max(POLL)
    }

    /// How long one round may take: where there is nothing to renew, as long as a lease holds. A
    /// database that is slow, or is being connected to on a busy machine, would else be given up each
    /// time before the first lease is taken.
    fn within(&self) -> Duration {
        if self.holds_any { self.interval() } else { self.terms.ttl }
    }

    async fn round(&mut self) -> Result<(), Stopped> {
        let wish = self.wish.borrow_and_update().clone();
        let (begun, within) = (Instant::now(), self.within());
        let asked = timeout(within, ask(&*self.leases, self.terms, &wish));
        let asked = self.context.run(Until::Within(within), asked).await?;
        let standing = asked.unwrap_or_else(|_elapsed| {
            let remedy = "see that the database answers, and that nothing on the way to it hangs";
            let error = format!("the leases: no answer within {} ms", within.as_millis());
            Err(MirrorError::new(MirrorErrorKind::Unavailable, remedy, error))
        });
        let is_at_rest = standing.as_ref().is_ok_and(|standing| {
            !standing.held.is_empty()
                && (standing.daemons == 1 || self.terms.sharing == Sharing::Leader)
        });
        if let Ok(standing) = &standing {
            self.holds_any = !standing.held.is_empty();
        }
        let pause = if is_at_rest { self.interval() } else { POLL };
        let released = if standing.is_ok() { wish.let_go } else { BTreeSet::new() };
        self.news.send(LeaseNews { begun, released, standing }).map_err(|_| Stopped)?;
        let due = tokio::time::sleep_until(begun + pause);
        let wait = async {
            tokio::select! {
                () = due => Ok(()),
                changed = self.wish.changed() => changed,
            }
        };
        Ok(self.context.run(Until::Within(pause), wait).await??)
    }
}

/// Lets go of what is no longer needed, and renews the rest.
async fn ask(
    leases: &dyn Leases,
    terms: LeaseTerms,
    wish: &LeaseWish,
) -> Result<LeaseStanding, MirrorError> {
    let repositories = wish.repositories.clone();
    if wish.is_modest {
        let standing = leases.look(repositories.clone()).await?;
        if !standing.others.is_empty() {
            return Ok(standing);
        }
    }
    if !wish.let_go.is_empty() {
        leases.release(wish.let_go.iter().copied().collect()).await?;
    }
    leases.renew(LeaseRequest { repositories, sharing: terms.sharing, ttl: terms.ttl }).await
}
