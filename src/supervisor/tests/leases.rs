//! Several daemons on one mirror: who reads, who stands by, and what happens when one is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{CALM, ITEMS, two};
use crate::domain::RepositoryId;
use crate::progress::problems::Scope;
use crate::progress::{InstanceRole, SignIn};
use crate::supervisor::{ExitReason, GiveUpReason};
use crate::testing::{
    Call, Delivered, HOUR, MINUTE, Outcome, Rig, SECOND, Server, Trouble, Way, assert_whole,
    configuration,
};

/// The default of `instance.lease_ttl`.
const TTL: Duration = Duration::from_secs(15);

/// How long after the death of the leader another daemon reads.
const TAKEN_OVER_WITHIN: Duration = TTL.saturating_add(Duration::from_secs(5));

/// Two daemons; the first one leads.
async fn pair() -> (Rig, Rig) {
    let a = Rig::shared(two(), configuration(&[1, 2], CALM), "a").start();
    a.events.nth("lease taken", 2).await;
    let b = a.beside(configuration(&[1, 2], CALM), "b").start();
    b.events.nth("standing by", 1).await;
    (a, b)
}

fn role(rig: &Rig) -> InstanceRole {
    rig.progress.instance().unwrap().role
}

fn owners(rig: &Rig) -> BTreeMap<u64, String> {
    rig.mirror.memory.owners()
}

/// The pages of a repository that both wrote, in the order in which they came.
fn together(rigs: &[&Rig], repository: u64) -> Vec<Delivered> {
    let mut pages: Vec<_> = rigs.iter().flat_map(|rig| rig.mirror.pages(repository)).collect();
    pages.sort_by_key(|page| page.at);
    pages
}

/// Sees that pass 1 of a repository is one trip, although several daemons read parts of it.
fn assert_one_pass(rigs: &[&Rig], repository: u64) {
    let mut pages = together(rigs, repository);
    pages.retain(|page| page.iteration == 1);
    assert_whole(&pages, i128::from(ITEMS));
}

#[tokio::test(start_paused = true)]
async fn a_standby_signs_in_nowhere_and_tells_who_leads() {
    let (mut a, mut b) = pair().await;
    a.run_for(HOUR).await;
    let state = b.progress.instance().unwrap();
    assert_eq!((state.role, state.leader(), state.daemons), (InstanceRole::Standby, Some("a"), 2));
    assert_eq!((role(&a), a.logins()), (InstanceRole::Leader, 1));
    assert_eq!(*b.progress.sign_in().borrow(), SignIn::StandingBy);
    assert_eq!(b.mirror.all().len(), 0);
    assert_eq!(b.progress.problems.told(), []);
    let told = a.events.named("standing by");
    assert_eq!((told.len(), told[0].field("leader")), (1, "a"));
    assert_eq!(a.events.named("lease lost").len(), 0);
    b.stop().await;
    assert_eq!(a.server.count(Call::Logout), 0);
    a.stop().await;
    assert_eq!(a.server.count(Call::Logout), 1);
}

