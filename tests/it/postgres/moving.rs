//! `move` with everything that a mirror may have: items, the log, the ledger, suspects, deletions that
//! are held back, and the place of a pass under way.

use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use fastrand::Rng;
use serde_json::json;
use tempfile::TempDir;

use super::cluster;
use super::proxy::{Act, Place, Proxy};
use crate::support::cluster::Cluster;
use crate::support::daemon::{config_file, output};
use crate::support::{
    Daemon, Event, Setup, Sim, ewmirror, is_thorough, pause, repositories, sampled, skipped,
};

/// How often a move is killed until it is left alone.
const KILLS: usize = 10;
/// By then it is over.
const MOST_MS: u64 = 400;

/// Pages of the pass that is interrupted.
const PAGES: u64 = 4;

/// What must be the same on both sides, whatever holds it: the tables of the mirror but for those that
/// say who writes it.
const STATE: &str = "
    SELECT 'item ' || md5(string_agg(row(i.*)::text, ' ' ORDER BY repository, key)) FROM ewmirror.item i
    UNION ALL
    SELECT 'log ' || md5(string_agg(row(sequence, repository, id, op, iteration, ts_ms, previous,
        previous_ms, before, after, before_exact, after_exact)::text, ' ' ORDER BY sequence))
        FROM ewmirror.change
    UNION ALL
    SELECT 'end of the log ' || last || ' ' || dropped_through FROM ewmirror.log
    UNION ALL
    SELECT 'repositories ' || md5(string_agg(row(r.*)::text, ' ' ORDER BY id))
        FROM ewmirror.repository r
    UNION ALL
    SELECT 'passes ' || md5(string_agg(row(p.*)::text, ' ' ORDER BY repository, iteration))
        FROM ewmirror.pass p
    UNION ALL
    SELECT 'checkpoints ' || count(*) || md5(string_agg(row(c.*)::text, ' ' ORDER BY repository))
        FROM ewmirror.checkpoint c
    UNION ALL
    SELECT 'seen ' || count(*) || md5(string_agg(row(s.*)::text, ' ' ORDER BY repository, page))
        FROM ewmirror.seen s
    UNION ALL
    SELECT 'suspects ' || count(*) || md5(string_agg(row(s.*)::text, ' ' ORDER BY repository))
        FROM ewmirror.suspects s";

/// What is printed of a mirror, wherever it is.
const QUESTIONS: [&[&str]; 8] = [
    &["export", "--repository", "1"],
    &["export", "--repository", "2"],
    &["export", "--repository", "3"],
    &["changes"],
    &["digest", "--repository", "1"],
    &["digest", "--repository", "2", "--as-of", "700"],
    &["approve-deletes", "--repository", "1", "--list"],
    &["approve-deletes", "--repository", "2", "--list"],
];

/// The places that a mirror is moved between, and what has filled it.
struct Removal {
    sim: Sim,
    folder: TempDir,
}

impl Removal {
    fn new() -> Self {
        let sim = Sim::start(repositories(&[(1, 400), (2, 300), (3, 300)]));
        Self { sim, folder: TempDir::new().expect("a directory for the test") }
    }

    fn setup(&self, url: &str) -> Setup {
        let mut setup = Setup::new(self.sim.url());
        setup.repositories = [1, 2, 3].map(|id| format!("id = {id}")).into();
        setup.paging.clear();
        setup.paging += "page_size = 20\nin_flight = 1\npage_interval = '0s'\n\
                        pass_interval = '1h'";
        setup.mirror = format!("url = '{url}'\n[instance]\nname = 'a'\nlease_ttl = '5s'");
        setup
    }

