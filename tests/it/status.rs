//! `status`: what it shows of a running daemon, of the database alone, and where there is neither.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::servers::{Parrot, Wiretap};
use crate::support::{
    Daemon, Ended, Event, Setup, Sim, eventually, is_so, kept, repositories, sim,
};

/// Settings that the tests' usual file has not, or has otherwise.
#[derive(Clone)]
struct Place {
    listen: String,
    mirror: String,
    /// The daemon's runtime directory.
    runtime: Arc<TempDir>,
}

impl Place {
    fn new(listen: impl Into<String>) -> Self {
        let runtime = Arc::new(TempDir::new().expect("a directory for the test"));
        Self { listen: listen.into(), mirror: "none".to_owned(), runtime }
    }

    fn free() -> Self {
        Self::new(format!("127.0.0.1:{}", sim::free_port()))
    }

    fn set(&self, command: &mut Command) {
        command.env("EWMIRROR_STATUS__LISTEN", &self.listen);
        command.env("EWMIRROR_MIRROR__URL", &self.mirror);
        command.env("RUNTIME_DIRECTORY", self.runtime.path());
    }

    fn run(&self, setup: &Setup) -> Daemon {
        Daemon::start_with(&["run"], setup, |command| self.set(command))
    }

    /// `status` by somebody who has no password.
    fn status(&self, arguments: &[&str]) -> Ended {
        let arguments = [&["status"], arguments].concat();
        let setup = Setup {
            repositories: vec!["id = 1\nname = 'Products'".to_owned()],
            ..Setup::new("http://127.0.0.1:1")
        };
        let start = |command: &mut Command| {
            self.set(command);
            command.env_remove("EWMIRROR_LOGIN__PASSWORD");
        };
        Daemon::start_with(&arguments, &setup, start).finish()
    }

    fn document(&self) -> Value {
        let ended = self.status(&["--json"]);
        serde_json::from_slice(&ended.stdout).expect("the document is JSON")
    }

    fn page(&self) -> String {
        let ended = self.status(&[]);
        String::from_utf8(ended.stdout).expect("the page is text")
    }
}

fn stderr(ended: &Ended) -> String {
    ended.events.iter().map(|event| event.line.as_str()).collect::<Vec<_>>().join("\n")
}

/// Reads repository 1 once and rests.
fn setup(sim: &Sim) -> Setup {
    Setup { repositories: vec!["id = 1\nname = 'Products'".to_owned()], ..Setup::new(sim.url()) }
}

#[test]
fn status_shows_what_the_running_daemon_does() {
    let directory = TempDir::new().unwrap();
    let socket = format!("unix:{}/status.sock", directory.path().display());
    for place in [Place::free(), Place::new(socket)] {
        let sim = Sim::start(repositories(&[(1, 250)]));
        let daemon = place.run(&setup(&sim));
        daemon.wait_for_pass(1, 1);
        let document = place.document();
        assert_eq!(document["daemon"]["signed_in"], true);
        assert_eq!(document["daemon"]["sign_in"], "signed in");
        assert_eq!(document["daemon"]["logins"], 1);
        assert_eq!(document["mirror"]["url"], "none");
        let repository = &document["repositories"][0];
        assert_eq!((&repository["id"], &repository["name"]), (&1.into(), &"Products".into()));
        assert_eq!(repository["iteration"], 1);
        assert_eq!(repository["total"], 250);
        assert_eq!(repository["last_certified"]["iteration"], 1);
        assert!(repository["certified_age_ms"].as_u64().unwrap() < 60_000, "{repository}");
        let page = place.page();
        let first = page.lines().next().unwrap();
        assert!(first.starts_with("ewmirror ") && first.ends_with(", signed in"), "{page}");
        assert!(page.contains("\n1 Products: last certified pass "), "{page}");
        assert!(page.contains("; resting after pass 1\n"), "{page}");
        daemon.stop();
        let ended = place.status(&[]);
        assert_eq!(ended.status.code(), Some(1));
        assert!(stderr(&ended).contains("the daemon does not run: nobody listens at "));
        assert_eq!(place.runtime.path().read_dir().unwrap().count(), 0);
    }
    assert_eq!(directory.path().read_dir().unwrap().count(), 0, "the socket was left behind");
}

