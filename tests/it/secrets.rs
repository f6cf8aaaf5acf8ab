//! No secret leaves the process by any door but the requests that need it: not by its log in any
//! format and at any level, its answers, its files, its messages to systemd, its command line, or
//! the errors of any command, though the server throws back whatever it is told, in every spelling.
//!
//! Not looked at: the memory of the process, and `/proc/PID/environ`, which shows a password to
//! root and to the daemon's own user where one is given in the environment; the units give it as a
//! credential. That there is no core file is a matter of the units too, and looked at here.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use ewmirror::simulator::Options;
use tempfile::TempDir;

use crate::support::spiteful::{KINDS, SHAPES, Spiteful};
use crate::support::{
    Daemon, Ended, Setup, Sim, eventually, for_each, is_so, repositories, sim, skipped,
    write_secret,
};

/// Each end shows by itself, however what stands between is spelt.
const PASSWORD: &str = "Canary\"ä&/ %41'<\\Swordfish";
const CLIENT_SECRET: &str = "Marmot=?+\"ö~Gooseberry";
const IN_PLAIN: [&str; 4] = ["Canary", "Swordfish", "Marmot", "Gooseberry"];

/// What feeds must not show: of a webhook's URL all but its host, what signs, and the password of a proxy.
const OF_FEEDS: [&str; 7] = [
    "Puffin-Sorrel",
    "Kestrel-Tamarisk",
    "Osprey-Juniper",
    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "Bittern-Hawthorn",
    "heron:Puffin-Sorrel",
    "Plover-Chicory",
];

