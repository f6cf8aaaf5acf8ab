//! What every store that several daemons share must do about leases, as one suite.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use crate::domain::RepositoryId;
use crate::mirror::{LeaseRequest, LeaseStanding, Leases, MirrorFuture, Sharing};
use crate::testing::MemoryLeases;

/// Long enough for no step to come too late on a slow machine: time passes by [`SharedStore::pass`].
pub(super) const TTL: Duration = Duration::from_secs(600);
const SECOND: Duration = Duration::from_secs(1);

/// A store that several daemons share.
pub(in crate::mirror) trait SharedStore {
    /// The leases as one more daemon sees them.
    fn daemon(&self, name: &str) -> Arc<dyn Leases>;

    /// Lets time pass on the store's clock.
    fn pass(&self, time: Duration) -> MirrorFuture<'_, ()>;
}

/// Runs all of it.
pub(in crate::mirror) async fn leases_have_one_owner_at_a_time(store: &impl SharedStore) {
    one_leads_and_the_other_takes_over_when_its_time_has_passed(store).await;
    what_is_let_go_of_is_free_at_once(store).await;
    what_a_daemon_no_longer_reads_is_excess(store).await;
    many_who_ask_at_once_are_given_all_or_none(store).await;
    denials_are_counted_together(store).await;
    tries_that_are_under_way_are_counted(store).await;
}

async fn one_leads_and_the_other_takes_over_when_its_time_has_passed(store: &impl SharedStore) {
    let (a, b) = (store.daemon("a"), store.daemon("b"));
    assert_ne!(a.owner(), b.owner());
    let (first, second) = (renew(&a, &[11, 12]).await, renew(&b, &[11, 12, 13]).await);
    assert_eq!(held(&first), [(11, 1), (12, 1)]);
    assert_eq!((first.daemons, &first.others[..]), (1, &[][..]));
    assert!(first.held.iter().all(|it| it.vacant.is_none()), "nobody ever had it: {first:?}");
    assert_eq!((held(&second), second.daemons), (vec![], 2));
    let others: Vec<_> = second.others.iter().map(|it| (it.repository.0, &*it.owner)).collect();
    assert_eq!(others.iter().map(|it| it.0).collect::<Vec<_>>(), [11, 12]);
    assert!(others.iter().all(|it| it.1.starts_with('a')), "{others:?}");
    assert!(second.others.iter().all(|it| it.expires_in <= TTL && it.expires_in > TTL / 2));

    // What is renewed holds on, under the same generation.
    store.pass(TTL / 2).await.unwrap();
    assert_eq!(held(&renew(&a, &[11, 12]).await), [(11, 1), (12, 1)]);
    store.pass(TTL * 3 / 4).await.unwrap();
    assert_eq!(held(&renew(&b, &[11, 12, 13]).await), []);

    // What is not, does not; and looking at it changes nothing.
    store.pass(TTL / 2).await.unwrap();
    let looked = b.look(vec![RepositoryId(11)]).await.unwrap();
    assert_eq!((looked.held.len(), looked.others.len()), (0, 0));
    let taken = renew(&b, &[11, 12, 13]).await;
    assert_eq!(held(&taken), [(11, 2), (12, 2), (13, 1)]);
    let vacant = taken.held[0].vacant.unwrap();
    assert!(vacant >= TTL / 4 && vacant < TTL / 2, "{vacant:?}");
    assert_eq!(taken.held[2].vacant, None);
    let back = renew(&a, &[11, 12]).await;
    assert_eq!((held(&back), back.others.len(), back.daemons), (vec![], 3, 2));
    let looked = a.look(vec![RepositoryId(12)]).await.unwrap();
    assert_eq!((looked.held.len(), looked.others.len()), (0, 1));

    // Also where nobody took it meanwhile it is another generation.
    store.pass(TTL * 2).await.unwrap();
    assert_eq!(held(&renew(&b, &[11, 12, 13]).await), [(11, 3), (12, 3), (13, 2)]);
    for daemon in [a, b] {
        daemon.leave().await.unwrap();
    }
}

async fn what_is_let_go_of_is_free_at_once(store: &impl SharedStore) {
    let (a, b) = (store.daemon("a"), store.daemon("b"));
    assert_eq!(held(&renew(&a, &[21, 22]).await), [(21, 1), (22, 1)]);
    a.release(vec![RepositoryId(22)]).await.unwrap();
    // It is let go of, not renounced.
    assert_eq!(held(&renew(&a, &[21, 22]).await), [(21, 1), (22, 2)]);
    assert_eq!(held(&renew(&b, &[21, 22]).await), []);
    // Of another's nothing can be let go.
    b.release(vec![RepositoryId(21)]).await.unwrap();
    assert_eq!(held(&renew(&b, &[21, 22]).await), []);
    a.leave().await.unwrap();
    store.pass(SECOND).await.unwrap();
    let taken = renew(&b, &[21, 22]).await;
    assert_eq!((held(&taken), taken.daemons), (vec![(21, 2), (22, 3)], 1));
    assert!(taken.held[0].vacant.is_some_and(|vacant| vacant >= SECOND && vacant < TTL));
    b.leave().await.unwrap();
}