#[test]
fn a_session_that_is_refused_and_not_renewed_yet_is_told_as_none_at_all() {
    // Refused while it stood; and refused while the login that was to replace it in time fails.
    for max_age in ["1h", "1s"] {
        let place = Place::free();
        let sim = Sim::start(repositories(&[(1, 10)]));
        sim.fault("login", "e500", 1, 1_000_000);
        let session = format!("reauth_interval = '50ms'\nmax_age = '{max_age}'");
        let mut setup = Setup { session, ..setup(&sim) };
        setup.paging = setup.paging.replace("'1h'", "'20ms'");
        let daemon = place.run(&setup);
        daemon.wait_for_pass(1, 1);
        let failed = |it: &Event| it.is("request failed") && it.text("endpoint") == "login";
        if max_age == "1s" {
            daemon.wait_for(failed);
        }
        let before = place.document();
        assert_eq!(before["daemon"]["signed_in"], true, "{before}");
        assert_eq!(before["daemon"]["signed_out_ms"], Value::Null, "{before}");
        sim.door("end-sessions", &json!({}));
        let refused = daemon.wait_for(|it| it.is("request refused") || it.is("request failed"));
        daemon.wait_from(refused.index, failed);
        let document = await_document(&place, |daemon| daemon["signed_in"] == false);
        let told = &document["daemon"];
        assert_eq!(told["sign_in"], "renewing", "{document}");
        let out = told["signed_out_ms"].as_u64().unwrap();
        assert!(out < told["uptime_ms"].as_u64().unwrap(), "{document}");
        let metrics = sim::request(place.listen.parse().unwrap(), "GET", "/metrics", "").1;
        assert!(metrics.contains("\newmirror_signed_in 0\n"), "{metrics}");
        let page = place.page();
        assert!(page.contains(", NOT signed in for "), "{page}");
        sim.heal();
        daemon.wait_for(|it| it.is("session renewed"));
        let after = await_document(&place, |daemon| daemon["signed_in"] == true);
        assert_eq!(after["daemon"]["signed_out_ms"], Value::Null, "{after}");
        daemon.stop();
    }
}

/// The document, once its daemon stands like this.
fn await_document(place: &Place, stands: impl Fn(&Value) -> bool) -> Value {
    eventually(|| {
        let document = place.document();
        is_so(stands(&document["daemon"]), || document.to_string()).map(|()| document)
    })
}

#[test]
fn status_shows_a_pass_under_way_and_a_reload() {
    let place = Place::free();
    let sim = Sim::start(repositories(&[(1, 5000), (2, 100)]));
    let slow = Setup { paging: "page_size = 100\npage_interval = '1s'".to_owned(), ..setup(&sim) };
    let daemon = place.run(&slow);
    daemon.wait_for(|it| it.is_of("page read", 1));
    let document = place.document();
    let repository = &document["repositories"][0];
    assert_eq!(repository["state"], "paging", "{repository}");
    assert!(repository["pages"].as_u64().unwrap() >= 1, "{repository}");
    assert_eq!(repository["certified_age_ms"], Value::Null);
    assert!(place.page().contains("1 Products: no certified pass yet; pass 1 under way, page "));
    daemon.reload(&Setup { repositories: vec!["id = 2".to_owned()], ..slow });
    daemon.wait_for(|it| it.is_of("page read", 2));
    // The document of a moment ago may still be the answer.
    eventually(|| {
        let document = place.document();
        let repositories = document["repositories"].as_array().unwrap();
        let shown: Vec<_> = repositories.iter().map(|it| it["id"].as_u64().unwrap()).collect();
        is_so(shown == [2], || format!("{shown:?}"))
    });
    daemon.stop();
}

#[test]
fn without_a_daemon_there_is_nobody_to_ask() {
    let place = Place::new("off");
    let ended = place.status(&[]);
    assert_eq!((ended.status.code(), ended.stdout.len()), (Some(1), 0));
    let told = stderr(&ended);
    let nobody = format!("nobody listens at {}/control.sock", place.runtime.path().display());
    assert!(told.contains(&nobody) && told.contains("mirror.url"), "{told}");
    let place = Place::new(format!("unix:{}", "/nonexistent/status.sock"));
    let told = stderr(&place.status(&["--json"]));
    assert!(told.contains("the daemon does not run: nobody listens at "), "{told}");
    assert!(told.contains(", nor at /nonexistent/status.sock"), "{told}");
}

