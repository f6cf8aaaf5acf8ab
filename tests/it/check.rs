//! The configuration as the commands see it: every fault at once, no secret, and what is shipped.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use ewmirror::simulator::Options;
use tempfile::TempDir;

use crate::support::daemon::{config_file, output};
use crate::support::{Setup, Sim, ewmirror, repositories};

/// A directory with a configuration file.
struct Place(TempDir);

impl Place {
    fn new(toml: &str) -> Self {
        let directory = TempDir::new().expect("a directory for the test");
        fs::write(config_file(directory.path()), toml).expect("the configuration can be written");
        Self(directory)
    }

    /// Runs a command with this file, and with the environment that `change` makes of a cleared one.
    fn run(&self, arguments: &[&str], change: impl FnOnce(&mut std::process::Command)) -> Output {
        let mut command = ewmirror(arguments);
        command.arg("--config").arg(config_file(self.0.path()));
        change(&mut command);
        output(&mut command)
    }

    /// Writes a file beside the configuration, with this mode.
    fn write(&self, name: &str, text: &str, mode: u32) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).expect("the file can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode can be set");
        path.display().to_string()
    }
}

fn check(toml: &str) -> Output {
    Place::new(toml).run(&["check"], |_| {})
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn good() -> String {
    Setup::new("http://127.0.0.1:9").toml()
}

#[test]
fn a_configuration_that_holds_is_valid_and_shown_without_its_secrets() {
    let checked = Place::new(&good()).run(&["check"], |command| {
        command.env("EWMIRROR_LOGIN__PASSWORD", "Canary-pa55word");
        command.env("EWMIRROR_PAGING__PAGE_SIZE", "77");
    });
    assert_eq!(checked.status.code(), Some(0));
    let text = stdout(&checked);
    assert_eq!(text.lines().next(), Some("valid"));
    assert!(text.contains("page_size = 77"), "the environment comes before the file: {text}");
    assert!(!text.contains("Canary") && !stderr(&checked).contains("Canary"));
}

#[test]
fn every_class_of_fault_exits_2_with_its_key() {
    let good = good();
    let changed = |old: &str, new: &str| {
        assert!(good.contains(old), "{old}");
        good.replace(old, new)
    };
    let cases = [
        (String::new(), "server.url"),
        ("[server\n".to_owned(), "ewmirror.toml:1"),
        ("\u{0}\u{1}".to_owned(), "ewmirror.toml"),
        (changed("url = 'http://127.0.0.1:9'", "url = 'ftp://pim'"), "server.url"),
        (changed("url = 'http://127.0.0.1:9'", "url = 7"), "server.url"),
        (changed("username = 'system'", ""), "login.username"),
        (changed("username = 'system'", "usrname = 'system'"), "did you mean username"),
        (changed("page_size = 100", "page_size = 0"), "paging.page_size"),
        (changed("page_size = 100", "page_size = -1"), "paging.page_size"),
        (changed("page_size = 100", "page_size = 1e3"), "paging.page_size"),
        (changed("page_size = 100", "page_size = 'many'"), "paging.page_size"),
        (changed("page_interval = '0s'", "page_interval = '10'"), "paging.page_interval"),
        (changed("page_interval = '0s'", "page_interval = 10"), "paging.page_interval"),
        (changed("pass_interval = '1h'", "pass_interval = '-1h'"), "paging.pass_interval"),
        (changed("connect_timeout = '5s'", "connect_timeout = '0s'"), "server.connect_timeout"),
        (changed("connect_timeout = '5s'", "max_response_size = '5'"), "max_response_size"),
        (changed("connect_timeout = '5s'", "ca_file = '/nonexistent'"), "server.ca_file"),
        (changed("connect_timeout = '5s'", "proxy = 'gopher://x'"), "server.proxy"),
        (changed("[session]", "[session]\nreauth_interval = '0s'"), "session.reauth_interval"),
        (changed("[session]", "[session]\ntransport = 'pigeon'"), "session.transport"),
        (changed("[session]", "[sessions]\nmax_age = '1h'"), "[session]"),
        (changed("[login]", "[login]\nmethod = 'oauth'"), "login.client_id"),
        (changed("[login]", "[login]\npassword = 'Canary'"), "login.password"),
        (changed("[login]", "[login]\npassword_file = '/nonexistent'"), "login.password_file"),
        (changed("level = 'debug'", "level = 'loud'"), "log.level"),
        (changed("listen = 'off'", "listen = 'everywhere'"), "status.listen"),
        (changed("id = 1", "id = 0"), "id"),
        (changed("id = 1", "id = 'one'"), "id"),
        (changed("id = 1", "id = 1\n[[repository]]\nid = 1"), "repository[2].id"),
        (changed("id = 1", "id = 1\nitem_id = 'itemId'"), "repository[1].item_id"),
        (changed("id = 1", "id = 1\nsearch = { page = 3 }"), "search"),
        (changed("[[repository]]\nid = 1", ""), "repository"),
        (changed("url = 'none'", "url = 'mysql://x'"), "mirror.url"),
        (changed("id = 1", "id = 1\nignore = ['/itemId']"), "repository[1].ignore"),
        (format!("{good}[changes]\nkeep = '0s'\n"), "changes.keep"),
        (format!("{good}[deletes]\nmax_fraction = 2\n"), "deletes.max_fraction"),
        (format!("{good}[kafka]\nbroker = 'x'\n"), "kafka"),
    ];
    crate::support::for_each(&cases, |(toml, key)| {
        let checked = check(toml);
        let (out, err) = (stdout(&checked), stderr(&checked));
        assert_eq!(checked.status.code(), Some(2), "{key}: {out}{err}");
        assert!(err.contains(key), "{key}: {err}");
        assert!(out.is_empty(), "{out}");
        assert!(!err.contains("Canary"), "{err}");
        assert!(!err.contains("panic"), "{err}");
    });
}

#[test]
fn all_faults_are_told_at_once_by_check_run_and_once_alike() {
    let toml = good()
        .replace("http://127.0.0.1:9", "ftp://pim")
        .replace("username = 'system'", "usrname = 'system'")
        .replace("page_size = 100", "page_size = 0")
        .replace("level = 'debug'", "level = 'loud'")
        .replace("id = 1", "id = 0");
    let place = Place::new(&toml);
    let keys =
        ["server.url", "usrname", "login.username", "paging.page_size", "log.level", "7 faults"];
    for command in ["check", "run", "once"] {
        let refused = place.run(&[command], |command| {
            command.env("EWMIRROR_PAGING__OVERLAP", "perhaps");
        });
        assert_eq!(refused.status.code(), Some(2), "{command}");
        let told = stderr(&refused);
        for key in keys {
            assert!(told.contains(key), "{command}: {key}: {told}");
        }
        assert!(told.contains("EWMIRROR_PAGING__OVERLAP"), "{told}");
        assert_eq!(stdout(&refused), "");
    }
}

#[test]
fn a_variable_that_nobody_knows_is_a_fault() {
    let checked = Place::new(&good()).run(&["check"], |command| {
        command.env("EWMIRROR_SERVER_URL", "http://Canary");
    });
    assert_eq!(checked.status.code(), Some(2));
    assert!(stderr(&checked).contains("did you mean EWMIRROR_SERVER__URL?"));
}

#[test]
fn a_file_that_is_not_there_or_cannot_be_read_is_a_fault() {
    for path in ["/nonexistent/ewmirror.toml", "/"] {
        for command in ["check", "run", "once"] {
            let refused = output(&mut ewmirror([command, "--config", path]));
            assert_eq!(refused.status.code(), Some(2), "{command} {path}");
            assert!(stderr(&refused).contains("cannot be read"), "{}", stderr(&refused));
        }
    }
}

#[test]
fn what_is_shipped_holds() {
    for file in ["ewmirror.toml", "vendor-example.toml"] {
        let path = format!("{}/config/{file}", env!("CARGO_MANIFEST_DIR"));
        let checked = output(&mut ewmirror(["check", "--config", &path]));
        assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
        assert!(stdout(&checked).starts_with("valid\n"));
        assert_eq!(stderr(&checked), "", "{file} has no warnings");
        let checked = output(ewmirror(["check", "--config", &path]).env_clear());
        assert_eq!(checked.status.code(), Some(2), "{file} has no password");
        assert!(stderr(&checked).contains("login.password"));
    }
}

/// A server with this password, and a configuration that names no place of it.
fn strict(password: &str) -> (Sim, String) {
    let options = Options { password: password.to_owned(), ..repositories(&[(1, 150), (2, 10)]) };
    let sim = Sim::start(options);
    let toml = Setup::new(sim.url()).toml();
    (sim, toml)
}

#[test]
fn the_password_comes_from_the_credential_the_file_or_the_variable_in_this_order() {
    let (sim, toml) = strict("right");
    let place = Place::new(&toml);
    place.write("password", "right\n", 0o600);
    let credentials = place.0.path().display().to_string();
    let with_file = |text: &str, mode| {
        let path = place.write("secret", text, mode);
        toml.replace("[login]", &format!("[login]\npassword_file = '{path}'"))
    };
    let online = |toml: &str, credential: bool, variable: Option<&str>| {
        let other = Place::new(toml);
        other.run(&["check", "--online"], |command| {
            command.env_clear();
            if credential {
                command.env("CREDENTIALS_DIRECTORY", &credentials);
            }
            if let Some(password) = variable {
                command.env("EWMIRROR_LOGIN__PASSWORD", password);
            }
        })
    };
    let cases = [
        online(&toml, true, None),
        online(&with_file("wrong", 0o600), true, Some("wrong")),
        online(&with_file("right\n", 0o600), false, None),
        online(&with_file("right\r\n", 0o400), false, Some("wrong")),
        online(&toml, false, Some("right")),
    ];
    for (index, checked) in cases.iter().enumerate() {
        assert_eq!(checked.status.code(), Some(0), "{index}: {}", stderr(checked));
        assert!(stdout(checked).contains("repository 1: 100 of 150 items read"));
    }
    let readable = online(&with_file("right", 0o644), false, None);
    assert_eq!(readable.status.code(), Some(0));
    let warning = stderr(&readable);
    assert!(warning.contains("can be read by others") && warning.contains("0644"), "{warning}");
    let counts = sim.counts();
    assert_eq!((counts.logins, counts.logouts, counts.failed_logins), (6, 6, 0));
}

#[test]
fn check_online_signs_in_reads_one_page_of_each_repository_and_signs_out() {
    let sim = Sim::start(repositories(&[(1, 150), (2, 10)]));
    let setup = Setup {
        repositories: vec!["id = 1".to_owned(), "id = 2".to_owned()],
        ..Setup::new(sim.url())
    };
    let checked = Place::new(&setup.toml()).run(&["check", "--online"], |_| {});
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
    let text = stdout(&checked);
    assert!(text.starts_with("valid\n"), "{text}");
    assert!(text.contains("signed in as system"), "{text}");
    assert!(text.contains("repository 1: 100 of 150 items read"), "{text}");
    assert!(text.contains("repository 2: 10 of 10 items read"), "{text}");
    let counts = sim.counts();
    assert_eq!((counts.logins, counts.searches, counts.logouts), (1, 2, 1));
}

#[test]
fn check_online_fails_with_the_reason() {
    let (locked, toml) = strict("another");
    let refused = Place::new(&toml).run(&["check", "--online"], |_| {});
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("unauthorized please see enable-api logs"));
    assert_eq!(locked.counts().failed_logins, 1);

    let sim = Sim::start(repositories(&[(1, 10)]));
    let setup = Setup {
        repositories: vec!["id = 404".to_owned(), "id = 1".to_owned()],
        ..Setup::new(sim.url())
    };
    let refused = Place::new(&setup.toml()).run(&["check", "--online"], |_| {});
    assert_eq!(refused.status.code(), Some(1));
    let told = stderr(&refused);
    assert!(told.contains("repository 404: "), "{told}");
    assert!(!told.contains("repository 1: "), "{told}");
    assert_eq!(sim.counts().logouts, 1);

    let away = Place::new(&good()).run(&["check", "--online"], |_| {});
    assert_eq!(away.status.code(), Some(1));
    assert!(!stderr(&away).is_empty());
}

