//! `doctor`: what it says of a healthy machine, and of each thing that can be wrong.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::process::Command;
use std::sync::Arc;

use ewmirror::simulator::{Options, SimulatedModel};
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;

use crate::support::daemon::{config_file, ewmirror, output};
use crate::support::shop::SECRET;
use crate::support::{Daemon, Kept, Setup, Sim, repositories, sim, write_secret};

/// What a doctor said.
#[derive(Debug)]
struct Said {
    exit: Option<i32>,
    lines: Vec<String>,
}

impl Said {
    fn of(command: &mut Command) -> Self {
        let output = output(command);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(!text.contains('\u{1b}'), "no colour in a pipe: {text}");
        Self { exit: output.status.code(), lines: text.lines().map(str::to_owned).collect() }
    }

    fn by(setup: &Setup) -> Self {
        Self::with(&setup.toml(), |_| {})
    }

    fn with(toml: &str, change: impl FnOnce(&mut Command)) -> Self {
        let directory = TempDir::new().expect("a directory for the test");
        let file = config_file(directory.path());
        fs::write(&file, toml).expect("the configuration can be written");
        let mut command = ewmirror(["doctor", "--config", file.to_str().expect("a plain name")]);
        change(&mut command);
        Self::of(&mut command)
    }

    /// The verdicts and the checks in their order.
    fn verdicts<'a>(&'a self) -> Vec<(&'a str, &'a str)> {
        let split = |line: &'a String| {
            let (verdict, rest) = line.split_once(' ').expect("a line has a verdict");
            let (check, _) = rest.trim_start().split_once("  ").expect("a line has a check");
            (verdict, check)
        };
        self.lines.iter().map(split).collect()
    }

    /// The only line of this check.
    fn line(&self, check: &str) -> &str {
        let of_check = |(_, (_, found)): &(&String, (&str, &str))| *found == check;
        let found: Vec<_> = self.lines.iter().zip(self.verdicts()).filter(of_check).collect();
        assert_eq!(found.len(), 1, "{check}: {self:#?}");
        found[0].0
    }

    /// Asserts the verdict of a check and what its line holds.
    fn expect(&self, check: &str, verdict: &str, parts: &[&str]) {
        let line = self.line(check);
        assert!(line.starts_with(verdict), "{verdict}: {line}");
        for part in parts {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}

#[test]
fn a_healthy_machine_is_looked_at_in_order_with_one_login() {
    let sim = Sim::start(repositories(&[(1, 150), (2, 10)]));
    let kept = Kept::new(&sim);
    let setup =
        Setup { repositories: vec!["id = 1".to_owned(), "id = 2".to_owned()], ..kept.setup() };
    let daemon = Daemon::run(&setup);
    daemon.wait_for_pass(1, 1);
    daemon.wait_for_pass(2, 1);
    daemon.stop();
    let before = sim.counts();
    let said = Said::by(&setup);
    assert_eq!(said.exit, Some(0), "{said:#?}");
    let checks: Vec<&str> = said.verdicts().iter().map(|(_, check)| *check).collect();
    let expected = [
        "configuration",
        "credential",
        "name resolution",
        "TCP",
        "TLS",
        "proxy",
        "login",
        "repository 1",
        "item id of 1",
        "repository 2",
        "item id of 2",
        "clock",
        "disk",
        "database",
        "daemon",
        "control socket",
        "systemd",
    ];
    assert_eq!(checks, expected);
    said.expect("configuration", "ok", &["2 repositories"]);
    said.expect("credential", "ok", &["environment variable EWMIRROR_LOGIN__PASSWORD"]);
    said.expect("TCP", "ok", &["connected to 127.0.0.1:", " ms"]);
    said.expect("TLS", "skip", &["plain http"]);
    said.expect("proxy", "ok", &["none"]);
    said.expect("login", "ok", &["signed in as system"]);
    said.expect("repository 1", "ok", &["100 of 150 items in "]);
    said.expect("item id of 2", "ok", &["found at /itemId"]);
    said.expect("clock", "ok", &["within "]);
    assert!(said.line("disk").contains(" free in "));
    said.expect("database", "ok", &["schema version ", "nobody has it open to write, sound"]);
    said.expect("daemon", "warn", &["does not run", "systemctl start ewmirror"]);
    let after = sim.counts();
    assert_eq!(
        (after.logins - before.logins, after.logouts - before.logouts, after.failed_logins),
        (1, 1, 0)
    );
}

#[test]
fn a_wrong_password_is_told_in_the_server_s_own_words_after_one_login() {
    let sim = Sim::start(Options { password: "another".to_owned(), ..repositories(&[(1, 10)]) });
    let toml = Setup::new(sim.url()).toml();
    let said = Said::with(&toml, |command| {
        command.env("EWMIRROR_LOGIN__PASSWORD", "Canary-pa55word");
    });
    assert_eq!(said.exit, Some(1));
    let words = ["unauthorized please see enable-api logs", "check login.username"];
    said.expect("login", "fail", &words);
    said.expect("repository 1", "skip", &["no session"]);
    said.expect("clock", "ok", &[]);
    said.expect("database", "skip", &["\"none\""]);
    assert!(!said.lines.concat().contains("Canary"), "{said:?}");
    let counts = sim.counts();
    assert_eq!((counts.logins, counts.failed_logins), (0, 1));
}

#[test]
fn where_nobody_listens_all_that_needs_a_connection_is_skipped() {
    let said = Said::by(&Setup::new(format!("http://127.0.0.1:{}", sim::free_port())));
    assert_eq!(said.exit, Some(1));
    said.expect("name resolution", "ok", &["127.0.0.1 is an address"]);
    said.expect("TCP", "fail", &["connection refused", "check the port in server.url"]);
    for check in ["TLS", "login", "repository 1", "item id of 1", "clock"] {
        said.expect(check, "skip", &["there is no connection"]);
    }
}

#[test]
fn a_name_that_nobody_knows_is_named() {
    let said = Said::by(&Setup::new("https://pim.invalid"));
    assert_eq!(said.exit, Some(1));
    said.expect("name resolution", "fail", &["pim.invalid: ", "check the host in server.url"]);
    said.expect("TCP", "skip", &["there is no address"]);
    said.expect("login", "skip", &[]);
}

/// A server with a certificate that it has made itself; it lives as long as the test process.
fn self_signed() -> String {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])
        .expect("a certificate can be made");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("its key is PKCS 8");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the usual versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("key and certificate belong together");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("https://{}", listener.local_addr().expect("a listener has an address"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut tls = rustls::ServerConnection::new(Arc::clone(&config))
                .expect("the configuration holds");
            // The client breaks it off, or never begins it.
            drop(tls.complete_io(&mut stream));
            drop(stream.shutdown(Shutdown::Both));
        }
    });
    url
}

