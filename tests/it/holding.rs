//! The log waits for feeds, as long as each says, and tells what it drops that one had not delivered.

use std::fs;

use ewmirror::simulator::{Options, Order};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::feeds::{Site, all_lines, come_to_rest, edit_a_while};
use crate::support::editor::Editor;
use crate::support::machine::Disk;
use crate::support::{Daemon, Kept, Sim, eventually, is_so, oracle, repositories};

#[test]
fn the_log_waits_for_a_feed_as_long_as_its_hold_says() {
    let mut site = Site::new(20);
    let mut rng = Rng::with_seed(13);
    let mut editor = Editor::new(&site.sim, 1, false);
    // Neither can be delivered: there is a folder of that name.
    for name in ["held", "missed"] {
        fs::create_dir(site.path(name)).unwrap();
    }
    let daemon = Daemon::run(&site.with(&[("held", "from = 0")]));
    daemon.wait_for(|it| it.is("feed failed"));
    // A feed that has not begun holds nothing, so that it begins first.
    site.setup.mirror += "\n[changes]\nkeep = '1ms'";
    daemon.reload(&site.with(&[("held", "from = 0")]));
    oracle::wait_for_certified_pass(&daemon, 1);
    edit_a_while(&site, &mut editor, &mut rng, 10);
    come_to_rest(&daemon);
    let log = site.log(0);
    assert!(log.len() > 20, "{} changes", log.len());
    fs::remove_dir(site.path("held")).unwrap();
    assert_eq!(site.wait_for("held", &log), log);
    // Nobody waits for them any more.
    eventually(|| {
        let status = site.kept.status_of_daemon();
        let dropped = status["mirror"]["dropped_through"].as_u64().unwrap_or_default();
        editor.edit(&site.sim, &mut rng);
        is_so(dropped >= log.len() as u64, || format!("{dropped} of {}", log.len()))
    });
    // One that holds them no longer than they are kept anyway misses some, which is told.
    daemon.reload(&site.with(&[("missed", "from = 'now'\nhold = '1ms'")]));
    eventually(|| is_so(!site.feed("missed").is_null(), || "it does not begin".to_owned()));
    eventually(|| {
        editor.edit(&site.sim, &mut rng);
        let is_dropped = !daemon.all("undelivered changes dropped").is_empty();
        is_so(is_dropped, || "nothing was dropped".to_owned())
    });
    let dropped = daemon.wait_for(|it| it.is("undelivered changes dropped"));
    assert_eq!((dropped.text("feed"), dropped.level()), ("missed", "ERROR"), "{}", dropped.line);
    assert!(dropped.number("changes") > 0, "{}", dropped.line);
    // It is shown as long as nobody does something about it.
    let told = eventually(|| {
        let status = site.kept.status_of_daemon();
        let problems = status["problems"].as_array().cloned().unwrap_or_default();
        let of_it = |it: &&Value| it["error"].to_string().contains("feed missed has missed");
        problems.iter().find(of_it).cloned().ok_or_else(|| format!("{problems:?}"))
    });
    assert_eq!(told["scope"], "feed", "{told}");
    assert!(told["remedy"].to_string().contains("feeds replay missed"), "{told}");
    fs::remove_dir(site.path("missed")).unwrap();
    come_to_rest(&daemon);
    // It is put right by delivering every item again.
    site.kept.lines(&["feeds", "replay", "missed"]);
    let items = site.kept.export(1).len();
    eventually(|| {
        let lines = all_lines(&site.path("missed"));
        let read = lines.iter().filter(|it| it.contains("\"op\":\"r\"")).count();
        is_so(read >= items, || format!("{read} of {items}"))
    });
    eventually(|| {
        let problems = &site.kept.status_of_daemon()["problems"];
        is_so(*problems == json!([]), || problems.to_string())
    });
    daemon.stop();
}

#[test]
fn a_mirror_that_is_larger_than_it_may_be_holds_nothing_for_feeds() {
    let mut site = Site::new(500);
    let mut rng = Rng::with_seed(17);
    let mut editor = Editor::new(&site.sim, 1, false);
    fs::create_dir(site.path("held")).unwrap();
    let daemon = Daemon::run(&site.with(&[("held", "from = 0")]));
    daemon.wait_for(|it| it.is("feed failed"));
    oracle::wait_for_certified_pass(&daemon, 1);
    // As long as there is room, each is held for the feed's seven days.
    site.setup.mirror += "\n[changes]\nkeep = '1ms'\nhold_size = '1GiB'";
    daemon.reload(&site.with(&[("held", "from = 0")]));
    edit_a_while(&site, &mut editor, &mut rng, 10);
    come_to_rest(&daemon);
    assert!(daemon.all("undelivered changes dropped").is_empty());
    assert_eq!(site.kept.status_of_daemon()["mirror"]["dropped_through"], 0);
    site.setup.mirror = site.setup.mirror.replace("1GiB", "1MiB");
    daemon.reload(&site.with(&[("held", "from = 0")]));
    eventually(|| {
        editor.edit(&site.sim, &mut rng);
        let is_dropped = !daemon.all("undelivered changes dropped").is_empty();
        is_so(is_dropped, || "nothing was dropped".to_owned())
    });
    daemon.stop();
}

#[test]
fn a_disk_that_is_nearly_full_holds_nothing_for_feeds() {
    let check = "a disk that is nearly full while a feed holds changes";
    let Some(disk) = Disk::in_memory(check, 64 << 20) else { return };
    let sim = Sim::start(Options { order: Order::Id, ..repositories(&[(1, 500)]) });
    let kept = Kept::within(disk.path(), &sim);
    let mut site = Site::kept(sim, kept);
    let mut rng = Rng::with_seed(19);
    let mut editor = Editor::new(&site.sim, 1, false);
    fs::create_dir(site.path("held")).unwrap();
    let daemon = Daemon::run(&site.with(&[("held", "from = 0")]));
    daemon.wait_for(|it| it.is("feed failed"));
    oracle::wait_for_certified_pass(&daemon, 1);
    site.setup.mirror += "\n[changes]\nkeep = '1ms'";
    daemon.reload(&site.with(&[("held", "from = 0")]));
    edit_a_while(&site, &mut editor, &mut rng, 10);
    come_to_rest(&daemon);
    assert!(daemon.all("undelivered changes dropped").is_empty());
    // Less than any disk should have free.
    disk.leave(14 << 20);
    eventually(|| {
        editor.edit(&site.sim, &mut rng);
        let is_dropped = !daemon.all("undelivered changes dropped").is_empty();
        is_so(is_dropped, || "nothing was dropped".to_owned())
    });
    let dropped = daemon.wait_for(|it| it.is("undelivered changes dropped"));
    assert_eq!(dropped.text("feed"), "held", "{}", dropped.line);
    daemon.stop();
}
