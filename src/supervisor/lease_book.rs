//! The leases that this daemon has, as far as it knows, and what follows from news of them. Pure: the
//! time is an argument.
//!
//! What was renewed holds for its time from when the request for that began, by this machine's clock,
//! which is never later than the store's own. Where the store does not answer, this daemon is the
//! first to know that its leases have ended.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use crate::domain::RepositoryId;
use crate::mirror::{HeldLease, LeaseStanding};

/// The leases that this daemon has.
#[derive(Debug, Default)]
pub(super) struct LeaseBook {
    tenures: BTreeMap<RepositoryId, Tenure>,
    valid_until: Option<Instant>,
}

/// A lease of this daemon's.
#[derive(Clone, Copy, Debug)]
struct Tenure {
    generation: u64,
    /// It is let go of once nothing is written any more.
    is_ending: bool,
}

/// What became of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LeaseChange {
    /// This daemon has it now.
    Taken(HeldLease),
    /// This daemon has it no longer.
    Lost { repository: RepositoryId, generation: u64, reason: LeaseLoss },
    /// This daemon is to let go of it.
    Excess { repository: RepositoryId, generation: u64 },
}

/// Why a lease is lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LeaseLoss {
    /// Another daemon has it.
    #[error("{0} has taken it")]
    TakenBy(String),
    /// It was not renewed in time.
    #[error("it was not renewed in time")]
    NotRenewed,
    /// A page could not be written under it.
    #[error("the mirror took no page under it")]
    Fenced,
}

impl LeaseBook {
    /// Takes news of a request that let go of `released` before anything else, and renewed what there is
    /// until `valid_until`.
    pub(super) fn renewed(
        &mut self,
        released: &BTreeSet<RepositoryId>,
        standing: &LeaseStanding,
        valid_until: Instant,
    ) -> Vec<LeaseChange> {
        self.tenures.retain(|id, tenure| !(tenure.is_ending && released.contains(id)));
        let mut changes = Vec::new();
        let generation = |id: RepositoryId| {
            let held = standing.held.iter().find(|lease| lease.repository == id);
            held.map(|lease| lease.generation)
        };
        let known: Vec<_> = self.tenures.iter().map(|(id, tenure)| (*id, *tenure)).collect();
        for (id, tenure) in known {
            if generation(id) != Some(tenure.generation) {
                self.tenures.remove(&id);
                let other = standing.others.iter().find(|lease| lease.repository == id);
                let reason =
                    other.map_or(LeaseLoss::NotRenewed, |it| LeaseLoss::TakenBy(it.owner.clone()));
                changes.extend(tenure.lost(id, reason));
            }
        }
        for lease in &standing.held {
            self.tenures.entry(lease.repository).or_insert_with(|| {
                changes.push(LeaseChange::Taken(*lease));
                Tenure { generation: lease.generation, is_ending: false }
            });
        }
        for &repository in &standing.excess {
            let tenure = self.tenures.get_mut(&repository).filter(|tenure| !tenure.is_ending);
            if let Some(tenure) = tenure {
                tenure.is_ending = true;
                let generation = tenure.generation;
                changes.push(LeaseChange::Excess { repository, generation });
            }
        }
        self.valid_until = Some(valid_until);
        changes
    }

    /// What is lost by now because it was not renewed.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<LeaseChange> {
        if self.valid_until.is_none_or(|until| until > now) {
            return Vec::new();
        }
        self.valid_until = None;
        let lost = std::mem::take(&mut self.tenures).into_iter();
        lost.filter_map(|(id, tenure)| tenure.lost(id, LeaseLoss::NotRenewed)).collect()
    }

    /// A page was not taken under this generation.
    pub(super) fn fenced(
        &mut self,
        repository: RepositoryId,
        generation: u64,
    ) -> Option<LeaseChange> {
        let tenure = *self.tenures.get(&repository)?;
        if tenure.generation != generation {
            return None;
        }
        self.tenures.remove(&repository);
        tenure.lost(repository, LeaseLoss::Fenced)
    }

    /// When what is not renewed will be lost; `None` where there is nothing to lose.
    pub(super) fn valid_until(&self) -> Option<Instant> {
        self.valid_until.filter(|_| !self.tenures.is_empty())
    }

    /// The generation of a lease that is held and not being let go of.
    pub(super) fn generation(&self, repository: RepositoryId) -> Option<u64> {
        let tenure = self.tenures.get(&repository).filter(|tenure| !tenure.is_ending);
        tenure.map(|tenure| tenure.generation)
    }

    /// The leases that are held and not being let go of, with their generations.
    pub(super) fn held(&self) -> BTreeMap<RepositoryId, u64> {
        let held = self.tenures.iter().filter(|(_, tenure)| !tenure.is_ending);
        held.map(|(id, tenure)| (*id, tenure.generation)).collect()
    }

    /// Those that are to be let go of.
    pub(super) fn ending(&self) -> Vec<RepositoryId> {
        let ending = self.tenures.iter().filter(|(_, tenure)| tenure.is_ending);
        ending.map(|(id, _)| *id).collect()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.tenures.is_empty()
    }
}