/// The first two bytes of these, as a number.
fn two(bytes: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// All that must not be seen, and where it was looked for.
struct Search {
    /// By their first two bytes, so that one walk over a text is enough, and soon done.
    needles: Vec<Vec<Vec<u8>>>,
    looked_at: BTreeSet<String>,
}

impl Search {
    /// For the passwords and these tokens.
    fn new(tokens: &BTreeSet<String>) -> Self {
        assert!(tokens.len() >= 4, "{tokens:?}");
        let mut needles: Vec<Vec<u8>> = IN_PLAIN.map(|it| it.as_bytes().to_vec()).to_vec();
        for secret in
            tokens.iter().map(String::as_str).chain([PASSWORD, CLIENT_SECRET]).chain(OF_FEEDS)
        {
            needles.push(secret.into());
            needles.extend(in_base64(secret));
            let hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
            needles.extend([hex.to_uppercase().into(), hex.into()]);
        }
        let mut search = Self { needles: vec![Vec::new(); 1 << 16], looked_at: BTreeSet::new() };
        for needle in needles {
            search.needles[two(&needle)].push(needle);
        }
        search
    }

    fn look(&mut self, place: &str, bytes: &[u8]) {
        self.looked_at.insert(place.to_owned());
        for (at, beginning) in bytes.windows(2).enumerate() {
            let mut of_these = self.needles[two(beginning)].iter();
            if let Some(found) = of_these.find(|needle| bytes[at..].starts_with(needle)) {
                let around = &bytes[at.saturating_sub(200)..bytes.len().min(at + 200)];
                let [found, around] = [found, around].map(String::from_utf8_lossy);
                panic!("{place} holds {found}: {around}");
            }
        }
    }

    fn look_at_end(&mut self, place: &str, ended: &Ended) {
        for event in &ended.events {
            self.look(&format!("{place}, stderr"), event.line.as_bytes());
        }
        self.look(&format!("{place}, stdout"), &ended.stdout);
    }

    /// Every file, names too, but for this one.
    fn look_in(&mut self, folder: &Path, but: &Path) {
        for entry in fs::read_dir(folder).expect("the folder can be read").flatten() {
            let path = entry.path();
            let kind = entry.file_type().expect("a file has a type");
            self.look("a file's name", path.as_os_str().as_encoded_bytes());
            if kind.is_dir() {
                self.look_in(&path, but);
            } else if kind.is_file() && path != but {
                let place = path.file_name().expect("a file has a name").to_string_lossy();
                self.look(&place, &fs::read(&path).expect("the file can be read"));
            }
        }
    }

    fn expect(&self, places: &[&str]) {
        for place in places {
            assert!(self.looked_at.contains(*place), "{place} is not among {:?}", self.looked_at);
        }
    }
}

/// What a text looks like in base64 whatever stands before and after it.
fn in_base64(text: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for engine in [STANDARD, URL_SAFE] {
        for before in 0..3_usize {
            let bytes = [&vec![0; before], text.as_bytes()].concat();
            let whole = engine.encode(&bytes[..bytes.len() / 3 * 3]);
            found.push(whole.as_bytes()[if before == 0 { 0 } else { 4 }..].to_vec());
        }
    }
    found
}

/// A folder for all that a daemon writes and is told, with its password in a file.
struct Place {
    directory: TempDir,
    listen: String,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().expect("a directory for the test");
        for folder in ["tmp", "journal", "state"] {
            fs::create_dir(directory.path().join(folder)).expect("a folder can be made");
        }
        fs::write(directory.path().join("password"), format!("{PASSWORD}\n"))
            .expect("the password can be written");
        Self { directory, listen: format!("127.0.0.1:{}", sim::free_port()) }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn setup(&self, url: &str, login: &str, log: &str) -> Setup {
        let session = "reauth_interval = '200ms'".to_owned();
        let mut setup = Setup { session, ..Setup::new(url) };
        setup.login =
            format!("username = 'system'\npassword_file = '{}'\n{login}", self.path("password"));
        setup.paging = setup.paging.replace("'1h'", "'1ms'");
        setup.mirror = format!("url = 'sqlite://{}'", self.path("state/mirror.db"));
        setup.log = format!("level = 'trace'\nformat = '{log}'");
        setup
    }

    fn set(&self, command: &mut Command) {
        command.env_remove("EWMIRROR_LOGIN__PASSWORD");
        command.env("EWMIRROR_LOGIN__CLIENT_SECRET", CLIENT_SECRET);
        command.env("EWMIRROR_STATUS__LISTEN", &self.listen);
        command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
        command.env("TMPDIR", self.path("tmp"));
    }

    /// Feeds of every kind, one by way of a proxy; whoever they talk to throws back what it is told.
    fn feeds(&self, secrets: &TempDir) -> String {
        let secret = secrets.path().join("secret");
        write_secret(&secret, &format!("whsec_{}", OF_FEEDS[3]));
        let (secret, shop, proxy) = (secret.display(), throw_back(), throw_back());
        format!(
            "\n[[feed]]\nname = 'file'\ntype = 'file'\npath = '{}'\n\
             [[feed]]\nname = 'shop'\ntype = 'webhook'\nbatch = 1\nsecret_file = '{secret}'\n\
             url = 'http://heron:Puffin-Sorrel@127.0.0.1:{shop}/hooks/Kestrel-Tamarisk?key=Osprey-Juniper'\n\
             [[feed]]\nname = 'far'\ntype = 'webhook'\nsecret_file = '{secret}'\n\
             url = 'https://shop.invalid/hooks/Kestrel-Tamarisk?key=Osprey-Juniper'\n\
             proxy = 'http://heron:Bittern-Hawthorn@127.0.0.1:{proxy}'\n{}",
            self.path("state/feed.ndjson"),
            stream(secrets),
        )
    }

    /// A command to its end.
    fn ask(&self, arguments: &[&str], setup: &Setup) -> Ended {
        Daemon::start_with(arguments, setup, |command| self.set(command)).finish()
    }
}

/// A feed to a broker that throws back the login.
#[cfg(feature = "kafka")]
fn stream(secrets: &TempDir) -> String {
    let secret = secrets.path().join("login");
    write_secret(&secret, OF_FEEDS[6]);
    crate::kafka::spiteful::feed(&secret)
}

#[cfg(not(feature = "kafka"))]
fn stream(_: &TempDir) -> String {
    String::new()
}

/// Answers each request with one refusal after the other and with all of its head, wherever that can stand;
/// its port. It lives as long as the test process.
fn throw_back() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let statuses = ["422", "500", "302", "400", "407", "401", "429"].into_iter().cycle();
        for (mut stream, status) in listener.incoming().map_while(Result::ok).zip(statuses) {
            let mut heard = vec![0; 1 << 16];
            let read = stream.read(&mut heard).unwrap_or_default();
            let request = String::from_utf8_lossy(&heard[..read]).into_owned();
            let request = request.split("\r\n\r\n").next().unwrap_or_default();
            let first = request.lines().next().unwrap_or_default();
            let secrets = request.lines().filter(|it| it.to_lowercase().contains("authorization"));
            let told = secrets.chain(request.lines()).collect::<Vec<_>>().join(" ");
            let answer = format!(
                "HTTP/1.1 {status} {first}\r\nlocation: https://heron:{}@shop.invalid/{}\r\n\
                 x-told: {told}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{told}",
                OF_FEEDS[0],
                OF_FEEDS[1],
                told.len(),
            );
            drop(stream.write_all(answer.as_bytes()));
            // Who is still sending must hear it all the same.
            drop(stream.shutdown(Shutdown::Write));
            drop(io::copy(&mut stream, &mut io::sink()));
        }
    });
    port
}

