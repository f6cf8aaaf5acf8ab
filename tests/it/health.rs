//! What is wrong is seen at once, wherever one looks, and goes when it is over: on the terminal, in
//! the document, by the exit status, at `/readyz`, in the metrics and in the service manager's line.

use std::net::SocketAddr;
use std::process::Command;

use ewmirror::simulator::Options;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::notify::{Manager, is_status};
use crate::support::{
    Daemon, Kept, Setup, Sim, eventually, is_so, repositories, sim, write_secret,
};

/// A daemon that is looked at from all sides.
pub(crate) struct Watched {
    pub(crate) daemon: Daemon,
    pub(crate) manager: Manager,
    setup: Setup,
    pub(crate) address: SocketAddr,
    /// Where the daemon listens to commands.
    runtime: TempDir,
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) exit: Option<i32>,
    pub(crate) text: String,
    pub(crate) document: Value,
    pub(crate) ready: (u16, String),
    metrics: String,
}

impl Seen {
    fn health(&self) -> &str {
        self.document["health"].as_str().expect("a document has its health")
    }

    fn problems(&self) -> &Vec<Value> {
        self.document["problems"].as_array().expect("a document has its problems")
    }

    /// The scopes of the problems, worst first.
    fn scopes(&self) -> Vec<&str> {
        self.problems().iter().filter_map(|it| it["scope"].as_str()).collect()
    }

    pub(crate) fn metric(&self, sample: &str) -> &str {
        let found =
            self.metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no {sample} in {}", self.metrics))
    }

    /// Nothing is wrong, whoever looks.
    fn is_well(&self) -> bool {
        self.exit == Some(0)
            && self.health() == "ok"
            && self.problems().is_empty()
            && self.text.starts_with("ewmirror ")
            && self.ready.0 == 200
            && self.metric("ewmirror_server_reachable") == "1"
            && self.metric("ewmirror_failing") == "0"
            && self.scopes_counted() == 0
    }

    fn scopes_counted(&self) -> u64 {
        let scopes = ["server", "login", "mirror", "deletes", "repository", "feed"];
        let count = |scope| {
            let sample = format!("ewmirror_problems{{scope=\"{scope}\"}}");
            self.metric(&sample).parse::<u64>().expect("a number")
        };
        scopes.map(count).iter().sum()
    }

    /// The one problem, which is shown alike everywhere: its scope, its words, its remedy.
    fn expect(&self, health: &str, scope: &str, words: &[&str]) -> &Value {
        assert_eq!(
            (self.exit, self.health(), self.scopes()),
            (Some(1), health, vec![scope]),
            "{self:#?}"
        );
        let problem = &self.problems()[0];
        let error = problem["error"].as_str().expect("an error is text");
        for word in words {
            assert!(error.contains(word), "{word} in {error}");
        }
        let remedy = problem["remedy"].as_str().expect("a remedy is text");
        assert!(!remedy.is_empty(), "{problem}");
        assert!(problem["since_ms"].is_u64() && problem["failures"].is_u64(), "{problem}");
        let lines: Vec<_> = self.text.lines().take(4).collect();
        let first = if health == "failing" { "FAILING: " } else { "DEGRADED: " };
        assert!(lines[0].starts_with(first) && lines[1].contains(error), "{lines:#?}");
        assert!(lines[2].trim().starts_with("for ") && lines[3].contains(remedy), "{lines:#?}");
        assert_eq!(self.metric(&format!("ewmirror_problems{{scope=\"{scope}\"}}")), "1");
        let failing = self.metric("ewmirror_failing") == "1";
        assert_eq!(failing, health == "failing");
        if failing {
            assert_eq!(self.ready.0, 503);
            assert!(
                self.ready.1.contains(error) && self.ready.1.contains(remedy),
                "{:?}",
                self.ready
            );
        }
        problem
    }
}

impl Watched {
    /// Passes follow each other at once, and failed requests are soon made again.
    pub(crate) fn start(setup: Setup) -> Self {
        Self::start_with(setup, |_| {})
    }

    fn start_with(mut setup: Setup, change: impl FnOnce(&mut Command)) -> Self {
        let address: SocketAddr =
            format!("127.0.0.1:{}", sim::free_port()).parse().expect("an address");
        setup.status = format!("listen = '{address}'");
        setup.paging = setup.paging.replace("'1h'", "'50ms'");
        let manager = Manager::start();
        let runtime = TempDir::new().expect("a directory for the test");
        let daemon = Daemon::start_with(&["run"], &setup, |command| {
            manager.watch(command);
            command.env("RUNTIME_DIRECTORY", runtime.path());
            change(command);
        });
        // It listens before it says so.
        daemon.wait_for(|it| it.is("starting"));
        Self { daemon, manager, setup, address, runtime }
    }

