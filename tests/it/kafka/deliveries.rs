//! What is read back folds to what `export` says, whatever is done to the daemon and to the way to the broker.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::Value;

use super::broker::Broker;
use super::{Read, by_item, read, tansu};
use crate::feeds::{Site, come_to_rest, edit_a_while};
use crate::support::editor::Editor;
use crate::support::{DEADLINE, Daemon, Setup, oracle, pause};

const TOPIC: &str = "ewmirror.1";

/// The daemon with one feed to this broker.
fn setup(site: &Site, broker: &Broker, keys: &str) -> Setup {
    let mut setup = site.with(&[]);
    let feed = format!(
        "\n[[feed]]\nname = 'shop'\ntype = 'kafka'\nfrom = 0\ncreate_topics = true\n{keys}\n\
         properties = {{ 'bootstrap.servers' = '127.0.0.1:{}', 'linger.ms' = 1, \
         'reconnect.backoff.max.ms' = 500, 'transaction.timeout.ms' = 20000 }}",
        broker.port
    );
    setup.mirror += &feed;
    setup
}

/// Waits until everything is delivered: nobody writes any more.
fn wait_for_the_end(site: &Site, daemon: &Daemon) {
    let begun = Instant::now();
    loop {
        let feed = site.feed("shop");
        if feed["lag_changes"] == 0 && feed["parked"].as_array().is_some_and(Vec::is_empty) {
            return;
        }
        assert!(begun.elapsed() < 3 * DEADLINE, "{feed}\n{}", daemon.tail());
        pause(Duration::from_millis(100));
    }
}

/// The sequences of each item's changes, by its key.
fn expected(site: &Site) -> BTreeMap<String, Vec<u64>> {
    let mut expected: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for line in site.log(0) {
        let change: Value = serde_json::from_str(&line).expect("JSON");
        let item = &change["source"]["item"];
        let key = format!("{{\"repository\":1,\"item\":{item}}}");
        expected.entry(key).or_default().extend(change["source"]["sequence"].as_u64());
    }
    expected
}

/// Nothing is missing, and each item is in order: where it is told again, from one change on, all that follow
/// are, so that who reads ends with the last. Returns how many came again.
#[track_caller]
fn judge(site: &Site, found: &BTreeMap<String, Vec<Read>>) -> usize {
    let (mut again, expected) = (0, expected(site));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, expected) in &expected {
        let told: Vec<u64> = found[key].iter().filter_map(Read::sequence).collect();
        let place = |sequence: &u64| {
            let place = expected.binary_search(sequence);
            place.unwrap_or_else(|_| panic!("{key}: {sequence} is no change of it"))
        };
        let places: Vec<usize> = told.iter().map(place).collect();
        assert_eq!(places.first(), Some(&0), "{key}: {told:?} of {expected:?}");
        assert_eq!(places.last(), Some(&(expected.len() - 1)), "{key}: {told:?} of {expected:?}");
        for pair in places.windows(2) {
            let is_next = pair[1] == pair[0] + 1;
            assert!(is_next || pair[1] <= pair[0], "{key}: {told:?} of {expected:?}");
            again += usize::from(!is_next);
        }
    }
    again
}

/// What is left of the items once all messages are heeded, as `export` writes it.
fn folded(found: &BTreeMap<String, Vec<Read>>) -> Vec<String> {
    let last = found.values().filter_map(|messages| messages.last());
    let left = last.filter_map(|read| {
        let after = read.value.as_ref()?.get("after")?;
        (!after.is_null()).then(|| after.to_string())
    });
    let mut left: Vec<_> = left.collect();
    left.sort();
    left
}

fn exported(site: &Site) -> Vec<String> {
    let lines = site.kept.export(1);
    let parsed = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let mut lines: Vec<_> = parsed.map(|line| line.to_string()).collect();
    lines.sort();
    lines
}

#[test]
fn what_another_client_reads_is_the_log_and_folds_to_what_export_says() {
    let Some(program) = tansu("a feed to Kafka, read by another client") else { return };
    let broker = Broker::start(&program);
    let site = Site::new(300);
    let mut rng = Rng::with_seed(7);
    let mut editor = Editor::new(&site.sim, 1, false);
    let daemon = Daemon::run(&setup(&site, &broker, "tombstones = true"));
    oracle::wait_for_certified_pass(&daemon, 1);
    edit_a_while(&site, &mut editor, &mut rng, 40);
    come_to_rest(&daemon);
    wait_for_the_end(&site, &daemon);
    daemon.stop();
    let found = by_item(read(broker.port, TOPIC));
    assert_eq!(judge(&site, &found), 0, "nothing befell it, and something came again");
    assert_eq!(folded(&found), exported(&site));
    let mut values: Vec<String> =
        found.values().flatten().filter_map(|it| Some(it.value.as_ref()?.to_string())).collect();
    let mut log: Vec<String> = site
        .log(0)
        .iter()
        .map(|it| serde_json::from_str::<Value>(it).unwrap().to_string())
        .collect();
    values.sort();
    log.sort();
    assert!(values == log, "{} messages, {} changes", values.len(), log.len());
    for messages in found.values() {
        for pair in messages.windows(2) {
            let is_deleted = |it: &Read| it.value.as_ref().is_some_and(|it| it["op"] == "d");
            assert_eq!(pair[1].value.is_none(), is_deleted(&pair[0]), "{pair:?}");
        }
    }
}

#[test]
fn a_kill_and_a_way_that_is_cut_lose_nothing_and_nothing_comes_late() {
    let Some(program) = tansu("a feed to Kafka whose daemon is killed") else { return };
    let broker = Broker::start(&program);
    let site = Site::new(200);
    let mut rng = Rng::new();
    println!("seed {}", rng.get_seed());
    let mut editor = Editor::new(&site.sim, 1, false);
    let setup = setup(&site, &broker, "batch = 5");
    for _ in 0..8 {
        let daemon = Daemon::run(&setup);
        for _ in 0..4 {
            edit_a_while(&site, &mut editor, &mut rng, 3);
            if rng.bool() {
                broker.cut();
            }
        }
        pause(Duration::from_millis(rng.u64(..1500)));
        daemon.kill();
    }
    let daemon = Daemon::run(&setup);
    oracle::wait_for_certified_pass(&daemon, 1);
    for _ in 0..10 {
        edit_a_while(&site, &mut editor, &mut rng, 4);
        broker.cut();
    }
    come_to_rest(&daemon);
    wait_for_the_end(&site, &daemon);
    daemon.stop();
    let found = by_item(read(broker.port, TOPIC));
    let again = judge(&site, &found);
    assert_eq!(folded(&found), exported(&site));
    println!("{} changes, {again} times one came again", site.log(0).len());
}
