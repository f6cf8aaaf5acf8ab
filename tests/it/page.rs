//! The page at `/` in a real browser, where one is installed: Debian's package `chromium`.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::support::{Daemon, Setup, Sim, eventually, is_so, pause, repositories, sim, skipped};

pub(crate) const BROWSER: &str = "/usr/bin/chromium";

/// What a page is given to ask for the document and show it, in milliseconds of its own clock.
const SETTLED_AFTER: &str = "--virtual-time-budget=3000";

/// Between two looks: many pages of the slow repository.
const BETWEEN: Duration = Duration::from_millis(500);

/// The page as the browser shows it, as markup; `None` where there is no browser.
pub(crate) fn shown(address: &str) -> Option<String> {
    shown_at(&format!("http://{address}/"))
}

/// The same of any page.
pub(crate) fn shown_at(url: &str) -> Option<String> {
    if !std::path::Path::new(BROWSER).exists() {
        return None;
    }
    let profile = TempDir::new().expect("a directory for the test");
    let output = Command::new(BROWSER)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update"])
        .args(["--disable-sync", "--no-proxy-server", "--dump-dom", SETTLED_AFTER])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url)
        .env("HOME", profile.path())
        .stdin(Stdio::null())
        .output()
        .expect("the browser runs");
    let dom = String::from_utf8(output.stdout).expect("a page is text");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(dom.contains("</html>"), "{}: {said}", output.status);
    assert!(!said.contains("Content Security Policy"), "{said}");
    Some(dom)
}

/// The page once it shows this: the endpoint's answers may be a second old.
pub(crate) fn shown_with(address: &str, words: &str) -> String {
    eventually(|| {
        let page = shown(address).expect("the browser is still there");
        is_so(page.contains(words), || format!("no {words}: {page}")).map(|()| page)
    })
}

/// What stands between two texts.
pub(crate) fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from}: {text}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to} after {from}: {text}")).0
}

/// How far a repository's bar is.
fn progress(dom: &str, repository: u64) -> u64 {
    let card = between(dom, &format!("data-repository=\"{repository}\""), "</article>");
    let bar = between(card, "<progress", ">");
    between(bar, "value=\"", "\"").parse().expect("a bar's value is a number")
}

#[test]
fn the_page_shows_the_repositories_and_keeps_up_with_them() {
    let directory = TempDir::new().unwrap();
    let listen = format!("127.0.0.1:{}", sim::free_port());
    // Who looks for it once it is gone must not find another in its place.
    let (sim, _) = Sim::start_to_return(&repositories(&[(1, 100_000), (2, 250)]));
    let setup = Setup {
        paging: "page_size = 100\npage_interval = '200ms'\npass_interval = '1h'".to_owned(),
        repositories: vec![
            "id = 1\nname = '<b>Products</b>'".to_owned(),
            "id = 2\nname = 'Media'".to_owned(),
        ],
        ..Setup::new(sim.url())
    };
    let daemon = Daemon::start_with(&["run"], &setup, |command| {
        command.env("EWMIRROR_STATUS__LISTEN", &listen);
        let mirror = format!("sqlite://{}/mirror.db", directory.path().display());
        command.env("EWMIRROR_MIRROR__URL", mirror);
    });
    daemon.wait_for_pass(2, 1);
    let Some(first) = shown(&listen) else {
        skipped("the page in a browser", &format!("there is no {BROWSER}"));
        return;
    };
    // A name is a text, whatever it looks like.
    assert!(first.contains("<h2>1 &lt;b&gt;Products&lt;/b&gt;</h2>"), "{first}");
    assert!(first.contains("<h2>2 Media</h2>"), "{first}");
    let finished = between(&first, "data-repository=\"2\"", "</article>");
    assert!(finished.contains("resting") && finished.contains("certified "), "{finished}");
    assert_eq!(progress(&first, 2), 250);
    assert!(between(&first, "id=\"daemon\"", "</p>").contains("signed in"), "{first}");
    assert!(between(&first, "id=\"changes\"", "</section>").contains("first seen"), "{first}");
    assert!(between(&first, "id=\"mirror\"", "</section>").contains("database "), "{first}");
    let alerts = between(&first, "id=\"alerts\"", "</div>");
    assert!(!alerts.contains("does not answer"), "{first}");
    let server = sim.address().to_string();
    assert!(first.contains(&format!("<span id=\"server\">{server}</span>")), "{first}");
    assert!(first.contains(&format!("<title>{server} · ewmirror</title>")), "{first}");
    assert_eq!(between(&first, "id=\"health\">", "</p>"), "all is well");
    assert!(finished.contains("<p class=\"headline\">certified "), "{finished}");

    pause(BETWEEN);
    let second = shown(&listen).expect("the browser is still there");
    let (before, after) = (progress(&first, 1), progress(&second, 1));
    assert!(0 < before && before < after, "{before}, then {after}");
    // What is wrong is told at the top, and nothing is green then.
    sim.door("edit", &json!({"repository": 2, "clear": 0.75}));
    daemon.signal("USR1");
    daemon.wait_for(|it| it.is_of("deletions held", 2));
    let held = shown_with(&listen, "deletions held back");
    let alerts = between(&held, "id=\"alerts\"", "<main>");
    assert!(alerts.contains("2 Media: 1") && alerts.contains("deletions held back"), "{alerts}");
    let approve = format!("{} approve-deletes --repository 2", daemon.command());
    assert!(alerts.contains(&format!("<code>{approve} --list</code>")), "{alerts}");
    assert_eq!(between(&held, "id=\"health\">", "</p>"), "degraded");
    assert!(held.contains(&format!("<title>(degraded) {server} · ewmirror</title>")), "{held}");
    assert!(!held.contains("<p class=\"headline\">"), "{held}");

    let address = sim.address().to_string();
    sim.stop();
    daemon.wait_for(|it| it.is("request failed") && it.number("attempt") >= 2);
    let away = shown_with(&listen, "failing: nothing goes on");
    let alerts = between(&away, "id=\"alerts\"", "<main>");
    assert!(alerts.contains("Server: search failed: no connection") && alerts.contains(&address));
    assert!(alerts.contains("check server.url") && alerts.contains("times in a row"), "{alerts}");
    assert_eq!(between(&away, "id=\"health\">", "</p>"), "failing: nothing goes on");
    daemon.stop();
}
