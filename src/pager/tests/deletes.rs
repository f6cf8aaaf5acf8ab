//! Items that a pass did not see: asked for, suspected, deleted, held back.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::*;
use crate::domain::{IdSet, ItemId, RepositoryId};
use crate::testing::ItemCall;

const REPOSITORY: RepositoryId = RepositoryId(1);

/// A daemon that has completed its first pass.
async fn mirrored() -> Rig {
    let rig = Rig::new(server(), config(CALM)).start();
    rig.events.nth("pass complete", 1).await;
    rig
}

/// Takes items out of the server's list.
fn remove(rig: &Rig, ids: RangeInclusive<i128>) {
    let mut state = rig.server.state();
    let list = state.lists.get_mut(&REPOSITORY).unwrap();
    list.retain(|item| !ids.clone().any(|id| item.id == ItemId::Integer(id)));
}

fn kept(rig: &Rig) -> usize {
    rig.mirror.memory.with(REPOSITORY, |kept| kept.items.len())
}

/// Approves some of what is held back.
fn pick(rig: &Rig, items: &IdSet) {
    rig.mirror.memory.with(REPOSITORY, |kept| {
        kept.suspects.held.as_mut().expect("nothing is held back").approve(Some(items));
    });
}

fn approve(rig: &Rig) {
    rig.mirror.memory.with(REPOSITORY, |kept| {
        kept.suspects.held.as_mut().expect("nothing is held back").approve(None);
    });
}

async fn next_pass(rig: &Rig) -> Recorded {
    let before = rig.events.named("pass complete").len();
    rig.signal(Signal::NextPass).await;
    rig.events.nth("pass complete", before + 1).await
}

