//! Who is to have which repository, where several daemons share a mirror. Pure.
//!
//! Each daemon decides for itself, from the rows that all of them see: the same rows lead to the same
//! shares in each. What a live daemon has is taken from it by nobody: it lets go of it.
//!
//! Guarantees: with a leader, all leases come to one daemon, and the others end up with none; spread
//! out, each repository that anybody is configured to read comes to one of those, shares differ by
//! one at most where all read the same, and no more leases move than that takes.

use std::collections::{BTreeMap, BTreeSet};

use super::contracts::Sharing;
use crate::domain::RepositoryId;

/// A daemon that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LiveDaemon {
    /// Who it is.
    pub(crate) owner: String,
    /// What it is configured to read.
    pub(crate) repositories: BTreeSet<RepositoryId>,
    /// How it would have them.
    pub(crate) sharing: Sharing,
}

/// What a daemon does about leases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeaseDecision {
    /// Those that it has, and is to let go of.
    pub(crate) excess: Vec<RepositoryId>,
    /// Those that nobody has, and that it takes.
    pub(crate) take: Vec<RepositoryId>,
    /// Those of its own that come to nobody: another one leads, which is not configured to read them.
    pub(crate) unread: Vec<RepositoryId>,
}

/// What `me` does; `daemons` are in the order in which they came, and `me` is among them; `owners` has
/// the leases of those that are there.
pub(crate) fn decide(
    me: &str,
    daemons: &[LiveDaemon],
    owners: &BTreeMap<RepositoryId, String>,
) -> LeaseDecision {
    let all_spread = daemons.iter().all(|daemon| daemon.sharing == Sharing::Spread);
    let shares = if all_spread { spread(daemons, owners) } else { lead(me, daemons, owners) };
    let mine = |repository: &RepositoryId| shares.get(repository).is_some_and(|owner| owner == me);
    let held = owners.iter().filter(|(_, owner)| *owner == me);
    let own = daemons.iter().filter(|daemon| daemon.owner == me).flat_map(|it| &it.repositories);
    LeaseDecision {
        excess: held.map(|(id, _)| *id).filter(|id| !mine(id)).collect(),
        take: shares.keys().filter(|id| mine(id) && !owners.contains_key(id)).copied().collect(),
        unread: own.filter(|id| !shares.contains_key(id)).copied().collect(),
    }
}

/// One has all that it reads: the one that has most already, or else the first that asks.
fn lead(
    me: &str,
    daemons: &[LiveDaemon],
    owners: &BTreeMap<RepositoryId, String>,
) -> BTreeMap<RepositoryId, String> {
    let has = |daemon: &LiveDaemon| {
        let held = owners.iter().filter(|(_, owner)| **owner == daemon.owner);
        held.filter(|(id, _)| daemon.repositories.contains(id)).count()
    };
    let most = daemons.iter().map(has).max().unwrap_or_default();
    let leader = daemons.iter().find(|daemon| match most {
        0 => daemon.owner == me,
        _ => has(daemon) == most,
    });
    let of = |leader: &LiveDaemon| {
        leader.repositories.iter().map(|id| (*id, leader.owner.clone())).collect()
    };
    leader.map(of).unwrap_or_default()
}

/// Each has its share: what nobody has goes to those that have least, and who has two more than
/// another who could have it lets go of one.
fn spread(
    daemons: &[LiveDaemon],
    owners: &BTreeMap<RepositoryId, String>,
) -> BTreeMap<RepositoryId, String> {
    let wanted: BTreeSet<_> = daemons.iter().flat_map(|it| &it.repositories).copied().collect();
    let mut counts = vec![0_usize; daemons.len()];
    let mut shares: BTreeMap<RepositoryId, usize> = BTreeMap::new();
    for (id, owner) in owners {
        let place = daemons.iter().position(|daemon| daemon.owner == *owner);
        if let Some(place) = place.filter(|place| reads(daemons, *place, *id)) {
            shares.insert(*id, place);
            add(&mut counts, place, 1);
        }
    }
    for id in &wanted {
        if !shares.contains_key(id)
            && let Some(place) = least(daemons, &counts, *id)
        {
            shares.insert(*id, place);
            add(&mut counts, place, 1);
        }
    }
    while let Some((id, from, to)) = best_move(daemons, &counts, &shares) {
        shares.insert(id, to);
        add(&mut counts, from, -1);
        add(&mut counts, to, 1);
    }
    let named = |place: usize| daemons.get(place).map(|daemon| daemon.owner.clone());
    shares.into_iter().filter_map(|(id, place)| Some((id, named(place)?))).collect()
}

