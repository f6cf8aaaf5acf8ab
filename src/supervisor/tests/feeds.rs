//! Feeds that fail, change and go.

use super::*;
use crate::testing::configuration_with_mirror;

/// A mirror with feeds of these names, each with keys of its own.
fn with(feeds: &[(&str, &str)], folder: &std::path::Path) -> crate::config::Config {
    let mut text = CALM.to_owned();
    for (name, keys) in feeds {
        let path = folder.join(name);
        let feed = format!("name = '{name}'\ntype = 'file'\npath = '{}'\n{keys}", path.display());
        text.extend(["\n[[feed]]\n", &feed]);
    }
    let mirror = format!("sqlite://{}", folder.join("mirror.db").display());
    configuration_with_mirror(&mirror, &[1], &text)
}

fn told(rig: &Rig) -> Vec<String> {
    let mut told: Vec<_> =
        rig.progress.problems.told().into_iter().map(|problem| problem.report.error).collect();
    told.sort();
    told
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_panics_has_a_problem_of_its_own_which_ends_where_it_changes_or_goes() {
    let folder = tempfile::tempdir().unwrap();
    let defect = |name| format!("the feed {name} failed by a defect of this program");
    let (first, second, third) = (("first", ""), ("second", ""), ("third", ""));
    let rig = Rig::new(one(), with(&[first, second, third], folder.path())).with_feeds();
    rig.mirror.panic_at_feeds(&["first", "second"]);
    let mut rig = rig.start();
    // They are started again after 63 s.
    rig.run_for(45 * SECOND).await;
    assert_eq!(told(&rig), ["first", "second"].map(defect));
    rig.reload(Ok(with(&[second, third], folder.path()))).await;
    rig.events.nth("configuration reloaded", 1).await;
    assert_eq!(told(&rig), ["second"].map(defect));
    rig.mirror.panic_at_feeds(&[]);
    rig.reload(Ok(with(&[("second", "batch = 5"), third], folder.path()))).await;
    let reloaded = rig.events.nth("configuration reloaded", 2).await;
    assert_eq!(told(&rig), [""; 0]);
    rig.run_for(2 * MINUTE).await;
    assert_eq!(told(&rig), [""; 0]);
    let failed = rig.events.named("task failed");
    assert!(failed.iter().all(|event| event.at <= reloaded.at));
    assert!(failed.iter().all(|event| event.field("task") != "feed third"));
    rig.stop().await;
}