#[test]
fn somebody_at_the_address_is_neither_believed_nor_taken_for_a_sign_that_nothing_runs() {
    // The document of a daemon that is well, by anybody.
    let liar = Parrot::start(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"version\":\"0.1.0\",\"daemon\":{\"pid\":1},\
          \"mirror\":{\"url\":\"none\"},\"repositories\":[]}",
    );
    let place = Place::new(liar.url().replace("http://", ""));
    let ended = place.status(&[]);
    assert_eq!((ended.status.code(), ended.stdout.len()), (Some(1), 0));
    let told = stderr(&ended);
    assert!(told.contains("no daemon can be asked: nobody listens at "), "{told}");
    assert!(told.contains("that may be anybody"), "{told}");

    // Also where a daemon runs that came second: it is the one that answers.
    let sim = Sim::start(repositories(&[(1, 10)]));
    let daemon = place.run(&setup(&sim));
    daemon.wait_for_pass(1, 1);
    let document = place.document();
    assert_eq!(document["daemon"]["pid"], daemon.process(), "{document}");
    daemon.stop();
}

#[test]
fn a_port_that_is_taken_is_told_and_had_once_it_is_free() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let place = Place::new(address.to_string());
    let sim = Sim::start(repositories(&[(1, 250)]));
    let daemon = place.run(&setup(&sim));
    let told = daemon.wait_for(|it| it.is("status endpoint unavailable"));
    assert_eq!(told.level(), "WARN");
    let who = format!("another program listens at {address} (process {} (", std::process::id());
    assert!(told.text("error").contains(&who), "{}", told.line);
    assert!(told.text("remedy").contains("another address"), "{}", told.line);
    // It costs the daemon nothing, and its own commands neither.
    daemon.wait_for_pass(1, 1);
    assert_eq!(place.document()["daemon"]["signed_in"], true);
    drop(taken);
    let there = daemon.wait_for(|it| it.is("status endpoint available"));
    assert_eq!(there.text("listen"), address.to_string());
    let (status, health) = sim::request(address, "GET", "/healthz", "");
    assert_eq!((status, health.trim()), (200, "ok"));
    let ended = daemon.stop();
    assert_eq!(ended.all("status endpoint unavailable").len(), 1);
    assert_eq!(ended.all("status endpoint available").len(), 1);
}

#[test]
fn of_two_daemons_at_one_address_the_second_gets_on_without() {
    let place = Place::free();
    let second = Place { runtime: Arc::new(TempDir::new().unwrap()), ..place.clone() };
    let sim = Sim::start(repositories(&[(1, 250)]));
    let first = place.run(&setup(&sim));
    first.wait_for_pass(1, 1);
    let other = second.run(&setup(&sim));
    other.wait_for(|it| it.is("status endpoint unavailable"));
    other.wait_for_pass(1, 1);
    assert_eq!(place.document()["daemon"]["pid"], first.process());
    assert_eq!(second.document()["daemon"]["pid"], other.process());
    other.stop();
    assert_eq!(place.document()["daemon"]["signed_in"], true, "the first one was disturbed");
    first.stop();
}

#[test]
fn a_place_where_nobody_can_listen_ends_nothing() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("precious");
    std::fs::write(&file, "").unwrap();
    let folder = directory.path().join("later");
    let sim = Sim::start(repositories(&[(1, 10)]));
    let socket = folder.join("status.sock");
    for (listen, remedy) in [
        ("192.0.2.1:9464".to_owned(), "choose an address that this machine has"),
        (format!("unix:{}", file.display()), "take that file away"),
        (format!("unix:{}", socket.display()), "make the folder"),
    ] {
        let daemon = Place::new(listen).run(&setup(&sim));
        let told = daemon.wait_for(|it| it.is("status endpoint unavailable"));
        assert!(told.text("remedy").contains(remedy), "{}", told.line);
        daemon.wait_for_pass(1, 1);
        if remedy == "make the folder" {
            std::fs::create_dir(&folder).unwrap();
            daemon.wait_for(|it| it.is("status endpoint available"));
            assert!(socket.exists());
        }
        daemon.stop();
    }
    assert!(file.exists() && !socket.exists());
}