#[test]
fn a_self_signed_certificate_says_what_to_set() {
    let said = Said::by(&Setup::new(self_signed()));
    assert_eq!(said.exit, Some(1));
    said.expect("TCP", "ok", &[]);
    let parts = ["issued by nobody trusted here", "UnknownIssuer", "set server.ca_file"];
    said.expect("TLS", "fail", &parts);
    said.expect("login", "skip", &["no secured connection"]);
}

#[test]
fn a_wrong_item_id_tells_the_members_that_there_are() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let mut setup = Setup::new(sim.url());
    setup.repositories = vec!["id = 1\nitem_id = '/nowhere'".to_owned()];
    let said = Said::by(&setup);
    assert_eq!(said.exit, Some(1));
    said.expect("repository 1", "ok", &["a page was read"]);
    let parts = ["no member at /nowhere", "its members are itemId", "; set item_id of that"];
    said.expect("item id of 1", "fail", &parts);
    assert_eq!(sim.counts().logouts, 1);
}

#[test]
fn a_repository_that_is_not_there_fails_alone() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let mut setup = Setup::new(sim.url());
    setup.repositories = vec!["id = 404".to_owned(), "id = 1".to_owned()];
    let said = Said::by(&setup);
    assert_eq!(said.exit, Some(1));
    said.expect("repository 404", "fail", &[]);
    said.expect("item id of 404", "skip", &[]);
    said.expect("repository 1", "ok", &["10 of 10 items"]);
    assert_eq!(sim.counts().logouts, 1);
}

