//! Many repositories: a screen, a document and a log that can be read all the same.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Output;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::support::daemon::{ewmirror, output};
use crate::support::{Daemon, Event, Kept, Sim, eventually, is_so, repositories, sim, skipped};

/// Many more than are told one by one.
const MANY: u64 = 220;

/// The items of each.
const ITEMS: usize = 8;

/// The repository that something is wrong with.
const ILL: u64 = 150;

/// A daemon that reads many small repositories, each once and again when that is asked for.
struct Many {
    sim: Sim,
    daemon: Daemon,
    address: SocketAddr,
    // Its folder lives as long as the test.
    _kept: Kept,
}

impl Many {
    fn start() -> Self {
        let each: Vec<(u64, usize)> = (1..=MANY).map(|id| (id, ITEMS)).collect();
        let sim = Sim::start(repositories(&each));
        let kept = Kept::new(&sim);
        let address = SocketAddr::from(([127, 0, 0, 1], sim::free_port()));
        let mut setup = kept.setup();
        setup.repositories = (1..=MANY).map(|id| format!("id = {id}\nname = 'R{id}'")).collect();
        setup.status = format!("listen = '{address}'");
        let daemon = Daemon::run(&setup);
        let many = Self { sim, daemon, address, _kept: kept };
        many.wait_for_passes(0);
        many
    }

    /// Waits until each repository has ended a pass since then.
    fn wait_for_passes(&self, mark: usize) {
        for id in 1..=MANY {
            self.daemon.wait_from(mark, |it| it.is_of("pass complete", id));
        }
    }

    fn pass_again(&self) {
        let mark = self.daemon.mark();
        self.daemon.signal("USR1");
        self.wait_for_passes(mark);
    }

    fn status(&self, arguments: &[&str]) -> Output {
        let command = self.daemon.command();
        let file = command.rsplit(' ').next().expect("it names the configuration");
        output(&mut ewmirror([&["--config", file, "status"], arguments].concat()))
    }

    fn text(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.status(arguments).stdout).expect("text")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_slice(&self.status(arguments).stdout).expect("JSON")
    }

    fn get(&self, path: &str) -> (u16, String) {
        sim::request(self.address, "GET", path, "")
    }

    /// The document at a path, and its size in bytes.
    fn document(&self, path: &str) -> (Value, usize) {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        (serde_json::from_str(&body).expect("JSON"), body.len())
    }

    /// Has most items of one repository disappear, so that its deletions are held back.
    fn make_ill(&self) {
        self.sim.door("edit", &json!({"repository": ILL, "clear": 0.75}));
        self.pass_again();
        self.daemon.wait_for(|it| it.is_of("deletions held", ILL));
        // The endpoint's answers may be a second old.
        eventually(|| {
            let (document, _) = self.document("/status?repository=differing");
            is_so(ids(&document) == [ILL], || document.to_string())
        });
    }
}

fn repositories_of(document: &Value) -> &Vec<Value> {
    document["repositories"].as_array().expect("a document has its repositories")
}

fn ids(document: &Value) -> Vec<u64> {
    repositories_of(document).iter().filter_map(|it| it["id"].as_u64()).collect()
}

/// How many passes are told of a repository.
fn passes(document: &Value, id: u64) -> usize {
    let found = repositories_of(document).iter().find(|it| it["id"] == id);
    found.and_then(|it| it["passes"].as_array()).map_or(usize::MAX, Vec::len)
}

