//! What each key of a feed makes of its lines, and of its files.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::feeds::{Site, all_lines, json_of, old_files};
use crate::mirror::{edit, ids};
use crate::support::{Daemon, eventually, is_so, oracle, repositories};

/// Waits until the file of a feed has as many lines as it should; they are these.
fn delivers(site: &Site, name: &str, expected: &[String]) {
    let lines = eventually(|| {
        let lines = all_lines(&site.path(name));
        is_so(lines.len() >= expected.len(), || {
            format!("{name}: {} of {}", lines.len(), expected.len())
        })?;
        Ok(lines)
    });
    assert_eq!(lines, expected, "{name}");
}

/// The members that an update changes.
fn changed(line: &Value) -> BTreeSet<String> {
    let members = |side: &str| line[side].as_object().cloned().unwrap_or_default();
    let (before, after) = (members("before"), members("after"));
    let all = before.keys().chain(after.keys());
    all.filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

/// The lines of the log that are so.
fn those(log: &[String], wanted: impl Fn(&Value) -> bool) -> Vec<String> {
    log.iter().filter(|line| wanted(&json_of(line))).cloned().collect()
}

#[test]
fn each_key_delivers_what_it_says_and_all_of_it() {
    let mut site = Site::of(repositories(&[(1, 40), (2, 15)]));
    site.setup.repositories = [1, 2].map(|id| format!("id = {id}")).into();
    "refresh_interval = '1h'".clone_into(&mut site.setup.model);
    let daemon = Daemon::run(&site.with(&[]));
    for repository in [1, 2] {
        daemon.wait_for(|it| it.is_of("model changed", repository));
        oracle::wait_for_certified_pass(&daemon, repository);
    }
    // Each revision of an item changes another attribute of it.
    let there = ids(&site.sim);
    for _ in 0..3 {
        let mark = daemon.mark();
        edit(&site.sim, json!({"update": &there[..10]}));
        daemon.wait_from(mark, |it| it.is("pass complete") && it.number("updated") > 0);
    }
    edit(&site.sim, json!({"delete": &there[20..25], "insert": 4}));
    oracle::wait_for_certified_pass(&daemon, 1);
    let log = site.log(0);
    let updates = those(&log, |it| it["op"] == "u");
    assert_eq!(updates.len(), 30);
    // One that some of them change, and some do not.
    let of_each: Vec<_> = updates.iter().map(|it| changed(&json_of(it))).collect();
    let changing = |name: &str| of_each.iter().filter(|it| it.contains(name)).count();
    let mut all = of_each.iter().flatten();
    let watched = all.find(|it| it.starts_with("F_") && changing(it) < 30).expect("one").clone();
    let wanted = changing(&watched);
    let document = site.kept.lines(&["attributes", "--repository", "1", "--json"]).concat();
    let attributes = json_of(&document)["attributes"].as_array().expect("a list").clone();
    let of_it = |it: &&Value| it.to_string().contains(&format!("\"{watched}\""));
    let named = attributes.iter().find(of_it).expect("it is known")["name"].clone();
    let is_watched = |it: &Value| it["op"] != "u" || changed(it).contains(&watched);

    let by_name = format!("from = 0\nattributes = ['{}']", named.as_str().expect("a name"));
    let by_id = format!("from = 0\nattributes = ['{watched}']");
    let all =
        format!("{by_id}\noperations = ['u']\nrepositories = [1]\nnames = true\nchanged = true");
    daemon.reload(&site.with(&[
        ("names", "from = 0\nnames = true"),
        ("changed", "from = 0\nchanged = true"),
        ("second", "from = 0\nrepositories = [2]"),
        ("operations", "from = 0\noperations = ['u', 'd']"),
        ("by-name", &by_name),
        ("by-id", &by_id),
        ("all", &all),
        ("now", "from = 'now'"),
    ]));
    let told = site.kept.lines(&["changes", "--names"]);
    assert_ne!(told, log);
    delivers(&site, "names", &told);
    delivers(&site, "second", &those(&log, |it| it["source"]["repository"] == 2));
    let operations = those(&log, |it| it["op"] == "u" || it["op"] == "d");
    assert_eq!(operations.len(), 35);
    delivers(&site, "operations", &operations);
    let of_attribute = those(&log, is_watched);
    assert_eq!(of_attribute.len(), log.len() - 30 + wanted);
    delivers(&site, "by-name", &of_attribute);
    delivers(&site, "by-id", &of_attribute);

    // An update says what it changed, and nothing else is said otherwise.
    let without = |line: &Value| {
        let mut line = line.clone();
        let members = line.as_object_mut().expect("an object");
        let changed = members.remove("changed");
        (line, changed)
    };
    let lines = eventually(|| {
        let lines = all_lines(&site.path("changed"));
        is_so(lines.len() >= log.len(), || format!("{} of {}", lines.len(), log.len()))?;
        Ok(lines)
    });
    assert_eq!(lines.len(), log.len());
    for (line, plain) in lines.iter().zip(&log) {
        let (line, plain) = (json_of(line), json_of(plain));
        let (rest, told) = without(&line);
        assert_eq!(rest, plain);
        let expected = (plain["op"] == "u").then(|| changed(&plain));
        let told = told.map(|it| serde_json::from_value::<BTreeSet<String>>(it).expect("names"));
        assert_eq!(told, expected, "{line}");
    }

    // All of them together, by name.
    let lines = eventually(|| {
        let lines = all_lines(&site.path("all"));
        is_so(lines.len() >= wanted, || format!("{} of {wanted} lines", lines.len()))?;
        Ok(lines)
    });
    let expected: Vec<Value> =
        those(&told, |it| it["op"] == "u" && changed(it).contains(named.as_str().expect("a name")))
            .iter()
            .map(|it| json_of(it))
            .collect();
    assert_eq!(expected.len(), wanted);
    for (line, expected) in lines.iter().zip(&expected) {
        let (rest, told) = without(&json_of(line));
        assert_eq!(&rest, expected);
        let told = told.expect("an update says so");
        assert!(told.as_array().is_some_and(|it| it.contains(&named)), "{told}");
    }
    assert_eq!(lines.len(), expected.len());

    // What was there before is not delivered.
    edit(&site.sim, json!({"insert": 1}));
    oracle::wait_for_certified_pass(&daemon, 1);
    let last = site.log(log.len() as u64);
    assert_eq!(last.len(), 1);
    delivers(&site, "now", &last);
    daemon.stop();
}

#[test]
fn a_file_that_is_full_or_old_enough_is_followed_by_another_and_compressed_for_the_same_readers() {
    let site = Site::new(300);
    let feeds = [
        ("small", "from = 0\nbatch = 20\nmax_size = '64KiB'"),
        ("aged", "from = 0\nbatch = 20\nmax_age = '1ms'"),
        ("young", "from = 0\nbatch = 20\nmax_age = '365d'"),
    ];
    let daemon = Daemon::run(&site.with(&feeds));
    oracle::wait_for_certified_pass(&daemon, 1);
    let log = site.log(0);
    for (name, _) in feeds {
        delivers(&site, name, &log);
    }
    let files = |name: &str| {
        let path = site.path(name);
        let old = eventually(|| {
            let old = old_files(&path);
            is_so(old.iter().all(|it| it.strip_suffix(".gz").is_some()), || format!("{old:?}"))
                .map(|()| old)
        });
        for file in old.iter().map(|it| path.with_file_name(it)).chain([path.clone()]) {
            let mode = fs::metadata(&file).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o7777, 0o640, "{}", file.display());
        }
        old.len()
    };
    let bytes: usize = log.iter().map(|line| line.len() + 1).sum();
    let small = files("small");
    assert!(small >= bytes / (64 << 10), "{small} of {bytes} bytes");
    assert!(fs::metadata(site.path("small")).unwrap().len() <= 64 << 10);
    let (aged, young) = (files("aged"), files("young"));
    assert!(aged > 0 && young == 0, "{aged} and {young}");
    daemon.stop();
}