#[test]
fn a_database_of_somebody_else_is_a_failure_and_stays_as_it_is() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let kept = Kept::new(&sim);
    for (text, part) in [
        (
            b"not a database, but long enough to be looked at as if it were one, and a header is a \
           hundred bytes" as &[u8],
            "is no SQLite database",
        ),
        (b"short", "is no SQLite database"),
    ] {
        fs::write(kept.database(), text).unwrap();
        let said = Said::by(&kept.setup());
        assert_eq!(said.exit, Some(1));
        said.expect("database", "fail", &[part, "move the file away"]);
        said.expect("login", "ok", &[]);
        assert_eq!(fs::read(kept.database()).unwrap(), text);
    }
    fs::remove_file(kept.database()).unwrap();
    let said = Said::by(&kept.setup());
    said.expect("database", "ok", &["there is no mirror at", "the daemon makes it"]);
    assert!(!kept.database().exists());
}

#[test]
fn a_running_daemon_is_found_through_its_socket_or_else_through_its_lock() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let kept = Kept::new(&sim);
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for_pass(1, 1);
    let toml = kept.setup().toml();

    let said = Said::with(&toml, |_| {});
    assert_eq!(said.exit, Some(0), "{said:#?}");
    let version = format!("version {} runs since 2", env!("CARGO_PKG_VERSION"));
    said.expect("daemon", "ok", &[&version, "process "]);
    said.expect("control socket", "ok", &["mirror.db.sock answers, user "]);
    said.expect("database", "ok", &["schema version ", "process ", " writes it, sound"]);

    // Somebody has taken the socket away.
    let aside = kept.beside(".aside");
    fs::rename(kept.beside(".sock"), &aside).unwrap();
    let said = Said::with(&toml, |_| {});
    said.expect("daemon", "warn", &["has the database since 2", "cannot be asked"]);
    said.expect("control socket", "warn", &["nobody listens at", "journalctl"]);
    fs::rename(&aside, kept.beside(".sock")).unwrap();
    let folder = kept.database().parent().unwrap().to_owned();
    fs::rename(kept.beside(".sock"), folder.join("control.sock")).unwrap();
    let said = Said::with(&toml, |command| {
        command.env("EWMIRROR_MIRROR__URL", "none").env("RUNTIME_DIRECTORY", &folder);
    });
    said.expect("control socket", "warn", &["keeps another mirror"]);
    fs::remove_file(folder.join("control.sock")).unwrap();
    daemon.stop();
}

#[test]
fn a_faulty_configuration_exits_2_and_the_rest_is_looked_at_all_the_same() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let toml = Setup::new(sim.url()).toml();
    let faulty = toml.replace("level = 'debug'", "level = 'loud'").replace("username", "usrname");
    let said = Said::with(&faulty, |_| {});
    assert_eq!(said.exit, Some(2));
    let told: Vec<&String> =
        said.lines.iter().filter(|line| line.starts_with("fail  configuration")).collect();
    assert_eq!(told.len(), 3, "{said:#?}");
    assert!(told.iter().any(|line| line.contains("log.level") && line.contains("\"loud\"")));
    said.expect("TCP", "ok", &[]);
    said.expect("login", "skip", &["the configuration is faulty"]);
    said.expect("daemon", "skip", &[]);
    assert_eq!(sim.counts().logins, 0);

    let said = Said::with("[server\n", |_| {});
    assert_eq!(said.exit, Some(2));
    said.expect("configuration", "fail", &["ewmirror.toml:1"]);
    said.expect("TCP", "skip", &[]);
    said.expect("systemd", "", &[]);
}

#[test]
fn a_password_beside_a_configuration_elsewhere_is_nobodys() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let directory = TempDir::new().unwrap();
    let file = config_file(directory.path());
    fs::write(&file, Setup::new(sim.url()).toml()).unwrap();
    fs::write(directory.path().join("password"), "system\n").unwrap();
    let mut command = ewmirror(["doctor", "--config", file.to_str().unwrap()]);
    command.env_remove("EWMIRROR_LOGIN__PASSWORD");
    let said = Said::of(&mut command);
    assert_eq!(said.exit, Some(2));
    let words = ["nobody gives the password", "/etc/ewmirror/password"];
    said.expect("credential", "fail", &words);
    assert_eq!(sim.counts().failed_logins, 0);
}