#[test]
fn a_screen_tells_what_differs_and_the_rest_to_who_asks() {
    let many = Many::start();
    many.make_ill();
    let (document, bytes) = many.document("/status");
    assert_eq!(ids(&document), (1..=MANY).collect::<Vec<_>>());
    assert_eq!((passes(&document, 1), passes(&document, ILL)), (0, 2));
    assert!(bytes / 220 < 500, "{bytes} bytes");
    let totals = &document["totals"];
    assert_eq!((&totals["repositories"], &totals["certified"]), (&json!(MANY), &json!(MANY)));
    assert_eq!((&totals["with_problems"], &totals["held_back"]), (&json!(1), &json!(1)));
    let (_, differing) = many.document("/status?repository=differing");
    assert!(differing < 8000, "{differing} bytes");
    let (two, _) = many.document("/status?repository=9&repository=7");
    assert_eq!((ids(&two), passes(&two, 7)), (vec![7, 9], 2));
    assert_eq!(two["totals"], *totals, "the totals are of all");
    for bad in ["/status?repository=x", "/status?all", "/status?repository="] {
        assert_eq!(many.get(bad).0, 400, "{bad}");
    }

    let page = many.text(&[]);
    let lines: Vec<_> = page.lines().collect();
    assert!(lines.len() < 30, "{page}");
    assert!(lines[0].starts_with("DEGRADED"), "{page}");
    let sum = "220 repositories: 220 certified, ";
    let place = |begin: &str| lines.iter().position(|line| line.starts_with(begin));
    let (sum, ill) = (place(sum), place("150 R150: last certified pass "));
    assert!(place("  repository 150 R150: ") < sum && sum < ill && ill.is_some(), "{page}");
    assert!(page.contains("\n219 other repositories, last certified pass "), "{page}");
    assert!(page.contains("HELD BACK"), "{page}");

    let headlines = |page: &str| page.matches(": last certified pass ").count();
    assert_eq!(headlines(&page), 1);
    let some = many.text(&["--repository", "R7", "--repository", "9"]);
    assert_eq!(headlines(&some), 2, "{some}");
    assert!(some.contains("\n7 R7: last certified ") && some.contains("\n9 R9: "), "{some}");
    assert_eq!(headlines(&many.text(&["--all"])), 220);
    let unknown = many.status(&["--repository", "R1000"]);
    let told = String::from_utf8_lossy(&unknown.stderr);
    assert_eq!(unknown.status.code(), Some(2), "{told}");
    assert!(told.contains("neither configured nor in the mirror: 1 (R1), 2 (R2), "), "{told}");

    assert_eq!(ids(&many.json(&["--json"])).len(), 220);
    let one = many.json(&["--json", "--repository", "R7"]);
    assert_eq!((ids(&one), passes(&one, 7)), (vec![7], 2));
    assert_eq!(one["health"], "degraded");
    assert_eq!(passes(&many.json(&["--json", "--all"]), 7), 2);
    many.daemon.stop();
}

#[test]
fn the_log_sums_up_what_comes_fast_and_leaves_nothing_out() {
    let many = Many::start();
    many.pass_again();
    many.pass_again();
    let ended = many.daemon.stop();
    let (mut loud, mut quiet) = (BTreeMap::<u64, u64>::new(), 0);
    for pass in ended.all("pass complete") {
        let is_new = pass.number("iteration") == 1;
        assert_eq!(pass.number("created"), if is_new { ITEMS as u64 } else { 0 }, "{pass:?}");
        if pass.level() == "INFO" {
            *loud.entry(pass.number("iteration")).or_default() += 1;
        } else {
            assert!(!is_new, "it found something: {pass:?}");
            quiet += 1;
        }
    }
    assert_eq!(loud[&1], MANY, "{loud:?}");
    assert!(quiet > MANY, "{loud:?}");
    let sum = |message: &str, field: &str| -> u64 {
        ended.all(message).iter().map(|it| it.number(field)).sum()
    };
    assert_eq!(sum("passes complete", "passes"), quiet);
    assert!(ended.all("passes complete").iter().all(|it| it.number("repositories") <= MANY));
    let at_debug = |it: &&&Event| it.level() == "DEBUG";
    let hasty = ended.all("page read").iter().filter(at_debug).count() as u64;
    assert!(hasty > MANY, "{hasty}");
    assert_eq!(sum("pages read in all", "pages"), hasty);
    assert!(ended.all("pages read").is_empty());
    for told in ended.all("passes complete").into_iter().chain(ended.all("pages read in all")) {
        assert_eq!(told.level(), "INFO", "{told:?}");
    }
}

#[test]
fn the_page_shows_what_differs_and_finds_the_others() {
    let many = Many::start();
    let Some(mut browser) = Browser::start() else {
        return skipped("many repositories on the page", "there is no browser");
    };
    many.make_ill();
    browser.open(&format!("http://{}/", many.address));
    browser.wait_until("document.querySelectorAll('#repositories article').length === 1");
    assert!(browser.text("#repositories h2").contains("150 R150"));
    let totals = browser.text("#totals");
    assert!(totals.starts_with("220 of 220 repositories certified"), "{totals}");
    assert!(browser.text("#others summary").contains("All 220 repositories, of which 1 differ"));

    // The others are in a list, of which a part is drawn; each can be opened and closed.
    browser.click("#others summary");
    browser.wait_until("document.querySelectorAll('#listed button').length === 100");
    browser.write("#filter input", "r21");
    browser.wait_until("document.querySelectorAll('#listed button').length === 11");
    browser.click("#listed button[data-open=\"217\"]");
    browser.wait_until("document.querySelectorAll('#repositories article').length === 2");
    browser.wait_until("document.querySelector('[data-repository=\"217\"] tbody td')");
    let phone = json!({"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": true});
    browser.call("Emulation.setDeviceMetricsOverride", &phone);
    browser.wait_until("innerWidth === 360");
    assert_eq!(browser.value("document.documentElement.scrollWidth"), 360);
    browser.click("#listed button[data-open=\"217\"]");
    browser.wait_until("document.querySelectorAll('#repositories article').length === 1");

    // Items are found in any of them.
    assert_eq!(browser.value("document.querySelectorAll('#search option').length"), 220);
    assert_eq!(browser.violations(), [""; 0]);
    many.daemon.stop();
}
