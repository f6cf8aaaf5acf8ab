//! The real daemon, and a receiver that answers as it is told.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;

use serde_json::json;

use super::site::Site;
use crate::mirror::{edit, ids};
use crate::support::shop::{Delivery, SECRET, sequences};
use crate::support::{Daemon, python};

#[test]
fn every_change_is_delivered_in_order_signed_and_shows_no_secret() {
    let site = Site::new(60);
    let daemon = Daemon::run(&site.setup("from = 0\nbatch = 7"));
    daemon.wait_for_pass(1, 1);
    let ids = ids(&site.sim);
    edit(
        &site.sim,
        json!({"repository": 1, "update": &ids[..9], "delete": [ids[20]], "insert": 3}),
    );
    let heard = site.shop.wait_for(&daemon, |heard| sequences(heard).last() == Some(&73));
    assert_eq!(sequences(&heard), (1..=73).collect::<Vec<_>>());
    assert_eq!(heard.iter().flat_map(Delivery::changes).collect::<Vec<_>>(), site.log());
    let unique: BTreeSet<&str> = heard.iter().map(Delivery::id).collect();
    assert_eq!(unique.len(), heard.len());
    for delivery in &heard {
        assert!(delivery.is_signed(), "{delivery:?}");
        let document = delivery.document();
        assert_eq!(
            (&document["type"], &document["data"]["feed"]),
            (&json!("ewmirror.changes"), &json!("shop"))
        );
        assert!(delivery.changes().len() <= 7);
    }
    verify(&heard);
    let ended = daemon.stop();
    let log: String = ended.events.iter().map(|event| event.line.as_str()).collect();
    for secret in ["T0PSECRET", "MfKQ9r8"] {
        assert!(!log.contains(secret), "{secret} is in the log");
        assert!(!site.kept.lines(&["feeds", "--json"]).concat().contains(secret), "{secret}");
    }
}

/// Has the specification's own library for Python verify what was heard.
fn verify(heard: &[Delivery]) {
    let folder = tempfile::tempdir().expect("a folder");
    let lines =
        heard.iter().map(|it| json!({"headers": it.headers, "body": it.body}).to_string() + "\n");
    let file = folder.path().join("heard");
    fs::write(&file, lines.collect::<String>()).expect("it can be written");
    let script = "import json, sys\n\
                  try:\n    from standardwebhooks import Webhook\n\
                  except ImportError:\n    sys.exit(77)\n\
                  webhook = Webhook(sys.argv[1])\n\
                  for line in open(sys.argv[2]):\n    \
                  it = json.loads(line)\n    webhook.verify(it['body'], it['headers'])\n";
    let arguments = ["-c", script, SECRET].map(OsStr::new).into_iter().chain([file.as_os_str()]);
    python::run("standardwebhooks", "webhooks by an independent verifier", arguments);
}

#[test]
fn a_batch_has_its_id_at_every_try_also_after_a_kill() {
    let site = Site::new(20);
    site.shop.answers(|_| None);
    let setup = site.setup("from = 0\nbatch = 5");
    let mut last = 0;
    for _ in 0..4 {
        let daemon = Daemon::run(&setup);
        site.shop.wait_for(&daemon, |heard| heard.len() > last);
        daemon.kill();
        last = site.shop.heard().len();
    }
    let tried: BTreeSet<(String, Vec<u64>)> = site
        .shop
        .heard()
        .iter()
        .map(|it| (it.id().to_owned(), sequences(std::slice::from_ref(it))))
        .collect();
    assert_eq!(tried.len(), 1, "{tried:?}");
    site.shop.answers(|_| Some((200, String::new())));
    let daemon = Daemon::run(&site.setup("from = 0\nbatch = 3"));
    let heard = site.shop.wait_for(&daemon, |heard| sequences(heard).last() == Some(&20));
    // Batches are cut otherwise now, and the one that was sent before is still what it was.
    assert_eq!(heard[last].id(), heard[0].id());
    let delivered = sequences(&heard[last..]);
    assert_eq!(delivered, (1..=20).collect::<Vec<_>>());
    daemon.stop();
}