#[tokio::test(start_paused = true)]
async fn a_standby_goes_on_with_the_pass_of_a_leader_that_was_killed() {
    let (mut a, mut b) = pair().await;
    a.mirror.taken(6).await;
    a.kill().await;
    let killed = Instant::now();
    b.mirror.taken(1).await;
    assert!(killed.elapsed() <= TAKEN_OVER_WITHIN, "{:?}", killed.elapsed());
    let taken = b.events.named("lease taken");
    assert_eq!(taken.len(), 4);
    assert!(taken[2].number("generation") == 2 && taken[2].number("vacant_ms") < 2000);
    b.events.nth("pass complete", 2).await;
    for repository in [1, 2] {
        assert!(a.mirror.pages(repository).len() >= 3);
        assert_one_pass(&[&a, &b], repository);
    }
    assert_eq!(b.logins(), 2);
    b.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_standby_takes_over_within_two_seconds_of_an_orderly_stop() {
    let (mut a, mut b) = pair().await;
    a.mirror.taken(6).await;
    a.stop().await;
    let stopped = Instant::now();
    b.events.nth("lease taken", 4).await;
    assert!(stopped.elapsed() <= 2 * SECOND, "{:?}", stopped.elapsed());
    b.events.nth("pass complete", 2).await;
    assert_one_pass(&[&a, &b], 1);
    b.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_was_frozen_writes_nothing_and_stands_by() {
    for _ in 0..5 {
        let (mut a, mut b) = pair().await;
        a.mirror.taken(6).await;
        a.mirror.memory.set_way(Way::Frozen);
        b.mirror.taken(1).await;
        a.run_for(MINUTE).await;
        let before = a.mirror.all().len();
        a.mirror.memory.set_way(Way::Open);
        a.run_for(10 * SECOND).await;
        assert_eq!((a.mirror.all().len(), role(&a)), (before, InstanceRole::Standby));
        assert_eq!(*a.progress.sign_in().borrow(), SignIn::StandingBy);
        assert_eq!(a.progress.problems.told(), []);
        assert_eq!(a.server.count(Call::Logout), 1);
        let lost = a.events.named("lease lost");
        assert_eq!(lost.len(), 2, "{lost:?}");
        b.events.nth("pass complete", 2).await;
        for repository in [1, 2] {
            assert_one_pass(&[&a, &b], repository);
        }
        // And it is there when it is needed.
        b.stop().await;
        a.events.nth("lease taken", 6).await;
        let passes = a.events.named("pass complete").len();
        a.events.nth("pass complete", passes + 1).await;
        assert_eq!(a.logins(), 3);
        a.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_was_in_hand_when_the_lease_ended_is_not_written() {
    let (mut a, mut b) = pair().await;
    a.mirror.taken(6).await;
    // It comes to be written long after the other daemon has taken over.
    a.mirror.script([Trouble::Slow(2 * SECOND), Trouble::Slow(2 * SECOND)]);
    a.run_for(SECOND).await;
    a.mirror.memory.set_way(Way::Frozen);
    let before = a.mirror.all().len();
    b.mirror.taken(4).await;
    a.mirror.memory.set_way(Way::Open);
    a.run_for(MINUTE).await;
    assert_eq!(a.mirror.all().len(), before);
    assert_one_pass(&[&a, &b], 1);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_stands_by_and_goes_on_by_itself() {
    let mut a = Rig::shared(two(), configuration(&[1, 2], CALM), "a").start();
    a.mirror.taken(6).await;
    a.mirror.memory.set_way(Way::Cut);
    a.run_for(TTL / 2).await;
    assert_eq!(role(&a), InstanceRole::Leader);
    a.run_for(2 * TTL).await;
    assert_eq!((role(&a), a.server.count(Call::Logout)), (InstanceRole::Standby, 1));
    let told = a.progress.problems.told();
    let scopes: Vec<_> = told.iter().map(|problem| problem.source.scope).collect();
    assert_eq!((scopes, told[0].report.halts), (vec![Scope::Mirror], true));
    let failures = a.events.named("request failed");
    let of_leases = failures.iter().filter(|it| it.field("endpoint") == "leases" && it.is_seen());
    assert!(of_leases.count() <= 2, "{failures:?}");
    a.mirror.memory.set_way(Way::Open);
    a.events.nth("pass complete", 2).await;
    assert_eq!(a.progress.problems.told(), []);
    for repository in [1, 2] {
        assert_one_pass(&[&a], repository);
    }
    a.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_short_cut_costs_no_lease() {
    let mut a = Rig::shared(two(), configuration(&[1, 2], CALM), "a").start();
    for _ in 0..10 {
        a.run_for(20 * SECOND).await;
        a.mirror.memory.set_way(Way::Cut);
        a.run_for(TTL / 2).await;
        a.mirror.memory.set_way(Way::Open);
    }
    assert_eq!(a.events.named("lease lost").len(), 0);
    assert_eq!((a.events.named("lease taken").len(), a.logins()), (2, 1));
    a.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_starts_while_the_mirror_is_away_stands_by_until_it_comes() {
    let mut a = Rig::shared(two(), configuration(&[1, 2], CALM), "a");
    a.mirror.memory.set_way(Way::Cut);
    a = a.start();
    a.run_for(HOUR).await;
    assert_eq!((a.logins(), role(&a)), (0, InstanceRole::Standby));
    assert_eq!(a.progress.problems.told()[0].source.scope, Scope::Mirror);
    a.mirror.memory.set_way(Way::Open);
    a.events.nth("pass complete", 2).await;
    assert_eq!(a.progress.problems.told(), []);
    a.stop().await;
}

#[tokio::test(start_paused = true)]
async fn shares_follow_when_a_daemon_comes_or_goes() {
    let ids = [1, 2, 3, 4, 5, 6];
    let server = Server::new(&ids.map(|id| (id, ITEMS)));
    let config = || configuration(&ids, CALM);
    let mut a = Rig::shared(server, config(), "a").spread().start();
    a.mirror.taken(20).await;
    let count = |owner: &str, rig: &Rig| owners(rig).values().filter(|it| *it == owner).count();
    assert_eq!((count("a", &a), role(&a)), (6, InstanceRole::Sharing));
    let mut b = a.beside(config(), "b").spread().start();
    a.run_for(15 * SECOND).await;
    assert_eq!((count("a", &a), count("b", &a)), (3, 3));
    let mut c = a.beside(config(), "c").spread().start();
    a.run_for(15 * SECOND).await;
    assert_eq!((count("a", &a), count("b", &a), count("c", &a)), (2, 2, 2));
    // Each reads what it has, and nothing else; and no pass was begun over.
    a.run_for(MINUTE).await;
    let since = Instant::now() - 30 * SECOND;
    for id in ids {
        let readers = [&a, &b, &c]
            .map(|rig| rig.mirror.pages(id).iter().filter(|page| page.at > since).count());
        assert!(readers.iter().filter(|pages| **pages > 0).count() <= 1, "{readers:?}");
    }
    a.events.nth("pass complete", 6).await;
    for id in ids {
        assert_one_pass(&[&a, &b, &c], id);
    }
    // One goes in order, one without a word.
    b.stop().await;
    a.run_for(2 * SECOND).await;
    assert_eq!((count("a", &a), count("c", &a)), (3, 3));
    c.kill().await;
    a.run_for(TAKEN_OVER_WITHIN).await;
    assert_eq!(count("a", &a), 6);
    a.stop().await;
    assert!(owners(&a).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_only_a_standby_lists_is_told_until_the_lists_are_the_same() {
    let server = Server::new(&[(1, ITEMS), (2, ITEMS), (3, ITEMS)]);
    let mut a = Rig::shared(server, configuration(&[1, 2], CALM), "a").start();
    a.events.nth("lease taken", 2).await;
    let mut b = a.beside(configuration(&[1, 2, 3], CALM), "b").start();
    b.run_for(MINUTE).await;
    let told = b.progress.problems.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (told[0].source.scope, told[0].source.repository),
        (Scope::Repository, Some(RepositoryId(3)))
    );
    assert!(told[0].report.halts && told[0].report.error.contains("a leads"), "{told:?}");
    assert!(told[0].since >= 50 * SECOND, "{told:?}");
    let unread = a.events.named("repository unread");
    assert!(unread.len() == 1 && unread[0].is_of(3), "{unread:?}");
    assert_eq!(a.progress.problems.told(), []);
    // The leader comes to list it.
    a.reload(Ok(configuration(&[1, 2, 3], CALM))).await;
    b.run_for(3 * SECOND).await;
    assert_eq!(b.progress.problems.told(), []);
    // It lists it no longer, and then is gone: now the other one reads all.
    a.reload(Ok(configuration(&[1, 2], CALM))).await;
    b.run_for(10 * SECOND).await;
    assert_eq!(b.progress.problems.told().len(), 1);
    a.stop().await;
    b.run_for(3 * SECOND).await;
    assert_eq!((b.progress.problems.told(), role(&b)), (vec![], InstanceRole::Leader));
    assert_eq!(owners(&b).len(), 3);
    b.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_unread_is_forgotten_with_its_repository() {
    let server = Server::new(&[(1, ITEMS), (2, ITEMS)]);
    let mut a = Rig::shared(server, configuration(&[1], CALM), "a").start();
    a.events.nth("lease taken", 1).await;
    let mut b = a.beside(configuration(&[1, 2], CALM), "b").start();
    b.run_for(10 * SECOND).await;
    assert_eq!(b.progress.problems.told().len(), 1);
    b.reload(Ok(configuration(&[1], CALM))).await;
    b.run_for(10 * SECOND).await;
    assert_eq!(b.progress.problems.told(), []);
    for rig in [&mut a, &mut b] {
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn leases_follow_a_reload() {
    let server = Server::new(&[(1, ITEMS), (2, ITEMS), (3, ITEMS)]);
    let mut a = Rig::shared(server, configuration(&[1, 2], CALM), "a").start();
    a.mirror.taken(4).await;
    a.reload(Ok(configuration(&[2, 3], CALM))).await;
    a.run_for(4 * SECOND).await;
    assert_eq!(owners(&a).into_keys().collect::<Vec<_>>(), [2, 3]);
    let lost = a.events.named("lease lost");
    assert!(lost.len() == 1 && lost[0].is_of(1), "{lost:?}");
    a.run_for(MINUTE).await;
    assert_one_pass(&[&a], 2);
    assert_one_pass(&[&a], 3);
    a.reload(Ok(configuration(&[1, 2, 3], CALM))).await;
    a.run_for(MINUTE).await;
    assert_one_pass(&[&a], 1);
    assert_eq!(a.logins(), 1);
    a.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_pass_takes_the_leases_and_takes_none_from_a_daemon() {
    let mut a = Rig::shared(two(), configuration(&[1, 2], CALM), "a").once(MINUTE).start();
    a.events.nth("lease taken", 2).await;
    let mut b = a.beside(configuration(&[1, 2], CALM), "b").spread().start();
    assert_eq!(a.ended().await.0, ExitReason::Finished);
    for repository in [1, 2] {
        assert_whole(&a.mirror.pages(repository), i128::from(ITEMS));
    }
    assert_eq!(b.mirror.all().len(), 0);
    b.mirror.taken(1).await;
    let mut c = b.beside(configuration(&[1, 2], CALM), "c").once(MINUTE).start();
    let (end, took) = c.ended().await;
    assert_eq!(end, ExitReason::GaveUp(GiveUpReason::InUse("b".to_owned())));
    assert!(took <= SECOND);
    b.run_for(MINUTE).await;
    assert_eq!(b.progress.instance().unwrap().daemons, 1);
    assert_eq!(b.events.named("lease lost").len(), 0);
    b.stop().await;
}

#[tokio::test(start_paused = true)]
async fn three_tries_in_a_quarter_of_an_hour_are_those_of_all_daemons() {
    let server = two();
    server.hook(|asked| (asked.call == Call::Login).then_some(Outcome::Deny("no")));
    let began = Instant::now();
    let mut a = Rig::shared(server, configuration(&[1, 2], CALM), "a").spread().start();
    let mut b = a.beside(configuration(&[1, 2], CALM), "b").spread().start();
    // The one that is killed takes what it knows of denials with it.
    a.run_for(MINUTE).await;
    a.kill().await;
    let mut c = b.beside(configuration(&[1, 2], CALM), "c").spread().start();
    b.run_for(2 * HOUR).await;
    let tries: Vec<_> =
        b.server.log().into_iter().filter(|it| it.asked.call == Call::Login).collect();
    assert!(tries.len() > 12, "{}", tries.len());
    // Two that try at the same moment may come to one more.
    for first in 0..tries.len().saturating_sub(5) {
        let took = tries[first + 5].asked.at - tries[first].asked.at;
        assert!(took >= 15 * MINUTE, "{took:?} after {:?}", tries[first].asked.at - began);
    }
    for rig in [&mut b, &mut c] {
        rig.stop().await;
    }
}