    /// Repository 1 has deletions that are held back, 2 has suspects, and a pass of 3 is under way.
    fn fill(&self, url: &str) {
        let daemon = Daemon::run(&self.setup(url));
        for repository in [1, 2, 3] {
            daemon.wait_for_pass(repository, 1);
        }
        let of_second: Vec<u64> = self.sim.items(2).iter().map(|line| id(line)).collect();
        // A server that says of no item that it is gone: what is not seen is suspected at first.
        self.sim.door("items-call", &json!({"mode": "not-found"}));
        self.sim.door("edit", &json!({"repository": 1, "clear": 0.75}));
        let edit = json!({"repository": 2, "delete": of_second[..3], "update": of_second[50..60]});
        self.sim.door("edit", &edit);
        daemon.signal("USR1");
        for repository in [1, 2, 3] {
            daemon.wait_for_pass(repository, 2);
        }
        assert_eq!(daemon.wait_for_pass(2, 2).number("suspects"), 3);
        daemon.wait_for(|it| it.is_of("deletions held", 1));
        daemon.stop();
        let mut setup = self.setup(url);
        setup.repositories = vec!["id = 3".to_owned()];
        let held = self.sim.counts().held;
        self.sim.door("hold", &json!({"endpoint": "search", "after": PAGES}));
        let daemon = Daemon::run(&setup);
        self.sim.wait_until(|counts| counts.held > held);
        daemon.signal("TERM");
        daemon.wait_for(|it| it.is("stopping"));
        self.sim.door("release", &json!({"endpoint": "search"}));
        assert!(daemon.finish().all("pass complete").is_empty(), "it is interrupted");
    }

    fn config(&self, url: &str) -> PathBuf {
        let file = config_file(self.folder.path());
        fs::write(&file, self.setup(url).toml()).expect("the configuration can be written");
        file
    }

    fn ask(&self, url: &str, arguments: &[&str]) -> Output {
        output(ewmirror(["--config"]).arg(self.config(url)).args(arguments))
    }

    fn printed(&self, url: &str) -> Vec<String> {
        let answers = QUESTIONS.map(|question| {
            let answer = self.ask(url, question);
            assert!(answer.status.success(), "{question:?}: {answer:?}");
            String::from_utf8(answer.stdout).expect("our output is UTF-8")
        });
        assert!(answers[6].lines().count() >= 300, "deletions are held: {}", answers[6]);
        answers.into()
    }

    fn move_to(&self, from: &str, to: &str) -> Output {
        self.ask(from, &["move", "--to", to])
    }

    /// Kills moves at any instant, and lets the last one be.
    fn move_whatever_is_killed(&self, from: &str, to: &str, rng: &mut Rng) {
        for _ in sampled(0..KILLS, 3) {
            let mut command = ewmirror(["--config"]);
            command.arg(self.config(from)).args(["move", "--to", to]);
            let command = command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut running = command.spawn().expect("it starts");
            pause(Duration::from_millis(rng.u64(..MOST_MS)));
            running.kill().expect("it can be killed");
            running.wait().expect("it ends");
        }
        let moved = self.move_to(from, to);
        // One of those before may have come to its end.
        let is_moved = moved.status.success() || told(&moved).contains("is not empty");
        assert!(is_moved, "{}", told(&moved));
    }

    /// A daemon goes on there with what was under way.
    fn goes_on(&self, url: &str) {
        let daemon = Daemon::run(&self.setup(url));
        let resumed = daemon.wait_for(|it| it.is_of("pass resumed", 3));
        assert_eq!(resumed.number("iteration"), 3, "{}", resumed.line);
        // The page that was under way may have come home.
        assert!((PAGES..=PAGES + 1).contains(&resumed.number("pages")), "{}", resumed.line);
        let first = daemon.wait_for(|it| it.is_of("page read", 3));
        assert_eq!(first.number("page"), resumed.number("pages") + 1, "{}", first.line);
        let pass = |repository| daemon.wait_for_pass(repository, 3);
        assert!(pass(3).truth("certified"));
        let held: Event = pass(1);
        assert_eq!((held.number("deleted"), held.number("held")), (0, 300), "{}", held.line);
        assert_eq!(pass(2).number("deleted"), 3, "suspects are known, so that they are gone now");
        daemon.stop();
    }
}