#[tokio::test(start_paused = true)]
async fn an_item_that_the_server_says_is_gone_is_deleted_at_once() {
    let mut rig = mirrored().await;
    remove(&rig, 100..=109);
    let complete = next_pass(&rig).await;
    assert_eq!(complete.number("deleted"), 10);
    assert_eq!((complete.number("suspects"), complete.number("held")), (0, 0));
    assert_eq!(kept(&rig), 240);
    assert_eq!(rig.server.count(Call::Item), 10 + 2, "and before and after for one that is there");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_item_that_the_server_still_has_stays_a_suspect_and_is_told_when_that_lasts() {
    let mut rig = mirrored().await;
    let all = rig.server.state().lists[&REPOSITORY].clone();
    remove(&rig, 100..=104);
    rig.server.state().hidden = (100..=104).collect();
    for pass in 1..=4 {
        let complete = next_pass(&rig).await;
        assert_eq!((complete.number("deleted"), complete.number("suspects")), (0, 5));
        let told = rig.progress.problems.told();
        assert_eq!(told.len(), usize::from(pass >= 3), "{pass}: {told:?}");
    }
    assert!(rig.progress.problems.told()[0].report.error.starts_with("5 items are missing"));
    rig.server.state().lists.insert(REPOSITORY, all);
    assert_eq!(next_pass(&rig).await.number("suspects"), 0);
    assert_eq!(rig.progress.problems.told(), []);
    assert_eq!(kept(&rig), 250);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_item_that_the_server_had_is_not_gone_as_soon_as_it_cannot_be_asked_any_more() {
    let mut rig = mirrored().await;
    remove(&rig, 100..=104);
    rig.server.state().hidden = (100..=104).collect();
    assert_eq!(next_pass(&rig).await.number("suspects"), 5);
    rig.server.state().item_call = ItemCall::Unclear;
    let unasked = next_pass(&rig).await;
    assert_eq!((unasked.number("deleted"), unasked.number("suspects")), (0, 5));
    let again = next_pass(&rig).await;
    assert_eq!((again.number("deleted"), again.number("suspects")), (5, 0));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_left_a_conditional_search_goes_with_the_second_certified_pass_whatever_the_server_has()
 {
    let mut config = config(CALM);
    config.repositories[0].search.insert("savedSetId".to_owned(), 7.into());
    let mut rig = Rig::new(server(), config).start();
    rig.events.nth("pass complete", 1).await;
    remove(&rig, 100..=102);
    rig.server.state().hidden = (100..=102).collect();
    let first = next_pass(&rig).await;
    assert_eq!((first.number("deleted"), first.number("suspects")), (0, 3));
    let second = next_pass(&rig).await;
    assert_eq!((second.number("deleted"), second.number("suspects")), (3, 0));
    assert_eq!(rig.server.count(Call::Item), 0, "its answer would tell nothing");
    assert_eq!(kept(&rig), 247);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_repository_has_its_own_say_in_how_many_may_go() {
    for (min_count, deleted, held) in [(40, 40, 0), (39, 0, 40)] {
        let mut config = config(CALM);
        config.repositories[0].deletes.min_count = min_count;
        let mut rig = Rig::new(server(), config).start();
        rig.events.nth("pass complete", 1).await;
        remove(&rig, 1..=40);
        let complete = next_pass(&rig).await;
        assert_eq!((complete.number("deleted"), complete.number("held")), (deleted, held));
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_server_cannot_be_asked_a_second_certified_pass_decides() {
    for item_call in [ItemCall::AllGone, ItemCall::Unclear] {
        let mut rig = mirrored().await;
        rig.server.state().item_call = item_call;
        remove(&rig, 1..=7);
        let first = next_pass(&rig).await;
        assert_eq!((first.number("deleted"), first.number("suspects")), (0, 7));
        // One of them comes back, and another one goes.
        let item = rig.mirror.memory.with(REPOSITORY, |kept| {
            let id = ItemId::Integer(3);
            crate::domain::Item::new(id.clone(), kept.items[&id].clone())
        });
        rig.server.state().lists.get_mut(&REPOSITORY).unwrap().insert(0, item);
        remove(&rig, 20..=20);
        let second = next_pass(&rig).await;
        assert_eq!((second.number("deleted"), second.number("suspects")), (6, 1));
        let third = next_pass(&rig).await;
        assert_eq!((third.number("deleted"), third.number("suspects")), (1, 0));
        assert_eq!(kept(&rig), 243);
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_suspect_seen_by_a_pass_that_is_not_certified_is_none_any_more() {
    let mut rig = mirrored().await;
    rig.server.state().item_call = ItemCall::Unclear;
    let all = rig.server.state().lists[&REPOSITORY].clone();
    remove(&rig, 1..=5);
    assert_eq!(next_pass(&rig).await.number("suspects"), 5);
    rig.server.state().lists.insert(REPOSITORY, all);
    rig.reload(Ok(config(&format!("{CALM}\noverlap = false")))).await;
    let plain = next_pass(&rig).await;
    assert_eq!((plain.field("certified"), plain.number("suspects")), ("false", 0));
    remove(&rig, 1..=5);
    rig.reload(Ok(config(CALM))).await;
    let third = next_pass(&rig).await;
    assert_eq!((third.number("deleted"), third.number("suspects")), (0, 5));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn too_many_deletions_are_held_back_until_they_are_approved() {
    let mut rig = mirrored().await;
    remove(&rig, 51..=250);
    for _ in 0..3 {
        let complete = next_pass(&rig).await;
        assert_eq!((complete.number("deleted"), complete.number("held")), (0, 200));
    }
    let held = rig.events.named("deletions held");
    assert_eq!(held.len(), 1, "told more than once");
    assert_eq!((held[0].level, held[0].number("count")), (Level::ERROR, 200));
    assert_eq!(rig.server.count(Call::Item), 0, "that many are not asked for");
    assert_eq!(kept(&rig), 250);
    // Approved while the pager pauses: the next pass begins by itself.
    let before = Instant::now();
    approve(&rig);
    let complete = rig.events.nth("pass complete", 5).await;
    assert!(before.elapsed() < MINUTE);
    assert_eq!((complete.number("deleted"), complete.number("held")), (200, 0));
    assert_eq!(rig.events.named("approved deletions made")[0].number("count"), 200);
    assert!(rig.events.named("deletions no longer held").is_empty(), "they are not there again");
    assert_eq!(kept(&rig), 50);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_for_what_was_announced_and_no_more() {
    let mut rig = mirrored().await;
    remove(&rig, 51..=250);
    next_pass(&rig).await;
    approve(&rig);
    // Meanwhile the rest goes, too.
    remove(&rig, 11..=50);
    let complete = next_pass(&rig).await;
    assert_eq!((complete.number("deleted"), complete.number("held")), (200, 40));
    let held = rig.events.named("deletions held");
    assert_eq!((held[1].number("count"), held[1].number("items")), (40, 50));
    let complete = next_pass(&rig).await;
    assert_eq!((complete.number("deleted"), complete.number("held")), (0, 40));
    assert_eq!(kept(&rig), 50);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn those_that_the_operator_leaves_out_wait_on_however_few_they_are() {
    let mut rig = mirrored().await;
    let all = rig.server.state().lists[&REPOSITORY].clone();
    remove(&rig, 51..=250);
    next_pass(&rig).await;
    let picked: Vec<ItemId> = (51..=245).map(ItemId::Integer).collect();
    pick(&rig, &picked.iter().collect());
    for _ in 0..3 {
        // Five of fifty-five are no more than the guard lets pass by itself.
        let complete = next_pass(&rig).await;
        assert_eq!((complete.number("held"), complete.number("suspects")), (5, 5));
        assert_eq!(kept(&rig), 55);
    }
    assert_eq!(rig.events.named("approved deletions made")[0].number("count"), 195);
    assert_eq!(rig.events.named("deletions held").len(), 1, "they are known");
    // What goes besides is judged by itself.
    remove(&rig, 1..=2);
    let complete = next_pass(&rig).await;
    assert_eq!((complete.number("deleted"), complete.number("held")), (2, 5));
    // One is there again, and of the others the word holds that is said at last.
    rig.server.state().lists.get_mut(&REPOSITORY).unwrap().push(all[245].clone());
    assert_eq!(next_pass(&rig).await.number("held"), 4);
    approve(&rig);
    let complete = next_pass(&rig).await;
    assert_eq!((complete.number("deleted"), complete.number("held")), (4, 0));
    assert_eq!(kept(&rig), 49);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_approved_does_not_count_against_what_goes_besides() {
    let mut rig = mirrored().await;
    remove(&rig, 51..=250);
    next_pass(&rig).await;
    approve(&rig);
    remove(&rig, 1..=2);
    let complete = next_pass(&rig).await;
    assert_eq!((complete.number("deleted"), complete.number("held")), (202, 0));
    assert_eq!(kept(&rig), 48);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_five_questions_in_a_row_without_an_answer_no_more_are_asked_in_the_pass() {
    let mut rig = mirrored().await;
    // The first is for an item that is there, so that the server's word is believed.
    rig.server.hook(|asked| {
        let fails = asked.call == Call::Item && asked.number > 1 && asked.number != 12;
        fails.then(no_connection)
    });
    remove(&rig, 100..=119);
    let complete = next_pass(&rig).await;
    assert_eq!((complete.number("deleted"), complete.number("suspects")), (0, 20));
    // Five tries each. The third item is said to be gone, so the count begins anew; and for that the
    // one that is there is asked for again, in vain.
    assert_eq!(rig.server.count(Call::Item), 1 + 2 * 5 + 1 + 5 * 5 + 5);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn items_are_asked_for_ten_times_as_often_as_pages() {
    let mut rig = mirrored().await;
    remove(&rig, 100..=109);
    next_pass(&rig).await;
    let log = rig.server.log();
    let asked: Vec<Instant> =
        log.iter().filter(|it| it.asked.call == Call::Item).map(|it| it.asked.at).collect();
    let gaps: Vec<Duration> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps.len(), 11);
    assert!(gaps.iter().all(|gap| *gap >= SECOND / 10 && *gap < SECOND / 5), "{gaps:?}");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_given_while_a_pass_ends_is_not_lost() {
    let mut rig = mirrored().await;
    remove(&rig, 51..=250);
    next_pass(&rig).await;
    // The pass is under way, and its page of after the approval is the last one.
    rig.server.hook(|asked| (asked.call == Call::Search).then_some(Outcome::Late(MINUTE)));
    rig.signal(Signal::NextPass).await;
    rig.run_for(SECOND).await;
    approve(&rig);
    let complete = rig.events.nth("pass complete", 3).await;
    assert_eq!((complete.number("deleted"), complete.number("held")), (200, 0));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_does_not_outlive_the_return_of_the_items() {
    let mut rig = mirrored().await;
    let all = rig.server.state().lists[&REPOSITORY].clone();
    remove(&rig, 51..=250);
    next_pass(&rig).await;
    approve(&rig);
    // They are there again, as a pass sees that is not certified.
    rig.server.state().lists.insert(REPOSITORY, all);
    rig.reload(Ok(config(&format!("{CALM}\noverlap = false")))).await;
    let plain = next_pass(&rig).await;
    assert_eq!((plain.field("certified"), plain.number("held")), ("false", 0));
    remove(&rig, 51..=250);
    rig.reload(Ok(config(CALM))).await;
    let again = next_pass(&rig).await;
    assert_eq!((again.number("deleted"), again.number("held")), (0, 200));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_held_back_stays_so_through_a_pass_that_is_not_certified() {
    let mut rig = mirrored().await;
    let all = rig.server.state().lists[&REPOSITORY].clone();
    remove(&rig, 51..=250);
    next_pass(&rig).await;
    // One of them is there again.
    rig.server.state().lists.get_mut(&REPOSITORY).unwrap().push(all[60].clone());
    rig.reload(Ok(config(&format!("{CALM}\noverlap = false")))).await;
    let plain = next_pass(&rig).await;
    assert_eq!((plain.field("certified"), plain.number("held")), ("false", 199));
    assert_eq!(plain.number("suspects"), 199);
    assert!(rig.events.named("deletions no longer held").is_empty());
    rig.server.state().lists.insert(REPOSITORY, all);
    assert_eq!(next_pass(&rig).await.number("held"), 0);
    assert_eq!(rig.events.named("deletions no longer held").len(), 1);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn each_pass_counts_its_own_requests() {
    let mut rig = mirrored().await;
    let first = rig.events.named("pass complete")[0].number("requests");
    for _ in 0..2 {
        assert_eq!(next_pass(&rig).await.number("requests"), first);
    }
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_no_pass_can_use_does_not_end_every_rest() {
    let mut rig = mirrored().await;
    remove(&rig, 51..=250);
    next_pass(&rig).await;
    rig.reload(Ok(config(&format!("{CALM}\noverlap = false")))).await;
    approve(&rig);
    rig.run_for(HOUR).await;
    let passes = rig.events.named("pass complete").len();
    assert!((10..=16).contains(&passes), "{passes} passes in an hour");
    assert_eq!(kept(&rig), 250);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_was_empty_for_a_while_empties_nothing() {
    let mut rig = mirrored().await;
    let all = rig.server.state().lists.insert(REPOSITORY, Vec::new()).unwrap();
    assert_eq!(next_pass(&rig).await.number("held"), 250);
    rig.server.state().lists.insert(REPOSITORY, all);
    let complete = next_pass(&rig).await;
    assert_eq!((complete.number("held"), complete.number("unchanged")), (0, 250));
    assert_eq!(rig.events.named("deletions no longer held").len(), 1);
    assert_eq!(kept(&rig), 250);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_between_two_questions_loses_nothing_and_the_pass_is_reconciled_after_the_restart() {
    let mut rig = mirrored().await;
    remove(&rig, 100..=119);
    rig.server.hook(|asked| {
        (asked.call == Call::Item && asked.number == 7).then_some(Outcome::Late(HOUR))
    });
    rig.signal(Signal::NextPass).await;
    while rig.server.count(Call::Item) < 7 {
        rig.run_for(SECOND).await;
    }
    rig.stop().await;
    assert_eq!(kept(&rig), 250);
    let server = server();
    let list: Vec<_> = rig.server.state().lists[&REPOSITORY].clone();
    server.state().lists.insert(REPOSITORY, list);
    let mut rig = Rig::with_mirror(server, Arc::clone(&rig.mirror), config(CALM)).start();
    let complete = rig.events.nth("pass complete", 1).await;
    assert_eq!((complete.number("iteration"), complete.number("deleted")), (2, 20));
    assert_eq!(rig.server.searches(1).len(), 0, "it had been read to its end");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn questions_that_fail_or_are_refused_for_ever_end_the_pass_all_the_same() {
    for outcome in [Outcome::Refuse, no_connection()] {
        let mut rig = mirrored().await;
        rig.server.hook(move |asked| (asked.call == Call::Item).then(|| outcome.clone()));
        remove(&rig, 100..=119);
        let logins = rig.logins();
        let first = next_pass(&rig).await;
        assert_eq!((first.number("deleted"), first.number("suspects")), (0, 20));
        let second = next_pass(&rig).await;
        assert_eq!((second.number("deleted"), second.number("suspects")), (20, 0));
        assert!(rig.logins() <= logins + 6, "{} logins", rig.logins() - logins);
        assert_eq!(kept(&rig), 230);
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn old_changes_are_dropped_at_the_end_of_each_pass() {
    let mut config = config(CALM);
    config.changes.keep = Some(HOUR);
    let mut rig = Rig::new(server(), config).start();
    let now = crate::task::clock::now_ms();
    rig.events.nth("pass complete", 1).await;
    rig.run_for(SECOND).await;
    let dropped = rig.mirror.memory.with(REPOSITORY, |kept| kept.dropped.clone());
    let [(at, keep)] = dropped[..] else { panic!("{dropped:?}") };
    assert!((now..now + 3_600_000).contains(&at) && keep == HOUR, "{at}, {keep:?}");
    rig.stop().await;
}