#[test]
fn the_one_change_that_is_refused_is_parked_with_its_followers_and_comes_when_it_is_unparked() {
    let site = Site::new(20);
    let poison = ids(&site.sim)[8];
    site.shop.answers(move |it| Some((if it.is_about(poison) { 422 } else { 200 }, String::new())));
    let daemon = Daemon::run(&site.setup("from = 0"));
    let parked = daemon.wait_for(|it| it.is("change parked"));
    assert!(parked.text("reason").contains("status 422"), "{parked:?}");
    daemon.wait_for_pass(1, 1);
    edit(&site.sim, json!({"repository": 1, "update": [poison]}));
    daemon.wait_for(|it| it.is("pass complete") && it.number("updated") == 1);
    edit(&site.sim, json!({"repository": 1, "insert": 1}));
    site.shop.wait_for(&daemon, |heard| sequences(heard).contains(&22));
    let feed = site.feed();
    let kept: Vec<_> =
        feed["parked"].as_array().unwrap().iter().map(|it| &it["sequence"]).collect();
    assert_eq!(kept, [&json!(9), &json!(21)], "{feed}");
    // Each other change has come once.
    let accepted: Vec<Delivery> =
        site.shop.heard().into_iter().filter(|it| !it.is_about(poison)).collect();
    let mut delivered = sequences(&accepted);
    delivered.sort_unstable();
    let expected: Vec<u64> = (1..=22).filter(|it| ![9, 21].contains(it)).collect();
    assert_eq!(delivered, expected);

    site.shop.answers(|_| Some((200, String::new())));
    let before = site.shop.heard().len();
    site.kept.lines(&["feeds", "unpark", "shop"]);
    let heard = site.shop.wait_for(&daemon, |heard| sequences(&heard[before..]).contains(&21));
    assert_eq!(sequences(&heard[before..]), [9, 21], "in the order of the item");
    daemon.stop();
}

#[test]
fn a_receiver_that_is_gone_pauses_the_feed_and_one_that_is_busy_does_not() {
    let site = Site::new(5);
    let mut tries = 0;
    site.shop.answers(move |_| {
        tries += 1;
        Some(match tries {
            1 => (503, "retry-after: 1\r\n".to_owned()),
            2 => (401, String::new()),
            3 => (302, "location: http://127.0.0.1:1/\r\n".to_owned()),
            _ => (410, String::new()),
        })
    });
    let daemon = Daemon::run(&site.setup("from = 0"));
    let paused = daemon.wait_for(|it| it.is("feed paused"));
    assert!(paused.text("reason").contains("status 410"), "{paused:?}");
    let heard = site.shop.heard();
    let unique: BTreeSet<&str> = heard.iter().map(Delivery::id).collect();
    assert_eq!((heard.len(), unique.len()), (4, 1));
    site.shop.answers(|_| Some((200, String::new())));
    site.kept.lines(&["feeds", "resume", "shop"]);
    let heard = site.shop.wait_for(&daemon, |heard| heard.len() == 5);
    assert_eq!(heard[4].id(), heard[0].id());
    daemon.stop();
}

#[test]
fn a_mirror_is_asked_by_who_may_not_read_the_secret_of_a_feed() {
    let site = Site::new(5);
    let setup = site.setup("from = 0");
    let daemon = Daemon::run(&setup);
    site.shop.wait_for(&daemon, |heard| sequences(heard).last() == Some(&5));
    fs::remove_file(site.secret()).unwrap();
    for arguments in [
        &["changes"][..],
        &["export", "--repository", "1"],
        &["history", "--repository", "1", "--item", "1"],
        &["feeds", "--json"],
        &["feeds", "pause", "shop"],
        &["feeds", "resume", "shop"],
        &["status"],
    ] {
        let ended = Daemon::start(arguments, &setup).finish();
        let told: String = ended.events.iter().map(|event| event.line.as_str()).collect();
        assert!(!told.contains("secret"), "{arguments:?}: {told}");
        let code = ended.status.code();
        // The item may be another, and the feed may be paused just then.
        assert!(
            code == Some(0) || matches!(arguments[0], "history" | "status"),
            "{arguments:?}: {told}"
        );
        assert_ne!(code, Some(2), "{arguments:?}: {told}");
    }
    daemon.stop();
}