#[test]
fn a_proxy_is_named_without_its_password_and_is_what_is_connected_to() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let address = sim.address();
    let mut setup = Setup::new("http://pim.invalid");
    setup.server = format!("proxy = 'http://user:Canary@{address}'");
    let said = Said::by(&setup);
    said.expect("name resolution", "ok", &["the proxy 127.0.0.1 is an address"]);
    said.expect("proxy", "ok", &[&format!("http://{address}, as server.proxy says")]);
    assert!(!said.lines.concat().contains("Canary"), "{said:?}");

    let said = Said::with(&Setup::new("http://pim.invalid").toml(), |command| {
        command.env("http_proxy", format!("http://{address}"));
    });
    said.expect("proxy", "warn", &["in this environment says", "set server.proxy"]);
}

#[test]
fn languages_that_items_lack_are_a_hint_and_no_failure() {
    let sim = Sim::start(Options { model: SimulatedModel::None, ..repositories(&[(1, 50)]) });
    let kept = Kept::new(&sim);
    let file = kept.beside(".csv");
    let rows = "id,name,language\nF_1004601,Title,en\nF_99,Titel,de\n";
    fs::write(&file, rows).expect("the file can be written");
    let mut setup = kept.setup();
    setup.repositories = vec![format!("id = 1\nnames_file = '{}'", file.display())];
    let said = Said::by(&setup);
    let parts = ["items carry attributes in en", "in de as well", "userPreferenceId"];
    said.expect("hint for 1", "warn", &parts);
    assert_eq!(said.exit, Some(0), "{said:#?}");
    setup.repositories = vec!["id = 1".to_owned()];
    let said = Said::by(&setup);
    assert!(!said.lines.iter().any(|line| line.contains("hint for")), "{said:#?}");
}

#[test]
fn each_feed_is_looked_at_and_nothing_is_delivered() {
    let sim = Sim::start(repositories(&[(1, 20)]));
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("secret");
    write_secret(&secret, SECRET);
    let shop = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = shop.local_addr().unwrap().port();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = shop.accept().unwrap();
        let mut request = [0; 4096];
        let read = stream.read(&mut request).unwrap();
        stream.write_all(b"HTTP/1.1 405 No\r\ncontent-length: 0\r\n\r\n").unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let kept = Kept::new(&sim);
    let mut setup = kept.setup();
    let (path, nobody) = (folder.path().display(), sim::free_port());
    let key = format!("secret_file = '{}'", secret.display());
    for (name, keys) in [
        ("copy", format!("type = 'file'\npath = '{path}/copy.ndjson'")),
        ("lost", format!("type = 'file'\npath = '{path}/none/lost.ndjson'")),
        ("shop", format!("type = 'webhook'\nurl = 'http://127.0.0.1:{port}/T0PSECRET'\n{key}")),
        ("away", format!("type = 'webhook'\nurl = 'http://127.0.0.1:{nobody}/T0PSECRET'\n{key}")),
    ] {
        setup.mirror.extend(["\n[[feed]]\nname = '", name, "'\n", &keys, "\n"]);
    }
    let said = Said::by(&setup);
    let copy = said.line("feed copy");
    assert!(copy.starts_with("ok") && copy.contains("not there yet"), "{copy}");
    let lost = said.line("feed lost");
    assert!(lost.starts_with("fail") && lost.contains("make the folder"), "{lost}");
    let shop = said.line("feed shop");
    let expected =
        format!("http://127.0.0.1:{port}/*** answers (status 405); signs as v1, verified");
    assert!(shop.starts_with("ok") && shop.contains(&expected), "{shop}");
    let away = said.line("feed away");
    assert!(away.starts_with("fail") && away.contains("is not reached"), "{away}");
    assert_eq!(said.exit, Some(1));
    assert!(!said.lines.concat().contains("T0PSECRET"), "{said:?}");
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("HEAD /T0PSECRET HTTP/1.1\r\n"), "{asked}");
    assert!(!folder.path().join("copy.ndjson").exists());
}
