//! The list of all repositories is asked for again and again, and what it lacks is read no longer; a server without it
//! is asked once.

use super::*;
use crate::config::Config;
use crate::domain::RepositoryId;
use crate::testing::Recorded;

/// Takes all repositories, and has the server asked this often what there is.
fn all(refresh_interval: Option<Duration>) -> Config {
    let mut config = configuration(&[], &format!("{CALM}\n[[repository]]\nid = 'all'"));
    config.model.refresh_interval.0 = refresh_interval;
    config
}

/// When the list was asked for.
fn asked(rig: &Rig) -> Vec<Instant> {
    rig.server.log_of(Call::Repositories).iter().map(|logged| logged.asked.at).collect()
}

/// Repository 2 is read until then, and repository 1 goes on.
async fn assert_given_up(rig: &Rig) -> Recorded {
    let gone = rig.events.nth("repository no longer offered", 1).await;
    assert!(gone.is_of(2));
    rig.run_for(10 * MINUTE).await;
    let last = |id| rig.server.searches(id).last().map(|search| search.asked.at);
    assert!(last(2) <= Some(gone.at) && last(1) > Some(gone.at));
    gone
}

#[tokio::test(start_paused = true)]
async fn what_a_list_lacks_is_asked_for_again_within_a_minute_and_then_given_up() {
    let mut rig = Rig::new(two(), all(Some(HOUR))).start();
    rig.events.nth("pass complete", 2).await;
    assert_eq!(rig.events.named("repository taken").len(), 2);
    // Once for all that there is, and once for the names of both repositories.
    assert_eq!(asked(&rig).len(), 2);
    rig.server.state().unlisted.push(RepositoryId(2));
    let gone = assert_given_up(&rig).await;
    let (after, asked) = (gone.at - rig.began, asked(&rig));
    assert!((HOUR + 55 * SECOND..HOUR + 65 * SECOND).contains(&after), "{after:?}");
    // Those of the hour, and the one that decided.
    assert_eq!(asked.len(), 5, "{asked:?}");
    assert!(rig.mirror.pages(1).len() > rig.mirror.pages(2).len());
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_a_reload_finds_short_is_asked_for_again_although_it_is_asked_for_once() {
    let mut rig = Rig::new(two(), all(None)).start();
    rig.run_for(5 * HOUR).await;
    assert_eq!(asked(&rig).len(), 1);
    rig.server.state().unlisted.push(RepositoryId(2));
    rig.reload(Ok(all(None))).await;
    let reloaded = rig.events.nth("configuration reloaded", 1).await;
    let gone = assert_given_up(&rig).await;
    let after = gone.at - reloaded.at;
    assert!((55 * SECOND..65 * SECOND).contains(&after), "{after:?}");
    rig.run_for(5 * HOUR).await;
    assert_eq!(asked(&rig).len(), 3);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn once_waits_for_no_model_of_a_server_that_lists_no_repositories() {
    let server = one();
    server.script(Call::Repositories, [Outcome::Missing]);
    let paging = CALM.replace("'1s'", "'0s'");
    let mut config = configuration(&[1], &paging);
    config.model.refresh_interval.0 = Some(HOUR);
    let mut rig = Rig::new(server, config).once(MINUTE).start();
    let (end, took) = rig.ended().await;
    assert_eq!(end, ExitReason::Finished);
    // A question that may be answered later is asked again after five seconds.
    assert!(took < 5 * SECOND, "{took:?}");
    assert_eq!(rig.server.count(Call::Repositories), 1);
}
