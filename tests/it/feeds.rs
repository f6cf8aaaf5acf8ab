//! Feeds: a file has what the log has, whatever is done to the daemon and to the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ewmirror::simulator::{Options, Order};
use fastrand::Rng;
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};

use crate::page;
use crate::support::editor::Editor;
use crate::support::oracle;
use crate::support::{
    Daemon, Kept, Setup, Sim, eventually, is_so, pause, repositories, sim, skipped,
};

/// A mirror whose passes follow each other at once, and a folder for files.
pub(crate) struct Site {
    pub(crate) sim: Sim,
    pub(crate) kept: Kept,
    /// Without any feed.
    pub(crate) setup: Setup,
    folder: tempfile::TempDir,
}

impl Site {
    /// One of so many items.
    pub(crate) fn new(items: usize) -> Self {
        Self::of(Options { order: Order::Id, ..repositories(&[(1, items)]) })
    }

    /// One of this server.
    pub(crate) fn of(options: Options) -> Self {
        let sim = Sim::start(options);
        let kept = Kept::new(&sim);
        Self::kept(sim, kept)
    }

    /// One whose mirror is kept so.
    pub(crate) fn kept(sim: Sim, kept: Kept) -> Self {
        let mut setup = kept.setup();
        "page_size = 37\npage_interval = '0s'\npass_interval = '0s'".clone_into(&mut setup.paging);
        setup.mirror += "\n[deletes]\nmax_fraction = 1.0";
        Self { sim, kept, setup, folder: tempfile::tempdir().expect("a folder") }
    }

    /// Where the file of a feed is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same configuration with these feeds.
    pub(crate) fn with(&self, feeds: &[(&str, &str)]) -> Setup {
        let mut setup = self.setup.clone();
        for (name, keys) in feeds {
            let path = self.path(name).display().to_string();
            let feed =
                ["\n[[feed]]\nname = '", name, "'\ntype = 'file'\npath = '", &path, "'\n", keys];
            setup.mirror.extend(feed);
        }
        setup
    }

    /// Waits until a file has the last change of the log, which nobody writes any more; its lines.
    pub(crate) fn wait_for(&self, name: &str, expected: &[String]) -> Vec<String> {
        eventually(|| {
            let lines = all_lines(&self.path(name));
            let words = || format!("{} of {} lines", lines.len(), expected.len());
            is_so(lines.last() == expected.last(), words)?;
            Ok(lines)
        })
    }

    /// The log after this change.
    pub(crate) fn log(&self, after: u64) -> Vec<String> {
        self.kept.lines(&["changes", "--after", &after.to_string()])
    }

    /// What `feeds --json` says of the feed of this name.
    pub(crate) fn feed(&self, name: &str) -> Value {
        let lines = self.kept.lines(&["feeds", "--json"]);
        let feeds = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        feeds.into_iter().find(|feed| feed["name"] == name).unwrap_or_default()
    }
}

/// The lines of a file and of those that it was before, the oldest first. Half a line is none.
pub(crate) fn all_lines(path: &Path) -> Vec<String> {
    loop {
        // A file may be rotated or compressed between the look at the folder and the look at the file.
        if let Some(lines) = lines_at_once(path) {
            return lines;
        }
    }
}

fn lines_at_once(path: &Path) -> Option<Vec<String>> {
    let entries = old_files(path);
    let mut old: BTreeMap<String, String> = BTreeMap::new();
    for entry in &entries {
        let file = fs::File::open(path.with_file_name(entry));
        let mut file = file.ok()?;
        let mut text = String::new();
        let stem = entry.strip_suffix(".gz").unwrap_or(entry).to_owned();
        if stem == *entry {
            file.read_to_string(&mut text).expect("text");
        } else {
            MultiGzDecoder::new(file).read_to_string(&mut text).expect("text");
        }
        old.insert(stem_order(&stem), text);
    }
    let mut text: String = old.into_values().collect();
    text += &fs::read_to_string(path).unwrap_or_default();
    if old_files(path) != entries {
        return None;
    }
    let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    Some(whole.map(str::to_owned).collect())
}