impl Tenure {
    /// What is lost with it: nothing, where it was being let go of.
    fn lost(self, repository: RepositoryId, reason: LeaseLoss) -> Option<LeaseChange> {
        let generation = self.generation;
        (!self.is_ending).then_some(LeaseChange::Lost { repository, generation, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::ForeignLease;
    use crate::testing::SECOND;

    fn lease(repository: u64, generation: u64) -> HeldLease {
        HeldLease { repository: RepositoryId(repository), generation, vacant: None }
    }

    fn standing(held: &[(u64, u64)], excess: &[u64], others: &[u64]) -> LeaseStanding {
        LeaseStanding {
            held: held.iter().map(|it| lease(it.0, it.1)).collect(),
            excess: excess.iter().copied().map(RepositoryId).collect(),
            others: others
                .iter()
                .map(|id| ForeignLease {
                    repository: RepositoryId(*id),
                    owner: "b".to_owned(),
                    expires_in: SECOND,
                })
                .collect(),
            daemons: 2,
            ..Default::default()
        }
    }

    fn lost(repository: u64, generation: u64, reason: LeaseLoss) -> LeaseChange {
        LeaseChange::Lost { repository: RepositoryId(repository), generation, reason }
    }

    #[tokio::test(start_paused = true)]
    async fn each_change_is_told_once() {
        let (mut book, now) = (LeaseBook::default(), Instant::now());
        let none = BTreeSet::new();
        let taken = |it| LeaseChange::Taken(it);
        let renew =
            |book: &mut LeaseBook, it: LeaseStanding| book.renewed(&none, &it, now + SECOND);
        let two = standing(&[(1, 4), (2, 1)], &[], &[]);
        assert_eq!(renew(&mut book, two.clone()), [taken(lease(1, 4)), taken(lease(2, 1))]);
        assert_eq!(renew(&mut book, two), []);
        // Another has taken one; the other was let go of by nobody, and taken anew.
        let by_b = LeaseLoss::TakenBy("b".to_owned());
        assert_eq!(
            renew(&mut book, standing(&[(2, 3)], &[], &[1])),
            [lost(1, 4, by_b), lost(2, 1, LeaseLoss::NotRenewed), taken(lease(2, 3))]
        );
        // A report of an older generation is no news.
        assert_eq!(book.fenced(RepositoryId(2), 1), None);
        assert_eq!(book.fenced(RepositoryId(2), 3), Some(lost(2, 3, LeaseLoss::Fenced)));
        assert_eq!(book.fenced(RepositoryId(2), 3), None);
        assert!(book.is_empty() && book.valid_until().is_none());
        // It is another tenure where it is still ours.
        assert_eq!(renew(&mut book, standing(&[(2, 3)], &[], &[])), [taken(lease(2, 3))]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_let_go_of_is_kept_until_it_is() {
        let (mut book, until) = (LeaseBook::default(), Instant::now() + SECOND);
        let (none, one) = (BTreeSet::new(), BTreeSet::from([RepositoryId(1)]));
        book.renewed(&none, &standing(&[(1, 1), (2, 1)], &[], &[]), until);
        let excess = LeaseChange::Excess { repository: RepositoryId(1), generation: 1 };
        let too_many = standing(&[(1, 1), (2, 1)], &[1], &[]);
        assert_eq!(book.renewed(&none, &too_many, until), [excess]);
        assert_eq!(book.renewed(&none, &too_many, until), []);
        assert_eq!(
            (book.generation(RepositoryId(1)), book.ending()),
            (None, vec![RepositoryId(1)])
        );
        assert_eq!(book.held().len(), 1);
        assert_eq!(book.renewed(&one, &standing(&[(2, 1)], &[], &[1]), until), []);
        assert!(book.ending().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_renewed_is_lost_when_its_time_has_passed() {
        let (mut book, now) = (LeaseBook::default(), Instant::now());
        book.renewed(&BTreeSet::new(), &standing(&[(1, 1)], &[], &[]), now + SECOND);
        assert_eq!((book.valid_until(), book.expired(now)), (Some(now + SECOND), vec![]));
        assert_eq!(book.expired(now + SECOND), [lost(1, 1, LeaseLoss::NotRenewed)]);
        assert_eq!((book.valid_until(), book.expired(now + 2 * SECOND)), (None, vec![]));
    }
}