    fn look(&self) -> Seen {
        let status = |arguments: &[&str]| {
            let ended = Daemon::start_with(arguments, &self.setup, |command| {
                command.env("RUNTIME_DIRECTORY", self.runtime.path());
            })
            .finish();
            (ended.status.code(), String::from_utf8(ended.stdout).expect("our output is UTF-8"))
        };
        let get = |path| sim::request(self.address, "GET", path, "");
        let (exit, text) = status(&["status"]);
        let document = serde_json::from_str(&status(&["status", "--json"]).1);
        Seen {
            exit,
            text,
            document: document.unwrap_or(json!({"health": "none", "problems": []})),
            ready: get("/readyz"),
            metrics: get("/metrics").1,
        }
    }

    /// Looks until all sides show this.
    pub(crate) fn look_until(&self, what: impl Fn(&Seen) -> bool) -> Seen {
        eventually(|| {
            let seen = self.look();
            is_so(what(&seen), || format!("{seen:#?}\n{}", self.daemon.tail())).map(|()| seen)
        })
    }

    fn wait_until_well(&self) {
        self.look_until(Seen::is_well);
    }

    /// Looks until all sides show one problem of this scope.
    fn wait_until_wrong(&self, scope: &str) -> Seen {
        let sample = format!("ewmirror_problems{{scope=\"{scope}\"}}");
        self.look_until(|seen| {
            let text = seen.text.starts_with("FAILING") || seen.text.starts_with("DEGRADED");
            seen.scopes() == [scope] && text && seen.metric(&sample) == "1"
        })
    }

    /// The service manager's line begins with this.
    fn wait_until_told(&self, begins: &str) {
        self.manager
            .wait_for(|it| it.strip_prefix("STATUS=").is_some_and(|it| it.starts_with(begins)));
    }
}

#[test]
fn a_server_that_dies_is_told_with_its_address_until_it_is_back() {
    let options = repositories(&[(1, 150), (2, 150)]);
    let (sim, port) = Sim::start_to_return(&options);
    let setup = Setup {
        repositories: vec!["id = 1\nname = 'Products'".to_owned(), "id = 2".to_owned()],
        ..Setup::new(sim.url())
    };
    let watched = Watched::start(setup);
    watched.daemon.wait_for_pass(1, 1);
    watched.daemon.wait_for_pass(2, 1);
    watched.wait_until_well();
    sim.stop();
    let seen = watched.wait_until_wrong("server");
    let address = format!("127.0.0.1:{port}");
    let problem = seen.expect("failing", "server", &["no connection", &address, "refused"]);
    assert_eq!(problem["repository"], Value::Null, "once, however many meet it");
    assert!(problem["retry_in_ms"].is_u64(), "{problem}");
    assert_eq!(seen.metric("ewmirror_server_reachable"), "0");
    watched.manager.wait_for(|it| {
        is_status(it) && it.split(" | ").next().is_some_and(|first| first.contains(&address))
    });
    let sim = Sim::start(Options { port, ..options });
    watched.wait_until_well();
    watched.wait_until_told("1: ");
    watched.daemon.stop();
    drop(sim);
}

#[test]
fn a_proxy_that_is_dead_is_named_with_the_variable_that_names_it() {
    let proxy = format!("127.0.0.1:{}", sim::free_port());
    let watched = Watched::start_with(Setup::new("http://pim.invalid:81"), |command| {
        command.env("http_proxy", format!("http://user:secret@{proxy}"));
    });
    let seen = watched.wait_until_wrong("server");
    let way = format!("no connection: {proxy}, the http proxy that http_proxy names");
    seen.expect("failing", "server", &[&way]);
    assert!(!format!("{seen:?}").contains("secret"), "{seen:?}");
    watched.daemon.stop();
}

#[test]
fn a_repository_that_does_not_exist_is_told_and_the_others_go_on() {
    let sim = Sim::start(repositories(&[(1, 150)]));
    let setup = Setup::new(sim.url());
    let both = vec!["id = 1".to_owned(), "id = 404\nname = 'Gone'".to_owned()];
    let mut watched = Watched::start(Setup { repositories: both, ..setup.clone() });
    watched.daemon.wait_for_pass(1, 1);
    let seen = watched.wait_until_wrong("repository");
    let problem = seen.expect("degraded", "repository", &["search "]);
    assert_eq!(problem["repository"], 404);
    assert!(seen.text.contains("\n  repository 404 Gone: search "), "{}", seen.text);
    assert_eq!(seen.ready.0, 503, "it has no certified pass");
    watched.wait_until_told("repository 404: search ");
    watched.setup.repositories = setup.repositories;
    watched.daemon.reload(&watched.setup);
    watched.wait_until_well();
    watched.daemon.stop();
}

#[test]
fn a_repository_that_is_alone_and_does_not_exist_is_all_there_is() {
    let sim = Sim::start(repositories(&[(1, 150)]));
    let alone = Setup { repositories: vec!["id = 404".to_owned()], ..Setup::new(sim.url()) };
    let watched = Watched::start(alone);
    let seen = watched.wait_until_wrong("repository");
    seen.expect("failing", "repository", &["search "]);
    watched.daemon.stop();
}