/// The names of the files that a file was before.
pub(crate) fn old_files(path: &Path) -> BTreeSet<String> {
    let name = path.file_name().and_then(|it| it.to_str()).expect("a plain name").to_owned() + ".";
    let entries = fs::read_dir(path.parent().expect("a folder")).expect("the folder is there");
    let entries = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    entries.filter(|entry| entry.starts_with(&name) && !entry.contains(".part")).collect()
}

/// Names of one second in the order in which they were given.
fn stem_order(stem: &str) -> String {
    match stem.rsplit_once("Z-") {
        Some((time, number)) => format!("{time}Z-{number:0>6}"),
        None => stem.to_owned(),
    }
}

/// So many edits at random moments.
pub(crate) fn edit_a_while(site: &Site, editor: &mut Editor, rng: &mut Rng, times: usize) {
    for _ in 0..times {
        editor.edit(&site.sim, rng);
        pause(Duration::from_millis(rng.u64(..30)));
    }
}

/// Ends with a pass that began after all edits, so that nothing more is written.
pub(crate) fn come_to_rest(daemon: &Daemon) {
    for _ in 0..3 {
        oracle::wait_for_certified_pass(daemon, 1);
    }
}

#[test]
fn a_file_that_begins_at_the_beginning_is_the_log() {
    let site = Site::new(300);
    let mut rng = Rng::with_seed(7);
    let mut editor = Editor::new(&site.sim, 1, false);
    let mut setup = site.with(&[
        ("all", "from = 0"),
        ("small", "from = 0\nmax_size = '64KiB'\nbatch = 7"),
        ("thin", "from = 0\nthin = true\noperations = ['c', 'd']"),
    ]);
    let address = format!("127.0.0.1:{}", sim::free_port());
    setup.status = format!("listen = '{address}'");
    let daemon = Daemon::run(&setup);
    oracle::wait_for_certified_pass(&daemon, 1);
    edit_a_while(&site, &mut editor, &mut rng, 40);
    come_to_rest(&daemon);
    let log = site.log(0);
    assert!(log.len() > 350, "{} changes", log.len());
    assert_eq!(site.wait_for("all", &log), log);
    assert_eq!(site.wait_for("small", &log), log);
    assert!(!old_files(&site.path("small")).is_empty(), "nothing was rotated");
    let wanted = |line: &&String| line.contains("\"op\":\"c\"") || line.contains("\"op\":\"d\"");
    let wanted: Vec<Value> = log.iter().filter(wanted).map(|it| thinned(it)).collect();
    let told = eventually(|| {
        let told = all_lines(&site.path("thin"));
        is_so(told.len() >= wanted.len(), || format!("{} of {}", told.len(), wanted.len()))?;
        Ok(told)
    });
    assert_eq!(told.iter().map(|it| json_of(it)).collect::<Vec<_>>(), wanted);
    assert_eq!(fs::metadata(site.path("all")).unwrap().permissions().mode() & 0o777, 0o640);
    match page::shown(&address) {
        Some(page) => {
            let told = format!("<td data-label=\"delivered\" class=\"number\">{}</td>", log.len());
            assert!(page.contains(">small</td>") && page.contains(&told), "{page}");
        }
        None => skipped("feeds on the page", "there is no browser"),
    }
    let feed = site.feed("all");
    assert_eq!((&feed["delivered"], &feed["lag_changes"]), (&json!(log.len()), &json!(0)));
    daemon.stop();
}

pub(crate) fn json_of(line: &str) -> Value {
    serde_json::from_str(line).expect("JSON")
}

pub(crate) fn thinned(line: &str) -> Value {
    let mut line = json_of(line);
    line["before"] = Value::Null;
    line["after"] = Value::Null;
    line
}

#[test]
fn a_file_that_begins_with_all_items_goes_on_without_a_gap_or_a_double() {
    let site = Site::new(500);
    let mut rng = Rng::with_seed(8);
    let mut editor = Editor::new(&site.sim, 1, false);
    let daemon = Daemon::run(&site.with(&[]));
    oracle::wait_for_certified_pass(&daemon, 1);
    edit_a_while(&site, &mut editor, &mut rng, 10);
    // It begins while everything moves.
    daemon.reload(&site.with(&[("copy", "batch = 3")]));
    edit_a_while(&site, &mut editor, &mut rng, 40);
    come_to_rest(&daemon);
    let lines = site.wait_for("copy", &site.log(0));
    is_items_and_changes(&site, &lines);
    daemon.stop();
}

