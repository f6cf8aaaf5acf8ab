//! `[[feed]]`: what is taken, what is refused.

use std::path::{Path, PathBuf};

use super::*;
use crate::config::FeedStart;
use crate::domain::{Op, Sequence};

fn with(feeds: &str) -> String {
    format!("{LEAST}{feeds}")
}

fn feed(more: &str) -> String {
    with(&format!("[[feed]]\nname = 'shop'\ntype = 'file'\npath = '/x/y'\n{more}"))
}

fn faults_of(toml: &str) -> String {
    load_text(toml, "test.toml", &environment(&[])).unwrap_err().to_string()
}

#[test]
fn a_feed_needs_a_name_a_type_and_a_file_and_has_defaults_for_the_rest() {
    let feed = config(&feed(""), &[]).feeds.remove(0);
    assert_eq!((feed.name.as_str(), feed.path), ("shop", Some(PathBuf::from("/x/y"))));
    assert_eq!((feed.from, feed.batch, feed.hold), (FeedStart::Start, None, seconds(604_800)));
    assert_eq!((feed.names, feed.changed, feed.thin), (false, false, false));
    assert_eq!((feed.repositories, feed.operations, feed.attributes), (None, None, None));
    assert_eq!((feed.max_size, feed.max_age), (256 << 20, None));
    let faults = errors(&with("[[feed]]"), &environment(&[]));
    assert_eq!(keys_of(&faults), ["feed[1].name", "feed[1].type"]);
}

#[test]
fn a_feed_is_what_its_keys_say() {
    let text = feed(
        "repositories = [7, 10149]\nfrom = 460\noperations = ['c', 'd']\nattributes = ['Price']\n\
         batch = 5\nhold = '1d'\nmax_size = '1MiB'\nmax_age = '1h'",
    );
    let loaded = loaded(&text, &environment(&[]));
    let feed = loaded.config.feeds[0].clone();
    assert_eq!(feed.repositories, Some([7, 10149].map(RepositoryId).into()));
    assert_eq!(feed.from, FeedStart::After(Sequence(460)));
    assert_eq!(feed.operations, Some(vec![Op::Create, Op::Delete]));
    assert_eq!((feed.batch, feed.max_age), (Some(count(5)), Some(seconds(3600))));
    let warned: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert!(warned.len() == 1 && warned[0].contains("repository 7"), "{warned:?}");
    // What is shown, loaded again, is the same.
    let again = loaded.config.effective();
    assert_eq!(config(&again, &[]).feeds, [feed]);
}

#[test]
#[cfg(not(feature = "kafka"))]
fn what_this_build_cannot_deliver_to_is_refused_with_the_package_that_can() {
    let faults = faults_of(&with("[[feed]]\nname = 'shop'\ntype = 'kafka'\npath = '/x'"));
    assert!(faults.contains("which this build of ewmirror cannot deliver to"), "{faults}");
    assert!(faults.contains("install the package ewmirror-kafka"), "{faults}");
}

#[test]
fn each_type_needs_its_own_keys_and_has_no_use_for_the_others() {
    let file = errors(&with("[[feed]]\nname = 'a'\ntype = 'file'"), &environment(&[]));
    assert_eq!(keys_of(&file), ["feed[1].path"]);
    let webhook = errors(&with("[[feed]]\nname = 'a'\ntype = 'webhook'"), &environment(&[]));
    assert_eq!(keys_of(&webhook), ["feed[1].url", "feed[1].secret"]);
    let both = feed("url = 'https://a.example/x'");
    let loaded = loaded(&both, &environment(&[]));
    let warned: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert!(
        warned.iter().any(|it| it.contains("is ignored, because the feed is a file")),
        "{warned:?}"
    );
}