/// A server, and the one that throws back what it is told.
fn servers(options: Options, secrets: &[&str]) -> (Sim, Spiteful) {
    let sim = Sim::start(Options { refusal: None, password: PASSWORD.to_owned(), ..options });
    let spiteful = Spiteful::start(sim.address(), secrets);
    (sim, spiteful)
}

/// Reads datagrams until the socket is dropped by everybody else, or for good.
fn datagrams(path: &str) -> Arc<Mutex<Vec<u8>>> {
    let socket = UnixDatagram::bind(path).expect("the socket can be bound");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heard);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 20];
        while let Ok(length) = socket.recv(&mut buffer) {
            let mut kept = kept.lock().expect("nobody panics with it");
            kept.extend_from_slice(&buffer[..length]);
            kept.push(b'\n');
        }
    });
    heard
}

#[test]
fn a_daemon_that_runs_shows_no_secret_anywhere() {
    let cases = [
        ("text", "", "headers"),
        ("json", "", "cookies"),
        ("journald", "method = 'oauth'\nclient_id = 'canal'", "headers"),
        (
            "json",
            "method = 'oauth'\nclient_id = 'canal'\noauth_credentials_in_url = true",
            "headers",
        ),
    ];
    for_each(&cases, |(log, login, transport)| {
        let in_journal = *log == "journald";
        if in_journal && !can_mount() {
            skipped("secrets in the journal", "no folder can be mounted in a namespace here");
            return;
        }
        let oauth = login.contains("oauth");
        // Tokens end all the time, sessions just not so soon that a login has to wait for it.
        let options = Options {
            session_ttl: Duration::from_secs(5),
            rest_token_ttl: Duration::from_millis(100),
            ..repositories(&[(1, 300)])
        };
        let secrets: &[&str] = if oauth { &[PASSWORD, CLIENT_SECRET] } else { &[PASSWORD] };
        let (sim, spiteful) = servers(options, secrets);
        let place = Place::new();
        let journal = datagrams(&place.path("journal/socket"));
        let notified = datagrams(&place.path("notify"));
        let mut setup = place.setup(&spiteful.url(), login, log);
        setup.session = format!("{}\ntransport = '{transport}'", setup.session);
        // Where nobody looks for it, as the configuration is.
        let secrets = TempDir::new().expect("a directory for the test");
        setup.mirror += &place.feeds(&secrets);
        let daemon = Daemon::start_with(&["run"], &setup, |command| {
            place.set(command);
            command.env("NOTIFY_SOCKET", place.path("notify")).env("WATCHDOG_USEC", "1000000");
            if in_journal {
                with_journal(command, &place.path("journal"));
            }
        });
        // With OAuth nobody can be asked whether a session stands, so each refusal leads to a login,
        // and a row of these to ever longer waits.
        spiteful.wait_for_spites(if oauth { KINDS } else { SHAPES });
        sim.wait_until(|counts| counts.logins > 2 && counts.pages > 2);

        // What the receiver has said is put down, and what the proxy has said is told.
        eventually(|| {
            let feeds = place.ask(&["feeds", "--json"], &setup);
            let status = place.ask(&["status", "--json"], &setup);
            let [feeds, status] =
                [feeds, status].map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
            let is_told = feeds.contains("answered with status 4")
                && status.contains("feed far does not deliver")
                && (cfg!(not(feature = "kafka")) || status.contains("see that sasl.username"));
            is_so(is_told, || format!("{feeds}\n{status}\n{}", daemon.tail()))
        });

        let mut told = Vec::new();
        let address = place.listen.parse().expect("an address");
        for path in ["/status", "/healthz", "/readyz", "/metrics", "/", "/nothing"] {
            let (_, answer) = sim::request(address, "GET", path, "");
            told.push((path.to_owned(), answer.into_bytes()));
        }
        for file in ["cmdline", "comm", "status", "environ"] {
            let read = fs::read(format!("/proc/{}/{file}", daemon.process()));
            // Only what the test itself has put there.
            let read =
                String::from_utf8_lossy(&read.expect("our own child")).replace(CLIENT_SECRET, "");
            told.push((file.to_owned(), read.into_bytes()));
        }
        let mut asked = Vec::new();
        for arguments in [
            &["status"][..],
            &["status", "--json"],
            &["check"],
            &["export", "--repository", "1"],
            &["export", "--repository", "1", "--format", "csv"],
            &["changes"],
            &["feeds"],
            &["feeds", "--json"],
            &["doctor"],
        ] {
            asked.push((arguments.join(" "), place.ask(arguments, &setup)));
        }
        let tokens = spiteful.tokens();
        let password = Path::new(&place.path("password")).to_owned();
        let mut search = Search::new(&tokens);
        // While it runs, with the journal of the database and all.
        search.look_in(place.directory.path(), &password);
        let ended = daemon.stop();
        let mut search = Search::new(&spiteful.tokens());
        search.look_in(place.directory.path(), &password);
        search.look_at_end("run", &ended);
        for (what, bytes) in &told {
            search.look(what, bytes);
        }
        for (what, ended) in &asked {
            search.look_at_end(what, ended);
        }
        search.look("journal", &journal.lock().unwrap());
        search.look("notify", &notified.lock().unwrap());
        assert!(!notified.lock().unwrap().is_empty());
        let log = if in_journal { journal.lock().unwrap().len() } else { ended.events.len() };
        assert!(log > 50, "{log}");
        search.expect(&[
            "mirror.db",
            "/status",
            "/metrics",
            "cmdline",
            "changes, stdout",
            "feeds --json, stdout",
            "feed.ndjson",
            "notify",
        ]);
    });
}