fn id(line: &str) -> u64 {
    let item: serde_json::Value = serde_json::from_str(line).expect("items are JSON");
    item["itemId"].as_u64().expect("items have an id")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn state(cluster: &Cluster) -> String {
    cluster.sql(STATE).expect("there is a mirror")
}

#[test]
fn everything_goes_from_one_postgresql_to_another_whatever_is_killed() {
    let check = "a mirror that goes from one PostgreSQL to another";
    let (Some(one), Some(other)) = (cluster(check, &[]), cluster(check, &[])) else { return };
    let removal = Removal::new();
    let (from, to) = (one.url(), other.url());
    removal.fill(&from);
    let (before, printed) = (state(&one), removal.printed(&from));

    // Nobody may use it meanwhile.
    let daemon = Daemon::run(&removal.setup(&from));
    daemon.wait_for(|it| it.is("lease taken"));
    let refused = removal.move_to(&from, &to);
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));
    assert!(told(&refused).contains("in use"), "{}", told(&refused));
    daemon.kill();
    // It is in use as long as the lease of the one that was killed holds.
    one.sql("UPDATE ewmirror.instance SET expires_at = clock_timestamp()").unwrap();
    let same = removal.move_to(&from, &from);
    assert_eq!(same.status.code(), Some(2), "{}", told(&same));
    // No password stands on a command line, nor is one repeated.
    let secret = to.replace("postgres@", "postgres:hunter2@");
    let refused = removal.move_to(&from, &secret);
    assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
    assert!(!told(&refused).contains("hunter2"), "{}", told(&refused));
    assert_eq!(other.sql("SELECT to_regnamespace('ewmirror') IS NULL").unwrap(), "t");
    // What is somebody else's is left alone.
    other.sql("CREATE SCHEMA ewmirror; CREATE TABLE ewmirror.item (theirs int)").unwrap();
    let refused = removal.move_to(&from, &to);
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));
    other.sql("SELECT theirs FROM ewmirror.item; DROP SCHEMA ewmirror CASCADE").unwrap();

    // The daemon that was killed may have read a page more of the pass.
    let (before, printed) = match state(&one) {
        now if now == before => (before, printed),
        now => (now, removal.printed(&from)),
    };
    removal.move_whatever_is_killed(&from, &to, &mut Rng::new());
    assert_eq!(state(&other), before);
    assert_eq!(state(&one), before, "the source is as it was");
    assert_eq!(removal.printed(&to), printed);
    let again = removal.move_to(&from, &to);
    assert_eq!(again.status.code(), Some(1), "{}", told(&again));
    assert!(told(&again).contains("is not empty"), "{}", told(&again));
}

#[test]
fn everything_goes_from_sqlite_to_postgresql_and_back_and_a_daemon_goes_on_with_it() {
    let check = "a mirror that goes to PostgreSQL and back";
    let Some(cluster) = cluster(check, &[]) else { return };
    let removal = Removal::new();
    let file = |name: &str| format!("sqlite://{}/{name}", removal.folder.path().display());
    let (from, between, to) = (file("from.db"), cluster.url(), file("to.db"));
    removal.fill(&from);
    let printed = removal.printed(&from);
    for (from, to) in [(&from, &between), (&between, &to)] {
        let moved = removal.move_to(from, to);
        assert!(moved.status.success(), "{}", told(&moved));
        let report = String::from_utf8_lossy(&moved.stdout).into_owned();
        for (repository, digest) in [(1, 4), (2, 5)] {
            let line = format!("repository {repository}: ");
            assert!(report.contains(&line), "{report}");
            let digest = printed[digest].split_whitespace().next_back().expect("a digest");
            assert!(repository == 2 || report.contains(digest), "{report} and {digest}");
        }
        assert_eq!(removal.printed(to), printed, "{from} to {to}");
    }
    // On either side a daemon goes on with what was under way.
    removal.goes_on(&to);
}

#[test]
fn a_daemon_goes_on_in_postgresql_with_what_came_from_sqlite() {
    let Some(cluster) = cluster("a mirror that came to PostgreSQL", &[]) else { return };
    let removal = Removal::new();
    let from = format!("sqlite://{}/from.db", removal.folder.path().display());
    removal.fill(&from);
    let moved = removal.move_to(&from, &cluster.url());
    assert!(moved.status.success(), "{}", told(&moved));
    removal.goes_on(&cluster.url());
    super::judge::judge(&cluster, "what came, and what was added to it");
}

/// Where of its messages a move loses its connection, in tenths, and how.
const BREAKS: [(u64, Act); 5] = [
    (9, Act::BreakAfter),
    (8, Act::BreakBefore),
    (7, Act::KillServer),
    (6, Act::BreakAfter),
    (3, Act::BreakBefore),
];

