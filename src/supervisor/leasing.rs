//! What the supervisor keeps about leases, where several daemons share the mirror.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::lease_book::LeaseBook;
use super::lease_task::{LeaseNews, LeaseTask, LeaseTerms, LeaseWish};
use crate::domain::RepositoryId;
use crate::mirror::{Lease, Leases, Sharing};
use crate::pager::{LostLease, PassLimit};
use crate::progress::{InstanceRole, InstanceState};
use crate::task::context::at;
use crate::task::{Backoff, Context, Retries};

/// What there is about leases.
pub(super) struct Leasing {
    pub(super) leases: Arc<dyn Leases>,
    pub(super) terms: LeaseTerms,
    pub(super) wish: watch::Sender<LeaseWish>,
    news: (mpsc::UnboundedSender<LeaseNews>, mpsc::UnboundedReceiver<LeaseNews>),
    lost: (mpsc::UnboundedSender<LostLease>, mpsc::UnboundedReceiver<LostLease>),
    pub(super) book: LeaseBook,
    pub(super) state: InstanceState,
    /// What was told last of who reads; `None`: nothing yet.
    pub(super) told: Option<(InstanceRole, Option<String>)>,
    /// What was told to be read by nobody.
    pub(super) unread: BTreeSet<RepositoryId>,
    /// Pagers that are to have ended by then.
    pub(super) ending_by: BTreeMap<RepositoryId, Instant>,
    pub(super) retries: Retries,
    /// Whether any lease was ever taken.
    pub(super) has_led: bool,
}

/// What happened about leases.
pub(super) enum LeaseEvent {
    News(LeaseNews),
    Lost(LostLease),
    /// Something is due by the clock.
    Due,
}

impl Leasing {
    /// Before anything is known.
    pub(super) fn new(leases: Arc<dyn Leases>, terms: LeaseTerms, passes: PassLimit) -> Self {
        let wish = LeaseWish { is_modest: passes == PassLimit::One, ..LeaseWish::default() };
        let sharing = if wish.is_modest { Sharing::Leader } else { terms.sharing };
        Self {
            state: InstanceState::new(leases.name()),
            leases,
            terms: LeaseTerms { sharing, ..terms },
            wish: watch::Sender::new(wish),
            news: mpsc::unbounded_channel(),
            lost: mpsc::unbounded_channel(),
            book: LeaseBook::default(),
            told: None,
            unread: BTreeSet::new(),
            ending_by: BTreeMap::new(),
            retries: Retries::new(Backoff::REQUESTS),
            has_led: false,
        }
    }

    /// The next thing that happens.
    pub(super) async fn next(&mut self) -> LeaseEvent {
        let due = self.book.valid_until().into_iter().chain(self.ending_by.values().copied()).min();
        tokio::select! {
            Some(news) = self.news.1.recv() => LeaseEvent::News(news),
            Some(lost) = self.lost.1.recv() => LeaseEvent::Lost(lost),
            () = at(due) => LeaseEvent::Due,
        }
    }

    /// The task; it begins with its first round at once.
    pub(super) fn task(&self, context: Context) -> LeaseTask {
        LeaseTask {
            leases: Arc::clone(&self.leases),
            terms: self.terms,
            wish: self.wish.subscribe(),
            news: self.news.0.clone(),
            context,
            holds_any: false,
        }
    }

    /// Where pagers tell that the mirror takes nothing of theirs.
    pub(super) fn reports(&self) -> mpsc::UnboundedSender<LostLease> {
        self.lost.0.clone()
    }

    /// The lease to write a repository under; `None`: it is not this daemon's.
    pub(super) fn lease(&self, repository: RepositoryId) -> Option<Lease> {
        let generation = self.book.generation(repository)?;
        Some(Lease { owner: self.leases.owner().into(), generation })
    }

    /// What is to be read from now on.
    pub(super) fn wish_for(&self, repositories: Vec<RepositoryId>) {
        self.wish.send_if_modified(|wish| {
            let news = wish.repositories != repositories;
            wish.repositories = repositories;
            news
        });
    }
}

/// The next thing that happens about leases; nothing ever, where there are none.
pub(super) async fn next_of(leasing: &mut Option<Leasing>) -> LeaseEvent {
    match leasing {
        Some(leasing) => leasing.next().await,
        None => std::future::pending().await,
    }
}