#[test]
fn a_password_in_the_mirrors_url_is_wrong_to_check_and_to_run() {
    let toml = good().replace("url = 'none'", "url = 'postgres://u:hunter2@h/d'");
    let place = Place::new(&toml);
    for command in ["check", "run", "once"] {
        let refused = place.run(&[command], |_| {});
        assert_eq!(refused.status.code(), Some(2));
        let told = stderr(&refused);
        assert!(told.contains("mirror.url") && told.contains("holds a password"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_database_whose_folder_is_not_there_is_not_made_somewhere_else() {
    // As where a disk is not mounted: what would be made is on another one.
    let place = Place::new("");
    let folder = place.0.path().join("mnt/ewmirror");
    fs::create_dir(place.0.path().join("mnt")).unwrap();
    let mirror = format!("url = 'sqlite://{}/mirror.db'", folder.display());
    fs::write(config_file(place.0.path()), good().replace("url = 'none'", &mirror)).unwrap();
    for (command, exit) in [("check", 2), ("run", 1), ("once", 1), ("doctor", 1)] {
        let refused = place.run(&[command], |_| {});
        assert_eq!(refused.status.code(), Some(exit), "{command}: {}", stderr(&refused));
        let told = stdout(&refused) + &stderr(&refused);
        assert!(told.contains(&format!("there is no folder {}", folder.display())), "{told}");
        assert!(told.contains("mount"), "{told}");
        assert!(!folder.exists(), "{command} has made it");
    }
    fs::create_dir(&folder).unwrap();
    assert_eq!(place.run(&["check"], |_| {}).status.code(), Some(0));
}

#[test]
fn warnings_of_the_configuration_are_in_the_log_at_the_start() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let mut setup = Setup::new(sim.url());
    setup.server = "accept_invalid_certificates = true".to_owned();
    let daemon = crate::support::Daemon::run(&setup);
    let warning = daemon.wait_for(|it| it.is("configuration warning"));
    assert_eq!(warning.level(), "WARN");
    assert_eq!(warning.text("key"), "server.accept_invalid_certificates");
    daemon.wait_for_pass(1, 1);
    daemon.stop();
}