async fn what_a_daemon_no_longer_reads_is_excess(store: &impl SharedStore) {
    let (a, b) = (store.daemon("a"), store.daemon("b"));
    renew(&a, &[31, 32]).await;
    let less = renew(&a, &[32, 33]).await;
    assert_eq!(held(&less), [(31, 1), (32, 1), (33, 1)]);
    assert_eq!(less.excess, [RepositoryId(31)]);
    a.release(less.excess).await.unwrap();
    assert_eq!(held(&renew(&a, &[32, 33]).await), [(32, 1), (33, 1)]);
    // Spread out, the newcomer is given its share once the other lets go of it.
    let ids = [32, 33];
    assert_eq!(spread(&a, &ids).await.excess, []);
    assert_eq!(held(&spread(&b, &ids).await), []);
    let share = spread(&a, &ids).await;
    assert_eq!((share.held.len(), &share.excess[..]), (2, &[RepositoryId(33)][..]));
    a.release(share.excess).await.unwrap();
    assert_eq!(held(&spread(&a, &ids).await), [(32, 1)]);
    assert_eq!(held(&spread(&b, &ids).await), [(33, 2)]);
    for daemon in [a, b] {
        daemon.leave().await.unwrap();
    }
}

async fn many_who_ask_at_once_are_given_all_or_none(store: &impl SharedStore) {
    let ids: Vec<u64> = (41..49).collect();
    let daemons: Vec<_> = (0..4).map(|number| store.daemon(&number.to_string())).collect();
    let [a, b, c, d] = &daemons[..] else { unreachable!() };
    for _ in 0..10 {
        let (a, b, c, d) =
            tokio::join!(renew(a, &ids), renew(b, &ids), renew(c, &ids), renew(d, &ids));
        let shares: Vec<_> = [a, b, c, d].iter().map(|it| it.held.len()).collect();
        assert!(shares.iter().all(|share| *share == 0 || *share == ids.len()), "{shares:?}");
        assert!(shares.iter().sum::<usize>() <= ids.len(), "two owners: {shares:?}");
        for daemon in &daemons {
            daemon.leave().await.unwrap();
        }
    }
}

async fn denials_are_counted_together(store: &impl SharedStore) {
    let (a, b) = (store.daemon("a"), store.daemon("b"));
    a.count_denial("one", None).await.unwrap();
    store.pass(60 * SECOND).await.unwrap();
    b.count_denial("one", None).await.unwrap();
    b.count_denial("other", None).await.unwrap();
    let ages = a.denials("one", 900 * SECOND).await.unwrap();
    assert!(ages.len() == 2 && ages[0] < 60 * SECOND && ages[1] >= 60 * SECOND, "{ages:?}");
    assert_eq!(b.denials("one", 30 * SECOND).await.unwrap().len(), 1);
    b.forget_denials("one").await.unwrap();
    assert!(a.denials("one", 900 * SECOND).await.unwrap().is_empty());
    assert_eq!(a.denials("other", 900 * SECOND).await.unwrap().len(), 1);
}

async fn tries_that_are_under_way_are_counted(store: &impl SharedStore) {
    let daemons = ["a", "b", "c"].map(|name| store.daemon(name));
    let claim = |daemon: usize| daemons[daemon].claim_try("tried", 900 * SECOND, 2);
    let first = claim(0).await.unwrap().unwrap();
    let second = claim(1).await.unwrap().unwrap();
    assert_eq!(claim(2).await.unwrap(), None, "two are under way");
    assert!(daemons[2].denials("tried", 900 * SECOND).await.unwrap().is_empty(), "none was denied");
    daemons[0].withdraw_try("tried", first).await.unwrap();
    let third = claim(2).await.unwrap().unwrap();
    for (daemon, tried) in [(1, second), (2, third)] {
        daemons[daemon].count_denial("tried", Some(tried)).await.unwrap();
    }
    assert_eq!(claim(0).await.unwrap(), None, "two were denied");
    assert_eq!(daemons[0].denials("tried", 900 * SECOND).await.unwrap().len(), 2);
    store.pass(901 * SECOND).await.unwrap();
    // However many ask at the same moment, no more may try, and none where they stand in each
    // other's way: who may not asks again later.
    for _ in 0..5 {
        let (one, two, three) = tokio::join!(claim(0), claim(1), claim(2));
        let granted = [one, two, three].into_iter().filter_map(|it| it.unwrap());
        assert!(granted.count() <= 2);
        daemons[0].forget_denials("tried").await.unwrap();
    }
    assert!(claim(0).await.unwrap().is_some());
    daemons[0].forget_denials("tried").await.unwrap();
}