#[test]
fn a_command_that_fails_shows_no_secret_whatever_the_server_says() {
    let (sim, spiteful) = servers(repositories(&[(1, 300)]), &[PASSWORD]);
    let (_other_sim, with_oauth) = servers(repositories(&[(1, 300)]), &[PASSWORD, CLIENT_SECRET]);
    let place = Place::new();
    let mut ends = Vec::new();
    let logins = [("", &spiteful), ("method = 'oauth'\nclient_id = 'canal'", &with_oauth)];
    for (login, spiteful) in logins {
        for log in ["text", "json"] {
            let setup = place.setup(&spiteful.url(), login, log);
            for shape in 0..SHAPES {
                spiteful.always(shape);
                let commands: [&[&str]; 4] = [
                    &["check", "--online"],
                    &["doctor"],
                    &["repositories"],
                    &["once", "--patience", "1ms"],
                ];
                let command = commands[shape % 4];
                ends.push((command.join(" "), place.ask(command, &setup)));
            }
        }
    }
    spiteful.fair();
    let setup = place.setup(&spiteful.url(), "", "json");
    fs::write(place.path("password"), format!("{PASSWORD} but wrong")).unwrap();
    for command in [&["check", "--online"][..], &["doctor"], &["once"]] {
        let ended = place.ask(command, &setup);
        assert!(!ended.status.success(), "{command:?}");
        ends.push((command.join(" "), ended));
    }
    assert_eq!(sim.counts().failed_logins, 3);
    fs::write(place.path("password"), PASSWORD).unwrap();
    assert!(place.ask(&["check", "--online"], &setup).status.success());
    ends.push(("once".to_owned(), place.ask(&["once"], &setup)));
    let mut search = Search::new(&spiteful.tokens());
    for (what, ended) in &ends {
        search.look_at_end(what, ended);
    }
}

#[test]
fn the_units_leave_no_core_file() {
    for unit in ["ewmirror.service", "ewmirror@.service"] {
        let unit = fs::read_to_string(Path::new("systemd").join(unit)).expect("the unit is here");
        assert!(unit.lines().any(|line| line == "LimitCORE=0"), "{unit}");
    }
}

/// Whether this user may give a process a folder of its own in place of the journal's.
fn can_mount() -> bool {
    let mut command = Command::new("true");
    with_journal(&mut command, "/tmp");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Has a command find this folder where the journal's is.
fn with_journal(command: &mut Command, folder: &str) {
    let mut apart = Command::new("unshare");
    let mount = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && \
                 mount --bind \"$0\" /run/systemd/journal && exec \"$@\"";
    apart.args(["--mount", "sh", "-c", mount, folder]);
    apart.arg(command.get_program()).args(command.get_args()).env_clear();
    apart.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    apart.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    *command = apart;
}