/// These are an `r` for each item that there was at one instant, in the order of ids, and then the log from that
/// instant on, byte for byte: so whoever folds them has what there is.
fn is_items_and_changes(site: &Site, lines: &[String]) {
    let first = json_of(&lines[0]);
    let at = first["source"]["sequence"].as_u64().expect("a sequence").to_string();
    let items = site.kept.lines(&["export", "--repository", "1", "--as-of", &at]);
    let (read, changes) = lines.split_at(items.len());
    for (line, item) in read.iter().zip(&items) {
        let (told, item) = (json_of(line), json_of(item));
        let mut expected = first.clone();
        expected["source"]["item"] = item["itemId"].clone();
        expected["after"] = item;
        assert_eq!(told, expected);
    }
    assert_eq!((&first["op"], &first["before"]), (&json!("r"), &Value::Null));
    assert_eq!(changes, site.log(at.parse().expect("a number")));
}

#[test]
fn kills_at_any_moment_lose_no_line_and_double_none() {
    const KILLS: usize = 25;
    let site = Site::new(400);
    let mut rng = Rng::with_seed(9);
    let mut editor = Editor::new(&site.sim, 1, false);
    let setup = site.with(&[
        ("log", "from = 0\nbatch = 5"),
        ("small", "from = 0\nbatch = 9\nmax_size = '64KiB'"),
        ("copy", "batch = 4"),
    ]);
    for _ in 0..KILLS {
        let daemon = Daemon::run(&setup);
        for _ in 0..rng.usize(1..4) {
            editor.edit(&site.sim, &mut rng);
            pause(Duration::from_millis(rng.u64(..250)));
        }
        daemon.kill();
    }
    let daemon = Daemon::run(&setup);
    come_to_rest(&daemon);
    let log = site.log(0);
    assert_eq!(site.wait_for("log", &log), log);
    assert_eq!(site.wait_for("small", &log), log);
    is_items_and_changes(&site, &site.wait_for("copy", &log));
    daemon.stop();
}

#[test]
fn feeds_come_and_go_by_reload_and_go_on_where_they_were() {
    let site = Site::new(50);
    let mut rng = Rng::with_seed(10);
    let mut editor = Editor::new(&site.sim, 1, false);
    let feeds = [("log", "from = 0")];
    let daemon = Daemon::run(&site.with(&[]));
    oracle::wait_for_certified_pass(&daemon, 1);
    assert_eq!(daemon.reload(&site.with(&feeds)).text("changed"), "feed log added");
    let before = site.log(0);
    assert_eq!(site.wait_for("log", &before), before);
    assert_eq!(daemon.reload(&site.with(&[])).text("changed"), "feed log removed");
    edit_a_while(&site, &mut editor, &mut rng, 10);
    come_to_rest(&daemon);
    assert_eq!(all_lines(&site.path("log")), before);
    daemon.reload(&site.with(&feeds));
    let log = site.log(0);
    assert!(log.len() > before.len());
    assert_eq!(site.wait_for("log", &log), log);
    // Another setting holds from the next change on, and the place is kept.
    let changed = daemon.reload(&site.with(&[("log", "from = 0\nthin = true")]));
    assert_eq!(changed.text("changed"), "feed log");
    editor.edit(&site.sim, &mut rng);
    edit_a_while(&site, &mut editor, &mut rng, 5);
    come_to_rest(&daemon);
    let more = site.log(0);
    assert!(more.len() > log.len());
    let lines = eventually(|| {
        let lines = all_lines(&site.path("log"));
        is_so(lines.len() >= more.len(), || format!("{} of {}", lines.len(), more.len()))?;
        Ok(lines)
    });
    assert_eq!(lines[..log.len()], log);
    let thin: Vec<Value> = lines[log.len()..].iter().map(|it| json_of(it)).collect();
    assert_eq!(thin, more[log.len()..].iter().map(|it| thinned(it)).collect::<Vec<_>>());
    daemon.stop();
}