#[test]
fn a_move_goes_on_by_itself_where_its_connection_breaks() {
    let Some(cluster) = cluster("a move that loses its connection", &[]) else { return };
    let removal = Removal::new();
    let from = format!("sqlite://{}/from.db", removal.folder.path().display());
    removal.fill(&from);
    let printed = removal.printed(&from);
    let proxy = Proxy::start(cluster.port());
    let to = cluster.url().replace(&cluster.port().to_string(), &proxy.port().to_string());
    let begun = proxy.messages();
    assert!(removal.move_to(&from, &to).status.success());
    let messages = proxy.messages() - begun;
    let mut went_on = 0;
    let breaks = sampled(BREAKS, 2);
    for &(tenths, act) in &breaks {
        let mut at = messages * tenths / 10;
        let moved = loop {
            cluster.sql("DROP SCHEMA ewmirror CASCADE").unwrap();
            proxy.at(Place::Message(at), act);
            let moved = removal.move_to(&from, &to);
            let has_gone_on = told(&moved).contains("; the move goes on in 1 s");
            if has_gone_on || !moved.status.success() {
                break moved;
            }
            // How many messages a move takes depends on how slow it is, since it renews its leases: this one
            // broke where nobody waited for the answer any more, or was over before.
            assert_eq!(removal.printed(&cluster.url()), printed, "{tenths}");
            assert!(at > 1, "{tenths}: {}", told(&moved));
            at = at * 9 / 10;
        };
        if told(&moved).contains("; the move goes on in 1 s") {
            assert!(moved.status.success(), "{tenths}: {}", told(&moved));
            went_on += 1;
        } else {
            // What fails at the beginning is told at once, and the same command goes on.
            assert_eq!(moved.status.code(), Some(1), "{tenths}: {}", told(&moved));
            let again = removal.move_to(&from, &to);
            assert!(again.status.success(), "{tenths}: {}", told(&again));
        }
        assert_eq!(removal.printed(&cluster.url()), printed, "{tenths}");
    }
    assert!(went_on * 2 > breaks.len(), "it went on {went_on} times of {}", breaks.len());
}

/// The most memory that a move has had, in bytes.
fn memory_of_a_move(removal: &Removal, from: &str, to: &str) -> u64 {
    let mut command = ewmirror(["--config"]);
    command.arg(removal.config(from)).args(["move", "--to", to]);
    let mut running = command.stdout(Stdio::null()).spawn().expect("it starts");
    let mut most = 0;
    while running.try_wait().expect("it can be waited for").is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", running.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        most = most.max(kib.unwrap_or_default() << 10);
        pause(Duration::from_millis(5));
    }
    assert!(running.wait().expect("it ended").success(), "{from} to {to}");
    most
}

#[test]
fn a_move_of_three_times_the_rows_takes_no_more_memory() {
    let check = "the memory of a move";
    if !is_thorough() {
        return skipped(check, "it takes a minute: THOROUGH has it measured");
    }
    let Some(cluster) = cluster(check, &[]) else { return };
    let [small, large] = [8000, 24_000].map(|items| {
        let sim = Sim::start(repositories(&[(1, items), (2, 1), (3, 1)]));
        let removal = Removal { sim, folder: TempDir::new().expect("a directory for the test") };
        let from = format!("sqlite://{}/from.db", removal.folder.path().display());
        let back = format!("sqlite://{}/to.db", removal.folder.path().display());
        let mut setup = removal.setup(&from);
        setup.paging = "page_size = 1000\npage_interval = '0s'".to_owned();
        let ended = Daemon::start(&["once"], &setup).finish();
        assert!(ended.status.success(), "{:?}", ended.events.last());
        cluster.sql("DROP SCHEMA IF EXISTS ewmirror CASCADE").unwrap();
        let there = memory_of_a_move(&removal, &from, &cluster.url());
        (there, memory_of_a_move(&removal, &cluster.url(), &back))
    });
    println!("{small:?} bytes for 8,000 items, {large:?} for 24,000: there, and back");
    // From some thousands of rows on what is in hand at once is as large as it gets. What there is more
    // of is 60 MB: an item of 2 KB is in the mirror, and in the log.
    assert!(large.0 < small.0 + (16 << 20), "to PostgreSQL: {small:?}, then {large:?}");
    assert!(large.1 < small.1 + (16 << 20), "from PostgreSQL: {small:?}, then {large:?}");
}
