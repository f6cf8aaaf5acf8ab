//! Items that a pass did not see, asked for at once where the server has such a call.

use ewmirror::simulator::Options;
use serde_json::json;

use crate::mirror::{edit, ids, next_pass};
use crate::support::{Daemon, Kept, Setup, Sim, for_each, repositories};

/// Hidden items: the server has them, and its list does not show them.
const HIDDEN: usize = 40;

/// What a pass asks for that lacks [`HIDDEN`] items and one that is gone; each way to answer the call.
fn asked(items_call: bool, server: &str) -> u64 {
    let sim = Sim::start(Options { items_call, ..repositories(&[(1, 1000)]) });
    let kept = Kept::new(&sim);
    let is_configured = !server.is_empty();
    let server = format!("{}\n{server}", kept.setup().server);
    let setup = Setup { server, repositories: vec!["id = 1".to_owned()], ..kept.setup() };
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    let all = ids(&sim);
    sim.door("hide", &json!({"repository": 1, "ids": all[100..100 + HIDDEN]}));
    edit(&sim, json!({"delete": [all[500]]}));
    let before = sim.counts().item_reads;
    let pass = next_pass(&daemon);
    // Only what is gone is deleted, however that was found out.
    assert_eq!((pass.number("deleted"), pass.number("suspects")), (1, HIDDEN as u64));
    let ended = daemon.stop();
    // A call that is configured and not there is told.
    let failed = ended.all("request failed").len();
    assert_eq!(failed, usize::from(is_configured && !items_call));
    assert_eq!(kept.export(1).len(), 999);
    assert!(!kept.export(1).iter().any(|it| it.contains(&format!("\"itemId\":{},", all[500]))));
    sim.counts().item_reads - before
}

#[test]
fn suspects_are_asked_for_at_once_and_singly_where_that_is_not_answered() {
    let key = "items_call = 'items/list'";
    // One before and one after to see that answers can be believed, one for all, one for what is gone.
    assert_eq!(asked(true, key), 4);
    let singly = HIDDEN as u64 + 3;
    for_each(&[(true, ""), (false, ""), (false, key)], |(items_call, keys)| {
        let told = asked(*items_call, keys);
        let expected = if keys.is_empty() { singly } else { singly + 1 };
        assert_eq!(told, expected, "{items_call} {keys}");
    });
}
