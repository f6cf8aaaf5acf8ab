//! Incremental passes beside whole ones, on a paused clock: the pace of both, and answers that overtake each
//! other.

use std::sync::Arc;

use super::*;
use crate::config::{IncrementalConfig, IncrementalMode, SinceForm};
use crate::domain::{ItemId, RepositoryId};
use crate::testing::{WatchfulMirror, revised};

const REPOSITORY: RepositoryId = RepositoryId(1);
const COMPLETE: &str = "incremental pass complete";

/// The same with incremental passes over a list with the last change first.
fn newest_first(paging: &str, interval: Duration) -> Config {
    let mut config = config(paging);
    config.repositories[0].incremental = Some(IncrementalConfig {
        interval,
        mode: IncrementalMode::NewestFirst,
        search: serde_json::Map::new(),
        cursor: None,
        lookback: Duration::ZERO,
        form: SinceForm::rfc3339(),
    });
    config
}

/// A mirror that has had its first whole pass.
async fn filled(paging: &str) -> Arc<WatchfulMirror> {
    let mut rig = Rig::new(server(), config(paging)).start();
    rig.events.nth("pass complete", 1).await;
    rig.stop().await;
    Arc::clone(&rig.mirror)
}

/// The item changes, and rises to the top of the list.
fn change(server: &Server, id: u64, revision: u64) {
    let mut state = server.state();
    let list = state.lists.get_mut(&REPOSITORY).unwrap();
    list.retain(|item| item.id != ItemId::Integer(id.into()));
    list.insert(0, revised(id, revision));
}

fn kept(mirror: &WatchfulMirror, id: u64) -> String {
    let bytes =
        mirror.memory.with(REPOSITORY, |kept| kept.items[&ItemId::Integer(id.into())].clone());
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn both_kinds_keep_the_page_interval_together_and_neither_starves() {
    let paging = "page_size = 30\npage_interval = '2s'\npass_interval = '1h'";
    let mirror = filled(paging).await;
    let config = newest_first(paging, Duration::from_millis(10));
    let mut rig = Rig::with_mirror(server(), mirror, config).start();
    let complete = rig.events.nth("pass complete", 1).await;
    assert_eq!(complete.field("certified"), "true");
    let searches = rig.server.searches(1);
    let gaps = gaps(&searches);
    assert!(gaps.iter().all(|gap| *gap >= 2 * SECOND), "{gaps:?}");
    // Incremental passes that are always late leave the whole one its share.
    let (all, whole) = (searches.len() as u64, complete.number("requests"));
    assert!(whole < all && whole * 10 >= all, "{whole} of {all}");
    assert!(!rig.events.named(COMPLETE).is_empty());
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pass_begins_an_interval_after_the_one_before_also_during_the_pause() {
    let paging = "page_size = 30\npage_interval = '0s'\npass_interval = '1h'";
    let mirror = filled(paging).await;
    let mut rig = Rig::with_mirror(server(), mirror, newest_first(paging, 10 * SECOND)).start();
    rig.events.nth("pass complete", 1).await;
    let before = rig.server.searches(1).len();
    rig.run_for(100 * SECOND).await;
    // Two pages that bring nothing new each.
    let asked = rig.server.searches(1).len() - before;
    assert!((18..=22).contains(&asked), "{asked} requests");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_whole_page_that_was_asked_for_earlier_does_not_undo_what_came_meanwhile() {
    let paging = "page_size = 30\npage_interval = '0s'\npass_interval = '1h'\nin_flight = 2";
    let mirror = filled(paging).await;
    let server = server();
    // The third window, which nobody asks for first but the whole pass, comes late.
    let mut late = true;
    server.hook(move |asked| {
        let is_third = asked.call == Call::Search && (asked.page, asked.page_size) == (3, 28);
        (is_third && std::mem::take(&mut late)).then_some(Outcome::Late(20 * SECOND))
    });
    let mut rig = Rig::with_mirror(server, mirror, newest_first(paging, SECOND)).start();
    rig.run_for(5 * SECOND).await;
    change(&rig.server, 70, 1);
    rig.run_for(5 * SECOND).await;
    assert!(kept(&rig.mirror, 70).contains("as of 1"), "no incremental pass has found it");
    rig.events.nth("pass complete", 1).await;
    assert!(kept(&rig.mirror, 70).contains("as of 1"), "an older page has undone it");
    let updates =
        rig.mirror.memory.retained().into_iter().filter(|it| it.item == ItemId::Integer(70));
    assert_eq!(updates.count(), 2, "first seen, and updated once");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_item_that_an_incremental_pass_saw_is_no_suspect() {
    let paging = "page_size = 30\npage_interval = '1s'\npass_interval = '1h'";
    let mirror = filled(paging).await;
    let mut rig = Rig::with_mirror(server(), mirror, newest_first(paging, SECOND)).start();
    // The whole pass has left the top behind when an item comes there that no later page shows.
    rig.run_for(8 * SECOND).await;
    change(&rig.server, 1000, 0);
    let complete = rig.events.nth("pass complete", 1).await;
    assert_eq!((complete.number("deleted"), complete.number("suspects")), (0, 0));
    assert!(kept(&rig.mirror, 1000).contains("item 1000"));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_pass_makes_no_incremental_ones_and_the_first_of_all_waits() {
    let paging = "page_size = 30\npage_interval = '1s'\npass_interval = '1h'";
    let mut rig = Rig::new(server(), newest_first(paging, SECOND)).once(HOUR).start();
    rig.ended().await;
    assert!(rig.events.named(COMPLETE).is_empty());
    let mut rig = Rig::new(server(), newest_first(paging, SECOND)).start();
    rig.events.nth("pass complete", 1).await;
    assert!(rig.events.named(COMPLETE).is_empty());
    rig.run_for(10 * SECOND).await;
    assert!(!rig.events.named(COMPLETE).is_empty());
    rig.stop().await;
}