/// The move of one lease that evens the shares out most; `None` where none does.
fn best_move(
    daemons: &[LiveDaemon],
    counts: &[usize],
    shares: &BTreeMap<RepositoryId, usize>,
) -> Option<(RepositoryId, usize, usize)> {
    let count = |place: usize| counts.get(place).copied().unwrap_or_default();
    let moves = shares.iter().filter_map(|(id, from)| {
        let to = least(daemons, counts, *id)?;
        let difference = count(*from).checked_sub(count(to))?;
        (difference > 1).then_some((difference, *id, *from, to))
    });
    // Of several that are as good the last repository, and so always the same one.
    moves.max().map(|(_, id, from, to)| (id, from, to))
}

/// Of those that read this repository, the one that has least, and of these the one that came first.
fn least(daemons: &[LiveDaemon], counts: &[usize], id: RepositoryId) -> Option<usize> {
    let readers = (0..daemons.len()).filter(|place| reads(daemons, *place, id));
    readers.min_by_key(|place| counts.get(*place).copied().unwrap_or_default())
}

fn reads(daemons: &[LiveDaemon], place: usize, id: RepositoryId) -> bool {
    daemons.get(place).is_some_and(|daemon| daemon.repositories.contains(&id))
}

fn add(counts: &mut [usize], place: usize, difference: isize) {
    if let Some(count) = counts.get_mut(place) {
        *count = count.saturating_add_signed(difference);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn daemon(name: usize, repositories: &[u64], sharing: Sharing) -> LiveDaemon {
        LiveDaemon {
            owner: name.to_string(),
            repositories: repositories.iter().copied().map(RepositoryId).collect(),
            sharing,
        }
    }

    /// Lets a daemon do what it decides.
    fn act(me: &str, daemons: &[LiveDaemon], owners: &mut BTreeMap<RepositoryId, String>) -> bool {
        let LeaseDecision { excess, take, .. } = decide(me, daemons, owners);
        for id in &excess {
            assert_eq!(owners.remove(id).as_deref(), Some(me));
        }
        for id in &take {
            assert_eq!(owners.insert(*id, me.to_owned()), None, "two owners");
        }
        !excess.is_empty() || !take.is_empty()
    }

    /// Lets all act in turn until nothing changes; returns the leases that moved.
    fn rest(daemons: &[LiveDaemon], owners: &mut BTreeMap<RepositoryId, String>) -> usize {
        let before = owners.clone();
        for _ in 0..20 {
            let acted: Vec<_> = daemons.iter().map(|it| act(&it.owner, daemons, owners)).collect();
            if !acted.contains(&true) {
                return owners.iter().filter(|(id, it)| before.get(id) != Some(it)).count();
            }
        }
        panic!("no rest: {owners:?}");
    }

    #[test]
    fn a_leader_has_all_and_who_comes_later_has_none() {
        let [one, two] = [1, 2].map(|name| daemon(name, &[7, 8], Sharing::Leader));
        let mut owners = BTreeMap::new();
        assert!(act("1", std::slice::from_ref(&one), &mut owners));
        // It has a repository more than the leader, which reads it first.
        let more = daemon(2, &[7, 8, 9], Sharing::Leader);
        let both = [one.clone(), more.clone()];
        assert_eq!(rest(&both, &mut owners), 0);
        assert_eq!(owners.len(), 2);
        let unread = |me: &str| decide(me, &both, &owners).unread;
        assert_eq!((unread("1"), unread("2")), (vec![], vec![RepositoryId(9)]));
        // The leader goes.
        owners.clear();
        assert_eq!(rest(std::slice::from_ref(&more), &mut owners), 3);
        assert_eq!(decide("2", &[one.clone(), more.clone()], &owners).unread, []);
        // Where nobody has any, the first that asks leads, however late it came.
        owners.clear();
        assert!(act("2", &[one, two], &mut owners));
        assert!(owners.len() == 2 && owners.values().all(|owner| owner == "2"));
    }

    #[test]
    fn one_that_wants_a_leader_is_enough_for_one() {
        let daemons = [daemon(1, &[7, 8], Sharing::Spread), daemon(2, &[7, 8], Sharing::Leader)];
        let mut owners = BTreeMap::from([7, 8].map(|id| (RepositoryId(id), "1".to_owned())));
        assert_eq!(rest(&daemons, &mut owners), 0);
        assert!(owners.values().all(|owner| owner == "1"));
    }

    #[test]
    fn only_as_much_moves_as_evens_the_shares_out() {
        let ids: Vec<u64> = (1..=10).collect();
        let of = |count| (1..=count).map(|name| daemon(name, &ids, Sharing::Spread));
        let mut owners = BTreeMap::new();
        rest(&of(1).collect::<Vec<_>>(), &mut owners);
        assert_eq!(rest(&of(2).collect::<Vec<_>>(), &mut owners), 5);
        assert_eq!(rest(&of(3).collect::<Vec<_>>(), &mut owners), 3);
        // The second one goes.
        owners.retain(|_, owner| owner != "2");
        let left: Vec<_> = of(3).filter(|daemon| daemon.owner != "2").collect();
        assert_eq!(rest(&left, &mut owners), 10 - 7);
    }

    proptest! {
        #[test]
        fn shares_come_to_rest_with_one_owner_each_and_even(
            steps in prop::collection::vec((any::<bool>(), 0..6_usize, 0..256_u64), 1..20),
            alike in any::<bool>(),
            leader in any::<bool>(),
        ) {
            let sharing = if leader { Sharing::Leader } else { Sharing::Spread };
            let (mut daemons, mut owners) = (Vec::<LiveDaemon>::new(), BTreeMap::new());
            for (comes, name, mask) in steps {
                daemons.retain(|it| it.owner != name.to_string());
                if comes {
                    let ids: Vec<u64> = (0..8).filter(|it| alike || mask >> it & 1 == 1).collect();
                    daemons.push(daemon(name, &ids, sharing));
                } else {
                    owners.retain(|_, owner: &mut String| *owner != name.to_string());
                }
                // It may have come back under another name only.
                owners.retain(|_, owner| daemons.iter().any(|it| it.owner == *owner));
                rest(&daemons, &mut owners);
                let shares: Vec<usize> = daemons
                    .iter()
                    .map(|it| owners.values().filter(|owner| **owner == it.owner).count())
                    .collect();
                for (id, owner) in &owners {
                    let owner = daemons.iter().find(|it| it.owner == *owner).unwrap();
                    prop_assert!(owner.repositories.contains(id), "{owner:?} has {id}");
                }
                if leader {
                    prop_assert!(shares.iter().filter(|it| **it > 0).count() <= 1, "{shares:?}");
                    continue;
                }
                let unread = daemons.iter().flat_map(|it| decide(&it.owner, &daemons, &owners).unread);
                prop_assert_eq!(unread.collect::<Vec<_>>(), []);
                let wanted: BTreeSet<_> = daemons.iter().flat_map(|it| &it.repositories).collect();
                prop_assert_eq!(wanted.len(), owners.len(), "one that nobody has");
                if alike && !shares.is_empty() {
                    let spread = shares.iter().max().unwrap() - shares.iter().min().unwrap();
                    prop_assert!(spread <= 1, "{shares:?}");
                }
            }
        }
    }
}