#[test]
fn a_wrong_password_is_told_until_the_right_one_is_there() {
    let sim = Sim::start(Options { password: "right".to_owned(), ..repositories(&[(1, 150)]) });
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("password");
    // Whoever else looks at it does not want others to read it.
    let give = |password: &str| write_secret(&file, password);
    give("wrong");
    let login = format!("username = 'system'\npassword_file = '{}'", file.display());
    let watched = Watched::start(Setup { login, ..Setup::new(sim.url()) });
    let seen = watched.wait_until_wrong("login");
    let words = ["login denied", "unauthorized please see enable-api logs"];
    let problem = seen.expect("failing", "login", &words);
    assert!(problem["remedy"].as_str().unwrap().contains("password"), "{problem}");
    assert_eq!(seen.metric("ewmirror_login_denied"), "1");
    assert_eq!(seen.metric("ewmirror_server_reachable"), "1");
    watched.wait_until_told("login denied");
    give("right");
    watched.daemon.reload(&watched.setup);
    watched.wait_until_well();
    watched.daemon.stop();
}

#[test]
fn held_deletions_are_told_with_the_command_that_approves_them_until_it_is_given() {
    let sim = Sim::start(repositories(&[(1, 200)]));
    let kept = Kept::new(&sim);
    let watched = Watched::start(kept.setup());
    watched.daemon.wait_for_pass(1, 1);
    watched.wait_until_well();
    sim.door("edit", &json!({"repository": 1, "clear": 0.75}));
    let seen = watched.wait_until_wrong("deletes");
    let problem = seen.expect("degraded", "deletes", &["150 deletions held back"]);
    assert_eq!((&problem["repository"], &problem["failures"]), (&1.into(), &150.into()));
    let approve = format!("{} approve-deletes --repository 1", watched.daemon.command());
    let remedy = problem["remedy"].as_str().unwrap();
    assert!(
        remedy.ends_with(&approve) && remedy.contains(&format!("{approve} --list")),
        "{remedy}"
    );
    watched.wait_until_told("repository 1: 150 deletions held back");
    kept.approve(1);
    watched.wait_until_well();
    watched.daemon.stop();
}

#[test]
fn once_has_failed_where_deletions_are_held() {
    let sim = Sim::start(repositories(&[(1, 200)]));
    let kept = Kept::new(&sim);
    assert_eq!(Daemon::start(&["once"], &kept.setup()).finish().status.code(), Some(0));
    sim.door("edit", &json!({"repository": 1, "clear": 0.75}));
    let ended = Daemon::start(&["once"], &kept.setup()).finish();
    let last = &ended.events.last().unwrap().line;
    assert_eq!(ended.status.code(), Some(1), "{last}");
    assert!(last.contains("repository 1: 150 deletions held back"), "{last}");
    assert!(last.contains("approve-deletes --repository 1"), "{last}");
}

#[test]
fn a_mirror_that_cannot_be_written_is_told_until_it_can() {
    let sim = Sim::start(repositories(&[(1, 150)]));
    let kept = Kept::new(&sim);
    let watched = Watched::start(kept.setup());
    watched.daemon.wait_for_pass(1, 1);
    let other = rusqlite::Connection::open(kept.database()).unwrap();
    other.execute_batch("PRAGMA busy_timeout = 60000; BEGIN IMMEDIATE").unwrap();
    let seen = watched.wait_until_wrong("mirror");
    let database = kept.database();
    seen.expect("failing", "mirror", &[database.to_str().unwrap()]);
    other.execute_batch("ROLLBACK").unwrap();
    watched.wait_until_well();
    watched.daemon.stop();
}

#[test]
fn passes_that_prove_nothing_are_told_from_the_second_in_a_row_on() {
    let sim = Sim::start(repositories(&[(1, 150)]));
    let mut setup = Setup::new(sim.url());
    setup.paging.push_str("\noverlap = false");
    let watched = Watched::start(setup);
    watched.daemon.wait_for_pass(1, 2);
    let seen = watched.wait_until_wrong("repository");
    let words = ["passes in a row were not certified", "plain pages prove nothing"];
    seen.expect("degraded", "repository", &words);
    watched.daemon.stop();
}

#[test]
fn a_daemon_that_does_not_run_is_told_with_the_command_that_starts_it() {
    let sim = Sim::start(repositories(&[(1, 150)]));
    let kept = Kept::new(&sim);
    let watched = Watched::start(kept.setup());
    watched.daemon.wait_for_pass(1, 1);
    watched.daemon.stop();
    let ended = Daemon::start(&["status"], &kept.setup()).finish();
    let text = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{text}");
    assert!(text.starts_with("the daemon does not run: nobody listens at "), "{text}");
    assert!(text.lines().nth(1).unwrap().contains("start it: ewmirror --config "), "{text}");
    let document = kept.status();
    assert_eq!(document["health"], "failing", "{document}");
    let problem = &document["problems"][0];
    assert!(problem["error"].as_str().unwrap().contains("does not run"), "{problem}");
    assert_eq!((&problem["scope"], &document["daemon"]), (&"mirror".into(), &Value::Null));
}