/// What one of three daemons does, or the time.
#[derive(Clone, Debug)]
pub(in crate::mirror) enum LeaseStep {
    Renew { daemon: usize, repositories: u8, sharing: Sharing },
    Release { daemon: usize, repositories: u8 },
    Leave { daemon: usize },
    Pass { seconds: u64 },
}

/// Any course of events.
pub(in crate::mirror) fn any_lease_steps() -> impl Strategy<Value = Vec<LeaseStep>> {
    let sharing = prop_oneof![3 => Just(Sharing::Spread), 1 => Just(Sharing::Leader)];
    let renew = (0..3_usize, any::<u8>(), sharing).prop_map(|(daemon, repositories, sharing)| {
        LeaseStep::Renew { daemon, repositories, sharing }
    });
    let release = (0..3_usize, any::<u8>())
        .prop_map(|(daemon, repositories)| LeaseStep::Release { daemon, repositories });
    let leave = (0..3_usize).prop_map(|daemon| LeaseStep::Leave { daemon });
    let pass = (0..TTL.as_secs() * 2).prop_map(|seconds| LeaseStep::Pass { seconds });
    prop::collection::vec(prop_oneof![6 => renew, 1 => release, 1 => leave, 2 => pass], 1..30)
}

/// Does the steps: at each one no two daemons have the same lease by what they were told, and no
/// generation is given out twice.
pub(in crate::mirror) async fn no_steps_give_a_lease_to_two(
    store: &impl SharedStore,
    steps: Vec<LeaseStep>,
) {
    let daemons = ["a", "b", "c"].map(|name| store.daemon(name));
    // What each one has, and until when by what it knows, in seconds.
    let mut told: [(BTreeMap<u64, u64>, u64); 3] = Default::default();
    let (mut now, mut given) = (0, BTreeSet::new());
    for step in steps {
        match step {
            LeaseStep::Pass { seconds } => {
                store.pass(Duration::from_secs(seconds)).await.unwrap();
                now += seconds;
            }
            LeaseStep::Leave { daemon } => {
                daemons[daemon].leave().await.unwrap();
                told[daemon] = Default::default();
            }
            LeaseStep::Release { daemon, repositories } => {
                let which: Vec<_> = ids(repositories).into_iter().map(RepositoryId).collect();
                daemons[daemon].release(which.clone()).await.unwrap();
                told[daemon].0.retain(|id, _| !which.contains(&RepositoryId(*id)));
            }
            LeaseStep::Renew { daemon, repositories, sharing } => {
                let standing = ask(&daemons[daemon], &ids(repositories), sharing).await;
                let before = std::mem::take(&mut told[daemon].0);
                for (id, generation) in held(&standing) {
                    let is_known = before.get(&id) == Some(&generation);
                    assert!(is_known || given.insert((id, generation)), "given out twice");
                    let other =
                        told.iter().any(|(has, until)| *until > now && has.contains_key(&id));
                    assert!(!other, "two daemons have {id}");
                    told[daemon].0.insert(id, generation);
                }
                // A second less: in a database time passes during the steps, too.
                told[daemon].1 = now + TTL.as_secs() - 60;
            }
        }
    }
}

/// Repositories 51 to 58.
fn ids(mask: u8) -> Vec<u64> {
    (0..8).filter(|bit| mask >> bit & 1 == 1).map(|bit| 51 + bit).collect()
}

async fn renew(daemon: &Arc<dyn Leases>, ids: &[u64]) -> LeaseStanding {
    ask(daemon, ids, Sharing::Leader).await
}

async fn spread(daemon: &Arc<dyn Leases>, ids: &[u64]) -> LeaseStanding {
    ask(daemon, ids, Sharing::Spread).await
}

async fn ask(daemon: &Arc<dyn Leases>, ids: &[u64], sharing: Sharing) -> LeaseStanding {
    let repositories = ids.iter().copied().map(RepositoryId).collect();
    daemon.renew(LeaseRequest { repositories, sharing, ttl: TTL }).await.unwrap()
}

fn held(standing: &LeaseStanding) -> Vec<(u64, u64)> {
    standing.held.iter().map(|lease| (lease.repository.0, lease.generation)).collect()
}

impl SharedStore for MemoryLeases {
    fn daemon(&self, name: &str) -> Arc<dyn Leases> {
        Arc::new(self.beside(&format!("{name}-{}", fastrand::u32(..))))
    }

    fn pass(&self, time: Duration) -> MirrorFuture<'_, ()> {
        Box::pin(async move {
            tokio::time::advance(time).await;
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn leases_in_memory_have_one_owner_at_a_time() {
    leases_have_one_owner_at_a_time(&MemoryLeases::new("first")).await;
}

proptest! {
    #[test]
    fn no_steps_give_a_lease_in_memory_to_two(steps in any_lease_steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(no_steps_give_a_lease_to_two(&MemoryLeases::new("first"), steps));
    }
}