#[test]
fn a_feed_is_paused_resumed_and_replayed_whoever_delivers() {
    let site = Site::new(30);
    let mut rng = Rng::with_seed(11);
    let mut editor = Editor::new(&site.sim, 1, false);
    let setup = site.with(&[("log", "from = 0")]);
    let daemon = Daemon::run(&setup);
    oracle::wait_for_certified_pass(&daemon, 1);
    let log = site.log(0);
    assert_eq!(site.wait_for("log", &log), log);
    assert!(site.kept.refusal(&["feeds", "pause", "other"]).contains("there are log"));

    let paused = site.kept.lines(&["feeds", "pause", "log", "--reason", "the shop is closed"]);
    assert_eq!(paused, ["feed log is paused"]);
    let heard = daemon.wait_for(|it| it.is("feed paused"));
    assert_eq!(heard.text("reason"), "the shop is closed");
    let told = site.kept.lines(&["feeds"]).join("\n");
    assert!(told.contains("paused: the shop is closed"), "{told}");
    edit_a_while(&site, &mut editor, &mut rng, 5);
    come_to_rest(&daemon);
    assert_eq!(all_lines(&site.path("log")), log, "it delivers although it is paused");
    site.kept.lines(&["feeds", "resume", "log"]);
    let more = site.log(0);
    assert!(more.len() > log.len());
    assert_eq!(site.wait_for("log", &more), more);

    // With no daemon, too.
    daemon.stop();
    let never = site.kept.refusal(&["feeds", "replay", "log", "--after", "9223372036854775808"]);
    assert!(never.contains("there is no change 9223372036854775808 yet"), "{never}");
    let replayed = site.kept.lines(&["feeds", "replay", "log", "--after", "20"]);
    assert_eq!(replayed, ["feed log delivers again what comes after change 20"]);
    let daemon = Daemon::run(&setup);
    oracle::wait_for_certified_pass(&daemon, 1);
    let expected: Vec<String> = more.iter().chain(&site.log(20)).cloned().collect();
    let lines = eventually(|| {
        let lines = all_lines(&site.path("log"));
        is_so(lines.len() >= expected.len(), || format!("{} lines", lines.len()))?;
        Ok(lines)
    });
    assert_eq!(lines, expected);
    daemon.stop();
    // The file that the commands are given here has no feed in it.
    assert_eq!(site.feed("log")["configured"], false);
    assert_eq!(site.kept.lines(&["feeds", "remove", "log"]), ["feed log is forgotten"]);
    assert_eq!(site.feed("log"), Value::Null);
}

#[test]
fn what_is_no_file_of_ours_is_left_alone_and_told() {
    let site = Site::new(10);
    let (target, path) = (site.path("secret"), site.path("log"));
    fs::write(&target, "not ours\n").unwrap();
    symlink(&target, &path).unwrap();
    let daemon = Daemon::run(&site.with(&[("log", "from = 0")]));
    let failed = daemon.wait_for(|it| it.is("feed failed"));
    assert!(failed.text("error").contains("feed log does not deliver"), "{}", failed.line);
    assert_eq!(fs::read_to_string(&target).unwrap(), "not ours\n");
    // The pass goes on all the same.
    oracle::wait_for_certified_pass(&daemon, 1);
    fs::remove_file(&path).unwrap();
    let log = site.log(0);
    assert_eq!(site.wait_for("log", &log), log);
    daemon.wait_for(|it| it.is("feed delivers again"));
    // Half a line that somebody left is cut off, whole ones stay.
    let other = site.path("other");
    fs::write(&other, "{\"before\":1}\nhalf").unwrap();
    let inode = fs::metadata(&other).unwrap().ino();
    fs::rename(&path, site.path("moved")).unwrap();
    fs::rename(&other, &path).unwrap();
    let mut editor = Editor::new(&site.sim, 1, false);
    edit_a_while(&site, &mut editor, &mut Rng::with_seed(12), 5);
    come_to_rest(&daemon);
    let whole = site.log(0);
    assert!(whole.len() > log.len());
    let lines = site.wait_for("log", &whole);
    assert_eq!((lines[0].as_str(), &lines[1..]), ("{\"before\":1}", &whole[log.len()..]));
    // It is that file which was continued, and the other one has what it had.
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    assert_eq!(all_lines(&site.path("moved")), log);
    daemon.stop();
}