#[test]
fn a_webhook_is_signed_by_a_secret_that_stands_elsewhere_and_its_path_is_shown_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    let webhook = |url: &str, more: &str| {
        let file = secret.display();
        with(&format!(
            "[[feed]]\nname = 'shop'\ntype = 'webhook'\nurl = '{url}'\nsecret_file = '{file}'\n{more}"
        ))
    };
    std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
    let right = webhook("https://a.example/T0PSECRET", "allow_addresses = ['10.0.0.0/8', '::1']");
    let config = config(&right, &[]);
    assert_eq!(config.feeds[0].allow_addresses.as_ref().map(Vec::len), Some(2));
    let shown = format!("{}{config:?}", config.effective());
    assert!(!shown.contains("T0PSECRET") && !shown.contains("MfKQ9r8"), "{shown}");
    assert!(load_text(&webhook("http://127.0.0.1:1/x", ""), "t", &environment(&[])).is_ok());
    for (url, why) in [
        ("http://a.example/T0PSECRET", "leads to another machine"),
        ("ftp://a.example/T0PSECRET", "neither http nor https"),
        ("https://a.example/T0PSECRET#x", "holds a fragment"),
        ("T0PSECRET", "is not a URL"),
    ] {
        let faults = faults_of(&webhook(url, ""));
        assert!(faults.contains(why) && !faults.contains("T0PSECRET"), "{faults}");
    }
    std::fs::write(&secret, "whsec_c2hvcnQ=\n").unwrap();
    let faults = faults_of(&right);
    assert!(faults.contains("whsec_ secret") && !faults.contains("c2hvcnQ"), "{faults}");
    let written = faults_of(&webhook("https://a.example/x", "secret = 'whsec_T0PSECRET'"));
    assert!(!written.contains("T0PSECRET"), "{written}");
}

#[test]
fn names_and_files_are_one_feeds_own() {
    let one = "[[feed]]\nname = 'a'\ntype = 'file'\npath = '/x/a'\n";
    let faults = faults_of(&with(&format!("{one}{}", one.replace("/x/a", "/x/b"))));
    assert!(faults.contains("is also the name of feed[1]"), "{faults}");
    let faults = faults_of(&with(&format!("{one}{}", one.replace("'a'", "'b'"))));
    assert!(faults.contains("is also the file of feed[1]"), "{faults}");
    // By another way to the same folder, too.
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let feed = |name: &str, path: &Path| {
        let path = path.display();
        format!("[[feed]]\nname = '{name}'\ntype = 'file'\npath = '{path}'\n")
    };
    let faults = faults_of(&with(&(feed("a", &real.join("x")) + &feed("b", &link.join("x")))));
    assert!(faults.contains("is also the file of feed[1]"), "{faults}");
    // Nor is it a file of the mirror.
    for name in ["mirror.db", "mirror.db-wal", "mirror.db-shm", "mirror.db.lock"] {
        let mirror = format!("[mirror]\nurl = 'sqlite://{}/mirror.db'\n", real.display());
        let faults = faults_of(&(with(&feed("a", &link.join(name))) + &mirror));
        assert!(faults.contains("is a file of the mirror"), "{name}: {faults}");
    }
}

#[test]
fn a_mirror_that_keeps_nothing_has_nothing_to_deliver() {
    let faults = faults_of(&format!("{}[mirror]\nurl = 'none'\n", feed("")));
    assert!(faults.contains("has no log to deliver from"), "{faults}");
}

#[test]
fn nonsense_is_refused() {
    for (key, word) in [
        ("from = 'end'", "no place to begin at"),
        ("from = -1", "too small"),
        ("operations = []", "is empty"),
        ("operations = ['x']", "no operation"),
        ("attributes = ['']", "an empty text"),
        ("repositories = ['all']", "holds text"),
        ("batch = 0", "no such number"),
        ("batch = 10001", "too large"),
    ] {
        let faults = faults_of(&feed(key));
        assert!(faults.contains(word), "{key}: {faults}");
    }
    for name in ["Shop", "a b", "", "-a", "a.b", &"a".repeat(64)] {
        let text = feed("").replace("'shop'", &format!("'{name}'"));
        assert!(faults_of(&text).contains("feed[1].name"), "{name}");
    }
    for path in ["x", "/", "/x/", "/x/../y", ""] {
        let text = feed("").replace("'/x/y'", &format!("'{path}'"));
        assert!(faults_of(&text).contains("feed[1].path"), "{path}");
    }
}