#[test]
fn once_serves_no_status() {
    let place = Place::free();
    let taken = TcpListener::bind(&place.listen).unwrap();
    let sim = Sim::start(repositories(&[(1, 10)]));
    let ended = Daemon::start_with(&["once"], &setup(&sim), |command| place.set(command)).finish();
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.all("status endpoint unavailable").is_empty());
    drop(taken);
}

#[test]
fn no_answer_of_the_endpoint_holds_a_secret() {
    let place = Place::free();
    let sim = Sim::start(repositories(&[(1, 250)]));
    let tap = Wiretap::start(sim.address());
    let daemon = place.run(&Setup { url: tap.url(), ..setup(&sim) });
    daemon.wait_for_pass(1, 1);
    let mut told = vec![place.document().to_string(), place.page()];
    let address = place.listen.parse().unwrap();
    for path in ["/status", "/healthz", "/readyz", "/metrics"] {
        told.push(sim::request(address, "GET", path, "").1);
    }
    let tokens = tap.tokens();
    assert!(tokens.len() >= 2, "{tokens:?}");
    for text in told {
        // The password is the name of the user, too, which is no secret but is not told either.
        assert!(!text.contains("\"system\"") && !text.contains("password"), "{text}");
        assert!(tokens.iter().all(|token| !text.contains(token.as_str())), "{text}");
    }
    daemon.stop();
}

/// A database as a daemon leaves it that ended in the middle of pass 2.
fn database(path: &Path) -> rusqlite::Result<()> {
    let connection = rusqlite::Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.execute_batch(&kept::MIGRATIONS.concat())?;
    connection.execute_batch(
        "INSERT INTO repository VALUES (1, 250, 1, 1, 1772366400000);
             INSERT INTO pass (repository, iteration, started_ms, ended_ms, pages, distinct_ids,
                 created, certified, reason) VALUES
                 (1, 1, 1772366300000, 1772366400000, 3, 250, 250, 1, NULL),
                 (1, 2, 1772366500000, NULL, 2, 200, 0, 0, NULL);",
    )?;
    kept::hold(&connection, 0..100);
    connection.pragma_update(None, "application_id", u32::from_be_bytes(*b"ewmi"))?;
    connection.pragma_update(None, "user_version", kept::SCHEMA_VERSION)
}

#[test]
fn the_database_alone_tells_what_it_knows() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("mirror.db");
    database(&path).unwrap();
    let mirror = format!("sqlite://{}", path.display());
    let place = Place { mirror: mirror.clone(), ..Place::free() };
    let document = place.document();
    assert_eq!(document["daemon"], Value::Null);
    assert_eq!(document["mirror"]["url"], mirror);
    let repository = &document["repositories"][0];
    assert_eq!((&repository["items"], &repository["suspects"]), (&250.into(), &3.into()));
    assert_eq!(repository["held_deletions"]["count"], 100);
    assert_eq!(repository["passes"].as_array().unwrap().len(), 2);
    let page = place.page();
    let beside = format!(", nor at {}.sock\n", path.display());
    assert!(page.starts_with("the daemon does not run: nobody listens at /"), "{page}");
    assert!(page.contains(&beside), "{page}");
    assert!(page.contains("(pass 1), 250 items; pass 2 has not ended, page 2"), "{page}");
    assert!(page.contains(" approve-deletes --repository 1\n"), "{page}");

    // A daemon that keeps another mirror does not answer for this one.
    let sim = Sim::start(repositories(&[(1, 10)]));
    let daemon = Place { mirror: "none".to_owned(), ..place.clone() }.run(&setup(&sim));
    daemon.wait_for_pass(1, 1);
    let ended = place.status(&["--json"]);
    assert!(stderr(&ended).contains("keeps another mirror: none, not sqlite:///"));
    let document: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!((&document["daemon"], &document["mirror"]["url"]), (&Value::Null, &mirror.into()));
    daemon.stop();
}
